//! What holds after every step, whatever the definition says.

use std::collections::BTreeMap;

use engine::machine::{Execution, Fact, FrameId, Record};
use serde_json::Value;

/// What is known of an execution from its records alone.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last_id: u64,
    last_millis: i64,
    is_over: bool,
    frames: BTreeMap<FrameId, Frame>,
}

#[derive(Debug, Default)]
struct Frame {
    state: Option<String>,
    /// Retries of this stay, by retrier.
    retries: BTreeMap<u32, u64>,
    /// A task runs.
    runs_task: bool,
    /// When what the frame waits for is due.
    due: Vec<i64>,
    running: u32,
    started: u32,
    length: u32,
    limit: u32,
    /// Children that failed or were taken away, with which a redrive goes on.
    fallen: Vec<(FrameId, Frame)>,
}

/// The states of a definition by name.
pub(super) fn states_of(region: &Value) -> BTreeMap<String, Value> {
    let mut states = BTreeMap::new();
    collect(region, &mut states);
    states
}

fn collect(region: &Value, states: &mut BTreeMap<String, Value>) {
    for (name, state) in region["States"].as_object().into_iter().flatten() {
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, states);
        }
        collect(&state["ItemProcessor"], states);
        states.insert(name.clone(), state.clone());
    }
}

impl Ledger {
    /// Takes the next record, if it may be the next one.
    pub(super) fn take(&mut self, record: &Record, states: &BTreeMap<String, Value>) -> Result<(), String> {
        if self.is_over && !matches!(record.fact, Fact::ExecutionRedriven { .. }) {
            return Err(format!("a record after the end: {record:?}"));
        }
        if record.at_millis < self.last_millis {
            return Err(format!("time runs backwards: {record:?}"));
        }
        self.last_millis = record.at_millis;
        if record.fact.is_public() {
            if record.id != self.last_id + 1 {
                return Err(format!("the event after {} is {record:?}", self.last_id));
            }
            if record.previous >= record.id {
                return Err(format!("an event that follows a later one: {record:?}"));
            }
            self.last_id = record.id;
        } else if record.id != 0 {
            return Err(format!("a private record with an id: {record:?}"));
        }
        self.is_over = record.fact.is_terminal();
        self.count(record, states).map_err(|law| format!("{law}: {record:?}"))
    }

    fn count(&mut self, record: &Record, states: &BTreeMap<String, Value>) -> Result<(), &'static str> {
        match &record.fact {
            Fact::ExecutionStarted { .. } => {
                self.frames.insert(record.frame, Frame::default());
            }
            Fact::ExecutionSucceeded { .. } => {
                let is_inside = self.frames.values().any(|frame| frame.state.is_some());
                if is_inside || self.frames.len() != 1 {
                    return Err("a success with a state that was not left");
                }
            }
            Fact::MapIterationStarted { child, .. } | Fact::BranchStarted { child, .. } => {
                let parent = self.frame(record.frame)?;
                parent.running += 1;
                parent.started += 1;
                if parent.running > parent.limit || parent.started > parent.length {
                    return Err("too many children");
                }
                if self.frames.insert(*child, Frame::default()).is_some() {
                    return Err("a child that is there already");
                }
            }
            Fact::MapIterationSucceeded { child, .. } | Fact::BranchSucceeded { child, .. } => {
                if self.end_child(record.frame, *child)?.state.is_some() {
                    return Err("a child that ended well in a state it did not leave");
                }
            }
            Fact::MapIterationFailed { child, .. }
            | Fact::BranchFailed { child, .. }
            | Fact::MapIterationAborted { child, .. }
            | Fact::BranchAborted { child } => {
                let ended = self.end_child(record.frame, *child)?;
                self.frame(record.frame)?.fallen.push((*child, ended));
            }
            Fact::ExecutionRedriven { .. } => self.revive(),
            _ => return self.count_in_frame(record, states),
        }
        Ok(())
    }

    fn end_child(&mut self, parent: FrameId, child: FrameId) -> Result<Frame, &'static str> {
        let ended = self.frames.remove(&child).ok_or("the end of a child that is not there")?;
        let parent = self.frame(parent)?;
        parent.running = parent.running.checked_sub(1).ok_or("more children ended than started")?;
        Ok(ended)
    }

    /// A redrive: what fell goes on, and all counts begin anew.
    fn revive(&mut self) {
        let mut todo: Vec<(FrameId, Frame)> = std::mem::take(&mut self.frames).into_iter().collect();
        while let Some((id, mut frame)) = todo.pop() {
            frame.running += u32::try_from(frame.fallen.len()).unwrap_or(0);
            todo.append(&mut frame.fallen);
            frame.retries.clear();
            frame.due.clear();
            frame.runs_task = false;
            if frame.state.as_ref().is_some_and(|state| state.starts_with("Fail")) {
                frame.state = None;
            }
            self.frames.insert(id, frame);
        }
    }

    fn count_in_frame(
        &mut self,
        record: &Record,
        states: &BTreeMap<String, Value>,
    ) -> Result<(), &'static str> {
        if record.fact.is_terminal() {
            return Ok(());
        }
        let at = record.at_millis;
        let frame = self.frame(record.frame)?;
        match &record.fact {
            Fact::StateEntered { name, .. } => {
                if frame.state.replace(name.to_string()).is_some() {
                    return Err("a state entered from within another");
                }
                frame.retries.clear();
            }
            Fact::StateExited { name, .. } => {
                if frame.state.take().as_deref() != Some(&**name) {
                    return Err("a state left that was not entered");
                }
                if frame.is_early(at) {
                    return Err("a timer that fires early");
                }
                frame.due.clear();
                frame.fallen.clear();
            }
            Fact::TaskScheduled { timeout, heartbeat, .. } => {
                if std::mem::replace(&mut frame.runs_task, true) {
                    return Err("two attempts at a time");
                }
                frame.due = timeout.iter().chain(heartbeat).map(|timer| timer.due_millis).collect();
            }
            Fact::ActivityStarted { timeout, heartbeat, .. } => {
                frame.due = timeout.iter().chain(heartbeat).map(|timer| timer.due_millis).collect();
            }
            Fact::HeartbeatReceived { heartbeat } => frame.due.push(heartbeat.due_millis),
            Fact::TaskTimedOut { .. } => {
                if !frame.due.iter().any(|due| at >= *due) {
                    return Err("a timer that fires early");
                }
                frame.end_task()?;
            }
            Fact::TaskSucceeded { .. }
            | Fact::TaskFailed { .. }
            | Fact::TaskSubmitFailed { .. }
            | Fact::TaskScheduleFailed { .. } => frame.end_task()?,
            _ => return frame.wait_or_open(record, states),
        }
        Ok(())
    }

    fn frame(&mut self, frame: FrameId) -> Result<&mut Frame, &'static str> {
        self.frames.get_mut(&frame).ok_or("a record of a branch that is not there")
    }

    /// Whether the state of the machine is what its records say.
    pub(super) fn agrees(&self, execution: &Execution) -> Result<(), String> {
        if self.is_over {
            return Ok(());
        }
        let states: Vec<&String> = self.frames.values().filter_map(|frame| frame.state.as_ref()).collect();
        let current = execution.current_states();
        if states != current.iter().collect::<Vec<_>>() {
            return Err(format!("the machine is in {current:?}, its records say {states:?}"));
        }
        if execution.event_count() != self.last_id {
            return Err(format!("the machine counts {} events of {}", execution.event_count(), self.last_id));
        }
        Ok(())
    }
}

impl Frame {
    /// Waits, retries, and the branches or iterations of a state.
    fn wait_or_open(
        &mut self,
        record: &Record,
        states: &BTreeMap<String, Value>,
    ) -> Result<(), &'static str> {
        let at = record.at_millis;
        match &record.fact {
            Fact::WaitArmed { timer } => self.due = vec![timer.due_millis],
            Fact::RetryArmed { retrier, timer } => {
                self.due = vec![timer.due_millis];
                let count = self.retries.entry(*retrier).or_default();
                *count += 1;
                let state = self.state.as_ref().and_then(|name| states.get(name));
                let retrier = state.map(|state| &state["Retry"][*retrier as usize]);
                let most = retrier.and_then(|retrier| retrier["MaxAttempts"].as_u64()).unwrap_or(3);
                if *count > most {
                    return Err("an attempt beyond MaxAttempts");
                }
            }
            Fact::RetryStarted => {
                if self.is_early(at) {
                    return Err("a timer that fires early");
                }
                self.due.clear();
            }
            Fact::MapStateStarted { length, limit, .. } => {
                let state = self.state.as_ref().and_then(|name| states.get(name));
                let written = state.and_then(|state| state["MaxConcurrency"].as_u64());
                let written = written.filter(|limit| *limit > 0).and_then(|limit| u32::try_from(limit).ok());
                (self.length, self.limit) = (*length, written.unwrap_or(*limit).min(40));
                (self.running, self.started) = (0, 0);
                self.fallen.clear();
            }
            Fact::ParallelStateStarted { .. } => {
                (self.length, self.limit, self.running, self.started) = (u32::MAX, u32::MAX, 0, 0);
                self.fallen.clear();
            }
            Fact::MapStateSucceeded if self.started != self.length => {
                return Err("a Map that ends before all iterations ran");
            }
            Fact::MapStateSucceeded | Fact::ParallelStateSucceeded | Fact::ChildrenDropped { .. }
                if self.running > 0 =>
            {
                return Err("children that still run");
            }
            _ => {}
        }
        Ok(())
    }

    fn is_early(&self, at_millis: i64) -> bool {
        self.due.iter().any(|due| at_millis < *due)
    }

    fn end_task(&mut self) -> Result<(), &'static str> {
        self.due.clear();
        if std::mem::replace(&mut self.runs_task, false) { Ok(()) } else { Err("an attempt that ends twice") }
    }
}
