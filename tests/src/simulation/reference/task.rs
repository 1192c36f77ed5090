//! Tasks: the script's plan of an attempt, its timers, and crashes meanwhile.

use std::rc::Rc;

use engine::machine::Fact;
use serde_json::Value;

use super::state::{Trouble, Visit, millis};
use super::{ANY, Data, Failure, Nature, Outage, Walk, What};
use crate::simulation::script::{Ending, Plan};

/// How a resource is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulation) enum Pattern {
    Call,
    Job,
    Callback,
    Activity,
}

impl Pattern {
    pub(in crate::simulation) fn of(resource: &str) -> Self {
        match resource {
            _ if resource.ends_with(".sync:2") => Self::Job,
            _ if resource.ends_with(".waitForTaskToken") => Self::Callback,
            _ if resource.contains(":activity:") => Self::Activity,
            _ => Self::Call,
        }
    }
}

/// An attempt on its way.
struct Attempt {
    pattern: Pattern,
    plan: Plan,
    scheduled: i64,
    /// What times of the plan count from.
    from: i64,
    timeout: Option<u64>,
    heartbeat: Option<u64>,
    /// When the timers are due.
    timeout_due: Option<i64>,
    heartbeat_due: Option<i64>,
    accepted: bool,
    beats: usize,
}

/// What comes next in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Accepted,
    Beat,
    Ended,
    TimedOut,
    HeartbeatMissed,
}

impl Walk<'_> {
    /// Runs one attempt of a task and answers its result.
    pub(super) fn task(&mut self, visit: &Visit<'_>) -> Result<Data, Trouble> {
        let effective = self.effective(visit)?;
        let arguments = self.arguments(visit, &effective)?;
        let timeout = self.number(visit, "TimeoutSeconds", &effective)?;
        let heartbeat = self.number(visit, "HeartbeatSeconds", &effective)?;
        let resource = visit.state["Resource"].as_str().unwrap_or_default().to_owned();
        let pattern = Pattern::of(&resource);
        self.emit(What::Scheduled { resource, arguments, timeout, heartbeat });
        let plan = self.setting.script.plan(self.begin.key, self.schedules);
        self.schedules += 1;
        let mut attempt = Attempt {
            pattern,
            plan,
            scheduled: self.now,
            from: self.now,
            timeout,
            heartbeat,
            timeout_due: None,
            heartbeat_due: None,
            accepted: false,
            beats: 0,
        };
        if pattern != Pattern::Activity {
            self.emit(What::Started);
            attempt.arm(self.now);
        }
        self.follow(&mut attempt)
    }

    fn follow(&mut self, attempt: &mut Attempt) -> Result<Data, Trouble> {
        loop {
            let next = attempt.next();
            if let Some(outage) = self.lost_in(attempt, next.map(|(at, _)| at)) {
                if attempt.pattern == Pattern::Activity {
                    // It is offered again.
                    attempt.scheduled = outage.back;
                    attempt.from = outage.back;
                    continue;
                }
                self.now = outage.back;
                let failure = Failure::new(Nature::Raised, "Lambda.ServiceException", ANY);
                self.emit(What::TaskFailed(failure.clone()));
                return Err(failure.into());
            }
            let Some((at, next)) = next else { return Err(Trouble::Never) };
            match next {
                Next::Beat => self.beat(attempt, at),
                Next::Accepted => {
                    self.reach(at);
                    self.accept(attempt)?;
                }
                Next::Ended => {
                    self.reach(at);
                    return self.end(attempt);
                }
                Next::TimedOut | Next::HeartbeatMissed => {
                    self.reach(at);
                    self.emit(What::TimedOut);
                    let nature =
                        if next == Next::TimedOut { Nature::TimedOut } else { Nature::HeartbeatMissed };
                    let error = Some("States.Timeout".to_owned());
                    return Err(Failure { error, cause: None, nature }.into());
                }
            }
        }
    }

    /// The crash that the attempt does not survive, or, of an activity, after
    /// which it is offered again: one before the next thing that happens.
    /// Nothing is lost of what goes on elsewhere.
    fn lost_in(&self, attempt: &Attempt, next: Option<i64>) -> Option<Outage> {
        if attempt.accepted {
            return None;
        }
        let survived = |outage: &Outage| match (self.next_seen(), attempt.pattern) {
            (Some(record), Pattern::Activity) => record.at_millis == outage.lost_from,
            (None, Pattern::Activity) => false,
            (Some(record), _) => !(is_lost(&record.fact) && record.at_millis == self.settled(outage.back)),
            (None, _) => true,
        };
        let is_lost_in = |outage: &Outage| {
            let at = outage.lost_from;
            // What happened in the same millisecond as the crash survived it, or not.
            let on_the_edge = at == attempt.scheduled || at == self.now || Some(at) == next;
            let again = attempt.pattern == Pattern::Activity && outage.back <= attempt.from;
            at >= attempt.scheduled
                && next.is_none_or(|next| at <= next)
                && !again
                && !(on_the_edge && survived(outage))
        };
        self.setting.outages.iter().copied().find(is_lost_in)
    }

    fn beat(&mut self, attempt: &mut Attempt, at: i64) {
        attempt.beats += 1;
        // What nobody answers is not said again.
        let seen = self.next_seen().filter(|record| matches!(record.fact, Fact::HeartbeatReceived { .. }));
        let seen = seen.map(|record| record.at_millis);
        let refused = self.setting.outages.iter().any(|outage| {
            (outage.lost_from < at && at < outage.back) || (outage.lost_from == at && seen != Some(at))
        });
        let Some(heartbeat) = attempt.heartbeat else { return };
        if refused {
            return;
        }
        self.reach(at);
        let due = self.now + millis(heartbeat);
        attempt.heartbeat_due = Some(due);
        self.emit(What::Beat { due });
    }

    /// The call is answered, or a worker takes the task.
    fn accept(&mut self, attempt: &mut Attempt) -> Result<(), Trouble> {
        attempt.accepted = true;
        let failure = Failure::new(Nature::Raised, "E.Refused", "not now");
        match attempt.pattern {
            Pattern::Call => {}
            Pattern::Activity if attempt.plan.refused => {
                self.emit(What::ScheduleFailed(failure.clone()));
                return Err(failure.into());
            }
            Pattern::Activity => {
                self.emit(What::Taken);
                attempt.from = self.now;
                attempt.arm(self.now);
            }
            Pattern::Job | Pattern::Callback if attempt.plan.refused => {
                self.emit(What::SubmitFailed(failure.clone()));
                return Err(failure.into());
            }
            Pattern::Job | Pattern::Callback => self.emit(What::Submitted),
        }
        Ok(())
    }

    fn end(&mut self, attempt: &Attempt) -> Result<Data, Trouble> {
        let Some((_, ending)) = &attempt.plan.ending else { return Err(Trouble::Never) };
        let failure = match ending {
            Ending::Answer(value) => {
                let result = Rc::new(value.clone());
                self.emit(What::Succeeded(Rc::clone(&result)));
                return Ok(result);
            }
            Ending::Noise => Failure::new(Nature::Raised, "States.TaskFailed", ANY),
            Ending::Error("States.Runtime", cause) => Failure::new(Nature::Runtime, "States.Runtime", cause),
            Ending::Error(error, cause) => Failure::new(Nature::Raised, error, cause),
        };
        let refused = attempt.pattern == Pattern::Job && !attempt.accepted && *ending != Ending::Noise;
        self.emit(match refused {
            true => What::SubmitFailed(failure.clone()),
            false => What::TaskFailed(failure.clone()),
        });
        Err(failure.into())
    }
}

impl Attempt {
    /// The timers start.
    fn arm(&mut self, now: i64) {
        self.timeout_due = self.timeout.map(|seconds| now + millis(seconds));
        self.heartbeat_due = self.heartbeat.map(|seconds| now + millis(seconds));
    }

    /// What comes next, and when.
    fn next(&self) -> Option<(i64, Next)> {
        let is_call = self.pattern == Pattern::Call;
        let accepted =
            (!self.accepted && !is_call).then_some((self.from + self.plan.accepted_after, Next::Accepted));
        // A worker says nothing before it has the task.
        let speaks = self.pattern != Pattern::Activity || self.accepted;
        let ended = self.plan.ending.as_ref().filter(|_| speaks);
        // A job is asked whether it lives.
        let beats = speaks && self.pattern != Pattern::Job;
        let beat = self.plan.beats.get(self.beats).filter(|_| beats);
        let all = [
            accepted,
            ended.map(|(after, _)| (self.from + after, Next::Ended)),
            beat.map(|after| (self.from + after, Next::Beat)),
            self.timeout_due.map(|at| (at, Next::TimedOut)),
            self.heartbeat_due.map(|at| (at, Next::HeartbeatMissed)),
        ];
        all.into_iter().flatten().min()
    }
}

/// Whether a record says that nobody knows how an attempt ended.
fn is_lost(fact: &Fact) -> bool {
    matches!(fact, Fact::TaskFailed { failure, .. } if failure.error.as_deref() == Some("Lambda.ServiceException"))
}

/// The JSON a call is answered with that submits a task.
pub(in crate::simulation) fn submission() -> Value {
    serde_json::json!({"submitted": true})
}
