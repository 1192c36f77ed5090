//! From text to model: checks the form of every field and builds the typed
//! machine. What only shows when the whole machine is known (targets,
//! reachability, variables) is left to [`super::flow`].

mod fields;
mod resource;
mod state;

use std::collections::BTreeSet;
use std::ops::Range;

use super::flow::ScopeFlow;
use super::model::{StateMachine, States, SubMachine};
use super::source::{self, Node, NodeKind};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::limits;
use fields::{Fields, Place};

/// Everything known about a text.
pub(super) struct Checked {
    /// The machine; missing only if there are errors.
    pub(super) machine: Option<StateMachine>,
    pub(super) diagnostics: Diagnostics,
}

/// Reads and checks a whole definition.
pub(super) fn check(text: &str) -> Checked {
    let mut reader = Reader::default();
    let machine = reader.document(text);
    let mut diagnostics = reader.diagnostics;
    diagnostics.sort();
    Checked { machine: if diagnostics.has_errors() { None } else { machine }, diagnostics }
}

#[derive(Default)]
struct Reader {
    diagnostics: Diagnostics,
    /// The names of states seen so far, in the whole machine.
    names: BTreeSet<String>,
    /// How many `States` we are inside of.
    depth: usize,
}

/// A value of a definition and its place.
#[derive(Clone)]
struct At<'a> {
    node: &'a Node,
    /// In AWS's notation, without a slash at the end; empty for the document.
    location: String,
}

impl<'a> At<'a> {
    fn item(&self, index: usize, node: &'a Node) -> Self {
        Self { node, location: format!("{}[{index}]", self.location) }
    }
}

impl Reader {
    fn report(&mut self, severity: Severity, code: Code, message: String, at: &At<'_>) {
        self.report_span(severity, code, message, &at.location, at.node.span.clone());
    }

    fn report_span(
        &mut self,
        severity: Severity,
        code: Code,
        message: String,
        location: &str,
        span: Range<usize>,
    ) {
        let location = if location.is_empty() { "/" } else { location }.to_owned();
        self.diagnostics.push(Diagnostic { severity, code, message, location, span });
    }

    /// An error of form.
    fn schema(&mut self, message: impl Into<String>, at: &At<'_>) {
        self.report(Severity::Error, Code::SchemaValidationFailed, message.into(), at);
    }

    fn document(&mut self, text: &str) -> Option<StateMachine> {
        if text.trim().is_empty() {
            let message = "The definition is empty".to_owned();
            self.report_span(Severity::Error, Code::MissingDescription, message, "", 0..text.len());
            return None;
        }
        let node = match source::read(text) {
            Ok(node) => node,
            Err(unreadable) => {
                let code = Code::InvalidJsonDescription;
                self.report_span(Severity::Error, code, unreadable.message, "", unreadable.span);
                return None;
            }
        };
        let at = At { node: &node, location: String::new() };
        let fields = self.object(&at)?;
        if self.is_written_in_jsonpath(&fields) {
            return None;
        }
        self.machine(&fields)
    }

    fn machine(&mut self, fields: &Fields<'_>) -> Option<StateMachine> {
        self.allow(
            fields,
            &["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"],
            &[],
        );
        let comment = self.optional_text(fields, "Comment");
        let timeout_seconds =
            self.optional_whole_number(fields, "TimeoutSeconds", 1..=limits::TIMEOUT_SECONDS_MAX);
        let version = self.optional_text(fields, "Version");
        if let (Some(version), Some(at)) = (&version, fields.at("Version"))
            && version != "1.0"
        {
            self.schema("The field 'Version' should have one of these values: [1.0]", &at);
        }
        let (sub, flow) = self.sub_machine(fields)?;
        super::flow::check(&flow, &mut self.diagnostics);
        Some(StateMachine {
            comment,
            query_language: super::model::QueryLanguage::Jsonata,
            start_at: sub.start_at,
            timeout_seconds,
            version,
            states: sub.states,
        })
    }

    /// `StartAt` and `States`, of the machine, a branch or a processor.
    fn sub_machine(&mut self, fields: &Fields<'_>) -> Option<(SubMachine, ScopeFlow)> {
        let missing: Vec<&str> =
            ["States", "StartAt"].into_iter().filter(|key| fields.at(key).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("These fields are required: [{}]", missing.join(", "));
            self.schema(message, &fields.at);
        }
        self.depth += 1;
        let result = self.states_of(fields);
        self.depth -= 1;
        result
    }

    fn states_of(&mut self, fields: &Fields<'_>) -> Option<(SubMachine, ScopeFlow)> {
        let start_at = self.optional_text(fields, "StartAt");
        let states_at = fields.at("States")?;
        if self.depth > limits::STATES_DEPTH_MAX {
            let message = format!("States are nested deeper than {} levels", limits::STATES_DEPTH_MAX);
            self.report(Severity::Error, Code::TooDeeplyNested, message, &states_at);
            return None;
        }
        let members = self.object(&states_at)?;
        if members.is_empty() {
            self.schema("Value cannot be empty", &states_at);
            return None;
        }
        let start = fields.at("StartAt");
        let mut flow = ScopeFlow {
            start_at: start_at.clone().zip(start.map(|at| (at.location, at.node.span.clone()))),
            states: indexmap::IndexMap::new(),
            span: states_at.node.span.clone(),
        };
        let mut states = States::new();
        for (name, key_span, at) in members.entries() {
            self.state_name(name, &key_span, &at);
            let (state, state_flow) = self.state(&at);
            flow.states.insert(name.to_owned(), state_flow);
            if let Some(state) = state {
                states.insert(name.to_owned(), std::sync::Arc::new(state));
            }
        }
        Some((SubMachine { start_at: start_at?, states }, flow))
    }

    fn state_name(&mut self, name: &str, span: &Range<usize>, at: &At<'_>) {
        let length = name.chars().count();
        if length == 0 || length > limits::STATE_NAME_CHARS_MAX {
            let message = format!(
                "The name of a state has 1 to {} characters, this one has {length}",
                limits::STATE_NAME_CHARS_MAX
            );
            self.report_span(Severity::Error, Code::InvalidStateName, message, &at.location, span.clone());
        }
        if !self.names.insert(name.to_owned()) {
            let message = format!(
                "Duplicate state name: {name}. State names are unique in the whole machine, \
                 also across Map and Parallel states"
            );
            self.report_span(Severity::Error, Code::DuplicateStateName, message, &at.location, span.clone());
        }
    }

    /// Reports the first state written in JSONPath, if there is one, and a
    /// query language that does not exist.
    fn is_written_in_jsonpath(&mut self, fields: &Fields<'_>) -> bool {
        let machine_is_jsonpath = self.query_language(fields).unwrap_or(true);
        if let Some(states) = fields.at("States")
            && let Some(at) = first_jsonpath_state(&states, machine_is_jsonpath)
            && machine_is_jsonpath
        {
            let message = "This state is written in JSONPath, which is not supported yet. \
                           Add \"QueryLanguage\": \"JSONata\" to the state machine and write its states in JSONata"
                .to_owned();
            self.report(Severity::Error, Code::JsonpathNotSupported, message, &at);
            return true;
        }
        false
    }

    /// Whether `QueryLanguage` says JSONPath; `None` if it says nothing.
    fn query_language(&mut self, fields: &Fields<'_>) -> Option<bool> {
        let at = fields.at("QueryLanguage")?;
        match at.node.as_text() {
            Some("JSONPath") => Some(true),
            Some("JSONata") => Some(false),
            _ => {
                let message =
                    "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]";
                self.schema(message, &at);
                Some(false)
            }
        }
    }
}

/// Nested states take the language of the machine, not of the state around
/// them (measured).
fn first_jsonpath_state<'a>(states: &At<'a>, machine_is_jsonpath: bool) -> Option<At<'a>> {
    let members = states.node.as_object()?;
    members.iter().find_map(|(name, member)| {
        let at = At { node: &member.value, location: format!("{}/{name}", states.location) };
        let is_jsonpath = match at.node.get("QueryLanguage").and_then(Node::as_text) {
            Some(language) => language == "JSONPath",
            None => machine_is_jsonpath,
        };
        if is_jsonpath { Some(at) } else { first_nested_jsonpath_state(&at, machine_is_jsonpath) }
    })
}

fn first_nested_jsonpath_state<'a>(state: &At<'a>, machine_is_jsonpath: bool) -> Option<At<'a>> {
    for key in ["ItemProcessor", "Iterator"] {
        if let Some(node) = state.node.get(key).and_then(|processor| processor.get("States")) {
            let states = At { node, location: format!("{}/{key}/States", state.location) };
            if let Some(found) = first_jsonpath_state(&states, machine_is_jsonpath) {
                return Some(found);
            }
        }
    }
    let NodeKind::Array(branches) = &state.node.get("Branches")?.kind else { return None };
    branches.iter().enumerate().find_map(|(index, branch)| {
        let states = At {
            node: branch.get("States")?,
            location: format!("{}/Branches[{index}]/States", state.location),
        };
        first_jsonpath_state(&states, machine_is_jsonpath)
    })
}
