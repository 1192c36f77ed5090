//! The expressions the generator writes, evaluated in a few lines: paths,
//! `+`, `&`, `=`, `<` and `$exists` of JSONata; paths and two intrinsic
//! functions of JSONPath.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What the fields of a state read.
pub(super) struct Sight<'a> {
    pub(super) input: &'a Value,
    pub(super) result: Option<&'a Value>,
    pub(super) error: Option<&'a Value>,
    pub(super) variables: &'a BTreeMap<String, Value>,
    pub(super) item: Option<&'a Value>,
    pub(super) state: &'a str,
    pub(super) redrives: u32,
    /// Of states that can be retried.
    pub(super) retry_count: Option<u32>,
    pub(super) has_token: bool,
}

impl Sight<'_> {
    fn context(&self) -> Value {
        let mut context = json!({
            "Execution": {"RedriveCount": self.redrives}, "State": {"Name": self.state},
        });
        if let Some(count) = self.retry_count {
            context["State"]["RetryCount"] = count.into();
        }
        if let Some(item) = self.item {
            context["Map"] = json!({"Item": item});
        }
        if self.has_token {
            context["Task"] = json!({"Token": "token"});
        }
        context
    }

    /// The value of a template in JSONata. The error is the field that has none.
    pub(super) fn template(&self, template: &Value, field: &str) -> Result<Value, String> {
        match template {
            Value::String(text) => match text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
                Some(expression) => self.jsonata(expression).ok_or_else(|| field.to_owned()),
                None => Ok(template.clone()),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.template(item, &format!("{field}[{index}]"))).collect()
            }
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.template(value, &format!("{field}/{key}"))?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            other => Ok(other.clone()),
        }
    }

    /// The value of a payload template in JSONPath; `None` = a path leads nowhere.
    pub(super) fn payload(&self, template: &Value) -> Option<Value> {
        match template {
            Value::Array(items) => items.iter().map(|item| self.payload(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| match key.strip_suffix(".$") {
                    Some(key) => Some((key.to_owned(), self.query(value.as_str()?)?)),
                    None => Some((key.clone(), self.payload(value)?)),
                })
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object),
            other => Some(other.clone()),
        }
    }

    /// A path or an intrinsic function.
    pub(super) fn query(&self, query: &str) -> Option<Value> {
        let arguments = |name: &str| query.strip_prefix(name).and_then(|rest| rest.strip_suffix(')'));
        if let Some(path) = arguments("States.MathAdd(") {
            let path = path.strip_suffix(", 1")?;
            return Some((self.path(path)?.as_i64()? + 1).into());
        }
        if let Some(path) = arguments("States.Format('{}x', ") {
            return Some(format!("{}x", text_of(&self.path(path)?)).into());
        }
        self.path(query)
    }

    /// A path in JSONPath.
    pub(super) fn path(&self, path: &str) -> Option<Value> {
        let mut names = path.split('.');
        let context;
        let mut value = match names.next()? {
            "$" => self.input,
            "$$" => {
                context = self.context();
                &context
            }
            variable => self.variables.get(variable.strip_prefix('$')?)?,
        };
        for name in names {
            value = value.get(name)?;
        }
        Some(value.clone())
    }

    /// The value of an expression in JSONata; `None` = there is none, or it fails.
    pub(super) fn jsonata(&self, expression: &str) -> Option<Value> {
        let mut reader = Reader { sight: self, rest: expression };
        reader.expression().ok().flatten()
    }
}

/// A value as text has it.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads and evaluates at once. The error: the expression fails.
struct Reader<'a> {
    sight: &'a Sight<'a>,
    rest: &'a str,
}

type Found = Result<Option<Value>, ()>;

impl Reader<'_> {
    fn skips(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expression(&mut self) -> Found {
        let mut left = self.term()?;
        loop {
            left = if self.skips("+") {
                match (left, self.term()?) {
                    (Some(left), Some(right)) => {
                        Some((left.as_i64().ok_or(())? + right.as_i64().ok_or(())?).into())
                    }
                    _ => None,
                }
            } else if self.skips("&") {
                let text = |value: Option<Value>| value.as_ref().map(text_of).unwrap_or_default();
                Some((text(left) + &text(self.term()?)).into())
            } else if self.skips("=") {
                let right = self.term()?;
                Some((left.is_some() && left == right).into())
            } else if self.skips("<") {
                match (left, self.term()?) {
                    (Some(left), Some(right)) => {
                        Some((left.as_i64().ok_or(())? < right.as_i64().ok_or(())?).into())
                    }
                    _ => None,
                }
            } else {
                return Ok(left);
            };
        }
    }

    fn term(&mut self) -> Found {
        if self.skips("(") {
            let inner = self.expression()?;
            return self.skips(")").then_some(inner).ok_or(());
        }
        if self.skips("$exists(") {
            let inner = self.expression()?;
            return self.skips(")").then_some(Some(inner.is_some().into())).ok_or(());
        }
        if self.skips("'") {
            let (text, rest) = self.rest.split_once('\'').ok_or(())?;
            self.rest = rest;
            return Ok(Some(text.into()));
        }
        if self.skips("[") {
            return self.array();
        }
        if self.skips("{") {
            return self.object();
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "$._".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "true" => Ok(Some(true.into())),
            "false" => Ok(Some(false.into())),
            _ if word.starts_with('$') => Ok(self.path(word)),
            number => number.parse::<i64>().map(|number| Some(number.into())).map_err(|_| ()),
        }
    }

    fn array(&mut self) -> Found {
        let mut items = Vec::new();
        while !self.skips("]") {
            items.extend(self.expression()?);
            self.skips(",");
        }
        Ok(Some(items.into()))
    }

    fn object(&mut self) -> Found {
        let mut fields = Map::new();
        while !self.skips("}") {
            let key = self.term()?.ok_or(())?;
            if !self.skips(":") {
                return Err(());
            }
            if let Some(value) = self.expression()? {
                fields.insert(text_of(&key), value);
            }
            self.skips(",");
        }
        Ok(Some(fields.into()))
    }

    fn path(&self, path: &str) -> Option<Value> {
        let mut names = path.split('.');
        let context;
        let mut value = match names.next()? {
            "$states" => match names.next()? {
                "input" => self.sight.input,
                "result" => self.sight.result?,
                "errorOutput" => self.sight.error?,
                _ => {
                    context = self.sight.context();
                    &context
                }
            },
            variable => self.sight.variables.get(variable.strip_prefix('$')?)?,
        };
        for name in names {
            value = value.get(name)?;
        }
        Some(value.clone())
    }
}
