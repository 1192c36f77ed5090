//! What executions do, counted under the names of AWS's CloudWatch metrics and
//! told in the log.
//!
//! Owns the figures and the log lines of executions; `exposition` writes the
//! figures for Prometheus. Never holds or logs what AWS's service model marks as
//! sensitive: inputs, outputs, errors, causes. Developer guide, "Monitoring Step
//! Functions metrics using Amazon CloudWatch".

mod calls;
mod exposition;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::machine::{Fact, FrameId, Record};
use engine::{Observed, Observer};

use calls::{Calls, Kind};

/// The figures of an engine, kept while it runs. Make it an engine's observer.
#[derive(Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Figures {
    /// By the ARN of the state machine.
    machines: BTreeMap<Arc<str>, OfMachine>,
    /// By what is called, and the ARN of it.
    resources: BTreeMap<(Kind, Arc<str>), OfResource>,
    /// Calls of the API, by operation and by the code of the error; "" = none.
    operations: BTreeMap<(String, &'static str), u64>,
    /// Executions that are under way, by their ARN.
    open: HashMap<Arc<str>, OpenExecution>,
}

#[derive(Default)]
struct OfMachine {
    started: u64,
    succeeded: u64,
    failed: u64,
    aborted: u64,
    timed_out: u64,
    redriven: u64,
    time: Durations,
}

#[derive(Default)]
struct OfResource {
    scheduled: u64,
    started: u64,
    succeeded: u64,
    failed: u64,
    timed_out: u64,
    heartbeat_timed_out: u64,
    schedule_time: Durations,
    run_time: Durations,
    time: Durations,
}

/// How often something took how long.
#[derive(Default, Clone)]
struct Durations {
    count: u64,
    sum_millis: u64,
    /// How many took at most as long as the limit of the same place.
    within: [u64; DURATION_LIMITS_MILLIS.len()],
}

/// Limits of the buckets that durations are counted in, in milliseconds. Ours.
const DURATION_LIMITS_MILLIS: [u64; 10] = [1, 5, 25, 100, 500, 1_000, 5_000, 30_000, 300_000, 3_600_000];

impl Durations {
    fn add(&mut self, from_millis: i64, to_millis: i64) {
        let millis = u64::try_from(to_millis.saturating_sub(from_millis)).unwrap_or_default();
        self.count += 1;
        self.sum_millis = self.sum_millis.saturating_add(millis);
        for (within, limit) in self.within.iter_mut().zip(DURATION_LIMITS_MILLIS) {
            *within += u64::from(millis <= limit);
        }
    }
}

/// What later records of an execution refer to.
struct OpenExecution {
    machine_arn: Arc<str>,
    calls: Calls,
    /// The state each frame is in.
    states: BTreeMap<FrameId, Arc<str>>,
}

impl Metrics {
    /// An operation of the API was answered. `error`: the code of a refusal.
    pub(crate) fn called(&self, operation: &str, error: Option<&'static str>) {
        let mut figures = self.figures();
        let error = error.unwrap_or_default();
        // Two look-ups are quicker than making a key each time.
        match figures.operations.iter_mut().find(|((name, code), _)| name == operation && *code == error) {
            Some((_, count)) => *count += 1,
            None => drop(figures.operations.insert((operation.to_owned(), error), 1)),
        }
    }

    /// The figures in Prometheus's text format.
    pub fn to_text(&self) -> String {
        exposition::write(&self.figures())
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Metrics {
    fn observe(&self, observed: &Observed<'_>) {
        let mut figures = self.figures();
        for record in observed.records {
            figures.take(observed, record);
        }
    }
}

impl Figures {
    fn take(&mut self, observed: &Observed<'_>, record: &Record) {
        let arn = observed.execution_arn;
        let open = self.open.entry(Arc::clone(arn)).or_insert_with(|| OpenExecution {
            machine_arn: machine_arn(arn),
            calls: Calls::default(),
            states: BTreeMap::new(),
        });
        match &record.fact {
            Fact::StateEntered { kind, name, .. } => {
                tracing::debug!(execution_arn = &**arn, state = &**name, "{}", kind.entered());
                open.states.insert(record.frame, Arc::clone(name));
            }
            Fact::StateExited { kind, name, next, .. } => {
                tracing::debug!(execution_arn = &**arn, state = &**name, "{}", kind.exited());
                if next.is_none() {
                    open.states.remove(&record.frame);
                }
            }
            fact if fact.is_terminal() => self.end(observed, record),
            Fact::ExecutionStarted { .. } => {
                tracing::debug!(execution_arn = &**arn, "ExecutionStarted");
                self.machines.entry(Arc::clone(&open.machine_arn)).or_default().started += 1;
            }
            Fact::ExecutionRedriven { redrive_count, .. } => {
                tracing::info!(execution_arn = &**arn, redrive_count, "ExecutionRedriven");
                self.machines.entry(Arc::clone(&open.machine_arn)).or_default().redriven += 1;
            }
            _ => {
                if let Some(change) = open.calls.take(record) {
                    if change.is_failure() {
                        let state = open.states.get(&record.frame).map(|name| &**name);
                        let resource = &*change.resource;
                        tracing::warn!(execution_arn = &**arn, state, resource, "a task failed");
                    }
                    let key = (change.kind, Arc::clone(&change.resource));
                    change.count(self.resources.entry(key).or_default());
                }
            }
        }
    }

    fn end(&mut self, observed: &Observed<'_>, record: &Record) {
        let arn: &str = observed.execution_arn;
        let Some(open) = self.open.remove(arn) else { return };
        let of = self.machines.entry(open.machine_arn).or_default();
        of.time.add(observed.start_millis, record.at_millis);
        let duration_millis = record.at_millis.saturating_sub(observed.start_millis);
        // Where it stood: of a success nothing is left.
        let state = open.states.values().next_back().map(|name| &**name);
        match &record.fact {
            Fact::ExecutionSucceeded { .. } => {
                of.succeeded += 1;
                tracing::info!(execution_arn = arn, duration_millis, "ExecutionSucceeded");
            }
            Fact::ExecutionFailed { .. } => {
                of.failed += 1;
                tracing::warn!(execution_arn = arn, state, duration_millis, "ExecutionFailed");
            }
            Fact::ExecutionAborted { .. } => {
                of.aborted += 1;
                tracing::warn!(execution_arn = arn, state, duration_millis, "ExecutionAborted");
            }
            _ => {
                of.timed_out += 1;
                tracing::warn!(execution_arn = arn, state, duration_millis, "ExecutionTimedOut");
            }
        }
    }
}

/// The state machine of an execution, Standard or Express; of a child that of its parent.
fn machine_arn(execution_arn: &str) -> Arc<str> {
    let parts: Vec<&str> = execution_arn.split(':').collect();
    let [arn, partition, service, region, account, _, machine, ..] = parts.as_slice() else {
        return execution_arn.into();
    };
    let machine = machine.split('/').next().unwrap_or_default();
    format!("{arn}:{partition}:{service}:{region}:{account}:stateMachine:{machine}").into()
}
