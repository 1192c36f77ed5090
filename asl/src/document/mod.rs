//! The state machine document: reading, checking, the typed model, printing.
//!
//! Owns the form of definitions and every finding about them. Refuses to run
//! anything: what a state does is the engine's business.

mod flow;
mod model;
mod print;
mod read;
mod source;
#[cfg(test)]
mod tests;

pub use model::{
    BooleanOrExpression, Catcher, Choice, ChoiceRule, Comparand, Condition, Distributed, ExecutionType, Fail,
    InputType, Is, ItemBatcher, ItemReader, Items, JitterStrategy, ManifestType, Map, NumberOrExpression,
    Operand, OutputType, Parallel, Pass, Paths, QueryLanguage, Relation, ResultPath, ResultWriter, Retrier,
    Selection, State, StateKind, StateMachine, States, SubMachine, Task, Test, TextOrExpression,
    Transformation, Transition, Wait,
};
pub use print::print;

use crate::diagnostic::Diagnostics;

/// Checks a definition and returns everything there is to say about it, in the
/// order of the text: errors, for which AWS refuses it, and warnings.
pub fn validate(text: &str) -> Diagnostics {
    read::check(text).diagnostics
}

impl StateMachine {
    /// Parses and checks a definition. `Err` holds every finding, also the
    /// warnings; a definition with warnings only is accepted.
    pub fn parse(text: &str) -> Result<StateMachine, Diagnostics> {
        let checked = read::check(text);
        checked.machine.ok_or(checked.diagnostics)
    }
}
