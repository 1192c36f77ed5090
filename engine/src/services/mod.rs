//! What is known of AWS's services: their operations, how requests are written
//! and answers are read, and the shapes in them.
//!
//! Owns the file of facts that `cargo xtask models` derives from the models
//! AWS publishes, and its form. Knows nothing of HTTP and of checks: whoever
//! calls services, and whoever compares definitions with them, reads it here.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use indexmap::IndexMap;
use serde::Deserialize;

/// All services that AWS's SDKs know.
static SERVICES: &[u8] = include_bytes!("services.bin");

/// A service.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// What all its operations have in common.
    pub about: About,
    /// By name, as the service spells them: `PutItem`.
    pub operations: BTreeMap<String, Operation>,
    /// The shapes of requests, answers and errors.
    pub shapes: Vec<Shape>,
}

/// How a service is called.
#[derive(Debug, Deserialize)]
pub struct About {
    /// Its name: `DynamoDB`, `CloudWatch Logs`.
    pub id: String,
    /// How requests are written.
    pub protocol: Protocol,
    /// The first part of the service's host names.
    pub endpoint: String,
    /// What signatures call it, where that is not `endpoint`.
    pub signing: Option<String>,
    /// Its version, a date.
    #[serde(default)]
    pub version: String,
    /// Of [`Protocol::Json`]: 1.0 or 1.1.
    pub json: Option<String>,
    /// Of [`Protocol::Json`]: what `X-Amz-Target` begins with.
    pub target: Option<String>,
    /// The host of a service that is in no region.
    pub global: Option<String>,
    /// Errors have the names they had in the query protocol in a header.
    #[serde(default)]
    pub query_errors: bool,
}

impl About {
    /// What signatures call the service.
    pub fn signing_name(&self) -> &str {
        self.signing.as_deref().unwrap_or(&self.endpoint)
    }
}

/// How requests are written, and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// One JSON document each, the operation in a header.
    Json,
    /// JSON in the body; other parts in path, query and headers.
    RestJson,
    /// XML in the body; other parts in path, query and headers.
    RestXml,
    /// A form; the answer is XML.
    Query,
    /// EC2's kind of [`Self::Query`].
    Ec2,
}

/// An operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// Shape of the request.
    pub input: Option<usize>,
    /// Shape of the answer.
    pub output: Option<usize>,
    /// Shapes of the errors it names.
    #[serde(default)]
    pub errors: Vec<usize>,
    /// HTTP method.
    #[serde(default = "post")]
    pub method: String,
    /// Path and query, with `{Member}` and `{Member+}`.
    #[serde(default = "root")]
    pub uri: String,
    /// Element around the answer, of [`Protocol::Query`].
    pub wrapper: Option<String>,
    /// Element around the request, of [`Protocol::RestXml`].
    pub root: Option<String>,
    /// Its XML namespace.
    pub namespace: Option<String>,
    /// The member that names a checksum algorithm.
    pub checksum: Option<String>,
    /// Whether the service refuses the request without a checksum of its body.
    #[serde(default)]
    pub checksum_required: bool,
    /// `none` where requests are not signed.
    pub auth: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

/// A shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Any JSON.
    Document,
    /// A boolean.
    Boolean,
    /// A time, with the way it is written where that is not the protocol's.
    Timestamp(Option<TimestampFormat>),
    /// One of some texts.
    Enum(Vec<String>),
    /// A text.
    String(Bounds),
    /// Bytes.
    Blob(Bounds),
    /// A whole number.
    Integer(Bounds),
    /// A number.
    Number(Bounds),
    /// A map from text.
    Map(MapShape),
    /// Members by name.
    Structure(Structure),
    /// A list.
    #[serde(untagged)]
    List {
        /// What it holds.
        list: ListShape,
        /// How many.
        bounds: Bounds,
    },
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TimestampFormat {
    /// `2026-01-31T10:00:00Z`.
    #[serde(rename = "iso8601")]
    Iso8601,
    /// `Sat, 31 Jan 2026 10:00:00 GMT`.
    #[serde(rename = "rfc822")]
    Rfc822,
    /// Seconds since the epoch.
    #[serde(rename = "unixTimestamp")]
    UnixTimestamp,
}

/// The smallest and largest number, or length.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Bounds(pub Option<f64>, pub Option<f64>);

/// The items of a list.
#[derive(Debug, Deserialize)]
pub struct ListShape {
    /// Their shape.
    pub item: usize,
    /// Their element in XML, where it is not `member`.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// No element around them.
    #[serde(default)]
    pub flat: bool,
}

/// The entries of a map; keys are text.
#[derive(Debug, Deserialize)]
pub struct MapShape {
    /// Shape of the values.
    pub value: usize,
    /// Element of keys in XML, where it is not `key`.
    #[serde(rename = "key_as")]
    pub key_name: Option<String>,
    /// Element of values in XML, where it is not `value`.
    #[serde(rename = "value_as")]
    pub value_name: Option<String>,
    /// No element around them.
    #[serde(default)]
    pub flat: bool,
}

/// A structure.
#[derive(Debug, Deserialize)]
pub struct Structure {
    /// By name, in the service's order.
    pub members: IndexMap<String, Member>,
    /// Names of members that have to be there.
    #[serde(default)]
    required: Vec<String>,
    /// The member that is the body.
    pub payload: Option<String>,
    /// Of an error: its name.
    pub error: Option<String>,
    /// Of an error: its name in XML, where it is another one.
    pub code: Option<String>,
}

impl Structure {
    /// Names of members that an answer has.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.required.iter().map(String::as_str)
    }

    /// Names of members that a caller has to give: the SDK makes up the others.
    pub fn to_be_given(&self) -> impl Iterator<Item = &str> {
        self.required().filter(|name| !self.members.get(*name).is_some_and(Member::is_token))
    }
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Member {
    /// Its shape; nothing else is to be known.
    Plain(usize),
    /// More is to be known.
    Placed(Box<Placed>),
}

/// A member that is written in its own way.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub struct Placed {
    shape: usize,
    #[serde(rename = "as")]
    name: Option<String>,
    at: Option<Location>,
    query_as: Option<String>,
    timestamp: Option<TimestampFormat>,
    namespace: Option<String>,
    #[serde(default)]
    token: bool,
    #[serde(default)]
    json: bool,
    #[serde(default)]
    flat: bool,
    #[serde(default)]
    attribute: bool,
    #[serde(default)]
    events: bool,
}

/// Where in a request or answer a member is, if not in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// In a header.
    Header,
    /// In all headers with a prefix.
    Headers,
    /// In the path.
    Uri,
    /// In the query.
    #[serde(rename = "querystring")]
    Query,
    /// The status code.
    StatusCode,
}

impl Member {
    fn placed(&self) -> Option<&Placed> {
        match self {
            Self::Plain(_) => None,
            Self::Placed(placed) => Some(placed),
        }
    }

    /// The number of its shape.
    pub fn shape(&self) -> usize {
        match self {
            Self::Plain(shape) => *shape,
            Self::Placed(placed) => placed.shape,
        }
    }

    /// How it is called where it is written, if not by its name.
    pub fn name(&self) -> Option<&str> {
        self.placed()?.name.as_deref()
    }

    /// How it is called in EC2's forms, if that is special.
    pub fn query_name(&self) -> Option<&str> {
        self.placed()?.query_as.as_deref()
    }

    /// Where it is, if not in the body.
    pub fn location(&self) -> Option<Location> {
        self.placed()?.at
    }

    /// How the time in it is written, if in its own way.
    pub fn timestamp(&self) -> Option<TimestampFormat> {
        self.placed()?.timestamp
    }

    /// The XML namespace of its element.
    pub fn namespace(&self) -> Option<&str> {
        self.placed()?.namespace.as_deref()
    }

    /// Whether the SDK makes it up where nobody gives one.
    pub fn is_token(&self) -> bool {
        self.placed().is_some_and(|placed| placed.token)
    }

    /// Whether it is JSON in a text.
    pub fn is_json(&self) -> bool {
        self.placed().is_some_and(|placed| placed.json)
    }

    /// Whether the list has no element around it.
    pub fn is_flat(&self) -> bool {
        self.placed().is_some_and(|placed| placed.flat)
    }

    /// Whether it is an attribute of the element.
    pub fn is_attribute(&self) -> bool {
        self.placed().is_some_and(|placed| placed.attribute)
    }

    /// Whether it is a stream of events.
    pub fn is_event_stream(&self) -> bool {
        self.placed().is_some_and(|placed| placed.events)
    }
}

impl Service {
    /// A service by its name in `aws-sdk` resources: `sfn`, `rdsdata`. Reads
    /// and parses its facts, which takes milliseconds: keep what you got.
    ///
    /// # Examples
    /// ```
    /// use engine::services::{Protocol, Service};
    /// let service = Service::load("dynamodb").unwrap();
    /// assert_eq!(service.about.protocol, Protocol::Json);
    /// assert!(service.operations.contains_key("PutItem") && Service::load("dynamo").is_none());
    /// ```
    pub fn load(name: &str) -> Option<Self> {
        let (begin, length) = index().remove(name)?;
        let members = SERVICES.iter().position(|&byte| byte == b'\n')? + 1;
        let begin = members + begin;
        let mut text = String::new();
        GzDecoder::new(SERVICES.get(begin..begin + length)?).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// A shape by its number.
    pub fn shape(&self, number: usize) -> Option<&Shape> {
        self.shapes.get(number)
    }

    /// A structure by its number.
    pub fn structure(&self, number: usize) -> Option<&Structure> {
        match self.shape(number)? {
            Shape::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// The operation of an action in a resource, with its name here: `putItem` calls `PutItem`.
    pub fn operation(&self, action: &str) -> Option<(&str, &Operation)> {
        let exact = self.operations.get_key_value(&capitalised(action));
        let any_case = || self.operations.iter().find(|(name, _)| name.eq_ignore_ascii_case(action));
        exact.or_else(any_case).map(|(name, operation)| (name.as_str(), operation))
    }
}

/// The names of all services.
pub fn names() -> impl Iterator<Item = String> {
    index().into_keys()
}

/// Where the services are: begin and length of each. A file that cannot be read knows no service.
fn index() -> BTreeMap<String, (usize, usize)> {
    let end = SERVICES.iter().position(|&byte| byte == b'\n').unwrap_or_default();
    SERVICES.get(..end).and_then(|index| serde_json::from_slice(index).ok()).unwrap_or_default()
}

/// Step Functions writes the names of fields and operations with a capital letter.
pub fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// The service and the name in AWS's SDK that an optimised integration calls,
/// where its parameters are handed on as they are: `events` is `eventbridge`.
pub fn called_by_integration(service: &str) -> &str {
    match service {
        "states" => "sfn",
        "events" => "eventbridge",
        "bedrock" => "bedrockruntime",
        "elasticmapreduce" => "emr",
        "emr-containers" => "emrcontainers",
        "emr-serverless" => "emrserverless",
        service => service,
    }
}

#[cfg(test)]
mod tests;
