//! The sample and the real feeds: delivered once, figures byte for byte.

use super::{coreview, run, succeeded};
use crate::shared;

#[test]
fn the_sample_is_delivered_once_however_often_it_is_run() {
    let data = tempfile::tempdir().expect("a folder");
    let first = succeeded(&run(data.path(), &[]));
    let after_first = coreview(data.path());
    assert_eq!(after_first.ledger.len(), 1);
    assert!(!after_first.figures.is_empty());
    assert_eq!(first["output"]["receipt"]["already_delivered"], false, "{first}");

    let second = succeeded(&run(data.path(), &[]));
    assert_ne!(first["executionArn"], second["executionArn"]);
    assert_eq!(second["output"]["receipt"]["already_delivered"], true, "{second}");
    assert_eq!(first["output"]["receipt"]["delivery_id"], second["output"]["receipt"]["delivery_id"]);
    assert_eq!(coreview(data.path()), after_first);
}

#[test]
fn the_terminal_shows_a_receipt_and_says_so_when_nothing_is_delivered_twice() {
    let data = tempfile::tempdir().expect("a folder");
    let text = || {
        let output =
            crate::stepwright(data.path()).args(["run", "coreview-delivery"]).output().expect("starts");
        assert_eq!(output.status.code(), Some(0), "{}", crate::told(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let first = text();
    assert!(first.contains("booked as") && first.contains("CV-"), "{first}");
    let second = text();
    assert!(second.to_lowercase().contains("already delivered"), "{second}");
    assert!(second.contains("twice"), "{second}");
}

/// Runs a real feed with only a spec of its own and compares the export.
fn comes_out_byte_identical(input: &str, spec: &str, expected: &str) {
    let (Some(input), Some(expected)) = (shared(input), shared(expected)) else { return };
    let data = tempfile::tempdir().expect("a folder");
    let export = data.path().join("export.csv");
    let output = run(
        data.path(),
        &[
            "--spec",
            spec,
            "--input",
            input.to_str().expect("UTF-8"),
            "--export",
            export.to_str().expect("UTF-8"),
        ],
    );
    succeeded(&output);
    let (export, expected) =
        (std::fs::read(export).expect("export"), std::fs::read(expected).expect("expected"));
    assert!(
        export == expected,
        "the export differs from the expected file:\n{}",
        String::from_utf8_lossy(&export)
    );
}

#[test]
fn flights_by_carrier_and_month_come_out_byte_identical() {
    comes_out_byte_identical(
        "datasets/flights/flights.csv.zip",
        "workflows/samples/specs/flights-carrier-month.toml",
        "datasets/expected/flights_carrier_month.csv",
    );
}

#[test]
fn vehicles_by_make_come_out_byte_identical() {
    comes_out_byte_identical(
        "datasets/vehicles/epa_vehicles.csv",
        "workflows/samples/specs/vehicles-make.toml",
        "datasets/expected/epa_make.csv",
    );
}
