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
    StageRequestExpr, VerifyError, acknowledged, await_ack, deliver, deliver_file, deliver_https, stage,
    verify, verify_file, verify_https,
};
use step_parse::{ParseError, ParseRequestExpr, parse};
use step_reconcile::{ReconcileError, ReconcileRequestExpr, reconcile};
use step_report::{ReportError, RunReportRequestExpr, RunReported, report_run};
use step_store::{
    Answer, AnswerError, AnswerRequestExpr, AskError, CONTRACTS, ClassifyError, ClassifyRequestExpr,
    CloseError, CloseRequestExpr, ControlError, ControlRequestExpr, Controlled, LoadError, LoadRequestExpr,
    Loaded, OpenError, OpenRequestExpr, Planned, QuestionExpr, Run, RunRefExpr, TakeInError,
    TakeInRequestExpr, ask, classify, close_run, control, load, note_answer, open_run, take_in,
};
use stepwright::ir::Workflow;
use stepwright::objects::Arrival;
use stepwright::prelude::*;

use crate::{
    at_once, the_customer, when_coreview_is_away, when_coreview_is_busy, when_it_is_not_known,
    when_storage_is_away,
};

#[cfg(test)]
mod tests;

/// The account that sends contracts as messages. A number of AWS's documentation: every customer has its own.
const SENDER: &str = "111122223333";
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
    /// Whether a period that was delivered is calculated with the reference data in force now,
    /// and not with what it was delivered with.
    #[serde(default)]
    pub current_references: Option<bool>,
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
    /// Periods that were delivered before some of their rows came, went or changed, each with
    /// what to do about it. Those that this execution's files changed are in `loaded` as well.
    pub stale: Vec<String>,
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
        .intake_messages(|request| request.messages)
        .intake_period(|request| request.period)
        .intake_correction(|request| request.correction)
        .on_objects::<feed::Drops>("contracts/")
        .with(|file| CommissionRequestExpr { files: list([file]), ..nothing() })
        .on_queue("contracts")
        .from_account(SENDER)
        .with(|messages| CommissionRequestExpr { messages: some(messages), ..nothing() })
        .every("cron(0 5 3 * ? *)")
        .in_timezone("Europe/Berlin")
        .with(|scheduled_at| CommissionRequestExpr { scheduled_at: some(scheduled_at), ..nothing() })
        .build()
}

/// What executions that start by themselves are given one part of.
fn nothing() -> CommissionRequestExpr {
    CommissionRequestExpr {
        files: list([]),
        messages: none(),
        configuration: the_customer(),
        period: none(),
        scheduled_at: none(),
        correction: none(),
        current_references: none(),
    }
}

fn coreview_commission(w: &mut Flow, request: Expr<CommissionRequest>) -> Expr<Commissions> {
    let arrived = take_in(TakeInRequestExpr {
        files: request.files,
        configuration: request.configuration,
        messages: request.messages,
    })
    .retry(TakeInError::STORAGE_FAILED, when_storage_is_away())
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
            let closed = close_run(CloseRequestExpr {
                run_id: run.id,
                receipts: deliveries,
                execution_arn: w.execution_arn(),
            })
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
                revisions: some(run.revisions),
                markets,
                intake: some(taken.pluck(|taken| taken.parsed)),
                totals: controlled.totals,
                previous: some(controlled.previous),
                previous_period: controlled.previous_period,
                approval: controlled.approval,
                approved_by,
                correction: request.correction,
                receipts: deliveries,
                notices: some(run.notices),
                stale: some(closed.stale),
            })
            .retry(ReportError::STORAGE_FAILED, when_storage_is_away())
            .lets_fail(ReportError::EVERY)
            .run(w);
            CommissionsExpr {
                loaded,
                period: some(run.period),
                totals: some(controlled.totals),
                deliveries,
                figures: some(report.export),
                report: some(report),
                stale: closed.stale,
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
                stale: list([]),
            }
            .into_expr()
        },
    )
}

/// Takes a file of contracts in.
fn take(w: &mut Flow, configuration: Expr<ObjectRef>, file: Expr<ObjectRef>) -> Expr<TakenFile> {
    let kind = lit(CONTRACTS.to_owned());
    let classified = classify(ClassifyRequestExpr { configuration, file, kind })
        .retry(ClassifyError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ClassifyError::EVERY)
        .run(w);
    let files = list([file]);
    let spec = classified.spec;
    let parsed = parse(ParseRequestExpr { spec, files })
        .retry(ParseError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ParseError::EVERY)
        .run(w);
    let reconciled = reconcile(ReconcileRequestExpr { spec, parsed })
        .retry(ReconcileError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ReconcileError::EVERY)
        .run(w);
    let loaded = load(LoadRequestExpr { spec, files, reconciled, parsed, execution_arn: w.execution_arn() })
        .retry([LoadError::UNAVAILABLE, LoadError::THROTTLED], when_coreview_is_away())
        .retry(LoadError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(LoadError::EVERY)
        .run(w);
    TakenFileExpr { parsed, loaded }.into_expr()
}

/// Pins what the period is calculated from. What is missing is asked for; who answers has
/// uploaded it, so it is an error of the second look, and a redrive looks a third time.
fn pin(w: &mut Flow, request: Expr<CommissionRequest>, configuration: Expr<ObjectRef>) -> Expr<Run> {
    let open = |w: &mut Flow, name: &str, complete: bool| {
        open_run(OpenRequestExpr {
            configuration,
            period: request.period,
            scheduled_at: request.scheduled_at,
            correction: request.correction,
            current_references: request.current_references,
            complete: some(lit(complete)),
            execution_arn: w.execution_arn(),
        })
        .named(name)
        .retry([OpenError::UNAVAILABLE, OpenError::THROTTLED], when_coreview_is_away())
        .retry(OpenError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(OpenError::EVERY)
        .run(w)
    };
    let run = open(w, "Pin the input", false);
    w.choose(
        "Is anything missing?",
        run.missing.count().gt(0),
        |w| {
            answered(w, run, "reference", run.question, UPLOAD_SECONDS_MAX);
            open(w, "Pin the input again", true)
        },
        |_| run,
    )
}

/// Asks a person, waits for the answer, and notes it. What cannot be understood is asked again; a
/// no ends the execution.
fn answered(w: &mut Flow, run: Expr<Run>, kind: &str, text: Expr<String>, seconds_max: u64) -> Expr<Answer> {
    let (name, kind) = (format!("Ask about {kind}"), lit(kind.to_owned()));
    let answer = w.attempt(&name).retry(AnswerError::NOT_UNDERSTOOD, at_once()).run(|w| {
        let execution_arn = w.execution_arn();
        let answer = ask(QuestionExpr { execution_arn, kind, period: run.period, text })
            .wait_at_most(seconds_max)
            .retry([AskError::UNAVAILABLE, AskError::THROTTLED], when_coreview_is_away())
            .lets_fail((AskError::EVERY, states::TIMEOUT))
            .run(w);
        note_answer(AnswerRequestExpr { execution_arn, kind, answer })
            .retry([AnswerError::UNAVAILABLE, AnswerError::THROTTLED], when_coreview_is_away())
            .lets_fail(AnswerError::EVERY)
            .run(w)
    });
    w.choose(
        "Approved?",
        answer.approved,
        |_| answer,
        |w| w.fail("Not approved", "Control.NotApproved", answer.note.unwrap_or(lit(String::new()))),
    )
}

/// The figures of a market, from the rows that were pinned for it.
fn figures_of(w: &mut Flow, run: Expr<Run>, parsed: Expr<Parsed>) -> Expr<feed::Figures> {
    let reconciled = reconcile(ReconcileRequestExpr { spec: run.spec, parsed })
        .named("Reconcile the market")
        .retry(ReconcileError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ReconcileError::EVERY)
        .run(w);
    calculate(CalculateRequestExpr {
        spec: run.spec,
        rows: reconciled.rows,
        control: reconciled.control,
        references: some(run.references),
        period: some(run.period),
    })
    .retry(CalculateError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(CalculateError::EVERY)
    .run(w)
}

/// Notes the figures, compares their totals with the period before, and says what is to be delivered.
fn controlled(
    w: &mut Flow,
    request: Expr<CommissionRequest>,
    configuration: Expr<ObjectRef>,
    run: Expr<Run>,
    figures: Expr<Vec<MarketFigures>>,
) -> Expr<Controlled> {
    control(ControlRequestExpr {
        run: RunRefExpr { id: run.id, period: run.period, feed: run.feed }.into_expr(),
        configuration,
        spec: run.spec,
        notices: some(run.notices),
        figures,
        correction: request.correction,
        execution_arn: w.execution_arn(),
    })
    .retry([ControlError::UNAVAILABLE, ControlError::THROTTLED], when_coreview_is_away())
    .retry(ControlError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(ControlError::EVERY)
    .run(w)
}

/// Who approved what had to be looked at; nobody where nothing had to.
fn approved(w: &mut Flow, run: Expr<Run>, controlled: Expr<Controlled>) -> Expr<Option<String>> {
    w.choose_some(
        "Does a person have to look?",
        controlled.approval,
        |w, text| some(answered(w, run, "approval", text, APPROVAL_SECONDS_MAX).by),
        |_| none(),
    )
}

/// Delivers a market's figures by one channel, and proves it.
fn delivered(w: &mut Flow, correction: Expr<Option<Correction>>, planned: Expr<Planned>) -> Expr<ReceiptRef> {
    let batch = stage(StageRequestExpr {
        workflow: lit(String::from("coreview-commission")),
        channel: planned.channel,
        feed: planned.feed,
        period: planned.period,
        market: some(planned.market),
        figures: planned.figures,
        key_columns: planned.key_columns,
        rows: planned.rows,
        totals: planned.totals,
        execution_arn: w.execution_arn(),
        correction,
        replaces: planned.replaces,
    })
    .retry([StageError::UNAVAILABLE, StageError::THROTTLED], when_coreview_is_away())
    .retry(StageError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(StageError::EVERY)
    .run(w);
    let receipt = w
        .choice("By which channel?")
        .when(planned.channel.equals(FILE_CHANNEL), |w| by_files(w, batch))
        .when(planned.channel.equals(HTTPS_CHANNEL), |w| by_https(w, batch))
        .otherwise(|w| by_database(w, batch));
    ReceiptRefExpr {
        market: planned.market,
        channel: planned.channel,
        delivery_id: receipt.delivery_id,
        coreview_id: receipt.coreview_id,
        rows: receipt.rows,
        batch_sha256: receipt.batch_sha256,
        already_delivered: receipt.already_delivered,
    }
    .into_expr()
}

fn by_database(w: &mut Flow, batch: Expr<Batch>) -> Expr<Receipt> {
    let receipt = deliver(batch)
        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
        .retry(DeliverError::THROTTLED, when_coreview_is_busy())
        .retry(DeliverError::UNKNOWN, when_it_is_not_known())
        .lets_fail(DeliverError::EVERY)
        .run(w);
    verify(receipt)
        .retry([VerifyError::UNAVAILABLE, VerifyError::THROTTLED], when_coreview_is_away())
        .lets_fail(VerifyError::EVERY)
        .run(w);
    receipt
}

fn by_https(w: &mut Flow, batch: Expr<Batch>) -> Expr<Receipt> {
    let receipt = deliver_https(batch)
        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
        .retry(DeliverError::THROTTLED, when_coreview_is_busy())
        .retry(DeliverError::UNKNOWN, when_it_is_not_known())
        .lets_fail(DeliverError::EVERY)
        .run(w);
    verify_https(receipt)
        .retry([VerifyError::UNAVAILABLE, VerifyError::THROTTLED], when_coreview_is_away())
        .lets_fail(VerifyError::EVERY)
        .run(w);
    receipt
}

/// Drops files, and waits until the receiver says that it has taken them. `coreview-acknowledge`
/// wakes the state; the answer itself is in the folder, so one that is lost is read after the time-out.
/// Only then is the folder asked again: what was refused or replaced while it was waited for is no receipt.
fn by_files(w: &mut Flow, batch: Expr<Batch>) -> Expr<Receipt> {
    let receipt = deliver_file(batch)
        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
        .retry(DeliverError::THROTTLED, when_coreview_is_busy())
        .retry(DeliverError::UNKNOWN, when_it_is_not_known())
        .lets_fail(DeliverError::EVERY)
        .run(w);
    acknowledged(receipt)
        .named("Is it acknowledged?")
        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
        .catch(DeliverError::NOT_ACKNOWLEDGED, |w, _| {
            await_ack(AwaitAckRequestExpr { receipt, execution_arn: w.execution_arn() })
                .wait_at_most(ACK_SECONDS_MAX)
                .retry([DeliverError::UNAVAILABLE, DeliverError::THROTTLED], when_coreview_is_away())
                .catch((DeliverError::ANSWERED, states::TIMEOUT), |w, _| {
                    acknowledged(receipt)
                        .named("Is it acknowledged by now?")
                        .retry(DeliverError::UNAVAILABLE, when_coreview_is_away())
                        .lets_fail(DeliverError::EVERY)
                        .run(w)
                })
                .lets_fail(DeliverError::EVERY)
                .run(w)
        })
        .lets_fail(DeliverError::EVERY)
        .run(w);
    verify_file(receipt)
        .retry([VerifyError::UNAVAILABLE, VerifyError::THROTTLED], when_coreview_is_away())
        .lets_fail(VerifyError::EVERY)
        .run(w);
    receipt
}
