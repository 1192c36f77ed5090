//! Durable execution of Amazon States Language on one machine.
//!
//! An [`Engine`] runs state machines, byte for byte the definitions that AWS
//! Step Functions runs. What it acknowledges survives `kill -9` and the loss
//! of every byte that was not synced: an execution goes on where it was when
//! the engine is opened again. Tasks are run by a [`TaskHost`], which the
//! engine knows only by its trait.
//!
//! ```
//! use std::sync::Arc;
//! use engine::{Completion, Engine, EngineOptions, StartExecution, Status, TaskHost, TaskOutcome, TaskRequest};
//!
//! /// Answers every call with the length of the payload's text.
//! struct Lengths;
//!
//! impl TaskHost for Lengths {
//!     fn invoke(&self, task: TaskRequest, done: Completion) {
//!         let length = task.arguments["Payload"].to_string().len().to_string();
//!         done.finish(TaskOutcome::Succeeded(engine::lambda_invoke_result(&length)));
//!     }
//! }
//!
//! # fn main() -> Result<(), engine::EngineError> {
//! # let directory = tempfile::tempdir().unwrap();
//! let engine = Engine::open(EngineOptions::new(directory.path(), Arc::new(Lengths)))?;
//! engine.put_state_machine("measure", r#"{
//!     "QueryLanguage": "JSONata", "StartAt": "Measure",
//!     "States": { "Measure": {
//!         "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
//!         "Arguments": { "FunctionName": "lengths", "Payload": "{% $states.input %}" },
//!         "Output": "{% $states.result.Payload %}", "End": true
//!     } }
//! }"#, None)?;
//! let input = r#"{"rows":[1,2,3]}"#.to_owned();
//! let started = engine.start_execution(StartExecution {
//!     state_machine: "measure".to_owned(), input, ..StartExecution::default()
//! })?;
//! let ended = engine.wait(&started.execution_arn)?;
//! assert_eq!((ended.status, ended.output.as_deref()), (Status::Succeeded, Some("16")));
//! engine.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! - [`machine`] is pure: inputs in, [`machine::Record`]s and
//!   [`machine::Effect`]s out. An execution is a fold over its records, so
//!   live state is replayed state by construction.
//! - The journal is SQLite in WAL mode with full synchronisation. One writer
//!   commits the records of up to 512 executions at a time and releases
//!   effects (calls of tasks, timers, answers, notices) after the commit. A
//!   commit that fails is not tried again: the engine stops.
//! - [`registry`] holds what executions are started of: state machines with
//!   their revisions, versions and aliases; activities; tags. A map in memory,
//!   its tables in the journal.
//! - Express executions run on the same machine, in memory: see
//!   [`Engine::start_sync_execution`]. Any execution can write logs: see [`LogSink`].
//! - A distributed Map is a Map Run with a thread of its own, whose state is
//!   the sum of its child executions: a child is journalled with its number
//!   and the count of the items it took. Items come from, and results go to,
//!   an [`object_store::ObjectStore`], one at a time.
//! - A redrive ([`Engine::redrive_execution`]) takes an end back: one more
//!   record, which puts every state that had not succeeded to where it goes on.
//! - [`simulate`] drives the same machine in virtual time, without a journal;
//!   [`test_state`] shows how JSON flows through one state.
//!
//! ```text
//!  callers: start, stop            task host: outcomes          timer thread
//!        │   heartbeat                   │ any thread           (1, all timers)
//!        ▼                               ▼                            │ due
//!  ┌───────────────────────── Slot, one per open execution ──────────▼──────┐
//!  │ lock ▸ machine::advance(input, now) ▸ records packed ▸ sent, in order  │
//!  └───────────────────────────────────┬────────────────────────────────────┘
//!                                      │ channel of Append, Change, Sync, Stop
//!                                      ▼
//!                       writer thread: drain ▸ transaction ▸ commit (sync)
//!                                      │ released after the commit only
//!        ┌──────────────┬──────────────┼───────────────┬──────────────────┐
//!        ▼              ▼              ▼               ▼                  ▼
//!   start's answer   notices to    task_host      timers set or      waiters of
//!                    subscribers    .invoke        cancelled          the end
//!
//!  checkpoint thread: moves the write-ahead log into the database, asked for
//!  every 4 MiB.  Readers: their own connections, they never wait for the writer.
//! ```
//!
//! # After a crash
//!
//! Opening folds every open execution and arms its timers again. A task that
//! was scheduled and has no recorded outcome may have run or not: it is never
//! silently run again. Its attempt fails with `Lambda.ServiceException`, a
//! transient error that generated definitions retry, and a cause that says
//! that the outcome is unknown. Task tokens stay good, tasks of activities are
//! offered again, submitted jobs are handed to [`TaskHost::resume`], and Map
//! Runs go on behind their last child. Express executions that were accepted
//! asynchronously start again. Time never runs backwards: the engine's time
//! is the later of its clock and of what the journal holds.
//!
//! # Crash points
//!
//! [`EngineOptions::crash`] ends the engine at the n-th crash point: before an
//! append, between append and commit, between commit and effects, after the
//! effects of each execution. [`Crash::Abort`] aborts the process, for tests
//! with real processes; [`Crash::Freeze`] stops the engine, for tests within
//! one. [`Engine::crash_points_passed`] says how many there are.
//!
//! # What a task calls
//!
//! That is the task host's business ([`TaskHost`]): it runs what it knows, HTTP
//! tasks included, and fails the rest.
#![warn(missing_docs)]

pub mod arn;
mod clock;
mod crash;
pub mod database;
mod digest;
mod engine;
mod express;
pub mod items;
mod journal;
pub mod log_events;
pub mod machine;
mod map_run;
mod mock_config;
pub mod object_store;
mod observer;
pub mod registry;
mod scheduler;
pub mod services;
pub mod simulate;
mod task;
pub mod test_state;
mod timers;
mod tokens;

pub use clock::{Clock, Jumped, ManualClock, SystemClock};
#[cfg(feature = "planted-faults")]
pub use crash::PlantedFault;
pub use crash::{Crash, CrashPlan};
pub use engine::{
    Accepted, Engine, EngineError, EngineOptions, LeftOut, NotRedrivable, Notice, PutStateMachine,
    RedriveExecution, RedriveStatus, Redriven, StartExecution, Started,
};
pub use express::SyncExecution;
pub use journal::{
    Area, BackedUp, Collected, Examination, ExecutionDescription, ExecutionFilter, ExecutionSummary, Finding,
    JournalError, OpenExecution, Reader, StateMachineDescription, back_up, collect_garbage, examine,
    is_in_use,
};
pub use log_events::{LogEvent, LogSink, MemoryLogSink};
pub use machine::{HistoryEvent, Status, TaskKey, TaskRequest};
pub use map_run::{MapRunCounts, MapRunDescription, UpdateMapRun};
pub use mock_config::{MockConfig, MockConfigError, MockedTasks};
pub use observer::{Observed, Observer};
pub use task::{Completion, TaskHost, TaskOutcome, TaskReport, lambda_invoke_payload, lambda_invoke_result};
pub use tokens::{ActivityTask, OfferListener};
