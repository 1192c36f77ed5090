use crate::calculation::Plan;
use crate::{FeedSpec, Kind};

/// A spec with tables and no mistakes; tests break it in one place.
const GOOD: &str = r#"
feed = "contracts"
[source]
format = "csv"
[rejects]
policy = "keep-going"
[[columns]]
name = "id"
type = "text"
[[columns]]
name = "amount"
type = "decimal"
[[columns]]
name = "signed"
type = "date"
[[references]]
name = "rates"
columns = [{ name = "day", type = "date" }, { name = "currency", type = "text" }, { name = "rate", type = "decimal" }]
[[tables]]
name = "entities"
from = "rows"
steps = [
    { group = { by = ["id"], measures = [
        { name = "day", kind = "min", column = "signed" },
        { name = "total", kind = "sum", column = "amount" },
    ] } },
    { exchange = { name = "euros", amount = "total", from = { text = "SEK" }, to = { text = "EUR" }, on = "day", rates = { table = "rates" }, round = { places = 2 } } },
    { window = { by = ["id"], period = "day", unit = "month", over = "last", periods = 3, measures = [{ name = "earlier", kind = "sum", column = "euros" }] } },
    { derive = { name = "late", value = { case = [{ when = { column = "day", op = ">", value = "2024-01-31" }, then = 1 }], else = 0 } } },
]
[[reconciliations]]
name = "amounts"
total = { table = "rows", sum = "amount" }
parts = [{ table = "entities", sum = "total" }]
[[measures]]
name = "euros"
kind = "sum"
column = "euros"
[figures]
from = "entities"
group_by = ["day"]
control = ["euros"]
[delivery]
period_from = "day"
period_unit = "month"
"#;

/// What is said about the good spec with one text replaced.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match FeedSpec::parse("feed.toml", &GOOD.replacen(from, to, 1)) {
        Ok(_) => "no mistake found".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_plan_knows_every_column_of_its_tables() {
    let spec = FeedSpec::parse("feed.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::of(&spec).unwrap();
    let fields: Vec<(&str, Kind)> =
        plan.layout("entities").unwrap().fields().iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(
        fields,
        [
            ("id", Kind::Text),
            ("day", Kind::Date),
            ("total", Kind::Decimal),
            ("euros", Kind::Decimal),
            ("earlier", Kind::Decimal),
            ("late", Kind::Decimal)
        ]
    );
}

#[test]
fn mistakes_in_tables_name_their_place() {
    let said = [
        broken("from = \"rows\"", "from = \"rosw\""),
        broken("by = [\"id\"], measures", "by = [\"di\"], measures"),
        broken("kind = \"min\", column = \"signed\"", "kind = \"mean\", column = \"signed\""),
        broken("kind = \"min\", column = \"signed\"", "kind = \"min\", column = \"signed\", rows = \"all\""),
        broken("name = \"euros\", amount", "name = \"total\", amount"),
        broken("amount = \"total\"", "amount = \"day\""),
        broken("table = \"rates\" }", "table = \"rate\" }"),
        broken("table = \"rates\" }", "table = \"rates\", day = \"currency\" }"),
        broken("places = 2", "places = 13"),
        broken("period = \"day\", unit = \"month\"", "period = \"day\""),
        broken("periods = 3, ", ""),
        broken("over = \"last\"", "over = \"latest\""),
        broken("{ derive = {", "{ where = { all = [] }, derive = {"),
        broken("else = 0", "else = { text = \"x\" }"),
        broken("then = 1", "them = 1"),
        broken("sum = \"total\"", "sum = \"day\""),
        broken("[figures]\nfrom = \"entities\"", "[figures]\nfrom = \"entity\""),
        broken("group_by = [\"day\"]", "group_by = [\"signed\"]"),
        broken("name = \"entities\"", "name = \"rates\""),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn every_step_checks_its_own() {
    let step = |step: &str| broken("{ derive = {", &format!("{step},\n    {{ derive = {{"));
    let said = [
        step("{ select = [\"id\", \"id\"] }"),
        step("{ unpivot = { columns = [\"id\", \"total\"], name = \"a\", value = \"b\" } }"),
        step("{ sort = [{ by = \"ids\" }] }"),
        step("{ join = { table = \"rates\", on = { day = \"id\" }, take = { rate = \"rate\" } } }"),
        step("{ join = { table = \"rates\", on = { day = \"day\" }, take = { total = \"rate\" } } }"),
        step(
            "{ join = { table = \"rates\", latest = { column = \"day\", before = \"total\" }, take = { rate = \"rate\" } } }",
        ),
        step("{ outliers = { name = \"far\", column = \"total\" } }"),
        step(
            "{ clawback = { id = [\"id\"], day = \"day\", cancelled = \"total\", within_months = 6, amounts = [\"total\"], name = \"back\" } }",
        ),
        step("{ append = \"rates\", select = [\"id\"] }"),
        step(
            "{ look_up = { name = \"r\", table = \"rates\", value = \"rate\", y = { from = \"rate\", value = \"total\", below = \"B\", missing = \"M\" }, x = { from = \"currency\", value = \"total\", below = \"B\", missing = \"M\" } } }",
        ),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_was_delivered_has_columns_of_the_figures_table() {
    let paid = |store: &str, columns: &str, more: &str| {
        let reference = format!(
            "{store}[[references]]\nname = \"paid\"\ndelivered = true\ncolumns = [{columns}]\n{more}"
        );
        broken("[[tables]]\nname = \"entities\"", &format!("{reference}[[tables]]\nname = \"entities\""))
    };
    let store = "[store]\nday = \"signed\"\n";
    let good = "{ name = \"id\", type = \"text\" }, { name = \"delivery\", type = \"text\" }";
    assert_eq!(paid(store, good, ""), "no mistake found");
    let again = format!("[[references]]\nname = \"paid_too\"\ndelivered = true\ncolumns = [{good}]\n");
    for (said, words) in [
        (paid("", good, ""), "only a feed with a section `[store]` knows what was delivered"),
        (
            paid(store, "{ name = \"ids\", type = \"text\" }", ""),
            "there is no column of the figures' table `ids`",
        ),
        (paid(store, "{ name = \"total\", type = \"text\" }", ""), "`total` is decimal there, not text"),
        (paid(store, "{ name = \"period\", type = \"date\" }", ""), "`period` is text there, not date"),
        (paid(store, good, "period = \"delivery\"\n"), "is never waited for"),
        (paid(store, good, &again), "`paid` is that already"),
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn warnings_may_be_about_tables() {
    let warning = |more: &str| {
        broken(
            "[[measures]]\nname = \"euros\"",
            &format!("[[warnings]]\ncode = \"LATE\"\n{more}[[measures]]\nname = \"euros\""),
        )
    };
    assert_eq!(warning("table = \"entities\"\n"), "no mistake found");
    let when = "when = { column = \"late\", op = \"=\", value = 1 }\n";
    assert_eq!(warning(&format!("table = \"entities\"\n{when}")), "no mistake found");
    assert!(warning(when).contains("there is no column `late`"), "{}", warning(when));
    let unknown = warning("table = \"entity\"\n");
    assert!(unknown.contains("there is no earlier table `entity`"), "{unknown}");
    let steady = warning("table = \"entities\"\nsteady = { column = \"amount\", along = \"id\" }\n");
    assert!(steady.contains("leave `table` out"), "{steady}");
}
