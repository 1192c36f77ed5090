//! Tables: what each step does, and real data through several of them.

use std::fs;

use super::*;

/// A feed of `columns` (name:kind) with these tables, whose figures are columns
/// of the table `out`: `name` is a group column, `=name` its first value, `+name`
/// the sum.
fn spec(columns: &str, references: &str, tables: &str, shown: &[&str]) -> String {
    let columns: Vec<String> = columns
        .split(' ')
        .map(|column| {
            let (name, kind) = column.split_once(':').unwrap();
            format!("[[columns]]\nname = \"{name}\"\ntype = \"{kind}\"\n")
        })
        .collect();
    let columns = columns.concat();
    let quoted =
        |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let keys: Vec<&str> = shown.iter().copied().filter(|name| !name.starts_with(['=', '+'])).collect();
    let all: Vec<&str> = shown.iter().map(|name| name.trim_start_matches(['=', '+'])).collect();
    let measures: Vec<String> = shown
        .iter()
        .filter_map(|name| {
            let (kind, name) = name
                .strip_prefix('=')
                .map(|name| ("first", name))
                .or(name.strip_prefix('+').map(|name| ("sum", name)))?;
            Some(format!("[[measures]]\nname = \"{name}\"\nkind = \"{kind}\"\ncolumn = \"{name}\"\n"))
        })
        .collect();
    let measures = measures.concat();
    format!(
        "feed = \"sample\"\n[source]\nformat = \"csv\"\ndelimiter = \",\"\n[rejects]\npolicy = \"fail-fast\"\n{columns}{references}{tables}\
         [[measures]]\nname = \"rows_of_it\"\nkind = \"count\"\n{measures}\
         [figures]\nfrom = \"out\"\ngroup_by = [{}]\ncolumns = [{}]\n[delivery]\nperiod = \"1\"\n",
        quoted(&keys),
        quoted(&all)
    )
}

fn run_with(spec: &str, csv: &str, references: &[(&str, &str)]) -> Result<String, Failure> {
    let buckets = Buckets::new();
    let mut given = BTreeMap::new();
    for (name, csv) in references {
        let columns: Vec<String> = csv
            .lines()
            .next()
            .unwrap()
            .split(',')
            .map(|name| {
                let kind = match name {
                    "day" => "date",
                    name if name.starts_with('n') || name == "rate" => "decimal",
                    _ => "text",
                };
                format!("[[columns]]\nname = \"{name}\"\ntype = \"{kind}\"\n")
            })
            .collect();
        let columns = columns.concat();
        let spec = format!(
            "feed = \"reference\"\n[source]\nformat = \"csv\"\ndelimiter = \",\"\n[rejects]\npolicy = \"fail-fast\"\n{columns}\
             [[measures]]\nname = \"all\"\nkind = \"count\"\n[figures]\n[delivery]\nperiod = \"1\"\n"
        );
        given.insert((*name).to_owned(), buckets.reference(&spec, (&format!("{name}.csv"), csv.as_bytes())));
    }
    let spec = buckets.put("spec.toml", spec.as_bytes());
    let file = buckets.put("in.csv", csv.as_bytes());
    buckets.run_with(spec, vec![file], given).map(|run| run.csv)
}

fn table(columns: &str, steps: &str, shown: &[&str], csv: &str) -> String {
    let tables = format!("[[tables]]\nname = \"out\"\nfrom = \"rows\"\nsteps = [{steps}]\n");
    run_with(&spec(columns, "", &tables, shown), csv, &[]).unwrap_or_else(|failure| panic!("{failure:?}"))
}

fn error(failure: Result<String, Failure>) -> CalculateError {
    match failure {
        Err(Failure::Calculate(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_become_entities() {
    let steps = r#"
        { where = { column = "n", op = ">", value = 0 } },
        { derive = { name = "total", value = { multiply = ["n", "price"] } } },
        { group = { by = ["id"], measures = [
            { name = "who", kind = "first", column = "who" },
            { name = "latest", kind = "last", column = "who" },
            { name = "amount", kind = "sum", column = "total", round = { places = 2 } },
            { name = "day", kind = "min", column = "day" },
        ] } },
        { derive = { name = "who", value = { upper = "who" } } },
        { select = ["who", "id", "amount", "day", "latest"] },
    "#;
    let csv = "id,who,n,price,day\n2,b,1,0.5,2024-01-02\n1,a,2,1.255,2024-01-05\n1,c,1,1,2024-01-03\n1,d,0,9,2024-01-01\n";
    assert_eq!(
        table(
            "id:integer who:text n:integer price:decimal day:date",
            steps,
            &["who", "id", "=amount", "day", "latest"],
            csv
        ),
        "who,id,amount,day,latest\nA,1,3.51,2024-01-03,c\nB,2,0.50,2024-01-02,b\n"
    );
}

#[test]
fn columns_become_rows_and_tables_follow_each_other() {
    let tables = r#"
[[tables]]
name = "long"
from = "rows"
steps = [{ unpivot = { columns = ["jan", "feb"], name = "month", value = "x" } }]
[[tables]]
name = "out"
from = "long"
steps = [{ append = "long" }, { group = { by = ["month", "id"], measures = [{ name = "sum", kind = "sum", column = "x" }] } }]
"#;
    let found = run_with(
        &spec("id:text jan:integer feb:integer", "", tables, &["month", "id", "sum"]),
        "id,jan,feb\na,1,2\nb,,3\n",
        &[],
    );
    assert_eq!(found.unwrap(), "month,id,sum\nfeb,a,4\nfeb,b,6\njan,a,2\n");
}

#[test]
fn windows() {
    let windowed = |window: &str| {
        let steps = format!(
            "{{ window = {{ by = [\"who\"], period = \"month\", unit = \"month\", {window}, measures = [\
             {{ name = \"sum\", kind = \"sum\", column = \"n\" }}, {{ name = \"rows\", kind = \"count\" }}] }} }}"
        );
        let csv = "who,month,n\na,2023-11,1\na,2023-12,2\na,2024-02,4\na,2024-03,8\nb,2024-03,100\na,,1000\n";
        let found = table("who:text month:text n:integer", &steps, &["who", "month", "sum", "rows"], csv);
        found
            .lines()
            .skip(1)
            .map(|line| line.splitn(3, ',').last().unwrap().replace(',', "/"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    // a without month, then a by month, then b.
    assert_eq!(windowed("over = \"last\", periods = 2"), "0/0 0/0 1/1 3/2 6/2 0/0");
    assert_eq!(windowed("over = \"last\", periods = 2, gaps = \"count\""), "0/0 0/0 1/1 2/1 4/1 0/0");
    assert_eq!(windowed("over = \"last\", periods = 2, current = true"), "0/0 1/1 3/2 6/2 12/2 100/1");
    assert_eq!(
        windowed("over = \"last\", periods = 2, gaps = \"count\", current = true"),
        "0/0 1/1 3/2 4/1 12/2 100/1"
    );
    assert_eq!(windowed("over = \"previous\""), "0/0 0/0 1/1 2/1 4/1 0/0");
    assert_eq!(windowed("over = \"previous\", gaps = \"count\""), "0/0 0/0 1/1 0/0 4/1 0/0");
    assert_eq!(windowed("over = \"year-to-date\", current = true"), "0/0 1/1 3/2 4/1 12/2 100/1");
    assert_eq!(windowed("over = \"all-before\""), "0/0 0/0 1/1 3/2 7/3 0/0");
}

const RATES: &str = "[[references]]\nname = \"rates\"\ncolumns = [{ name = \"day\", type = \"date\" }, \
                     { name = \"currency\", type = \"text\" }, { name = \"rate\", type = \"decimal\" }]\n";

fn exchanged(options: &str, csv: &str) -> Result<String, Failure> {
    let tables = format!(
        "[[tables]]\nname = \"out\"\nfrom = \"rows\"\nsteps = [{{ exchange = {{ name = \"y\", amount = \"x\", from = \"c\", \
         to = {{ text = \"SEK\" }}, on = \"day\", rates = {{ table = \"rates\" }}, {options} }} }}]\n"
    );
    let rates = "day,currency,rate\n2024-01-05,GBP,0.8\n2024-01-02,GBP,0.5\n2024-01-02,SEK,11\n";
    let spec = spec("x:decimal c:text day:date", RATES, &tables, &["x", "=y"]);
    run_with(&spec, csv, &[("rates", rates)])
}

#[test]
fn currencies_cross_their_base_and_are_rounded_once() {
    let round = "round = { places = 2 }";
    let found = exchanged(
        round,
        "x,c,day\n1,GBP,2024-01-04\n2,GBP,2024-01-09\n3,EUR,2024-01-02\n4.005,SEK,1900-01-01\n5,,2024-01-09\n",
    );
    assert_eq!(found.unwrap(), "x,y\n1,22.00\n2,27.50\n3,33.00\n4.005,4.00\n5,\n");
    let missing = error(exchanged(round, "x,c,day\n1,GBP,2024-01-01\n"));
    assert!(matches!(missing, CalculateError::FxMissing { .. }), "{missing}");
    let stale = error(exchanged(&format!("{round}, stale_after_days = 3"), "x,c,day\n1,GBP,2024-01-09\n"));
    assert_eq!(stepwright::StepError::name(&stale), "Fx.Stale");
    assert!(stale.to_string().contains("published on 2024-01-02, 7 days earlier"), "{stale}");
    let options = format!("{round}, stale_after_days = 7, missing = \"null\"");
    assert_eq!(
        exchanged(&options, "x,c,day\n1,GBP,2024-01-09\n2,GBP,2024-01-10\n").unwrap(),
        "x,y\n1,13.75\n2,\n"
    );
    let options = format!("{round}, missing = \"drop\"");
    assert_eq!(exchanged(&options, "x,c,day\n1,USD,2024-01-09\n").unwrap(), "x,y\n");
}

#[test]
fn joins_find_the_latest_row_that_is_large_enough() {
    let joined = |options: &str| {
        let tables = format!(
            "[[tables]]\nname = \"out\"\nfrom = \"rows\"\nsteps = [{{ join = {{ table = \"lines\", on = {{ item = \"item\" }}, \
             take = {{ line = \"line\" }}, {options} }} }}]\n"
        );
        let references = "[[references]]\nname = \"lines\"\ncolumns = [{ name = \"item\", type = \"text\" }, \
            { name = \"day\", type = \"date\" }, { name = \"n\", type = \"decimal\" }, { name = \"line\", type = \"text\" }]\n";
        let lines = "item,day,n,line\na,2024-01-03,2,third\na,2024-01-01,5,first\na,2024-01-02,3,second\nb,2024-01-01,1,other\n";
        let csv = "item,at,q\na,2024-01-03,-3\na,2024-01-04,-2\nb,2024-01-01,-1\nc,2024-01-09,-1\n";
        run_with(
            &spec("item:text at:date q:integer", references, &tables, &["item", "at", "line"]),
            csv,
            &[("lines", lines)],
        )
    };
    let least = "at_least = { column = \"n\", value = { abs = \"q\" } }";
    assert_eq!(
        joined(&format!("{least}, latest = {{ column = \"day\", before = \"at\" }}")).unwrap(),
        "item,at,line\na,2024-01-03,second\na,2024-01-04,third\nb,2024-01-01,\nc,2024-01-09,\n"
    );
    assert_eq!(
        joined("latest = { column = \"day\", until = \"at\" }, uses = \"once\", missing = \"drop\"").unwrap(),
        "item,at,line\na,2024-01-03,third\na,2024-01-04,second\nb,2024-01-01,other\n"
    );
    assert_eq!(joined("missing = \"drop\"").unwrap().lines().nth(1), Some("a,2024-01-03,third"));
    let error = error(joined("missing = \"error\""));
    assert!(
        error.to_string().contains("nothing in `lines` matches table `out`, step 1, the row (c, "),
        "{error}"
    );
}

#[test]
fn entries_are_taken_back_once_and_in_time() {
    let steps = r#"{ clawback = { id = ["id"], day = "day", cancelled = "gone", within_months = 6, amounts = ["x"], name = "back" } }"#;
    let csv = "id,day,gone,x\n1,2024-08-31,2025-02-28,5\n1,2024-08-31,2025-02-28,5\n2,2024-01-31,2024-08-01,5\n3,2024-01-01,,5\n4,2024-05-05,2024-05-04,5\n";
    assert_eq!(
        table("id:integer day:date gone:date x:decimal", steps, &["id", "back", "day", "+x"], csv),
        "id,back,day,x\n1,false,2024-08-31,10\n1,true,2025-02-28,-5\n2,false,2024-01-31,5\n3,false,2024-01-01,5\n4,false,2024-05-05,5\n"
    );
}

#[test]
fn outliers_and_their_bounds() {
    let marked = |options: &str| {
        let steps = format!(
            "{{ outliers = {{ name = \"far\", column = \"x\", lower_name = \"low\", upper_name = \"high\", {options} }} }}"
        );
        let csv = "x\n1\n2\n3\n4\n100\n-90\n\n";
        table("x:decimal", &steps, &["x", "far", "low", "high"], csv)
    };
    // Quartiles of -90 1 2 3 4 100: 1.25 and 3.75.
    assert_eq!(
        marked("iqr = 2"),
        "x,far,low,high\n-90,true,-3.75,8.75\n1,false,-3.75,8.75\n2,false,-3.75,8.75\n3,false,-3.75,8.75\n4,false,-3.75,8.75\n100,true,-3.75,8.75\n"
    );
    assert!(marked("iqr = 2, side = \"above\", upper = 3.5").contains("\n-90,false,,3.5\n"));
    assert!(marked("lower = 2").contains("\n1,true,2,\n"));
}

const MATRIX: &str = "[[references]]\nname = \"cells\"\ncolumns = [{ name = \"market\", type = \"text\" }, { name = \"ny\", type = \"decimal\" }, \
                      { name = \"nx\", type = \"decimal\" }, { name = \"rate\", type = \"decimal\" }]\n";

fn looked_up(options: &str, csv: &str) -> Result<String, Failure> {
    let tables = format!(
        "[[tables]]\nname = \"out\"\nfrom = \"rows\"\nsteps = [{{ look_up = {{ name = \"found\", status = \"status\", table = \"cells\", \
         on = {{ market = \"market\" }}, value = \"rate\", \
         y = {{ from = \"ny\", value = \"f\", by = \"n\", below = \"BELOW_PENETRATION\", missing = \"NO_CONTRACTS\" }}, \
         x = {{ from = \"nx\", value = \"v\", by = \"t\", below = \"BELOW_TARGET\", missing = \"NO_TARGET\", zero = \"ZERO_TARGET\" }}, {options} }} }}]\n"
    );
    let cells = "market,ny,nx,rate\nN,0.333,0.7,0.01\nN,0.333,1,0.02\nN,0.5,0.7,0.03\nN,0.5,1,0.04\n";
    let spec = spec(
        "market:text f:integer n:integer v:decimal t:decimal",
        MATRIX,
        &tables,
        &["f", "n", "v", "t", "found", "status"],
    );
    run_with(&spec, csv, &[("cells", cells)])
}

#[test]
fn cells_are_found_by_exact_ratios_with_a_status() {
    let csv = "market,f,n,v,t\nN,1,3,7,10\nN,1,2,10,10\nN,1,4,10,10\nN,1,2,6.9999999999999999,10\nN,1,2,1,\nN,1,2,1,0\nN,9,9,99,1\n";
    assert_eq!(
        looked_up("method = \"floor\"", csv).unwrap(),
        "f,n,v,t,found,status\n1,2,1,,0,NO_TARGET\n1,2,1,0,0,ZERO_TARGET\n1,2,6.9999999999999999,10,0,BELOW_TARGET\n1,2,10,10,0.04,OK\n\
         1,3,7,10,0.01,OK\n1,4,10,10,0,BELOW_PENETRATION\n9,9,99,1,0.04,OK\n"
    );
    assert_eq!(
        looked_up(
            "method = \"nearest\", otherwise = 9",
            "market,f,n,v,t\nN,4,10,85,100\nN,42,100,86,100\nN,1,1,1,\n"
        )
        .unwrap(),
        "f,n,v,t,found,status\n1,1,1,,9,NO_TARGET\n4,10,85,100,0.01,OK\n42,100,86,100,0.04,OK\n"
    );
    let none = error(looked_up("method = \"floor\"", "market,f,n,v,t\nS,1,1,1,1\n"));
    assert!(
        none.to_string().contains("`cells` has no matrix for table `out`, step 1, the row (S, 1"),
        "{none}"
    );
}

#[test]
fn parts_must_add_up_to_the_whole() {
    let balanced = |parts: &str| {
        let tables = format!(
            "[[tables]]\nname = \"out\"\nfrom = \"rows\"\n[[tables]]\nname = \"high\"\nfrom = \"rows\"\n\
             steps = [{{ where = {{ column = \"n\", op = \">\", value = 2 }} }}]\n\
             [[reconciliations]]\nname = \"all\"\ntotal = {{ table = \"rows\", sum = \"n\" }}\nparts = [{parts}]\n"
        );
        run_with(&spec("n:integer", "", &tables, &["n"]), "n\n1\n2\n3\n", &[])
    };
    let low = "{ table = \"out\", sum = \"n\", where = { column = \"n\", op = \"<=\", value = 2 } }";
    assert_eq!(balanced(&format!("{{ table = \"high\", sum = \"n\" }}, {low}")).unwrap(), "n\n1\n2\n3\n");
    let error = error(balanced(low));
    assert!(error.to_string().contains("`all`: the whole is 6, its parts come to 3"), "{error}");
}

#[test]
fn reference_data_must_be_there_and_fit() {
    let tables = "[[tables]]\nname = \"out\"\nfrom = \"rates\"\n";
    let spec = spec("x:text", RATES, tables, &["rate"]);
    let missing = error(run_with(&spec, "x\na\n", &[]));
    assert!(missing.to_string().contains("reference data `rates`"), "{missing}");
    let other = error(run_with(&spec, "x\na\n", &[("rates", "day,currency\n")]));
    assert!(other.to_string().contains("has no column `rate`"), "{other}");
}

/// A real file and what others computed from it, when they are there.
fn datasets() -> Option<PathBuf> {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    if !datasets.exists() {
        println!("SKIPPED: {} is not there", datasets.display());
        return None;
    }
    Some(datasets)
}

fn sample_spec(name: &str) -> String {
    fs::read_to_string(samples().join("specs").join(name)).unwrap()
}

#[test]
fn published_rates_by_day_and_currency() {
    let Some(datasets) = datasets() else { return };
    let buckets = Buckets::new();
    let history = fs::read(datasets.join("fx/eurofxref-hist.zip")).unwrap();
    let rates = buckets.reference(&sample_spec("reference-rates.toml"), ("rates.zip", &history));
    let expected = fs::read_to_string(datasets.join("expected/fx_vectors.csv")).unwrap();
    let asked: Vec<String> = expected
        .lines()
        .map(|line| line.splitn(3, ',').take(2).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let asked = asked.concat();
    let tables = r#"
[[tables]]
name = "out"
from = "rows"
steps = [
    { join = { table = "rates", on = { currency = "currency" }, latest = { column = "day", until = "day" }, take = { rate_day = "day", per_eur = "per_eur" } } },
    { exchange = { name = "eur_for_1000", amount = 1000, from = "currency", to = { text = "EUR" }, on = "day", rates = { table = "rates", rate = "per_eur" }, missing = "null", round = { places = 2 } } },
]
"#;
    let references = RATES.replace("\"rate\"", "\"per_eur\"");
    let spec = spec(
        "day:date currency:text",
        &references,
        tables,
        &["day", "currency", "rate_day", "=per_eur", "=eur_for_1000"],
    );
    let spec = buckets.put("spec.toml", spec.as_bytes());
    let file = buckets.put("asked.csv", asked.as_bytes());
    let run = buckets.run_with(spec, vec![file], BTreeMap::from([("rates".to_owned(), rates)])).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&run.csv), sorted(&expected));
}

#[test]
fn what_the_history_of_rates_holds() {
    let Some(datasets) = datasets() else { return };
    let buckets = Buckets::new();
    let history = fs::read(datasets.join("fx/eurofxref-hist.zip")).unwrap();
    let rates = buckets.reference(&sample_spec("reference-rates.toml"), ("rates.zip", &history));
    let given = BTreeMap::from([("rates".to_owned(), rates)]);
    let taken = |measures: &[(&str, &str, &str)], group_by: &str| {
        let measures: Vec<String> = measures
            .iter()
            .map(|(name, kind, column)| {
                format!("[[measures]]\nname = \"{name}\"\nkind = \"{kind}\"\ncolumn = \"{column}\"\n")
            })
            .collect();
        let measures = measures.concat();
        let references = RATES.replace("\"rate\"", "\"per_eur\"");
        let spec = format!(
            "feed = \"sample\"\n[source]\nformat = \"csv\"\n[rejects]\npolicy = \"fail-fast\"\n[[columns]]\nname = \"x\"\ntype = \"text\"\n\
             {references}{measures}[[measures]]\nname = \"rates\"\nkind = \"count\"\n[figures]\nfrom = \"rates\"\n{group_by}\n[delivery]\nperiod = \"1\"\n"
        );
        let spec = buckets.put("taken.toml", spec.as_bytes());
        let file = buckets.put("nothing.csv", b"x\n");
        buckets.run_with(spec, vec![file], given.clone()).unwrap().csv
    };
    let csv = taken(&[("first", "min", "day"), ("last", "max", "day")], "group_by = [\"currency\"]");
    let whole = taken(&[("days", "distinct", "day"), ("currencies", "distinct", "currency")], "");
    let json = fs::read_to_string(datasets.join("expected/vehicles_fx.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ecb = &expected["ecb"];
    let number = |name: &str| ecb[name].as_u64().unwrap();
    let (days, currencies) = (number("days"), number("currencies"));
    let rates = days * currencies - number("na_cells");
    assert_eq!(whole, format!("days,currencies,rates\n{days},{currencies},{rates}\n"));
    for (currency, figures) in ecb["first_last"].as_object().unwrap() {
        let day = |at: usize| figures[at].as_str().unwrap();
        let line = format!("{currency},{},{},{}", day(0), day(1), figures[2]);
        assert!(csv.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn vectors_of_the_commission_look_up() {
    let Some(datasets) = datasets() else { return };
    let buckets = Buckets::new();
    let expected = fs::read_to_string(datasets.join("expected/commission_lookup_vectors.csv")).unwrap();
    let name = "commission_matrices_1989.xlsx";
    let workbook = fs::read(datasets.join("commission").join(name)).unwrap();
    let cells = buckets.reference(&sample_spec("commission-matrix.toml"), (name, &workbook));
    let kinds = [
        ("market", "text"),
        ("penetration_from", "decimal"),
        ("achievement_from", "decimal"),
        ("rate", "decimal"),
    ];
    let declared = kinds.map(|(name, kind)| format!("{{ name = \"{name}\", type = \"{kind}\" }}")).join(", ");
    let references = format!("[[references]]\nname = \"cells\"\ncolumns = [{declared}]\n");
    let tables = r#"
[[tables]]
name = "out"
from = "rows"
steps = [{ look_up = { name = "rate", status = "status", table = "cells", on = { market = "market" }, value = "rate",
    y = { from = "penetration_from", value = "penetration", below = "BELOW_PENETRATION", missing = "NO_CONTRACTS" },
    x = { from = "achievement_from", value = "achievement", below = "BELOW_TARGET", missing = "NO_TARGET", zero = "ZERO_TARGET" } } }]
"#;
    let spec = spec(
        "market:text penetration:decimal achievement:decimal",
        &references,
        tables,
        &["market", "penetration", "achievement", "rate", "status"],
    );
    let spec = buckets.put("spec.toml", spec.as_bytes());
    // The answers' columns are not among the feed's.
    let file = buckets.put("asked.csv", expected.as_bytes());
    let run = buckets.run_with(spec, vec![file], BTreeMap::from([("cells".to_owned(), cells)])).unwrap();
    let found = run.csv;
    assert_eq!(found.lines().count(), 8401);
    assert!(found == expected, "{:?}", found.lines().zip(expected.lines()).find(|(a, b)| a != b));
}

#[test]
fn delays_that_are_outliers() {
    let Some(datasets) = datasets() else { return };
    let buckets = Buckets::new();
    let spec = buckets.put("delays.toml", sample_spec("flights-outliers.toml").as_bytes());
    let file = buckets.put("flights.zip", &fs::read(datasets.join("flights/flights.csv.zip")).unwrap());
    let run = buckets.run(spec, vec![file]).unwrap();
    let json = fs::read_to_string(datasets.join("expected/flights.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&json).unwrap();
    let lines: Vec<String> = expected["outliers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(carrier, figures)| {
            let number = |name: &str| figures[name].as_f64().unwrap();
            format!("{carrier},{},{},{},{}", figures["outliers"], number("q1"), number("q3"), number("limit"))
        })
        .collect();
    // The last column is the sum of the delays, for the total below.
    let found: Vec<&str> =
        run.csv.lines().skip(1).filter_map(|line| Some(line.rsplit_once(',')?.0)).collect();
    assert_eq!(found, lines);
    assert_eq!(run.figures.totals["sum_arr_delay"], expected["totals"]["sum_arr_delay"].to_string());
}
