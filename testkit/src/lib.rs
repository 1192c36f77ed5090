//! Workflows under test: typed mocks, virtual time, steps in-process.
//!
//! A test runs the very definition that is deployed, on the engine's own
//! machine, in virtual time: a retry after ten minutes or a wait of a year costs
//! nothing. Steps are answered by mocks whose types are the step's, so a mock of
//! the wrong shape does not compile, or they run in-process on real files.
//!
//! ```
//! # use stepwright_testkit as testkit; // a dependent crate renames it
//! # use schemars::JsonSchema;
//! # use serde::{Deserialize, Serialize};
//! # use stepwright::prelude::*;
//! # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
//! # pub struct Figures { pub total: u32 }
//! # #[derive(Debug, StepError)]
//! # pub enum CoreViewError { Unavailable, Rejected }
//! # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
//! # pub struct Receipt { pub id: String }
//! # #[step]
//! # pub async fn deliver(figures: Figures) -> Result<Receipt, CoreViewError> { unimplemented!("{figures:?}") }
//! fn delivery(w: &mut Flow, figures: Expr<Figures>) -> Expr<Receipt> {
//!     deliver(figures)
//!         .retry(CoreViewError::UNAVAILABLE, backoff(60, 2.0).attempts(5))
//!         .lets_fail(CoreViewError::REJECTED)
//!         .run(w)
//! }
//!
//! let run = testkit::run_flow(delivery, Figures { total: 7 })
//!     .mock_seq::<Deliver>([Err(CoreViewError::Unavailable), Ok(Receipt { id: "r-1".into() })])
//!     .start();
//!
//! assert_eq!(run.output::<Receipt>()?.id, "r-1");
//! assert_eq!(run.attempts::<Deliver>(), 2);
//! assert_eq!(run.elapsed().as_secs(), 60);
//! # Ok::<(), testkit::NoOutput>(())
//! ```
//!
//! A step alone needs none of this: `Deliver::handle(figures).await`.
#![warn(missing_docs)]

mod answer;
mod run;
mod test;

pub use answer::Answer;
pub use engine::{HistoryEvent, Status};
pub use run::{Given, NoOutput, Run};
pub use test::{Subject, Test, run, run_flow};

/// The guide's examples compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../docs/authoring.md")]
mod guide {}
