//! What an execution's records say, by branch: for each branch its events in
//! order, and the branches of every Parallel and Map in it.

use std::collections::BTreeMap;

use engine::machine::{Fact, FrameId, Record, StateType, Status};

use super::script;

/// One branch.
#[derive(Debug, Default)]
pub(super) struct SeenLine {
    pub(super) key: u64,
    /// Its events, private ones included, in order.
    pub(super) events: Vec<Record>,
    /// The children of each Parallel or Map it went into, as lines.
    pub(super) opens: Vec<BTreeMap<u32, usize>>,
    /// Of each opening: the child that failed first.
    pub(super) failed: Vec<Option<u32>>,
    /// It was taken away, at this time.
    pub(super) aborted_millis: Option<i64>,
    /// What was written of the state it was in then.
    pub(super) aborted_in: Option<StateType>,
    /// Tasks scheduled so far.
    pub(super) schedules: u32,
}

/// All branches; 0 is the machine itself.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) lines: Vec<SeenLine>,
    frames: BTreeMap<FrameId, usize>,
    /// How it ended, and when.
    pub(super) end: Option<(i64, Record)>,
}

impl Seen {
    /// Sorts the records of an execution.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut seen = Self::default();
        for record in records {
            seen.take(record);
        }
        seen
    }

    /// The line of a frame.
    pub(super) fn line_of(&mut self, frame: FrameId) -> &mut SeenLine {
        let next = self.lines.len();
        let index = *self.frames.entry(frame).or_insert(next);
        if index == next {
            self.lines.push(SeenLine { key: script::ROOT, ..SeenLine::default() });
        }
        &mut self.lines[index]
    }

    pub(super) fn take(&mut self, record: &Record) {
        let frame = match &record.fact {
            Fact::MapIterationStarted { child, index, .. } | Fact::BranchStarted { child, index } => {
                self.open(record.frame, *child, *index);
                *child
            }
            Fact::MapIterationSucceeded { child, .. } | Fact::BranchSucceeded { child, .. } => *child,
            Fact::MapIterationFailed { child, index, .. } => {
                self.note_failure(record.frame, *index);
                *child
            }
            Fact::BranchFailed { child, .. } => {
                let index = self.index_of(record.frame, *child);
                self.note_failure(record.frame, index);
                *child
            }
            Fact::MapIterationAborted { child, .. } | Fact::BranchAborted { child } => {
                let line = self.line_of(*child);
                line.aborted_millis = Some(record.at_millis);
                if let Some(Fact::StateAborted { kind }) = line.events.last().map(|record| &record.fact) {
                    line.aborted_in = Some(*kind);
                    line.events.pop();
                }
                return;
            }
            Fact::MapStateStarted { .. } | Fact::ParallelStateStarted { .. } => {
                let line = self.line_of(record.frame);
                line.opens.push(BTreeMap::new());
                line.failed.push(None);
                record.frame
            }
            Fact::ExecutionStarted { .. } | Fact::TaskTokenIssued { .. } => {
                self.line_of(record.frame);
                return;
            }
            Fact::ExecutionRedriven { .. } => {
                self.end = None;
                for line in &mut self.lines {
                    (line.aborted_millis, line.aborted_in) = (None, None);
                    line.failed.fill(None);
                }
                return;
            }
            fact if fact.is_terminal() => {
                self.end = Some((record.at_millis, record.clone()));
                return;
            }
            _ => record.frame,
        };
        let line = self.line_of(frame);
        if matches!(record.fact, Fact::TaskScheduled { .. }) {
            line.schedules += 1;
        }
        line.events.push(record.clone());
    }

    fn open(&mut self, parent: FrameId, child: FrameId, index: u32) {
        let (key, opening) = {
            let line = self.line_of(parent);
            (line.key, line.opens.len().saturating_sub(1))
        };
        let number = self.lines.len();
        self.frames.insert(child, number);
        self.lines.push(SeenLine { key: script::branch(key, opening, index), ..SeenLine::default() });
        if let Some(children) = self.line_of(parent).opens.last_mut() {
            children.insert(index, number);
        }
    }

    fn index_of(&mut self, parent: FrameId, child: FrameId) -> u32 {
        let number = self.frames.get(&child).copied();
        let children = self.line_of(parent).opens.last();
        let found = children.and_then(|children| children.iter().find(|(_, line)| Some(**line) == number));
        found.map_or(u32::MAX, |(index, _)| *index)
    }

    fn note_failure(&mut self, parent: FrameId, index: u32) {
        if let Some(failed) = self.line_of(parent).failed.last_mut() {
            failed.get_or_insert(index);
        }
    }

    /// How the execution stands.
    pub(super) fn status(&self) -> Status {
        match self.end.as_ref().map(|(_, record)| &record.fact) {
            Some(Fact::ExecutionSucceeded { .. }) => Status::Succeeded,
            Some(Fact::ExecutionFailed { .. }) => Status::Failed,
            Some(Fact::ExecutionAborted { .. }) => Status::Aborted,
            Some(Fact::ExecutionTimedOut { .. }) => Status::TimedOut,
            _ => Status::Running,
        }
    }
}
