//! Reads JSONata expressions, and warns of texts that were probably meant as one.

use super::super::advice::{self, NotEvaluated};
use super::super::flow::{Read, StateFlow};
use super::super::model::{BooleanOrExpression, QueryLanguage};
use super::super::source::{self, NodeKind};
use super::query::shortened;
use super::{At, Reader};
use crate::diagnostic::{Code, Severity};
use crate::jsonata::{self, Expression, SyntaxError};

/// Where an expression stands: what of `$states` exists there. `input` and
/// `context` always do. Developer guide, "Transforming data with JSONata".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the state has done anything: `Arguments`, `Items`, `Condition`, …
    Before,
    /// After success: `$states.result` exists.
    After,
    /// After a Pass: `$states.result` may be named, and is nothing.
    AfterNothing,
    /// In a catcher: `$states.errorOutput` exists.
    Catcher,
}

impl Place {
    /// The fields of `$states` that have a value here.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Before | Self::AfterNothing => &["input", "context"],
            Self::After => &["input", "context", "result"],
            Self::Catcher => &["input", "context", "errorOutput"],
        }
    }

    /// Whether AWS refuses the field here.
    fn refuses(self, field: &str) -> bool {
        match field {
            "result" => !matches!(self, Self::After | Self::AfterNothing),
            "errorOutput" => self != Self::Catcher,
            _ => false,
        }
    }
}

/// The text between `{%` and `%}`, if the string is an expression.
pub(super) fn expression_source(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

impl Reader<'_> {
    pub(super) fn condition(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<BooleanOrExpression> {
        if let NodeKind::Boolean(flag) = at.node.kind {
            return Some(BooleanOrExpression::Boolean(flag));
        }
        self.whole_expression(at, Place::Before, flow).map(BooleanOrExpression::Expression)
    }

    /// A field that, if it is text, is nothing but an expression.
    pub(super) fn whole_expression(
        &mut self,
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Expression> {
        let Some(source) = at.node.as_text().and_then(expression_source) else {
            self.schema("Expected a JSONata expression, a text that starts with {% and ends with %}", at);
            let text = at.node.as_text().map(str::trim).filter(|text| !text.is_empty());
            self.advise(text.map(|text| match advice::not_evaluated(text) {
                Some(NotEvaluated { advice, .. }) => advice,
                None if text.parse::<f64>().is_ok() => format!("write {text} without the quotes"),
                None => format!("write \"{{% {} %}}\"", shortened(text)),
            }));
            return None;
        };
        self.expression(source, at, place, flow)
    }

    pub(super) fn expression(
        &mut self,
        source: &str,
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Expression> {
        let expression = match Expression::parse(source) {
            Ok(expression) => expression,
            Err(error) => {
                self.syntax_error(source, error, at);
                return None;
            }
        };
        let facts = expression.facts();
        for name in &facts.top_level {
            let message = format!("Reference to '{name}' at the top level is not supported.");
            self.report(Severity::Error, Code::UnsupportedJsonataExpression, message, at);
            self.advise(Some(advice::of_top_level(name)));
            self.highlight(source::name_in(self.text, &at.node.span, name));
        }
        for field in &facts.states_fields {
            self.field_of_states(field, at, place);
        }
        self.warn_of_context(source, "$states.context.", at);
        for function in facts.unknown_functions() {
            self.unknown_function(function, at);
        }
        flow.reads.extend(facts.free_variables().map(|variable| Read {
            variable: variable.to_owned(),
            location: at.location.clone(),
            span: at.node.span.clone(),
        }));
        Some(expression)
    }

    fn syntax_error(&mut self, source: &str, error: SyntaxError, at: &At<'_>) {
        let is_open = error.message.ends_with("before end of expression");
        self.report(Severity::Error, Code::InvalidJsonataExpression, error.message, at);
        let open = is_open.then_some("something is opened in the expression and not closed");
        self.advise(advice::of_expression(source).or(open));
        let Some(end) = error.position else { return };
        // The position is where the wrong token ends; a name is underlined as a whole.
        let units: Vec<u16> = source.encode_utf16().take(end).collect();
        let is_name = |unit: &u16| char::from_u32(u32::from(*unit)).is_some_and(char::is_alphanumeric);
        let name = units.iter().rev().take_while(|unit| is_name(unit)).count();
        let begin = units.len().saturating_sub(name.max(1));
        // The source begins behind `{%`.
        let part = begin + 2..units.len().max(begin + 1) + 2;
        self.highlight(source::part_of_string(self.text, &at.node.span, part));
    }

    fn field_of_states(&mut self, field: &str, at: &At<'_>, place: Place) {
        let known = place.fields();
        if known.contains(&field) {
            return;
        }
        let part = source::name_in(self.text, &at.node.span, &format!("$states.{field}"));
        if place.refuses(field) {
            let message = format!("Reference to '$states.{field}' is not supported in this field.");
            self.report(Severity::Error, Code::UnsupportedJsonataExpression, message, at);
            self.advise(Some(match field {
                "result" => {
                    "`$states.result` exists once there is a result: in Assign and Output of a Task, Parallel or Map"
                }
                _ => "`$states.errorOutput` exists in Assign and Output of a catcher",
            }));
        } else if field == "result" {
            let message = "A Pass has no result: `$states.result` is nothing here";
            self.warn(Code::UnknownStatesField, message, at);
            self.advise(Some("what a Pass gets is `$states.input`"));
        } else {
            let message = format!("`$states` has no field `{field}`: reading it gives nothing");
            self.warn(Code::UnknownStatesField, message, at);
            let similar = self.guesses.similar(field, known.iter().copied());
            let advice = similar.map(|similar| format!("did you mean `$states.{similar}`?"));
            let listed = || {
                let known: Vec<String> = known.iter().map(|name| format!("`$states.{name}`")).collect();
                format!("there are {} here; what the state got is in `$states.input`", known.join(", "))
            };
            self.advise(Some(advice.unwrap_or_else(listed)));
        }
        self.highlight(part);
    }

    fn unknown_function(&mut self, function: &str, at: &At<'_>) {
        let message = if function == "eval" {
            "Step Functions does not have the function $eval: the state will fail".to_owned()
        } else {
            format!("There is no function ${function}: the state will fail if it is called")
        };
        self.report(Severity::Warning, Code::UnknownFunction, message, at);
        let advice = if function == "eval" {
            Some("`$parse` reads JSON".to_owned())
        } else {
            let similar = self.guesses.similar(function, jsonata::functions());
            similar.map(|name| format!("did you mean `${name}`?"))
        };
        self.advise(advice.or_else(|| advice::of_function(function)));
        self.highlight(source::name_in(self.text, &at.node.span, &format!("${function}")));
    }

    /// A text that is passed on as it is and looks as if it should not be.
    pub(super) fn warn_of_text(&mut self, text: &str, at: &At<'_>, flow: &mut StateFlow) {
        match flow.language {
            QueryLanguage::Jsonata => {
                if let Some(NotEvaluated { code, message, advice }) = advice::not_evaluated(text) {
                    self.warn(code, message, at);
                    self.advise(Some(advice));
                } else if let Some(variable) = advice::variable_of_text(text) {
                    // Whether there is such a variable is known in the end.
                    flow.texts.push(Read {
                        variable: variable.to_owned(),
                        location: at.location.clone(),
                        span: at.node.span.clone(),
                    });
                }
            }
            QueryLanguage::JsonPath if expression_source(text.trim()).is_some() => {
                let message = "This looks like a JSONata expression, but the state is written in JSONPath: it is \
                               passed on as text";
                self.warn(Code::NotEvaluated, message, at);
                self.advise(Some("add \"QueryLanguage\": \"JSONata\" to the state or to the whole machine"));
            }
            QueryLanguage::JsonPath => {}
        }
    }

    /// `"name.$"`, which means something in JSONPath only.
    pub(super) fn warn_of_dollar_key(&mut self, key: &str, span: std::ops::Range<usize>, at: &At<'_>) {
        let name = key.strip_suffix(".$").unwrap_or(key);
        let message = format!(
            "The key '{key}' is passed on as it is, and so is its value: JSONata does not know '.$' at the end of \
             keys"
        );
        self.warn(Code::NotEvaluated, message, at);
        let value = at.node.as_text().and_then(advice::in_jsonata);
        let value = value.unwrap_or_else(|| "{% … %}".to_owned());
        self.advise(Some(format!("write \"{name}\": \"{value}\"")));
        self.highlight(Some(span));
    }
}
