//! The resource types we write, with the properties we write, typed.
//!
//! Names and meanings are `CloudFormation`'s; what is always the same for us
//! (runtime, tracing, encryption, …) is fixed here and cannot be forgotten.

#![expect(clippy::struct_field_names, reason = "the names are the properties' names")]

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cloudformation::{Properties, Text};
use crate::environment::{Architecture, LogRetention};
use crate::iam::PolicyDocument;

mod triggers;

pub use triggers::{ObjectPattern, Pipe, PipeSettings, Queue, QueuePolicy, Rule, Schedule, Start, TARGET_ID};

/// A tag.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// `AWS::Lambda::Function` with a binary of ours.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    function_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    runtime: &'static str,
    handler: String,
    architectures: [&'static str; 1],
    code: Code,
    role: Text,
    memory_size: u32,
    timeout: u32,
    #[serde(skip_serializing_if = "Variables::is_empty")]
    environment: Variables,
    tracing_config: TracingConfig,
    logging_config: FunctionLogging,
    tags: Vec<Tag>,
}

/// What differs from function to function.
#[derive(Debug)]
pub struct FunctionSettings<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub description: String,
    /// `_HANDLER`.
    pub handler: &'a str,
    /// The binary's architecture.
    pub architecture: Architecture,
    /// Where the zip will be.
    pub code: Code,
    /// Its role.
    pub role: Text,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Time limit in seconds.
    pub timeout_seconds: u32,
    /// Environment variables.
    pub variables: BTreeMap<String, Text>,
    /// Its log group's name.
    pub log_group: Text,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Function {
    /// A function of these settings on the OS-only runtime, traced, with its own log group.
    pub fn new(settings: FunctionSettings<'_>) -> Self {
        Self {
            function_name: settings.name.to_owned(),
            description: settings.description,
            runtime: "provided.al2023",
            handler: settings.handler.to_owned(),
            architectures: [settings.architecture.as_str()],
            code: settings.code,
            role: settings.role,
            memory_size: settings.memory_mib,
            timeout: settings.timeout_seconds,
            environment: Variables { variables: settings.variables },
            tracing_config: TracingConfig { mode: "Active" },
            logging_config: FunctionLogging { log_group: settings.log_group },
            tags: settings.tags,
        }
    }
}

impl Properties for Function {
    const TYPE: &'static str = "AWS::Lambda::Function";
}

/// Where a function's zip is.
#[derive(Debug, Clone, Serialize)]
pub struct Code {
    /// The bucket.
    #[serde(rename = "S3Bucket")]
    pub bucket: Text,
    /// The key.
    #[serde(rename = "S3Key")]
    pub key: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Variables {
    variables: BTreeMap<String, Text>,
}

impl Variables {
    fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TracingConfig {
    mode: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionLogging {
    log_group: Text,
}

/// `AWS::StepFunctions::StateMachine`, standard, logged and traced.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StateMachine {
    state_machine_name: String,
    state_machine_type: &'static str,
    role_arn: Text,
    definition_string: String,
    logging_configuration: LoggingConfiguration,
    tracing_configuration: TracingConfiguration,
    tags: Vec<Tag>,
}

impl StateMachine {
    /// A machine that executes exactly `definition`: no substitutions.
    pub fn new(name: &str, definition: &str, role_arn: Text, log_group_arn: Text, tags: Vec<Tag>) -> Self {
        let destination = Destination { cloud_watch_logs_log_group: LogGroupArn { log_group_arn } };
        Self {
            state_machine_name: name.to_owned(),
            state_machine_type: "STANDARD",
            role_arn,
            definition_string: definition.to_owned(),
            logging_configuration: LoggingConfiguration {
                level: "ALL",
                include_execution_data: true,
                destinations: [destination],
            },
            tracing_configuration: TracingConfiguration { enabled: true },
            tags,
        }
    }
}

impl Properties for StateMachine {
    const TYPE: &'static str = "AWS::StepFunctions::StateMachine";
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfiguration {
    level: &'static str,
    include_execution_data: bool,
    destinations: [Destination; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    cloud_watch_logs_log_group: LogGroupArn,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogGroupArn {
    log_group_arn: Text,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TracingConfiguration {
    enabled: bool,
}

/// `AWS::Logs::LogGroup`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogGroup {
    log_group_name: String,
    retention_in_days: u32,
    tags: Vec<Tag>,
}

impl LogGroup {
    /// A group that forgets after a while.
    pub fn new(name: String, retention: LogRetention, tags: Vec<Tag>) -> Self {
        Self { log_group_name: name, retention_in_days: retention.in_days(), tags }
    }
}

impl Properties for LogGroup {
    const TYPE: &'static str = "AWS::Logs::LogGroup";
}

/// `AWS::IAM::Role` with its policies inside, so that whoever depends on the
/// role depends on all it may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    description: String,
    assume_role_policy_document: PolicyDocument,
    policies: [InlinePolicy; 1],
    tags: Vec<Tag>,
}

impl Role {
    /// A role that one service may assume.
    pub fn new(description: String, trust: PolicyDocument, policy: PolicyDocument, tags: Vec<Tag>) -> Self {
        let policy = InlinePolicy { policy_name: "stepwright", policy_document: policy };
        Self { description, assume_role_policy_document: trust, policies: [policy], tags }
    }
}

impl Properties for Role {
    const TYPE: &'static str = "AWS::IAM::Role";
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePolicy {
    policy_name: &'static str,
    policy_document: PolicyDocument,
}

/// `AWS::S3::Bucket`: encrypted, versioned, private.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    bucket_encryption: BucketEncryption,
    versioning_configuration: Status,
    public_access_block_configuration: PublicAccessBlock,
    ownership_controls: Rules<ObjectOwnership>,
    lifecycle_configuration: Rules<LifecycleRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_configuration: Option<NotificationConfiguration>,
    tags: Vec<Tag>,
}

impl Bucket {
    /// A bucket that keeps replaced objects for so many days, and tells `EventBridge` of its objects or not.
    pub fn new(noncurrent_days: u32, tells: bool, tags: Vec<Tag>) -> Self {
        Self {
            bucket_encryption: BucketEncryption {
                rules: [EncryptionRule { default: EncryptionDefault { algorithm: "AES256" } }],
            },
            versioning_configuration: Status { status: "Enabled" },
            public_access_block_configuration: PublicAccessBlock {
                block_public_acls: true,
                block_public_policy: true,
                ignore_public_acls: true,
                restrict_public_buckets: true,
            },
            ownership_controls: Rules {
                rules: [ObjectOwnership { object_ownership: "BucketOwnerEnforced" }],
            },
            lifecycle_configuration: Rules {
                rules: [LifecycleRule {
                    id: "forget-what-was-replaced",
                    status: "Enabled",
                    noncurrent_version_expiration: NoncurrentDays { noncurrent_days },
                    // An upload that was not finished in a day never will be: steps end after 15 minutes.
                    abort_incomplete_multipart_upload: DaysAfterInitiation { days_after_initiation: 1 },
                }],
            },
            notification_configuration: tells.then_some(NotificationConfiguration {
                event_bridge_configuration: EventBridgeConfiguration { event_bridge_enabled: true },
            }),
            tags,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NotificationConfiguration {
    event_bridge_configuration: EventBridgeConfiguration,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventBridgeConfiguration {
    event_bridge_enabled: bool,
}

impl Properties for Bucket {
    const TYPE: &'static str = "AWS::S3::Bucket";
}

#[derive(Debug, Clone, Serialize)]
struct BucketEncryption {
    #[serde(rename = "ServerSideEncryptionConfiguration")]
    rules: [EncryptionRule; 1],
}

#[derive(Debug, Clone, Serialize)]
struct EncryptionRule {
    #[serde(rename = "ServerSideEncryptionByDefault")]
    default: EncryptionDefault,
}

#[derive(Debug, Clone, Serialize)]
struct EncryptionDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    status: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "the four switches S3 has")]
struct PublicAccessBlock {
    block_public_acls: bool,
    block_public_policy: bool,
    ignore_public_acls: bool,
    restrict_public_buckets: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rules<R> {
    rules: [R; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ObjectOwnership {
    object_ownership: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LifecycleRule {
    id: &'static str,
    status: &'static str,
    noncurrent_version_expiration: NoncurrentDays,
    abort_incomplete_multipart_upload: DaysAfterInitiation,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NoncurrentDays {
    noncurrent_days: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DaysAfterInitiation {
    days_after_initiation: u32,
}

/// `AWS::S3::BucketPolicy`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketPolicy {
    /// The bucket's name.
    pub bucket: Text,
    /// What it says.
    pub policy_document: PolicyDocument,
}

impl Properties for BucketPolicy {
    const TYPE: &'static str = "AWS::S3::BucketPolicy";
}

/// `AWS::SecretsManager::Secret` without a value: an operator puts it in, and
/// no deployment touches it again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Secret {
    /// What the value is for.
    pub description: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Properties for Secret {
    const TYPE: &'static str = "AWS::SecretsManager::Secret";
}
