//! `stepwright run` as a user types it, with the real step binaries.

mod bad_input;
mod channels;
mod commission;
#[path = "../../steps/deliver/tests/support/drop_receiver.rs"]
#[allow(dead_code, reason = "shared with the delivery tests, which use more of it")]
mod drop_receiver;
#[path = "../../steps/deliver/tests/support/http_receiver.rs"]
#[allow(dead_code, reason = "shared with the delivery tests, which use more of it")]
mod http_receiver;
mod postgres;
mod redrive;
mod samples;

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::{stepwright, told};

/// `stepwright run coreview-delivery …` to its end.
fn run(data: &Path, arguments: &[&str]) -> Output {
    stepwright(data)
        .args(["run", "coreview-delivery", "-o", "json"])
        .args(arguments)
        .output()
        .expect("stepwright starts")
}

/// What a run that has to succeed printed on standard output.
fn succeeded(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", told(output)))
}

/// The rows of a query of the default database of `data`, as comparable texts.
pub(crate) fn rows(data: &Path, sql: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(data.join("coreview.db")).expect("coreview.db opens");
    let mut statement = database.prepare(sql).expect("the table is there");
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>| {
        let value = |column| row.get::<_, rusqlite::types::Value>(column).map(|value| format!("{value:?}"));
        (0..columns).map(value).collect::<Result<Vec<_>, _>>().map(|row| row.join("|"))
    };
    let rows = statement.query_map([], text).expect("the query runs");
    rows.collect::<Result<_, _>>().expect("rows read")
}

/// What a delivery left in `CoreView`: the same after any repetition.
pub(crate) const LEDGER: &str =
    "SELECT delivery_id, batch_sha256, row_count, totals, version, state FROM coreview_ledger ORDER BY 1";
/// The figures `CoreView` holds.
pub(crate) const FIGURES: &str =
    "SELECT feed, period, entity_key, figures, delivery_id, state FROM coreview_figure ORDER BY 1, 2, 3, 5";

/// The deliveries and figures `CoreView` holds in the default database of `data`.
pub(crate) fn coreview(data: &Path) -> Delivered {
    Delivered { ledger: rows(data, LEDGER), figures: rows(data, FIGURES) }
}

/// What CoreView holds, comparable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) ledger: Vec<String>,
    pub(crate) figures: Vec<String>,
}
