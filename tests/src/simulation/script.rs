//! What the world does to an execution: how tasks behave, when the process
//! crashes, when somebody stops the execution.
//!
//! The behaviour of an attempt follows from where it happens (its branch, and
//! its number in it) and not from the order of calls, so that the machine and
//! the reference interpreter meet the same world in whatever order they go.

use serde_json::{Value, json};

use super::Choices;
use super::choices::mix;

/// When a scenario starts: 2026-01-01T00:00:00Z, in milliseconds since the epoch.
pub(super) const START_MILLIS: i64 = 1_767_225_600_000;

/// How a task ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    Answer(Value),
    Error(&'static str, &'static str),
    /// It answers something that is not JSON.
    Noise,
}

impl Ending {
    /// The text of an answer.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Answer(value) => value.to_string(),
            Self::Noise | Self::Error(..) => "no JSON".to_owned(),
        }
    }
}

/// One attempt of a task. Times are in milliseconds after the call; of
/// activities all but the first after a worker has taken the task. No two of
/// one attempt are apart a whole number of seconds, so that none of them meets
/// a timeout.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The call of a job or a callback is answered, or a worker takes the task.
    pub(super) accepted_after: i64,
    /// The call is refused; an activity does not exist.
    pub(super) refused: bool,
    /// It says that it lives.
    pub(super) beats: Vec<i64>,
    /// How it ends; `None` = never.
    pub(super) ending: Option<(i64, Ending)>,
    /// It ends a second time.
    pub(super) again: Option<(i64, Ending)>,
}

/// How tasks behave that belong to no plan: at once and well.
const CALM: i64 = 1;

/// Everything about a scenario but its definition and input.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Which plan an attempt follows is drawn from these.
    plans: Vec<Plan>,
    salt: u64,
    /// When somebody stops the execution, in milliseconds after its start.
    pub(super) stop_after: Option<i64>,
    pub(super) crashes: Vec<CrashPlan>,
    /// When it is redriven, in milliseconds after each end without success.
    pub(super) redrives: Vec<i64>,
    /// The seed of the execution.
    pub(super) seed: u64,
    /// Whether what was cancelled happens nevertheless.
    pub(super) is_late: bool,
    /// One of so many commits holds more than one transition; 0 = none.
    pub(super) commits: u32,
}

/// When the process crashes, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct CrashPlan {
    /// How many points it passes before, since the last crash.
    pub(super) points: u32,
    /// How many of the transitions that are written and not synced survive, in parts of 4.
    pub(super) surviving: u32,
    /// How long it is down, in milliseconds.
    pub(super) down: i64,
}

impl Script {
    /// Draws a script.
    pub(super) fn of(choices: &mut Choices) -> Self {
        let plans = (0..choices.below(9)).map(|_| plan(choices)).collect();
        let salt = choices.below(1000).into();
        let seed = choices.below(1000).into();
        let stop_after = choices.once_in(10).then(|| i64::from(choices.below(40_000)));
        let crashes = match choices.below(4) {
            0 | 1 => 0,
            2 => 1 + choices.below(2),
            _ => 1 + choices.below(8),
        };
        let crashes = (0..crashes)
            .map(|_| CrashPlan {
                points: choices.below(40),
                surviving: choices.below(5),
                down: if choices.once_in(2) { i64::from(choices.below(12_000)) } else { 0 },
            })
            .collect();
        let redrives = choices.below(8).saturating_sub(4);
        let redrives = (0..redrives).map(|_| 1 + i64::from(choices.below(9_000))).collect();
        let (is_late, commits) = (choices.once_in(3), choices.below(4));
        Self { plans, salt, stop_after, crashes, redrives, seed, is_late, commits }
    }

    /// How the attempt with this number behaves in this branch.
    pub(super) fn plan(&self, branch: u64, number: u32) -> Plan {
        let length = self.plans.len() as u64;
        let drawn = mix(mix(self.salt, branch), number.into());
        match usize::try_from(drawn % (length + 1)).ok().and_then(|which| self.plans.get(which)) {
            Some(plan) => plan.clone(),
            None => Plan {
                accepted_after: CALM,
                refused: false,
                beats: Vec::new(),
                ending: Some((CALM + 1, Ending::Answer(json!({"n": 1, "s": "a", "o": {"n": 2, "s": "b"}})))),
                again: None,
            },
        }
    }
}

fn plan(choices: &mut Choices) -> Plan {
    let accepted_after = i64::from(choices.below(3)) * 1000 + 100 + i64::from(choices.below(50));
    let refused = choices.once_in(12);
    let mut at = 0;
    let beats = (0..choices.below(5))
        .map(|number| {
            at += 1000 * i64::from(choices.below(3));
            at + 200 + i64::from(number) * 10
        })
        .collect();
    let length = i64::from(choices.below(8)) * 1000;
    let ending =
        (!choices.once_in(10)).then(|| (length + 300 + i64::from(choices.below(100)), ending(choices)));
    let again = choices.once_in(3).then(|| {
        (
            length + i64::from(choices.below(4)) * 1000 + 500 + i64::from(choices.below(100)),
            ending_of(choices, 2),
        )
    });
    // A second answer is the later one.
    let again = again.filter(|(late, _)| ending.as_ref().is_some_and(|(first, _)| late > first));
    Plan { accepted_after, refused, beats, ending, again }
}

fn ending(choices: &mut Choices) -> Ending {
    let kind = choices.below(12);
    ending_of(choices, kind)
}

fn ending_of(choices: &mut Choices, kind: u32) -> Ending {
    match kind {
        6 | 7 => Ending::Error("E.A", "it went wrong"),
        8 => Ending::Error("E.B", "it went wrong"),
        9 => Ending::Error("E.C", "it went wrong"),
        10 => Ending::Noise,
        11 => Ending::Error("States.Runtime", "nothing catches this"),
        _ => {
            let mut answer = json!({"n": choices.below(6), "s": choices.pick(&["a", "b", "c"])});
            if !choices.once_in(30) {
                answer["o"] = json!({"n": choices.below(6), "s": "in"});
            }
            Ending::Answer(answer)
        }
    }
}

/// The branch a child runs in: which opening of its parent's branch, and which of its children.
pub(super) fn branch(parent: u64, opening: usize, index: u32) -> u64 {
    mix(mix(parent, opening as u64 + 1), u64::from(index) + 1)
}

/// The branch of the machine itself.
pub(super) const ROOT: u64 = 0;
