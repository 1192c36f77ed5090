//! State machines.

use engine::EngineError;
use engine::registry::{
    Configuration, CreateStateMachine, Encryption, LogLevel, Logging, StateMachineDetails, StateMachineType,
    UpdateStateMachine,
};
use serde_json::{Value, json};

use super::arns;
use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};
use super::{Api, definitions};

pub(super) fn create(api: &Api, parameters: Parameters<'_>) -> Answer {
    let name = parameters.required("name");
    let definition = parameters.required("definition");
    let publish = publication(parameters)?;
    let configuration = Configuration {
        logging: logging(api, parameters)?.unwrap_or_default(),
        tracing: tracing(parameters).unwrap_or_default(),
        encryption: encryption(parameters)?.unwrap_or_default(),
    };
    let request = CreateStateMachine {
        name: name.to_owned(),
        kind: parameters.text("type").and_then(StateMachineType::of).unwrap_or_default(),
        definition: definition.to_owned(),
        role_arn: role_arn(parameters)?.unwrap_or_default(),
        configuration,
        tags: super::tags::read(parameters, "tags"),
        publish,
        version_description: parameters.owned("versionDescription"),
    };
    let arn = api.place.state_machine_arn(name);
    let created = api.engine.create_state_machine(request);
    let created = created.map_err(|error| refused(error, definition, &arn))?;
    let version_arn = created.version.map(|version| api.place.qualified_arn(name, version.number));
    Ok(Fields::default()
        .with("stateMachineArn", created.arn)
        .with("creationDate", seconds(created.created_millis))
        .maybe("stateMachineVersionArn", version_arn)
        .into())
}

pub(super) fn update(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    if target.qualifier.is_some() {
        // Recorded on AWS: a version cannot be updated, and is not found.
        return Err(ApiError::no_state_machine(target.arn));
    }
    let publish = publication(parameters)?;
    let definition = parameters.text("definition");
    let request = UpdateStateMachine {
        definition: definition.map(str::to_owned),
        role_arn: role_arn(parameters)?,
        logging: logging(api, parameters)?,
        tracing: tracing(parameters),
        encryption: encryption(parameters)?,
        publish,
        version_description: parameters.owned("versionDescription"),
    };
    let changes_something = request.definition.is_some()
        || request.role_arn.is_some()
        || request.logging.is_some()
        || request.tracing.is_some()
        || request.encryption.is_some();
    if !changes_something {
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be \
             specified",
        ));
    }
    let updated = api.engine.update_state_machine(target.name, request);
    let updated = updated.map_err(|error| refused(error, definition.unwrap_or_default(), target.arn))?;
    let version_arn = updated.version.map(|version| api.place.qualified_arn(target.name, version.number));
    Ok(Fields::default()
        .with("updateDate", seconds(updated.updated_millis))
        .maybe("revisionId", updated.revision_id)
        .maybe("stateMachineVersionArn", version_arn)
        .into())
}

pub(super) fn delete(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    if target.qualifier.is_some() {
        return Err(ApiError::validation(format!(
            "A state machine is deleted by its unqualified ARN. Received: [{}]",
            target.arn
        )));
    }
    api.engine.delete_state_machine(target.name).map_err(|error| ApiError::of(error, target.arn))?;
    Ok(json!({}))
}

pub(super) fn describe(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    if target.alias().is_some() {
        return Err(ApiError::no_state_machine(target.arn));
    }
    let found = api.engine.state_machine(target.name, target.version());
    // A version that is not there is a state machine that is not there.
    let details = found.map_err(|error| match error {
        EngineError::Registry(_) => ApiError::no_state_machine(target.arn),
        other => ApiError::of(other, target.arn),
    })?;
    let created_millis =
        details.version.as_ref().map_or(details.created_millis, |version| version.created_millis);
    let description = details.version.as_ref().and_then(|version| version.description.clone());
    Ok(Fields::default()
        .with("stateMachineArn", target.arn)
        .with("name", details.name.as_str())
        .with("status", details.status.as_str())
        .with("definition", definition_of(&details, parameters))
        .with("roleArn", details.role_arn.as_str())
        .with("type", details.kind.as_str())
        .with("creationDate", seconds(created_millis))
        .with("loggingConfiguration", logging_answer(&details.configuration.logging))
        .with("tracingConfiguration", json!({ "enabled": details.configuration.tracing }))
        .with("encryptionConfiguration", encryption_answer(&details.configuration.encryption))
        .maybe("revisionId", details.revision_id.clone())
        .maybe("description", description)
        .maybe("variableReferences", variable_references(&details))
        .into())
}

pub(super) fn describe_for_execution(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let details = api.engine.state_machine_of_execution(arn).map_err(|error| ApiError::of(error, arn))?;
    let execution = api.engine.describe_execution(arn).map_err(|error| ApiError::of(error, arn))?;
    let label = execution.map_run_arn.as_deref().and_then(label);
    Ok(Fields::default()
        .with("stateMachineArn", execution.state_machine_arn.as_str())
        .with("name", details.name.as_str())
        .with("definition", definition_of(&details, parameters))
        .maybe("mapRunArn", execution.map_run_arn.as_deref())
        .maybe("label", label)
        .with("roleArn", details.role_arn.as_str())
        .with("updateDate", seconds(details.updated_millis))
        .with("loggingConfiguration", logging_answer(&details.configuration.logging))
        .with("tracingConfiguration", json!({ "enabled": details.configuration.tracing }))
        .with("encryptionConfiguration", encryption_answer(&details.configuration.encryption))
        .maybe("revisionId", details.revision_id.clone())
        .maybe("variableReferences", variable_references(&details))
        .into())
}

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let page = Page::of(parameters, &["ListStateMachines"])?;
    let mut machines = api.engine.state_machine_summaries(page.after.as_deref(), page.one_more());
    let next = page.cut(&mut machines, |machine| machine.name.clone());
    let machines: Vec<Value> = machines
        .into_iter()
        .map(|machine| {
            json!({
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "type": machine.kind.as_str(),
                "creationDate": seconds(machine.created_millis),
            })
        })
        .collect();
    Ok(Fields::default().with("stateMachines", machines).maybe("nextToken", next).into())
}

/// The label in the ARN of a Map Run: `…:mapRun:name/label:uuid`.
fn label(map_run_arn: &str) -> Option<&str> {
    map_run_arn.split_once('/')?.1.split(':').next()
}

/// What the engine refuses; a definition with AWS's words about its text.
fn refused(error: EngineError, definition: &str, arn: &str) -> ApiError {
    match error {
        EngineError::InvalidDefinition { diagnostics, .. } => definitions::refused(&diagnostics, definition),
        other => ApiError::of(other, arn),
    }
}

/// Whether a version is published; only then may it be described. Recorded on AWS.
fn publication(parameters: Parameters<'_>) -> Answer<bool> {
    let publish = parameters.flag("publish").unwrap_or_default();
    if !publish && parameters.text("versionDescription").is_some() {
        return Err(ApiError::validation("Version description can only be set when publish is true"));
    }
    Ok(publish)
}

fn role_arn(parameters: Parameters<'_>) -> Answer<Option<String>> {
    match parameters.text("roleArn") {
        Some(arn) if !arn.starts_with("arn:") => {
            Err(ApiError::invalid_arn(format_args!("Invalid ARN prefix: {arn}")))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn logging(api: &Api, parameters: Parameters<'_>) -> Answer<Option<Logging>> {
    let Some(given) = parameters.structure("loggingConfiguration") else { return Ok(None) };
    let invalid = |problem: &str| {
        let message = format!("Invalid Logging Configuration: {problem}");
        ApiError::new("InvalidLoggingConfiguration", message)
    };
    let destinations = given.list("destinations").is_some().then(|| {
        let groups = given.structures("destinations");
        let groups = groups.filter_map(|destination| destination.structure("cloudWatchLogsLogGroup"));
        groups.filter_map(|group| group.owned("logGroupArn")).collect::<Vec<String>>()
    });
    let logging = Logging {
        level: given.text("level").and_then(LogLevel::of).unwrap_or_default(),
        include_execution_data: given.flag("includeExecutionData").unwrap_or_default(),
        destinations,
    };
    let groups = logging.destinations.as_deref().unwrap_or_default();
    if groups.len() > 1 || (groups.is_empty() && logging.level != LogLevel::Off) {
        return Err(invalid("Must specify exactly one Log Destination."));
    }
    if groups.iter().any(|group| !(api.log_group_exists)(group)) {
        return Err(invalid("Log Destination not found."));
    }
    Ok(Some(logging))
}

fn logging_answer(logging: &Logging) -> Value {
    let destinations = logging.destinations.as_ref().map(|groups| -> Vec<Value> {
        groups.iter().map(|group| json!({ "cloudWatchLogsLogGroup": { "logGroupArn": group } })).collect()
    });
    Fields::default()
        .with("level", logging.level.as_str())
        .with("includeExecutionData", logging.include_execution_data)
        .maybe("destinations", destinations)
        .into()
}

fn tracing(parameters: Parameters<'_>) -> Option<bool> {
    parameters.structure("tracingConfiguration").map(|given| given.flag("enabled").unwrap_or_default())
}

/// Reads `encryptionConfiguration`. Developer guide, "Data at rest encryption": a key of
/// one's own comes with its type, and only then.
pub(super) fn encryption(parameters: Parameters<'_>) -> Answer<Option<Encryption>> {
    let Some(given) = parameters.structure("encryptionConfiguration") else { return Ok(None) };
    let invalid = |problem: &str| {
        let message = format!("Invalid Encryption Configuration: {problem}");
        ApiError::new("InvalidEncryptionConfiguration", message)
    };
    let key = given.owned("kmsKeyId");
    let reuse_seconds =
        given.number("kmsDataKeyReusePeriodSeconds").and_then(|seconds| u32::try_from(seconds).ok());
    match (given.required("type"), &key) {
        ("CUSTOMER_MANAGED_KMS_KEY", None) => {
            Err(invalid("kmsKeyId must be specified when type is CUSTOMER_MANAGED_KMS_KEY"))
        }
        ("CUSTOMER_MANAGED_KMS_KEY", Some(_)) => {
            let reuse_seconds = Some(reuse_seconds.unwrap_or(KMS_REUSE_SECONDS_DEFAULT));
            Ok(Some(Encryption { kms_key_id: key, reuse_seconds }))
        }
        _ if key.is_some() || reuse_seconds.is_some() => Err(invalid(
            "kmsKeyId and kmsDataKeyReusePeriodSeconds must not be specified when type is AWS_OWNED_KEY",
        )),
        _ => Ok(Some(Encryption::default())),
    }
}

/// How long a data key is used when nobody says so, in seconds. Model, `EncryptionConfiguration`: 300.
const KMS_REUSE_SECONDS_DEFAULT: u32 = 300;

pub(super) fn encryption_answer(encryption: &Encryption) -> Value {
    let kind = if encryption.kms_key_id.is_some() { "CUSTOMER_MANAGED_KMS_KEY" } else { "AWS_OWNED_KEY" };
    Fields::default()
        .maybe("kmsKeyId", encryption.kms_key_id.clone())
        .maybe("kmsDataKeyReusePeriodSeconds", encryption.reuse_seconds)
        .with("type", kind)
        .into()
}

/// What stands for a definition where only metadata are wanted. API reference, `DescribeStateMachineOutput`.
const NO_DEFINITION: &str = "{}";

fn definition_of(details: &StateMachineDetails, parameters: Parameters<'_>) -> String {
    match parameters.text("includedData") {
        Some("METADATA_ONLY") => NO_DEFINITION.to_owned(),
        _ => details.definition.clone(),
    }
}

/// The variables that states read, by state; nothing when none does. Recorded on AWS.
fn variable_references(details: &StateMachineDetails) -> Option<Value> {
    let references = asl::variable_references(details.parsed.as_deref()?);
    (!references.is_empty()).then(|| json!(references))
}
