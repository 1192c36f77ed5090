//! `coreview-acknowledge`: what a receiver says about dropped files, told to the execution that waits.
//!
//! A receiver writes `ack.json` or `nak.json` beside a manifest; the event of the bucket starts an
//! execution with it. A folder that tells nobody of its files is looked through once an hour.
//!
//! What nobody waits for any longer is no error when it is an acknowledgement: the answer stays
//! where it is, and who looks again finds it. A refusal that nobody was told of is one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use step_deliver::{
    AcknowledgeError, AcknowledgeRequestExpr, AwaitAck, CoreViewDrop, DeliverError, TokenAnswer, acknowledge,
};
use stepwright::Backoff;
use stepwright::ir::Workflow;
use stepwright::objects::Arrival;
use stepwright::prelude::*;
use stepwright::services::errors::{NO_TOKEN, NOBODY_WAITS};

use crate::when_coreview_is_away;

#[cfg(test)]
mod tests;

/// What an execution is started with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Answered {
    /// The answer that has arrived; every answer that is there if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arrival>,
}

/// What it ends with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Passed {
    /// How many states were told.
    pub told: u64,
    /// How many no longer waited.
    pub too_late: u64,
    /// Answers that could not be read.
    pub unreadable: Vec<String>,
}

/// The workflow with its settings.
pub fn definition() -> Workflow {
    stepwright::workflow("coreview-acknowledge", coreview_acknowledge)
        .comment("Tells who waits for it what a receiver says about dropped files.")
        .timeout(60 * 60)
        .on_objects::<CoreViewDrop>("")
        .ending("/ack.json")
        .ending("/nak.json")
        .with(|answer| AnsweredExpr { answer: some(answer) })
        .every("cron(10 * * * ? *)")
        .with(|_| AnsweredExpr { answer: none() })
        .build()
}

fn coreview_acknowledge(w: &mut Flow, answered: Expr<Answered>) -> Expr<Passed> {
    let found =
        acknowledge(AcknowledgeRequestExpr { answer: answered.answer, execution_arn: w.execution_arn() })
            .retry([AcknowledgeError::UNAVAILABLE, AcknowledgeError::THROTTLED], when_coreview_is_away())
            .retry(AcknowledgeError::UNKNOWN_DELIVERY, until_the_receipt_is_noted())
            .lets_fail(AcknowledgeError::EVERY)
            .run(w);
    let told = found.answers.each("Each token").concurrency(10).run(w, given_back);
    w.choose_some(
        "Is it refused?",
        found.refusal,
        |w, cause| {
            w.choose(
                "Was anybody told?",
                told.contains(true),
                |_| (),
                |w| w.fail("Refused", "Deliver.Rejected", cause),
            );
        },
        |_| (),
    );
    PassedExpr {
        told: told.filter(|told| told).count(),
        too_late: told.filter(Expr::not).count(),
        unreadable: found.unreadable,
    }
    .into_expr()
}

/// Gives a token back; whether somebody waited.
fn given_back(w: &mut Flow, answer: Expr<TokenAnswer>) -> Expr<bool> {
    w.attempt("Give the token back").catch((NOBODY_WAITS, NO_TOKEN), |_, _| lit(false)).run(|w| {
        w.choose_some(
            "Is it taken?",
            answer.acknowledgement,
            |w, acknowledgement| {
                w.send_task_success::<AwaitAck>("Say it is taken", answer.task_token, acknowledgement).run();
            },
            |w| {
                let cause = answer.cause.unwrap_or(lit(String::new()));
                w.send_task_failure::<AwaitAck>(
                    "Say it is refused",
                    answer.task_token,
                    DeliverError::REJECTED,
                    cause,
                )
                .run();
            },
        );
        lit(true)
    })
}

/// A quick receiver answers before the receipt of what it was given is in the planning database.
fn until_the_receipt_is_noted() -> Backoff {
    backoff(2, 2.0).attempts(5)
}
