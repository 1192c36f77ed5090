//! Redrive: an execution that ended without success goes on where it stood.
//!
//! A state is unsuccessful when it was entered and not exited. It does its work
//! again without being entered again, its retriers count from 0, and its
//! timeouts begin anew. A Parallel or an inline Map goes on with the branches
//! and iterations that failed or were aborted, each where *it* stood; a
//! distributed Map redrives its Map Run. Developer guide, "Redriving
//! executions".
//!
//! No redrive is recorded on AWS. Ours, because nothing settles it: the events
//! of a state that works again follow the last event of that state, as those
//! of a retry do, so that a reader finds the branch they are of; iterations
//! that go on have no second `MapIterationStarted`; `ExecutionRedriven` follows
//! the event that ended the execution; a Wait of some seconds waits all of them
//! again.

use std::collections::BTreeMap;

use asl::StateKind;
use asl::limits::{MAP_RUN_REDRIVES_MAX, REDRIVE_HISTORY_EVENTS_MAX};

use super::execution::{Children, Execution, Frame, Phase, Visit};
use super::history::StateType;
use super::map_run::MapRunPhase;
use super::record::{Fact, FrameId, Text};
use super::retry::{Failure, Nature, errors};
use super::run::{Halt, Run, Step};

/// Who redrives an execution, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redrive {
    /// `clientToken`: the same one again within a time is the same request.
    pub client_token: Option<Text>,
    /// Why, in the words of whoever asked. Ours: AWS has no such field.
    pub reason: Option<Text>,
}

/// A redrive that took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenRedrive {
    /// When, in milliseconds since the epoch.
    pub at_millis: i64,
    /// Who and why.
    pub redrive: Redrive,
}

/// States by name, outer ones first, each with the number of the branch or
/// iteration of it that the next one is in.
pub type StatePath = Vec<(String, Option<u32>)>;

/// An unsuccessful state, and what a redrive does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerunState {
    /// The states it is in, and itself.
    pub path: StatePath,
    /// Its type.
    pub kind: StateType,
    /// What a redrive does with it.
    pub rerun: Rerun,
}

/// What a redrive does with an unsuccessful state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// It does its work again.
    Again,
    /// It starts all over: all branches, iterations or children.
    AllOver,
    /// It goes on with some branches or iterations and keeps the results of others.
    Partly {
        /// Those that succeeded and are kept.
        kept: u32,
        /// Those that go on.
        again: u32,
        /// Those that were never started.
        first_time: u32,
    },
    /// Its Map Run, of this ARN, is redriven.
    MapRun(Text),
}

impl Execution {
    /// The redrives so far, in their order.
    pub fn redrives(&self) -> &[TakenRedrive] {
        &self.redrives
    }

    /// How often it was redriven.
    pub fn redrive_count(&self) -> u32 {
        u32::try_from(self.redrives.len()).unwrap_or(u32::MAX)
    }

    /// Whether it ended without success, with room for more history. What else
    /// has to be, e.g. how long ago that was, is not the machine's business.
    pub fn can_be_redriven(&self) -> bool {
        self.status.is_unsuccessful() && self.last_event_id < REDRIVE_HISTORY_EVENTS_MAX as u64
    }

    /// The unsuccessful states of an execution that has ended, and what a
    /// redrive does with each; outer ones before inner ones.
    pub fn reruns(&self) -> Vec<RerunState> {
        let mut reruns = Vec::new();
        if !self.status.is_unsuccessful() {
            return reruns;
        }
        let below = |id: FrameId| self.frames.iter().filter(move |(_, frame)| frame.parent == Some(id));
        let mut todo: Vec<(FrameId, &Frame, StatePath)> =
            self.frames.get(&0).map(|root| (0, &**root, Vec::new())).into_iter().collect();
        while let Some((id, frame, mut path)) = todo.pop() {
            let Some(visit) = &frame.visit else { continue };
            path.push((visit.name.to_string(), None));
            let left = what_is_left(&frame.phase, visit);
            let rerun = left.map_or(Rerun::Again, |left| rerun(left, visit));
            if let (Rerun::Partly { .. }, Some(Phase::Children(children))) = (&rerun, left) {
                let fallen = children.fallen.iter().chain(below(id));
                let mut inner: Vec<_> = fallen.map(|(id, child)| (*id, &**child)).collect();
                inner.sort_by_key(|(_, child)| std::cmp::Reverse(child.index));
                todo.extend(inner.into_iter().map(|(id, child)| {
                    let mut path = path.clone();
                    if let Some((_, index)) = path.last_mut() {
                        *index = Some(child.index);
                    }
                    (id, child, path)
                }));
            }
            reruns.push(RerunState { path, kind: StateType::of(&visit.state.kind), rerun });
        }
        reruns
    }

    /// Takes the end back and puts every frame to where it goes on.
    pub(super) fn revive(&mut self, at_millis: i64, redrive: &Redrive) {
        self.reopen();
        self.redrives.push(TakenRedrive { at_millis, redrive: redrive.clone() });
        let mut todo: Vec<(FrameId, Box<Frame>)> = std::mem::take(&mut self.frames).into_iter().collect();
        while let Some((id, mut frame)) = todo.pop() {
            todo.extend(frame.revive());
            self.frames.insert(id, frame);
        }
    }
}

/// What a state's branches, iterations or Map Run came to.
fn what_is_left<'a>(phase: &'a Phase, visit: &'a Visit) -> Option<&'a Phase> {
    match phase {
        Phase::Children(_) | Phase::MapRun(_) => Some(phase),
        _ => visit.remains.as_deref(),
    }
}

fn rerun(left: &Phase, visit: &Visit) -> Rerun {
    match left {
        _ if starts_all_over(left, visit) => Rerun::AllOver,
        Phase::Children(children) => children.rerun(),
        Phase::MapRun(phase) => match &phase.run {
            Some(run) if phase.output.is_none() => Rerun::MapRun(run.arn.clone()),
            _ => Rerun::Again,
        },
        _ => Rerun::Again,
    }
}

/// Whether what is left is of no use. Developer guide: a state that failed
/// because data was too large runs all its branches, iterations or children
/// again; so does a distributed Map that failed with `States.Runtime`.
fn starts_all_over(left: &Phase, visit: &Visit) -> bool {
    let is_limit = |error: Option<&Text>| error.is_some_and(|error| &**error == errors::DATA_LIMIT_EXCEEDED);
    let of_map_run =
        |failure: &Failure| failure.nature == Nature::Runtime || is_limit(failure.error.as_ref());
    let is_lost = match left {
        Phase::MapRun(phase) => phase.failure.as_ref().is_some_and(of_map_run),
        _ => false,
    };
    is_lost || is_limit(visit.failed_with.as_ref())
}

impl Children {
    fn rerun(&self) -> Rerun {
        let kept = self.results.iter().flatten().count();
        let kept = u32::try_from(kept).unwrap_or(u32::MAX);
        let first_time = self.length.saturating_sub(self.next);
        let again = self.length.saturating_sub(kept).saturating_sub(first_time);
        Rerun::Partly { kept, again, first_time }
    }
}

impl Frame {
    /// Puts the frame to where it goes on; answers the frames below it that do so, too.
    fn revive(&mut self) -> BTreeMap<FrameId, Box<Frame>> {
        let Some(visit) = &mut self.visit else { return BTreeMap::new() };
        let left = match std::mem::replace(&mut self.phase, Phase::Entered) {
            left @ (Phase::Children(_) | Phase::MapRun(_)) => Some(left),
            _ => visit.remains.take().map(|left| *left),
        };
        let left = left.filter(|left| !starts_all_over(left, visit));
        visit.begin_anew();
        if matches!(visit.state.kind, StateKind::Fail(_)) {
            // Developer guide: a redrive enters a Fail state again, and it fails again.
            self.phase = Phase::Next { name: visit.name.clone(), input: visit.input.clone() };
            self.visit = None;
            return BTreeMap::new();
        }
        match left {
            Some(Phase::Children(mut children)) => {
                children.failing = None;
                let fallen = std::mem::take(&mut children.fallen);
                children.running += u32::try_from(fallen.len()).unwrap_or_default();
                self.phase = Phase::Children(children);
                fallen
            }
            Some(Phase::MapRun(mut phase)) => {
                phase.revive();
                self.phase = Phase::MapRun(phase);
                BTreeMap::new()
            }
            _ => BTreeMap::new(),
        }
    }
}

impl Visit {
    /// Forgets what the attempts came to. Developer guide: the retry counts of
    /// Task, Parallel and inline Map states are 0 again.
    fn begin_anew(&mut self) {
        self.retry_count = 0;
        self.attempts.fill(0);
        self.token = None;
        self.catcher_failed = false;
        self.failed_with = None;
        self.remains = None;
    }
}

impl MapRunPhase {
    /// A Map Run that started and did not succeed is redriven; one that never started starts.
    fn revive(&mut self) {
        self.failure = None;
        self.redrive_is_due = self.run.is_some() && self.output.is_none();
    }
}

impl Run<'_> {
    /// Goes on where the execution stood. Its `TimeoutSeconds` begin anew.
    pub(super) fn redrive(&mut self, redrive: Redrive) -> Step {
        let timeout = self.execution.definition.timeout_seconds.map(|seconds| self.timer_in(seconds));
        let redrive_count = self.execution.redrive_count().saturating_add(1);
        let end = self.execution.last_event_id;
        let fact = Fact::ExecutionRedriven { redrive_count, redrive: Box::new(redrive), timeout };
        self.push_after(0, end, fact)?;
        self.wake_all();
        Ok(())
    }

    /// Redrives a Map Run, unless that was done too often.
    pub(super) fn redrive_map_run(&mut self, id: FrameId) -> Step {
        let (frame, visit) = self.visit(id)?;
        let Phase::MapRun(phase) = &frame.phase else { return Err(Halt::misplaced(id)) };
        let Some(run) = &phase.run else { return Err(Halt::misplaced(id)) };
        if phase.redrives >= MAP_RUN_REDRIVES_MAX {
            // The error is AWS's ("Redriving Map Runs"), the words are ours.
            let cause = format!("The Map Run was redriven {MAP_RUN_REDRIVES_MAX} times, which is the limit.");
            let cause = super::run::in_state(visit, &cause);
            return self.fail(id, &Failure::runtime(cause));
        }
        let fact = Fact::MapRunRedriven { arn: run.arn.clone(), redrive_count: phase.redrives + 1 };
        self.push(id, fact)
    }
}
