//! The Lambda functions a workflow calls: one per step.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;
use stepwright::ir::{self, Block, Catcher, Grant, ServiceRequest, StateKind, StepInfo};

use crate::CodegenError;
use crate::schema::{self, Side};

/// AWS quota: a function's name has at most 64 characters.
const NAME_CHARACTERS_MAX: usize = 64;

/// A step as a Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// The function's name: `<app>-<step>`.
    pub name: String,
    /// What `#[step]` knows about it.
    pub step: StepInfo,
    /// The schema of what the step is called with (draft 2020-12): the function's
    /// payload, or the member `input` of it when the step waits.
    pub input_schema: Value,
    /// The schema of what it returns, or is answered when it waits.
    pub output_schema: Value,
    /// The contract it fulfils: see [`crate::contract`].
    pub contract: String,
    /// What it may touch, without repetitions, sorted.
    pub grants: Vec<Grant>,
    /// The names of the errors it declares, in the order of their enum.
    pub errors: Vec<String>,
}

/// The name of the function that runs a step.
pub(crate) fn name(app: &str, step: &str) -> String {
    format!("{app}-{step}")
}

/// The functions of all steps in a workflow, in the order the workflow first calls them.
pub(crate) fn of(workflow: &ir::Workflow, app: &str) -> Result<Vec<Function>, CodegenError> {
    let mut steps: IndexMap<&str, StepInfo> = IndexMap::new();
    let mut conflict = None;
    visit(&workflow.body, &mut |state| {
        if let StateKind::Task(task) = &state.kind {
            let known = steps.entry(task.step.name).or_insert(task.step);
            if known.location != task.step.location || known.package != task.step.package {
                conflict.get_or_insert((*known, task.step));
            }
        }
    });
    if let Some((first, second)) = conflict {
        return Err(CodegenError::StepConflict {
            step: first.name.to_owned(),
            first: first.location,
            second: second.location,
        });
    }
    steps.into_values().map(|step| function(step, app)).collect()
}

/// Whether a workflow puts events, and the functions whose steps it answers, sorted.
pub(crate) fn called_services(workflow: &ir::Workflow, app: &str) -> (bool, Vec<String>) {
    let (mut puts_events, mut answers) = (false, BTreeSet::new());
    visit(&workflow.body, &mut |state| {
        let StateKind::Service(call) = &state.kind else { return };
        match &call.request {
            ServiceRequest::PutEvent { .. } => puts_events = true,
            ServiceRequest::SendTaskSuccess { step, .. } | ServiceRequest::SendTaskFailure { step, .. } => {
                answers.insert(name(app, step.name));
            }
        }
    });
    (puts_events, answers.into_iter().collect())
}

fn function(step: StepInfo, app: &str) -> Result<Function, CodegenError> {
    let name = name(app, step.name);
    let is_valid =
        name.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character));
    if !is_valid || name.len() > NAME_CHARACTERS_MAX {
        return Err(CodegenError::FunctionName { name, location: step.location });
    }
    let input_schema = schema::document(&step.input, Side::Input);
    let output_schema = schema::document(&step.output, Side::Output);
    let contract = schema::contract_of(&input_schema, &output_schema, &step);
    let mut grants = (step.grants)();
    grants.sort_unstable();
    grants.dedup();
    let errors = step.errors.iter().map(|error| error.name.to_owned()).collect();
    Ok(Function { name, step, input_schema, output_schema, contract, grants, errors })
}

/// Calls `see` for every state, the ones inside others included, in the order they are written.
pub(crate) fn visit<'a>(block: &'a Block, see: &mut impl FnMut(&'a ir::State)) {
    for state in &block.states {
        see(state);
        for inner in inner_blocks(&state.kind) {
            visit(inner, see);
        }
    }
}

/// The blocks inside a state.
pub(crate) fn inner_blocks(kind: &StateKind) -> Vec<&Block> {
    let mut blocks: Vec<&Block> = match kind {
        StateKind::Map(map) => vec![&map.body],
        StateKind::Parallel(parallel) => parallel.branches.iter().collect(),
        StateKind::Choice(choice) => {
            choice.arms.iter().map(|arm| &arm.body).chain([&choice.otherwise]).collect()
        }
        _ => Vec::new(),
    };
    blocks.extend(catchers(kind).iter().map(|catcher| &catcher.body));
    blocks
}

/// The catchers of a state that can have any.
pub(crate) fn catchers(kind: &StateKind) -> &[Catcher] {
    match kind {
        StateKind::Task(task) => &task.catchers,
        StateKind::Service(call) => &call.catchers,
        StateKind::Map(map) => &map.catchers,
        StateKind::Parallel(parallel) => &parallel.catchers,
        _ => &[],
    }
}
