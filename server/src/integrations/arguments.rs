//! The arguments of a task as the request of an operation: names as the
//! service has them, values of the types it takes.
//!
//! Step Functions writes names with a capital letter and acronyms in its own
//! way, so letters are compared whatever their size. A text that is given
//! something else gets its JSON text (recorded on AWS: `Input` of
//! `startExecution`, `Body` of `putObject`). What is null is not sent
//! (recorded: `Item` of `putItem`).

use engine::services::{Service, Shape, Structure};
use serde_json::{Map, Number, Value};

use super::problem::Problem;

/// Levels of structures, lists and maps in a request. Arguments have at most
/// 127, but a shape may hold itself.
const DEPTH_MAX: usize = 128;

/// The request of an operation. Blobs are the text whose bytes they are,
/// timestamps what was given.
pub(super) fn request(
    service: &Service,
    input: Option<usize>,
    arguments: &Value,
    token: &dyn Fn() -> String,
) -> Result<Value, Problem> {
    let refused = |why: String| {
        Problem::Arguments(format!(
            "The Parameters '{arguments}' could not be used to start the Task: [{why}]"
        ))
    };
    let fitting = Fitting { service, token };
    match (input.and_then(|input| service.shape(input)), arguments) {
        (Some(Shape::Structure(structure)), Value::Object(fields)) => {
            fitting.structure(structure, fields, 0).map(Value::Object).map_err(refused)
        }
        (Some(Shape::Structure(structure)), Value::Null) => {
            fitting.structure(structure, &Map::new(), 0).map(Value::Object).map_err(refused)
        }
        (Some(Shape::Structure(_)), _) => Err(refused("The parameters must be an OBJECT".to_owned())),
        (Some(_), given) => Ok(given.clone()),
        (None, _) => Ok(Value::Object(Map::new())),
    }
}

struct Fitting<'s> {
    service: &'s Service,
    token: &'s dyn Fn() -> String,
}

impl Fitting<'_> {
    fn structure(
        &self,
        structure: &Structure,
        given: &Map<String, Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            let exact = structure.members.get_key_value(key);
            let any_case = || structure.members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            let Some((name, member)) = exact.or_else(any_case) else {
                return Err(format!("The field \"{key}\" is not supported by Step Functions"));
            };
            let value = if member.is_json() {
                Value::String(as_text(value))
            } else {
                self.fit(member.shape(), key, value, depth + 1)?
            };
            fields.insert(name.clone(), value);
        }
        for (name, _) in structure.members.iter().filter(|(_, member)| member.is_token()) {
            if !fields.contains_key(name) {
                fields.insert(name.clone(), Value::String((self.token)()));
            }
        }
        Ok(fields)
    }

    fn fit(&self, shape: usize, field: &str, value: &Value, depth: usize) -> Result<Value, String> {
        let must_be = |what: &str| Err(format!("The value for the field '{field}' must be {what}"));
        if depth > DEPTH_MAX {
            return Err(format!("The value for the field '{field}' is nested too deep"));
        }
        match (self.service.shape(shape), value) {
            (Some(Shape::Structure(structure)), Value::Object(fields)) => {
                self.structure(structure, fields, depth).map(Value::Object)
            }
            (Some(Shape::List { list, .. }), Value::Array(items)) => {
                let items = items.iter().filter(|item| !item.is_null());
                items
                    .map(|item| self.fit(list.item, field, item, depth + 1))
                    .collect::<Result<_, _>>()
                    .map(Value::Array)
            }
            (Some(Shape::Map(map)), Value::Object(entries)) => {
                let entries = entries.iter().filter(|(_, value)| !value.is_null());
                let fit = |(key, value): (&String, &Value)| {
                    Ok((key.clone(), self.fit(map.value, key, value, depth + 1)?))
                };
                entries.map(fit).collect::<Result<Map<_, _>, String>>().map(Value::Object)
            }
            (Some(Shape::String(_) | Shape::Enum(_) | Shape::Blob(_)), value) => {
                Ok(Value::String(as_text(value)))
            }
            (Some(Shape::Boolean), Value::String(text)) if matches!(&**text, "true" | "false") => {
                Ok(Value::Bool(text == "true"))
            }
            (Some(Shape::Integer(_)), Value::Number(number)) => match whole(number) {
                Some(number) => Ok(number),
                None => must_be("an INTEGER"),
            },
            (Some(Shape::Structure(_)), _) => must_be("an OBJECT"),
            (Some(Shape::List { .. }), _) => must_be("an ARRAY"),
            (Some(Shape::Map(_)), _) => must_be("a MAP"),
            (Some(Shape::Boolean), value) if !value.is_boolean() => must_be("a BOOLEAN"),
            (Some(Shape::Integer(_)), value) if !value.is_number() => must_be("an INTEGER"),
            (Some(Shape::Number(_)), value) if !value.is_number() => must_be("a NUMBER"),
            (Some(Shape::Timestamp(_)), value) if !value.is_string() && !value.is_number() => {
                must_be("a TIMESTAMP")
            }
            _ => Ok(value.clone()),
        }
    }
}

/// A text as it is, anything else as its JSON text.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `3.0`, which JSONata makes of a division, is the whole number 3.
fn whole(number: &Number) -> Option<Value> {
    if number.is_i64() || number.is_u64() {
        return Some(Value::Number(number.clone()));
    }
    let float =
        number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    let whole = float as i64;
    Some(Value::from(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "called with literals")]
    fn fitted(name: &str, operation: &str, arguments: Value) -> Result<Value, Problem> {
        let service = Service::load(name).unwrap();
        let input = service.operation(operation).unwrap().1.input;
        request(&service, input, &arguments, &|| "token".to_owned())
    }

    #[test]
    fn names_and_types_become_those_of_the_service() {
        let given = json!({ "StateMachineArn": "arn", "Input": { "a": [1] }, "Name": null });
        assert_eq!(
            fitted("sfn", "startExecution", given),
            Ok(json!({ "stateMachineArn": "arn", "input": "{\"a\":[1]}" }))
        );
        assert_eq!(
            fitted("rds", "describeDBInstances", json!({ "DbInstanceIdentifier": "db", "MaxRecords": 20.0 })),
            Ok(json!({ "DBInstanceIdentifier": "db", "MaxRecords": 20 }))
        );
        assert_eq!(
            fitted(
                "dynamodb",
                "putItem",
                json!({ "TableName": "t", "Item": { "a": { "Bool": true, "S": 3 } } })
            ),
            Ok(json!({ "TableName": "t", "Item": { "a": { "BOOL": true, "S": "3" } } }))
        );
        assert_eq!(fitted("s3", "putObject", json!({ "Body": 0 })), Ok(json!({ "Body": "0" })));
        let made = fitted("secretsmanager", "createSecret", json!({ "Name": "n" })).unwrap();
        assert_eq!(made["ClientRequestToken"], "token");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let why = |name: &str, operation: &str, arguments: Value| match fitted(name, operation, arguments) {
            Err(Problem::Arguments(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            why("sqs", "sendMessage", json!({ "Queue": "q" })),
            "The Parameters '{\"Queue\":\"q\"}' could not be used to start the Task: \
             [The field \"Queue\" is not supported by Step Functions]"
        );
        assert!(
            why("sqs", "sendMessage", json!({ "DelaySeconds": "x" }))
                .ends_with("'DelaySeconds' must be an INTEGER]")
        );
        assert!(why("sqs", "sendMessage", json!({ "DelaySeconds": 1.5 })).ends_with("must be an INTEGER]"));
        assert!(why("dynamodb", "putItem", json!({ "Item": [] })).ends_with("'Item' must be a MAP]"));
        assert!(why("dynamodb", "putItem", json!("text")).ends_with("must be an OBJECT]"));
    }
}
