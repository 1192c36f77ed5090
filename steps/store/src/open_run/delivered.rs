//! What was delivered for other periods: the rows that the figures of delivered
//! runs were made of, with period and delivery, as one object.
//!
//! A period is calculated from rows of `months_back` months. What any of these
//! cancels was delivered up to `within_months` before the first of them, and what
//! was taken back of it since then up to `months_back` after the period: later
//! periods are there when an earlier one is corrected.

use database::Database;
use feed::calculation::{ENTRY_DELIVERY, ENTRY_PERIOD, Reference};
use feed::rows::{ACCEPTED_CODE, ROWS_FORMAT, RowWriter, RowsColumn, RowsHeader, RowsOutcome};
use feed::spec::Outcome;
use serde_json::value::RawValue;
use stepwright::objects::ObjectRef;

use super::{OpenError, Scope};
use crate::layout::{Adapter, Layouts};
use crate::tables::entry::{self, Delivered};

/// Writes the object.
pub(super) async fn take_out(
    database: &mut impl Database,
    scope: Scope<'_>,
    wanted: &Reference,
    layouts: &Layouts,
) -> Result<ObjectRef, OpenError> {
    let months_back = scope.spec.store.as_ref().map_or(0, |store| store.months_back);
    let first = scope.period.months_back(months_back.saturating_add(scope.spec.clawback_months())).name();
    let (last, period) = (scope.period.months_on(months_back).name(), scope.period.name());
    let delivered = entry::delivered(database, &scope.spec.feed, [&first, &last, &period]).await?;
    known(&delivered, scope)?;
    let kept: Vec<RowsColumn> = wanted.kept_columns().map(column).collect();
    let columns: Vec<RowsColumn> = wanted.columns.iter().map(column).collect();
    let described = serde_json::to_string(&columns).unwrap_or_default();
    // The same runs and columns, the same place and bytes.
    let mut parts = vec!["delivered/1", &*described];
    for of in &delivered {
        let sha256 = of.kept.as_ref().map_or("", |(_, sha256)| &**sha256);
        parts.extend([&*of.period, &*of.market, sha256]);
        parts.extend(of.deliveries.iter().map(String::as_str));
    }
    let key = format!("{}/references/{}-{}.jsonl", scope.spec.feed, wanted.name, feed::fingerprint(parts));
    let header = RowsHeader {
        format: ROWS_FORMAT.to_owned(),
        feed: scope.spec.feed.clone(),
        columns,
        outcomes: vec![RowsOutcome { code: ACCEPTED_CODE.to_owned(), outcome: Outcome::Accept }],
    };
    let mut writer = RowWriter::new(scope.staging.create(&key)?, &header).map_err(OpenError::write)?;
    let mut rows = 0;
    for of in &delivered {
        let adapter = adapter(of, &kept, layouts)?;
        let own = [quoted(&of.period), quoted(&of.deliveries.join(" "))];
        entry::each::<OpenError>(database, of, |values| {
            rows += 1;
            let values = adapter.adapt(values).and_then(|values| arranged(wanted, &values, &own));
            let values = values.map_err(|error| damaged(of, &error.to_string()))?;
            writer.write_stored(0, &values).map_err(OpenError::write)
        })
        .await?;
    }
    Ok(writer.into_inner().finish(Some(rows))?)
}

fn column(column: &feed::calculation::ReferenceColumn) -> RowsColumn {
    RowsColumn { name: column.name.clone(), kind: column.kind }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The values that are kept in the order of the reference's columns, with
/// period and delivery, which are the row's own.
fn arranged(wanted: &Reference, kept: &str, own: &[String; 2]) -> Result<String, serde_json::Error> {
    let kept: Vec<&RawValue> = serde_json::from_str(kept)?;
    let mut kept = kept.into_iter().map(RawValue::get);
    let [period, delivery] = own;
    let values = wanted.columns.iter().map(|column| match &*column.name {
        ENTRY_PERIOD => period,
        ENTRY_DELIVERY => delivery,
        _ => kept.next().unwrap_or("null"),
    });
    Ok(format!("[{}]", values.collect::<Vec<_>>().join(",")))
}

/// What was delivered must be known before anything can be taken back of it.
fn known(delivered: &[Delivered], scope: Scope<'_>) -> Result<(), OpenError> {
    let mut unknown: Vec<&str> =
        delivered.iter().filter(|of| of.kept.is_none()).map(|of| &*of.period).collect();
    unknown.dedup();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(OpenError::Outdated {
        detail: format!(
            "what was delivered of {} for {} is not known row by row: an older version or spec delivered it; run {} again in this order (what has not changed is not delivered twice), then redrive the execution",
            scope.spec.feed,
            unknown.join(", "),
            if unknown.len() == 1 { "it" } else { "them" }
        ),
    })
}

fn adapter(of: &Delivered, wanted: &[RowsColumn], layouts: &Layouts) -> Result<Adapter, OpenError> {
    let layout = of.kept.as_ref().map_or("", |(layout, _)| &**layout);
    let Some(stored) = layouts.get(layout) else {
        return Err(damaged(of, &format!("ingest_layout has no `{layout}`")));
    };
    Adapter::between(stored, wanted, |_| false).map_err(|problem| OpenError::Outdated {
        detail: format!(
            "what was delivered of market `{}` for {} was kept by another spec than there is now: {problem}; run {} again (what has not changed is not delivered twice), then redrive the execution",
            of.market, of.period, of.period
        ),
    })
}

fn damaged(of: &Delivered, problem: &str) -> OpenError {
    OpenError::Damaged {
        detail: format!(
            "what was delivered of market `{}` for {} (table calc_entry) cannot be read: {problem}; find out who changed it",
            of.market, of.period
        ),
    }
}
