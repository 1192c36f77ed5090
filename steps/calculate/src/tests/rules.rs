//! What a spec says, and what comes out.

use super::*;

/// A spec over `group,x,n,day` with this figures section and these measures.
fn spec(measures: &str, figures: &str, delivery: &str) -> String {
    format!(
        r#"
feed = "sample"
[source]
format = "csv"
[rejects]
policy = "keep-going"
[[columns]]
name = "group"
type = "text"
[[columns]]
name = "x"
type = "decimal"
[[columns]]
name = "n"
type = "integer"
[[columns]]
name = "day"
type = "date"
{measures}
[figures]
{figures}
[delivery]
{delivery}
"#
    )
}

const COUNT: &str = "[[measures]]\nname = \"rows\"\nkind = \"count\"\n";

fn run_text(spec: &str, rows: &str) -> Result<Run, Failure> {
    let buckets = Buckets::new();
    let spec = buckets.put("spec.toml", spec.as_bytes());
    let file = buckets.put("in.csv", format!("group,x,n,day\n{rows}").as_bytes());
    buckets.run(spec, vec![file])
}

fn csv(measures: &str, figures: &str, rows: &str) -> String {
    run_text(&spec(measures, figures, "period = \"1\""), rows)
        .unwrap_or_else(|failure| panic!("{failure:?}"))
        .csv
}

fn failure(spec: &str, rows: &str) -> CalculateError {
    match run_text(spec, rows) {
        Err(Failure::Calculate(error)) => error,
        Err(other) => panic!("{other:?}"),
        Ok(run) => panic!("no failure, but {}", run.csv),
    }
}

#[test]
fn order_and_nulls() {
    let rows = "b,,1,\n,,2,\na,,9,\nÄ,,3,\nB,,3,\n";
    let sum = "[[measures]]\nname = \"total\"\nkind = \"sum\"\ncolumn = \"n\"\n";
    assert_eq!(
        csv(sum, "group_by = [\"group\"]\nnull_text = \"(null)\"", rows),
        "group,total\n(null),2\nB,3\na,9\nb,1\nÄ,3\n"
    );
    assert_eq!(
        csv(
            sum,
            "group_by = [\"group\"]\norder_by = [{ by = \"total\", descending = true }]\ncolumns = [\"total\", \"group\"]",
            rows
        ),
        "total,group\n9,a\n3,B\n3,Ä\n2,\n1,b\n"
    );
}

#[test]
fn text_is_quoted_where_it_must_be() {
    let rows = "\"a,b\",,1,\n\"say \"\"x\"\"\",,1,\n\"two\nlines\",,1,\n=1+1,,1,\n";
    assert_eq!(
        csv(COUNT, "group_by = [\"group\"]", rows),
        "group,rows\n=1+1,1\n\"a,b\",1\n\"say \"\"x\"\"\",1\n\"two\nlines\",1\n"
    );
}

#[test]
fn scope_and_no_groups() {
    let figures = "where = { column = \"n\", op = \">\", value = 1 }";
    assert_eq!(csv(COUNT, figures, "a,,1,\nb,,2,\nc,,3,\n"), "rows\n2\n");
    assert_eq!(csv(COUNT, figures, ""), "rows\n0\n");
    assert_eq!(csv(COUNT, "group_by = [\"group\"]", ""), "group,rows\n");
}

#[test]
fn rounding_per_value_is_not_rounding_of_the_sum() {
    let measures = "
[[measures]]
name = \"each\"
kind = \"sum\"
column = \"x\"
round = { places = 2, at = \"value\" }
[[measures]]
name = \"once\"
kind = \"sum\"
column = \"x\"
round = { places = 2 }
[[measures]]
name = \"up\"
kind = \"sum\"
column = \"x\"
round = { places = 2, mode = \"half-up\", at = \"value\" }
";
    assert_eq!(csv(measures, "", "a,0.125,,\na,0.125,,\n"), "each,once,up\n0.24,0.25,0.26\n");
}

#[test]
fn totals_are_those_of_the_table_and_control_those_of_the_rows() {
    let measures = "[[measures]]\nname = \"x\"\nkind = \"sum\"\ncolumn = \"x\"\nround = { places = 0 }\n";
    let figures = "group_by = [\"group\"]\ncontrol = [\"x\"]";
    let run = run_text(&spec(measures, figures, "period = \"1\""), "a,0.4,,\nb,0.4,,\nc,0.4,,\n").unwrap();
    assert_eq!(run.csv, "group,x\na,0\nb,0\nc,0\n");
    assert_eq!(run.figures.totals["x"], "0");
    assert_eq!(run.reconciled.control["x"], "1.2");
}

#[test]
fn a_wrong_control_sum_stops_the_run() {
    let buckets = Buckets::new();
    let figures = "group_by = [\"group\"]\ncontrol = [\"rows\"]";
    let spec = buckets.put("spec.toml", spec(COUNT, figures, "period = \"1\"").as_bytes());
    let file = buckets.put("in.csv", b"group,x,n,day\na,,,\nb,,,\n");
    let good = buckets.run(spec.clone(), vec![file]).unwrap();
    for control in [BTreeMap::from([("rows".to_owned(), "3".to_owned())]), BTreeMap::new()] {
        let request = CalculateRequest {
            spec: spec.clone(),
            rows: good.reconciled.rows.clone(),
            control,
            references: BTreeMap::new(),
            period: None,
        };
        let error = super::run(&request, &buckets.drops, &buckets.staging).unwrap_err();
        assert!(matches!(error, CalculateError::ControlMismatch { .. }), "{error}");
    }
}

#[test]
fn periods() {
    let period =
        |delivery: &str, rows: &str| run_text(&spec(COUNT, "", delivery), rows).map(|run| run.figures.period);
    let month = "period_from = \"day\"\nperiod_unit = \"month\"";
    assert_eq!(period(month, "a,,,2024-03-31\nb,,,2024-03-01\nc,,,\n").unwrap(), "2024-03");
    assert_eq!(period(month, "a,,,2024-05-01\nb,,,2024-03-01\n").unwrap(), "2024-03/2024-05");
    assert_eq!(period("period_from = \"n\"", "a,,7,\nb,,12,\n").unwrap(), "7/12");
    assert_eq!(period("period = \"2024-Q1\"", "").unwrap(), "2024-Q1");
    let error = failure(&spec(COUNT, "", month), "a,,,\n");
    assert!(matches!(error, CalculateError::NoPeriod { .. }), "{error}");
}

#[test]
fn what_has_no_result_is_an_error_with_its_group() {
    let mean = "[[measures]]\nname = \"use\"\nkind = \"mean\"\ncolumn = \"x\"\nconvert = \"mpg_us_to_l_per_100km\"\nround = { places = 2 }\n";
    let error = failure(&spec(mean, "group_by = [\"group\"]", "period = \"1\""), "a,5,,\nb,0,,\n");
    assert!(matches!(error, CalculateError::DivisionByZero { .. }));
    assert!(error.to_string().contains("measure `use`: division by zero, in the group group = b"), "{error}");

    let sum = "[[measures]]\nname = \"total\"\nkind = \"sum\"\ncolumn = \"x\"\n";
    let most = "9".repeat(28);
    let error =
        failure(&spec(sum, "group_by = [\"group\"]", "period = \"1\""), &format!("a,{most},,\na,0.5,,\n"));
    assert!(matches!(error, CalculateError::Overflow { .. }), "{error}");
}

#[test]
fn a_ratio_by_zero_is_empty() {
    let measures = format!(
        "{COUNT}[[measures]]\nname = \"high\"\nkind = \"count_if\"\nwhere = {{ column = \"n\", op = \">\", value = 5 }}\n\
         [[measures]]\nname = \"share\"\nkind = \"ratio\"\nnumerator = \"rows\"\ndenominator = \"high\"\n"
    );
    assert_eq!(csv(&measures, "rounding = { places = 2 }", "a,,1,\n"), "rows,high,share\n1,0,\n");
}

#[test]
fn rows_of_another_spec_are_refused() {
    let buckets = Buckets::new();
    let text = spec(COUNT, "", "period = \"1\"");
    let one = buckets.put("one.toml", text.as_bytes());
    let file = buckets.put("in.csv", b"group,x,n,day\na,,,\n");
    let run = buckets.run(one, vec![file]).unwrap();
    let other = buckets.put("other.toml", text.replace("name = \"x\"", "name = \"y\"").as_bytes());
    let request = CalculateRequest {
        spec: other,
        rows: run.reconciled.rows,
        control: BTreeMap::new(),
        references: BTreeMap::new(),
        period: None,
    };
    let error = super::run(&request, &buckets.drops, &buckets.staging).unwrap_err();
    assert!(matches!(error, CalculateError::Spec { .. }), "{error}");
}

/// Figures by group of the rows of one period.
fn of_period(spec: &str, rows: &str, period: &str) -> Result<(Figures, String), CalculateError> {
    let buckets = Buckets::new();
    let spec = buckets.put("spec.toml", spec.as_bytes());
    let file = buckets.put("in.csv", format!("group,x,n,day\n{rows}").as_bytes());
    let all = buckets.run(spec.clone(), vec![file]).unwrap_or_else(|failure| panic!("{failure:?}"));
    let request = CalculateRequest {
        spec,
        rows: all.reconciled.rows,
        control: all.reconciled.control,
        references: BTreeMap::new(),
        period: Some(period.to_owned()),
    };
    let figures = super::run(&request, &buckets.drops, &buckets.staging)?;
    assert_ne!(figures.figures.key, all.figures.figures.key, "other figures have another place");
    let csv = buckets.text(&figures.figures);
    Ok((figures, csv))
}

#[test]
fn the_figures_of_one_period_are_those_of_its_rows() {
    let measures = format!("{COUNT}[[measures]]\nname = \"x\"\nkind = \"sum\"\ncolumn = \"x\"\n");
    let figures = "group_by = [\"group\"]\ncontrol = [\"rows\", \"x\"]";
    let rows = "a,1,7,2024-03-31\nb,2,8,2024-04-01\na,4,8,2024-04-30\nc,8,,\na,16,9,2025-04-01\n";
    let month = spec(&measures, figures, "period_from = \"day\"\nperiod_unit = \"month\"");
    let (found, csv) = of_period(&month, rows, "2024-04").unwrap();
    assert_eq!(csv, "group,rows,x\na,1,4\nb,1,2\n");
    assert_eq!((found.period.as_str(), found.rows), ("2024-04", 2));
    assert_eq!([&found.totals["rows"], &found.totals["x"]], ["2", "6"]);

    let year = spec(&measures, figures, "period_from = \"day\"\nperiod_unit = \"year\"");
    assert_eq!(of_period(&year, rows, "2024").unwrap().1, "group,rows,x\na,2,5\nb,1,2\n");
    let number = spec(&measures, figures, "period_from = \"n\"");
    assert_eq!(of_period(&number, rows, "8").unwrap().1, "group,rows,x\na,1,4\nb,1,2\n");
    let (none, csv) = of_period(&month, rows, "2024-05").unwrap();
    assert_eq!((csv.as_str(), none.rows, none.totals["x"].as_str()), ("group,rows,x\n", 0, "0"));
}

#[test]
fn rows_of_other_periods_are_what_tables_look_back_at() {
    let tables = r#"
[[tables]]
name = "days"
from = "rows"
steps = [
    { group = { by = ["day"], measures = [{ name = "x", kind = "sum", column = "x" }] } },
    { window = { period = "day", unit = "day", over = "previous", measures = [{ name = "before", kind = "sum", column = "x" }] } },
]
[[reconciliations]]
name = "every_row_is_in_a_day"
total = { table = "rows", sum = "x" }
parts = [{ table = "days", sum = "x" }]
[[measures]]
name = "change"
kind = "sum"
column = "before"
"#;
    let figures = "from = \"days\"\ngroup_by = [\"day\"]\ncontrol = [\"change\"]";
    let spec = spec(tables, figures, "period_from = \"day\"\nperiod_unit = \"day\"");
    let rows = "a,1,,2024-03-30\nb,2,,2024-03-31\na,4,,2024-04-01\n";
    let (found, csv) = of_period(&spec, rows, "2024-04-01").unwrap();
    assert_eq!((csv.as_str(), found.totals["change"].as_str()), ("day,change\n2024-04-01,2\n", "2"));
}

#[test]
fn a_period_that_cannot_be_told_is_an_error() {
    let month = spec(COUNT, "", "period_from = \"day\"\nperiod_unit = \"month\"");
    for period in ["2024-4", "2024-13", "2024", "", "2024-04-01"] {
        let error = of_period(&month, "a,,,2024-04-01\n", period).unwrap_err();
        assert!(matches!(error, CalculateError::BadPeriod { .. }), "{error}");
    }
    let fixed = spec(COUNT, "", "period = \"2024-04\"");
    let error = of_period(&fixed, "a,,,2024-04-01\n", "2024-04").unwrap_err();
    assert!(matches!(error, CalculateError::Spec { .. }), "{error}");
    assert!(error.to_string().contains("name it in `delivery.period_from`"), "{error}");
}

#[test]
fn control_totals_are_kept_apart() {
    let sum = "[[measures]]\nname = \"x\"\nkind = \"sum\"\ncolumn = \"x\"\n";
    let delivery = "period_from = \"day\"\nperiod_unit = \"month\"";
    let figures =
        "group_by = [\"n\", \"group\"]\ncontrol = [\"x\"]\ncontrol_by = \"group\"\nnull_text = \"none\"";
    let rows = "EUR,1.5,1,2024-04-01\nSEK,10,1,2024-04-02\nEUR,2,2,2024-04-03\n,4,1,2024-03-01\n";
    let (one, _) = of_period(&spec(sum, figures, delivery), rows, "2024-04").unwrap();
    let told = |totals: &BTreeMap<String, String>| {
        totals.iter().map(|(name, total)| format!("{name} {total}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(&one.totals), "x[group=EUR] 3.5, x[group=SEK] 10");
    let all = run_text(&spec(sum, figures, delivery), rows).unwrap();
    assert_eq!(told(&all.figures.totals), "x[group=EUR] 3.5, x[group=SEK] 10, x[group=none] 4");
    assert_eq!(all.reconciled.control, all.figures.totals);
    let from_table = format!("[[tables]]\nname = \"t\"\nfrom = \"rows\"\n{sum}");
    let figures = format!("from = \"t\"\n{figures}");
    let all = run_text(&spec(&from_table, &figures, delivery), rows).unwrap();
    assert_eq!(told(&all.figures.totals), "x[group=EUR] 3.5, x[group=SEK] 10, x[group=none] 4");
}
