//! Mocked results beside the models of AWS's services.

use serde_json::{Map, Value};

use crate::services::{Bounds, Service, Shape, Structure, called_by_integration, capitalised};

/// What the answer of one operation looks like.
#[derive(Debug)]
pub(super) struct Answer {
    service: Service,
    shape: usize,
    /// Fields the integration hands on in a form of its own.
    free: &'static [&'static str],
}

impl Answer {
    /// The answer of a resource, if its service and operation are known.
    pub(super) fn of(resource: &str) -> Option<Self> {
        let call = Call::of(resource)?;
        let service = Service::load(&call.service)?;
        let shape = service.operations.get(&capitalised(&call.operation))?.output?;
        Some(Self { shape, service, free: call.free })
    }

    /// Checks a result; the error says what is wrong with which field, in AWS's words.
    pub(super) fn check(&self, result: &Value, with_required: bool) -> Result<(), String> {
        if !result.is_object() {
            return Err("Mocked result must be a JSON object.".to_owned());
        }
        self.check_shape(self.shape, "", result, with_required)
            .map_err(|problem| format!("Mock result schema validation error: {problem}"))
    }

    fn check_shape(
        &self,
        shape: usize,
        field: &str,
        value: &Value,
        with_required: bool,
    ) -> Result<(), String> {
        let Some(shape) = self.service.shape(shape) else { return Ok(()) };
        let must_be = |what: &str| Err(format!("Field '{field}' must be {what}"));
        match (shape, value) {
            (Shape::Document, _)
            | (Shape::Boolean, Value::Bool(_))
            // Text in a mocked result, whatever the text.
            | (Shape::Timestamp(_), Value::String(_)) => Ok(()),
            (Shape::Enum(values), Value::String(text)) if values.contains(text) => Ok(()),
            (Shape::Enum(_), Value::String(_)) => Err(format!("Field '{field}' is not an expected value")),
            (Shape::String(bounds) | Shape::Blob(bounds), Value::String(text)) => {
                length(field, text.chars().count(), *bounds)
            }
            (Shape::Integer(bounds) | Shape::Number(bounds), Value::Number(number)) => match number.as_f64() {
                Some(number) if bounds.0.is_some_and(|min| number < min) => {
                    Err(format!("Field '{field}' is less than the minimum value"))
                }
                Some(number) if bounds.1.is_some_and(|max| number > max) => {
                    Err(format!("Field '{field}' exceeds the maximum value"))
                }
                _ => Ok(()),
            },
            (Shape::List { list, bounds }, Value::Array(items)) => {
                length(field, items.len(), *bounds)?;
                items.iter().try_for_each(|item| self.check_shape(list.item, field, item, with_required))
            }
            (Shape::Map(map), Value::Object(entries)) => entries
                .iter()
                .try_for_each(|(key, item)| self.check_shape(map.value, key, item, with_required)),
            (Shape::Structure(structure), Value::Object(fields)) => {
                self.check_structure(structure, fields, with_required)
            }
            (Shape::Boolean, _) => must_be("a boolean"),
            (Shape::Timestamp(_) | Shape::Enum(_) | Shape::String(_) | Shape::Blob(_), _) => must_be("a string"),
            (Shape::Integer(_) | Shape::Number(_), _) => must_be("a number"),
            (Shape::List { .. }, _) => must_be("an array"),
            (Shape::Map(_) | Shape::Structure(_), _) => must_be("an object"),
        }
    }

    /// Fields that the model does not have are not looked at.
    fn check_structure(
        &self,
        structure: &Structure,
        fields: &Map<String, Value>,
        with_required: bool,
    ) -> Result<(), String> {
        for name in structure.required().filter(|_| with_required) {
            let name = capitalised(name);
            if fields.get(&name).is_none_or(Value::is_null) {
                return Err(format!("Required field '{name}' is missing"));
            }
        }
        for (name, member) in &structure.members {
            let name = capitalised(name);
            let value = fields.get(&name).filter(|value| !value.is_null());
            if let (Some(value), false) = (value, self.free.contains(&name.as_str())) {
                self.check_shape(member.shape(), &name, value, with_required)?;
            }
        }
        Ok(())
    }
}

fn length(field: &str, length: usize, bounds: Bounds) -> Result<(), String> {
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    let length = length as f64;
    if bounds.0.is_some_and(|min| length < min) {
        return Err(format!("Field '{field}' is smaller than the minimum length"));
    }
    if bounds.1.is_some_and(|max| length > max) {
        return Err(format!("Field '{field}' exceeds the maximum length"));
    }
    Ok(())
}

/// Whose answer becomes the result of a task.
struct Call {
    service: String,
    operation: String,
    free: &'static [&'static str],
}

impl Call {
    /// Developer guide, "Integrating services": which operation an integration
    /// calls, and for a job which one tells its end. `None` where the result
    /// is not the answer of one operation.
    fn of(resource: &str) -> Option<Self> {
        let rest = resource.split_once(":states:")?.1.splitn(3, ':').nth(2)?;
        let call = |service: &str, operation: &str, free| {
            Some(Self { service: service.to_owned(), operation: operation.to_owned(), free })
        };
        if let Some(sdk) = rest.strip_prefix("aws-sdk:") {
            let (service, operation) = sdk.split_once(':')?;
            return if operation.contains('.') { None } else { call(service, operation, &[]) };
        }
        let (service, operation) = rest.split_once(':')?;
        match (service, operation) {
            // What the function returned, as it is.
            ("lambda", "invoke") => call("lambda", "invoke", &["Payload"]),
            ("bedrock", "invokeModel") => call("bedrockruntime", "invokeModel", &["Body"]),
            ("states", "startExecution.sync") => call("sfn", "describeExecution", &[]),
            // Texts of JSON have been read.
            ("states", "startExecution.sync:2") => call("sfn", "describeExecution", &["Input", "Output"]),
            ("athena", "startQueryExecution.sync") => call("athena", "getQueryExecution", &[]),
            ("sagemaker", operation) if operation.contains('.') => {
                let job = operation.strip_prefix("create")?.strip_suffix(".sync")?;
                call("sagemaker", &format!("describe{job}"), &[])
            }
            (_, operation) if operation.contains('.') => None,
            ("elasticmapreduce", "createCluster") => call("emr", "runJobFlow", &[]),
            // `eks:call`, `http:invoke` and the like are no operations: they are not found.
            (service, operation) => call(called_by_integration(service), operation, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_checked_against_the_called_operation() {
        let check = |resource: &str, result: Value| {
            let answer = Answer::of(&format!("arn:aws:states:::{resource}")).expect(resource);
            answer.check(&result, true)
        };
        let problem = |text: &str| Err(format!("Mock result schema validation error: {text}"));
        assert_eq!(check("sqs:sendMessage", json!({ "MessageId": "1", "Other": 1 })), Ok(()));
        assert_eq!(check("lambda:invoke", json!({ "Payload": { "a": [1] }, "StatusCode": 200 })), Ok(()));
        assert_eq!(
            check("aws-sdk:lambda:invoke", json!({ "Payload": {} })),
            problem("Field 'Payload' must be a string")
        );
        assert_eq!(
            check("states:startExecution.sync:2", json!({ "ExecutionArn": "a" })),
            problem("Required field 'StateMachineArn' is missing")
        );
        assert_eq!(
            check("dynamodb:getItem", json!({ "Item": { "id": { "S": 1 } } })),
            problem("Field 'S' must be a string")
        );
        assert_eq!(
            check("aws-sdk:ec2:describeInstances", json!({ "Reservations": [{ "Instances": "i-1" }] })),
            problem("Field 'Instances' must be an array")
        );
        assert_eq!(check("sns:publish", json!([])), Err("Mocked result must be a JSON object.".to_owned()));
        for unknown in ["sqs:sendMessage.waitForTaskToken", "http:invoke", "aws-sdk:nothing:here", "eks:call"]
        {
            assert!(Answer::of(&format!("arn:aws:states:::{unknown}")).is_none(), "{unknown}");
        }
        assert!(Answer::of("arn:aws:lambda:us-east-1:123456789012:function:f").is_none());
    }
}
