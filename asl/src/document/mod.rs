//! The state machine document: reading, checking, the typed model, printing.
//!
//! Owns the form of definitions and every finding about them. Refuses to run
//! anything: what a state does is the engine's business.

mod advice;
mod flow;
mod integrations;
mod model;
mod print;
mod read;
mod source;
#[cfg(test)]
mod tests;

pub use integrations::{About, Given, Integrations, Remark};
pub use model::{
    BooleanOrExpression, Catcher, Choice, ChoiceRule, Comparand, Condition, Distributed, ExecutionType, Fail,
    InputType, Is, ItemBatcher, ItemReader, Items, JitterStrategy, ManifestType, Map, NumberOrExpression,
    Operand, OutputType, Parallel, Pass, Paths, PercentageOrExpression, QueryLanguage, Relation, ResultPath,
    ResultWriter, Retrier, Selection, State, StateKind, StateMachine, States, SubMachine, Task, Test,
    TextOrExpression, Transformation, Transition, Wait,
};
pub use print::print;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostics;

/// Checks a definition and returns everything there is to say about it, in the
/// order of the text: errors, for which AWS refuses it, and warnings.
pub fn validate(text: &str) -> Diagnostics {
    read::check(text, ExecutionType::Standard, None).diagnostics
}

/// [`validate`] for a state machine of this type. An Express machine can wait
/// neither for a job nor for a token.
pub fn validate_for(text: &str, machine_type: ExecutionType) -> Diagnostics {
    read::check(text, machine_type, None).diagnostics
}

/// [`validate_for`] with somebody who knows the services: what Task states ask of
/// them is checked, too. What is found is warned of.
pub fn validate_with(
    text: &str,
    machine_type: ExecutionType,
    integrations: &dyn Integrations,
) -> Diagnostics {
    read::check(text, machine_type, Some(integrations)).diagnostics
}

/// [`validate_with`] for the definition of one state, as `TestState` takes it.
pub fn validate_state(text: &str, name: &str, integrations: &dyn Integrations) -> Diagnostics {
    read::check_state(text, name, Some(integrations)).1
}

impl StateMachine {
    /// Parses and checks a definition. `Err` holds every finding, also the
    /// warnings; a definition with warnings only is accepted.
    pub fn parse(text: &str) -> Result<StateMachine, Diagnostics> {
        Self::parse_for(text, ExecutionType::Standard)
    }

    /// [`StateMachine::parse`] for a state machine of this type.
    pub fn parse_for(text: &str, machine_type: ExecutionType) -> Result<StateMachine, Diagnostics> {
        let checked = read::check(text, machine_type, None);
        checked.machine.ok_or(checked.diagnostics)
    }

    /// Parses a definition that was accepted before, maybe by a release that refused less:
    /// what can be read as a machine is one, whatever is found about it. `Err` = it cannot.
    pub fn parse_accepted(text: &str) -> Result<StateMachine, Diagnostics> {
        read::read_accepted(text)
    }
}

impl State {
    /// Parses and checks the definition of one state, as `TestState` takes it.
    /// Where the state leads is not looked at. Findings are located below
    /// `/States/` and the name.
    pub fn parse(text: &str, name: &str) -> Result<State, Diagnostics> {
        let (state, diagnostics) = read::check_state(text, name, None);
        state.ok_or(diagnostics)
    }
}

/// The variables the states read, by the state's name; states that read none
/// are left out. What `DescribeStateMachine` answers as `variableReferences`.
///
/// # Examples
/// ```
/// let machine = asl::StateMachine::parse(r#"{"StartAt": "A", "States": {
///     "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "B"},
///     "B": {"Type": "Pass", "InputPath": "$x.y", "End": true}}}"#)?;
/// let references = asl::variable_references(&machine);
/// assert_eq!(references.get("B"), Some(&vec!["x".to_owned()]));
/// # Ok::<(), asl::Diagnostics>(())
/// ```
pub fn variable_references(machine: &StateMachine) -> IndexMap<String, Vec<String>> {
    let mut references = IndexMap::new();
    collect_references(&machine.states, &mut references);
    references
}

fn collect_references(states: &States, references: &mut IndexMap<String, Vec<String>>) {
    for (name, state) in states {
        if !state.reads.is_empty() {
            references.insert(name.clone(), state.reads.clone());
        }
        match &state.kind {
            StateKind::Map(map) => collect_references(&map.processor.states, references),
            StateKind::Parallel(parallel) => {
                parallel.branches.iter().for_each(|branch| collect_references(&branch.states, references));
            }
            _ => {}
        }
    }
}
