//! The reference interpreter: reads a definition as JSON and does the obvious
//! thing, recursively, without a journal and without the machine's code.
//!
//! Branches do not see each other, so each is told to its end by itself, as a
//! [`Line`] of events with their times; where a branch fails, what its siblings
//! did later did not happen, which [`super::compare`] knows.
//!
//! What the definition and the script leave open is taken from what was seen:
//! which of the things of one millisecond a crash undid, which of two branches
//! that fail in one millisecond was first, and the length of a random delay.
//! Each is checked to be one of the possible ones.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

pub(super) use self::task::{Pattern, submission};
use super::script::{self, Script};
use super::seen::{Seen, SeenLine};

mod children;
mod expression;
mod state;
mod task;

/// A value that is shared.
pub(super) type Data = Rc<Value>;

/// A text that is not predicted, such as the engine's own words in a cause.
pub(super) const ANY: &str = "\u{1}";

/// A crash: what was done from this time on may be undone, and nothing was
/// done until the later one. In milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) lost_from: i64,
    pub(super) back: i64,
}

/// Where a failure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Raised,
    TimedOut,
    HeartbeatMissed,
    Evaluation,
    Runtime,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) nature: Nature,
}

impl Failure {
    fn new(nature: Nature, error: &str, cause: &str) -> Self {
        Self { error: Some(error.to_owned()), cause: Some(cause.to_owned()), nature }
    }

    fn runtime() -> Self {
        Self::new(Nature::Runtime, "States.Runtime", ANY)
    }

    /// Whether a list of `ErrorEquals` is for it.
    fn matches(&self, names: &Value) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        let is_for = |name: &str| match name {
            _ if self.nature == Nature::Runtime => false,
            "States.ALL" => true,
            "States.TaskFailed" => error != "States.Timeout",
            "States.HeartbeatTimeout" => self.nature == Nature::HeartbeatMissed,
            name => name == error,
        };
        names.as_array().is_some_and(|names| names.iter().filter_map(Value::as_str).any(is_for))
    }
}

/// Something that happens in a branch.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    ChildStarted(Option<Data>),
    ChildSucceeded,
    ChildFailed(Failure),
    Entered { kind: String, name: String, input: Data },
    Exited { kind: String, name: String, output: Data, assigned: Vec<(String, Value)>, next: Option<String> },
    TaskAborted,
    EvaluationFailed { state: String, location: String },
    Scheduled { resource: String, arguments: Data, timeout: Option<u64>, heartbeat: Option<u64> },
    Started,
    Submitted,
    Taken,
    Succeeded(Data),
    TaskFailed(Failure),
    SubmitFailed(Failure),
    ScheduleFailed(Failure),
    TimedOut,
    Beat { due: i64 },
    WaitArmed { due: i64 },
    RetryArmed { retrier: usize, due: i64 },
    RetryStarted,
    MapStarted { length: u64, limit: u64 },
    ParallelStarted(Data),
    MapSucceeded,
    ParallelSucceeded,
    MapFailed,
    ParallelFailed,
    ChildrenDropped,
}

/// How a branch ends, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    Succeeded(i64, Data),
    Failed(i64, Failure),
    /// It waits for something that never comes.
    Never,
}

/// Everything that happens in a branch.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) events: Vec<(i64, What)>,
    pub(super) opens: Vec<Open>,
    pub(super) end: End,
    begin: Begin,
}

/// What a branch begins with.
#[derive(Debug, Clone)]
struct Begin {
    key: u64,
    input: Data,
    variables: BTreeMap<String, Value>,
    /// `Map.Item` of the context object.
    item: Option<Data>,
    /// Of a branch of a Parallel `false`, of an iteration `true`.
    is_iteration: Option<bool>,
}

/// One time a Parallel or Map runs its branches or iterations.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) children: Vec<Line>,
    /// When those that still ran were taken away, in milliseconds since the epoch.
    pub(super) cut: Option<i64>,
    /// It is from before a redrive, and nobody went on with it.
    pub(super) is_past: bool,
}

impl Line {
    /// Keeps what was seen to happen, before a redrive goes on from there.
    pub(super) fn keep(&mut self, seen: &SeenLine, all: &Seen) {
        if self.events.len() > seen.events.len() {
            self.events.truncate(seen.events.len());
            self.end = End::Never;
        }
        self.opens.truncate(seen.opens.len());
        for (open, lines) in self.opens.iter_mut().zip(&seen.opens) {
            open.is_past = true;
            open.children.truncate(lines.len());
            for (child, line) in open.children.iter_mut().zip(lines.values()) {
                child.keep(&all.lines[*line], all);
            }
        }
    }
}

/// What the whole interpretation knows.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) definition: &'a Value,
    pub(super) script: &'a Script,
    pub(super) outages: &'a [Outage],
    pub(super) seen: &'a Seen,
    pub(super) redrives: u32,
}

/// Interprets a machine from its start, in milliseconds since the epoch.
pub(super) fn interpret(setting: Setting<'_>, input: &Value, start_millis: i64) -> Line {
    let input = Rc::new(input.clone());
    let begin =
        Begin { key: script::ROOT, input, variables: BTreeMap::new(), item: None, is_iteration: None };
    Walk::new(setting, setting.seen.lines.first(), begin, start_millis).run(setting.definition)
}

/// Goes on with an execution that ended without success, at a time in milliseconds since the epoch.
pub(super) fn redrive(setting: Setting<'_>, line: Line, at_millis: i64) -> Line {
    Walk::resumed(setting, setting.seen.lines.first(), line, at_millis).run(setting.definition)
}

/// A branch on its way.
struct Walk<'a> {
    setting: Setting<'a>,
    seen: Option<&'a SeenLine>,
    begin: Begin,
    now: i64,
    events: Vec<(i64, What)>,
    opens: Vec<Open>,
    schedules: u32,
    variables: BTreeMap<String, Value>,
}

/// Where a branch stands.
enum Stand {
    /// A state is to be entered.
    At(String, Data),
    /// A state was entered and not left.
    In(String, Data),
    Done(Data),
}

/// Why a state is not left.
enum Out {
    Never,
    Failed(Failure),
}

impl<'a> Walk<'a> {
    fn new(setting: Setting<'a>, seen: Option<&'a SeenLine>, begin: Begin, now: i64) -> Self {
        let variables = begin.variables.clone();
        Self { setting, seen, begin, now, events: Vec::new(), opens: Vec::new(), schedules: 0, variables }
    }

    /// A branch that goes on after what happened in it before.
    fn resumed(setting: Setting<'a>, seen: Option<&'a SeenLine>, line: Line, now: i64) -> Self {
        let mut walk = Self::new(setting, seen, line.begin, now);
        (walk.events, walk.opens) = (line.events, line.opens);
        for (_, what) in &walk.events {
            match what {
                What::Exited { assigned, .. } => walk.variables.extend(assigned.iter().cloned()),
                What::Scheduled { .. } => walk.schedules += 1,
                _ => {}
            }
        }
        walk
    }

    /// Where the branch stands after what happened in it.
    fn stand(&self, region: &Value) -> Stand {
        for (_, what) in self.events.iter().rev() {
            match what {
                What::Entered { name, input, .. } => return Stand::In(name.clone(), Rc::clone(input)),
                What::Exited { next: Some(next), output, .. } => {
                    return Stand::At(next.clone(), Rc::clone(output));
                }
                What::Exited { output, .. } => return Stand::Done(Rc::clone(output)),
                _ => {}
            }
        }
        let start_at = region["StartAt"].as_str().unwrap_or_default();
        Stand::At(start_at.to_owned(), Rc::clone(&self.begin.input))
    }

    /// Runs the states of a region to their end.
    fn run(mut self, region: &Value) -> Line {
        let mut stand = self.stand(region);
        let is_child = self.begin.is_iteration.is_some();
        let end = loop {
            let (name, input, entered) = match stand {
                Stand::At(name, input) => (name, input, false),
                Stand::In(name, input) => (name, input, true),
                Stand::Done(output) => {
                    if is_child {
                        self.emit(What::ChildSucceeded);
                    } else {
                        self.settle();
                    }
                    break End::Succeeded(self.now, output);
                }
            };
            let state = &region["States"][&name];
            stand = match self.visit(&name, state, &input, entered) {
                Ok((Some(next), output)) => Stand::At(next, output),
                Ok((None, output)) => Stand::Done(output),
                Err(Out::Never) => break End::Never,
                Err(Out::Failed(failure)) => {
                    if self.begin.is_iteration == Some(false) && state["Type"] == "Task" {
                        self.emit(What::TaskAborted);
                    }
                    if is_child {
                        self.emit(What::ChildFailed(failure.clone()));
                    } else {
                        self.settle();
                    }
                    break End::Failed(self.now, failure);
                }
            };
        };
        Line { events: self.events, opens: self.opens, end, begin: self.begin }
    }

    /// The event that was seen where the next one is written.
    fn next_seen(&self) -> Option<&'a engine::machine::Record> {
        self.seen.and_then(|line| line.events.get(self.events.len()))
    }

    /// What was done at the moment of a crash was done again after it, unless
    /// it was seen to have survived.
    fn settle(&mut self) {
        self.now = self.settled(self.now);
    }

    fn settled(&self, mut at: i64) -> i64 {
        let seen = self.seen_next_at();
        for outage in self.setting.outages {
            if at == outage.lost_from && seen != Some(at) {
                at = outage.back;
            }
        }
        at
    }

    /// When the next thing was seen: of a branch that does nothing any more, the end.
    fn seen_next_at(&self) -> Option<i64> {
        let end = || self.setting.seen.end.as_ref().map(|(at, _)| *at);
        self.next_seen().map(|record| record.at_millis).or_else(end)
    }

    /// Time goes on to when something was to happen. What was to happen during
    /// an outage happens right after it.
    fn reach(&mut self, nominal: i64) {
        self.now = self.now.max(nominal);
        let seen = self.seen_next_at();
        for outage in self.setting.outages {
            let undone = self.now == outage.lost_from && seen != Some(self.now);
            if undone || (outage.lost_from < self.now && self.now < outage.back) {
                self.now = outage.back;
            }
        }
    }

    fn emit(&mut self, what: What) {
        self.settle();
        self.events.push((self.now, what));
    }
}
