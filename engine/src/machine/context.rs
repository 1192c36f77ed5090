//! What the fields of a state read: the input, the context object, variables,
//! time and randomness, and the budget they share. Nothing is copied to be
//! read; the context object is built when something reads it, and once.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::rc::Rc;

use asl::{Host, Scope, StateBudget, StateKind, StatesView};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::execution::{Execution, Frame, Item, Visit};
use super::random;
use super::record::Started;

/// The time of the transition, the numbers of the execution's stream, and what
/// the fields of its states have cost.
pub(crate) struct Replayable {
    pub(super) now_millis: i64,
    pub(super) seed: u64,
    pub(super) draws: Cell<u64>,
    /// Steps of `StateBudget`s, all states together.
    pub(super) steps: Rc<Cell<u64>>,
}

/// The budget of one stay in a state; in the end the transition pays what was taken of it.
#[derive(Default)]
struct Share {
    budget: StateBudget,
    steps: Rc<Cell<u64>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.steps.set(self.steps.get().saturating_add(self.budget.steps_taken()));
    }
}

impl Replayable {
    /// The beginning of a stream.
    pub(crate) fn new(now_millis: i64, seed: u64) -> Self {
        Self { now_millis, seed, draws: Cell::new(0), steps: Rc::default() }
    }

    pub(super) fn draw(&self) -> u64 {
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

/// What the fields of one stay in a state read, besides the JSON that flows through it.
pub struct Surroundings<'a> {
    source: Source<'a>,
    built: OnceCell<Value>,
    variables: &'a IndexMap<String, Value>,
    host: &'a dyn Host,
    share: Share,
}

/// Where the context object comes from.
enum Source<'a> {
    Given(&'a Value),
    Visit { execution: &'a Execution, visit: &'a Visit, item: Option<&'a Item> },
}

/// What else there is to read in one place.
#[derive(Debug, Clone, Copy, Default)]
pub enum Extra<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// `$states.result`.
    Result(&'a Value),
    /// `$states.errorOutput`.
    Error(&'a Value),
}

impl<'a> Surroundings<'a> {
    /// Surroundings with a context object that is given, e.g. by a caller of `TestState`.
    pub fn given(context: &'a Value, variables: &'a IndexMap<String, Value>, host: &'a dyn Host) -> Self {
        let source = Source::Given(context);
        Self { source, built: OnceCell::new(), variables, host, share: Share::default() }
    }

    /// The surroundings of a frame's stay in a state.
    pub(super) fn of(
        execution: &'a Execution,
        frame: &'a Frame,
        visit: &'a Visit,
        host: &'a Replayable,
    ) -> Self {
        let source = Source::Visit { execution, visit, item: frame.item.as_deref() };
        let share = Share { budget: StateBudget::new(), steps: Rc::clone(&host.steps) };
        Self { source, built: OnceCell::new(), variables: &frame.variables, host, share }
    }

    /// The same, seen from an iteration that is about to start.
    pub(super) fn for_item(mut self, seen: &'a Item) -> Self {
        if let Source::Visit { item, .. } = &mut self.source {
            *item = Some(seen);
            self.built = OnceCell::new();
        }
        self
    }

    /// What a field sees: `input` is `$states.input` in JSONata and `$` in JSONPath.
    pub fn see<'b>(&'b self, input: &'b Value, extra: Extra<'b>) -> Seen<'b> {
        Seen { around: self, input, extra }
    }

    /// A copy of the context object.
    pub(super) fn context_object(&self) -> Value {
        self.context().clone()
    }

    fn context(&self) -> &Value {
        match self.source {
            Source::Given(context) => context,
            Source::Visit { execution, visit, item } => {
                self.built.get_or_init(|| context_object(execution, visit, item))
            }
        }
    }
}

/// What one field sees.
pub struct Seen<'a> {
    around: &'a Surroundings<'a>,
    input: &'a Value,
    extra: Extra<'a>,
}

impl Seen<'_> {
    /// The scope of an evaluation.
    pub fn scope(&self) -> Scope<'_> {
        let Surroundings { variables, host, share, .. } = self.around;
        Scope { states: self, variables, host: *host, budget: &share.budget }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Surroundings").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seen").field("input", &self.input).finish_non_exhaustive()
    }
}

impl StatesView for Seen<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match (name, self.extra) {
            ("input", _) => Some(self.input),
            ("context", _) => Some(self.around.context()),
            ("result", Extra::Result(value)) | ("errorOutput", Extra::Error(value)) => Some(value),
            _ => None,
        }
    }
}

/// The context object of AWS's developer guide, "Accessing execution data from the Context object".
fn context_object(execution: &Execution, visit: &Visit, item: Option<&Item>) -> Value {
    let mut context = Map::new();
    if let Some(started) = execution.started() {
        context.insert("Execution".to_owned(), execution_context(started, execution));
        context.insert(
            "StateMachine".to_owned(),
            json!({ "Id": &*started.state_machine_arn, "Name": &*started.state_machine_name }),
        );
    }
    context.insert("State".to_owned(), state_context(visit));
    if let Some(token) = &visit.token {
        context.insert("Task".to_owned(), json!({ "Token": &**token }));
    }
    if let Some(item) = item {
        let item = item_context(item.index.into(), item.key.as_deref(), &item.value, SOURCE_OF_STATE_DATA);
        context.insert("Map".to_owned(), json!({ "Item": item }));
    }
    Value::Object(context)
}

fn execution_context(started: &Started, execution: &Execution) -> Value {
    let mut context = json!({
        "Id": &*started.execution_arn,
        "Input": started.input.value(),
        "StartTime": instant(execution.start_millis),
        "Name": &*started.name,
        "RoleArn": &*started.role_arn,
    });
    // Recorded on AWS: an Express execution, which cannot be redriven, has no such count.
    if !started.execution_arn.contains(":express:")
        && let Some(context) = context.as_object_mut()
    {
        context.insert("RedriveCount".to_owned(), execution.redrive_count().into());
        // Developer guide, "Context object": only of an execution that was redriven.
        if let Some(redrive) = execution.redrives().last() {
            context.insert("RedriveTime".to_owned(), instant(redrive.at_millis).into());
        }
    }
    context
}

/// `State`. Recorded on AWS: only states that can be retried have a `RetryCount`.
fn state_context(visit: &Visit) -> Value {
    let mut context = Map::new();
    context.insert("Name".to_owned(), (*visit.name).into());
    context.insert("EnteredTime".to_owned(), instant(visit.entered_millis).into());
    if matches!(visit.state.kind, StateKind::Task(_) | StateKind::Parallel(_) | StateKind::Map(_)) {
        context.insert("RetryCount".to_owned(), visit.retry_count.into());
    }
    Value::Object(context)
}

/// `Map.Item`, in the order of the developer guide; it has a `Key` when the
/// items are those of an object. `source`: where the item comes from.
pub(crate) fn item_context(index: u64, key: Option<&str>, value: &Value, source: &str) -> Value {
    let mut context = Map::new();
    context.insert("Index".to_owned(), index.into());
    if let Some(key) = key {
        context.insert("Key".to_owned(), key.into());
    }
    context.insert("Value".to_owned(), value.clone());
    context.insert("Source".to_owned(), source.into());
    Value::Object(context)
}

/// `Map.Item.Source` of items that come with the state's input. Developer guide, "Context object data for Map states".
pub(crate) const SOURCE_OF_STATE_DATA: &str = "STATE_DATA";

/// A time as the context object has it: UTC with milliseconds. Virtual time can
/// be at the end of the year 9999, which is after the last timestamp.
pub(crate) fn instant(millis: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn every_time_can_be_written() {
        assert_eq!(instant(1_500), "1970-01-01T00:00:01.500Z");
        // The last second of 9999, which people write for "never", is past the last timestamp.
        assert_eq!(instant(253_402_300_799_000), "9999-12-30T22:00:00.999Z");
        assert_eq!(instant(i64::MAX), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn instants_have_milliseconds() {
        assert_eq!(super::instant(1_732_189_323_400), "2024-11-21T11:42:03.400Z");
        assert_eq!(super::instant(0), "1970-01-01T00:00:00.000Z");
    }
}
