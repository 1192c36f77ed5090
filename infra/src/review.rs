//! Our own rules about a finished template: fast, typed and run at every synth.
//!
//! They look at the values that will be written, not at how they were made, so
//! they also hold against mistakes in this crate. The external validators in
//! the repository's tests know the resource schemas; these rules know what we
//! promise: least privilege, logs that end, nothing public, nothing secret in
//! plain text.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::cloudformation::{RESOURCES_MAX, Resource, Template};

#[cfg(test)]
mod tests;

/// IAM quota: characters of a role's inline policies together, without white space.
const INLINE_POLICIES_CHARACTERS_MAX: usize = 10_240;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where in the tree of constructs.
    pub path: String,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.path, self.message, self.rule)
    }
}

/// Every broken rule of a template, in its order.
pub fn review(template: &Template) -> Vec<Finding> {
    let mut findings = Vec::new();
    if template.resources.len() > RESOURCES_MAX {
        let message =
            format!("{} resources, CloudFormation accepts {RESOURCES_MAX}", template.resources.len());
        findings.push(Finding { path: template.stack.clone(), rule: "resource-count", message });
    }
    for resource in template.resources.values() {
        let checks: &[Check] = match resource.kind() {
            "AWS::IAM::Role" => &[actions_are_named, everywhere_has_a_reason, trust_is_narrow, policies_fit],
            "AWS::Lambda::Function" => &[function_is_observed, no_secret_in_plain_text],
            "AWS::StepFunctions::StateMachine" => &[machine_is_observed],
            "AWS::Logs::LogGroup" => &[logs_end],
            "AWS::S3::Bucket" => &[bucket_is_private],
            "AWS::SQS::Queue" => &[queue_is_encrypted],
            "AWS::SQS::QueuePolicy" => &[senders_are_named],
            "AWS::Scheduler::Schedule" | "AWS::Events::Rule" => &[nothing_gets_lost],
            _ => &[],
        };
        let broken = checks.iter().flat_map(|check| check(resource));
        findings.extend(broken.map(|(rule, message)| Finding {
            path: resource.path().to_owned(),
            rule,
            message,
        }));
    }
    findings.extend(roles_are_not_shared(template));
    findings.extend(stores_want_tls(template, BUCKETS));
    findings.extend(stores_want_tls(template, QUEUES));
    findings
}

type Check = fn(&Resource) -> Vec<(&'static str, String)>;

/// The statements of a role's policies that allow.
fn allowing(role: &Resource) -> impl Iterator<Item = &Value> {
    let policies = role.properties().pointer("/Policies").and_then(Value::as_array).into_iter().flatten();
    policies
        .filter_map(|policy| policy.pointer("/PolicyDocument/Statement")?.as_array())
        .flatten()
        .filter(|statement| statement.get("Effect").is_some_and(|effect| effect == "Allow"))
}

fn texts(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

fn actions_are_named(role: &Resource) -> Vec<(&'static str, String)> {
    let actions = allowing(role).flat_map(|statement| texts(statement.get("Action")));
    actions
        .filter_map(Value::as_str)
        .filter(|action| action.contains('*') || action.starts_with("iam:"))
        .map(|action| ("named-actions", format!("allows `{action}`: name the actions, and none of IAM's")))
        .collect()
}

/// Actions AWS offers no smaller resource for.
const EVERYWHERE: [&str; 12] = [
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

fn everywhere_has_a_reason(role: &Resource) -> Vec<(&'static str, String)> {
    let explained = role.suppressions().iter().any(|s| s.rule == "AwsSolutions-IAM5" && !s.reason.is_empty());
    let mut broken = Vec::new();
    for statement in allowing(role) {
        if !texts(statement.get("Resource")).iter().any(|resource| *resource == "*") {
            continue;
        }
        for action in texts(statement.get("Action")).into_iter().filter_map(Value::as_str) {
            if !EVERYWHERE.contains(&action) {
                broken
                    .push(("named-resources", format!("allows `{action}` on everything: name the resource")));
            }
        }
        if !explained {
            broken.push(("named-resources", "allows something on `*` without giving the reason".to_owned()));
        }
    }
    broken
}

/// Services that say for which resource they assume a role.
const CALLERS: [&str; 4] =
    ["states.amazonaws.com", "scheduler.amazonaws.com", "events.amazonaws.com", "pipes.amazonaws.com"];

fn trust_is_narrow(role: &Resource) -> Vec<(&'static str, String)> {
    let document = role.properties().pointer("/AssumeRolePolicyDocument/Statement");
    let mut broken = Vec::new();
    for statement in texts(document) {
        let service = statement.pointer("/Principal/Service").and_then(Value::as_str);
        let condition = |operator: &str, key: &str| {
            statement.get("Condition").and_then(|c| c.get(operator)?.get(key)).is_some()
        };
        match service {
            Some("lambda.amazonaws.com") => {}
            Some(service) if CALLERS.contains(&service) => {
                if !condition("StringEquals", "aws:SourceAccount") || !condition("ArnLike", "aws:SourceArn") {
                    let message = format!("trusts {service} without naming what it acts for");
                    broken.push(("narrow-trust", message));
                }
            }
            _ => broken.push(("narrow-trust", format!("trusts {}", statement["Principal"]))),
        }
    }
    broken
}

fn policies_fit(role: &Resource) -> Vec<(&'static str, String)> {
    let policies = role.properties().pointer("/Policies").map(Value::to_string).unwrap_or_default();
    // Intrinsics become ARNs of about their own length: near enough to warn in time.
    let characters = policies.chars().filter(|c| !c.is_whitespace()).count();
    if characters <= INLINE_POLICIES_CHARACTERS_MAX {
        return Vec::new();
    }
    let message = format!(
        "its policies have about {characters} characters, IAM accepts {INLINE_POLICIES_CHARACTERS_MAX}; \
         split the workflow"
    );
    vec![("policy-size", message)]
}

fn function_is_observed(function: &Resource) -> Vec<(&'static str, String)> {
    let properties = function.properties();
    let mut broken = Vec::new();
    if properties.pointer("/TracingConfig/Mode").is_none_or(|mode| mode != "Active") {
        broken.push(("observed", "is not traced".to_owned()));
    }
    if properties.pointer("/LoggingConfig/LogGroup").is_none() {
        broken.push(("observed", "has no log group of its own, so its logs would never end".to_owned()));
    }
    broken
}

/// Words in a variable's name that say its value opens something.
const OPENS_SOMETHING: [&str; 6] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "CREDENTIAL", "PRIVATE_KEY"];

fn no_secret_in_plain_text(function: &Resource) -> Vec<(&'static str, String)> {
    let variables = function.properties().pointer("/Environment/Variables").and_then(Value::as_object);
    variables
        .into_iter()
        .flatten()
        .filter(|(name, value)| {
            let name = name.to_ascii_uppercase();
            value.is_string() && OPENS_SOMETHING.iter().any(|word| name.contains(word))
        })
        .map(|(name, _)| {
            ("no-plain-secret", format!("variable `{name}` looks like a secret: ask for it with `Use<…>`"))
        })
        .collect()
}

fn machine_is_observed(machine: &Resource) -> Vec<(&'static str, String)> {
    let properties = machine.properties();
    let wanted = [
        ("/LoggingConfiguration/Level", Value::from("ALL"), "does not log every event"),
        ("/LoggingConfiguration/IncludeExecutionData", Value::from(true), "does not log the data"),
        ("/TracingConfiguration/Enabled", Value::from(true), "is not traced"),
    ];
    let mut broken: Vec<(&'static str, String)> = wanted
        .into_iter()
        .filter(|(pointer, value, _)| properties.pointer(pointer) != Some(value))
        .map(|(_, _, message)| ("observed", message.to_owned()))
        .collect();
    if properties.get("DefinitionSubstitutions").is_some() || !properties["DefinitionString"].is_string() {
        broken
            .push(("exact-definition", "has a definition that is known only when it is deployed".to_owned()));
    }
    broken
}

fn logs_end(group: &Resource) -> Vec<(&'static str, String)> {
    let ends = group.properties().get("RetentionInDays").is_some_and(Value::is_u64);
    if ends { Vec::new() } else { vec![("logs-end", "keeps its events for ever".to_owned())] }
}

fn bucket_is_private(bucket: &Resource) -> Vec<(&'static str, String)> {
    let properties = bucket.properties();
    let switches = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
    let mut broken = Vec::new();
    for switch in switches {
        let block = properties.get("PublicAccessBlockConfiguration");
        if block.and_then(|block| block.get(switch)) != Some(&Value::Bool(true)) {
            broken.push(("private-bucket", format!("does not set {switch}")));
        }
    }
    if properties.pointer("/BucketEncryption/ServerSideEncryptionConfiguration/0").is_none() {
        broken.push(("private-bucket", "is not encrypted".to_owned()));
    }
    if properties.pointer("/VersioningConfiguration/Status").is_none_or(|status| status != "Enabled") {
        broken.push(("private-bucket", "is not versioned".to_owned()));
    }
    broken
}

fn queue_is_encrypted(queue: &Resource) -> Vec<(&'static str, String)> {
    let properties = queue.properties();
    let by_service = properties.get("SqsManagedSseEnabled") == Some(&Value::Bool(true));
    if by_service || properties.get("KmsMasterKeyId").is_some() {
        return Vec::new();
    }
    vec![("private-queue", "is not encrypted".to_owned())]
}

/// Who is let in is an account by its number, or a service that says for which resource.
fn senders_are_named(policy: &Resource) -> Vec<(&'static str, String)> {
    let statements = texts(policy.properties().pointer("/PolicyDocument/Statement"));
    let allowing = statements.into_iter().filter(|statement| statement["Effect"] == "Allow");
    let mut broken = Vec::new();
    for statement in allowing {
        let actions = texts(statement.get("Action"));
        if actions.iter().any(|action| **action != "sqs:SendMessage") {
            broken.push(("private-queue", format!("lets others do {}", statement["Action"])));
        }
        let from_anywhere = statement.pointer("/Condition/ArnLike/aws:SourceArn").is_none();
        let is_account = |sender: &&Value| sender.get("Fn::Sub").is_some_and(Value::is_string);
        let accounts = texts(statement.pointer("/Principal/AWS"));
        let named = match statement.pointer("/Principal/Service") {
            Some(_) => !from_anywhere,
            None => !accounts.is_empty() && accounts.iter().all(is_account),
        };
        if !named {
            broken.push(("private-queue", format!("lets {} send", statement["Principal"])));
        }
    }
    broken
}

fn nothing_gets_lost(trigger: &Resource) -> Vec<(&'static str, String)> {
    let properties = trigger.properties();
    let targets = texts(properties.get("Targets").or_else(|| properties.get("Target")));
    let loses = |target: &Value| {
        target.pointer("/DeadLetterConfig/Arn").is_none() || target.get("RetryPolicy").is_none()
    };
    if targets.is_empty() || targets.into_iter().any(loses) {
        return vec![("nothing-lost", "does not say where what cannot be started goes".to_owned())];
    }
    Vec::new()
}

/// The roles a resource works with.
fn roles(properties: &Value) -> impl Iterator<Item = &Value> {
    let targets = texts(properties.get("Targets").or_else(|| properties.get("Target")));
    let own = ["Role", "RoleArn"].into_iter().filter_map(|name| properties.get(name));
    own.chain(targets.into_iter().filter_map(|target| target.get("RoleArn")))
}

fn roles_are_not_shared(template: &Template) -> Vec<Finding> {
    let mut users: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for resource in template.resources.values() {
        for role in roles(resource.properties()) {
            if let Some(first) = users.insert(role.to_string(), resource.path()) {
                let message = format!("shares its role with {first}: one role each");
                findings.push(Finding { path: resource.path().to_owned(), rule: "own-role", message });
            }
        }
    }
    findings
}

/// What is reached by HTTP: its type, that of its policies, and where a policy says whose it is.
type Store = (&'static str, &'static str, &'static str);
const BUCKETS: Store = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "/Bucket/Ref");
const QUEUES: Store = ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "/Queues/0/Ref");

fn stores_want_tls(template: &Template, (store, policy, of): Store) -> Vec<Finding> {
    let protected: Vec<&str> = template
        .resources
        .values()
        .filter(|resource| resource.kind() == policy)
        .filter(|policy| {
            let statements = texts(policy.properties().pointer("/PolicyDocument/Statement"));
            statements.into_iter().any(|statement| {
                statement["Effect"] == "Deny"
                    && statement.pointer("/Condition/Bool/aws:SecureTransport").is_some_and(|v| v == "false")
            })
        })
        .filter_map(|policy| policy.properties().pointer(of)?.as_str())
        .collect();
    template
        .resources
        .iter()
        .filter(|(id, resource)| resource.kind() == store && !protected.contains(&id.as_str()))
        .map(|(_, store)| Finding {
            path: store.path().to_owned(),
            rule: "tls-only",
            message: "has no policy that refuses plain HTTP".to_owned(),
        })
        .collect()
}
