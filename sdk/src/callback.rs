//! Steps that wait for somebody: [`Callback`], the task token a step hands on.

use std::fmt;
use std::marker::PhantomData;

use crate::call::Step;

/// The task token of a step that waits for an answer of type `T`.
///
/// A step that takes one is called with `lambda:invoke.waitForTaskToken`: its
/// function gives the token to whoever will answer (a mail, a table, a file) and
/// returns `()`; the state goes on when that one calls `SendTaskSuccess` with the
/// token and a `T` as JSON, or `SendTaskFailure` with one of the errors of the
/// step's enum. Whoever has the token may answer: it does not belong into a log.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// use stepwright::prelude::*;
///
/// /// What somebody decided.
/// #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
/// pub struct Answer { pub approved: bool }
///
/// #[derive(Debug, StepError)]
/// pub enum AskError {
///     /// The question cannot be put up.
///     Unavailable,
///     /// Sent by whoever answers.
///     Withdrawn,
/// }
///
/// /// Asks somebody.
/// #[step]
/// pub async fn ask(question: String, answer: Callback<Answer>) -> Result<(), AskError> {
///     let _ = (question, answer.token()); // keep both where people look
///     Ok(())
/// }
///
/// fn approval(w: &mut Flow, question: Expr<String>) -> Expr<bool> {
///     let answer = ask(question)
///         .wait_at_most(14 * 24 * 3600)
///         .retry(AskError::UNAVAILABLE, backoff(2, 2.0))
///         .catch(states::TIMEOUT, |_, _| AnswerExpr { approved: lit(false) }.into_expr())
///         .lets_fail(AskError::WITHDRAWN)
///         .run(w);
///     answer.approved
/// }
/// # stepwright::workflow("approval", approval).build();
/// ```
pub struct Callback<T> {
    token: String,
    answer: PhantomData<fn(T)>,
}

impl<T> Callback<T> {
    /// A callback with this token, to call a step's `handle` in a test.
    pub fn of(token: impl Into<String>) -> Self {
        Self { token: token.into(), answer: PhantomData }
    }

    /// The task token: up to 2,048 characters (AWS: `SendTaskSuccess`, `taskToken`), good
    /// until it is answered or the state's time is over.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl<T> fmt::Debug for Callback<T> {
    /// Without the token: who has it may answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback(redacted)")
    }
}

/// Steps that take a [`Callback`]; implemented by `#[step]`.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` waits for nobody",
    label = "it takes no `Callback<..>`",
    note = "add an argument `answer: Callback<Answer>` to the step, which then returns `Result<(), Error>`"
)]
pub trait Waits: Step {}
