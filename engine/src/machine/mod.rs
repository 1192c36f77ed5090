//! The pure machine: what an execution does next, given what happened.
//!
//! Sans-I/O: no clock, no file, no thread, no randomness but the seed that
//! comes in with the start. [`advance`] takes an input (a start, a task's
//! outcome, a timer, a stop, a recovery) and the time, makes [`Record`]s,
//! applies each with [`Execution::apply`] and answers the records to be made
//! durable and the [`Effect`]s to be released after that.
//!
//! | file | owns |
//! |---|---|
//! | `record` | the facts a journal holds |
//! | `history` | their public face, `GetExecutionHistory` |
//! | `integration` | what a `Resource` says about its task |
//! | `execution` | the state, and `apply`, the only way to change it |
//! | `subtree` | the frames of branches and iterations, as `apply` changes them |
//! | `status` | how an execution ends |
//! | `run` | [`advance`]: inputs, the work loop, effects |
//! | `states` | what entering each type of state does |
//! | `flow` | how JSON flows through a state, stage by stage, in both languages |
//! | `choice` | the rules of a Choice in JSONPath |
//! | `task` | Task: scheduling, outcomes, timeouts, heartbeats |
//! | `token` | task tokens |
//! | `waiting` | tasks that wait to be answered by their token |
//! | `children` | Parallel and Map: branches, iterations, aborts |
//! | `map_run` | the distributed Map: the plan of a Map Run, and its end |
//! | `failing` | Retry, Catch, and where a failure goes |
//! | `retry` | failures, matching, delays |
//! | `rest` | what an execution that waits does without |
//! | `redrive` | where an execution that failed goes on |
//! | `context` | what the fields of a state read |

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod children;
mod choice;
mod context;
mod execution;
mod failing;
mod flow;
mod history;
mod integration;
mod map_run;
mod payload;
mod random;
mod record;
mod redrive;
mod rest;
mod retry;
mod run;
mod states;
mod status;
mod subtree;
mod task;
#[cfg(test)]
mod tests;
mod token;
mod waiting;

pub use context::{Extra, Seen, Surroundings};
pub(crate) use context::{Replayable, SOURCE_OF_STATE_DATA, instant, item_context};
pub use execution::Execution;
pub(crate) use flow::VARIABLES_TOO_LARGE;
pub use flow::{Chosen, Flow, NumberField, Outcome, error_output};
pub use history::{HistoryEvent, StateType};
pub use integration::{Integration, Pattern};
pub(crate) use map_run::processor_of;
pub use map_run::{MapRun, MapRunOutcome, MapRunPlan};
pub use payload::Payload;
pub(crate) use random::{draw, uuid, uuid_of_time};
pub use record::{Fact, FrameId, Record, Scheduled, Started, Text, Timer, TimerId};
pub use redrive::{Redrive, Rerun, RerunState, StatePath, TakenRedrive};
pub use retry::{Failure, Nature, delay_millis, errors};
pub use run::{Effect, Input, TaskKey, TaskRequest, Transition, advance};
pub use status::{ReplayError, Status};
pub(crate) use token::execution_arn;
pub use waiting::WaitingTask;
