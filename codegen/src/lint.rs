//! Findings about a workflow that emits well and may still go wrong. They are
//! data: the caller decides what stops a build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use stepwright::ir::{self, Block, Catcher, Location, Map, Retrier, Slot, State, StateKind, Task};

use crate::draft::Draft;
use crate::functions::{Function, catchers, inner_blocks};
use crate::places::SlotShapes;
use crate::retry::WILDCARDS;
use crate::shape::{Kind, Shape};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// What kind of finding it is.
    pub code: LintCode,
    /// What is the matter, and what to do about it.
    pub message: String,
    /// `file:line` of what it is about.
    pub location: String,
    /// The state it is about, by its name in the definition.
    pub state: Option<String>,
}

impl fmt::Display for Lint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} [{}]", self.location, self.message, self.code.as_str())
    }
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LintCode {
    /// A declared error of a step, or the end of its waiting time, is neither retried, nor
    /// caught, nor accepted.
    UnhandledError,
    /// A step waits for an answer without a limit.
    EndlessWait,
    /// A catch-all ends in a Fail state: a redrive would only fail there again.
    UselessRedrive,
    /// A map over a list without an upper limit collects lists without one.
    UnboundedMap,
    /// A field that looks like a secret travels in plain text.
    SensitiveField,
}

impl LintCode {
    /// Every code, in the order of the enum.
    pub const ALL: &'static [LintCode] = &[
        Self::UnhandledError,
        Self::EndlessWait,
        Self::UselessRedrive,
        Self::UnboundedMap,
        Self::SensitiveField,
    ];

    /// The stable name of the finding, such as `unhandled-error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnhandledError => "unhandled-error",
            Self::EndlessWait => "endless-wait",
            Self::UselessRedrive => "useless-redrive",
            Self::UnboundedMap => "unbounded-map",
            Self::SensitiveField => "sensitive-field",
        }
    }

    /// How much weight a finding has unless somebody decides otherwise.
    pub const fn level(self) -> LintLevel {
        match self {
            Self::UnhandledError | Self::EndlessWait | Self::UselessRedrive => LintLevel::Deny,
            Self::UnboundedMap | Self::SensitiveField => LintLevel::Warn,
        }
    }
}

/// Weights of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintLevel {
    /// Worth a look.
    Warn,
    /// Should stop a build.
    Deny,
}

/// Words in a field name that say its value is a secret. Whole words, so that
/// `token_count` is one and `tokenizer` is not.
const SENSITIVE_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "pin",
    "cvv",
];

/// Pairs of words that say so together.
const SENSITIVE_PAIRS: [(&str, &str); 4] =
    [("api", "key"), ("private", "key"), ("access", "key"), ("card", "number")];

/// All findings, in the order of the workflow.
pub(crate) fn of(
    workflow: &ir::Workflow,
    draft: &Draft<'_>,
    shapes: &SlotShapes<'_>,
    input_schema: &Value,
    functions: &[Function],
) -> Vec<Lint> {
    let mut linter = Linter { names: state_names(draft), shapes, lints: Vec::new() };
    linter.fields(input_schema, workflow.input.name, workflow.location);
    for function in functions {
        linter.fields(&function.input_schema, function.step.input.name, function.step.location);
        linter.fields(&function.output_schema, function.step.output.name, function.step.location);
    }
    linter.block(&workflow.body, &[]);
    let mut lints = linter.lints;
    // A type that is both a result and an input would be reported twice.
    let mut seen = BTreeSet::new();
    lints.retain(|lint| seen.insert((lint.code, lint.message.clone())));
    lints
}

/// The final name of every state that has a result, by the slot of it.
fn state_names(draft: &Draft<'_>) -> BTreeMap<Slot, String> {
    draft.all().filter_map(|(id, state)| Some((state.result?, draft.name(id).to_owned()))).collect()
}

struct Linter<'a> {
    names: BTreeMap<Slot, String>,
    shapes: &'a SlotShapes<'a>,
    lints: Vec<Lint>,
}

impl Linter<'_> {
    fn block(&mut self, block: &Block, around: &[&Catcher]) {
        for state in &block.states {
            self.state(state, around);
        }
    }

    /// `around`: the catchers of the maps and parallels the state runs in.
    fn state(&mut self, state: &State, around: &[&Catcher]) {
        let catchers = catchers(&state.kind);
        let inside: Vec<&Catcher> = around.iter().copied().chain(catchers).collect();
        match &state.kind {
            StateKind::Task(task) => {
                self.unhandled(state, task, &inside);
                self.endless(state, task);
                self.useless_redrive(state, task.result);
            }
            StateKind::Service(call) => self.useless_redrive(state, call.result),
            StateKind::Map(map) => {
                self.unbounded(state, map);
                self.useless_redrive(state, map.result);
                self.block(&map.body, &inside);
            }
            StateKind::Parallel(parallel) => {
                self.useless_redrive(state, parallel.result);
                parallel.branches.iter().for_each(|branch| self.block(branch, &inside));
            }
            StateKind::Choice(_) => {
                for branch in inner_blocks(&state.kind) {
                    self.block(branch, around);
                }
            }
            StateKind::Pass { .. }
            | StateKind::Wait(_)
            | StateKind::Fail { .. }
            | StateKind::Succeed { .. } => {}
        }
        for catcher in catchers {
            self.block(&catcher.body, around);
        }
    }

    fn name(&self, state: &State, result: Slot) -> String {
        self.names.get(&result).unwrap_or(&state.name).clone()
    }

    fn unhandled(&mut self, state: &State, task: &Task, catching: &[&Catcher]) {
        let declared = task.step.errors.iter().map(|error| error.name);
        // The time of one that waits is over sooner or later.
        let timeout = (task.step.waits && task.timeout_seconds.is_some()).then_some(TIMEOUT);
        for error in declared.chain(timeout) {
            let is_handled = task.retriers.iter().any(|retrier| retries(retrier, error))
                || catching.iter().any(|catcher| catches(catcher, error))
                || task.lets_fail.contains(&error);
            if !is_handled {
                let name = self.name(state, task.result);
                let message = format!(
                    "{name}: error `{error}` is neither retried nor caught; it fails the execution. Retry it, catch it, or accept it with `.lets_fail(…)`",
                );
                self.push(LintCode::UnhandledError, message, state.location, Some(name));
            }
        }
    }

    fn endless(&mut self, state: &State, task: &Task) {
        if task.step.waits && task.timeout_seconds.is_none() {
            let name = self.name(state, task.result);
            let message = format!(
                "{name} waits for an answer, and nothing says how long; where none comes, the execution hangs until it is a year old. Say it with `.wait_at_most(seconds)`"
            );
            self.push(LintCode::EndlessWait, message, state.location, Some(name));
        }
    }

    fn useless_redrive(&mut self, state: &State, result: Slot) {
        for catcher in catchers(&state.kind) {
            let is_catch_all = catcher.errors.iter().any(|error| WILDCARDS.contains(&error.as_str()));
            if is_catch_all && let Some(fail) = reached_fail(&catcher.body) {
                let name = self.name(state, result);
                let message = format!(
                    "{name} catches {} and reaches the Fail state `{}`; redrive cannot recover it. Let the state fail by itself, or catch only the errors no second try can help",
                    catcher.errors.join(", "),
                    fail.name
                );
                self.push(LintCode::UselessRedrive, message, state.location, Some(name));
            }
        }
    }

    fn unbounded(&mut self, state: &State, map: &Map) {
        if is_bounded_list(&self.shapes.of(map.items)) {
            return;
        }
        let collected = self.shapes.of_end(map.body.end);
        let Some(path) = collected.and_then(|shape| unbounded_part(&shape, "")) else { return };
        let name = self.name(state, map.result);
        let part = if path.is_empty() { "its value".to_owned() } else { format!("`{path}`") };
        let message = format!(
            "{name} collects {part} of every iteration, and neither the number of items nor the size of that part has a limit; AWS allows 256 KiB. Return a reference to stored data, or limit the list with `#[schemars(length(max = …))]`"
        );
        self.push(LintCode::UnboundedMap, message, state.location, Some(name));
    }

    fn fields(&mut self, schema: &Value, type_name: &str, location: Location) {
        let mut names = Vec::new();
        property_names(schema, &mut names);
        for name in names {
            if is_sensitive(name) {
                let message = format!(
                    "field `{name}` of `{type_name}` looks like a secret, and what travels between states is kept in the execution history. Give the step a secret handle (`Use<…>`) instead"
                );
                self.push(LintCode::SensitiveField, message, location, None);
            }
        }
    }

    fn push(&mut self, code: LintCode, message: String, location: Location, state: Option<String>) {
        let location = crate::place(location);
        self.lints.push(Lint { code, message, location, state });
    }
}

/// What a state ends in whose time is over.
const TIMEOUT: &str = "States.Timeout";

fn retries(retrier: &Retrier, error: &str) -> bool {
    retrier.max_attempts > 0 && names(&retrier.errors, error)
}

fn catches(catcher: &Catcher, error: &str) -> bool {
    names(&catcher.errors, error)
}

/// Developer guide, "Error names": `States.TaskFailed` stands for every error but a timeout.
fn names(errors: &[String], error: &str) -> bool {
    errors.iter().any(|name| {
        name == error || name == "States.ALL" || (name == "States.TaskFailed" && error != TIMEOUT)
    })
}

/// The first Fail state inside a handler.
fn reached_fail(block: &Block) -> Option<&State> {
    block.states.iter().find_map(|state| match &state.kind {
        StateKind::Fail { .. } => Some(state),
        kind => inner_blocks(kind).into_iter().find_map(reached_fail),
    })
}

fn is_bounded_list(shape: &Shape) -> bool {
    matches!(shape.kind, Kind::Array { bounded: true, .. } | Kind::Tuple(_))
}

/// The path of a list in the shape that has no upper limit. Texts do not count: keys and
/// names are short in practice, and hardly any states its limit.
fn unbounded_part(shape: &Shape, path: &str) -> Option<String> {
    match &shape.kind {
        Kind::Array { bounded: false, .. } => Some(path.to_owned()),
        Kind::Array { element, .. } => unbounded_part(element, path),
        Kind::Tuple(elements) => elements.iter().find_map(|element| unbounded_part(element, path)),
        Kind::Object(members) => members.iter().find_map(|(name, member)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            unbounded_part(&member.shape, &path)
        }),
        Kind::Unknown | Kind::Scalar | Kind::Text => None,
    }
}

fn property_names<'a>(schema: &'a Value, names: &mut Vec<&'a str>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                names.extend(properties.keys().map(String::as_str));
                properties.values().for_each(|property| property_names(property, names));
            }
            let inner = fields.iter().filter(|(name, _)| *name != "properties");
            inner.for_each(|(_, value)| property_names(value, names));
        }
        Value::Array(elements) => elements.iter().for_each(|element| property_names(element, names)),
        _ => {}
    }
}

fn is_sensitive(name: &str) -> bool {
    let snake = crate::names::snake_case(name);
    // A task token is good for one answer, and only a workflow that has it can give that. The
    // history of the execution that waits shows it in any case, as a parameter of its task.
    let snake = snake.replace("task_token", "task");
    let words: Vec<&str> = snake.split('_').collect();
    words.iter().any(|word| SENSITIVE_WORDS.contains(word))
        || words.windows(2).any(|pair| matches!(pair, [a, b] if SENSITIVE_PAIRS.contains(&(*a, *b))))
}

#[cfg(test)]
mod tests {
    use super::is_sensitive;

    #[test]
    fn names_of_secrets() {
        for name in ["token", "accessToken", "api_key", "pin", "task_token_secret"] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["tokenizer", "task_token", "taskToken", "opinion", "key"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }
}
