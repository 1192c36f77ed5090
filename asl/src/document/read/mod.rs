//! From text to model: checks the form of every field and builds the typed
//! machine. What only shows when the whole machine is known (targets,
//! reachability, variables) is left to [`super::flow`].

mod call;
mod choice;
mod expression;
mod fields;
mod handlers;
mod map;
mod query;
mod resource;
mod state;

use std::collections::BTreeSet;
use std::ops::Range;

use super::advice::{self, Guesses};
use super::flow::ScopeFlow;
use super::integrations::Integrations;
use super::model::{ExecutionType, QueryLanguage, State, StateMachine, States, SubMachine};
use super::source::{self, Node};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::limits;
use fields::{Allowed, Fields};
pub(super) use query::shortened;

/// Everything known about a text.
pub(super) struct Checked {
    /// The machine; missing only if there are errors.
    pub(super) machine: Option<StateMachine>,
    pub(super) diagnostics: Diagnostics,
}

/// Reads and checks a whole definition, of a machine of this type.
pub(super) fn check<'t>(
    text: &'t str,
    machine_type: ExecutionType,
    integrations: Option<&'t dyn Integrations>,
) -> Checked {
    let is_express = machine_type == ExecutionType::Express;
    let mut reader = Reader { text, is_express, integrations, ..Reader::default() };
    let machine = reader.document(text);
    let mut diagnostics = reader.diagnostics;
    diagnostics.sort();
    Checked { machine: if diagnostics.has_errors() { None } else { machine }, diagnostics }
}

/// Reads a whole definition; its errors count only if no machine can be made of it.
pub(super) fn read_accepted(text: &str) -> Result<StateMachine, Diagnostics> {
    let mut reader = Reader { text, ..Reader::default() };
    let machine = reader.document(text);
    machine.ok_or_else(|| {
        let mut diagnostics = reader.diagnostics;
        diagnostics.sort();
        diagnostics
    })
}

/// Reads and checks a single state. Where it leads is not looked at.
pub(super) fn check_state<'t>(
    text: &'t str,
    name: &str,
    integrations: Option<&'t dyn Integrations>,
) -> (Option<State>, Diagnostics) {
    let mut reader = Reader { text, integrations, ..Reader::default() };
    let state = reader.single_state(text, name);
    let mut diagnostics = reader.diagnostics;
    diagnostics.sort();
    (state.filter(|_| !diagnostics.has_errors()), diagnostics)
}

#[derive(Default)]
struct Reader<'t> {
    text: &'t str,
    diagnostics: Diagnostics,
    /// The names of states seen so far, in the whole machine.
    names: BTreeSet<String>,
    /// The labels of distributed Maps seen so far.
    labels: BTreeSet<String>,
    /// How many `States` we are inside of.
    depth: usize,
    /// The language of the machine: that of every state that names none, also of nested ones (measured).
    language: QueryLanguage,
    /// Whether what belongs to one language only is in doubt, because which one is meant is.
    language_in_doubt: bool,
    /// Whether a field of the other language was reported before.
    foreign_reported: bool,
    /// Where keys stand that do not belong where they are.
    unknown_keys: BTreeSet<usize>,
    /// Whether the states run in an Express execution.
    is_express: bool,
    /// Who knows the services that are called; nobody where only AWS's findings are wanted.
    integrations: Option<&'t dyn Integrations>,
    guesses: Guesses,
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

impl Reader<'_> {
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
        let location = if location.is_empty() { "/" } else { location };
        self.diagnostics.push(Diagnostic::new(severity, code, message, location, span));
    }

    /// A finding of ours: AWS accepts what it is about.
    fn warn(&mut self, code: Code, message: impl Into<String>, at: &At<'_>) {
        self.report(Severity::Warning, code, message.into(), at);
    }

    /// What to do about the finding that was reported last.
    fn advise(&mut self, advice: Option<impl Into<String>>) {
        if let (Some(advice), Some(last)) = (advice, self.diagnostics.last_mut()) {
            last.advice = Some(advice.into());
        }
    }

    /// The part that is meant of what the finding that was reported last is about.
    fn highlight(&mut self, part: Option<Range<usize>>) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.highlight = part;
        }
    }

    /// The finding that was reported last would not be there without another.
    fn is_consequence(&mut self, follows: bool) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.follows = follows;
        }
    }

    /// An error of form about a field, reported at its object, underlining the key.
    fn schema_at_key(&mut self, message: String, fields: &Fields<'_>, key: &str) {
        let code = Code::SchemaValidationFailed;
        self.report_span(Severity::Error, code, message, &fields.at.location, fields.key_span(key));
    }

    /// An error of form.
    fn schema(&mut self, message: impl Into<String>, at: &At<'_>) {
        self.report(Severity::Error, Code::SchemaValidationFailed, message.into(), at);
    }

    fn document(&mut self, text: &str) -> Option<StateMachine> {
        let node = self.json(text)?;
        let fields = self.object(&At { node: &node, location: String::new() })?;
        self.machine(&fields)
    }

    fn single_state(&mut self, text: &str, name: &str) -> Option<State> {
        let node = self.json(text)?;
        let (state, flow) = self.state(&At { node: &node, location: format!("/States/{name}") });
        for inner in &flow.inner {
            super::flow::check(inner, text, &mut self.guesses, &mut self.diagnostics);
        }
        state
    }

    fn json(&mut self, text: &str) -> Option<Node> {
        if text.trim().is_empty() {
            let message = "The definition is empty".to_owned();
            self.report_span(Severity::Error, Code::MissingDescription, message, "", 0..text.len());
            let smallest = "{\"StartAt\": \"Done\", \"States\": {\"Done\": {\"Type\": \"Succeed\"}}}";
            self.advise(Some(format!("the smallest definition is {smallest}")));
            return None;
        }
        match source::read(text) {
            Ok(node) => Some(node),
            Err(unreadable) => {
                let code = Code::InvalidJsonDescription;
                let advice = unreadable.advice.or_else(|| advice::of_syntax(text, unreadable.span.start));
                self.report_span(Severity::Error, code, unreadable.message, "", unreadable.span);
                self.advise(advice);
                None
            }
        }
    }

    fn machine(&mut self, fields: &Fields<'_>) -> Option<StateMachine> {
        let language = self.query_language(fields);
        self.language = language.unwrap_or_default();
        self.language_in_doubt |= self.text.contains("{%") && !self.text.contains("\"QueryLanguage\"");
        let allowed = Allowed {
            both: &["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"],
            ..Allowed::default()
        };
        self.allow(fields, self.language, &allowed);
        let comment = self.optional_text(fields, "Comment");
        let timeout_seconds =
            self.optional_whole_number(fields, "TimeoutSeconds", 1..=limits::TIMEOUT_SECONDS_MAX);
        self.choice(fields, "Version", &[("1.0", ())]);
        let version = fields.peek("Version").map(str::to_owned);
        let (sub, flow) = self.sub_machine(fields)?;
        super::flow::check(&flow, self.text, &mut self.guesses, &mut self.diagnostics);
        Some(StateMachine {
            comment,
            query_language: self.language,
            start_at: sub.start_at,
            timeout_seconds,
            version,
            states: sub.states,
        })
    }

    /// `StartAt` and `States`, of the machine, a branch or a processor.
    fn sub_machine(&mut self, fields: &Fields<'_>) -> Option<(SubMachine, ScopeFlow)> {
        self.require(fields, &["States", "StartAt"]);
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
            self.advise(Some("put a state into it: {\"Done\": {\"Type\": \"Succeed\"}}"));
            return None;
        }
        let start = fields.at("StartAt");
        let mut flow = ScopeFlow {
            start_at: start_at.clone().zip(start.map(|at| (at.location, at.node.span.clone()))),
            states: indexmap::IndexMap::new(),
            span: states_at.node.span.clone(),
            is_isolated: false,
            misplaced: misplaced_states(fields, &members),
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
            let message = format!("Duplicate State name: {name}");
            self.report_span(Severity::Error, Code::DuplicateStateName, message, &at.location, span.clone());
            let advice =
                "give it another name: names are unique in the whole machine, also across Map and Parallel";
            self.advise(Some(advice));
        }
    }

    /// What `QueryLanguage` says; `None` if it is not there. Whatever is not
    /// exactly JSONPath counts as JSONata (measured).
    fn query_language(&mut self, fields: &Fields<'_>) -> Option<QueryLanguage> {
        let at = fields.at("QueryLanguage")?;
        let languages = &[("JSONPath", QueryLanguage::JsonPath), ("JSONata", QueryLanguage::Jsonata)];
        if at.node.as_text().is_none() {
            self.expected("String", &at);
            self.language_is_wrong();
            return Some(QueryLanguage::Jsonata);
        }
        let language = self.choice(fields, "QueryLanguage", languages);
        if language.is_none() {
            self.language_is_wrong();
        }
        Some(language.unwrap_or(QueryLanguage::Jsonata))
    }
}

impl Reader<'_> {
    /// What is said of fields of the other language follows from what was said of the language.
    fn language_is_wrong(&mut self) {
        self.language_in_doubt = true;
        self.foreign_reported = true;
    }
}

/// Whether an object is written as a state.
fn looks_like_state(node: &Node) -> bool {
    node.get("Type").and_then(Node::as_text).is_some_and(state::is_type)
}

/// States that stand one brace too far out, beside `States`, or too far in, inside of another state.
fn misplaced_states(machine: &Fields<'_>, states: &Fields<'_>) -> BTreeSet<String> {
    let beside = machine.entries();
    let inside = states.entries().filter_map(|(_, _, at)| at.node.as_object()).flatten();
    let inside = inside.map(|(key, member)| (key.as_str(), &member.value));
    let candidates = beside.map(|(key, _, at)| (key, at.node)).chain(inside);
    candidates.filter(|(_, node)| looks_like_state(node)).map(|(key, _)| key.to_owned()).collect()
}
