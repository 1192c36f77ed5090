//! `coreview-commission`: contracts, from files and messages to commissions with a receipt.
//!
//! Contracts that arrive are kept in the planning database. A month is settled when it is asked
//! for, by a schedule or by a person: what it is calculated from is pinned, calculated market by
//! market, compared with the month before, delivered by every channel of the customer, and read
//! back. Twice, a person may be needed: when reference data is missing, and when totals jump.
//!
//! The same month again delivers nothing twice. If its figures have changed since, it is a
//! conflict, unless the execution says why they are to be corrected.

use std::collections::BTreeMap;

use feed::{MarketFigures, MarketFiguresExpr, Parsed, ReceiptRef, ReceiptRefExpr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use step_calculate::{CalculateError, CalculateRequestExpr, calculate};
use step_deliver::{
    AwaitAckRequestExpr, Batch, Correction, DeliverError, FILE_CHANNEL, HTTPS_CHANNEL, Receipt, StageError,
    StageRequestExpr, VerifyError, acknowledged, await_ack, deliver, deliver_file, deliver_https, stage, verify,
    verify_file, verify_https,
};
use step_parse::{ParseError, ParseRequestExpr, parse};
use step_reconcile::{ReconcileError, ReconcileRequestExpr, reconcile};
use step_report::{ReportError, RunReportRequestExpr, RunReported, report_run};
use step_store::{
    Answer, AskError, ClassifyError, ClassifyRequestExpr, CloseError, CloseRequestExpr, ControlError,
    ControlRequestExpr, Controlled, LoadError, LoadRequestExpr, Loaded, OpenError, OpenRequestExpr, Planned,
    QuestionExpr, Run, RunRefExpr, TakeInError, TakeInRequestExpr, ask, classify, close_run, control, load,
    open_run, take_in,
};
use stepwright::ir::Workflow;
use stepwright::objects::Arrival;
use stepwright::prelude::*;

use crate::{when_coreview_is_away, when_coreview_is_busy, when_it_is_not_known};

#[cfg(test)]
mod tests;

/// How long a person has to upload what is missing, in seconds: a month and a bit.
const UPLOAD_SECONDS_MAX: u64 = 35 * 24 * 60 * 60;
/// How long a person has to approve a jump, in seconds.
const APPROVAL_SECONDS_MAX: u64 = 14 * 24 * 60 * 60;
/// How long a receiver has to acknowledge dropped files, in seconds.
const ACK_SECONDS_MAX: u64 = 3 * 24 * 60 * 60;

/// What an execution is started with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct CommissionRequest {
    /// Files of contracts and cancellations; none when only a period is settled.
    pub files: Vec<Arrival>,
    /// The same as messages: JSON texts.
    #[serde(default)]
    pub messages: Vec<String>,
    /// The customer's `customer.toml`, with the specs beside it.
    pub configuration: Arrival,
    /// The period that is settled, such as `2024-03`.
    #[serde(default)]
    pub period: Option<String>,
    /// When a schedule fired (RFC 3339): the last period that had ended by then is settled.
    #[serde(default)]
    pub scheduled_at: Option<String>,
    /// Why what was delivered for the period is delivered again.
    #[serde(default)]
    pub correction: Option<Correction>,
}

/// What it ends with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Commissions {
    /// What became of the files and messages.
    pub loaded: Vec<Loaded>,
    /// The period that was settled, if one was.
    #[serde(default)]
    pub period: Option<String>,
    /// Its totals, as decimal texts by name, kept apart by currency.
    #[serde(default)]
    pub totals: Option<BTreeMap<String, String>>,
    /// The receipts of its deliveries.
    pub deliveries: Vec<ReceiptRef>,
    /// The figures of all markets as CSV.
    #[serde(default)]
    pub figures: Option<ObjectRef>,
    /// The operator's report.
    #[serde(default)]
    pub report: Option<RunReported>,
}

/// A file that was taken in.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
struct TakenFile {
    parsed: Parsed,
    loaded: Loaded,
}

/// The workflow with its settings.
pub fn definition() -> Workflow {
    stepwright::workflow("coreview-commission", coreview_commission)
        .comment("Settles a month: commissions of agents, delivered to CoreView once, and proven.")
        .timeout(60 * 24 * 60 * 60)
        .intake::<feed::Drops, _>(
            |request| request.files,
            |request| request.configuration,
            "samples/coreview-commission",
        )
        .intake_folder()
        .intake_period(|request| request.period)
        .intake_correction(|request| request.correction)
        .build()
}

fn coreview_commission(w: &mut Flow, request: Expr<CommissionRequest>) -> Expr<Commissions> {
    let arrived = take_in(TakeInRequestExpr {
        files: request.files,
        configuration: request.configuration,
        messages: request.messages,
    })
    .lets_fail(TakeInError::EVERY)
    .run(w);
    let configuration = arrived.configuration;
    let taken = arrived.files.each("Each file").concurrency(1).run(w, |w, file| take(w, configuration, file));
    let loaded = taken.pluck(|taken| taken.loaded);

    w.choose(
        "Is a period settled?",
        request.period.is_some().or(request.scheduled_at.is_some()),
        |w| {
            let run = pin(w, request, configuration);
            let markets = run.markets.each("Each market").concurrency(4).run(w, |w, market| {
                let figures = figures_of(w, run, market.parsed);
                MarketFiguresExpr { market: market.market, parsed: market.parsed, figures }.into_expr()
            });
            let controlled = controlled(w, request, configuration, run, markets);
            let approved_by = approved(w, run, controlled);
            let deliveries = controlled
                .deliveries
                .each("Each delivery")
                .concurrency(4)
                .run(w, |w, planned| delivered(w, request.correction, planned));
            close_run(CloseRequestExpr { run_id: run.id, receipts: deliveries, execution_arn: w.execution_arn() })
                .retry([CloseError::UNAVAILABLE, CloseError::THROTTLED], when_coreview_is_away())
                .lets_fail(CloseError::EVERY)
                .run(w);
            let report = report_run(RunReportRequestExpr {
                spec: run.spec,
                execution_arn: w.execution_arn(),
                run_id: run.id,
                period: run.period,
                input_sha256: run.input_sha256,
                references: some(run.references),
                markets,
                intake: some(taken.pluck(|taken| taken.parsed)),
                totals: controlled.totals,
                previous: some(controlled.previous),
                previous_period: controlled.previous_period,
                approval: controlled.approval,
                approved_by,
                correction: none(),
                receipts: deliveries,
            })
            .lets_fail(ReportError::EVERY)
            .run(w);
            CommissionsExpr {
                loaded,
                period: some(run.period),
                totals: some(controlled.totals),
                deliveries,
                figures: some(report.export),
                report: some(report),
            }
            .into_expr()
        },
        |_| {
            CommissionsExpr {
                loaded,
                period: none(),
                totals: none(),
                deliveries: list([]),
                figures: none(),
                report: none(),
            }
            .into_expr()
        },
    )
}
