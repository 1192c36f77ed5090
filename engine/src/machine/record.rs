//! What the journal holds: records. An execution is the fold of its records.
//!
//! A record is a *fact*. Most facts are events of the public history and have
//! an id; some are private (a wait was armed, a branch ended) and have none.
//! Public facts also carry private columns: the due times of timers, the
//! items of a Map, where a state goes next. Nothing that replay needs is ever
//! computed a second time.

use std::sync::Arc;

use super::history::StateType;
use super::map_run::MapRun;
use super::payload::Payload;
use super::redrive::Redrive;
use super::retry::Failure;

/// A shared text.
pub type Text = Arc<str>;

/// Which frame of an execution: 0 is the machine itself, others are branches
/// and iterations, numbered in the order they start.
pub type FrameId = u32;

/// A timer of an execution; numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);

/// A timer and when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Which timer.
    pub id: TimerId,
    /// When it fires, in milliseconds since the epoch.
    pub due_millis: i64,
}

/// One entry of an execution's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The id of the public event; 0 for a private record.
    pub id: u64,
    /// The `previousEventId` of the public event; 0 for a private record.
    pub previous: u64,
    /// When it happened, in milliseconds since the epoch. Never decreases.
    pub at_millis: i64,
    /// How many random numbers the execution has drawn by now.
    pub draws: u64,
    /// The frame it happened in.
    pub frame: FrameId,
    /// What happened.
    pub fact: Fact,
}

/// Who starts what, with which identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// ARN of the execution.
    pub execution_arn: Text,
    /// Name of the execution.
    pub name: Text,
    /// ARN of the state machine.
    pub state_machine_arn: Text,
    /// Name of the state machine.
    pub state_machine_name: Text,
    /// ARN of the role the execution runs as.
    pub role_arn: Text,
    /// The input.
    pub input: Payload,
    /// Where the execution's random numbers come from.
    pub seed: u64,
    /// `X-Amzn-Trace-Id`, if the caller sent one.
    pub trace_header: Option<Text>,
}

/// A task as it is scheduled.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduled {
    /// `Resource` of the state.
    pub resource: Text,
    /// Region in which the resource is called.
    pub region: Text,
    /// What the resource is called with.
    pub arguments: Payload,
    /// `TimeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
    /// `Credentials`.
    pub credentials: Option<Payload>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the variants and fields are AWS's events and their details; the private ones say what they are"
)]
pub enum Fact {
    /// `ExecutionStarted`; private: identity, seed, the timer of the execution's timeout.
    ExecutionStarted { started: Box<Started>, timeout: Option<Timer> },
    /// `ExecutionSucceeded`.
    ExecutionSucceeded { output: Payload },
    /// `ExecutionFailed`.
    ExecutionFailed { error: Option<Text>, cause: Option<Text> },
    /// `ExecutionAborted`.
    ExecutionAborted { error: Option<Text>, cause: Option<Text> },
    /// `ExecutionTimedOut`.
    ExecutionTimedOut { error: Option<Text>, cause: Option<Text> },
    /// `ExecutionRedriven`; private: who asked and why, the timer of the execution's timeout.
    ExecutionRedriven { redrive_count: u32, redrive: Box<Redrive>, timeout: Option<Timer> },

    /// `<Type>StateEntered`.
    StateEntered { kind: StateType, name: Text, input: Payload },
    /// `<Type>StateExited`; private: where to go next (`None` = the end of the frame).
    StateExited {
        kind: StateType,
        name: Text,
        output: Payload,
        assigned: Vec<(Text, Payload)>,
        next: Option<Text>,
    },
    /// `<Type>StateAborted`.
    StateAborted { kind: StateType },
    /// `EvaluationFailed`.
    EvaluationFailed { state: Text, location: Option<Text>, error: Text, cause: Text },

    /// `TaskScheduled`, `LambdaFunctionScheduled` or `ActivityScheduled`; private: the timers.
    TaskScheduled { task: Box<Scheduled>, timeout: Option<Timer>, heartbeat: Option<Timer> },
    /// Private: the token of the task that is about to be scheduled.
    TaskTokenIssued { token: Text },
    /// `TaskStarted`, or `LambdaFunctionStarted`.
    TaskStarted { resource: Text },
    /// `ActivityStarted`: a worker has taken the task; private: the timers, which start here.
    ActivityStarted { worker: Option<Text>, timeout: Option<Timer>, heartbeat: Option<Timer> },
    /// `TaskSubmitted`: the call is made, the task goes on.
    TaskSubmitted { resource: Text, output: Payload },
    /// `TaskSubmitFailed`: the call was refused.
    TaskSubmitFailed { resource: Text, failure: Failure },
    /// `ActivityScheduleFailed`, or `LambdaFunctionScheduleFailed`.
    TaskScheduleFailed { resource: Text, failure: Failure },
    /// `TaskSucceeded`, `LambdaFunctionSucceeded` or `ActivitySucceeded`.
    TaskSucceeded { resource: Text, output: Payload },
    /// `TaskFailed`, `LambdaFunctionFailed` or `ActivityFailed`.
    TaskFailed { resource: Text, failure: Failure },
    /// `TaskTimedOut`, `LambdaFunctionTimedOut` or `ActivityTimedOut`.
    TaskTimedOut { resource: Text, failure: Failure },
    /// Private: the task said that it lives; its heartbeat timer starts anew.
    HeartbeatReceived { heartbeat: Timer },

    /// Private: a Wait waits.
    WaitArmed { timer: Timer },
    /// Private: a retrier (by its position) takes the failure and waits.
    RetryArmed { retrier: u32, timer: Timer },
    /// Private: the wait before a retry is over; the state executes again.
    RetryStarted,

    /// `MapStateStarted`; private: the items, and how many iterations run at a time.
    MapStateStarted { items: Payload, length: u32, limit: u32 },
    /// `MapRunStarted`; private: the evaluated fields of the state.
    MapRunStarted { run: Box<MapRun> },
    /// `MapRunSucceeded`; private: the results.
    MapRunSucceeded { output: Payload },
    /// `MapRunFailed`.
    MapRunFailed { failure: Failure },
    /// `MapRunAborted`.
    MapRunAborted,
    /// `MapRunRedriven`.
    MapRunRedriven { arn: Text, redrive_count: u32 },
    /// `MapStateSucceeded`.
    MapStateSucceeded,
    /// `MapStateFailed`.
    MapStateFailed,
    /// `MapIterationStarted`; private: the frame of the iteration and its input.
    MapIterationStarted { child: FrameId, index: u32, name: Text, input: Payload },
    /// `MapIterationSucceeded`.
    MapIterationSucceeded { child: FrameId, index: u32, name: Text },
    /// `MapIterationFailed`; private: what the Map fails with.
    MapIterationFailed { child: FrameId, index: u32, name: Text, failure: Failure },
    /// `MapIterationAborted`.
    MapIterationAborted { child: FrameId, index: u32, name: Text },

    /// `ParallelStateStarted`; private: the branches' input.
    ParallelStateStarted { input: Payload },
    /// `ParallelStateSucceeded`.
    ParallelStateSucceeded,
    /// `ParallelStateFailed`.
    ParallelStateFailed,
    /// Private: a branch starts.
    BranchStarted { child: FrameId, index: u32 },
    /// Private: a branch ended well.
    BranchSucceeded { child: FrameId, index: u32 },
    /// Private: a branch failed, and with it the Parallel.
    BranchFailed { child: FrameId, failure: Failure },
    /// Private: a branch is gone because another one failed.
    BranchAborted { child: FrameId },
    /// Private: all branches or iterations of a failed state are gone; the failure is the state's now.
    ChildrenDropped { chain: u64 },
}

impl Fact {
    /// Whether the fact is an event of the public history.
    pub fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::HeartbeatReceived { .. }
                | Self::TaskTokenIssued { .. }
                | Self::WaitArmed { .. }
                | Self::RetryArmed { .. }
                | Self::RetryStarted
                | Self::BranchStarted { .. }
                | Self::BranchSucceeded { .. }
                | Self::BranchFailed { .. }
                | Self::BranchAborted { .. }
                | Self::ChildrenDropped { .. }
        )
    }

    /// Whether the fact ends the execution.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed { .. }
                | Self::ExecutionAborted { .. }
                | Self::ExecutionTimedOut { .. }
        )
    }
}
