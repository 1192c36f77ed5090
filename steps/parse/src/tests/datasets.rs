//! Real files with results that others computed. The files are not part of the
//! repository: without them the tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn datasets() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    if !path.exists() {
        println!("SKIPPED: ../shared/datasets is not there");
        return None;
    }
    Some(path)
}

/// Parses a file by a spec of the samples.
fn parse_sample(datasets: &Path, spec: &str, file: &str) -> Output {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/samples/specs");
    let spec = fs::read_to_string(specs.join(spec)).unwrap();
    let content = fs::read(datasets.join(file)).unwrap();
    let name = file.rsplit('/').next().unwrap();
    try_parse(&spec, &[(name, &content)]).unwrap_or_else(|error| panic!("{error}"))
}

/// Accepted rows as CSV with these columns, sorted by the first so many of them.
fn csv(output: &Output, columns: &[&str], sort_by: usize) -> String {
    let places: Vec<usize> =
        columns.iter().map(|column| output.names.iter().position(|name| name == column).unwrap()).collect();
    let mut rows: Vec<Vec<Value>> =
        output.values.iter().map(|row| places.iter().map(|place| row[*place].clone()).collect()).collect();
    rows.sort_by(|a, b| a[..sort_by].cmp(&b[..sort_by]));
    let quoted = |value: &Value| match value.to_string() {
        text if text.contains([',', '"', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        text => text,
    };
    let lines = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(","));
    [columns.join(",")].into_iter().chain(lines).map(|line| line + "\n").collect()
}

fn assert_same(found: &str, datasets: &Path, expected: &str) {
    let expected = fs::read_to_string(datasets.join("expected").join(expected)).unwrap();
    if found == expected {
        return;
    }
    let differing = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    panic!("{differing:?}; {} and {} lines", found.lines().count(), expected.lines().count());
}

#[test]
fn commission_matrices() {
    let Some(datasets) = datasets() else { return };
    let file = "commission/commission_matrices_1989.xlsx";
    let output = parse_sample(&datasets, "commission-matrix.toml", file);
    let columns = ["market", "year", "penetration_from", "achievement_from", "rate"];
    assert_same(&csv(&output, &columns, 4), &datasets, "commission_matrix_cells.csv");
    assert_eq!(output.parsed.stats.rows_in, 88);
    let warnings = &output.parsed.warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let falls = &warnings["RATE_FALLS_WITH_PENETRATION"];
    assert!(falls.first.contains("the rate falls although the penetration rises"), "{falls:?}");
}

#[test]
fn agent_targets() {
    let Some(datasets) = datasets() else { return };
    let file = "commission/agent_volume_sales_targets_1989.xlsx";
    let output = parse_sample(&datasets, "agent-targets.toml", file);
    assert_same(&csv(&output, &["agent", "year_month", "target"], 2), &datasets, "commission_targets.csv");
    assert_eq!(output.parsed.warnings["YEAR_MISMATCH"].rows, 120);
}

#[test]
fn currencies() {
    let Some(datasets) = datasets() else { return };
    let output = parse_sample(&datasets, "currencies.toml", "xml/iso_4217.xml");
    let columns = ["letter_code", "numeric_code", "name"];
    assert_same(&csv(&output, &columns, 1), &datasets, "iso4217.csv");
}

#[test]
fn events() {
    let Some(datasets) = datasets() else { return };
    let output = parse_sample(&datasets, "events.toml", "events/events_api.jsonl");
    let columns = ["line", "source", "event", "action", "repository", "sender", "route", "payload_sha256"];
    assert_same(&csv(&output, &columns, 0), &datasets, "events_api.csv");
    // A payload that comes again has the same identity.
    let identity = output.names.iter().position(|name| name == "payload_sha256").unwrap();
    let mut identities: Vec<&Value> = output.values.iter().map(|row| &row[identity]).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(output.values.len() - identities.len(), 5);
}

#[test]
fn reference_rates() {
    let Some(datasets) = datasets() else { return };
    let output = parse_sample(&datasets, "reference-rates.toml", "fx/eurofxref-hist.zip");
    // 7,126 days of 41 currencies, of which 70,464 have no rate.
    assert_eq!(output.parsed.stats.rows_in, 7126 * 41 - 70_464);
    assert_eq!(output.parsed.stats.rejected, 0);
}

#[test]
fn fixed_widths() {
    let Some(datasets) = datasets() else { return };
    let output = parse_sample(&datasets, "orders-month.toml", "fixedwidth/CDNOW_sample.txt");
    let stats = &output.parsed.stats;
    assert_eq!((stats.rows_in, stats.rejected), (6919, 0));
    let expected = fs::read_to_string(datasets.join("expected/cdnow_sample_month.csv")).unwrap();
    let turnover = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
    let expected: rust_decimal::Decimal =
        expected.lines().skip(1).map(|line| turnover(line.rsplit(',').next().unwrap())).sum();
    let amount = output.names.iter().position(|name| name == "amount").unwrap();
    let found: rust_decimal::Decimal = output.values.iter().map(|row| row[amount].number().unwrap()).sum();
    assert_eq!(found, expected);
}

#[test]
fn columns_between_blanks() {
    let Some(datasets) = datasets() else { return };
    let output = parse_sample(&datasets, "cars-year-origin.toml", "fixedwidth/auto-mpg.data");
    let stats = &output.parsed.stats;
    assert_eq!((stats.rows_in, stats.rejected), (398, 0));
    let power = output.names.iter().position(|name| name == "horsepower").unwrap();
    assert_eq!(output.values.iter().filter(|row| row[power].is_null()).count(), 6);
}
