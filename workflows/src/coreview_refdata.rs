//! `coreview-refdata`: reference data, from a file to the revision that is in force.
//!
//! A matrix, targets or exchange rates arrive as a file; its name says which, by the customer's
//! configuration. A file that cannot be used is put aside with a report, and its execution fails:
//! once another file lies in its place, a redrive goes on with that one.
//!
//! Who wants to know of new reference data has a rule for the event that announces it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use step_parse::{ParseError, ParseRequestExpr, parse};
use step_reconcile::{ReconcileError, ReconcileRequestExpr, reconcile};
use step_store::{
    Classified, ClassifyError, ClassifyRequestExpr, KeepError, KeepRequestExpr, QuarantineError,
    QuarantineRequestExpr, REFERENCE, ReplacedError, ReplacedRequestExpr, Revision, TakeInError,
    TakeInRequestExpr, classify, keep_revision, quarantine, replaced, take_in,
};
use stepwright::ErrorName;
use stepwright::ir::Workflow;
use stepwright::objects::Arrival;
use stepwright::prelude::*;

use crate::{at_once, the_customer, when_coreview_is_away, when_storage_is_away};

#[cfg(test)]
mod tests;

/// What an execution is started with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct RefdataRequest {
    /// Files of reference data.
    pub files: Vec<Arrival>,
    /// The customer's `customer.toml`, with the specs beside it.
    pub configuration: Arrival,
}

/// What it ends with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Refdata {
    /// The revisions in force, in the order of the files.
    pub revisions: Vec<Revision>,
}

/// The detail of the event that announces reference data.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Announcement {
    /// The reference's name in `customer.toml`.
    pub name: String,
    /// What it is in force for, such as `year=2024`; empty for everything.
    pub scope: String,
    /// The revision that is in force now.
    pub number: u64,
    /// SHA-256 of its rows.
    pub sha256: String,
}

/// The source of the event.
pub const SOURCE: &str = "coreview-refdata";
/// Its detail type.
pub const DETAIL_TYPE: &str = "Reference Data Revised";

/// The workflow with its settings.
pub fn definition() -> Workflow {
    stepwright::workflow("coreview-refdata", coreview_refdata)
        .comment("Takes reference data in, as a revision of what is in force.")
        .timeout(24 * 60 * 60)
        .intake::<feed::Drops, _>(
            |request| request.files,
            |request| request.configuration,
            "samples/coreview-commission",
        )
        .intake_folder()
        .on_objects::<feed::Drops>("reference/")
        .with(|file| RefdataRequestExpr { files: list([file]), configuration: the_customer() })
        .build()
}

fn coreview_refdata(w: &mut Flow, request: Expr<RefdataRequest>) -> Expr<Refdata> {
    let arrived = take_in(TakeInRequestExpr {
        files: request.files,
        configuration: request.configuration,
        messages: none(),
    })
    .retry(TakeInError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(TakeInError::EVERY)
    .run(w);
    let revisions = arrived
        .files
        .each("Each file")
        .concurrency(4)
        .run(w, |w, file| in_force(w, arrived.configuration, file));
    RefdataExpr { revisions }.into_expr()
}

/// What another file mends; anything else is not the file's fault.
const UNREADABLE: [ErrorName<ParseError>; 10] = [
    ParseError::TRUNCATED,
    ParseError::DAMAGED,
    ParseError::EMPTY,
    ParseError::TOO_LARGE,
    ParseError::UNSUPPORTED,
    ParseError::ENCODING,
    ParseError::WRONG_DELIMITER,
    ParseError::MISSING_COLUMN,
    ParseError::MISSING_SHEET,
    ParseError::TOO_MANY_REJECTS,
];

/// Brings a file into force. One that cannot be used waits, set aside, for another in its place.
fn in_force(w: &mut Flow, configuration: Expr<ObjectRef>, file: Expr<ObjectRef>) -> Expr<Revision> {
    let kind = lit(REFERENCE.to_owned());
    let classified = classify(ClassifyRequestExpr { configuration, file, kind })
        .retry(ClassifyError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ClassifyError::EVERY)
        .run(w);
    let revision = w
        .attempt("Take it in")
        .catch((UNREADABLE, ReconcileError::TOO_MANY_REJECTS, KeepError::BAD_SCOPE), |w, why| {
            set_aside(w, file, why);
            another(w, configuration, classified, file)
        })
        .run(|w| read_and_keep(w, configuration, classified, file));
    announced(w, revision);
    revision
}

/// Tells everybody of a new revision; the same file again is none.
fn announced(w: &mut Flow, revision: Expr<Revision>) {
    w.choose(
        "Is it new?",
        revision.unchanged.not(),
        |w| {
            let detail = AnnouncementExpr {
                name: revision.name,
                scope: revision.scope,
                number: revision.number,
                sha256: revision.sha256,
            };
            w.put_event("Announce it", SOURCE, DETAIL_TYPE, detail.into_expr()).run();
        },
        |_| (),
    );
}

/// Puts a file aside that could not be used.
fn set_aside(w: &mut Flow, file: Expr<ObjectRef>, why: Caught) {
    let execution_arn = w.execution_arn();
    quarantine(QuarantineRequestExpr { file, error: why.error, cause: why.cause, execution_arn })
        .retry(QuarantineError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(QuarantineError::EVERY)
        .run(w);
}

/// Goes on with the file that took a bad one's place. One that is bad as well is set aside, too:
/// then the next one is looked for, and the execution fails where a redrive looks again.
fn another(
    w: &mut Flow,
    configuration: Expr<ObjectRef>,
    classified: Expr<Classified>,
    file: Expr<ObjectRef>,
) -> Expr<Revision> {
    w.attempt("Until one is good").retry(ReplacedError::BAD_AS_WELL, at_once()).run(|w| {
        let execution_arn = w.execution_arn();
        let other = replaced(ReplacedRequestExpr { file, execution_arn })
            .retry(ReplacedError::STORAGE_FAILED, when_storage_is_away())
            .lets_fail(ReplacedError::EVERY)
            .run(w);
        w.attempt("Take the other one in")
            .catch((UNREADABLE, ReconcileError::TOO_MANY_REJECTS, KeepError::BAD_SCOPE), |w, why| {
                set_aside(w, other, why);
                w.fail("It is bad as well", lit(ReplacedError::BAD_AS_WELL.name().to_owned()), why.cause)
            })
            .run(|w| read_and_keep(w, configuration, classified, other))
    })
}

fn read_and_keep(
    w: &mut Flow,
    configuration: Expr<ObjectRef>,
    classified: Expr<Classified>,
    file: Expr<ObjectRef>,
) -> Expr<Revision> {
    let spec = classified.spec;
    let parsed = parse(ParseRequestExpr { spec, files: list([file]) })
        .retry(ParseError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ParseError::EVERY)
        .run(w);
    reconcile(ReconcileRequestExpr { spec, parsed })
        .retry(ReconcileError::STORAGE_FAILED, when_storage_is_away())
        .lets_fail(ReconcileError::EVERY)
        .run(w);
    keep_revision(KeepRequestExpr {
        configuration,
        name: classified.name,
        parsed,
        file,
        spec,
        execution_arn: w.execution_arn(),
    })
    .retry([KeepError::UNAVAILABLE, KeepError::THROTTLED], when_coreview_is_away())
    .retry(KeepError::STORAGE_FAILED, when_storage_is_away())
    .lets_fail(KeepError::EVERY)
    .run(w)
}
