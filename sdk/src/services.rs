//! Calls of AWS's services that a workflow makes itself, without a step.
//!
//! Few on purpose: what a workflow tells others (an event), and how it answers a
//! step that waits in another execution. Everything else belongs in a step, which
//! can be tested on its own and keeps its client's errors to itself.

use crate::callback::Waits;
use crate::errors::{Caught, ErrorNames, RaisedBy};
use crate::expr::{Expr, lit};
use crate::flow::{Flow, here};
use crate::ir::{Location, ServiceCall, ServiceRequest, StateKind};
use crate::operand::IntoExpr;
use crate::produces::Produces;
use crate::retry::{Backoff, Handlers};
use crate::shape::Shape;

/// Errors of the calls.
pub mod errors {
    use crate::errors::ErrorNames;

    /// An error of a service.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ServiceError(&'static str);

    impl ErrorNames for ServiceError {
        fn names(self) -> Vec<&'static str> {
            vec![self.0]
        }
    }

    /// The bus refused the event (developer guide, "Add `EventBridge` events").
    pub const EVENT_REFUSED: ServiceError = ServiceError("EventBridge.FailedEntry");
    /// The token's task is over: it was answered, its time is over, or it is tried again with
    /// another token.
    pub const NOBODY_WAITS: [ServiceError; 2] =
        [ServiceError("Sfn.TaskTimedOutException"), ServiceError("Sfn.TaskDoesNotExistException")];
    /// The text is no token.
    pub const NO_TOKEN: ServiceError = ServiceError("Sfn.InvalidTokenException");
}

/// Calls of services.
impl Flow {
    /// Puts an event on the account's default bus: rules on `source` and
    /// `detail_type` pass it on. `detail` is a struct. The call is repeated when it
    /// fails, so that two events may come of it.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// # pub struct Kept { pub name: String, pub rows: u64 }
    /// # fn f(w: &mut Flow, kept: Expr<Kept>) {
    /// w.put_event("Announce", "planning", "Revision kept", kept).run();
    /// # }
    /// ```
    #[track_caller]
    pub fn put_event<'a, T: Shape>(
        &mut self,
        name: &str,
        source: impl IntoExpr<String>,
        detail_type: impl IntoExpr<String>,
        detail: Expr<T>,
    ) -> Calling<'_, 'a> {
        let request = ServiceRequest::PutEvent {
            source: source.into_expr().node(),
            detail_type: detail_type.into_expr().node(),
            detail: detail.node(),
        };
        self.calling(name, request)
    }

    /// Answers the step `S`, which waits in another execution: `SendTaskSuccess` with
    /// the token that its function handed on. A token is good once.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// use stepwright::services;
    ///
    /// # #[derive(Debug, StepError)]
    /// # pub enum AskError { Unavailable, Withdrawn }
    /// # #[step]
    /// # pub async fn ask(question: String, answer: Callback<bool>) -> Result<(), AskError> {
    /// #     let _ = (question, answer);
    /// #     Err(AskError::Unavailable)
    /// # }
    /// # fn f(w: &mut Flow, token: Expr<String>) {
    /// w.send_task_success::<Ask>("Answer it", token, lit(true))
    ///     .catch(services::errors::NOBODY_WAITS, |w, why| w.fail("Too late", "Answer.Late", why.cause))
    ///     .run();
    /// # }
    /// ```
    #[track_caller]
    pub fn send_task_success<'a, S: Waits>(
        &mut self,
        name: &str,
        token: impl IntoExpr<String>,
        output: impl IntoExpr<S::Output>,
    ) -> Calling<'_, 'a> {
        let (token, output) = (token.into_expr().node(), output.into_expr().node());
        self.calling(name, ServiceRequest::SendTaskSuccess { step: S::INFO, token, output })
    }

    /// Answers the step `S`, which waits in another execution, with one of its errors:
    /// `SendTaskFailure`.
    ///
    /// # Panics
    /// If it is not one error.
    #[track_caller]
    pub fn send_task_failure<'a, S: Waits>(
        &mut self,
        name: &str,
        token: impl IntoExpr<String>,
        error: impl RaisedBy<S>,
        cause: impl IntoExpr<String>,
    ) -> Calling<'_, 'a> {
        let errors = error.names();
        let [error] = errors.as_slice() else {
            panic!("`{name}` answers with one error, not with {}", errors.len());
        };
        let request = ServiceRequest::SendTaskFailure {
            step: S::INFO,
            token: token.into_expr().node(),
            error: lit((*error).to_owned()).node(),
            cause: cause.into_expr().node(),
        };
        self.calling(name, request)
    }

    #[track_caller]
    fn calling<'a>(&mut self, name: &str, request: ServiceRequest) -> Calling<'_, 'a> {
        Calling { flow: self, name: name.to_owned(), at: here(), request, handlers: Handlers::default() }
    }
}

/// A call of a service, being described.
#[derive(Debug)]
#[must_use = "a call does nothing until it is run with `.run()`"]
pub struct Calling<'w, 'a> {
    flow: &'w mut Flow,
    name: String,
    at: Location,
    request: ServiceRequest,
    handlers: Handlers<'a>,
}

impl<'a> Calling<'_, 'a> {
    /// Calls again when the call ends in one of these errors.
    pub fn retry(mut self, errors: impl ErrorNames, backoff: Backoff) -> Self {
        self.handlers.retry(errors, backoff);
        self
    }

    /// Goes on in another way when the call ends in one of these errors: the closure
    /// produces `()`, or does not come back.
    pub fn catch<R: Produces<()>>(
        mut self,
        errors: impl ErrorNames,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) -> Self {
        self.handlers.catch::<(), R>(errors, body);
        self
    }

    /// Makes the call as the next state.
    #[track_caller]
    pub fn run(self) {
        let Self { flow, name, at, request, handlers } = self;
        let result = crate::slot::fresh();
        let (retriers, catchers) = handlers.finish(flow);
        let call = ServiceCall { request, result, retriers, catchers };
        flow.record(&name, None, at, StateKind::Service(call));
    }
}
