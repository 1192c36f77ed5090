//! Starting executions.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, MutexGuard};

use super::{Engine, EngineError};
use crate::arn::{execution_arn, state_machine_arn};
use crate::journal::{NewExecution, Release};
use crate::machine::{Execution, Input, Payload, Started as StartedRecord, advance};
use crate::registry::{RegistryError, StateMachineType, Target};
use crate::scheduler::{Alongside, Keeping, Live, Scheduler, Slot, lock};

/// A request to start an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartExecution {
    /// Name or ARN of the state machine; an ARN may name a version or an alias.
    pub state_machine: String,
    /// Name of the execution; `None` = a UUID. The same name with the
    /// same input answers the same execution while that one runs.
    pub name: Option<String>,
    /// The JSON text of the input, at most 262,144 bytes; empty = `{}`.
    pub input: String,
    /// `X-Amzn-Trace-Id`, kept with the execution.
    pub trace_header: Option<String>,
}

/// An execution that was started, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// ARN of the execution.
    pub execution_arn: String,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
}

/// A start that is accepted. [`Engine::go_on`] makes of it what is acknowledged.
pub struct Accepted(Acceptance);

enum Acceptance {
    /// An open execution has the name, and may be this request's: who works on it may take a while.
    Taken(Arc<Slot>, Payload),
    /// It has begun.
    Begun(Started),
    /// An Express execution, which begins when it is noted.
    Express(Arc<Slot>, Box<StartedRecord>),
}

impl Accepted {
    /// Whether [`Engine::go_on`] has nothing left to do but to tell. Otherwise it works, on the
    /// thread of the caller, until the execution waits for something.
    pub fn has_begun(&self) -> bool {
        matches!(self.0, Acceptance::Begun(_))
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arn = match &self.0 {
            Acceptance::Begun(started) => started.execution_arn.as_str(),
            Acceptance::Taken(slot, _) | Acceptance::Express(slot, _) => &slot.arn,
        };
        formatter.debug_tuple("Accepted").field(&arn).finish()
    }
}

impl Engine {
    /// Starts an execution. When this answers, the start survives a crash; of
    /// an Express execution that means that it runs at least once.
    pub fn start_execution(&self, request: StartExecution) -> Result<Started, EngineError> {
        let (sender, accepted) = sync_channel(1);
        self.begin_execution(request, move |accepted| {
            let _ = sender.send(accepted);
        })?;
        self.go_on(accepted.recv().map_err(|_| self.scheduler.gone())?)
    }

    /// Starts an execution without waiting for the disk, for who has many starts under way and no
    /// thread for each. `durable` is called when the start survives a crash, on the thread that
    /// writes the journal, or at once where [`Self::go_on`] has to see to that: it must not wait.
    /// It is dropped without a call if that never comes to pass; [`Self::lost`] says why.
    pub fn begin_execution(
        &self,
        request: StartExecution,
        durable: impl FnOnce(Accepted) + Send + 'static,
    ) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        self.scheduler.expire_if_due();
        let input = read_input(&request.input)?;
        let target = self.target(&request.state_machine)?;
        if target.entry.kind == StateMachineType::Express {
            return self.note_express(&target, &request, move |slot, started| {
                durable(Accepted(Acceptance::Express(slot, started)));
            });
        }
        let definition = self.definition_to_run(&target.entry, &target.revision)?;
        let is_named = request.name.is_some();
        let name = match request.name {
            Some(name) => check_name(&name).map(|()| name)?,
            None => name_of_time(self.scheduler.now_millis())?,
        };
        let Scheduler { region, account, .. } = &*self.scheduler;
        let arn: Arc<str> = execution_arn(region, account, &target.entry.name, &name).into();
        let started = Box::new(StartedRecord {
            execution_arn: Arc::clone(&arn),
            name: name.as_str().into(),
            state_machine_arn: state_machine_arn(region, account, &target.entry.name).into(),
            state_machine_name: Arc::clone(&target.entry.name),
            role_arn: Arc::clone(&target.revision.role_arn),
            input,
            seed: random_seed()?,
            trace_header: request.trace_header.map(Into::into),
        });
        let mut open = lock(&self.scheduler.open);
        if target.entry.deleting.load(Ordering::SeqCst) {
            let name = target.entry.name.to_string();
            return Err(RegistryError::StateMachineDeleting { name }.into());
        }
        if let Some(slot) = open.by_arn(&arn) {
            drop(open);
            durable(Accepted(Acceptance::Taken(slot, started.input.clone())));
            return Ok(());
        }
        if is_named && self.scheduler.readers.with(|reader| reader.has_execution(target.entry.id, &name))? {
            return Err(EngineError::ExecutionAlreadyExists { execution_arn: arn.to_string() });
        }
        let id = self.scheduler.next_id.load(Ordering::SeqCst);
        let execution = Execution::new(definition);
        let slot = Slot::new(id, arn, execution, 0, Keeping::Journal, target.belonging());
        open.admit(&slot)?;
        self.scheduler.next_id.store(id + 1, Ordering::SeqCst);
        // Whoever finds the slot waits until the execution has begun.
        let live = lock(&slot.live);
        drop(open);
        self.start(&slot, live, &target, started, durable)
    }

    /// What is acknowledged of a start that is durable. An Express execution begins now.
    pub fn go_on(&self, accepted: Accepted) -> Result<Started, EngineError> {
        match accepted.0 {
            Acceptance::Begun(started) => Ok(started),
            Acceptance::Taken(slot, input) => {
                let started = started_before(&slot, &input)?;
                // The other start may still be on its way to the journal.
                let (sender, durable) = sync_channel(1);
                self.scheduler.when_durable(Box::new(move || {
                    let _ = sender.send(());
                }))?;
                durable.recv().map_err(|_| self.scheduler.gone())?;
                Ok(started)
            }
            Acceptance::Express(slot, started) => {
                self.begin_express(&slot, started)?;
                let start_millis = lock(&slot.live).execution.start_millis();
                Ok(Started { execution_arn: slot.arn.to_string(), start_millis })
            }
        }
    }

    /// Why what was begun will never be durable. Waits a moment for who knows.
    pub fn lost(&self) -> EngineError {
        self.scheduler.gone()
    }

    fn start(
        &self,
        slot: &Arc<Slot>,
        mut live: MutexGuard<'_, Live>,
        target: &Target,
        started: Box<StartedRecord>,
        durable: impl FnOnce(Accepted) + Send + 'static,
    ) -> Result<(), EngineError> {
        let name = Arc::clone(&started.name);
        let now = self.scheduler.now_millis();
        let transition = match advance(&mut live.execution, Input::Start(started), now) {
            Ok(transition) => transition,
            Err(source) => {
                drop(live);
                // Nothing of it was sent to the journal: the name is free again.
                lock(&self.scheduler.open).remove(slot);
                return Err(EngineError::Replay { execution_arn: slot.arn.to_string(), source });
            }
        };
        let start_millis = live.execution.start_millis();
        let new = NewExecution {
            machine_id: target.entry.id,
            revision: target.revision.number,
            version: target.version,
            alias: target.alias.clone(),
            name,
            sha256: target.revision.sha256,
            start_millis,
            map_run: None,
            place: None,
        };
        let started = Started { execution_arn: slot.arn.to_string(), start_millis };
        let begun = Arc::clone(slot);
        let answer: Release = Box::new(move || {
            begun.set_begun();
            durable(Accepted(Acceptance::Begun(started)));
        });
        let alongside = Alongside { new: Some(new), answer: Some(answer), ..Alongside::default() };
        self.scheduler.commit(slot, &mut live, transition, alongside);
        Ok(())
    }
}

/// The name is taken by an open execution: the same input is the same request.
fn started_before(slot: &Slot, input: &Payload) -> Result<Started, EngineError> {
    let live = lock(&slot.live);
    let execution_arn = slot.arn.to_string();
    let same = live.execution.started().is_some_and(|started| started.input.value() == input.value());
    if !same || live.execution.stop_millis().is_some() {
        return Err(EngineError::ExecutionAlreadyExists { execution_arn });
    }
    Ok(Started { execution_arn, start_millis: live.execution.start_millis() })
}

pub(crate) fn read_input(text: &str) -> Result<Payload, EngineError> {
    let refused = |problem: String| EngineError::InvalidExecutionInput { problem };
    if text.len() > asl::limits::PAYLOAD_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, the limit is 262,144", text.len())));
    }
    let text = if text.is_empty() { "{}" } else { text };
    Payload::parse(text).map_err(|error| refused(format!("it is not JSON: {error}")))
}

/// AWS's rule for names of state machines and executions.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let length = name.chars().count();
    let is_too_long = !(1..=asl::limits::EXECUTION_NAME_CHARS_MAX).contains(&length);
    if is_too_long || name.chars().any(asl::limits::is_invalid_in_name) {
        return Err(EngineError::InvalidName { name: name.to_owned() });
    }
    Ok(())
}

pub(crate) fn random_seed() -> Result<u64, EngineError> {
    getrandom::u64()
        .map_err(|error| EngineError::System { action: "draw a seed", problem: error.to_string() })
}

/// The name of an execution that was given none.
pub(crate) fn name_of_time(now_millis: i64) -> Result<String, EngineError> {
    Ok(crate::machine::uuid_of_time(now_millis, random_seed()?, random_seed()?))
}

pub(crate) fn random_name() -> Result<String, EngineError> {
    Ok(crate::machine::uuid(random_seed()?, random_seed()?))
}
