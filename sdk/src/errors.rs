//! Errors of steps, by the names retriers and catchers know them by.
//!
//! A name is part of a workflow's contract: it is written down by
//! `#[derive(StepError)]` (`Enum.Variant`, or what `#[error_name]` says), never
//! taken from a type's path, which changes when code moves.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::expr::Expr;
use crate::ir::ErrorInfo;

/// The error type of a step: an enum whose variants have stable names.
///
/// ```
/// use stepwright::StepError;
///
/// #[derive(Debug, StepError)]
/// pub enum ParseError {
///     /// The file does not follow its spec.
///     #[message("line {line} does not follow the spec")]
///     Malformed { line: u64 },
///     /// The file is gone.
///     Vanished,
/// }
///
/// let error = ParseError::Malformed { line: 7 };
/// assert_eq!(error.name(), "ParseError.Malformed");
/// assert_eq!(error.to_string(), "line 7 does not follow the spec");
/// assert_eq!(ParseError::VANISHED.name(), "ParseError.Vanished");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step's error type",
    label = "its variants have no names a workflow could retry or catch",
    note = "add `#[derive(Debug, StepError)]` to an enum of your own and convert `{Self}` into one of its variants"
)]
pub trait StepError: std::error::Error + 'static {
    /// Every error of the type, in the order of the variants.
    const ERRORS: &'static [ErrorInfo];

    /// The name of this one.
    fn name(&self) -> &'static str;
}

/// For steps that cannot fail.
impl StepError for Infallible {
    const ERRORS: &'static [ErrorInfo] = &[];

    fn name(&self) -> &'static str {
        match *self {}
    }
}

/// The name of one variant of a step's error enum: `ParseError::VANISHED`.
pub struct ErrorName<E> {
    name: &'static str,
    of: PhantomData<fn() -> E>,
}

impl<E> ErrorName<E> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// What the error is called in a definition.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<E> Clone for ErrorName<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorName<E> {}

impl<E> std::fmt::Debug for ErrorName<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ErrorName").field(&self.name).finish()
    }
}

/// One or more errors: a variant's name, one of [`states`], or an array of either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an error",
    label = "expected a variant's name such as `ParseError::VANISHED`, or `states::*`"
)]
pub trait ErrorNames {
    /// The names.
    fn names(self) -> Vec<&'static str>;
}

/// Errors that a step can raise.
#[diagnostic::on_unimplemented(
    message = "step `{S}` never raises this error",
    label = "`{S}` does not declare it",
    note = "only variants of the step's own error enum, or `states::*`"
)]
pub trait RaisedBy<S>: ErrorNames {}

impl<E> ErrorNames for ErrorName<E> {
    fn names(self) -> Vec<&'static str> {
        vec![self.name]
    }
}

impl<E: ErrorNames, const N: usize> ErrorNames for [E; N] {
    fn names(self) -> Vec<&'static str> {
        self.into_iter().flat_map(ErrorNames::names).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<S, E: RaisedBy<S>, const N: usize> RaisedBy<S> for [E; N] {}

macro_rules! tuples {
    ($(($($type:ident $name:ident),+))*) => {$(
        /// Errors of several enums, handled in one way.
        #[diagnostic::do_not_recommend]
        impl<$($type: ErrorNames),+> ErrorNames for ($($type,)+) {
            fn names(self) -> Vec<&'static str> {
                let ($($name,)+) = self;
                [$($name.names()),+].concat()
            }
        }

        #[diagnostic::do_not_recommend]
        impl<S, $($type: RaisedBy<S>),+> RaisedBy<S> for ($($type,)+) {}
    )*};
}

tuples! { (A a, B b) (A a, B b, C c) (A a, B b, C c, D d) }

/// An error any step may end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyStepError(&'static str);

impl ErrorNames for AnyStepError {
    fn names(self) -> Vec<&'static str> {
        vec![self.0]
    }
}

#[diagnostic::do_not_recommend]
impl<S> RaisedBy<S> for AnyStepError {}

/// Errors that do not come from a step's own code.
///
/// The names starting with `States.` are AWS's ("Error handling in Step Functions",
/// error names); the others are raised by the wrapper around a step.
pub mod states {
    use super::AnyStepError;

    /// Every error except those that end an execution outright. Must stand
    /// alone in its retrier or catcher, and last.
    ///
    /// A catch of everything hides failed states from redrive: prefer names.
    pub const ALL: AnyStepError = AnyStepError("States.ALL");
    /// Every error of a task except a timeout.
    pub const TASK_FAILED: AnyStepError = AnyStepError("States.TaskFailed");
    /// The task ran, or waited for its answer, longer than its timeout, or missed a heartbeat.
    pub const TIMEOUT: AnyStepError = AnyStepError("States.Timeout");
    /// The task sent no heartbeat in time.
    pub const HEARTBEAT_TIMEOUT: AnyStepError = AnyStepError("States.HeartbeatTimeout");
    /// The machine's role may not do what the state does.
    pub const PERMISSIONS: AnyStepError = AnyStepError("States.Permissions");
    /// A payload grew beyond 256 KiB.
    pub const DATA_LIMIT_EXCEEDED: AnyStepError = AnyStepError("States.DataLimitExceeded");
    /// An expression could not be evaluated.
    pub const QUERY_EVALUATION_ERROR: AnyStepError = AnyStepError("States.QueryEvaluationError");
    /// The step panicked; its cause names the message, file and line.
    pub const STEP_PANICKED: AnyStepError = AnyStepError(super::STEP_PANICKED);
    /// The step was called with something that is not its input type.
    pub const INPUT_MISMATCH: AnyStepError = AnyStepError(super::INPUT_MISMATCH);
    /// A bucket or secret of the step's signature is not there.
    pub const RESOURCE_UNAVAILABLE: AnyStepError = AnyStepError(super::RESOURCE_UNAVAILABLE);
}

/// Error name of a panic in a step.
pub const STEP_PANICKED: &str = "Step.Panicked";
/// Error name of a payload that is not the step's input; retrying cannot help.
pub const INPUT_MISMATCH: &str = "Contract.InputMismatch";
/// Error name of a bucket or secret the environment does not provide.
pub const RESOURCE_UNAVAILABLE: &str = "Resource.Unavailable";

/// The error a catcher sees.
#[derive(Debug, Clone, Copy)]
pub struct Caught {
    /// Its name, such as `ParseError.Vanished`.
    pub error: Expr<String>,
    /// Its cause: for a step, the JSON text `{"errorType": …, "errorMessage": …}`.
    pub cause: Expr<String>,
}
