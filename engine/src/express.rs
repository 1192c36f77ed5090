//! Express executions: the same machine, in memory.
//!
//! Nothing of such an execution is journalled: it has logs and no history, and
//! a name can be used any number of times, also at once. A synchronous start
//! runs at most once, and its result goes to the caller only. An asynchronous
//! start is noted in the journal before it is acknowledged and struck out when
//! the execution has ended: after a crash it starts again from its first state,
//! so it runs at least once. Both are what AWS promises of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use crate::arn::{express_arn, state_machine_arn};
use crate::engine::{Engine, EngineError, StartExecution, check_name, random_name, random_seed, read_input};
use crate::journal::{Change, Message};
use crate::machine::{Execution, Input, Started as StartedRecord, Status, advance};
use crate::registry::{
    ExpressStart, RegistryError, StateMachineType, Target, delete_express, insert_express,
};
use crate::scheduler::{Alongside, Keeping, Scheduler, Slot, lock};

/// The result of a synchronous Express execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncExecution {
    /// ARN of the execution.
    pub execution_arn: String,
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Name of the execution.
    pub name: String,
    /// How it ended: `Succeeded`, `Failed`, `TimedOut`, or `Aborted` with its state machine.
    pub status: Status,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// When it ended, in milliseconds since the epoch.
    pub stop_millis: i64,
    /// The JSON text of the input.
    pub input: String,
    /// The JSON text of the output of a success.
    pub output: Option<String>,
    /// The error of a failure.
    pub error: Option<String>,
    /// The cause of a failure.
    pub cause: Option<String>,
}

/// Why an Express execution begins.
enum Occasion<'a> {
    /// Somebody waits for its end.
    Sync,
    /// Somebody asked for it, and it is about to be noted under this ARN.
    Async(&'a str),
    /// It was noted under this ARN, and did not end before the engine did.
    Again(&'a str),
}

impl Engine {
    /// Runs an Express execution and waits for its end, for five minutes at most.
    pub fn start_sync_execution(&self, request: &StartExecution) -> Result<SyncExecution, EngineError> {
        let (sender, receiver) = sync_channel(1);
        self.begin_sync_execution(request, move |ended| {
            let _ = sender.send(ended);
        })?;
        receiver.recv().unwrap_or_else(|_| Err(self.scheduler.gone()))
    }

    /// Starts an Express execution and answers at once; `ended` is called with
    /// its end, or with why there is none. It must not wait.
    pub fn begin_sync_execution(
        &self,
        request: &StartExecution,
        ended: impl FnOnce(Result<SyncExecution, EngineError>) + Send + 'static,
    ) -> Result<(), EngineError> {
        self.scheduler.check()?;
        let target = self.target(&request.state_machine)?;
        if target.entry.kind != StateMachineType::Express {
            let name = target.entry.name.to_string();
            return Err(EngineError::StateMachineTypeNotSupported { name });
        }
        let (slot, started) =
            self.express_slot(&target, request, chosen_name(request.name.as_deref())?, &Occasion::Sync)?;
        let record = started.clone();
        slot.set_at_end(Box::new(move |scheduler, slot| ended(sync_result(scheduler, slot, &record))));
        self.begin_express(&slot, started)?;
        if self.scheduler.stopped().is_some() {
            // It may have stopped before it knew of this execution.
            slot.tell_end(&self.scheduler);
        }
        Ok(())
    }

    /// Notes an Express execution that nobody waits for. When `noted` is called, it will run,
    /// whatever happens; who is called sees to it that it begins.
    pub(crate) fn note_express(
        &self,
        target: &Target,
        request: &StartExecution,
        noted: impl FnOnce(Arc<Slot>, Box<StartedRecord>) + Send + 'static,
    ) -> Result<(), EngineError> {
        let name = chosen_name(request.name.as_deref())?;
        let arn = self.express_arn(target, &name)?;
        let row = ExpressStart {
            arn: arn.clone(),
            machine_id: target.entry.id,
            revision: target.revision.number,
            name: name.clone(),
            input: request.input.clone(),
            trace_header: request.trace_header.clone(),
            version: target.version,
            alias: target.alias.clone(),
        };
        let (slot, started) = self.express_slot(target, request, name, &Occasion::Async(&arn))?;
        let change: Change = Box::new(move |connection| insert_express(connection, &row));
        // When the writer is gone, so is the engine: nothing is left to be taken back.
        self.scheduler.send(Message::Change(change, Box::new(move || noted(slot, started))))
    }

    /// Starts again what was accepted and did not end before the engine did. What cannot start
    /// is left out and stays noted; it keeps nothing else from starting.
    pub(crate) fn restart_express(&self, starts: Vec<ExpressStart>) -> Result<(), EngineError> {
        for start in starts {
            let arn = start.arn.clone();
            if let Err(error) = self.restart_one(start) {
                self.leave_out(&arn, error)?;
            }
        }
        Ok(())
    }

    fn restart_one(&self, start: ExpressStart) -> Result<(), EngineError> {
        let found = self.scheduler.registry.entry_by_id(start.machine_id);
        let revision = self
            .scheduler
            .readers
            .with(|reader| reader.store().revision(start.machine_id, Some(start.revision)))?;
        let (Some(entry), Some(revision)) = (found, revision.map(Arc::new)) else {
            let arn = start.arn;
            return self.scheduler.change(Box::new(move |connection| delete_express(connection, &arn)));
        };
        let target = Target { entry, revision, version: start.version, alias: start.alias };
        let request = StartExecution {
            input: start.input,
            trace_header: start.trace_header,
            ..StartExecution::default()
        };
        let (slot, started) =
            self.express_slot(&target, &request, start.name, &Occasion::Again(&start.arn))?;
        self.begin_express(&slot, started)
    }

    fn express_arn(&self, target: &Target, name: &str) -> Result<String, EngineError> {
        let (region, account) = (&self.scheduler.region, &self.scheduler.account);
        Ok(express_arn(region, account, &target.entry.name, name, &random_name()?))
    }

    /// An execution that is about to begin.
    fn express_slot(
        &self,
        target: &Target,
        request: &StartExecution,
        name: String,
        occasion: &Occasion<'_>,
    ) -> Result<(Arc<Slot>, Box<StartedRecord>), EngineError> {
        let input = read_input(&request.input)?;
        let arn: Arc<str> = match occasion {
            Occasion::Sync => self.express_arn(target, &name)?.into(),
            Occasion::Async(arn) | Occasion::Again(arn) => (*arn).into(),
        };
        let (region, account) = (&self.scheduler.region, &self.scheduler.account);
        let started = Box::new(StartedRecord {
            execution_arn: Arc::clone(&arn),
            name: name.into(),
            state_machine_arn: state_machine_arn(region, account, &target.entry.name).into(),
            state_machine_name: Arc::clone(&target.entry.name),
            role_arn: Arc::clone(&target.revision.role_arn),
            input,
            seed: random_seed()?,
            trace_header: request.trace_header.as_deref().map(Into::into),
        });
        let definition = self.definition_to_run(&target.entry, &target.revision)?;
        let id = self.scheduler.next_express_id.fetch_sub(1, Ordering::SeqCst);
        let keeping = Keeping::Memory { noted: !matches!(occasion, Occasion::Sync) };
        let slot = Slot::new(id, arn, Execution::new(definition), 0, keeping, target.belonging());
        let mut open = lock(&self.scheduler.open);
        // What was acknowledged runs, also while its state machine is being deleted.
        let is_promised = matches!(occasion, Occasion::Again(_));
        if target.entry.deleting.load(Ordering::SeqCst) && !is_promised {
            return Err(RegistryError::StateMachineDeleting { name: target.entry.name.to_string() }.into());
        }
        open.admit(&slot)?;
        Ok((slot, started))
    }

    pub(crate) fn begin_express(
        &self,
        slot: &Arc<Slot>,
        started: Box<StartedRecord>,
    ) -> Result<(), EngineError> {
        let mut live = lock(&slot.live);
        match advance(&mut live.execution, Input::Start(started), self.scheduler.now_millis()) {
            Ok(transition) => {
                self.scheduler.commit(slot, &mut live, transition, Alongside::default());
                Ok(())
            }
            Err(source) => {
                drop(live);
                lock(&self.scheduler.open).remove(slot);
                Err(EngineError::Replay { execution_arn: slot.arn.to_string(), source })
            }
        }
    }
}

/// How a synchronous execution ended, or why the engine did before it.
fn sync_result(
    scheduler: &Scheduler,
    slot: &Slot,
    started: &StartedRecord,
) -> Result<SyncExecution, EngineError> {
    // An engine that stops may hold the lock of this very execution.
    scheduler.check()?;
    let live = lock(&slot.live);
    let execution = &live.execution;
    Ok(SyncExecution {
        execution_arn: slot.arn.to_string(),
        state_machine_arn: started.state_machine_arn.to_string(),
        name: started.name.to_string(),
        status: execution.status(),
        start_millis: execution.start_millis(),
        stop_millis: execution.stop_millis().unwrap_or_else(|| execution.last_millis()),
        input: started.input.text().to_owned(),
        output: execution.output().map(|payload| payload.text().to_owned()),
        error: execution.error().map(str::to_owned),
        cause: execution.cause().map(str::to_owned),
    })
}

fn chosen_name(name: Option<&str>) -> Result<String, EngineError> {
    match name {
        Some(name) => check_name(name).map(|()| name.to_owned()),
        None => random_name(),
    }
}
