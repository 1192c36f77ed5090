//! From a workflow's representation to ASL, schemas, grants and a source map.
//!
//! [`emit`] takes what the authoring functions recorded ([`ir::Workflow`]) and
//! returns everything that is generated from it. It is a function of its
//! arguments: the same source gives the same bytes. It knows nothing of AWS
//! resources, files or engines.
//!
//! ```text
//! ir::Workflow ─ draft ─► states and arrows ─ render ─► JSON ─ asl::print ─► definition
//!                             │                 ▲
//!                             │          places │ jsonata     where values are, and how they are written
//!                             └─ lint           shape         what values look like, from the schemas
//! ```
#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod draft;
mod functions;
mod intake;
mod jsonata;
mod lint;
mod names;
mod places;
mod render;
mod retry;
mod schema;
mod shape;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;
use stepwright::ir::Location;

pub use functions::Function;
pub use jsonata::Problem;
pub use lint::{Lint, LintCode, LintLevel};
pub use schema::contract;
/// The representation [`emit`] reads: for crates that depend on this one only.
pub use stepwright::ir;

use crate::places::SlotShapes;
use crate::schema::Side;
use crate::shape::Shape;

/// What the generated files depend on besides the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The app's name: the first part of the names of its functions.
    pub app: String,
}

/// Everything generated from one workflow.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The state machine's name.
    pub name: String,
    /// The state machine's comment.
    pub comment: Option<String>,
    /// The definition: ASL with JSONata, pretty-printed.
    pub definition: String,
    /// The definition as an engine runs it.
    pub machine: asl::StateMachine,
    /// Where every state is written: its name to `file:line`, in the order of the definition.
    pub source_map: IndexMap<String, String>,
    /// The schema of the execution input (JSON Schema, draft 2020-12).
    pub input_schema: Value,
    /// The schema of the execution's output.
    pub output_schema: Value,
    /// The functions it calls, one per step, in the order the workflow first calls them.
    pub functions: Vec<Function>,
    /// What may go wrong; the caller decides what stops a build.
    pub lints: Vec<Lint>,
    /// How files become an input.
    pub intake: Option<ir::Intake>,
    /// What starts executions by itself.
    pub triggers: Vec<ir::Trigger>,
    /// Whether it puts events on the default bus.
    pub puts_events: bool,
    /// The functions whose steps it answers, sorted.
    pub answers: Vec<String>,
}

/// Why nothing could be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodegenError {
    /// The workflow's name is no name of a state machine.
    #[error(
        "{}: `{name}` cannot name a state machine: use 1 to 80 letters, digits, `-` and `_`",
        place(*location)
    )]
    WorkflowName {
        /// The name.
        name: String,
        /// Where the workflow is written.
        location: Location,
    },
    /// App and step make no name of a function.
    #[error(
        "{}: `{name}` cannot name a Lambda function: the app's and the step's name together have at most 64 letters, digits, `-` and `_`",
        place(*location)
    )]
    FunctionName {
        /// The function's name.
        name: String,
        /// Where the step is written.
        location: Location,
    },
    /// Two steps share a name.
    #[error("two steps are called `{step}`, at {} and at {}: rename one of them", place(*first), place(*second))]
    StepConflict {
        /// The name.
        step: String,
        /// Where one is written.
        first: Location,
        /// Where the other is written.
        second: Location,
    },
    /// A value cannot be expressed.
    #[error("{}: state `{state}`: {problem}", location.map_or_else(|| "?".to_owned(), place))]
    Expression {
        /// The state that computes it.
        state: String,
        /// Where the state is written.
        location: Option<Location>,
        /// What is the matter.
        problem: Problem,
    },
    /// Something follows a state that has no successor.
    #[error("{}: nothing goes on after `{name}`, but the workflow does: remove what follows it", place(*location))]
    Unreachable {
        /// The state.
        name: String,
        /// Where it is written.
        location: Location,
    },
    /// A block that should end the execution goes on.
    #[error(
        "{}: this branch has to end with `fail` or `succeed`, but it goes on",
        location.map_or_else(|| "?".to_owned(), place)
    )]
    GoesOn {
        /// Where its last state is written.
        location: Option<Location>,
    },
    /// A block without states that has no value either.
    #[error(
        "a branch has neither states nor a value: return a value from it, or end it with `fail` or `succeed`"
    )]
    EmptyDivergence,
    /// A choice without conditions, or a parallel without branches.
    #[error("{}: `{name}` has no branches: give it at least one", place(*location))]
    NoBranches {
        /// The state.
        name: String,
        /// Where it is written.
        location: Location,
    },
    /// The generated definition does not pass its own validation.
    #[error("the definition generated for `{workflow}` is not valid ASL: {}", findings.join("; "))]
    Refused {
        /// The workflow.
        workflow: String,
        /// What the validator says, with the place in the Rust source where it is known.
        findings: Vec<String>,
    },
}

/// Generates everything for one workflow.
///
/// # Errors
/// What the types could not rule out: see [`CodegenError`].
pub fn emit(workflow: &ir::Workflow, options: &Options) -> Result<Generated, CodegenError> {
    check_name(workflow)?;
    let functions = functions::of(workflow, &options.app)?;
    let input_schema = schema::document(&workflow.input, Side::Input);
    let output_schema = schema::document(&workflow.output, Side::Output);

    let draft = draft::draft(workflow)?;
    let outputs =
        functions.iter().map(|function| (function.step.name, Shape::of_schema(&function.output_schema)));
    let outputs: BTreeMap<&str, Shape> = outputs.collect();
    let shapes = || SlotShapes::new(&draft, Shape::of_schema(&input_schema), outputs.clone());
    let document = render::machine(workflow, &draft, shapes(), &options.app)?;

    let definition = asl::print(&document);
    let source_map = source_map(workflow, &draft);
    let machine = parsed(workflow, &definition, &source_map)?;
    let (puts_events, answers) = functions::called_services(workflow, &options.app);
    let lints = lint::of(workflow, &draft, &shapes(), &input_schema, &functions);
    Ok(Generated {
        name: workflow.name.clone(),
        comment: workflow.comment.clone(),
        definition,
        machine,
        source_map,
        input_schema,
        output_schema,
        functions,
        lints,
        intake: workflow.intake.clone(),
        triggers: workflow.triggers.clone(),
        puts_events,
        answers,
    })
}

/// AWS quota: 80 characters; of the characters it allows, those that need no quoting anywhere.
fn check_name(workflow: &ir::Workflow) -> Result<(), CodegenError> {
    let is_valid = (1..=80).contains(&workflow.name.len())
        && workflow
            .name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_".contains(character));
    if is_valid {
        return Ok(());
    }
    Err(CodegenError::WorkflowName { name: workflow.name.clone(), location: workflow.location })
}

fn source_map(workflow: &ir::Workflow, draft: &draft::Draft<'_>) -> IndexMap<String, String> {
    let intake = intake::name(workflow, draft).map(|(name, location)| (name, place(location)));
    intake
        .into_iter()
        .chain(draft.all().map(|(id, state)| (draft.name(id).to_owned(), place(state.location))))
        .collect()
}

/// What is generated is what runs, so it has to pass the validation that runs before it.
fn parsed(
    workflow: &ir::Workflow,
    definition: &str,
    source_map: &IndexMap<String, String>,
) -> Result<asl::StateMachine, CodegenError> {
    let diagnostics = match asl::StateMachine::parse(definition) {
        Ok(machine) => return Ok(machine),
        Err(diagnostics) => diagnostics,
    };
    let findings = diagnostics.errors().map(|finding| {
        // The innermost state whose name the path mentions.
        let state = source_map.iter().rev().find(|(name, _)| {
            finding.location.ends_with(&format!("/{name}")) || finding.location.contains(&format!("/{name}/"))
        });
        match state {
            Some((_, written)) => format!("{finding} (written at {written})"),
            None => finding.to_string(),
        }
    });
    Err(CodegenError::Refused { workflow: workflow.name.clone(), findings: findings.collect() })
}

/// `file:line`.
pub(crate) fn place(location: Location) -> String {
    format!("{}:{}", location.file, location.line)
}

#[cfg(test)]
mod tests;
