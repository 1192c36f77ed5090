//! What expressions see: `$states`, the context object, time and randomness.

use std::cell::{Cell, OnceCell};

use asl::{Expression, Host, QueryError, Scope, Template};
use serde_json::{Map, Value, json};

use super::execution::{Execution, Frame, Item, Visit};
use super::payload::Payload;
use super::random;
use super::record::Started;

/// The time of the transition and the numbers of the execution's stream.
pub(super) struct Replayable {
    pub(super) now_millis: i64,
    pub(super) seed: u64,
    pub(super) draws: Cell<u64>,
}

impl Replayable {
    fn draw(&self) -> u64 {
        let position = self.draws.get();
        self.draws.set(position + 1);
        random::draw(self.seed, position)
    }
}

impl Host for Replayable {
    fn now_millis(&self) -> i64 {
        self.now_millis
    }

    fn random(&self) -> f64 {
        random::unit(self.draw())
    }

    fn uuid(&self) -> String {
        random::uuid(self.draw(), self.draw())
    }
}

/// What `$states` holds besides `input` and `context`.
#[derive(Clone, Copy)]
pub(super) enum Extra<'a> {
    Nothing,
    Result(&'a Payload),
    Error(&'a Payload),
}

/// Evaluates fields of one state. `$states` gets the parts that the
/// expressions of a field read, and is kept for the next field: payloads can
/// be large, and most expressions read one of them.
pub(super) struct Evaluator<'a> {
    execution: &'a Execution,
    frame: &'a Frame,
    visit: &'a Visit,
    extra: Extra<'a>,
    item: Option<&'a Item>,
    host: &'a Replayable,
    states: OnceCell<(Reads, Value)>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        execution: &'a Execution,
        frame: &'a Frame,
        visit: &'a Visit,
        extra: Extra<'a>,
        host: &'a Replayable,
    ) -> Self {
        let item = frame.item.as_deref();
        Self { execution, frame, visit, extra, item, host, states: OnceCell::new() }
    }

    /// The same, seen from an iteration that is about to start.
    pub(super) fn for_item(self, item: &'a Item) -> Self {
        Self { item: Some(item), states: OnceCell::new(), ..self }
    }

    /// The value of a template; literals cost a copy and nothing else.
    pub(super) fn evaluate(&self, template: &Template, field: &str) -> Result<Value, QueryError> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            other => self.with_scope(&other.expressions(), |scope| other.evaluate(field, scope)),
        }
    }

    /// Calls a function with what these expressions see.
    pub(super) fn with_scope<T>(&self, expressions: &[&Expression], call: impl FnOnce(&Scope<'_>) -> T) -> T {
        let reads =
            expressions.iter().fold(Reads(0), |reads, expression| reads.and(Reads::of(expression.source())));
        let (kept, states) = self.states.get_or_init(|| (reads, self.states(reads)));
        let scope = Scope { states, variables: &self.frame.variables, host: self.host };
        if kept.cover(reads) {
            return call(&scope);
        }
        call(&Scope { states: &self.states(reads), ..scope })
    }

    fn states(&self, reads: Reads) -> Value {
        let mut states = Map::new();
        if reads.cover(Reads::INPUT) {
            states.insert("input".to_owned(), self.visit.input.value().clone());
        }
        if reads.cover(Reads::CONTEXT) {
            states.insert("context".to_owned(), self.context());
        }
        if reads.cover(Reads::EXTRA) {
            let extra = match self.extra {
                Extra::Nothing => None,
                Extra::Result(payload) => Some(("result", payload)),
                Extra::Error(payload) => Some(("errorOutput", payload)),
            };
            states.extend(extra.map(|(name, payload)| (name.to_owned(), payload.value().clone())));
        }
        Value::Object(states)
    }

    fn context(&self) -> Value {
        let mut context = Map::new();
        if let Some(started) = self.execution.started() {
            context.insert("Execution".to_owned(), execution_context(started, self.execution.start_millis));
            context.insert(
                "StateMachine".to_owned(),
                json!({ "Id": &*started.state_machine_arn, "Name": &*started.state_machine_name }),
            );
        }
        context.insert(
            "State".to_owned(),
            json!({
                "Name": &*self.visit.name,
                "EnteredTime": instant(self.visit.entered_millis),
                "RetryCount": self.visit.retry_count,
            }),
        );
        if let Some(item) = self.item {
            context
                .insert("Map".to_owned(), json!({ "Item": { "Index": item.index, "Value": &item.value } }));
        }
        Value::Object(context)
    }
}

fn execution_context(started: &Started, start_millis: i64) -> Value {
    json!({
        "Id": &*started.execution_arn,
        "Input": started.input.value(),
        "StartTime": instant(start_millis),
        "Name": &*started.name,
        "RoleArn": &*started.role_arn,
        "RedriveCount": 0,
    })
}

/// Which parts of `$states` an expression can read, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reads(u8);

impl Reads {
    const INPUT: Self = Self(1);
    const CONTEXT: Self = Self(2);
    const EXTRA: Self = Self(4);
    const ALL: Self = Self(7);

    /// Looks at the text only. Whatever is not plainly `$states.<part>` may
    /// read everything; so may the operators that lead back to a parent.
    fn of(source: &str) -> Self {
        const NAME: &str = "$states";
        if source.contains(['%', '@']) && source.contains(NAME) {
            return Self::ALL;
        }
        source.match_indices(NAME).fold(Self(0), |reads, (at, _)| {
            let rest = source.get(at + NAME.len()..).unwrap_or_default().trim_start();
            let part = rest.strip_prefix('.').map(str::trim_start).unwrap_or_default();
            let end = part.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(part.len());
            reads.and(match part.get(..end) {
                Some("input") => Self::INPUT,
                Some("context") => Self::CONTEXT,
                Some("result" | "errorOutput") => Self::EXTRA,
                _ => Self::ALL,
            })
        })
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn cover(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A time as the context object has it: UTC with milliseconds. Virtual time can
/// be at the end of the year 9999, which is after the last timestamp.
pub(crate) fn instant(millis: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::{Reads, instant};

    #[test]
    fn every_time_can_be_written() {
        assert_eq!(instant(1_500), "1970-01-01T00:00:01.500Z");
        // The last second of 9999, which people write for "never", is past the last timestamp.
        assert_eq!(instant(253_402_300_799_000), "9999-12-30T22:00:00.999Z");
        assert_eq!(instant(i64::MAX), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn what_expressions_read() {
        for (source, reads) in [
            ("1 + $v", 0),
            ("$states.input.a & $states . input", 1),
            ("$states.context.Map.Item.Value", 2),
            ("{ 'a': $states.result, 'b': $states.input }", 5),
            ("$states.errorOutput.Error", 4),
            ("$states", 7),
            ("$states.*", 7),
            ("$states.inputs", 7),
            ("$states.input.%.context", 7),
            ("$states.input@$i.context", 7),
            ("$states[0].input", 7),
            ("$lookup($states, 'input')", 7),
            ("$states.`input`", 7),
            ("$statesman", 7),
            ("($s := $states; $s.context)", 7),
        ] {
            assert_eq!(Reads::of(source), Reads(reads), "{source}");
        }
    }

    #[test]
    fn instants_have_milliseconds() {
        assert_eq!(super::instant(1_732_189_323_400), "2024-11-21T11:42:03.400Z");
        assert_eq!(super::instant(0), "1970-01-01T00:00:00.000Z");
    }
}
