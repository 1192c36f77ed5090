//! The typed model of a state machine: what the engine executes.
//!
//! Everything here is plain data, `Send + Sync`, and complete: defaults are
//! filled in, expressions are parsed. It is built only by
//! [`StateMachine::parse`], so a value of these types has been validated.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::jsonata::Expression;
use crate::template::Template;

/// The states of one machine, branch or iteration, in the order of the text.
/// Shared by `Arc`, so that a running execution can hold on to a state.
pub type States = IndexMap<String, Arc<State>>;

/// A whole state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    /// `Comment`.
    pub comment: Option<String>,
    /// `StartAt`: the name of the first state.
    pub start_at: String,
    /// `TimeoutSeconds` of an execution, in seconds.
    pub timeout_seconds: Option<u64>,
    /// `Version` of the language; only `1.0` exists.
    pub version: Option<String>,
    /// `States`.
    pub states: States,
}

/// A machine inside a state: a branch of a Parallel, the processor of a Map.
#[derive(Debug, Clone, PartialEq)]
pub struct SubMachine {
    /// `StartAt`: the name of the first state.
    pub start_at: String,
    /// `States`.
    pub states: States,
}

/// One state: what it does, and what is common to all kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// `Comment`.
    pub comment: Option<String>,
    /// What the state does.
    pub kind: StateKind,
    /// `Assign`: variables to set when the state succeeds; always an object.
    /// On a Choice it applies when no rule matches and `Default` is taken.
    pub assign: Option<Template>,
    /// `Output`: what the state returns. On a Choice it applies to `Default`.
    pub output: Option<Template>,
    /// `Next` or `End`. `None` for Choice, Succeed and Fail.
    pub transition: Option<Transition>,
    /// `Retry`, in order; only Task, Parallel and Map have any.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order; only Task, Parallel and Map have any.
    pub catch: Vec<Catcher>,
}

/// Where execution goes after a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// To the state of this name, in the same `States`.
    Next(String),
    /// To the end of the machine, branch or iteration.
    End,
}

/// What a state does.
#[derive(Debug, Clone, PartialEq)]
pub enum StateKind {
    /// Passes its input on.
    Pass,
    /// Calls a resource.
    Task(Task),
    /// Picks the next state.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Ends the machine successfully.
    Succeed,
    /// Fails the machine.
    Fail(Fail),
    /// Runs branches at the same time.
    Parallel(Parallel),
    /// Runs a processor for each item.
    Map(Map),
}

impl StateKind {
    /// The value of `Type`, e.g. `Task`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task(_) => "Task",
            Self::Choice(_) => "Choice",
            Self::Wait(_) => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail(_) => "Fail",
            Self::Parallel(_) => "Parallel",
            Self::Map(_) => "Map",
        }
    }
}

/// The fields of a Task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// `Resource`, e.g. `arn:aws:states:::lambda:invoke`.
    pub resource: String,
    /// `Arguments`; without them the task gets the state's input.
    pub arguments: Option<Template>,
    /// `TimeoutSeconds`, in seconds.
    pub timeout_seconds: Option<NumberOrExpression>,
    /// `HeartbeatSeconds`, in seconds; less than the timeout.
    pub heartbeat_seconds: Option<NumberOrExpression>,
    /// `Credentials`: the role to call the resource with.
    pub credentials: Option<Template>,
}

/// The fields of a Choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// `Choices`, in order; at least one.
    pub rules: Vec<ChoiceRule>,
    /// `Default`: the next state when no rule matches. Without it the state
    /// then fails with `States.NoChoiceMatched`.
    pub default: Option<String>,
}

/// One rule of a Choice.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceRule {
    /// `Comment`.
    pub comment: Option<String>,
    /// `Condition`: has to answer a boolean.
    pub condition: BooleanOrExpression,
    /// `Next`: where to go when the condition holds.
    pub next: String,
    /// `Assign` of the rule.
    pub assign: Option<Template>,
    /// `Output` of the rule.
    pub output: Option<Template>,
}

/// How long a Wait waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// `Seconds`.
    Seconds(NumberOrExpression),
    /// `Timestamp`: until this RFC 3339 time.
    Timestamp(TextOrExpression),
}

/// The fields of a Fail.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fail {
    /// `Error`.
    pub error: Option<TextOrExpression>,
    /// `Cause`.
    pub cause: Option<TextOrExpression>,
}

/// The fields of a Parallel.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// `Branches`, in order; at least one.
    pub branches: Vec<SubMachine>,
    /// `Arguments`: the input of every branch; without them the state's input.
    pub arguments: Option<Template>,
}

/// The fields of a Map whose iterations run inside the execution (`INLINE`).
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// `Items`: an array, or an expression of one; without it the state's input.
    pub items: Option<Template>,
    /// `ItemSelector`: the input of one iteration; without it the item.
    pub item_selector: Option<Template>,
    /// `MaxConcurrency`; 0 or absent means as many as allowed.
    pub max_concurrency: Option<NumberOrExpression>,
    /// `ItemProcessor`: what runs for each item.
    pub processor: SubMachine,
}

/// A field that is a whole number or an expression of one.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberOrExpression {
    /// The number.
    Number(u64),
    /// The expression.
    Expression(Expression),
}

/// A field that is text or an expression of text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextOrExpression {
    /// The text.
    Text(String),
    /// The expression.
    Expression(Expression),
}

/// A condition: a boolean or an expression of one.
#[derive(Debug, Clone, PartialEq)]
pub enum BooleanOrExpression {
    /// The boolean.
    Boolean(bool),
    /// The expression.
    Expression(Expression),
}

/// One entry of `Retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// `ErrorEquals`: the names of errors it is for; at least one.
    pub error_equals: Vec<String>,
    /// `IntervalSeconds` before the first retry, in seconds.
    pub interval_seconds: u64,
    /// `MaxAttempts`: how many retries there are; 0 = never retry.
    pub max_attempts: u64,
    /// `BackoffRate`: what the interval grows by with every retry; at least 1.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`: the longest interval, in seconds.
    pub max_delay_seconds: Option<u64>,
    /// `JitterStrategy`.
    pub jitter: JitterStrategy,
}

/// Whether retry intervals are randomised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JitterStrategy {
    /// `NONE`: the interval as computed.
    #[default]
    None,
    /// `FULL`: a random interval between 0 and the computed one.
    Full,
}

/// One entry of `Catch`.
#[derive(Debug, Clone, PartialEq)]
pub struct Catcher {
    /// `Comment`.
    pub comment: Option<String>,
    /// `ErrorEquals`: the names of errors it is for; at least one.
    pub error_equals: Vec<String>,
    /// `Next`: where to go.
    pub next: String,
    /// `Assign` of the catcher; may read `$states.errorOutput`.
    pub assign: Option<Template>,
    /// `Output` of the catcher; may read `$states.errorOutput`.
    pub output: Option<Template>,
}
