//! Amazon States Language: the document, its validation, AWS's limits, and the
//! query language of its expressions.
//!
//! The crate is pure: text in, values out. It knows nothing of executions,
//! files or networks; time and randomness come from the caller ([`Host`]).
//! [`StateMachine::parse`] gives a model that can be executed as it stands:
//! checked, with defaults filled in and expressions parsed.
//!
//! Both query languages, JSONata and JSONPath, and every type of state are read.
//!
//! ```
//! use asl::{Host, Scope, StateBudget, StateMachine};
//! use indexmap::IndexMap;
//! use serde_json::json;
//!
//! let text = r#"{
//!   "QueryLanguage": "JSONata",
//!   "StartAt": "Greet",
//!   "States": {
//!     "Greet": {"Type": "Pass", "Output": {"text": "{% 'Hello ' & $states.input.name %}"}, "End": true}
//!   }
//! }"#;
//! let machine = StateMachine::parse(text)?;
//!
//! struct Still;
//! impl Host for Still {
//!     fn now_millis(&self) -> i64 { 0 }
//!     fn random(&self) -> f64 { 0.5 }
//!     fn uuid(&self) -> String { "00000000-0000-4000-8000-000000000000".to_owned() }
//! }
//!
//! let states = json!({"input": {"name": "Ada"}, "context": {}});
//! let budget = StateBudget::new();
//! let scope = Scope { states: &states, variables: &IndexMap::new(), host: &Still, budget: &budget };
//! let greet = machine.states.get("Greet").expect("it is there");
//! let output = greet.output.as_ref().expect("it has one");
//! assert_eq!(output.evaluate("Output", &scope)?, json!({"text": "Hello Ada"}));
//!
//! // What is wrong has a code, a place, and AWS's words.
//! let diagnostics = asl::validate(&text.replace("\"End\": true", "\"Next\": \"Gone\""));
//! assert_eq!(
//!     diagnostics.iter().next().expect("a finding").to_string(),
//!     "MISSING_TRANSITION_TARGET: Missing 'Next' target: Gone at /States/Greet/Next"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod budget;
pub mod diagnostic;
mod digest;
pub mod document;
mod java;
pub mod jsonata;
pub mod jsonpath;
pub mod limits;
mod quote;
mod regex;
pub mod template;
pub mod timestamp;

pub use budget::{StateBudget, TooMuch};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Severity};
pub use document::{
    About, BooleanOrExpression, Catcher, Choice, ChoiceRule, Comparand, Condition, Distributed,
    ExecutionType, Fail, Given, InputType, Integrations, Is, ItemBatcher, ItemReader, Items, JitterStrategy,
    ManifestType, Map, NumberOrExpression, Operand, OutputType, Parallel, Pass, Paths,
    PercentageOrExpression, QueryLanguage, Relation, Remark, ResultPath, ResultWriter, Retrier, Selection,
    State, StateKind, StateMachine, States, SubMachine, Task, Test, TextOrExpression, Transformation,
    Transition, Wait, print, validate, validate_for, validate_state, validate_with, variable_references,
};
pub use jsonata::Expression;
pub use template::{Host, QueryError, Scope, StatesView, Template};
