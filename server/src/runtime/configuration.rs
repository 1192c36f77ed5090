//! What is said of a function beside its bootstrap, in AWS's own words: the fields of
//! `CreateFunction` and `GetFunctionConfiguration`, so that what the AWS CLI prints or
//! takes can be put there. A field that AWS does not have is refused, for it is misspelt;
//! one that has no meaning on this machine is passed over.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use asl::limits;
use serde_json::{Map, Value};

use super::environment::RESERVED;
use super::folder::FolderError;

/// Fields of AWS's model that say nothing about how a bootstrap runs here.
const PASSED_OVER: [&str; 46] = [
    "AcceleratorConfig",
    "Architectures",
    "CapacityProviderConfig",
    "Code",
    "CodeSha256",
    "CodeSigningConfigArn",
    "CodeSize",
    "ConfigSha256",
    "DeadLetterConfig",
    "Description",
    "DurableConfig",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionArn",
    "FunctionName",
    "ImageConfig",
    "ImageConfigResponse",
    "KMSKeyArn",
    "LastModified",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "Layers",
    "LoggingConfig",
    "MasterArn",
    "PackageType",
    "Publish",
    "PublishTo",
    "RevisionId",
    "Role",
    "Runtime",
    "RuntimeConfig",
    "RuntimeVersionConfig",
    "SigningJobArn",
    "SigningProfileVersionArn",
    "SnapStart",
    "State",
    "StateReason",
    "StateReasonCode",
    "Tags",
    "TenancyConfig",
    "TracingConfig",
    "Version",
    "VpcConfig",
    "$schema",
    "ResponseMetadata",
];
/// What nobody names: the name that tools for Rust give.
const HANDLER_DEFAULT: &str = "bootstrap";

/// How a function runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) handler: String,
    pub(super) memory_mib: u32,
    pub(super) timeout: Duration,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) reserved_concurrency: Option<u32>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            handler: HANDLER_DEFAULT.to_owned(),
            memory_mib: *limits::FUNCTION_MEMORY_MIB.start(),
            timeout: Duration::from_secs(limits::FUNCTION_TIMEOUT_SECONDS_DEFAULT),
            environment: BTreeMap::new(),
            reserved_concurrency: None,
        }
    }
}

impl Configuration {
    /// Reads a file; without one, everything is as AWS has it by default.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, FolderError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let unreadable = |source| FolderError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(limits::FUNCTION_CONFIGURATION_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        let wrong = |(field, problem)| FolderError::Configuration { path: path.to_owned(), field, problem };
        if text.len() as u64 > limits::FUNCTION_CONFIGURATION_BYTES_MAX {
            let most = limits::FUNCTION_CONFIGURATION_BYTES_MAX;
            return Err(wrong((String::new(), format!("it is larger than {most} bytes"))));
        }
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, (String, String)> {
        let whole = |problem: String| (String::new(), problem);
        let fields: Map<String, Value> = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(whole("it is not a JSON object".to_owned())),
            Err(error) => return Err(whole(format!("it is not JSON: {error}"))),
        };
        let mut configuration = Self::default();
        for (name, value) in &fields {
            let read = match name.as_str() {
                "Handler" => handler(value).map(|handler| configuration.handler = handler),
                "MemorySize" => {
                    let (least, most) = limits::FUNCTION_MEMORY_MIB.into_inner();
                    number(value, least.into(), most.into(), "MB")
                        .map(|memory| configuration.memory_mib = memory)
                }
                "Timeout" => {
                    let (least, most) = limits::FUNCTION_TIMEOUT_SECONDS.into_inner();
                    number(value, least, most, "seconds").map(|seconds| {
                        configuration.timeout = Duration::from_secs(seconds.into());
                    })
                }
                "ReservedConcurrentExecutions" => number(value, 0, u32::MAX.into(), "invocations at a time")
                    .map(|reserved| configuration.reserved_concurrency = Some(reserved)),
                "Environment" => {
                    configuration.environment = environment(value)?;
                    Ok(())
                }
                name if PASSED_OVER.contains(&name) => Ok(()),
                _ => Err("AWS has no such field; those read here are Handler, MemorySize, Timeout, \
                          Environment.Variables and ReservedConcurrentExecutions"
                    .to_owned()),
            };
            read.map_err(|problem| (name.clone(), problem))?;
        }
        Ok(configuration)
    }
}

fn handler(value: &Value) -> Result<String, String> {
    let most = limits::FUNCTION_HANDLER_CHARS_MAX;
    let fits = |text: &&str| {
        !text.is_empty()
            && text.chars().count() <= most
            && !text.contains(char::is_whitespace)
            && !text.contains('\0')
    };
    let given = value.as_str().filter(fits);
    given.map(str::to_owned).ok_or_else(|| format!("it is not 1 to {most} characters without white space"))
}

fn number(value: &Value, least: u64, most: u64, unit: impl Display) -> Result<u32, String> {
    let given = value.as_u64().filter(|number| (least..=most).contains(number));
    let given = given.and_then(|number| u32::try_from(number).ok());
    given.ok_or_else(|| format!("it is not a whole number of {unit} from {least} to {most}"))
}

/// `{"Variables": {…}}`. Errors name the variable, never its value: it may be a secret.
fn environment(value: &Value) -> Result<BTreeMap<String, String>, (String, String)> {
    let wrong = |field: &str, problem: &str| Err((field.to_owned(), problem.to_owned()));
    let Some(fields) = value.as_object() else { return wrong("Environment", "it is not an object") };
    if let Some(other) = fields.keys().find(|name| !matches!(name.as_str(), "Variables" | "Error")) {
        return wrong(&format!("Environment.{other}"), "AWS has no such field: it is Environment.Variables");
    }
    let variables = match fields.get("Variables") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(variables)) => variables,
        Some(_) => return wrong("Environment.Variables", "it is not an object"),
    };
    let mut environment = BTreeMap::new();
    for (name, value) in variables {
        let field = format!("Environment.Variables.{name}");
        if !is_variable_name(name) {
            return wrong(&field, "its name is not a letter followed by letters, digits and `_`");
        }
        if RESERVED.contains(&name.as_str()) {
            return wrong(&field, "AWS reserves this name: functions cannot set it");
        }
        match value.as_str() {
            Some(value) if !value.contains('\0') => environment.insert(name.clone(), value.to_owned()),
            _ => return wrong(&field, "it is not a text without NUL"),
        };
    }
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::FUNCTION_ENVIRONMENT_BYTES_MAX {
        let most = limits::FUNCTION_ENVIRONMENT_BYTES_MAX;
        return wrong(
            "Environment.Variables",
            &format!("together they have {bytes} bytes; AWS takes {most}"),
        );
    }
    Ok(environment)
}

/// Lambda model, `EnvironmentVariableName`.
fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        Configuration::parse(text).expect_err(text)
    }

    #[test]
    fn fields_are_awss() {
        let text = r#"{
            "FunctionName": "f", "Runtime": "provided.al2023", "Role": "arn:aws:iam::1:role/r",
            "Handler": "parse", "MemorySize": 512, "Timeout": 30, "ReservedConcurrentExecutions": 2,
            "Environment": { "Variables": { "MODE": "fast" } }
        }"#;
        let expected = Configuration {
            handler: "parse".to_owned(),
            memory_mib: 512,
            timeout: Duration::from_secs(30),
            environment: BTreeMap::from([("MODE".to_owned(), "fast".to_owned())]),
            reserved_concurrency: Some(2),
        };
        assert_eq!(Configuration::parse(text), Ok(expected));
        assert_eq!(Configuration::parse("{}"), Ok(Configuration::default()));
        assert_eq!(Configuration::read(None).unwrap().memory_mib, 128);
    }

    #[test]
    fn what_aws_refuses_is_refused_by_its_name() {
        for (text, field) in [
            (r#"{"Memory": 512}"#, "Memory"),
            (r#"{"MemorySize": 127}"#, "MemorySize"),
            (r#"{"MemorySize": "512"}"#, "MemorySize"),
            (r#"{"MemorySize": 99999999999}"#, "MemorySize"),
            (r#"{"Timeout": 0}"#, "Timeout"),
            (r#"{"Timeout": 901}"#, "Timeout"),
            (r#"{"Timeout": 1.5}"#, "Timeout"),
            (r#"{"Handler": "a b"}"#, "Handler"),
            (r#"{"ReservedConcurrentExecutions": -1}"#, "ReservedConcurrentExecutions"),
            (r#"{"Environment": {"MODE": "x"}}"#, "Environment.MODE"),
            (r#"{"Environment": {"Variables": {"1A": "x"}}}"#, "Environment.Variables.1A"),
            (r#"{"Environment": {"Variables": {"AWS_REGION": "x"}}}"#, "Environment.Variables.AWS_REGION"),
            (r#"{"Environment": {"Variables": {"MODE": 1}}}"#, "Environment.Variables.MODE"),
            ("[]", ""),
            ("{", ""),
        ] {
            assert_eq!(refused(text).0, field, "{text}");
        }
        let long = format!(r#"{{"Environment": {{"Variables": {{"LONG": "{}"}}}}}}"#, "x".repeat(4096));
        let (field, problem) = refused(&long);
        assert_eq!(field, "Environment.Variables");
        assert!(!problem.contains("xxx"), "values are not repeated");
    }
}
