//! What is known of AWS's services: of their answers which fields there are,
//! their types and bounds; of their requests the names. Derived by `cargo xtask models`; see there for the
//! form of the file.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The services that are known.
static SERVICES: &[u8] = include_bytes!("services.bin");

/// The operations of a service, with the shapes of their answers and requests.
#[derive(Debug, Deserialize)]
pub(super) struct Service {
    /// Answer and request.
    pub(super) operations: BTreeMap<String, (Option<usize>, Option<Reference>)>,
    shapes: Vec<Shape>,
    pub(super) requests: Vec<Request>,
}

/// A structure in a request.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) members: BTreeMap<String, Option<Reference>>,
    pub(super) required: Vec<String>,
}

/// Where in a request structures are.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    /// The position of one.
    Structure(usize),
    /// In every item.
    List([Option<Box<Reference>>; 1]),
    /// In every value.
    Map { map: Option<Box<Reference>> },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Document,
    Boolean,
    /// Text in a mocked result, whatever the text.
    Timestamp,
    Enum(Vec<String>),
    String(Bounds),
    Blob(Bounds),
    Number(Bounds),
    Map(usize),
    #[serde(untagged)]
    List {
        list: usize,
        bounds: Bounds,
    },
    #[serde(untagged)]
    Structure {
        structure: Map<String, Value>,
        required: Vec<String>,
    },
}

/// The smallest and largest number, or length.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Bounds(Option<f64>, Option<f64>);

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
        let service = service(&call.service)?;
        let (shape, _) = service.operations.get(&capitalised(&call.operation))?;
        Some(Self { shape: (*shape)?, service, free: call.free })
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
        let Some(shape) = self.service.shapes.get(shape) else { return Ok(()) };
        let must_be = |what: &str| Err(format!("Field '{field}' must be {what}"));
        match (shape, value) {
            (Shape::Document, _)
            | (Shape::Boolean, Value::Bool(_))
            | (Shape::Timestamp, Value::String(_)) => Ok(()),
            (Shape::Enum(values), Value::String(text)) if values.contains(text) => Ok(()),
            (Shape::Enum(_), Value::String(_)) => Err(format!("Field '{field}' is not an expected value")),
            (Shape::String(bounds) | Shape::Blob(bounds), Value::String(text)) => {
                length(field, text.chars().count(), *bounds)
            }
            (Shape::Number(bounds), Value::Number(number)) => match number.as_f64() {
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
                items.iter().try_for_each(|item| self.check_shape(*list, field, item, with_required))
            }
            (Shape::Map(inner), Value::Object(entries)) => {
                entries.iter().try_for_each(|(key, item)| self.check_shape(*inner, key, item, with_required))
            }
            (Shape::Structure { structure, required }, Value::Object(fields)) => {
                self.check_structure(structure, required, fields, with_required)
            }
            (Shape::Boolean, _) => must_be("a boolean"),
            (Shape::Timestamp | Shape::Enum(_) | Shape::String(_) | Shape::Blob(_), _) => must_be("a string"),
            (Shape::Number(_), _) => must_be("a number"),
            (Shape::List { .. }, _) => must_be("an array"),
            (Shape::Map(_) | Shape::Structure { .. }, _) => must_be("an object"),
        }
    }

    /// Fields that the model does not have are not looked at.
    fn check_structure(
        &self,
        members: &Map<String, Value>,
        required: &[String],
        fields: &Map<String, Value>,
        with_required: bool,
    ) -> Result<(), String> {
        for name in required.iter().filter(|_| with_required) {
            let name = capitalised(name);
            if fields.get(&name).is_none_or(Value::is_null) {
                return Err(format!("Required field '{name}' is missing"));
            }
        }
        for (member, shape) in members {
            let name = capitalised(member);
            let shape = shape.as_u64().and_then(|shape| usize::try_from(shape).ok());
            let value = fields.get(&name).filter(|value| !value.is_null());
            if let (Some(shape), Some(value), false) = (shape, value, self.free.contains(&name.as_str())) {
                self.check_shape(shape, &name, value, with_required)?;
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

/// Step Functions writes the names of fields and operations with a capital letter.
pub(super) fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
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
            ("states", operation) => call("sfn", operation, &[]),
            ("events", operation) => call("eventbridge", operation, &[]),
            ("elasticmapreduce", "createCluster") => call("emr", "runJobFlow", &[]),
            ("emr-containers", operation) => call("emrcontainers", operation, &[]),
            ("emr-serverless", operation) => call("emrserverless", operation, &[]),
            // `eks:call`, `http:invoke` and the like are no operations: they are not found.
            (service, operation) => call(service, operation, &[]),
        }
    }
}

/// Where the services are: begin and length of each, null for those whose name alone is known.
/// A file that cannot be read knows no service.
pub(super) fn index() -> BTreeMap<String, Option<(usize, usize)>> {
    let end = SERVICES.iter().position(|&byte| byte == b'\n').unwrap_or_default();
    SERVICES.get(..end).and_then(|index| serde_json::from_slice(index).ok()).unwrap_or_default()
}

/// A service by its name.
pub(super) fn service(name: &str) -> Option<Service> {
    let (begin, length) = index().remove(name)??;
    let members = SERVICES.iter().position(|&byte| byte == b'\n')? + 1;
    let begin = members + begin;
    let mut text = String::new();
    GzDecoder::new(SERVICES.get(begin..begin + length)?).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_service_can_be_read() {
        let index = index();
        assert!(index.values().flatten().count() > 100 && index.values().any(Option::is_none));
        for name in index.iter().filter(|(_, place)| place.is_some()).map(|(name, _)| name) {
            let service = service(name).unwrap_or_else(|| panic!("{name} cannot be read"));
            for (answer, request) in service.operations.values() {
                assert!(answer.is_none_or(|shape| shape < service.shapes.len()), "{name}");
                if let Some(Reference::Structure(at)) = request {
                    assert!(*at < service.requests.len(), "{name}");
                }
            }
        }
    }

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
