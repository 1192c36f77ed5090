//! Typed workflows for AWS Step Functions.
//!
//! A workflow is a function over [`Flow`] and [`Expr`] values; a step is an
//! `async fn` under [`#[step]`](macro@step); what travels between them derives
//! [`Shape`]. The crate turns the function into plain data ([`ir`]) and knows
//! nothing of state machine definitions, engines or AWS. With the feature
//! `lambda` it also serves steps as Lambda functions; with `aws` their buckets
//! and secrets may be in S3 and Secrets Manager, as they are when deployed.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use stepwright::prelude::*;
//!
//! /// A file as it arrived.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
//! pub struct Drop {
//!     /// Where it is.
//!     pub file: ObjectRef,
//! }
//!
//! /// What it says.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
//! pub struct Counted {
//!     /// Lines in the file.
//!     pub lines: u32,
//! }
//!
//! /// Why it cannot be counted.
//! #[derive(Debug, StepError)]
//! pub enum CountError {
//!     /// The store does not answer.
//!     Unavailable,
//! }
//!
//! stepwright::bucket!(pub Drops = "drops");
//!
//! /// Counts the lines of a file.
//! #[step(memory = 256, timeout = 30)]
//! pub async fn count(drop: Drop, from: Read<Drops>) -> Result<Counted, CountError> {
//!     # let _ = (drop, from);
//!     // …
//!     Err(CountError::Unavailable)
//! }
//!
//! fn line_count(w: &mut Flow, drop: Expr<Drop>) -> Expr<u32> {
//!     let counted = count(drop)
//!         .retry(CountError::UNAVAILABLE, backoff(1, 2.0).attempts(5).full_jitter())
//!         .run(w);
//!
//!     w.choose("Empty?", counted.lines.equals(0),
//!         |w| w.fail("Empty file", "Count.Empty", lit(String::from("no lines in ")).concat(drop.file.key)),
//!         |_| counted.lines)
//! }
//!
//! let workflow = stepwright::workflow("line-count", line_count).build();
//! assert_eq!(workflow.body.states.len(), 2);
//! ```

#![warn(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

// The derives name this crate by its name, also inside of it.
extern crate self as stepwright;

mod attempt;
#[cfg(feature = "aws")]
#[expect(clippy::disallowed_methods, reason = "the process's edge: environment")]
mod aws;
mod call;
mod callback;
mod choice;
mod each;
mod errors;
mod expr;
mod flow;
#[doc(hidden)]
pub mod generated;
mod invocation;
pub mod ir;
#[cfg(feature = "lambda")]
#[expect(clippy::disallowed_methods, reason = "the process's edge: environment, clock")]
pub mod lambda;
mod literal;
#[cfg_attr(
    any(feature = "aws", all(test, feature = "lambda")),
    expect(clippy::disallowed_methods, reason = "the object store is files and HTTP")
)]
pub mod objects;
mod operand;
mod parallel;
mod produces;
pub mod resource;
mod retry;
#[cfg(feature = "aws")]
#[expect(clippy::disallowed_methods, reason = "the process's edge: clock, waiting between attempts")]
mod secrets;
pub mod services;
mod shape;
mod slot;
mod triggers;
mod workflow;

pub use attempt::Attempt;
pub use call::{Call, Step};
pub use callback::{Callback, Waits};
pub use choice::{Case, Cases, ChoiceOf, Tagged, UnitCase};
pub use each::Each;
pub use errors::{
    AnyStepError, Caught, ErrorName, ErrorNames, INPUT_MISMATCH, RESOURCE_UNAVAILABLE, RaisedBy,
    STEP_PANICKED, StepError, states,
};
pub use expr::{Expr, list, lit, none, some};
pub use flow::Flow;
pub use invocation::Invocation;
pub use macros::{Shape, StepError, step, steps};
pub use operand::{IntoExpr, Operand, TextPart};
pub use parallel::{Append, Parallel, Results};
pub use produces::{Diverged, Produces};
pub use resource::{Exchange, Look, Read, Use, Write};
pub use retry::{Backoff, backoff};
pub use services::Calling;
pub use shape::{Boolean, List, Number, Optional, SafeNumber, Scalar, Shape, Text};
pub use triggers::{Every, OnObjects, OnQueue};
pub use workflow::{WorkflowBuilder, workflow};

/// Everything a workflow or a step usually names.
pub mod prelude {
    pub use crate::objects::{Arrival, ObjectRef};
    pub use crate::{
        Callback, Caught, Diverged, Exchange, Expr, Flow, IntoExpr, Invocation, Look, Read, Shape, StepError,
        Use, Write, backoff, list, lit, none, some, states, step,
    };
}

/// Called by `#[step]` with the code that serves the step: kept where the
/// feature `lambda` is on, which only this crate can know.
#[cfg(feature = "lambda")]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_serving {
    ($($code:tt)*) => { $($code)* };
}

#[cfg(not(feature = "lambda"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_serving {
    ($($code:tt)*) => {};
}
