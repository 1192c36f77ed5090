//! Redriving executions: which can be redriven, and doing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::StateMachine;
use asl::limits::{
    REDRIVE_CLIENT_TOKEN_SECONDS, REDRIVE_CLIENT_TOKENS_MAX, REDRIVE_HISTORY_EVENTS_MAX,
    REDRIVE_STARTED_FROM_MILLIS, REDRIVE_WINDOW_SECONDS, STANDARD_EXECUTION_SECONDS_MAX,
};

use super::{Engine, EngineError};
use crate::journal::{ExecutionDescription, JournalError, Reader, reopen_execution};
use crate::machine::{Execution, Input, Redrive, Status, TakenRedrive, advance};
use crate::map_run::child_definition;
use crate::scheduler::{Alongside, Scheduler, Slot, answer, lock};

/// A request to redrive an execution that ended without success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedriveExecution {
    /// ARN of the execution.
    pub execution_arn: String,
    /// The same token again is the same request: within 15 minutes, if no ten others came since.
    pub client_token: Option<String>,
    /// Why. Kept with the redrive. AWS has no such field.
    pub reason: Option<String>,
}

/// An execution that was redriven, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redriven {
    /// When, in milliseconds since the epoch.
    pub redrive_millis: i64,
    /// How often it was redriven, this time included.
    pub redrive_count: u32,
}

/// `redriveStatus` of an execution, at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveStatus {
    /// It can be redriven.
    Redrivable,
    /// It can be redriven by the redrive of the execution that its Map Run belongs to.
    RedrivableByMapRun,
    /// It cannot.
    NotRedrivable(NotRedrivable),
}

/// Why an execution cannot be redriven: AWS's seven `redriveStatusReason` texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRedrivable {
    /// Its state machine is being deleted, or was.
    #[error("State machine is in DELETING status")]
    StateMachineDeleting,
    /// It has not ended.
    #[error("Execution is RUNNING and cannot be redriven")]
    Running,
    /// There is nothing to redrive.
    #[error("Execution is SUCCEEDED and cannot be redriven")]
    Succeeded,
    /// It started before 15 November 2023.
    #[error("Execution was started before the launch of RedriveExecution")]
    StartedBeforeLaunch,
    /// Its history has no room.
    #[error("Execution history event limit exceeded")]
    HistoryLimitExceeded,
    /// It started more than a year ago.
    #[error("Execution has exceeded the max execution time")]
    MaxExecutionTimeExceeded,
    /// It ended more than 14 days ago.
    #[error("Execution redrivable period exceeded")]
    PeriodExceeded,
}

impl RedriveStatus {
    /// AWS's word, e.g. `REDRIVABLE_BY_MAP_RUN`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redrivable => "REDRIVABLE",
            Self::RedrivableByMapRun => "REDRIVABLE_BY_MAP_RUN",
            Self::NotRedrivable(_) => "NOT_REDRIVABLE",
        }
    }

    /// `redriveStatusReason`.
    pub const fn reason(self) -> Option<NotRedrivable> {
        match self {
            Self::NotRedrivable(reason) => Some(reason),
            _ => None,
        }
    }

    /// The status of an execution. When several reasons hold, nothing settles
    /// which one AWS names; ours is the first of these.
    pub fn of(described: &ExecutionDescription, is_machine_deleting: bool, now_millis: i64) -> Self {
        let closed_millis = match described.status {
            Status::Running => return Self::NotRedrivable(NotRedrivable::Running),
            Status::Succeeded => return Self::NotRedrivable(NotRedrivable::Succeeded),
            Status::PendingRedrive => return Self::RedrivableByMapRun,
            Status::Failed | Status::Aborted | Status::TimedOut => described.stop_millis.unwrap_or_default(),
        };
        let is_past = |millis: i64, seconds: u64| {
            now_millis.saturating_sub(millis).max(0).cast_unsigned() > seconds.saturating_mul(1000)
        };
        let obstacles = [
            (is_machine_deleting, NotRedrivable::StateMachineDeleting),
            (described.start_millis < REDRIVE_STARTED_FROM_MILLIS, NotRedrivable::StartedBeforeLaunch),
            (described.events >= REDRIVE_HISTORY_EVENTS_MAX as u64, NotRedrivable::HistoryLimitExceeded),
            (
                is_past(described.start_millis, STANDARD_EXECUTION_SECONDS_MAX),
                NotRedrivable::MaxExecutionTimeExceeded,
            ),
            (is_past(closed_millis, REDRIVE_WINDOW_SECONDS), NotRedrivable::PeriodExceeded),
        ];
        match obstacles.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, reason)) => Self::NotRedrivable(reason),
            // Developer guide, "Redriving Map Runs": a child is redriven with its parent.
            None if described.map_run_arn.is_some() => Self::RedrivableByMapRun,
            None => Self::Redrivable,
        }
    }
}

impl Engine {
    /// Redrives an execution: it goes on where it stood when it failed, timed
    /// out or was aborted, with the same ARN, definition and input. When this
    /// answers, the redrive survives a crash.
    pub fn redrive_execution(&self, request: &RedriveExecution) -> Result<Redriven, EngineError> {
        let arn = request.execution_arn.as_str();
        let redriving = lock(&self.scheduler.redriving);
        self.scheduler.admit()?;
        if let Some(slot) = self.open_slot(arn)? {
            return self.redriven_before(&slot, request);
        }
        let described = self.describe_execution(arn)?;
        let now = self.scheduler.now_millis();
        if let Some(before) = self.taken_before(request, now)? {
            return Ok(before);
        }
        let refused = |reason| EngineError::ExecutionNotRedrivable { execution_arn: arn.to_owned(), reason };
        match self.redrive_status(&described)? {
            RedriveStatus::Redrivable => {}
            RedriveStatus::RedrivableByMapRun => {
                return Err(EngineError::ChildNotRedrivable { execution_arn: arn.to_owned() });
            }
            RedriveStatus::NotRedrivable(reason) => return Err(refused(reason)),
        }
        let (slot, held) = self.closed_slot(arn)?;
        let mut open = lock(&self.scheduler.open);
        if slot.machine().is_deleting() {
            return Err(refused(NotRedrivable::StateMachineDeleting));
        }
        open.admit(&slot)?;
        self.scheduler.recent.forget(arn);
        let mut live = lock(&slot.live);
        drop(open);
        let redrive = Redrive {
            client_token: request.client_token.as_deref().map(Into::into),
            reason: request.reason.as_deref().map(Into::into),
        };
        let transition = match advance(&mut live.execution, Input::Redrive(redrive), now) {
            Ok(transition) if !transition.records.is_empty() => transition,
            otherwise => {
                drop(live);
                lock(&self.scheduler.open).remove(&slot);
                return Err(match otherwise {
                    Ok(_) => refused(NotRedrivable::HistoryLimitExceeded),
                    Err(source) => EngineError::Replay { execution_arn: arn.to_owned(), source },
                });
            }
        };
        let redriven = last(&live.execution, now);
        let (id, Redriven { redrive_millis, redrive_count }) = (slot.id, redriven);
        let (answer, answered) = answer();
        let alongside = Alongside {
            change: Some(Box::new(move |connection| {
                reopen_execution(connection, id, redrive_count, redrive_millis)
            })),
            answer: Some(answer),
            ..Alongside::default()
        };
        self.scheduler.commit(&slot, &mut live, transition, alongside);
        // In this order: the next redrive holds another one.
        drop((live, held, redriving));
        answered.recv().map_err(|_| self.scheduler.gone())?;
        Ok(redriven)
    }

    /// The execution as it is in memory; one whose end is on its way to the journal is not.
    fn open_slot(&self, arn: &str) -> Result<Option<Arc<Slot>>, EngineError> {
        let found = || lock(&self.scheduler.open).by_arn(arn);
        let Some(slot) = found() else { return Ok(None) };
        if lock(&slot.live).execution.stop_millis().is_some() {
            self.scheduler.sync()?;
        }
        Ok(found())
    }

    /// An execution that runs can only have been redriven by the same request.
    fn redriven_before(&self, slot: &Slot, request: &RedriveExecution) -> Result<Redriven, EngineError> {
        let now = self.scheduler.now_millis();
        let before = taken(&lock(&slot.live).execution, request, now);
        let before = before.ok_or_else(|| EngineError::ExecutionNotRedrivable {
            execution_arn: request.execution_arn.clone(),
            reason: NotRedrivable::Running,
        })?;
        // Its redrive may still be on its way to the journal.
        self.scheduler.sync()?;
        Ok(before)
    }

    /// Whether an execution that has ended was redriven by the same request.
    fn taken_before(
        &self,
        request: &RedriveExecution,
        now_millis: i64,
    ) -> Result<Option<Redriven>, EngineError> {
        if request.client_token.is_none() {
            return Ok(None);
        }
        let read = self.scheduler.readers.with(|reader| Ok(reader.execution(&request.execution_arn)))?;
        Ok(read?.and_then(|execution| taken(&execution, request, now_millis)))
    }

    /// An execution that has ended, folded from its records. As long as it is held it is not
    /// removed for its age.
    fn closed_slot(&self, arn: &str) -> Result<(Arc<Slot>, Held<'_>), EngineError> {
        let missing = || EngineError::ExecutionDoesNotExist { execution_arn: arn.to_owned() };
        let found = self.scheduler.readers.with(|reader| reader.find(arn))?;
        let (id, _) = found.ok_or_else(missing)?;
        let held = Held::new(&self.scheduler, id);
        // Whoever is just removing it has not seen that: it is gone then, after this.
        self.scheduler.sync()?;
        let slot = self.scheduler.readers.with(|reader| {
            reader.at_one_moment(|| {
                let Some(ended) = reader.openable(id)?.filter(|ended| ended.execution_arn == arn) else {
                    return Ok(None);
                };
                Ok(Some(self.slot_of(reader, ended, &mut BTreeMap::new())))
            })
        })?;
        Ok((slot.ok_or_else(missing)??, held))
    }
}

/// Keeps an execution from being removed until it is open, or it is clear that it will not be.
struct Held<'a>(&'a Scheduler);

impl<'a> Held<'a> {
    /// One at a time: whoever redrives has the lock of all redrives.
    fn new(scheduler: &'a Scheduler, id: i64) -> Self {
        lock(&scheduler.open).hold(Some(id));
        Self(scheduler)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(&self.0.open).hold(None);
    }
}

impl Reader {
    /// Whether an execution can be redriven at a time, in milliseconds since the epoch.
    pub fn redrive_status(
        &self,
        described: &ExecutionDescription,
        now_millis: i64,
    ) -> Result<RedriveStatus, JournalError> {
        let is_deleting = self.at_one_moment(|| {
            let found = self.find(&described.execution_arn)?;
            found.map_or(Ok(true), |(id, _)| self.is_machine_deleting(id))
        })?;
        Ok(RedriveStatus::of(described, is_deleting, now_millis))
    }

    /// The state of an execution, folded from its records: its redrives, and
    /// what another one would do. `None` = there is no such execution.
    pub fn execution(&self, execution_arn: &str) -> Result<Option<Execution>, EngineError> {
        self.at_one_moment(|| self.folded(execution_arn))
    }

    fn folded(&self, execution_arn: &str) -> Result<Option<Execution>, EngineError> {
        let Some((id, _)) = self.find(execution_arn)? else { return Ok(None) };
        let Some(found) = self.openable(id)? else { return Ok(None) };
        let text = self.definition(execution_arn, &found.sha256)?;
        let root = StateMachine::parse_accepted(&text).map_err(|diagnostics| {
            EngineError::InvalidDefinition { name: execution_arn.to_owned(), diagnostics }
        })?;
        let root = Arc::new(root);
        let child = child_definition(self, found.map_run, &root, &mut BTreeMap::new())?;
        let definition = child.map_or(root, |(processor, _)| processor);
        let records = self.records(id, execution_arn)?;
        let execution = Execution::replay(definition, &records)
            .map_err(|source| EngineError::Replay { execution_arn: execution_arn.to_owned(), source })?;
        Ok(Some(execution))
    }
}

/// The redrive that a request with this token was before. API reference: the
/// last 10 tokens count, each for 15 minutes.
fn taken(execution: &Execution, request: &RedriveExecution, now_millis: i64) -> Option<Redriven> {
    let token = request.client_token.as_deref()?;
    let is_fresh = |taken: &TakenRedrive| {
        let age = now_millis.saturating_sub(taken.at_millis).max(0).cast_unsigned();
        age < REDRIVE_CLIENT_TOKEN_SECONDS * 1000
    };
    (1_u32..)
        .zip(execution.redrives())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .filter(|(_, taken)| taken.redrive.client_token.is_some())
        .take(REDRIVE_CLIENT_TOKENS_MAX)
        .find(|(_, taken)| taken.redrive.client_token.as_deref() == Some(token) && is_fresh(taken))
        .map(|(redrive_count, taken)| Redriven { redrive_millis: taken.at_millis, redrive_count })
}

fn last(execution: &Execution, now_millis: i64) -> Redriven {
    let redrive_millis = execution.redrives().last().map_or(now_millis, |taken| taken.at_millis);
    Redriven { redrive_millis, redrive_count: execution.redrive_count() }
}
