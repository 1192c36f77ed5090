//! `coreview-delivery`: a feed, from its files to a verified receipt.
//!
//! Data lies in the object store; what travels here are references and counts.
//! Errors that no repetition can mend are left to fail where they happen, so
//! that a redrive resumes exactly there once their cause is gone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use step_calculate::{CalculateError, CalculateRequestExpr, calculate};
use step_deliver::{
    DeliverError, Receipt, StageError, StageRequestExpr, VerifyError, deliver, stage, verify,
};
use step_parse::{ParseError, ParseRequestExpr, parse};
use step_reconcile::{ReconcileError, ReconcileRequestExpr, reconcile};
use step_report::{ConfirmedExpr, Delivered, DeliveredExpr, ReportError, ReportRequestExpr, report};
use stepwright::ir::Workflow;
use stepwright::prelude::*;

use crate::{when_coreview_is_away, when_coreview_is_busy, when_it_is_not_known, when_storage_is_away};

#[cfg(test)]
mod tests;

/// What an execution is started with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct DeliveryRequest {
    /// The feed's spec.
    pub spec: ObjectRef,
    /// Its source files.
    pub files: Vec<ObjectRef>,
}

/// What it ends with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Delivery {
    /// The feed's name.
    pub feed: String,
    /// The business period of the figures.
    pub period: String,
    /// Row counts, as reconciled.
    pub stats: feed::Stats,
    /// The figures, as CSV.
    pub figures: ObjectRef,
    /// The rejected rows, with their raw text.
    pub rejects: ObjectRef,
    /// CoreView's acknowledgement.
    pub receipt: Receipt,
    /// The tables in which CoreView keeps what was delivered.
    pub tables: Vec<String>,
    /// The operator's report.
    pub report: ObjectRef,
}

/// The workflow with its settings.
pub fn definition() -> Workflow {
    stepwright::workflow("coreview-delivery", coreview_delivery)
        .comment("Takes a feed to CoreView, once, and proves it.")
        .timeout(24 * 60 * 60)
        .intake::<feed::Drops, _>(
            |request| request.files,
            |request| request.spec,
            "samples/coreview-delivery",
        )
        .build()
}

fn coreview_delivery(w: &mut Flow, request: Expr<DeliveryRequest>) -> Expr<Delivery> {
    let spec = request.spec;

    let parsed = parse(ParseRequestExpr { spec, files: request.files })
        .retry(ParseError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ParseError::EVERY)
        .run(w);
    let reconciled = reconcile(ReconcileRequestExpr { spec, parsed })
        .retry(ReconcileError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ReconcileError::EVERY)
        .run(w);
    let figures = calculate(CalculateRequestExpr {
        spec,
        rows: reconciled.rows,
        control: reconciled.control,
        references: none(),
        period: none(),
    })
    .retry(CalculateError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(CalculateError::EVERY)
    .run(w);

    let batch = stage(StageRequestExpr {
        channel: figures.channel,
        workflow: lit(String::from("coreview-delivery")),
        feed: figures.feed,
        period: figures.period,
        market: none(),
        figures: figures.figures,
        key_columns: figures.key_columns,
        rows: figures.rows,
        totals: figures.totals,
        execution_arn: w.execution_arn(),
        correction: none(),
        replaces: none(),
    })
    .retry([StageError::UNAVAILABLE, StageError::THROTTLED], when_coreview_is_away())
    .retry(StageError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(StageError::EVERY)
    .run(w);

    let receipt = deliver(batch)
        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
        .retry(DeliverError::THROTTLED, when_coreview_is_busy())
        // The next attempt looks first whether the batch arrived.
        .retry(DeliverError::UNKNOWN, when_it_is_not_known())
        .lets_fail(DeliverError::EVERY)
        .run(w);

    let verified = verify(receipt)
        .retry([VerifyError::UNAVAILABLE, VerifyError::THROTTLED], when_coreview_is_away())
        .lets_fail(VerifyError::EVERY)
        .run(w);

    let written = report(ReportRequestExpr {
        spec,
        execution_arn: w.execution_arn(),
        parsed,
        figures,
        delivered: shown(receipt),
        confirmed: ConfirmedExpr {
            rows: verified.rows,
            batch_sha256: verified.batch_sha256,
            verified_at: verified.verified_at,
        }
        .into_expr(),
    })
    .retry(ReportError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(ReportError::EVERY)
    .run(w);

    DeliveryExpr {
        feed: figures.feed,
        period: figures.period,
        stats: reconciled.stats,
        figures: figures.figures,
        rejects: parsed.rejects,
        receipt,
        tables: list(step_deliver::TABLES.map(|table| lit(String::from(table)))),
        report: written.html,
    }
    .into_expr()
}

/// What the report shows of a receipt.
fn shown(receipt: Expr<Receipt>) -> Expr<Delivered> {
    DeliveredExpr {
        delivery_id: receipt.delivery_id,
        coreview_id: receipt.coreview_id,
        delivered_at: receipt.delivered_at,
        rows: receipt.rows,
        totals: receipt.totals,
        batch_sha256: receipt.batch_sha256,
        already_delivered: receipt.already_delivered,
        execution_arn: receipt.execution_arn,
    }
    .into_expr()
}
