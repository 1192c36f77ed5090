//! Entering, executing and leaving states; Pass, Choice, Wait, Succeed and
//! Fail completely, the others up to their own files.

use std::sync::Arc;

use asl::{Choice, Fail, QueryError, QueryLanguage, StateKind, Transition, Wait};

use super::context::Surroundings;
use super::execution::{Frame, Phase, Visit};
use super::flow::{Chosen, Flow, NumberField, Outcome, VARIABLES_TOO_LARGE};
use super::history::StateType;
use super::payload::Payload;
use super::record::{Fact, FrameId, Text};
use super::retry::{Failure, Nature, errors};
use super::run::{Halt, Run, Step, Trouble, bounded, check_size, in_state};

impl Run<'_> {
    /// Enters a state.
    pub(super) fn enter(&mut self, id: FrameId, name: Text, input: Payload) -> Step {
        let kind = self.execution.frames.get(&id).and_then(|frame| {
            let states = frame.region.states(&self.execution.definition);
            states.get(&*name).map(|state| StateType::of(&state.kind))
        });
        // A name that does not exist is found by `apply`, which says so.
        let kind = kind.unwrap_or(StateType::Pass);
        self.push(id, Fact::StateEntered { kind, name, input })?;
        self.wake(id);
        Ok(())
    }

    /// Does what the state a frame is in does.
    pub(super) fn execute(&mut self, id: FrameId) -> Step {
        let state = Arc::clone(&self.visit(id)?.1.state);
        match &state.kind {
            StateKind::Pass(_) | StateKind::Succeed => self.complete(id),
            StateKind::Choice(choice) => self.choose(id, choice),
            StateKind::Wait(wait) => self.wait(id, wait),
            StateKind::Fail(fields) => self.fail_on_purpose(id, fields),
            StateKind::Task(task) => self.schedule(id, task),
            StateKind::Parallel(parallel) => self.open_parallel(id, parallel),
            StateKind::Map(map) => self.open_map(id, map),
        }
    }

    /// Leaves a state that did what it had to do.
    pub(super) fn complete(&mut self, id: FrameId) -> Step {
        let state = Arc::clone(&self.visit(id)?.1.state);
        let next = match &state.transition {
            Some(Transition::Next(name)) => Some(Text::from(name.as_str())),
            Some(Transition::End) | None => None,
        };
        match self.finished(id, &state) {
            Ok(outcome) => self.leave(id, outcome, next),
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn finished(&self, id: FrameId, state: &asl::State) -> Result<Outcome, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let result = match (&frame.phase, &state.kind) {
            (Phase::Result { payload }, _) => Some(payload.clone()),
            (Phase::MapRun(phase), _) => phase.output.clone(),
            (Phase::Children(children), _) => Some(children.joined(&visit.name).map_err(Trouble::Failure)?),
            (_, StateKind::Pass(pass)) if state.query_language == QueryLanguage::JsonPath => {
                Some(flow.pass_result(pass, &flow.effective_input(&visit.input)?)?)
            }
            _ => None,
        };
        let outcome = match result {
            Some(result) => flow.with_result(&visit.input, &bounded(visit, result)?)?,
            None => flow.without_result(&visit.input)?,
        };
        check_limits(frame, visit, &outcome)?;
        Ok(outcome)
    }

    /// The flow of JSON through the state a frame is in.
    pub(super) fn flow<'b>(&'b self, frame: &'b Frame, visit: &'b Visit) -> Flow<'b> {
        Flow::new(&visit.state, Surroundings::of(self.execution, frame, visit, &self.host))
    }

    /// Writes that a state is left; the frame goes on.
    pub(super) fn leave(&mut self, id: FrameId, outcome: Outcome, next: Option<Text>) -> Step {
        let (_, visit) = self.visit(id)?;
        let fact = Fact::StateExited {
            kind: StateType::of(&visit.state.kind),
            name: visit.name.clone(),
            output: outcome.output,
            assigned: outcome.assigned,
            next,
        };
        self.push(id, fact)?;
        self.wake(id);
        Ok(())
    }

    fn choose(&mut self, id: FrameId, choice: &Choice) -> Step {
        match self.chosen(id, choice) {
            Ok(Some(chosen)) => self.leave(id, chosen.outcome, Some(chosen.next)),
            Ok(None) => {
                let cause =
                    "Failed to transition out of the state. The state does not point to a next state.";
                let cause = in_state(self.visit(id)?.1, cause);
                self.fail(id, &Failure::runtime(cause))
            }
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn chosen(&self, id: FrameId, choice: &Choice) -> Result<Option<Chosen>, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let chosen = self.flow(frame, visit).choice(choice, &visit.input)?;
        if let Some(chosen) = &chosen {
            check_limits(frame, visit, &chosen.outcome)?;
        }
        Ok(chosen)
    }

    fn wait(&mut self, id: FrameId, wait: &Wait) -> Step {
        let due_millis = match self.due_millis(id, wait) {
            Ok(Ok(due_millis)) => due_millis,
            Ok(Err(text)) => return self.bad_timestamp(id, &text),
            Err(trouble) => return self.trouble(id, trouble),
        };
        if due_millis <= self.host.now_millis {
            return self.complete(id);
        }
        let timer = self.timer_at(due_millis);
        self.push(id, Fact::WaitArmed { timer })
    }

    /// When a Wait is over; the inner error is a text that is not a time.
    fn due_millis(&self, id: FrameId, wait: &Wait) -> Result<Result<i64, String>, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let effective = flow.effective_input(&visit.input)?;
        match wait {
            Wait::Seconds(seconds) => {
                let seconds = flow.number(seconds, "Seconds", NumberField::Wait, &effective)?;
                Ok(Ok(self.timer_in(seconds).due_millis))
            }
            Wait::Timestamp(timestamp) if state_is_jsonata(visit) => {
                let text = flow.text(timestamp, "Timestamp", &effective)?;
                Ok(asl::timestamp::parse_millis(&text).ok_or(text))
            }
            Wait::Timestamp(timestamp) => Ok(Ok(flow.timestamp(timestamp, &effective)?)),
        }
    }

    /// The expression was right, what it answered is not: the event follows the state's entry.
    fn bad_timestamp(&mut self, id: FrameId, text: &str) -> Step {
        let chain = self.visit(id)?.0.chain;
        let cause = format!(
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
        );
        self.evaluation_failed(id, chain, Some("Timestamp"), &cause)
    }

    fn fail_on_purpose(&mut self, id: FrameId, fields: &Fail) -> Step {
        match self.raised(id, fields) {
            Ok(failure) => self.fail(id, &failure),
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn raised(&self, id: FrameId, fields: &Fail) -> Result<Failure, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let field = |text: Option<&asl::TextOrExpression>, name: &str| -> Result<Option<Text>, QueryError> {
            text.map(|text| flow.text(text, name, &visit.input).map(Text::from)).transpose()
        };
        let error = field(fields.error.as_ref(), "Error")?;
        let cause = field(fields.cause.as_ref(), "Cause")?;
        Ok(Failure { error, cause, nature: Nature::Raised })
    }
}

fn state_is_jsonata(visit: &Visit) -> bool {
    visit.state.query_language == QueryLanguage::Jsonata
}

/// Refuses what a state hands on when its output or variables are beyond AWS's limits.
pub(super) fn check_limits(frame: &Frame, visit: &Visit, outcome: &Outcome) -> Result<(), Trouble> {
    let mut total = 0;
    for (_, payload) in &outcome.assigned {
        check_size(visit, payload)?;
        total += payload.len();
    }
    // What is set again does not count twice; it is measured only where it matters.
    let replaced = || {
        let replaced = outcome.assigned.iter().filter_map(|(name, _)| frame.variables.get(&**name));
        replaced.map(|value| value.to_string().len()).sum::<usize>()
    };
    let all = total + frame.variable_bytes;
    let most = asl::limits::VARIABLES_BYTES_MAX;
    if total > asl::limits::ASSIGN_BYTES_MAX || (all > most && all - replaced().min(all) > most) {
        let cause = in_state(visit, VARIABLES_TOO_LARGE);
        return Err(Trouble::Failure(Failure::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, cause)));
    }
    check_size(visit, &outcome.output)
}

/// A frame vanished in the middle of a step: cannot happen, and is not worth a panic.
impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        let cause = match halt {
            Halt::HistoryFull => "the history is full".to_owned(),
            Halt::Replay(error) => error.to_string(),
        };
        Self::Failure(Failure::runtime(cause))
    }
}
