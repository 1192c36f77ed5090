//! Reads one state of each type.

use std::ops::RangeInclusive;

use super::super::flow::{Edge, StateFlow, Write};
use super::super::model::{
    Catcher, Choice, ChoiceRule, Condition, Fail, Items, JitterStrategy, Map, NumberOrExpression, Parallel,
    Pass, Paths, QueryLanguage, ResultPath, Retrier, State, StateKind, SubMachine, Task, Transition, Wait,
};
use super::super::source::{Node, NodeKind};
use super::fields::Fields;
use super::{At, Place, Reader, resource};
use crate::diagnostic::{Code, Severity};
use crate::limits;
use crate::template::Template;

const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];
const TRANSITION: &[&str] = &["Next", "End"];
const RESULT: &[&str] = &["Assign", "Output"];
const HANDLERS: &[&str] = &["Retry", "Catch"];
/// Fields of states written in JSONPath.
const JSONPATH: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "ErrorPath",
    "CausePath",
    "ItemsPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
];
const SECONDS: RangeInclusive<u64> = 1..=limits::TIMEOUT_SECONDS_MAX;

impl Reader {
    /// One state, and where it leads; the state is missing if it has errors.
    pub(super) fn state(&mut self, at: &At<'_>) -> (Option<State>, StateFlow) {
        let mut flow = StateFlow::new(&at.location, at.node.span.clone());
        let Some(fields) = self.object(at) else { return (None, flow) };
        if let Some(true) = self.query_language(&fields) {
            let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
                .to_owned();
            self.schema(message, at);
            follow(&fields, &mut flow);
            return (None, flow);
        }
        let state = self.state_of_type(&fields, &mut flow);
        if state.is_none() {
            follow(&fields, &mut flow);
        }
        (state, flow)
    }

    fn state_of_type(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<State> {
        let type_at = self.require(fields, "Type")?;
        let type_name = self.text(&type_at)?;
        let comment = self.optional_text(fields, "Comment");
        let own: &[&[&str]] = match type_name.as_str() {
            "Pass" => &[RESULT, TRANSITION],
            "Task" => &[
                RESULT,
                TRANSITION,
                HANDLERS,
                &["Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"],
            ],
            "Choice" => &[RESULT, &["Choices", "Default"]],
            "Wait" => &[RESULT, TRANSITION, &["Seconds", "Timestamp"]],
            "Succeed" => &[&["Output"]],
            "Fail" => &[&["Error", "Cause"]],
            "Parallel" => &[RESULT, TRANSITION, HANDLERS, &["Branches", "Arguments"]],
            "Map" => return self.map_state(fields, flow, comment),
            _ => {
                let message = "The field 'Type' should have one of these values: \
                               [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]";
                self.schema(message, &type_at);
                return None;
            }
        };
        self.allow(fields, &[&[COMMON], own].concat().concat(), JSONPATH);
        let kind = match type_name.as_str() {
            "Pass" => Some(StateKind::Pass(Pass::default())),
            "Task" => self.task(fields, flow).map(StateKind::Task),
            "Choice" => return self.choice_state(fields, flow, comment),
            "Wait" => self.wait(fields, flow).map(StateKind::Wait),
            "Succeed" => Some(StateKind::Succeed),
            "Fail" => Some(StateKind::Fail(Fail {
                error: self.text_or_expression(fields, "Error", &mut flow.reads),
                cause: self.text_or_expression(fields, "Cause", &mut flow.reads),
            })),
            _ => self.parallel(fields, flow).map(StateKind::Parallel),
        };
        self.finish(fields, flow, comment, kind)
    }

    /// What comes after the doing: results, transition, retriers, catchers.
    fn finish(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        comment: Option<String>,
        kind: Option<StateKind>,
    ) -> Option<State> {
        let ends_itself = matches!(kind, Some(StateKind::Succeed | StateKind::Fail(_)));
        let has_result = match &kind {
            Some(StateKind::Succeed | StateKind::Wait(_)) => Place::Before,
            _ => Place::After,
        };
        let (assign, names) = self.assign(fields, has_result, flow);
        let output = self.optional_template(fields, "Output", has_result, &mut flow.reads);
        let transition = if ends_itself {
            flow.is_terminal = true;
            None
        } else {
            Some(self.transition(fields, flow, names))
        };
        let retry = self.retriers(fields);
        let catch = self.catchers(fields, flow);
        let transition = match transition {
            Some(None) => return None,
            Some(some) => some,
            None => None,
        };
        Some(State {
            comment,
            query_language: QueryLanguage::Jsonata,
            paths: Paths::default(),
            kind: kind?,
            assign,
            output,
            transition,
            retry,
            catch,
        })
    }

    fn transition(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        assigns: Vec<String>,
    ) -> Option<Transition> {
        let end = match fields.at("End") {
            None => false,
            Some(at) => {
                let NodeKind::Boolean(end) = at.node.kind else {
                    self.schema("Expected value of type Boolean", &at);
                    return None;
                };
                end
            }
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
                self.schema("Only one of the fields [Next, End] is allowed", &fields.at);
                None
            }
            (None, false) => {
                self.schema("One of the fields [Next, End] is required", &fields.at);
                None
            }
        }
    }

    /// `Assign`, and the names in it.
    fn assign(
        &mut self,
        fields: &Fields<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> (Option<Template>, Vec<String>) {
        let Some(at) = fields.at("Assign") else { return (None, Vec::new()) };
        let Some(members) = self.object(&at) else { return (None, Vec::new()) };
        let mut names = Vec::new();
        for (name, span, _) in members.entries() {
            if let Some(problem) = problem_of_variable_name(name) {
                let message = format!("The variable name '{name}' {problem}");
                let code = Code::SchemaValidationFailed;
                self.report_span(Severity::Error, code, message, &at.location, span.clone());
            }
            names.push(name.to_owned());
            flow.writes.push(Write { variable: name.to_owned(), location: at.location.clone(), span });
        }
        (self.template(&at, place, &mut flow.reads), names)
    }

    fn task(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Task> {
        let resource = self.required_text(fields, "Resource");
        let resource_at = fields.at("Resource");
        if let (Some(resource), Some(at)) = (&resource, &resource_at)
            && !resource::is_callable(resource)
        {
            let message = format!(
                "The resource provided {resource} is not recognized. The value is not a valid resource ARN, \
                 or the resource is not available in this region."
            );
            self.schema(message, at);
        }
        let arguments = self.object_template(fields, "Arguments", Place::Before, &mut flow.reads);
        if let (Some(resource), Some(at)) = (&resource, &resource_at)
            && resource.ends_with(".waitForTaskToken")
            && !arguments.as_ref().is_some_and(hands_over_token)
        {
            let message = "The task waits for its token, but the arguments do not pass \
                           $states.context.Task.Token on: nobody can complete it"
                .to_owned();
            self.report(Severity::Warning, Code::MissingTaskToken, message, at);
        }
        let timeout_seconds = self.number_or_expression(fields, "TimeoutSeconds", SECONDS, &mut flow.reads);
        let heartbeat_seconds =
            self.number_or_expression(fields, "HeartbeatSeconds", SECONDS, &mut flow.reads);
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
        }
        if let Some(at) = fields.at("Credentials")
            && at.node.as_object().is_some()
            && at.node.get("RoleArn").is_none()
        {
            self.schema("The field 'RoleArn' is required but was missing", &at);
        }
        let credentials = self.object_template(fields, "Credentials", Place::Before, &mut flow.reads);
        Some(Task { resource: resource?, arguments, timeout_seconds, heartbeat_seconds, credentials })
    }

    fn choice_state(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        comment: Option<String>,
    ) -> Option<State> {
        let (assign, names) = self.assign(fields, Place::Before, flow);
        let output = self.optional_template(fields, "Output", Place::Before, &mut flow.reads);
        let rules_at = self.require(fields, "Choices");
        let mut rules = Vec::new();
        if let Some(at) = rules_at {
            for (index, item) in self.items(&at)?.iter().enumerate() {
                rules.push(self.choice_rule(&at.item(index, item), flow));
            }
        }
        let default_at = fields.at("Default");
        let default = match &default_at {
            Some(at) => {
                let target = self.text(at)?;
                flow.edges.push(Edge::new(&target, &at.location, at.node.span.clone(), names));
                Some(target)
            }
            None => None,
        };
        let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
        if rules.is_empty() {
            return None;
        }
        let kind = StateKind::Choice(Choice { rules, default });
        Some(State {
            comment,
            query_language: QueryLanguage::Jsonata,
            paths: Paths::default(),
            kind,
            assign,
            output,
            transition: None,
            retry: Vec::new(),
            catch: Vec::new(),
        })
    }

    fn choice_rule(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<ChoiceRule> {
        let fields = self.object(at)?;
        let is_jsonpath = |key: &str| {
            matches!(key, "Variable" | "And" | "Or" | "Not")
                || ["String", "Numeric", "Boolean", "Timestamp", "Is"]
                    .iter()
                    .any(|kind| key.starts_with(kind))
        };
        let jsonpath: Vec<&str> =
            fields.entries().map(|(key, _, _)| key).filter(|key| is_jsonpath(key)).collect();
        self.allow(&fields, &["Assign", "Comment", "Condition", "Next", "Output"], &jsonpath);
        let comment = self.optional_text(&fields, "Comment");
        let condition_at = self.require(&fields, "Condition");
        let condition = condition_at.and_then(|at| self.condition(&at, &mut flow.reads));
        let (assign, names) = self.assign(&fields, Place::Before, flow);
        let output = self.optional_template(&fields, "Output", Place::Before, &mut flow.reads);
        let next = self.target(&fields, flow, names)?;
        Some(ChoiceRule { comment, condition: Condition::Expression(condition?), next, assign, output })
    }

    /// The `Next` of a rule or a catcher.
    fn target(&mut self, fields: &Fields<'_>, flow: &mut StateFlow, assigns: Vec<String>) -> Option<String> {
        let at = self.require(fields, "Next")?;
        let next = self.text(&at)?;
        flow.edges.push(Edge::new(&next, &at.location, at.node.span.clone(), assigns));
        Some(next)
    }

    fn wait(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Wait> {
        match (fields.has("Seconds"), fields.has("Timestamp")) {
            (true, false) => self
                .number_or_expression(fields, "Seconds", 0..=limits::TIMEOUT_SECONDS_MAX, &mut flow.reads)
                .map(Wait::Seconds),
            (false, true) => self.timestamp(fields, "Timestamp", &mut flow.reads).map(Wait::Timestamp),
            (true, true) => {
                self.schema("Only one of the fields [Seconds, Timestamp] is allowed", &fields.at);
                None
            }
            (false, false) => {
                self.schema("One of the fields [Seconds, Timestamp] is required", &fields.at);
                None
            }
        }
    }

    fn parallel(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Parallel> {
        let arguments = self.optional_template(fields, "Arguments", Place::Before, &mut flow.reads);
        let at = self.require(fields, "Branches")?;
        let mut branches = Vec::new();
        for (index, item) in self.items(&at)?.iter().enumerate() {
            let branch = self.object(&at.item(index, item));
            branches.push(branch.and_then(|branch| {
                self.allow(&branch, &["Comment", "StartAt", "States"], &[]);
                self.inner(&branch, flow)
            }));
        }
        let branches = branches.into_iter().collect::<Option<Vec<_>>>()?;
        if branches.is_empty() { None } else { Some(Parallel { branches, arguments }) }
    }

    fn inner(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<SubMachine> {
        let (machine, inner) = self.sub_machine(fields)?;
        flow.inner.push(inner);
        Some(machine)
    }

    fn map_state(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        comment: Option<String>,
    ) -> Option<State> {
        let key = if fields.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
        let is_distributed = fields
            .at(key)
            .and_then(|at| at.node.get("ProcessorConfig")?.get("Mode").and_then(Node::as_text))
            .is_some_and(|mode| mode == "DISTRIBUTED");
        if is_distributed {
            let message =
                "A Map state in DISTRIBUTED mode is not supported yet; use the mode INLINE".to_owned();
            self.report(Severity::Error, Code::DistributedMapNotSupported, message, &fields.at);
            // Where it leads still counts for the other states.
            self.transition(fields, flow, Vec::new());
            self.catchers(fields, flow);
            return None;
        }
        let own = [
            "Items",
            "ItemSelector",
            "MaxConcurrency",
            "ItemProcessor",
            "Iterator",
            "ToleratedFailureCount",
            "ToleratedFailurePercentage",
        ];
        self.allow(fields, &[COMMON, RESULT, TRANSITION, HANDLERS, &own].concat(), JSONPATH);
        let kind = self.map(fields, flow, key).map(StateKind::Map);
        self.finish(fields, flow, comment, kind)
    }

    fn map(&mut self, fields: &Fields<'_>, flow: &mut StateFlow, key: &str) -> Option<Map> {
        let items = match fields.at("Items") {
            Some(at) => match &at.node.kind {
                NodeKind::Array(_) => self.template(&at, Place::Before, &mut flow.reads),
                _ => self.whole_expression(&at, Place::Before, &mut flow.reads).map(Template::Expression),
            },
            None => None,
        };
        let item_selector = self.optional_template(fields, "ItemSelector", Place::Before, &mut flow.reads);
        let max_concurrency = self.number_or_expression(
            fields,
            "MaxConcurrency",
            0..=limits::TIMEOUT_SECONDS_MAX,
            &mut flow.reads,
        );
        // Accepted by AWS for inline maps, too, where they mean nothing.
        let any = 0..=u64::from(u32::MAX);
        self.number_or_expression(fields, "ToleratedFailureCount", any, &mut flow.reads);
        self.number_or_expression(fields, "ToleratedFailurePercentage", 0..=100, &mut flow.reads);
        let Some(processor_at) = fields.at(key) else {
            self.schema("The field 'ItemProcessor' is required but was missing", &fields.at);
            return None;
        };
        let processor_fields = self.object(&processor_at)?;
        self.allow(&processor_fields, &["Comment", "ProcessorConfig", "StartAt", "States"], &[]);
        if let Some(at) = processor_fields.at("ProcessorConfig") {
            let config = self.object(&at)?;
            self.allow(&config, &["Mode", "ExecutionType"], &[]);
            if let Some(mode) = config.at("Mode")
                && mode.node.as_text() != Some("INLINE")
            {
                self.schema("The field 'Mode' should have one of these values: [INLINE, DISTRIBUTED]", &mode);
            }
        }
        let processor = self.inner(&processor_fields, flow)?;
        let items = items.map_or(Items::Input, Items::Template);
        Some(Map {
            items,
            item_selector,
            item_selector_field: "ItemSelector",
            max_concurrency,
            tolerated_failure_count: None,
            tolerated_failure_percentage: None,
            processor,
            distributed: None,
        })
    }

    /// The items of an array that may not be empty.
    fn items<'a>(&mut self, at: &At<'a>) -> Option<&'a [Node]> {
        let NodeKind::Array(items) = &at.node.kind else {
            self.schema("Expected value of type Array", at);
            return None;
        };
        if items.is_empty() {
            self.schema("Value cannot be empty", at);
        }
        Some(items)
    }

    /// `ErrorEquals` of every entry; `States.ALL` alone and in the last entry.
    fn error_equals(&mut self, fields: &Fields<'_>, is_last: bool) -> Option<Vec<String>> {
        let at = self.require(fields, "ErrorEquals")?;
        let items = self.items(&at)?;
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            names.push(self.text(&at.item(index, item))?);
        }
        if names.iter().any(|name| name == "States.ALL") {
            if names.len() > 1 {
                self.schema("The value 'States.ALL' must appear alone in 'ErrorEquals'", &at);
            }
            if !is_last {
                self.schema("The entry with 'States.ALL' in 'ErrorEquals' must be the last one", &at);
            }
        }
        (!names.is_empty()).then_some(names)
    }

    fn retriers(&mut self, fields: &Fields<'_>) -> Vec<Retrier> {
        let Some(at) = fields.at("Retry") else { return Vec::new() };
        let NodeKind::Array(items) = &at.node.kind else {
            self.schema("Expected value of type Array", &at);
            return Vec::new();
        };
        let mut retriers = Vec::new();
        for (index, item) in items.iter().enumerate() {
            retriers.extend(self.retrier(&at.item(index, item), index + 1 == items.len()));
        }
        retriers
    }

    fn retrier(&mut self, at: &At<'_>, is_last: bool) -> Option<Retrier> {
        let fields = self.object(at)?;
        self.allow(
            &fields,
            &[
                "BackoffRate",
                "Comment",
                "ErrorEquals",
                "IntervalSeconds",
                "JitterStrategy",
                "MaxAttempts",
                "MaxDelaySeconds",
            ],
            &[],
        );
        let error_equals = self.error_equals(&fields, is_last);
        let interval_seconds = self
            .optional_whole_number(&fields, "IntervalSeconds", 1..=limits::RETRY_INTERVAL_SECONDS_MAX)
            .unwrap_or(limits::RETRY_INTERVAL_SECONDS_DEFAULT);
        let max_attempts = self
            .optional_whole_number(&fields, "MaxAttempts", 0..=limits::RETRY_ATTEMPTS_MAX)
            .unwrap_or(limits::RETRY_ATTEMPTS_DEFAULT);
        let max_delay_seconds =
            self.optional_whole_number(&fields, "MaxDelaySeconds", 1..=limits::RETRY_DELAY_SECONDS_MAX);
        if let (Some(delay), Some(at)) = (max_delay_seconds, fields.at("MaxDelaySeconds"))
            && delay <= interval_seconds
        {
            let message = format!(
                "MaxDelaySeconds ({delay}) must be greater than IntervalSeconds ({interval_seconds})"
            );
            self.schema(message, &at);
        }
        let backoff_rate = self.backoff_rate(&fields);
        let jitter = self.jitter(&fields);
        let error_equals = error_equals?;
        Some(Retrier {
            error_equals,
            interval_seconds,
            max_attempts,
            backoff_rate,
            max_delay_seconds,
            jitter,
        })
    }

    fn backoff_rate(&mut self, fields: &Fields<'_>) -> f64 {
        let Some(at) = fields.at("BackoffRate") else { return limits::RETRY_BACKOFF_RATE_DEFAULT };
        match &at.node.kind {
            NodeKind::Number(number) => match number.as_f64() {
                Some(rate) if rate >= limits::RETRY_BACKOFF_RATE_MIN => return rate,
                _ => self.schema("BackoffRate must be at least 1.0", &at),
            },
            _ => self.schema("Expected value of type Float", &at),
        }
        limits::RETRY_BACKOFF_RATE_DEFAULT
    }

    fn jitter(&mut self, fields: &Fields<'_>) -> JitterStrategy {
        let Some(at) = fields.at("JitterStrategy") else { return JitterStrategy::None };
        match at.node.as_text() {
            Some("FULL") => JitterStrategy::Full,
            Some("NONE") => JitterStrategy::None,
            _ => {
                self.schema("The field 'JitterStrategy' should have one of these values: [FULL, NONE]", &at);
                JitterStrategy::None
            }
        }
    }

    fn catchers(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Vec<Catcher> {
        let Some(at) = fields.at("Catch") else { return Vec::new() };
        let NodeKind::Array(items) = &at.node.kind else {
            self.schema("Expected value of type Array", &at);
            return Vec::new();
        };
        let mut catchers = Vec::new();
        for (index, item) in items.iter().enumerate() {
            catchers.extend(self.catcher(&at.item(index, item), index + 1 == items.len(), flow));
        }
        catchers
    }

    fn catcher(&mut self, at: &At<'_>, is_last: bool, flow: &mut StateFlow) -> Option<Catcher> {
        let fields = self.object(at)?;
        self.allow(&fields, &["Assign", "Comment", "ErrorEquals", "Next", "Output"], JSONPATH);
        let comment = self.optional_text(&fields, "Comment");
        let error_equals = self.error_equals(&fields, is_last);
        let (assign, names) = self.assign(&fields, Place::Catcher, flow);
        let output = self.optional_template(&fields, "Output", Place::Catcher, &mut flow.reads);
        let next = self.target(&fields, flow, names)?;
        Some(Catcher {
            comment,
            error_equals: error_equals?,
            next,
            assign,
            output,
            result_path: ResultPath::Replace,
        })
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
    arguments.expressions().iter().any(|expression| expression.facts().may_hold_task_token)
}
