//! The typed model of a state machine: what the engine executes.
//!
//! Everything here is plain data, `Send + Sync`, and complete: defaults are
//! filled in, expressions are parsed. It is built only by
//! [`StateMachine::parse`], so a value of these types has been validated.

use std::sync::Arc;

use indexmap::IndexMap;

use serde_json::Value;

use crate::jsonata::Expression;
use crate::jsonpath::{Path, Query};
use crate::template::Template;

/// The states of one machine, branch or iteration, in the order of the text.
/// Shared by `Arc`, so that a running execution can hold on to a state.
pub type States = IndexMap<String, Arc<State>>;

/// The language of a state's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    #[default]
    JsonPath,
    /// Expressions between `{%` and `%}`.
    Jsonata,
}

/// A whole state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    /// `Comment`.
    pub comment: Option<String>,
    /// `QueryLanguage`: the language of every state that names none.
    pub query_language: QueryLanguage,
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
    /// The language of the state's fields: its own, or the machine's.
    pub query_language: QueryLanguage,
    /// What the state does.
    pub kind: StateKind,
    /// How JSON flows through the state in JSONPath; the defaults in JSONata.
    pub paths: Paths,
    /// `Assign`: variables to set when the state succeeds; always an object.
    /// On a Choice it applies when no rule matches and `Default` is taken.
    pub assign: Option<Template>,
    /// `Output`, JSONata only: what the state returns. On a Choice it applies to `Default`.
    pub output: Option<Template>,
    /// `Next` or `End`. `None` for Choice, Succeed and Fail.
    pub transition: Option<Transition>,
    /// `Retry`, in order; only Task, Parallel and Map have any.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order; only Task, Parallel and Map have any.
    pub catch: Vec<Catcher>,
    /// The variables the state's fields read, sorted, without `$`; not those of the states inside of it.
    pub reads: Vec<String>,
}

/// The fields that select and combine JSON in JSONPath. A state has the ones
/// its type allows; the others keep their defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Paths {
    /// `InputPath`.
    pub input: Selection,
    /// `ResultSelector`: Task, Parallel and Map.
    pub result_selector: Option<Template>,
    /// `ResultPath`: Pass, Task, Parallel and Map.
    pub result: ResultPath,
    /// `OutputPath`.
    pub output: Selection,
}

/// `InputPath` or `OutputPath`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Selection {
    /// Absent, or `$`: everything.
    #[default]
    All,
    /// `null`: an empty object.
    Nothing,
    /// What the path finds; it may start at `$`, `$$` or a variable.
    Path(Path),
}

/// `ResultPath`: where the result goes into the raw input.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ResultPath {
    /// Absent, or `$`: the result replaces the input.
    #[default]
    Replace,
    /// `null`: the result is dropped and the input goes on.
    Discard,
    /// The result is put there; a reference path.
    Path(Path),
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
    /// Passes its input on, or what it was given.
    Pass(Pass),
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
            Self::Pass(_) => "Pass",
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

/// The fields of a Pass, JSONPath only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pass {
    /// `Parameters`.
    pub parameters: Option<Template>,
    /// `Result`: the virtual task's result; paths in it are not evaluated.
    pub result: Option<Value>,
}

/// The fields of a Task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// `Resource`, e.g. `arn:aws:states:::lambda:invoke`.
    pub resource: String,
    /// `Arguments`, in JSONPath `Parameters`; without them the task gets the state's effective input.
    pub arguments: Option<Template>,
    /// `TimeoutSeconds` or `TimeoutSecondsPath`, in seconds.
    pub timeout_seconds: Option<NumberOrExpression>,
    /// `HeartbeatSeconds` or `HeartbeatSecondsPath`, in seconds; less than the timeout.
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
    /// `Condition`, or the comparison of a rule in JSONPath.
    pub condition: Condition,
    /// `Next`: where to go when the condition holds.
    pub next: String,
    /// `Assign` of the rule.
    pub assign: Option<Template>,
    /// `Output` of the rule, JSONata only.
    pub output: Option<Template>,
}

/// What a rule of a Choice asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `Condition`, in JSONata: has to answer a boolean.
    Expression(BooleanOrExpression),
    /// `And`, in JSONPath: all of them.
    And(Vec<Condition>),
    /// `Or`, in JSONPath: one of them.
    Or(Vec<Condition>),
    /// `Not`, in JSONPath.
    Not(Box<Condition>),
    /// `Variable` and an operator, in JSONPath.
    Test {
        /// `Variable`.
        variable: Path,
        /// The operator's name, e.g. `NumericLessThanEqualsPath`.
        operator: &'static str,
        /// What the operator asks of the variable.
        test: Test,
    },
}

/// What an operator of a Choice rule in JSONPath asks of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `StringEquals` … `TimestampGreaterThanEqualsPath`.
    Compare {
        /// The type both sides have to have.
        comparand: Comparand,
        /// How they relate.
        relation: Relation,
        /// The other side.
        to: Operand,
    },
    /// `StringMatches`: `*` stands for any text, `\\*` and `\\\\` for themselves.
    Matches(String),
    /// `IsNull`, `IsPresent`, …: whether the variable is that, or is not.
    Is {
        /// What it is asked to be.
        what: Is,
        /// The operator's value.
        expected: bool,
    },
}

/// The type an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum Comparand {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

/// How two values relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// The operator's value, checked to be of the operator's type.
    Literal(Value),
    /// `…Path`: what the path finds.
    Path(Path),
}

/// What `IsNull` and its like ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum Is {
    Null,
    Present,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

/// How long a Wait waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// `Seconds` or `SecondsPath`.
    Seconds(NumberOrExpression),
    /// `Timestamp` or `TimestampPath`: until this RFC 3339 time.
    Timestamp(TextOrExpression),
}

/// The fields of a Fail.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fail {
    /// `Error` or `ErrorPath`.
    pub error: Option<TextOrExpression>,
    /// `Cause` or `CausePath`.
    pub cause: Option<TextOrExpression>,
}

/// The fields of a Parallel.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// `Branches`, in order; at least one.
    pub branches: Vec<SubMachine>,
    /// `Arguments`, in JSONPath `Parameters`: the input of every branch; without them the state's effective input.
    pub arguments: Option<Template>,
}

/// The fields of a Map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Where the items are, unless an item reader reads them.
    pub items: Items,
    /// `ItemSelector` (or, of old, `Parameters`): the input of one iteration; without it the item.
    pub item_selector: Option<Template>,
    /// The name the item selector is written under: `ItemSelector` or `Parameters`.
    pub item_selector_field: &'static str,
    /// `MaxConcurrency` or `MaxConcurrencyPath`; 0 or absent means as many as allowed.
    pub max_concurrency: Option<NumberOrExpression>,
    /// `ToleratedFailureCount` or `ToleratedFailureCountPath`.
    pub tolerated_failure_count: Option<NumberOrExpression>,
    /// `ToleratedFailurePercentage` or `ToleratedFailurePercentagePath`, 0 to 100.
    pub tolerated_failure_percentage: Option<PercentageOrExpression>,
    /// `ItemProcessor` (or, of old, `Iterator`): what runs for each item.
    pub processor: SubMachine,
    /// The fields of the mode `DISTRIBUTED`; `None` = iterations run inside the execution.
    pub distributed: Option<Box<Distributed>>,
}

/// Where the items of a Map are.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// The state's effective input is the array (or, in JSONata, `$states.input`).
    Input,
    /// `ItemsPath`, JSONPath only.
    Path(Path),
    /// `Items`, JSONata only: an array, an object, or an expression of one.
    Template(Template),
}

/// The fields only a distributed Map has.
#[derive(Debug, Clone, PartialEq)]
pub struct Distributed {
    /// `ExecutionType` of the child executions.
    pub execution_type: ExecutionType,
    /// `Label`: part of the ARNs of the Map Run; at most 40 characters.
    pub label: Option<String>,
    /// `ItemReader`: reads the items from Amazon S3.
    pub item_reader: Option<ItemReader>,
    /// `ItemBatcher`: several items for one child execution.
    pub item_batcher: Option<ItemBatcher>,
    /// `ResultWriter`: writes the results to Amazon S3.
    pub result_writer: Option<ResultWriter>,
}

/// The type of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ExecutionType {
    /// Durable, up to a year.
    #[default]
    Standard,
    /// In memory, up to five minutes.
    Express,
}

/// `ItemReader`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemReader {
    /// `Resource`: `arn:aws:states:::s3:getObject` or `arn:aws:states:::s3:listObjectsV2`.
    pub resource: String,
    /// `Arguments`, in JSONPath `Parameters`.
    pub arguments: Option<Template>,
    /// `InputType`; always there for `getObject`.
    pub input_type: Option<InputType>,
    /// `Transformation` of `listObjectsV2`: the objects' contents instead of their metadata.
    pub load_and_flatten: bool,
    /// `CSVDelimiter`; the comma by default.
    pub csv_delimiter: char,
    /// `CSVHeaders`, with `CSVHeaderLocation` `GIVEN`; `None` = the first row holds the headers.
    pub csv_headers: Option<Vec<String>>,
    /// `ManifestType`.
    pub manifest_type: Option<ManifestType>,
    /// `ItemsPointer`: a JSON Pointer to the items of a JSON file.
    pub items_pointer: Option<String>,
    /// `MaxItems` or `MaxItemsPath`; 0 or absent means all.
    pub max_items: Option<NumberOrExpression>,
}

/// `InputType`: the format of what an item reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum InputType {
    Csv,
    Json,
    JsonLines,
    Parquet,
    Manifest,
}

/// `ManifestType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum ManifestType {
    S3Inventory,
    AthenaData,
}

/// `ItemBatcher`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemBatcher {
    /// `MaxItemsPerBatch` or `MaxItemsPerBatchPath`.
    pub max_items_per_batch: Option<NumberOrExpression>,
    /// `MaxInputBytesPerBatch` or `MaxInputBytesPerBatchPath`, at most 262,144.
    pub max_input_bytes_per_batch: Option<NumberOrExpression>,
    /// `BatchInput`: what every batch gets besides its items.
    pub batch_input: Option<Template>,
}

/// `ResultWriter`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultWriter {
    /// `Resource`: `arn:aws:states:::s3:putObject`; `None` = results stay in the state's output.
    pub resource: Option<String>,
    /// `Arguments`, in JSONPath `Parameters`: `Bucket` and `Prefix`.
    pub arguments: Option<Template>,
    /// `WriterConfig.OutputType`.
    pub output_type: OutputType,
    /// `WriterConfig.Transformation`.
    pub transformation: Transformation,
}

/// `OutputType` of a result writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum OutputType {
    #[default]
    Json,
    JsonLines,
}

/// `Transformation` of a result writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transformation {
    /// `NONE`: outputs with the metadata of their executions.
    #[default]
    None,
    /// `COMPACT`: the outputs alone.
    Compact,
    /// `FLATTEN`: the outputs, arrays among them taken apart.
    Flatten,
}

/// A field that is a number, an expression of one, or the path to one.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberOrExpression {
    /// The number.
    Number(u64),
    /// The expression, in JSONata.
    Expression(Expression),
    /// The path of a field that ends in `Path`, in JSONPath.
    Path(Path),
}

/// A percentage, an expression of one, or the path to one.
#[derive(Debug, Clone, PartialEq)]
pub enum PercentageOrExpression {
    /// The percentage, 0 to 100; not always whole.
    Number(f64),
    /// The expression, in JSONata.
    Expression(Expression),
    /// The path of `ToleratedFailurePercentagePath`, in JSONPath.
    Path(Path),
}

/// A field that is text or an expression of text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextOrExpression {
    /// The text.
    Text(String),
    /// The expression, in JSONata.
    Expression(Expression),
    /// The path or intrinsic function of a field that ends in `Path`, in JSONPath.
    Query(Query),
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
    /// `Output` of the catcher, JSONata only; may read `$states.errorOutput`.
    pub output: Option<Template>,
    /// `ResultPath` of the catcher, JSONPath only.
    pub result_path: ResultPath,
}
