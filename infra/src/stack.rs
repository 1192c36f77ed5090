//! From a manifest to the stack that runs it on AWS.
//!
//! Per step a function, its role and its log group; per workflow a state
//! machine, its role and its log group; the buckets and secrets the steps ask
//! for. A role holds what its function's grants say and nothing else.
//!
//! Function and state machine names are fixed (a definition calls functions by
//! name, and its bytes are the same everywhere), so an application is deployed
//! once per account and region.

use std::collections::{BTreeMap, BTreeSet};

use crate::assembly::SynthesisError;
use crate::cloudformation::{Deletion, LogicalId, Output, Resource, Suppression, Template, Text};
use crate::environment::{Architecture, Environment};
use crate::iam::{PolicyDocument, Statement, when};
use crate::manifest::{self, Access, Manifest, ResourceKind};
use crate::resources::{
    Bucket, BucketPolicy, Code, Function, FunctionSettings, LogGroup, Role, Secret, StateMachine, Tag,
};

#[cfg(test)]
mod tests;
mod triggers;

/// How long a replaced object can be looked at: as long as an execution can be
/// redriven (14 days) and then some.
const NONCURRENT_DAYS: u32 = 30;
/// AWS Lambda quota: characters of a function's description.
const DESCRIPTION_CHARACTERS_MAX: usize = 256;

const TRACING: &[&str] = &["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
const TRACING_EVERYWHERE: &str = "X-Ray's write actions know no resources";

/// Where the zip of a function's binary will be once the assembly is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The key in the bootstrap bucket.
    pub object_key: String,
    /// The file in the assembly.
    pub path: String,
}

/// The template of an application.
///
/// `assets` holds one entry per binary of the manifest.
///
/// # Errors
/// [`SynthesisError`] when two names become one logical id or a binary has no asset.
pub fn template(
    manifest: &Manifest,
    environment: &Environment,
    architecture: Architecture,
    assets: &BTreeMap<String, Asset>,
) -> Result<Template, SynthesisError> {
    let stack = environment.stack.as_ref().unwrap_or(&manifest.app);
    let template = Template::new(stack.clone(), format!("Workflows of {}", manifest.app));
    let mut builder = Builder { manifest, environment, template };
    for name in &manifest.buckets {
        builder.bucket(name)?;
    }
    for name in &manifest.secrets {
        builder.secret(name)?;
    }
    for function in &manifest.functions {
        let asset = assets.get(&function.binary).ok_or_else(|| SynthesisError::NoBinary {
            binary: function.binary.clone(),
            package: function.package.clone(),
        })?;
        builder.function(function, architecture, asset)?;
    }
    for workflow in &manifest.workflows {
        builder.machine(workflow)?;
    }
    Ok(builder.template)
}

struct Builder<'a> {
    manifest: &'a Manifest,
    environment: &'a Environment,
    template: Template,
}

impl Builder<'_> {
    /// Tags of a resource: the environment's, the application's, its own.
    fn tags(&self, own: Option<(&str, &str)>) -> Vec<Tag> {
        let app = ("stepwright:app", self.manifest.app.as_str());
        let settings = self.environment.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        settings
            .chain([app])
            .chain(own)
            .map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() })
            .collect()
    }

    fn output(&mut self, name: String, description: String, value: Text) {
        self.template.outputs.insert(name, Output { description, value });
    }

    fn bucket(&mut self, name: &str) -> Result<(), SynthesisError> {
        let id = bucket_id(name);
        let tags = self.tags(Some(("stepwright:bucket", name)));
        let no_access_log = "who read what is in CloudTrail's data events, an account's decision";
        let bucket = Resource::new(
            format!("{name}/Bucket"),
            Deletion::Retain,
            &Bucket::new(NONCURRENT_DAYS, self.tells_of_objects(name), tags),
        )?
        .suppress(suppressions(&[("AwsSolutions-S1", no_access_log), ("CKV_AWS_18", no_access_log)]));
        self.template.add(id.clone(), bucket)?;

        let insecure = when("Bool", "aws:SecureTransport", Text::literal("false"));
        let everything = vec![Text::Attribute(id.clone(), "Arn"), Text::sub(format!("${{{id}.Arn}}/*"))];
        let tls_only = Statement::deny_everybody("TlsOnly", &["s3:*"], everything, insecure);
        let policy = BucketPolicy {
            bucket: Text::Ref(id.clone()),
            policy_document: PolicyDocument::new(vec![tls_only]),
        };
        let resource = Resource::new(format!("{name}/Bucket/Policy"), Deletion::Retain, &policy)?;
        self.template.add(LogicalId::new(name, "BucketPolicy"), resource)?;
        self.output(format!("{id}Name"), format!("The bucket `{name}` of the steps"), Text::Ref(id));
        Ok(())
    }

    fn secret(&mut self, name: &str) -> Result<(), SynthesisError> {
        let id = secret_id(name);
        let description =
            format!("`{name}` of the steps of {}; its value is put in by hand", self.manifest.app);
        let secret = Secret { description, tags: self.tags(Some(("stepwright:secret", name))) };
        let rotation = "the value belongs to the system it opens; whoever rotates it there puts it in here";
        let key = "one account reads it; the key AWS manages for the service suffices";
        let resource = Resource::new(format!("{name}/Secret"), Deletion::Retain, &secret)?
            .suppress(suppressions(&[("AwsSolutions-SMG4", rotation), ("CKV_AWS_149", key)]));
        self.template.add(id.clone(), resource)?;
        self.output(
            format!("{id}Arn"),
            format!("The secret `{name}`: put its value in before the first execution"),
            Text::Ref(id),
        );
        Ok(())
    }

    /// A log group goes with its stack: one that stayed would block the next
    /// deployment, because its name is fixed.
    fn log_group(
        &mut self,
        path: String,
        id: &LogicalId,
        group: String,
        tags: Vec<Tag>,
    ) -> Result<(), SynthesisError> {
        let group = LogGroup::new(group, self.environment.log_retention, tags);
        let key = "log events are encrypted with the key of the service";
        let resource =
            Resource::new(path, Deletion::Delete, &group)?.suppress(suppressions(&[("CKV_AWS_158", key)]));
        Ok(self.template.add(id.clone(), resource)?)
    }

    fn function(
        &mut self,
        function: &manifest::Function,
        architecture: Architecture,
        asset: &Asset,
    ) -> Result<(), SynthesisError> {
        let step = function.step.as_str();
        let logs = LogicalId::new(step, "FunctionLogs");
        let role = LogicalId::new(step, "FunctionRole");
        let tags = self.tags(Some(("stepwright:step", step)));
        self.log_group(
            format!("{step}/Logs"),
            &logs,
            format!("/aws/lambda/{}", function.name),
            tags.clone(),
        )?;

        let policy = PolicyDocument::new(function_statements(function, &logs));
        let suppressed = policy.suppressions();
        // No condition: Lambda assumes execution roles without naming a source.
        let trust = PolicyDocument::new(vec![Statement::trust("lambda.amazonaws.com", BTreeMap::new())]);
        let properties = Role::new(format!("What step {step} may touch"), trust, policy, tags.clone());
        let resource =
            Resource::new(format!("{step}/Role"), Deletion::Delete, &properties)?.suppress(suppressed);
        self.template.add(role.clone(), resource)?;

        let qualifier = &self.environment.qualifier;
        let properties = Function::new(FunctionSettings {
            name: &function.name,
            description: function.description.chars().take(DESCRIPTION_CHARACTERS_MAX).collect(),
            handler: &function.handler,
            architecture,
            code: Code {
                bucket: Text::sub(crate::assembly::assets_bucket(qualifier)),
                key: asset.object_key.clone(),
            },
            role: Text::Attribute(role, "Arn"),
            memory_mib: function.memory_mib,
            timeout_seconds: function.timeout_seconds,
            variables: variables(function),
            log_group: Text::Ref(logs),
            tags,
        });
        let resource = Resource::new(format!("{step}/Function"), Deletion::Delete, &properties)?
            .suppress(suppressions(&FUNCTION_SUPPRESSIONS))
            .asset(&asset.path);
        Ok(self.template.add(function_id(step), resource)?)
    }

    fn machine(&mut self, workflow: &manifest::Workflow) -> Result<(), SynthesisError> {
        let name = workflow.name.as_str();
        let id = LogicalId::new(name, "StateMachine");
        let logs = LogicalId::new(name, "StateMachineLogs");
        let role = LogicalId::new(name, "StateMachineRole");
        let tags = self.tags(Some(("stepwright:workflow", name)));
        // Groups under this prefix share one resource policy; others fill the ten an account has.
        self.log_group(
            format!("{name}/Logs"),
            &logs,
            format!("/aws/vendedlogs/states/{name}"),
            tags.clone(),
        )?;

        let policy = PolicyDocument::new(machine_statements(self.manifest, workflow));
        let suppressed = policy.suppressions();
        let mut source = when("StringEquals", "aws:SourceAccount", Text::sub("${AWS::AccountId}"));
        source.extend(when("ArnLike", "aws:SourceArn", machine_arn(name)));
        let trust = PolicyDocument::new(vec![Statement::trust("states.amazonaws.com", source)]);
        let properties = Role::new(format!("What workflow {name} may call"), trust, policy, tags.clone());
        let resource =
            Resource::new(format!("{name}/Role"), Deletion::Delete, &properties)?.suppress(suppressed);
        self.template.add(role.clone(), resource)?;

        let properties = StateMachine::new(
            name,
            &workflow.definition,
            Text::Attribute(role, "Arn"),
            Text::Attribute(logs, "Arn"),
            tags,
        );
        let resource = Resource::new(format!("{name}/StateMachine"), Deletion::Delete, &properties)?;
        self.template.add(id.clone(), resource)?;
        self.output(format!("{id}Arn"), format!("The state machine of {name}"), Text::Ref(id.clone()));
        self.triggers(workflow, &id)
    }
}

/// Why the common advice about functions does not apply to steps.
const FUNCTION_SUPPRESSIONS: [(&str, &str); 4] = [
    ("CKV_AWS_115", "the state machine limits how many run at once"),
    ("CKV_AWS_116", "invoked synchronously: a failure is the state's, and is redriven there"),
    ("CKV_AWS_117", "a network is the environment's decision; nothing here needs one"),
    ("CKV_AWS_173", "variables name resources; secrets are read from Secrets Manager"),
];

fn suppressions(rules: &[(&'static str, &str)]) -> Vec<Suppression> {
    rules.iter().map(|&(rule, reason)| Suppression { rule, reason: reason.to_owned() }).collect()
}

fn bucket_id(name: &str) -> LogicalId {
    LogicalId::new(name, "Bucket")
}

fn secret_id(name: &str) -> LogicalId {
    LogicalId::new(name, "Secret")
}

fn function_id(step: &str) -> LogicalId {
    LogicalId::new(step, "Function")
}

/// Its own log group, tracing, and its grants, strongest access per resource.
fn function_statements(function: &manifest::Function, logs: &LogicalId) -> Vec<Statement> {
    let mut access: BTreeMap<(ResourceKind, &str), BTreeSet<Access>> = BTreeMap::new();
    for grant in &function.grants {
        access.entry((grant.kind, &grant.name)).or_default().insert(grant.access);
    }
    let own_logs = vec![Text::Attribute(logs.clone(), "Arn")];
    let mut statements = vec![
        Statement::allow("Log", &["logs:CreateLogStream", "logs:PutLogEvents"], own_logs),
        Statement::allow_everywhere("Trace", TRACING, TRACING_EVERYWHERE),
    ];
    let on = |wanted: ResourceKind, is_wanted: fn(&BTreeSet<Access>) -> bool, arn: fn(&str) -> Text| {
        let granted = access.iter().filter(|((kind, _), access)| *kind == wanted && is_wanted(access));
        granted.map(|((_, name), _)| arn(name)).collect::<Vec<_>>()
    };
    let objects = |name: &str| Text::sub(format!("${{{}.Arn}}/*", bucket_id(name)));
    let bucket = |name: &str| Text::Attribute(bucket_id(name), "Arn");
    let secret = |name: &str| Text::Ref(secret_id(name));
    let groups = [
        ("Read", READ_OBJECTS, on(ResourceKind::Bucket, |access| !writes(access), objects)),
        ("Write", WRITE_OBJECTS, on(ResourceKind::Bucket, writes, objects)),
        // Without it S3 answers 403 for an object that is not there.
        ("Look", &["s3:ListBucket"], on(ResourceKind::Bucket, looks, bucket)),
        ("Use", &["secretsmanager:GetSecretValue"], on(ResourceKind::Secret, |_| true, secret)),
    ];
    statements.extend(
        groups
            .into_iter()
            .filter(|(_, _, resources)| !resources.is_empty())
            .map(|(sid, actions, resources)| Statement::allow(sid, actions, resources)),
    );
    statements
}

fn writes(access: &BTreeSet<Access>) -> bool {
    access.contains(&Access::Write) || access.contains(&Access::Exchange)
}

fn looks(access: &BTreeSet<Access>) -> bool {
    access.contains(&Access::Look) || access.contains(&Access::Exchange)
}

/// An object reference may name a version.
const READ_OBJECTS: &[&str] = &["s3:GetObject", "s3:GetObjectVersion"];
/// Writers read as well, and abort an upload they cannot finish.
const WRITE_OBJECTS: &[&str] =
    &["s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"];

/// What Step Functions does in the name of the machine to log and to trace.
const LOG_AND_TRACE: &[&str] = &[
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// By its name: a role that named the resource would have to wait for it.
fn machine_arn(name: &str) -> Text {
    let machine = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:";
    Text::sub(format!("{machine}{name}"))
}

/// The functions it calls, by any qualifier, and its own logs and traces.
fn machine_statements(manifest: &Manifest, workflow: &manifest::Workflow) -> Vec<Statement> {
    let called = workflow.functions.iter().filter_map(|name| manifest.function(name));
    let resources: Vec<Text> = called
        .map(|function| function_id(&function.step))
        .flat_map(|id| [Text::Attribute(id.clone(), "Arn"), Text::sub(format!("${{{id}.Arn}}:*"))])
        .collect();
    let mut statements = Vec::new();
    if !resources.is_empty() {
        statements.push(Statement::allow("Call", &["lambda:InvokeFunction"], resources));
    }
    if workflow.puts_events {
        let bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default";
        statements.push(Statement::allow("Announce", &["events:PutEvents"], vec![Text::sub(bus)]));
    }
    let is_answered = |other: &&manifest::Workflow| {
        workflow.answers.iter().any(|function| other.functions.contains(function))
    };
    let waiting = manifest.workflows.iter().filter(is_answered).map(|other| machine_arn(&other.name));
    let waiting: Vec<Text> = waiting.collect();
    if !waiting.is_empty() {
        let answer = ["states:SendTaskFailure", "states:SendTaskSuccess"];
        statements.push(Statement::allow("Answer", &answer, waiting));
    }
    let reason = "the log delivery API, X-Ray's sampling and its write actions know no resources";
    statements.push(Statement::allow_everywhere("LogAndTrace", LOG_AND_TRACE, reason));
    statements
}

/// What the step finds in its environment: where its buckets and secrets are.
fn variables(function: &manifest::Function) -> BTreeMap<String, Text> {
    let own = function.environment.iter().map(|(name, value)| (name.clone(), Text::literal(value)));
    let resources = function.grants.iter().map(|grant| {
        let name = grant.name.to_ascii_uppercase().replace('-', "_");
        match grant.kind {
            ResourceKind::Bucket => (
                format!("STEPWRIGHT_BUCKET_{name}"),
                Text::sub(format!("s3://${{{}}}", bucket_id(&grant.name))),
            ),
            ResourceKind::Secret => {
                (format!("STEPWRIGHT_SECRET_{name}_ARN"), Text::Ref(secret_id(&grant.name)))
            }
        }
    });
    own.chain(resources).collect()
}
