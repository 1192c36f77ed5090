//! Pipes: from queues to executions. Speaks `EventBridge` Pipes.
//!
//! | file | owns |
//! |---|---|
//! | `api` | the operations, by name |
//! | `pipe` | what a pipe is: checked, ready to work |
//! | `batch` | messages that were taken, and the execution they are for, in the database |
//! | `runner` | a thread for each pipe: takes messages, starts executions |
//!
//! What a pipe takes from its queue at a time is noted, with the name of the execution, by the transaction
//! that makes the messages invisible; they stay so as long as they are noted. They are deleted after the
//! start of the execution was acknowledged. After a crash the same messages start an execution of the same
//! name, which Step Functions starts once; one that is waited for (`REQUEST_RESPONSE`) is Express and starts
//! again. A pipe that is stopped or changed finishes the execution it waits for; of one that is stopped, what was
//! taken and not started is given back. Where a start fails, the messages come back when their visibility timeout is over, and the
//! dead-letter queue of the queue takes those that come too often.
//!
//! What is different from AWS: sources are queues, targets are state machines; there are no
//! enrichments, and logs go where all logs go.

mod api;
mod batch;
mod pipe;
mod runner;

pub(crate) use api::Pipes;
