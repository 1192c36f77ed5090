use super::*;

/// A spec without mistakes; tests break it in one place.
const GOOD: &str = r#"
feed = "contracts"

[source]
format = "csv"

[rejects]
policy = "keep-going"

[[columns]]
name = "agent"
type = "text"

[[columns]]
name = "amount"
type = "decimal"

[[columns]]
name = "signed"
type = "date"

[[triage]]
code = "NEGATIVE"
outcome = "reject"
when = { column = "amount", op = "<", value = 0 }

[[measures]]
name = "contracts"
kind = "count"

[[measures]]
name = "volume"
kind = "sum"
column = "amount"

[[measures]]
name = "mean"
kind = "mean"
column = "amount"
round = { places = 2 }

[figures]
group_by = ["agent"]
control = ["contracts"]

[delivery]
period_from = "signed"
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
fn the_good_spec_is_good() {
    let spec = FeedSpec::parse("feed.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(spec.output_columns(), ["agent", "contracts", "volume", "mean"]);
    assert_eq!(spec.delivery.channel.name(), "coreview-database");
}

#[test]
fn every_channel_has_a_word() {
    for word in ["coreview-database", "file-drop", "https"] {
        let text = GOOD.replace("[delivery]", &format!("[delivery]\nchannel = \"{word}\""));
        let spec = FeedSpec::parse("feed.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(spec.delivery.channel.name(), word);
    }
    let said = broken("[delivery]", "[delivery]\nchannel = \"files-drop\"");
    assert!(said.contains("did you mean `file-drop`"), "{said}");
}

#[test]
fn mistakes_name_place_field_and_remedy() {
    let said = [
        broken("kind = \"sum\"", "kind = \"summ\""),
        broken("column = \"amount\"\n\n", "colunm = \"amount\"\n\n"),
        broken("format = \"csv\"", "format = \"csv\"\ndelimeter = \";\""),
        broken("type = \"decimal\"", "type = \"money\""),
        broken("op = \"<\"", "op = \"lt\""),
        broken("feed = \"contracts\"\n", ""),
        broken("outcome = \"reject\"\n", ""),
        broken("policy = \"keep-going\"", "policy = \"threshold\""),
        broken("places = 2", "places = \"two\""),
        broken("places = 2", "places = -1"),
        broken("feed = \"contracts\"", "feed = contracts"),
        broken("[delivery]", "[delivery"),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_types_cannot_say_is_checked_too() {
    let said = [
        broken("column = \"amount\", op", "column = \"amont\", op"),
        broken("value = 0 }", "value = \"zero\" }"),
        broken("column = \"amount\", op = \"<\"", "column = \"signed\", op = \"<\""),
        broken("kind = \"sum\"\ncolumn = \"amount\"", "kind = \"sum\"\ncolumn = \"agent\""),
        broken("group_by = [\"agent\"]", "group_by = [\"agnet\"]"),
        broken("control = [\"contracts\"]", "control = [\"mean\"]"),
        broken("control = [\"contracts\"]", "control = [\"contract\"]\ncolumns = [\"volume\"]"),
        broken("round = { places = 2 }", ""),
        broken("period_unit = \"month\"", ""),
        broken("name = \"volume\"", "name = \"agent\""),
        broken("code = \"NEGATIVE\"", "code = \"REQUIRED\""),
        broken("kind = \"count\"", "kind = \"count\"\nwhere = { column = \"amount\", op = \"is-null\" }"),
        broken("kind = \"count\"", "kind = \"ratio\"\nnumerator = \"volume\""),
        broken("type = \"text\"", "type = \"text\"\nthousands = \",\""),
        broken("value = 0 }", "value = 0, all = [] }"),
        broken(
            "[[triage]]",
            "[[derive]]\nname = \"d\"\nvalue = { add = [\"amount\", 1], round = 2 }\n\n[[triage]]",
        ),
        broken("[[triage]]", "[[derive]]\nname = \"d\"\nvalue = { multiply = [\"agent\", 2] }\n\n[[triage]]"),
        broken("value = 0 }", "value = 0.12345678901234567890 }"),
        broken("control = [\"contracts\"]", "control = [\"contracts\"]\ncontrol_by = \"amount\""),
        broken("control = [\"contracts\"]", "control_by = \"agent\""),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn json_mistakes_have_places_too() {
    let said = |text: &str| FeedSpec::parse("feed.json", text).unwrap_err().to_string();
    let texts = [
        "{\n  \"feed\": \"x\",\n  \"feed\": \"y\"\n}",
        "{\n  \"feed\": \"x\",\n  \"sources\": {}\n}",
        "{\n  \"feed\": \"x\"\n  \"source\": {}\n}",
        "{\n  \"feed\": 5,\n  \"source\": {\"format\": \"csv\"}\n}",
    ];
    insta::assert_snapshot!(texts.map(said).join("\n"));
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = GOOD.replace("[\"agent\"]", "[\"agnet\"]").replace("[\"contracts\"]", "[\"contract\"]");
    let error = FeedSpec::parse("feed.toml", &text).unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    let first = &error.problems()[0];
    assert_eq!(text.get(first.span.clone()), Some("\"agnet\""));
    assert_eq!(first.suggestion.as_deref(), Some("agent"));
}

#[test]
fn large_or_binary_specs_are_refused() {
    let large = "#".repeat(usize::try_from(SPEC_BYTES_MAX).unwrap() + 1);
    assert!(FeedSpec::read("feed.toml", large.as_bytes()).unwrap_err().to_string().contains("at most"));
    assert!(FeedSpec::read("feed.toml", &[0xff, 0xfe][..]).unwrap_err().to_string().contains("UTF-8"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", json in proptest::bool::ANY) {
        let name = if json { "feed.json" } else { "feed.toml" };
        let _ = FeedSpec::parse(name, &text);
        let _ = FeedSpec::parse(name, &format!("{{{text}}}"));
    }

    #[test]
    fn a_cut_spec_is_never_a_panic(end in 0..GOOD.len()) {
        let _ = FeedSpec::parse("feed.toml", GOOD.get(..end).unwrap_or_default());
    }
}

/// What is said about the good spec that also keeps its rows like this.
fn kept(store: &str) -> String {
    let text = format!("{GOOD}\n[store]\n{store}\n");
    match FeedSpec::parse("feed.toml", &text) {
        Ok(_) => "no mistake found".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_kept_of_rows_is_checked() {
    assert_eq!(
        kept("key = [\"agent\"]\nday = \"signed\"\nmarket = \"agent\"\nmonths_back = 12"),
        "no mistake found"
    );
    assert_eq!(kept("day = \"signed\""), "no mistake found");
    let said = [
        (
            "key = [\"agnet\"]\nday = \"signed\"",
            "feed.toml:51:8: store.key[0]: there is no column `agnet`; did you mean `agent`?",
        ),
        ("key = [\"agent\", \"agent\"]\nday = \"signed\"", "store.key[1]: `agent` is in the key twice"),
        (
            "day = \"agent\"",
            "feed.toml:51:7: store.day: column `agent` is text: a date or timestamp is needed",
        ),
        (
            "day = \"signed\"\nmarket = \"amount\"",
            "store.market: column `amount` is decimal: a text is needed",
        ),
        ("day = \"signed\"\nmonths_back = 121", "store.months_back: at most 120 months"),
        ("months_back = 1", "`day` is missing"),
        ("day = \"signed\"\nmonth_back = 1", "there is no field `month_back`"),
    ];
    for (store, words) in said {
        let found = kept(store);
        assert!(found.contains(words), "{found}");
    }
    let fixed = GOOD.replace("period_from = \"signed\"\nperiod_unit = \"month\"", "period = \"2024\"");
    let error = FeedSpec::parse("feed.toml", &format!("{fixed}\n[store]\nday = \"signed\"\n")).unwrap_err();
    assert!(error.to_string().contains("name the column of the period in `period_from`"), "{error}");
}

#[test]
fn the_period_of_a_reference_is_one_of_its_columns() {
    let with = |period: &str| {
        let reference = format!(
            "[[references]]\nname = \"targets\"\nperiod = \"{period}\"\ncolumns = [{{ name = \"month\", type = \"text\" }}, {{ name = \"target\", type = \"decimal\" }}]\n"
        );
        FeedSpec::parse("feed.toml", &format!("{GOOD}\n{reference}"))
    };
    assert_eq!(with("month").unwrap().references[0].period.as_deref(), Some("month"));
    let error = with("moth").unwrap_err().to_string();
    assert!(
        error.contains(
            "references[0].period: there is no column of this reference `moth`; did you mean `month`?"
        ),
        "{error}"
    );
    let error = with("target").unwrap_err().to_string();
    assert!(error.contains("column `target` is decimal: a text such as `2024-01`"), "{error}");
}

#[test]
fn what_is_nested_too_deep_is_refused_before_it_fills_the_stack() {
    let deep = |levels: usize| {
        let value = format!("{}1{}", "{\"abs\":".repeat(levels), "}".repeat(levels));
        format!("{{\"derive\": [{{\"name\": \"x\", \"value\": {value}}}]}}")
    };
    for levels in [3_000, 100_000] {
        let error = FeedSpec::parse("feed.json", &deep(levels)).unwrap_err().to_string();
        assert!(error.contains("nested more than 100 levels deep"), "{error}");
    }
    let error = FeedSpec::parse("feed.json", &deep(40)).unwrap_err().to_string();
    assert!(!error.contains("nested"), "{error}");
    let lists = format!("x = {}{}", "[".repeat(90), "]".repeat(90));
    assert!(FeedSpec::parse("feed.toml", &lists).is_err());
    let dotted = format!("{}x = 1", "a.".repeat(2_000));
    assert!(FeedSpec::parse("feed.toml", &dotted).is_err());
}
