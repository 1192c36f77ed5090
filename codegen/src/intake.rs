//! The state that makes the workflow's input of what a trigger sends.
//!
//! A pipe starts an execution with an array of messages and cannot send anything
//! else (`EventBridge` user guide, "batching and concurrency": input transformers are
//! applied to each record, and the array is sent, also of one). An event of S3 may
//! lack parts, for which an input transformer has no default. So both come as they
//! are, and the first state assigns the input. What is neither is the input already:
//! somebody gave it, or a schedule has it.

use serde_json::{Map, Value, json};
use stepwright::ir::{Location, NodeRef, Slot, Trigger, Workflow};

use crate::CodegenError;
use crate::draft::Draft;
use crate::jsonata::{Place, Places, Printer, Problem, Shapes, text_literal};
use crate::shape::Shape;

/// The wanted name of the state.
const NAME: &str = "What started it";
/// The variable that holds the workflow's input.
pub(crate) const VARIABLE: &str = "input";

/// Whether the workflow's input has to be made first.
pub(crate) fn is_needed(workflow: &Workflow) -> bool {
    sent(workflow).next().is_some()
}

/// The triggers that send something else than the input, and what the input is made of.
fn sent(workflow: &Workflow) -> impl Iterator<Item = (&Trigger, NodeRef, Location)> {
    workflow.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Schedule { .. } => None,
        Trigger::Objects { input, location, .. } | Trigger::Queue { input, location, .. } => {
            Some((trigger, *input, *location))
        }
    })
}

/// The state's name, which no other state of the machine has, and where it is declared.
pub(crate) fn name(workflow: &Workflow, draft: &Draft<'_>) -> Option<(String, Location)> {
    let (_, _, location) = sent(workflow).next()?;
    let is_free = |name: &String| draft.all().all(|(id, _)| draft.name(id) != name);
    let numbered = (2_u32..).map(|number| format!("{NAME} {number}"));
    let name = std::iter::once(NAME.to_owned()).chain(numbered).find(is_free)?;
    Some((name, location))
}

/// The state, if one is needed.
pub(crate) fn state(
    workflow: &Workflow,
    draft: &Draft<'_>,
    next: &Value,
) -> Result<Option<(String, Value)>, CodegenError> {
    let Some((name, location)) = name(workflow, draft) else { return Ok(None) };
    let alternatives: Vec<(String, NodeRef)> =
        sent(workflow).map(|(trigger, input, _)| (condition(trigger, workflow), input)).collect();
    let made = Printer::new(&mut Started).alternatives(&alternatives, INPUT);
    let made = made.map_err(|problem| CodegenError::Expression {
        state: name.clone(),
        location: Some(location),
        problem,
    })?;
    let mut fields = Map::new();
    fields.insert("Type".to_owned(), json!("Pass"));
    fields.insert(
        "Comment".to_owned(),
        json!("Makes the workflow's input of an event or of messages; an input passes as it is."),
    );
    fields.insert("Assign".to_owned(), json!({ VARIABLE: made }));
    fields.insert("Next".to_owned(), next.clone());
    Ok(Some((name, Value::Object(fields))))
}

/// What the execution was started with.
const INPUT: &str = "$states.input";

/// Tells what a trigger sent.
fn condition(trigger: &Trigger, workflow: &Workflow) -> String {
    let Trigger::Objects { prefix, .. } = trigger else {
        return format!("$type({INPUT}) = \"array\"");
    };
    let of_s3 = format!("{INPUT}.source = \"aws.s3\" and {INPUT}.`detail-type` = \"Object Created\"");
    let others = sent(workflow).filter(|(other, ..)| matches!(other, Trigger::Objects { .. })).count();
    if others == 1 {
        return of_s3;
    }
    let (length, prefix) = (prefix.chars().count(), text_literal(prefix));
    format!("{of_s3} and $substring({INPUT}.detail.object.key, 0, {length}) = {prefix}")
}

/// Where values are before anything has run: nowhere.
struct Started;

impl Places for Started {
    fn slot(&mut self, slot: Slot) -> Result<Place, Problem> {
        Err(Problem::OutOfScope(slot.0))
    }

    fn index(&mut self, slot: Slot) -> Result<String, Problem> {
        Err(Problem::OutOfScope(slot.0))
    }

    fn shapes(&self) -> &dyn Shapes {
        self
    }
}

impl Shapes for Started {
    fn input(&self) -> Shape {
        Shape::UNKNOWN
    }

    fn slot(&self, _: Slot) -> Shape {
        Shape::UNKNOWN
    }
}
