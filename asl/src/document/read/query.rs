//! Reads what is written in a query language: payload templates, and paths and
//! intrinsic functions in JSONPath. Notes which variables they read. Expressions
//! are [`super::expression`]'s.

use std::ops::RangeInclusive;

use indexmap::IndexMap;
use serde_json::Value;

use super::super::advice;
use super::super::flow::{Read, StateFlow};
use super::super::model::{NumberOrExpression, QueryLanguage, ResultPath, Selection, TextOrExpression};
use super::super::source::{Node, NodeKind};
use super::expression::{Place, expression_source};
use super::fields::Fields;
use super::{At, Reader};
use crate::diagnostic::{Code, Severity};
use crate::jsonpath::{Intrinsic, Path, Query, Root};
use crate::template::Template;
use crate::timestamp;

/// The intrinsic functions `ErrorPath` and `CausePath` may call. Developer
/// guide, "Fail workflow state".
const FUNCTIONS_OF_TEXT: [&str; 7] = [
    "States.Format",
    "States.JsonToString",
    "States.ArrayGetItem",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.UUID",
];

/// The context object. Developer guide, "Accessing execution data from the Context object".
const CONTEXT: [(&str, &[&str]); 5] = [
    ("Execution", &["Id", "Input", "Name", "RedriveCount", "RedriveTime", "RoleArn", "StartTime"]),
    ("Map", &["Item"]),
    ("State", &["EnteredTime", "Name", "RetryCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("Task", &["Token"]),
];

fn returns_text(call: &str) -> bool {
    call.split('(').next().is_some_and(|name| FUNCTIONS_OF_TEXT.contains(&name.trim()))
}

/// Fields of either language.
impl Reader<'_> {
    /// A whole number; in JSONata also an expression, in JSONPath also, under
    /// the name with `Path` behind it, a path.
    pub(super) fn number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<u64>,
        flow: &mut StateFlow,
    ) -> Option<NumberOrExpression> {
        if let Some(at) = self.path_field(fields, key, flow) {
            return self.reference_path(&at, flow).map(NumberOrExpression::Path);
        }
        let at = fields.at(key)?;
        if flow.language == QueryLanguage::Jsonata && at.node.as_text().is_some() {
            return self.whole_expression(&at, Place::Before, flow).map(NumberOrExpression::Expression);
        }
        self.whole_number(&at, range).map(NumberOrExpression::Number)
    }

    /// In JSONPath, the field of this name with `Path` behind it, which excludes the one without.
    fn path_field<'a>(&mut self, fields: &Fields<'a>, key: &str, flow: &StateFlow) -> Option<At<'a>> {
        if flow.language != QueryLanguage::JsonPath {
            return None;
        }
        let path_key = format!("{key}Path");
        self.exclusive(fields, &[key, &path_key]);
        fields.at(&path_key)
    }

    /// A text; in JSONata also an expression, in JSONPath also, under the name
    /// with `Path` behind it, a path or an intrinsic function.
    pub(super) fn text_or_query(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        flow: &mut StateFlow,
    ) -> Option<TextOrExpression> {
        if let Some(at) = self.path_field(fields, key, flow) {
            return self.query_field(&at, flow).map(TextOrExpression::Query);
        }
        let at = fields.at(key)?;
        self.warn_of_missing_path(key, &at, flow);
        let text = self.text(&at)?;
        match expression_source(&text) {
            Some(source) if flow.language == QueryLanguage::Jsonata => {
                self.expression(source, &at, Place::Before, flow).map(TextOrExpression::Expression)
            }
            _ => {
                self.warn_of_text(&text, &at, flow);
                Some(TextOrExpression::Text(text))
            }
        }
    }

    /// A time; in JSONata also an expression, in JSONPath also, as
    /// `TimestampPath`, a path.
    pub(super) fn timestamp(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
    ) -> Option<TextOrExpression> {
        if flow.language == QueryLanguage::JsonPath
            && let Some(at) = fields.at("TimestampPath")
        {
            let path = self.reference_path(&at, flow)?;
            return Some(TextOrExpression::Query(Query::Path(path)));
        }
        let value = self.text_or_query(fields, "Timestamp", flow);
        if let (Some(TextOrExpression::Text(text)), Some(at)) = (&value, fields.at("Timestamp")) {
            self.timestamp_text(text, &at);
        }
        value
    }

    pub(super) fn timestamp_text(&mut self, text: &str, at: &At<'_>) {
        if timestamp::parse_millis(text).is_none() {
            self.schema("String does not match RFC3339 timestamp", at);
            self.advise(Some(advice::of_timestamp(text)));
        }
    }

    /// JSON with expressions (JSONata) or paths (JSONPath) in it.
    pub(super) fn template(&mut self, at: &At<'_>, place: Place, flow: &mut StateFlow) -> Option<Template> {
        match &at.node.kind {
            NodeKind::Text(text) => match expression_source(text) {
                Some(source) if flow.language == QueryLanguage::Jsonata => {
                    self.expression(source, at, place, flow).map(Template::Expression)
                }
                _ => {
                    self.warn_of_text(text, at, flow);
                    Some(Template::Literal(at.node.to_value()))
                }
            },
            NodeKind::Array(items) => self.template_array(items, at, place, flow),
            NodeKind::Object(_) => self.template_object(at, place, flow),
            _ => Some(Template::Literal(at.node.to_value())),
        }
    }

    fn template_array(
        &mut self,
        items: &[Node],
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let mut parts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            parts.push(self.template(&at.item(index, item), place, flow));
        }
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if parts.iter().all(is_literal) {
            Template::Literal(parts.into_iter().filter_map(literal).collect())
        } else {
            Template::Array(parts)
        })
    }

    fn template_object(&mut self, at: &At<'_>, place: Place, flow: &mut StateFlow) -> Option<Template> {
        let fields = self.object(at)?;
        let mut parts = IndexMap::new();
        let mut complete = true;
        for (key, key_span, part) in fields.entries() {
            let name = match flow.language {
                QueryLanguage::JsonPath => key.strip_suffix(".$"),
                QueryLanguage::Jsonata => None,
            };
            let is_told = flow.language == QueryLanguage::Jsonata && key.ends_with(".$");
            if is_told {
                self.warn_of_dollar_key(key, key_span, &part);
            }
            let value =
                if is_told && part.node.as_text().is_some_and(|text| expression_source(text).is_none()) {
                    Some(Template::Literal(part.node.to_value()))
                } else if name.is_some() {
                    self.query_of_key(key, &part, &fields, flow).map(Template::Query)
                } else {
                    self.warn_of_missing_dollar(key, &part, flow);
                    self.template(&part, place, flow)
                };
            let name = name.unwrap_or(key);
            if name != key && fields.has(name) {
                self.schema(format!("The field '{name}' cannot be used together with '{key}'"), at);
            }
            match value {
                Some(value) => {
                    parts.insert(name.to_owned(), value);
                }
                None => complete = false,
            }
        }
        complete.then(|| {
            if parts.values().all(is_literal) {
                let values = parts.into_iter().filter_map(|(key, part)| Some((key, literal(part)?)));
                Template::Literal(Value::Object(values.collect()))
            } else {
                Template::Object(parts)
            }
        })
    }

    pub(super) fn optional_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        self.template(&at, place, flow)
    }

    /// A template that has to be an object or, in JSONata, an expression of one.
    pub(super) fn object_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        match (&at.node.kind, flow.language) {
            (NodeKind::Object(_), _) => self.template(&at, place, flow),
            (NodeKind::Text(_), QueryLanguage::Jsonata) => {
                self.whole_expression(&at, place, flow).map(Template::Expression)
            }
            _ => {
                self.expected("Object", &at);
                let path = at.node.as_text().filter(|text| text.starts_with('$'));
                self.advise(path.map(|path| {
                    format!("write {{\"value.$\": \"{}\"}} with a name of yours for `value`", shortened(path))
                }));
                None
            }
        }
    }

    /// `Arguments` or, in JSONPath, `Parameters`.
    pub(super) fn arguments(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Template> {
        match flow.language {
            QueryLanguage::JsonPath => self.object_template(fields, "Parameters", Place::Before, flow),
            QueryLanguage::Jsonata => self.object_template(fields, "Arguments", Place::Before, flow),
        }
    }
}

/// JSONPath.
impl Reader<'_> {
    fn warn_of_missing_dollar(&mut self, key: &str, at: &At<'_>, flow: &StateFlow) {
        if flow.language == QueryLanguage::JsonPath && at.node.as_text().is_some_and(looks_like_query) {
            let message = format!(
                "The value of the field '{key}' looks like a path or an intrinsic function, but is passed on as \
                 text: only keys that end in '.$' are evaluated"
            );
            self.report(Severity::Warning, Code::NoDollar, message, at);
            self.advise(Some(format!("write the key as \"{key}.$\" to pass on what it leads to")));
        }
    }

    /// A text that looks like a path in a field that takes none.
    pub(super) fn warn_of_missing_path(&mut self, key: &str, at: &At<'_>, flow: &StateFlow) {
        if flow.language == QueryLanguage::JsonPath && at.node.as_text().is_some_and(looks_like_query) {
            let message = format!(
                "The value of the field '{key}' looks like a path, but is taken as text: only fields whose \
                 names end in 'Path' are evaluated"
            );
            self.report(Severity::Warning, Code::NoPath, message, at);
            self.advise(Some(format!("write the field as \"{key}Path\" to take what the path leads to")));
        }
    }

    /// A path in the `Result` of a Pass.
    pub(super) fn warn_of_static_result(&mut self, at: &At<'_>) {
        match &at.node.kind {
            NodeKind::Object(members) => {
                for (key, member) in members {
                    let part = At { node: &member.value, location: format!("{}/{key}", at.location) };
                    if key.ends_with(".$") {
                        let message = format!(
                            "The field '{key}' stands in the Result of a Pass, which is passed on as it is: use \
                             Parameters to have it evaluated"
                        );
                        self.report(Severity::Warning, Code::PassResultIsStatic, message, &part);
                    } else {
                        self.warn_of_static_result(&part);
                    }
                }
            }
            NodeKind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.warn_of_static_result(&at.item(index, item));
                }
            }
            _ => {}
        }
    }

    /// A path that may find any number of values: `InputPath`, `OutputPath`.
    fn path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        let text = self.text(at)?;
        let path = match Path::parse(&text) {
            Ok(path) => path,
            Err(error) => {
                self.schema("Value must be a valid JSONPath.", at);
                let is_plain = !text.starts_with('$') && is_plain_name(&text);
                self.advise(Some(if is_plain { format!("write \"$.{text}\"") } else { error.to_string() }));
                return None;
            }
        };
        self.warn_of_open_bracket(&path, at);
        self.warn_of_context(&text, "$$.", at);
        note_read(&path, at, flow);
        Some(path)
    }

    /// Fields that the context object does not have, read behind `root`.
    pub(super) fn warn_of_context(&mut self, text: &str, root: &str, at: &At<'_>) {
        let name_of = |text: &str| -> String {
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        };
        for (start, _) in text.match_indices(root) {
            let rest = text.get(start + root.len()..).unwrap_or_default();
            let first = name_of(rest);
            let second = rest.get(first.len()..).and_then(|rest| rest.strip_prefix('.')).map(name_of);
            let known = CONTEXT.iter().find(|(name, _)| *name == first).map(|(_, fields)| *fields);
            let (wrong, place, names): (String, String, Vec<&str>) = match (known, second) {
                (None, _) if first.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    (first, root.to_owned(), CONTEXT.iter().map(|(name, _)| *name).collect())
                }
                (Some(fields), Some(second)) if !second.is_empty() && !fields.contains(&second.as_str()) => {
                    (second, format!("{root}{first}."), fields.to_vec())
                }
                _ => continue,
            };
            let message = format!("The context object has no field `{place}{wrong}`");
            self.report(Severity::Warning, Code::UnknownStatesField, message, at);
            let advice = self.guesses.names(&wrong, names.iter().copied(), "fields here");
            self.advise(advice);
        }
    }

    /// A path to exactly one place.
    pub(super) fn reference_path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        let text = self.text(at)?;
        let problem = match Path::parse(&text) {
            Ok(path) if path.is_reference() => {
                self.warn_of_open_bracket(&path, at);
                self.warn_of_context(&text, "$$.", at);
                note_read(&path, at, flow);
                return Some(path);
            }
            Ok(_) => "the path can find more than one value".to_owned(),
            Err(_) if !text.starts_with('$') => "Reference path didn't start with '$'".to_owned(),
            Err(error) => error.to_string(),
        };
        self.schema(format!("Value is not a Reference Path: {problem}"), at);
        self.advise(advice::of_reference_path(&text));
        None
    }

    /// `InputPath`, `OutputPath`.
    pub(super) fn selection(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        flow: &mut StateFlow,
    ) -> Option<Selection> {
        let Some(at) = fields.at(key) else { return Some(Selection::All) };
        match &at.node.kind {
            NodeKind::Null => Some(Selection::Nothing),
            NodeKind::Text(text) if text == "$" => Some(Selection::All),
            _ => self.path(&at, flow).map(Selection::Path),
        }
    }

    /// `ItemsPath`: a path of any form.
    pub(super) fn items_path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        self.path(at, flow)
    }

    pub(super) fn result_path(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<ResultPath> {
        let Some(at) = fields.at("ResultPath") else { return Some(ResultPath::Replace) };
        match &at.node.kind {
            NodeKind::Null => Some(ResultPath::Discard),
            NodeKind::Text(text) if text == "$" => Some(ResultPath::Replace),
            NodeKind::Text(text) if is_place_elsewhere(text) => {
                self.schema("Value is not a Reference Path: ResultPath starts with '$.'", &at);
                self.advise(Some(
                    "a result goes into the state's input: \"$.name\"; into a variable it goes with `Assign`",
                ));
                None
            }
            _ => self.reference_path(&at, flow).map(ResultPath::Path),
        }
    }

    /// `ErrorPath`, `CausePath`: a reference path or an intrinsic function.
    fn query_field(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Query> {
        let text = self.text(at)?;
        match Query::parse(&text) {
            Ok(Query::Path(path)) if !path.is_reference() => {
                self.reference_path(at, flow);
                None
            }
            Ok(Query::Intrinsic(call)) if !returns_text(call.source()) => {
                let message = format!(
                    "Value must be a valid JSONPath or a call of one of these intrinsic functions: [{}]",
                    FUNCTIONS_OF_TEXT.join(", ")
                );
                self.schema(message, at);
                None
            }
            Ok(query) => {
                self.note_query(&query, at, flow);
                Some(query)
            }
            Err(_) => {
                self.schema("Value must be a valid JSONPath or a valid intrinsic function call", at);
                let advice = self.advice_of_query("Error.$", at);
                self.advise(Some(advice));
                None
            }
        }
    }

    /// The value of a key that ends in `.$`. Findings stand at the object (recorded).
    fn query_of_key(
        &mut self,
        key: &str,
        at: &At<'_>,
        object: &Fields<'_>,
        flow: &mut StateFlow,
    ) -> Option<Query> {
        let query = at.node.as_text().and_then(|text| Query::parse(text).ok());
        if let Some(query) = query {
            self.note_query(&query, at, flow);
            return Some(query);
        }
        let message = format!(
            "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
        );
        self.report_span(
            Severity::Error,
            Code::SchemaValidationFailed,
            message,
            &object.at.location,
            at.node.span.clone(),
        );
        let advice = self.advice_of_query(key, at);
        self.advise(Some(advice));
        None
    }

    /// The variables a path or call reads, and what will not work in it.
    fn note_query(&mut self, query: &Query, at: &At<'_>, flow: &mut StateFlow) {
        query.paths().into_iter().for_each(|path| note_read(path, at, flow));
        self.warn_of_context(at.node.as_text().unwrap_or_default(), "$$.", at);
        match query {
            Query::Path(path) => self.warn_of_open_bracket(path, at),
            Query::Intrinsic(call) => {
                for problem in call.wrong_counts() {
                    self.warn(Code::ArgumentCount, format!("{problem}: the state will fail"), at);
                }
            }
        }
    }

    /// `$.a[` is read as `$.a` (recorded: the library AWS uses drops the last bracket).
    fn warn_of_open_bracket(&mut self, path: &Path, at: &At<'_>) {
        if !has_open_bracket(path.source()) {
            return;
        }
        let message = "The last bracket of the path is never closed: what it opens is left out";
        self.warn(Code::UnclosedBracket, message, at);
        let whole = path.source().trim_end_matches('[');
        self.advise(Some(format!("write \"{0}\", or an item of it: \"{0}[0]\"", shortened(whole))));
    }

    /// What to do about a value that is neither a path nor a call.
    fn advice_of_query(&mut self, key: &str, at: &At<'_>) -> String {
        let plain = key.strip_suffix(".$").unwrap_or(key);
        match at.node.as_text().map(|text| (text, Query::parse(text))) {
            Some((text, Err(error))) if text.starts_with("States.") => {
                let name = text.split('(').next().unwrap_or_default().trim();
                let similar = self.guesses.similar(name, Intrinsic::names());
                match similar.filter(|similar| *similar != name) {
                    Some(similar) => format!("{error}: did you mean `{similar}`?"),
                    None => error.to_string(),
                }
            }
            Some((text, Err(error))) if text.starts_with('$') => error.to_string(),
            Some((text, _)) if expression_source(text.trim()).is_some() => format!(
                "this is JSONata, and the state is read as JSONPath: write the key as \"{plain}\" and add \
             \"QueryLanguage\": \"JSONata\" to the state"
            ),
            Some((text, _)) if !text.is_empty() => format!(
                "write a path (\"$.{}\") or a call (\"States.Format('{{}}', $.x)\"); a plain text stands under the \
             key \"{plain}\"",
                shortened(text)
            ),
            _ => format!("what is not evaluated stands under the key \"{plain}\""),
        }
    }
}

/// Whether a bracket outside of quotes is open at the end.
fn has_open_bracket(path: &str) -> bool {
    let (mut open, mut quote) = (0_usize, None);
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(started), _) if started == character => quote = None,
            (None, '\'' | '"') if open > 0 => quote = Some(character),
            (None, '[') => open += 1,
            (None, ']') => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open > 0
}

/// Whether a text is the name of a field, or names with dots between them.
fn is_plain_name(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty() && part.chars().all(|character| character.is_alphanumeric() || character == '_')
    })
}

/// A text that fits into an advice.
pub(in super::super) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(40).collect::<String>())
    }
}

/// A place in the context object or in a variable: nothing of the state's input.
fn is_place_elsewhere(path: &str) -> bool {
    Path::parse(path).is_ok_and(|path| path.is_reference() && path.root() != Root::Input)
}

fn note_read(path: &Path, at: &At<'_>, flow: &mut StateFlow) {
    if let Root::Variable(name) = path.root() {
        flow.reads.push(Read {
            variable: name.to_owned(),
            location: at.location.clone(),
            span: at.node.span.clone(),
        });
    }
}

const fn is_literal(template: &Template) -> bool {
    matches!(template, Template::Literal(_))
}

fn literal(template: Template) -> Option<Value> {
    match template {
        Template::Literal(value) => Some(value),
        _ => None,
    }
}

/// Whether a text looks as if somebody meant a path or an intrinsic function.
pub(super) fn looks_like_query(text: &str) -> bool {
    let is_path = text.starts_with("$.") || text.starts_with("$$.") || text.starts_with("$[") || text == "$$";
    (is_path || text.starts_with("States.") && text.ends_with(')')) && Query::parse(text).is_ok()
}
