//! How JSON flows through a state, in both query languages, as pure functions
//! that answer every stage on the way: what a run needs of them goes into its
//! records, `TestState` shows all of them.
//!
//! ```text
//! JSONPath   raw input ─InputPath▸ effective input ─Parameters▸ arguments ▸ (work) ▸ result
//!            result ─ResultSelector▸ selected ─ResultPath, into the raw input▸ combined ─OutputPath▸ output
//!            Assign reads the selected result; where there is no result, the effective input
//! JSONata    input ─Arguments▸ arguments ▸ (work) ▸ result ─Output▸ output
//!            Assign and Output read the input and the result
//! ```
//! All fields see the variables as they were on entry. Sizes and events are
//! the caller's business.

use std::borrow::Cow;

use asl::jsonpath::{Path, PathError};
use asl::{
    Catcher, Choice, ChoiceRule, Items, NumberOrExpression, Pass, PercentageOrExpression, QueryError,
    QueryLanguage, ResultPath, Selection, State, Template, TextOrExpression,
};
use serde_json::{Map, Value, json};

use super::choice;
use super::context::{Extra, Seen, Surroundings};
use super::payload::Payload;
use super::record::Text;
use super::retry::{Failure, errors};

/// One stay in a state, as its fields see it.
#[derive(Debug)]
pub struct Flow<'a> {
    state: &'a State,
    around: Surroundings<'a>,
}

/// What a state hands on, with the stages that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// After `ResultSelector`; JSONPath, when there is a result.
    pub selected: Option<Payload>,
    /// After `ResultPath`; JSONPath, when there is a result.
    pub combined: Option<Payload>,
    /// The output: after `OutputPath`, or `Output`.
    pub output: Payload,
    /// The variables to set.
    pub assigned: Vec<(Text, Payload)>,
}

/// What a Choice picked.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The rule; `None` = `Default`.
    pub rule: Option<usize>,
    /// The next state.
    pub next: Text,
    /// What the Choice hands on.
    pub outcome: Outcome,
}

/// AWS's words for variables that are too large together, without the state.
pub(crate) const VARIABLES_TOO_LARGE: &str = "The size of the variables exceeds the service limit.";

/// How AWS words it when a path does not lead to the number a field needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    /// `SecondsPath` of a Wait.
    Wait,
    /// `TimeoutSecondsPath`, `HeartbeatSecondsPath`.
    Timeout,
    /// `MaxConcurrencyPath` and the other counts; text with digits will do.
    Count,
}

/// The fields that decide an outcome in JSONata: those of the state, of a rule or of a catcher.
#[derive(Clone, Copy)]
struct Fields<'a> {
    /// Where they are, e.g. `Catch[0]/`.
    prefix: &'a str,
    assign: Option<&'a Template>,
    output: Option<&'a Template>,
}

impl<'a> Flow<'a> {
    /// The flow through a state.
    pub fn new(state: &'a State, around: Surroundings<'a>) -> Self {
        Self { state, around }
    }

    /// What a field sees whose `$` or `$states.input` is this value.
    pub fn see<'b>(&'b self, input: &'b Value) -> Seen<'b> {
        self.around.see(input, Extra::Nothing)
    }

    /// The effective input: after `InputPath`.
    pub fn effective_input(&self, raw: &Payload) -> Result<Payload, QueryError> {
        self.selection(&self.state.paths.input, "InputPath", raw)
    }

    /// After `Parameters` or `Arguments`; without them the effective input.
    pub fn arguments(&self, template: Option<&Template>, effective: &Payload) -> Result<Payload, QueryError> {
        let field = match self.state.query_language {
            QueryLanguage::JsonPath => "Parameters",
            QueryLanguage::Jsonata => "Arguments",
        };
        match template {
            Some(template) => self.evaluate(template, field, effective),
            None => Ok(effective.clone()),
        }
    }

    /// A template whose `$` or `$states.input` is this value.
    pub fn evaluate(&self, template: &Template, field: &str, input: &Payload) -> Result<Payload, QueryError> {
        let seen = self.see(input.value());
        template.evaluate(field, &seen.scope()).map(Payload::from_value)
    }

    /// The result of a Pass: `Result`, or the effective input after `Parameters`.
    pub fn pass_result(&self, pass: &Pass, effective: &Payload) -> Result<Payload, QueryError> {
        match &pass.result {
            Some(result) => Ok(Payload::from_value(result.clone())),
            None => self.arguments(pass.parameters.as_ref(), effective),
        }
    }

    /// What a state hands on that has a result.
    pub fn with_result(&self, raw: &Payload, result: &Payload) -> Result<Outcome, QueryError> {
        if self.state.query_language == QueryLanguage::Jsonata {
            return self.in_jsonata(self.own_fields(), raw, result, Extra::Result(result.value()));
        }
        let selected = match &self.state.paths.result_selector {
            Some(template) => self.evaluate(template, "ResultSelector", result)?,
            None => result.clone(),
        };
        let assigned = self.assigned(self.state.assign.as_ref(), "Assign", &selected)?;
        let combined = combined(&self.state.paths.result, raw, &selected)?;
        let output = self.selection(&self.state.paths.output, "OutputPath", &combined)?;
        Ok(Outcome { selected: Some(selected), combined: Some(combined), output, assigned })
    }

    /// What a state hands on that has no result: Wait, Succeed, in JSONata
    /// also Pass, and a Choice without a rule that holds.
    pub fn without_result(&self, raw: &Payload) -> Result<Outcome, QueryError> {
        self.without_result_by(self.own_fields(), raw)
    }

    /// What a Choice picks: the first rule that holds, else `Default`; `None`
    /// when there is neither.
    pub fn choice(&self, choice: &Choice, raw: &Payload) -> Result<Option<Chosen>, QueryError> {
        let effective = self.effective_input(raw)?;
        let seen = self.see(effective.value());
        for (index, rule) in choice.rules.iter().enumerate() {
            if choice::holds(&rule.condition, &format!("Choices[{index}]/Condition"), &seen.scope())? {
                let outcome = self.by_rule(raw, index, rule)?;
                return Ok(Some(Chosen { rule: Some(index), next: rule.next.as_str().into(), outcome }));
            }
        }
        let Some(next) = &choice.default else { return Ok(None) };
        let outcome = self.without_result(raw)?;
        Ok(Some(Chosen { rule: None, next: next.as_str().into(), outcome }))
    }

    fn by_rule(&self, raw: &Payload, index: usize, rule: &ChoiceRule) -> Result<Outcome, QueryError> {
        let prefix = format!("Choices[{index}]/");
        let fields = Fields { prefix: &prefix, assign: rule.assign.as_ref(), output: rule.output.as_ref() };
        self.without_result_by(fields, raw)
    }

    /// What a catcher hands on.
    pub fn by_catcher(
        &self,
        raw: &Payload,
        index: usize,
        catcher: &Catcher,
        failure: &Failure,
    ) -> Result<Outcome, QueryError> {
        let error = Payload::from_value(error_output(failure));
        let prefix = format!("Catch[{index}]/");
        if self.state.query_language == QueryLanguage::Jsonata {
            let fields =
                Fields { prefix: &prefix, assign: catcher.assign.as_ref(), output: catcher.output.as_ref() };
            return self.in_jsonata(fields, raw, &error, Extra::Error(error.value()));
        }
        let assigned = self.assigned(catcher.assign.as_ref(), &format!("{prefix}Assign"), &error)?;
        let output = combined(&catcher.result_path, raw, &error)?;
        Ok(Outcome { selected: None, combined: None, output, assigned })
    }

    fn own_fields(&self) -> Fields<'a> {
        Fields { prefix: "", assign: self.state.assign.as_ref(), output: self.state.output.as_ref() }
    }

    fn without_result_by(&self, fields: Fields<'_>, raw: &Payload) -> Result<Outcome, QueryError> {
        if self.state.query_language == QueryLanguage::Jsonata {
            return self.in_jsonata(fields, raw, raw, Extra::Nothing);
        }
        let effective = self.effective_input(raw)?;
        let assigned = self.assigned(fields.assign, &format!("{}Assign", fields.prefix), &effective)?;
        let output = self.selection(&self.state.paths.output, "OutputPath", &effective)?;
        Ok(Outcome { selected: None, combined: None, output, assigned })
    }

    fn in_jsonata(
        &self,
        fields: Fields<'_>,
        input: &Payload,
        default: &Payload,
        extra: Extra<'_>,
    ) -> Result<Outcome, QueryError> {
        let seen = self.around.see(input.value(), extra);
        let assigned = match fields.assign {
            Some(template) => variables(template, &format!("{}Assign", fields.prefix), &seen)?,
            None => Vec::new(),
        };
        let output = match fields.output {
            Some(template) => {
                let value = template.evaluate(&format!("{}Output", fields.prefix), &seen.scope())?;
                Payload::from_value(value)
            }
            None => default.clone(),
        };
        Ok(Outcome { selected: None, combined: None, output, assigned })
    }

    fn assigned(
        &self,
        template: Option<&Template>,
        field: &str,
        input: &Payload,
    ) -> Result<Vec<(Text, Payload)>, QueryError> {
        let Some(template) = template else { return Ok(Vec::new()) };
        let seen = self.see(input.value());
        variables(template, field, &seen)
    }

    fn selection(&self, selection: &Selection, field: &str, input: &Payload) -> Result<Payload, QueryError> {
        match selection {
            Selection::All => Ok(input.clone()),
            Selection::Nothing => Ok(Payload::from_value(Value::Object(Map::new()))),
            Selection::Path(path) => {
                let seen = self.see(input.value());
                let scope = seen.scope();
                let found = path.select(&scope).map_err(|error| unresolved(field, &error))?;
                Ok(Payload::from_value(found.into_owned()))
            }
        }
    }

    /// The items of a Map: an array, or an object of which every pair is an item.
    pub fn items(&self, items: &Items, effective: &Payload) -> Result<Payload, QueryError> {
        let seen = self.see(effective.value());
        match (items, self.state.query_language) {
            // Recorded on AWS: an expression has to answer an array. An object can be written down.
            (Items::Template(template @ (Template::Literal(Value::Object(_)) | Template::Object(_))), _) => {
                self.evaluate(template, "Items", effective)
            }
            (Items::Template(template), _) => {
                let array = template.evaluate_array("Items", &seen.scope())?;
                Ok(Payload::from_value(Value::Array(array)))
            }
            (Items::Input, QueryLanguage::Jsonata) if !effective.value().is_array() => {
                // Recorded on AWS: no field is named.
                let cause = format!("Map state input must be an array but was: {}", effective.text());
                Err(QueryError { error: errors::QUERY_EVALUATION, cause, field: String::new() })
            }
            (Items::Input, _) => iterable("$", effective.clone()),
            (Items::Path(path), _) => {
                let scope = seen.scope();
                let found = path.select(&scope).map_err(|error| unresolved("ItemsPath", &error))?;
                iterable(path.source(), Payload::from_value(found.into_owned()))
            }
        }
    }

    /// The whole number of a field, at least 0. `name` is where the field is in
    /// its state, without `Path`: of a path AWS names the last part with `Path`.
    pub fn number(
        &self,
        number: &NumberOrExpression,
        name: &str,
        kind: NumberField,
        effective: &Payload,
    ) -> Result<u64, QueryError> {
        let seen = self.see(effective.value());
        let NumberOrExpression::Path(path) = number else { return number.evaluate(name, &seen.scope()) };
        let field = format!("{}Path", name.rsplit('/').next().unwrap_or(name));
        match kind {
            NumberField::Count => number.evaluate(&field, &seen.scope()),
            NumberField::Wait | NumberField::Timeout => seconds_at(path, &field, kind, &seen),
        }
    }

    /// `ToleratedFailurePercentage`. The cause of one that is out of range is recorded on AWS.
    pub fn tolerated_failure_percentage(
        &self,
        map: &asl::Map,
        effective: &Payload,
    ) -> Result<Option<f64>, QueryError> {
        let Some(percentage) = &map.tolerated_failure_percentage else { return Ok(None) };
        let field = match percentage {
            PercentageOrExpression::Path(_) => "ToleratedFailurePercentagePath",
            _ => "ToleratedFailurePercentage",
        };
        let percentage = percentage.evaluate(field, &self.see(effective.value()).scope())?;
        if (0.0..=100.0).contains(&percentage) {
            return Ok(Some(percentage));
        }
        Err(runtime(field, "ToleratedFailurePercentage must be between 0 and 100.".to_owned()))
    }

    /// The time of `Timestamp` or `TimestampPath` in JSONPath, in milliseconds since the epoch.
    pub fn timestamp(&self, timestamp: &TextOrExpression, effective: &Payload) -> Result<i64, QueryError> {
        const FIELD: &str = "TimestampPath";
        let seen = self.see(effective.value());
        let (source, found) = match timestamp {
            TextOrExpression::Text(text) => ("Timestamp", Value::String(text.clone())),
            TextOrExpression::Query(query) => {
                let found = query.evaluate(FIELD, &seen.scope()).map_err(|_| {
                    let source = query.source();
                    runtime(
                        FIELD,
                        format!("The {FIELD} parameter does not reference an input value: {source}"),
                    )
                })?;
                (query.source(), found)
            }
            TextOrExpression::Expression(_) => {
                return timestamp.evaluate_timestamp("Timestamp", &seen.scope());
            }
        };
        found.as_str().and_then(asl::timestamp::parse_millis).ok_or_else(|| {
            let shown = shown(&found);
            runtime(
                FIELD,
                format!(
                    "The {FIELD} parameter does not reference a valid ISO-8601 extended offset date-time \
                     format string: {source} == {shown}"
                ),
            )
        })
    }

    /// The text of a field. `name` is the field's name without `Path`.
    pub fn text(
        &self,
        text: &TextOrExpression,
        name: &str,
        effective: &Payload,
    ) -> Result<String, QueryError> {
        let seen = self.see(effective.value());
        match text {
            TextOrExpression::Query(query) => {
                let field = format!("{name}Path");
                match query.evaluate(&field, &seen.scope())? {
                    Value::String(text) => Ok(text),
                    other => Err(runtime(
                        &field,
                        format!("The field '{field}' must refer to a string, but was: {other}"),
                    )),
                }
            }
            other => other.evaluate(name, &seen.scope()),
        }
    }
}

/// What a catcher receives: `Error` and `Cause`. Recorded on AWS: a failure
/// that has none has `null`; a timeout has no cause, and an empty one here.
pub fn error_output(failure: &Failure) -> Value {
    let cause = failure.cause.as_deref().or_else(|| failure.is_timeout().then_some(""));
    json!({ "Error": failure.error.as_deref(), "Cause": cause })
}

/// The variables that `Assign` sets, one after the other: where the state's
/// budget ends, it is known whether they were too large together.
fn variables(template: &Template, field: &str, seen: &Seen<'_>) -> Result<Vec<(Text, Payload)>, QueryError> {
    let Template::Object(fields) = template else {
        let Value::Object(map) = template.evaluate(field, &seen.scope())? else { return Ok(Vec::new()) };
        let pairs = map.into_iter();
        return Ok(pairs.map(|(name, value)| (Text::from(name), Payload::from_value(value))).collect());
    };
    let mut assigned: Vec<(Text, Payload)> = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        match value.evaluate(&format!("{field}/{name}"), &seen.scope()) {
            Ok(value) => assigned.push((name.as_str().into(), Payload::from_value(value))),
            Err(error) if error.error == errors::DATA_LIMIT_EXCEEDED => {
                return Err(too_many_variables(error, &assigned));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(assigned)
}

/// The budget ended at a variable. The cause is what it would have been with
/// more room: that one variable is too large, or that all of them are.
fn too_many_variables(error: QueryError, assigned: &[(Text, Payload)]) -> QueryError {
    let mut total = 0;
    for (_, payload) in assigned {
        if payload.is_larger_than(asl::limits::VARIABLE_BYTES_MAX) {
            return error;
        }
        total += payload.len();
    }
    if total > asl::limits::ASSIGN_BYTES_MAX {
        return QueryError { cause: VARIABLES_TOO_LARGE.to_owned(), ..error };
    }
    error
}

/// The raw input with the result in it.
fn combined(path: &ResultPath, raw: &Payload, result: &Payload) -> Result<Payload, QueryError> {
    match path {
        ResultPath::Replace => Ok(result.clone()),
        ResultPath::Discard => Ok(raw.clone()),
        ResultPath::Path(path) => {
            let combined = path.put(raw.value().clone(), result.value().clone());
            combined.map(Payload::from_value).map_err(|error| unresolved("ResultPath", &error))
        }
    }
}

/// What `ItemsPath` found, if a Map can iterate over it.
fn iterable(path: &str, items: Payload) -> Result<Payload, QueryError> {
    if items.value().is_array() || items.value().is_object() {
        return Ok(items);
    }
    Err(runtime("ItemsPath", format!("Reference path \"{path}\" must point to array.")))
}

/// A value as causes show it: text without its quotes.
fn shown(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// A path does not lead anywhere.
fn unresolved(field: &str, error: &PathError) -> QueryError {
    QueryError { error: error.error_name(), cause: error.to_string(), field: field.to_owned() }
}

fn runtime(field: &str, cause: String) -> QueryError {
    QueryError { error: errors::RUNTIME, cause, field: field.to_owned() }
}

/// The number a path leads to that stands for a time.
fn seconds_at(path: &Path, field: &str, kind: NumberField, seen: &Seen<'_>) -> Result<u64, QueryError> {
    let source = path.source();
    let scope = seen.scope();
    let found = match path.select(&scope) {
        Ok(found) => found,
        Err(_) if kind == NumberField::Wait => {
            let cause = format!("The {field} parameter does not reference an input value: {source}");
            return Err(runtime(field, cause));
        }
        Err(error) => return Err(unresolved(field, &error)),
    };
    let shown = shown(&found);
    let problem = match found.as_i64().map(u64::try_from) {
        Some(Ok(seconds)) => return Ok(seconds),
        Some(Err(_)) => format!("The {field} parameter references a negative value: {source} == {shown}"),
        None => format!("The {field} parameter cannot be parsed as a long value: {source} == {shown}"),
    };
    Err(runtime(field, problem))
}
