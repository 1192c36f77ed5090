//! Entering, executing and leaving states; Pass, Choice, Wait, Succeed and
//! Fail completely, the others up to their own files.

use std::sync::Arc;

use asl::{
    BooleanOrExpression, Choice, Fail, NumberOrExpression, StateKind, Template, TextOrExpression, Transition,
    Wait,
};
use serde_json::Value;

use super::context::{Evaluator, Extra};
use super::execution::{Phase, Visit};
use super::history::StateType;
use super::payload::Payload;
use super::record::{Fact, FrameId, Text};
use super::retry::{Failure, Nature, errors};
use super::run::{Halt, Run, Step, Trouble, bounded};

/// What a state hands on: its output, and the variables it sets.
pub(super) struct Outcome {
    pub(super) output: Payload,
    pub(super) assigned: Vec<(Text, Payload)>,
}

/// The fields that decide an outcome: those of the state, of a rule or of a catcher.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// Where they are, e.g. `Catch[0]/`.
    pub(super) prefix: &'a str,
    pub(super) assign: Option<&'a Template>,
    pub(super) output: Option<&'a Template>,
}

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

    /// Leaves a state that did what it had to do, through `Assign` and `Output`.
    pub(super) fn complete(&mut self, id: FrameId) -> Step {
        let (frame, visit) = self.visit(id)?;
        let state = Arc::clone(&visit.state);
        let result = match &frame.phase {
            Phase::Result { payload } => Some(payload.clone()),
            Phase::Children(children) => Some(Payload::array(children.results.iter().flatten())),
            _ => None,
        };
        let fields = Fields { prefix: "", assign: state.assign.as_ref(), output: state.output.as_ref() };
        let outcome = match &result {
            Some(payload) => bounded(visit, payload.clone())
                .and_then(|default| self.outcome(id, fields, default, Extra::Result(payload))),
            None => self.outcome(id, fields, visit.input.clone(), Extra::Nothing),
        };
        let next = match &state.transition {
            Some(Transition::Next(name)) => Some(Text::from(name.as_str())),
            Some(Transition::End) | None => None,
        };
        match outcome {
            Ok(outcome) => self.leave(id, outcome, next),
            Err(trouble) => self.trouble(id, trouble),
        }
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

    /// Evaluates `Assign` and `Output`. Both see the variables as they were on entry.
    pub(super) fn outcome(
        &self,
        id: FrameId,
        fields: Fields<'_>,
        default: Payload,
        extra: Extra<'_>,
    ) -> Result<Outcome, Trouble> {
        let Ok((frame, visit)) = self.visit(id) else {
            return Ok(Outcome { output: default, assigned: Vec::new() });
        };
        let evaluator = self.evaluator(frame, visit, extra);
        let assigned = match fields.assign {
            Some(template) => {
                let value = evaluator.evaluate(template, &format!("{}Assign", fields.prefix))?;
                assignments(visit, value, frame.variable_bytes)?
            }
            None => Vec::new(),
        };
        let output = match fields.output {
            Some(template) => {
                let value = evaluator.evaluate(template, &format!("{}Output", fields.prefix))?;
                bounded(visit, Payload::from_value(value))?
            }
            None => default,
        };
        Ok(Outcome { output, assigned })
    }

    fn choose(&mut self, id: FrameId, choice: &Choice) -> Step {
        match self.chosen(id, choice) {
            Ok(Some((outcome, next))) => self.leave(id, outcome, Some(next)),
            Ok(None) => {
                let cause =
                    "Failed to transition out of the state. The state does not point to a next state.";
                let cause = super::run::in_state(self.visit(id)?.1, cause);
                self.fail(id, &Failure::runtime(cause))
            }
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn chosen(&self, id: FrameId, choice: &Choice) -> Result<Option<(Outcome, Text)>, Trouble> {
        let Ok((frame, visit)) = self.visit(id) else { return Ok(None) };
        let evaluator = self.evaluator(frame, visit, Extra::Nothing);
        for (index, rule) in choice.rules.iter().enumerate() {
            let asl::Condition::Expression(asked) = &rule.condition else { continue };
            if condition(&evaluator, asked, &format!("Choices[{index}]/Condition"))? {
                let prefix = format!("Choices[{index}]/");
                let fields =
                    Fields { prefix: &prefix, assign: rule.assign.as_ref(), output: rule.output.as_ref() };
                let outcome = self.outcome(id, fields, visit.input.clone(), Extra::Nothing)?;
                return Ok(Some((outcome, rule.next.as_str().into())));
            }
        }
        let Some(next) = &choice.default else { return Ok(None) };
        let state = &visit.state;
        let fields = Fields { prefix: "", assign: state.assign.as_ref(), output: state.output.as_ref() };
        let outcome = self.outcome(id, fields, visit.input.clone(), Extra::Nothing)?;
        Ok(Some((outcome, next.as_str().into())))
    }

    fn wait(&mut self, id: FrameId, wait: &Wait) -> Step {
        let (frame, visit) = self.visit(id)?;
        let evaluator = self.evaluator(frame, visit, Extra::Nothing);
        let timer = match wait {
            Wait::Seconds(seconds) => {
                number(&evaluator, seconds, "Seconds").map(|seconds| self.timer_in(seconds))
            }
            Wait::Timestamp(timestamp) => match text(&evaluator, timestamp, "Timestamp") {
                Ok(text) => match asl::timestamp::parse_millis(&text) {
                    Some(due_millis) => Ok(self.timer_at(due_millis)),
                    None => return self.bad_timestamp(id, &text),
                },
                Err(trouble) => Err(trouble),
            },
        };
        match timer {
            Ok(timer) if timer.due_millis <= self.host.now_millis => self.complete(id),
            Ok(timer) => self.push(id, Fact::WaitArmed { timer }),
            Err(trouble) => self.trouble(id, trouble),
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
        let (frame, visit) = self.visit(id)?;
        let evaluator = self.evaluator(frame, visit, Extra::Nothing);
        let field = |template: Option<&TextOrExpression>, name: &str| -> Result<Option<Text>, Trouble> {
            template.map(|template| text(&evaluator, template, name).map(Text::from)).transpose()
        };
        let error = field(fields.error.as_ref(), "Error");
        let cause = field(fields.cause.as_ref(), "Cause");
        match error.and_then(|error| cause.map(|cause| (error, cause))) {
            Ok((error, cause)) => self.fail(id, &Failure { error, cause, nature: Nature::Raised }),
            Err(trouble) => self.trouble(id, trouble),
        }
    }
}

/// A number that may be an expression.
pub(super) fn number(
    evaluator: &Evaluator<'_>,
    number: &NumberOrExpression,
    field: &str,
) -> Result<u64, Trouble> {
    match number {
        NumberOrExpression::Number(number) => Ok(*number),
        NumberOrExpression::Path(_) => Err(Trouble::Failure(Failure::runtime(""))),
        NumberOrExpression::Expression(expression) => {
            Ok(evaluator.with_scope(&[expression], |scope| number.evaluate(field, scope))?)
        }
    }
}

fn text(evaluator: &Evaluator<'_>, text: &TextOrExpression, field: &str) -> Result<String, Trouble> {
    match text {
        TextOrExpression::Text(text) => Ok(text.clone()),
        TextOrExpression::Query(_) => Err(Trouble::Failure(Failure::runtime(""))),
        TextOrExpression::Expression(expression) => {
            Ok(evaluator.with_scope(&[expression], |scope| text.evaluate(field, scope))?)
        }
    }
}

fn condition(
    evaluator: &Evaluator<'_>,
    condition: &BooleanOrExpression,
    field: &str,
) -> Result<bool, Trouble> {
    match condition {
        BooleanOrExpression::Boolean(holds) => Ok(*holds),
        BooleanOrExpression::Expression(expression) => {
            Ok(evaluator.with_scope(&[expression], |scope| condition.evaluate(field, scope))?)
        }
    }
}

/// The variables of an `Assign`, within AWS's three limits.
fn assignments(visit: &Visit, value: Value, held_bytes: usize) -> Result<Vec<(Text, Payload)>, Trouble> {
    let Value::Object(map) = value else { return Ok(Vec::new()) };
    let mut total = 0;
    let mut assigned = Vec::with_capacity(map.len());
    for (name, value) in map {
        let payload = bounded(visit, Payload::from_value(value))?;
        total += payload.len();
        assigned.push((Text::from(name), payload));
    }
    if total > asl::limits::ASSIGN_BYTES_MAX || total + held_bytes > asl::limits::VARIABLES_BYTES_MAX {
        let cause = super::run::in_state(visit, "The size of the variables exceeds the service limit.");
        return Err(Trouble::Failure(Failure::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, cause)));
    }
    Ok(assigned)
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
