//! The intermediate representation of a workflow: what the authoring functions
//! recorded, as plain data. `codegen` reads it; nothing here knows ASL.
//!
//! A workflow is a tree of [`Block`]s. A block is a list of [`State`]s run one
//! after the other and the value it leaves behind. Values are [`Node`]s: an
//! expression tree over the execution input, the results of earlier states,
//! the item of an enclosing map and the error seen by a catcher. Nodes live as
//! long as the program (a workflow is described once, then emitted), which is
//! what makes `Expr<T>` `Copy`.

use serde_json::Value;

/// A value in a workflow, by reference to its node.
pub type NodeRef = &'static Node;

/// Where in the Rust source something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Path as the compiler saw it, relative to the workspace.
    pub file: &'static str,
    /// One-based line.
    pub line: u32,
}

/// The result of one state, one map item or one caught error: unique in its workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// A type that travels between states: its Rust name and its JSON schema.
#[derive(Debug, Clone, Copy)]
pub struct TypeInfo {
    /// The Rust name without its path.
    pub name: &'static str,
    /// Writes the schema into a generator (`schemars::SchemaGenerator::subschema_for::<T>`).
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

/// A workflow, described.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The state machine's name; at most 80 characters, letters, digits, `-` and `_`.
    pub name: String,
    /// The machine's `Comment`.
    pub comment: Option<String>,
    /// What an execution is started with.
    pub input: TypeInfo,
    /// What it ends with.
    pub output: TypeInfo,
    /// The machine's `TimeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// How `stepwright run` turns files into an input.
    pub intake: Option<Intake>,
    /// What starts executions by itself.
    pub triggers: Vec<Trigger>,
    /// The states.
    pub body: Block,
    /// Where the workflow function is written.
    pub location: Location,
}

/// How files given on a command line become an execution input.
///
/// Files are put into the bucket under a name derived from their content; the
/// fields receive references to them.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The bucket that receives the files.
    pub bucket: ResourceInfo,
    /// The input field (serde name) that takes the list of file references.
    pub files_field: String,
    /// The input field that takes the reference to the spec file.
    pub spec_field: String,
    /// Whether the spec's neighbours belong to it: then its whole folder is put into the bucket.
    pub with_folder: bool,
    /// The input field that takes the business period.
    pub period_field: Option<String>,
    /// The input field that takes messages: a list of texts.
    pub messages_field: Option<String>,
    /// The input field that takes why a period is delivered again: an object with `reason`.
    pub correction_field: Option<String>,
    /// Folder, relative to the workflow's package: `spec.toml` and the sample's
    /// files in `input/`, or `sample.toml`, which lists executions.
    pub sample: String,
}

/// Something that starts executions.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// The clock.
    Schedule {
        /// `cron(…)`, `rate(…)` or `at(…)`.
        expression: String,
        /// IANA name; UTC if none is given.
        timezone: Option<String>,
        /// What an execution is started with; texts may hold `<aws.scheduler.scheduled-time>`.
        input: Value,
        /// Where it is declared.
        location: Location,
    },
    /// Objects that arrive in a bucket.
    Objects {
        /// The bucket.
        bucket: ResourceInfo,
        /// What their keys begin with.
        prefix: String,
        /// What their keys end with, one of these; anything if there is none.
        endings: Vec<String>,
        /// The workflow's input, made of [`Node::Event`]: S3's event.
        input: NodeRef,
        /// Where it is declared.
        location: Location,
    },
    /// Messages of a queue.
    Queue {
        /// The queue's name in the app.
        name: String,
        /// AWS accounts that may send, beside the own one.
        accounts: Vec<String>,
        /// Most messages of one execution.
        batch: u32,
        /// How long a pipe collects them.
        window_seconds: u32,
        /// The workflow's input, made of [`Node::Event`]: an array of messages.
        input: NodeRef,
        /// Where it is declared.
        location: Location,
    },
}

/// States in sequence, and how the sequence ends.
#[derive(Debug, Clone)]
pub struct Block {
    /// The states in order.
    pub states: Vec<State>,
    /// What follows them.
    pub end: End,
}

/// How a block ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// With a value; what follows is up to whoever contains the block.
    Value(NodeRef),
    /// Not at all: its last state is a `Fail`, a `Succeed`, or a choice whose
    /// every branch diverges.
    Diverges,
}

/// One state of the workflow.
#[derive(Debug, Clone)]
pub struct State {
    /// The wanted name; `codegen` makes it unique in the machine.
    pub name: String,
    /// `Comment` of the state: a step's doc comment, or none.
    pub comment: Option<String>,
    /// Where it is written.
    pub location: Location,
    /// What it is.
    pub kind: StateKind,
}

/// What a state does. A `result` is the slot through which later nodes refer
/// to what the state produced.
#[derive(Debug, Clone)]
pub enum StateKind {
    /// Runs a step.
    Task(Task),
    /// Calls a service.
    Service(ServiceCall),
    /// Leaves a value behind without doing anything.
    Pass {
        /// The value.
        value: NodeRef,
        /// Its name for later.
        result: Slot,
    },
    /// Waits.
    Wait(Wait),
    /// Takes the first branch whose condition holds.
    Choice(Choice),
    /// Runs a block per item.
    Map(Map),
    /// Runs blocks side by side.
    Parallel(Parallel),
    /// Ends the execution as failed.
    Fail {
        /// The error name, text.
        error: NodeRef,
        /// The cause, text.
        cause: NodeRef,
    },
    /// Ends the execution (or the iteration, or the branch) with a value.
    Succeed {
        /// The output.
        output: NodeRef,
    },
}

/// A Task state.
#[derive(Debug, Clone)]
pub struct Task {
    /// The step it runs.
    pub step: StepInfo,
    /// What the step is called with.
    pub input: NodeRef,
    /// The slot of the step's output (or of the catchers' values).
    pub result: Slot,
    /// In the order written; the transient `Lambda.*` retrier is codegen's.
    pub retriers: Vec<Retrier>,
    /// In the order written.
    pub catchers: Vec<Catcher>,
    /// Overrides the step's own timeout; of a step that waits, how long it waits.
    pub timeout_seconds: Option<u64>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
    /// Errors the author accepts as failing the execution (silences the lint).
    pub lets_fail: Vec<&'static str>,
}

/// A Task state that calls a service; nobody reads its result.
#[derive(Debug, Clone)]
pub struct ServiceCall {
    /// What it calls.
    pub request: ServiceRequest,
    /// The slot that the catchers' values, which are nothing, take the place of.
    pub result: Slot,
    /// In the order written.
    pub retriers: Vec<Retrier>,
    /// In the order written.
    pub catchers: Vec<Catcher>,
}

/// What a workflow asks of a service.
#[derive(Debug, Clone, Copy)]
pub enum ServiceRequest {
    /// An event for the default bus.
    PutEvent {
        /// Text.
        source: NodeRef,
        /// Text.
        detail_type: NodeRef,
        /// An object.
        detail: NodeRef,
    },
    /// An answer for a step that waits.
    SendTaskSuccess {
        /// The step.
        step: StepInfo,
        /// Text.
        token: NodeRef,
        /// The step's output.
        output: NodeRef,
    },
    /// An error as the answer for a step that waits.
    SendTaskFailure {
        /// The step.
        step: StepInfo,
        /// Text.
        token: NodeRef,
        /// Text.
        error: NodeRef,
        /// Text.
        cause: NodeRef,
    },
}

/// One element of `Retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// Error names.
    pub errors: Vec<String>,
    /// Seconds before the first retry, at least 1.
    pub interval_seconds: u64,
    /// Retries, not attempts; 0 means never.
    pub max_attempts: u64,
    /// Factor between two intervals, at least 1.0.
    pub backoff_rate: f64,
    /// Upper limit of an interval.
    pub max_delay_seconds: Option<u64>,
    /// `JitterStrategy: FULL`.
    pub full_jitter: bool,
}

/// One element of `Catch`.
#[derive(Debug, Clone)]
pub struct Catcher {
    /// Error names.
    pub errors: Vec<String>,
    /// The slot of the caught error: an object with `Error` and `Cause`.
    pub caught: Slot,
    /// What happens then; its value takes the place of the state's result.
    pub body: Block,
}

/// A Wait state.
#[derive(Debug, Clone, Copy)]
pub enum Wait {
    /// A number of seconds.
    Seconds(NodeRef),
    /// An RFC 3339 timestamp.
    Until(NodeRef),
}

/// A Choice state.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Conditions in order.
    pub arms: Vec<Arm>,
    /// Taken when no condition holds.
    pub otherwise: Block,
    /// The slot of the taken branch's value.
    pub result: Slot,
}

/// One branch of a choice.
#[derive(Debug, Clone)]
pub struct Arm {
    /// A boolean.
    pub condition: NodeRef,
    /// What happens when it holds.
    pub body: Block,
}

/// An inline Map state.
#[derive(Debug, Clone)]
pub struct Map {
    /// An array.
    pub items: NodeRef,
    /// The slot of the item inside `body`.
    pub item: Slot,
    /// The iteration.
    pub body: Block,
    /// `MaxConcurrency`; AWS runs at most 40 iterations of an inline map at once.
    pub max_concurrency: Option<u64>,
    /// The slot of the array of results.
    pub result: Slot,
    /// `Retry` of the whole map.
    pub retriers: Vec<Retrier>,
    /// `Catch` of the whole map.
    pub catchers: Vec<Catcher>,
}

/// A Parallel state.
#[derive(Debug, Clone)]
pub struct Parallel {
    /// The branches; the result is the array of their values.
    pub branches: Vec<Block>,
    /// The slot of that array.
    pub result: Slot,
    /// `Retry` of the whole state.
    pub retriers: Vec<Retrier>,
    /// `Catch` of the whole state.
    pub catchers: Vec<Catcher>,
}

/// A value computed in the workflow.
#[derive(Debug)]
pub enum Node {
    /// The workflow's input.
    Input,
    /// What a trigger started the execution with, before the workflow's input is made of it.
    Event,
    /// What a state left in its slot (a step's output, an error, a map item).
    Slot(Slot),
    /// The zero-based index of the map iteration whose item is this slot.
    ItemIndex(Slot),
    /// A field of the context object.
    Context(Context),
    /// A field of an object, by its name in JSON.
    Field {
        /// The object.
        of: NodeRef,
        /// The name after serde's renames.
        name: &'static str,
        /// Whether the field may be missing from a valid value.
        optional: bool,
    },
    /// One element of an array of known length (the result of a parallel state).
    Element {
        /// The array.
        of: NodeRef,
        /// Zero-based.
        index: usize,
    },
    /// A constant.
    Literal(Value),
    /// An object; an optional member is left out when its value is missing or null.
    Object(Vec<Member>),
    /// An array.
    Array(Vec<NodeRef>),
    /// Logical not.
    Not(NodeRef),
    /// Logical and, or.
    Logic(Logic, NodeRef, NodeRef),
    /// A comparison.
    Compare(Comparison, NodeRef, NodeRef),
    /// Arithmetic on numbers whose magnitude stays within 2^53.
    Arithmetic(Arithmetic, NodeRef, NodeRef),
    /// Texts (and numbers printed as JSON prints them) put together.
    Concat(Vec<NodeRef>),
    /// Whether an optional value is there: neither missing nor null.
    IsSome(NodeRef),
    /// The value, or the other when it is missing or null.
    UnwrapOr(NodeRef, NodeRef),
    /// How many elements an array has.
    Count(NodeRef),
    /// One field of every element of an array, always an array.
    Pluck(NodeRef, &'static str),
    /// The elements of an array for which a condition over `Slot` holds, always an array.
    Filter {
        /// The array.
        of: NodeRef,
        /// Stands for the element in `condition`.
        item: Slot,
        /// A boolean.
        condition: NodeRef,
    },
    /// Whether an array contains a value.
    Contains(NodeRef, NodeRef),
    /// The sum of an array of numbers; 0 for an empty one.
    Sum(NodeRef),
}

/// A member of an object under construction.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The name in JSON.
    pub name: &'static str,
    /// Its value.
    pub value: NodeRef,
    /// Left out when the value is missing or null: to a reader of the object both
    /// mean `None`, or the field's default.
    pub optional: bool,
}

/// Fields of the context object an expression may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// `Execution.Id`: the execution's ARN.
    ExecutionId,
    /// `Execution.Name`.
    ExecutionName,
    /// `Execution.StartTime`.
    ExecutionStartTime,
    /// `StateMachine.Name`.
    StateMachineName,
    /// `State.EnteredTime`.
    StateEnteredTime,
}

/// Logical operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logic {
    /// Both.
    And,
    /// Either.
    Or,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`, deep.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`, numbers only.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// Arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
}

/// What `#[step]` knows about a step.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo {
    /// The step's name: the Rust function's, with `-` for `_`.
    pub name: &'static str,
    /// The first paragraph of its doc comment.
    pub doc: &'static str,
    /// The cargo package that holds it; its binary serves it under `_HANDLER = name`.
    pub package: &'static str,
    /// Where the function is written.
    pub location: Location,
    /// Memory of the Lambda function in MiB.
    pub memory_mib: u32,
    /// Timeout of the Lambda function, at most 900 s (AWS quota).
    pub timeout_seconds: u32,
    /// The argument's type.
    pub input: TypeInfo,
    /// The result's type; of a step that waits, its answer's.
    pub output: TypeInfo,
    /// Whether it hands out a task token and its output is what the bearer answers.
    pub waits: bool,
    /// The variants of the step's error enum.
    pub errors: &'static [ErrorInfo],
    /// What the step may touch: one entry per handle in its signature.
    pub grants: fn() -> Vec<Grant>,
}

/// One declared error of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorInfo {
    /// The name a retrier or catcher sees: `Enum.Variant` unless renamed.
    pub name: &'static str,
    /// The variant's doc comment.
    pub doc: &'static str,
}

/// A resource a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceInfo {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name: lower case, digits and `-`; unique per kind in an app.
    pub name: &'static str,
}

/// Kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// Object storage: a folder locally, S3 on AWS.
    Bucket,
    /// A connection the step opens by a secret, such as a database's URL.
    Secret,
}

/// What a step may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The resource.
    pub resource: ResourceInfo,
    /// The access.
    pub access: Access,
}

/// Ways to touch a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Get objects.
    Read,
    /// Get and put objects.
    Write,
    /// Get objects that may not be there.
    Look,
    /// Put objects, and get those that may not be there.
    Exchange,
    /// Read the secret's value.
    Use,
}
