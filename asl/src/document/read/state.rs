//! Reads one state: what is common to all types, and the types that need no
//! module of their own.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::super::flow::{Edge, StateFlow, Write};
use super::super::model::{
    Fail, NumberOrExpression, Parallel, Pass, Paths, QueryLanguage, State, StateKind, SubMachine, Task,
    Transition, Wait,
};
use super::super::source::{Node, NodeKind};
use super::expression::Place;
use super::fields::{Allowed, Fields};
use super::{At, Reader, resource};
use crate::diagnostic::{Code, Severity};
use crate::limits;
use crate::template::Template;

/// Whether there are states of this type.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == name)
}

const SECONDS: RangeInclusive<u64> = 1..=limits::TIMEOUT_SECONDS_MAX;

/// The types of states, in the order AWS lists them (recorded).
const TYPES: &[(&str, Type)] = &[
    ("Task", Type::Task),
    ("Wait", Type::Wait),
    ("Pass", Type::Pass),
    ("Succeed", Type::Succeed),
    ("Fail", Type::Fail),
    ("Choice", Type::Choice),
    ("Parallel", Type::Parallel),
    ("Map", Type::Map),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Task,
    Wait,
    Pass,
    Succeed,
    Fail,
    Choice,
    Parallel,
    Map,
}

impl Type {
    /// The fields of a state of this type. Developer guide, "Common fields in
    /// states" and the pages of the types.
    const fn fields(self) -> Allowed {
        let (both, jsonpath, jsonata): (&[&str], &[&str], &[&str]) = match self {
            Self::Task => (
                &[
                    "Assign",
                    "Catch",
                    "Comment",
                    "Credentials",
                    "End",
                    "HeartbeatSeconds",
                    "Next",
                    "QueryLanguage",
                    "Resource",
                    "Retry",
                    "TimeoutSeconds",
                    "Type",
                ],
                &[
                    "HeartbeatSecondsPath",
                    "InputPath",
                    "OutputPath",
                    "Parameters",
                    "ResultPath",
                    "ResultSelector",
                    "TimeoutSecondsPath",
                ],
                &["Arguments", "Output"],
            ),
            Self::Wait => (
                &["Assign", "Comment", "End", "Next", "QueryLanguage", "Seconds", "Timestamp", "Type"],
                &["InputPath", "OutputPath", "SecondsPath", "TimestampPath"],
                &["Output"],
            ),
            Self::Pass => (
                &["Assign", "Comment", "End", "Next", "QueryLanguage", "Type"],
                &["InputPath", "OutputPath", "Parameters", "Result", "ResultPath"],
                &["Output"],
            ),
            Self::Succeed => {
                (&["Comment", "QueryLanguage", "Type"], &["InputPath", "OutputPath"], &["Output"])
            }
            Self::Fail => {
                (&["Cause", "Comment", "Error", "QueryLanguage", "Type"], &["CausePath", "ErrorPath"], &[])
            }
            Self::Choice => (
                &["Assign", "Choices", "Comment", "Default", "QueryLanguage", "Type"],
                &["InputPath", "OutputPath"],
                &["Output"],
            ),
            Self::Parallel => (
                &["Assign", "Branches", "Catch", "Comment", "End", "Next", "QueryLanguage", "Retry", "Type"],
                &["InputPath", "OutputPath", "Parameters", "ResultPath", "ResultSelector"],
                &["Arguments", "Output"],
            ),
            Self::Map => (super::map::BOTH, super::map::JSONPATH, &["Items", "Output"]),
        };
        Allowed { both, jsonpath, jsonata }
    }

    /// What exists where `Assign` and `Output` stand. AWS lets them name the result of a Pass,
    /// which has none.
    const fn place_of_output(self) -> Place {
        match self {
            Self::Task | Self::Parallel | Self::Map => Place::After,
            Self::Pass => Place::AfterNothing,
            Self::Wait | Self::Succeed | Self::Fail | Self::Choice => Place::Before,
        }
    }
}

impl Reader<'_> {
    /// One state, and where it leads; the state is missing if it has errors.
    pub(super) fn state(&mut self, at: &At<'_>) -> (Option<State>, StateFlow) {
        let mut flow = StateFlow::new(self.language, &at.location, at.node.span.clone());
        let Some(fields) = self.object(at) else {
            self.advise(Some("a state is an object: {\"Type\": \"Pass\", \"End\": true}"));
            flow.ways_unknown = true;
            return (None, flow);
        };
        if let Some(language) = self.query_language(&fields) {
            flow.language = language;
        }
        if self.language == QueryLanguage::Jsonata && flow.language == QueryLanguage::JsonPath {
            let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
            self.schema(message, at);
            // Read as it says, so that its other faults are found.
        }
        let state = self.state_of_type(&fields, &mut flow);
        if state.is_none() {
            follow(&fields, &mut flow);
        }
        (state, flow)
    }

    fn state_of_type(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<State> {
        if !self.require(fields, &["Type"]) {
            return None;
        }
        let of_type = self.choice(fields, "Type", TYPES)?;
        self.allow(fields, flow.language, &of_type.fields());
        let comment = self.optional_text(fields, "Comment");
        let paths = self.paths(fields, flow);
        let kind = match of_type {
            Type::Pass => self.pass(fields, flow).map(StateKind::Pass),
            Type::Task => self.task(fields, flow).map(StateKind::Task),
            Type::Wait => self.wait(fields, flow).map(StateKind::Wait),
            Type::Succeed => Some(StateKind::Succeed),
            Type::Fail => Some(StateKind::Fail(Fail {
                error: self.text_or_query(fields, "Error", flow),
                cause: self.text_or_query(fields, "Cause", flow),
            })),
            Type::Parallel => self.parallel(fields, flow).map(StateKind::Parallel),
            Type::Map => self.map(fields, flow).map(StateKind::Map),
            // Its `Assign` belongs to the way of `Default`, which it therefore reads itself.
            Type::Choice => self.choice_kind(fields, flow).map(StateKind::Choice),
        };
        let place = of_type.place_of_output();
        let (assign, names) = self.assign(fields, place, flow);
        let output = self.optional_output(fields, place, flow);
        let transition = match of_type {
            Type::Succeed | Type::Fail => {
                flow.is_terminal = true;
                flow.ways_unknown |= fields.has("Next");
                Some(None)
            }
            Type::Choice => {
                super::choice::default_way(fields, flow, names);
                Some(None)
            }
            _ => self.transition(fields, flow, names).map(Some),
        };
        let retry = self.retriers(fields, flow);
        let catch = self.catchers(fields, flow);
        Some(State {
            comment,
            query_language: flow.language,
            kind: kind?,
            paths: paths?,
            assign,
            output,
            transition: transition?,
            retry,
            catch,
            reads: flow
                .reads
                .iter()
                .map(|read| read.variable.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        })
    }

    fn paths(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Paths> {
        if flow.language == QueryLanguage::Jsonata {
            return Some(Paths::default());
        }
        let input = self.selection(fields, "InputPath", flow);
        let result_selector = self.object_template(fields, "ResultSelector", Place::After, flow);
        let result = self.result_path(fields, flow);
        let output = self.selection(fields, "OutputPath", flow);
        Some(Paths { input: input?, result_selector, result: result?, output: output? })
    }

    /// `Output`, which exists in JSONata only.
    pub(super) fn optional_output(
        &mut self,
        fields: &Fields<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        match flow.language {
            QueryLanguage::JsonPath => None,
            QueryLanguage::Jsonata => self.optional_template(fields, "Output", place, flow),
        }
    }

    fn transition(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        assigns: Vec<String>,
    ) -> Option<Transition> {
        let end = match fields.at("End") {
            None => false,
            Some(at) => self.boolean(&at)?,
        };
        match (fields.at("Next"), end) {
            (Some(at), false) => {
                let next = self.text(&at)?;
                flow.edges.push(Edge::new(&next, &at.location, at.node.span.clone(), assigns));
                Some(Transition::Next(next))
            }
            (None, true) => {
                flow.is_terminal = true;
                Some(Transition::End)
            }
            (Some(at), true) => {
                if let Some(next) = at.node.as_text() {
                    flow.edges.push(Edge::new(next, &at.location, at.node.span.clone(), assigns));
                }
                flow.is_terminal = true;
                self.exclusive(fields, &["Next", "End"]);
                None
            }
            (None, false) => {
                self.schema("One of these fields is required: [Next, End]", &fields.at);
                let unknown = |key: &&str| self.unknown_keys.contains(&fields.key_span(key).start);
                let unknown: Vec<&str> = fields.keys().filter(unknown).collect();
                let misspelt = ["Next", "End"]
                    .iter()
                    .find_map(|key| Some((*key, self.guesses.similar(key, unknown.iter().copied())?)));
                self.is_consequence(misspelt.is_some());
                self.advise(Some(match misspelt {
                    Some((key, given)) => format!("`{given}` should probably be `{key}`"),
                    None => "name the state that comes after it, or add \"End\": true".to_owned(),
                }));
                None
            }
        }
    }

    /// `Assign`, and the names in it.
    pub(super) fn assign(
        &mut self,
        fields: &Fields<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> (Option<Template>, Vec<String>) {
        let Some(at) = fields.at("Assign") else { return (None, Vec::new()) };
        let Some(members) = self.object(&at) else { return (None, Vec::new()) };
        let mut names = Vec::new();
        for key in members.keys() {
            let name = match flow.language {
                QueryLanguage::JsonPath => key.strip_suffix(".$").unwrap_or(key),
                QueryLanguage::Jsonata => key,
            };
            let span = members.key_span(key);
            if let Some(problem) = problem_of_variable_name(name) {
                let message = format!("The variable name '{name}' {problem}");
                let code = Code::SchemaValidationFailed;
                self.report_span(Severity::Error, code, message, &at.location, span.clone());
            }
            names.push(name.to_owned());
            flow.writes.push(Write { variable: name.to_owned(), location: at.location.clone(), span });
        }
        (self.template(&at, place, flow), names)
    }

    fn pass(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Pass> {
        if flow.language == QueryLanguage::Jsonata {
            return Some(Pass::default());
        }
        let complete = !fields.has("Parameters");
        let parameters = self.arguments(fields, flow);
        if let (Some(at), true) = (fields.at("Parameters"), fields.has("Result")) {
            let message = "The Result beside it is passed on: Parameters do nothing";
            self.report(Severity::Warning, Code::NotEvaluated, message.to_owned(), &at);
            self.advise(Some("delete one of the two; only Parameters are evaluated"));
        }
        let result = fields.at("Result").map(|at| {
            self.warn_of_static_result(&at);
            at.node.to_value()
        });
        (complete || parameters.is_some()).then_some(Pass { parameters, result })
    }

    fn task(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Task> {
        self.require(fields, &["Resource"]);
        let resource = self.optional_text(fields, "Resource");
        let resource_at = fields.at("Resource");
        if let (Some(resource), Some(at)) = (&resource, &resource_at) {
            self.resource(resource, at);
        }
        let arguments = self.arguments(fields, flow);
        if let (Some(resource), Some(at)) = (&resource, &resource_at)
            && resource.ends_with(".waitForTaskToken")
            && !arguments.as_ref().is_some_and(hands_over_token)
        {
            let token = match flow.language {
                QueryLanguage::JsonPath => "$$.Task.Token",
                QueryLanguage::Jsonata => "$states.context.Task.Token",
            };
            let message = format!(
                "The task waits for its token, but the arguments do not pass {token} on: nobody can complete it"
            );
            self.report(Severity::Warning, Code::MissingTaskToken, message, at);
            let example = match flow.language {
                QueryLanguage::JsonPath => "\"token.$\": \"$$.Task.Token\"",
                QueryLanguage::Jsonata => "\"token\": \"{% $states.context.Task.Token %}\"",
            };
            self.advise(Some(format!("add {example} to what the task sends")));
        }
        let timeout_seconds = self.number(fields, "TimeoutSeconds", SECONDS, flow);
        let heartbeat_seconds = self.number(fields, "HeartbeatSeconds", SECONDS, flow);
        if let (
            Some(NumberOrExpression::Number(timeout)),
            Some(NumberOrExpression::Number(heartbeat)),
            Some(at),
        ) = (&timeout_seconds, &heartbeat_seconds, fields.at("HeartbeatSeconds"))
            && heartbeat >= timeout
        {
            let message =
                format!("HeartbeatSeconds ({heartbeat}) must be less than TimeoutSeconds ({timeout})");
            self.schema(message, &at);
            self.advise(Some("a task that may take so long between heartbeats is timed out before"));
        }
        if resource.as_ref().is_some_and(|resource| resource::is_callable(resource)) {
            self.called(fields, flow.language);
        }
        let credentials = self.credentials(fields, flow);
        Some(Task { resource: resource?, arguments, timeout_seconds, heartbeat_seconds, credentials })
    }

    fn resource(&mut self, resource: &str, at: &At<'_>) {
        if !resource::is_callable(resource) {
            let message = format!(
                "The resource provided {resource} is not recognized. The value is not a valid resource ARN, \
                 or the resource is not available in this region."
            );
            self.schema(message, at);
            let advice = resource::advice(resource, &mut self.guesses);
            self.advise(advice);
            return;
        }
        if self.is_express
            && let Some(problem) = resource::not_in_express(resource)
        {
            self.schema(problem, at);
            self.advise(Some("a Standard state machine can wait; an Express one is over in five minutes"));
        }
        if let Some((message, advice)) = resource::unknown_action(resource, &mut self.guesses) {
            self.warn(Code::UnknownAction, message, at);
            self.advise(advice);
        }
    }

    fn credentials(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Template> {
        if let Some(at) = fields.at("Credentials")
            && at.node.as_object().is_some()
            && at.node.get("RoleArn").is_none()
            && (flow.language == QueryLanguage::Jsonata || at.node.get("RoleArn.$").is_none())
        {
            // Recorded; other required fields are reported in other words.
            self.schema("The field 'RoleArn' is required but was missing", &at);
        }
        self.object_template(fields, "Credentials", Place::Before, flow)
    }

    fn wait(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Wait> {
        let forms: &[&str] = match flow.language {
            QueryLanguage::JsonPath => &["Seconds", "SecondsPath", "Timestamp", "TimestampPath"],
            QueryLanguage::Jsonata => &["Seconds", "Timestamp"],
        };
        if !self.require_one(fields, forms) {
            return None;
        }
        if fields.has("Seconds") || fields.has("SecondsPath") {
            let range = 0..=limits::TIMEOUT_SECONDS_MAX;
            return self.number(fields, "Seconds", range, flow).map(Wait::Seconds);
        }
        self.timestamp(fields, flow).map(Wait::Timestamp)
    }

    fn parallel(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Parallel> {
        let arguments = match flow.language {
            QueryLanguage::JsonPath => self.arguments(fields, flow),
            QueryLanguage::Jsonata => self.optional_template(fields, "Arguments", Place::Before, flow),
        };
        if !self.require(fields, &["Branches"]) {
            return None;
        }
        let at = fields.at("Branches")?;
        let mut branches = Vec::new();
        for (index, item) in self.filled_array(&at)?.iter().enumerate() {
            let branch = self.object(&at.item(index, item));
            branches.push(branch.and_then(|branch| {
                let allowed = Allowed { both: &["Comment", "StartAt", "States"], ..Allowed::default() };
                self.allow(&branch, flow.language, &allowed);
                self.inner(&branch, flow, false)
            }));
        }
        let branches = branches.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Parallel { branches, arguments })
    }

    pub(super) fn inner(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        is_isolated: bool,
    ) -> Option<SubMachine> {
        let (machine, mut inner) = self.sub_machine(fields)?;
        inner.is_isolated = is_isolated;
        flow.inner.push(inner);
        Some(machine)
    }
}

/// Where a state leads that could not be read: its faults are reported, and
/// should not make the states after it look unreachable.
fn follow(fields: &Fields<'_>, flow: &mut StateFlow) {
    if let Some(at) = fields.at("Next")
        && let Some(next) = at.node.as_text()
        && flow.edges.is_empty()
    {
        flow.edges.push(Edge::new(next, &at.location, at.node.span.clone(), Vec::new()));
    }
    flow.is_terminal |= fields.at("End").is_some_and(|at| matches!(at.node.kind, NodeKind::Boolean(true)));
    let unsaid = fields.keys().filter(|key| *key != "Type");
    unsaid.filter_map(|key| fields.at(key)).for_each(|at| targets(at.node, &mut flow.perhaps));
    flow.perhaps
        .extend(["Next", "Default"].into_iter().filter_map(|key| fields.peek(key)).map(str::to_owned));
    flow.ways_unknown |= flow.edges.is_empty() && flow.perhaps.is_empty() && !flow.is_terminal;
}

/// Every `Next` and `Default` inside of a field, but not those of states inside of the state.
fn targets(node: &Node, found: &mut Vec<String>) {
    match &node.kind {
        NodeKind::Array(items) => items.iter().for_each(|item| targets(item, found)),
        NodeKind::Object(members) if !members.contains_key("States") => {
            for (key, member) in members {
                match member.value.as_text() {
                    Some(target) if matches!(key.as_str(), "Next" | "Default") => {
                        found.push(target.to_owned());
                    }
                    _ => targets(&member.value, found),
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with the name of a variable. Developer guide, "Passing data
/// between states with variables": a Unicode identifier, not `states`.
fn problem_of_variable_name(name: &str) -> Option<String> {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(char::is_alphabetic);
    if name == crate::jsonata::STATES {
        Some("is reserved".to_owned())
    } else if !starts_well || !characters.all(|character| character.is_alphanumeric() || character == '_') {
        Some("is not valid: it starts with a letter, then come letters, digits and underscores".to_owned())
    } else if name.chars().count() > limits::VARIABLE_NAME_CHARS_MAX {
        Some(format!("is longer than {} characters", limits::VARIABLE_NAME_CHARS_MAX))
    } else {
        None
    }
}

/// Whether the arguments may hold the token of the task. In doubt they do.
fn hands_over_token(arguments: &Template) -> bool {
    let in_jsonata = |expression: &&crate::Expression| expression.facts().may_hold_task_token;
    let in_jsonpath = |path: &&crate::jsonpath::Path| may_hold_token(path.source());
    arguments.expressions().iter().any(in_jsonata) || arguments.paths().iter().any(in_jsonpath)
}

fn may_hold_token(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("$$") else { return false };
    rest.is_empty() || rest == ".Task" || rest.contains("Token") || !rest.starts_with(['.'])
}
