//! The parser against files as they come.

use std::io::{BufReader, Write as _};

use feed::Value;
use feed::rejects::{Reject, RejectReader};
use feed::rows::RowReader;
use stepwright::objects::Store;

use super::*;

mod archives;
mod datasets;
mod encodings;
mod formats;
mod hostile;
mod laws;
mod separated;
mod workbooks;

/// A feed of three columns; `source` is put into its source section.
fn spec(source: &str) -> String {
    format!(
        r#"
feed = "sample"
[source]
format = "csv"
{source}
[rejects]
policy = "keep-going"
[[columns]]
name = "id"
type = "text"
required = true
[[columns]]
name = "amount"
type = "decimal"
[[columns]]
name = "day"
type = "date"
[[measures]]
name = "rows"
kind = "count"
[figures]
[delivery]
period = "2024"
"#
    )
}

/// What a run left behind.
struct Output {
    parsed: Parsed,
    /// Rows as `outcome: values`, one a line.
    rows: String,
    rejects: Vec<Reject>,
    /// Names of the values, and the values of each row.
    names: Vec<String>,
    values: Vec<Vec<Value>>,
}

impl Output {
    /// Codes with lines, one a line.
    fn codes(&self) -> String {
        self.rejects
            .iter()
            .map(|reject| format!("{} {}\n", reject.line, reject.code))
            .collect::<Vec<_>>()
            .concat()
    }
}

/// A folder in memory, where there is one: storing syncs, and the tests store thousands of files.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn try_parse(spec: &str, files: &[(&str, &[u8])]) -> Result<Output, ParseError> {
    let directory = scratch();
    let location = |name: &str| format!("file://{}", directory.path().join(name).display());
    let put = |key: &str, content: &[u8]| {
        let mut writer = Store::open("drops", &location("drops")).unwrap().create(key).unwrap();
        writer.write_all(content).unwrap();
        writer.finish(None).unwrap()
    };
    let request = ParseRequest {
        spec: put("spec.toml", spec.as_bytes()),
        files: files.iter().map(|(name, content)| put(&format!("in/{name}"), content)).collect(),
    };
    let staging = Write::at(&location("staging")).unwrap();
    let parsed = run(&request, &Read::at(&location("drops")).unwrap(), &staging)?;

    let mut reader = RowReader::new(BufReader::new(staging.get(&parsed.rows).unwrap())).unwrap();
    let names = reader.header().columns.iter().map(|column| column.name.clone()).collect();
    let mut all_values = vec![];
    let mut values = vec![];
    let mut rows = String::new();
    while let Some(outcome) = reader.read(&mut values).unwrap() {
        let code = &reader.outcome(outcome).unwrap().code;
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        rows.push_str(&[code.as_str(), ": ", &texts.join("|"), "\n"].concat());
        all_values.push(values.clone());
    }
    let rejects = RejectReader::new(BufReader::new(staging.get(&parsed.rejects).unwrap()))
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let stats = &parsed.stats;
    assert_eq!(stats.rows_in, stats.accepted + stats.cancelled + stats.rejected);
    assert_eq!(stats.accepted + stats.cancelled, all_values.len() as u64);
    assert_eq!(stats.rejected, rejects.len() as u64);
    Ok(Output { parsed, rows, rejects, names, values: all_values })
}

fn parse_text(spec: &str, text: &str) -> Output {
    try_parse(spec, &[("in.csv", text.as_bytes())]).unwrap_or_else(|error| panic!("{error}"))
}

fn error_of(spec: &str, name: &str, content: &[u8]) -> ParseError {
    match try_parse(spec, &[(name, content)]) {
        Err(error) => error,
        Ok(output) => panic!("no error, but {:?}", output.parsed.stats),
    }
}

#[test]
fn triage_decides_by_the_first_rule_that_holds() {
    let spec = spec("").replace(
        "[[measures]]",
        r#"
[[derive]]
name = "half"
value = { divide = ["amount", 2] }
[[triage]]
code = "SMALL"
outcome = "accept"
when = { column = "half", op = "<", value = 1 }
[[triage]]
code = "GONE"
outcome = "cancel"
when = { column = "id", op = "starts-with", value = "x" }
[[triage]]
code = "HUGE"
outcome = "reject"
reason = "nobody pays that"
when = { column = "amount", op = ">", value = 1000 }
[[measures]]"#,
    );
    let output = parse_text(&spec, "id,amount,day\na,5,\nx,1,\nx,7,\nb,2000,\nc,,\n");
    assert_eq!(output.rows, "OK: a|5||2.5\nSMALL: x|1||0.5\nGONE: x|7||3.5\nOK: c|||\n");
    assert_eq!(output.codes(), "5 HUGE\n");
    assert_eq!(output.rejects[0].reason, "nobody pays that");
    assert_eq!(output.rejects[0].raw, "b,2000,");
    let stats = &output.parsed.stats;
    assert_eq!((stats.rows_in, stats.accepted, stats.cancelled, stats.rejected), (5, 3, 1, 1));
    assert_eq!(stats.accepted_by_code["SMALL"], 1);
    assert_eq!(output.parsed.rows.rows, Some(4));
}

#[test]
fn a_derived_value_without_result_rejects_the_row() {
    let derive =
        "[[derive]]\nname = \"use\"\nvalue = { convert = \"amount\", unit = \"mpg_us_to_l_per_100km\" }\n";
    let output = parse_text(&(spec("") + derive), "id,amount,day\na,0,\nb,18,\n");
    assert_eq!(output.codes(), "2 DERIVE_DIVISION_BY_ZERO\n");
    assert_eq!(output.rows, "OK: b|18||13.067476833333333333\n");
}

#[test]
fn fail_fast_names_the_row() {
    let spec = spec("").replace("keep-going", "fail-fast");
    let error = error_of(&spec, "in.csv", b"id,amount,day\na,1,\nb,x,\nc,y,\n");
    assert!(matches!(error, ParseError::TooManyRejects { .. }), "{error}");
    for part in ["in.csv, line 3", "amount", "\"x\"", "NOT_DECIMAL", "b,x,"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[test]
fn a_spec_with_a_typo_is_named() {
    let error = error_of(&spec("delimeter = \";\""), "in.csv", b"id,amount,day\n");
    assert!(matches!(error, ParseError::Spec { .. }));
    assert!(
        error
            .to_string()
            .starts_with("spec.toml:5:1: source: there is no field `delimeter`; did you mean `delimiter`?"),
        "{error}"
    );
}

#[test]
fn the_same_input_gives_the_same_objects() {
    let text = b"id,amount,day\na,1,2024-01-31\nb,x,\n";
    let once = try_parse(&spec(""), &[("in.csv", text)]).unwrap();
    let again = try_parse(&spec(""), &[("in.csv", text)]).unwrap();
    assert_eq!(once.parsed, again.parsed);
    let renamed = try_parse(&spec(""), &[("other.csv", text)]).unwrap();
    assert_ne!(once.parsed.rejects.key, renamed.parsed.rejects.key);
}

#[test]
fn a_changed_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let location = format!("file://{}", directory.path().display());
    let put = |key: &str, content: &[u8]| {
        let mut writer = Store::open("drops", &location).unwrap().create(key).unwrap();
        writer.write_all(content).unwrap();
        writer.finish(None).unwrap()
    };
    let request = ParseRequest {
        spec: put("spec.toml", spec("").as_bytes()),
        files: vec![put("in.csv", b"id,amount,day\n")],
    };
    put("in.csv", b"id,amount,day\nx,1,\n");
    let error = run(&request, &Read::at(&location).unwrap(), &Write::at(&location).unwrap()).unwrap_err();
    assert!(matches!(error, ParseError::StorageFailed { .. }), "{error}");
}

#[test]
fn rows_of_several_files_follow_each_other() {
    let files: [(&str, &[u8]); 2] =
        [("a.csv", b"id,amount,day\na,1,\n"), ("b.csv", b"day,id,amount\n,b,2\n,c,?\n")];
    let output = try_parse(&spec(""), &files).unwrap();
    assert_eq!(output.rows, "OK: a|1|\nOK: b|2|\n");
    assert_eq!((output.rejects[0].file.as_str(), output.rejects[0].line), ("b.csv", 3));
    assert_eq!(output.parsed.stats.files, 2);
}
