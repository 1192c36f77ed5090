//! What state machines ask of AWS's services, compared with what those take: names of services,
//! actions and parameters, and which parameters have to be there.
//!
//! The names come from AWS's models; of the few integrations that are no operation of a service,
//! from the developer guide. Whoever builds definitions is told, AWS is the judge: models grow.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use asl::{About, Code, Given, Integrations, Remark};
use indexmap::IndexMap;

use super::model;
use crate::services::{self, Service, Shape, called_by_integration, capitalised};

/// The models of AWS's services, read as they are needed.
#[derive(Debug, Default)]
pub struct ServiceModels {
    services: RefCell<BTreeMap<String, Option<Rc<Service>>>>,
    guesses: Guesses,
}

/// Comparisons of names that all definitions checked with one set of models may cost: thousands of
/// faults are not made slow by guesses.
const COMPARISONS_MAX: usize = 200_000;

/// Finds what was probably meant, until its effort is used up.
#[derive(Debug)]
struct Guesses {
    comparisons_left: Cell<usize>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { comparisons_left: Cell::new(COMPARISONS_MAX) }
    }
}

impl Guesses {
    /// The name that was probably meant.
    fn similar<'n>(&self, given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        let left = self.comparisons_left.get();
        if given.len() > 100 || left == 0 {
            return None;
        }
        let mut compared = 0;
        let distance = |name: &str| {
            if name.eq_ignore_ascii_case(given) { 0 } else { strsim::damerau_levenshtein(given, name) }
        };
        let found = names
            .inspect(|_| compared += 1)
            .map(|name| (distance(name), name))
            .filter(|(distance, name)| *distance <= name.len().max(given.len()) / 3)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, name)| name);
        self.comparisons_left.set(left.saturating_sub(compared));
        found
    }
}

/// Integrations that are no operation of a service: what they take, first what they need.
/// Developer guide, the pages of the integrations.
const OWN: &[(&str, &[&str], &[&str])] = &[
    (
        "apigateway:invoke",
        &["ApiEndpoint", "Method"],
        &["Headers", "Stage", "Path", "QueryParameters", "RequestBody", "AllowNullValues", "AuthType"],
    ),
    (
        "http:invoke",
        &["ApiEndpoint", "Method"],
        &["Authentication", "InvocationConfig", "Headers", "QueryParameters", "RequestBody", "Transform"],
    ),
    (
        "eks:call",
        &["ClusterName", "CertificateAuthority", "Endpoint", "Method", "Path"],
        &["QueryParameters", "RequestBody"],
    ),
    ("eks:runJob", &["ClusterName", "CertificateAuthority", "Endpoint", "Job"], &["Namespace", "LogOptions"]),
    ("s3:getObject", &["Bucket"], &["Key", "Prefix", "VersionId", "ExpectedBucketOwner"]),
    ("s3:listObjectsV2", &["Bucket"], &["Prefix", "ExpectedBucketOwner"]),
    ("s3:putObject", &["Bucket"], &["Prefix", "ExpectedBucketOwner"]),
];

/// Names services go by elsewhere, and their names in `aws-sdk` resources.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("stepfunctions", "sfn"),
    ("states", "sfn"),
    ("events", "eventbridge"),
    ("logs", "cloudwatchlogs"),
    ("ce", "costexplorer"),
    ("cognito-idp", "cognitoidentityprovider"),
    ("cognito-identity", "cognitoidentity"),
    ("dms", "databasemigration"),
    ("ds", "directory"),
    ("elb", "elasticloadbalancing"),
    ("elbv2", "elasticloadbalancingv2"),
    ("elasticmapreduce", "emr"),
    ("es", "elasticsearch"),
    ("rds-data", "rdsdata"),
    ("redshift-data", "redshiftdata"),
    ("bedrock-runtime", "bedrockruntime"),
    ("bedrock-agent", "bedrockagent"),
    ("bedrock-agent-runtime", "bedrockagentruntime"),
    ("application-autoscaling", "applicationautoscaling"),
    ("iot-data", "iotdataplane"),
    ("serverlessrepo", "serverlessapplicationrepository"),
];

/// An integration, taken apart.
struct Called<'r> {
    /// As it is written, without a pattern at its end: `sqs:sendMessage`.
    written: &'r str,
    service: &'r str,
    action: &'r str,
    is_sdk: bool,
}

impl<'r> Called<'r> {
    fn of(resource: &'r str) -> Option<Self> {
        let (_, rest) = resource.split_once(":states:::")?;
        let (written, is_sdk) = match rest.strip_prefix("aws-sdk:") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let written = written.split('.').next()?;
        let (service, action) = written.split_once(':')?;
        Some(Self { written, service, action, is_sdk })
    }
}

impl Integrations for ServiceModels {
    fn check(&self, resource: &str, arguments: Option<&Given>) -> Vec<Remark> {
        if resource.contains("${") {
            return Vec::new();
        }
        let Some(called) = Called::of(resource) else { return Vec::new() };
        if !called.is_sdk
            && let Some((_, needed, others)) = OWN.iter().find(|(name, ..)| *name == called.written)
        {
            return own(&called, needed, others, arguments, &self.guesses);
        }
        let Some(name) = model_of(&called) else { return Vec::new() };
        let Some(service) = self.service(name) else {
            return if called.is_sdk {
                unknown_service(called.service, &self.guesses).into_iter().collect()
            } else {
                Vec::new()
            };
        };
        let Some((operation, facts)) = service.operation(called.action) else {
            return if called.is_sdk {
                vec![unknown_action(&service, &called, &self.guesses)]
            } else {
                Vec::new()
            };
        };
        let mut remarks = Vec::new();
        if called.is_sdk && called.action.starts_with(|first: char| first.is_ascii_uppercase()) {
            remarks.push(Remark {
                code: Code::UnknownAction,
                message: format!("Actions begin with a small letter: '{}' is not found", called.action),
                advice: Some(format!("write `{}`", uncapitalised(operation))),
                about: About::Itself,
            });
        }
        if let Some(request) = facts.input {
            let mut comparison = Comparison {
                guesses: &self.guesses,
                service: &service,
                name: called.written,
                extra: extra(&called),
                remarks,
            };
            comparison.structure(request, arguments, &mut Vec::new());
            remarks = comparison.remarks;
        }
        remarks
    }
}

impl ServiceModels {
    fn service(&self, name: &str) -> Option<Rc<Service>> {
        let mut services = self.services.borrow_mut();
        if let Some(known) = services.get(name) {
            return known.clone();
        }
        let read = Service::load(name).map(Rc::new);
        services.insert(name.to_owned(), read.clone());
        read
    }
}

/// The name of the model that a call is compared with. Of optimized integrations those that hand
/// their parameters on as they are.
fn model_of<'r>(called: &Called<'r>) -> Option<&'r str> {
    if called.is_sdk {
        return Some(called.service);
    }
    // They have parameters of their own.
    if called.service == "elasticmapreduce" || (called.service == "bedrock" && called.action != "invokeModel")
    {
        return None;
    }
    Some(called_by_integration(called.service))
}

/// Parameters an integration takes beside those of its operation.
fn extra(called: &Called<'_>) -> &'static [&'static str] {
    match (called.is_sdk, called.written) {
        (false, "bedrock:invokeModel") => &["Input", "Output"],
        (false, "sqs:sendMessage") => &["MessageAttribute"],
        _ => &[],
    }
}

fn unknown_service(name: &str, guesses: &Guesses) -> Option<Remark> {
    let names: Vec<String> = services::names().collect();
    if names.iter().any(|known| known == name) {
        return None;
    }
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, here)| *here);
    let meant = other.or_else(|| guesses.similar(name, names.iter().map(String::as_str)));
    Some(Remark {
        code: Code::UnknownAction,
        message: format!("AWS's SDK has no service '{name}'"),
        advice: Some(match meant {
            Some(meant) => format!("did you mean `aws-sdk:{meant}`?"),
            None => {
                "the name is that of the SDK, in small letters without blanks: `dynamodb`, `cloudwatchlogs`"
                    .to_owned()
            }
        }),
        about: About::Itself,
    })
}

fn unknown_action(service: &Service, called: &Called<'_>, guesses: &Guesses) -> Remark {
    let capital = capitalised(called.action);
    let meant = guesses.similar(&capital, service.operations.keys().map(String::as_str));
    Remark {
        code: Code::UnknownAction,
        message: format!("The service {} has no action '{}'", called.service, called.action),
        advice: Some(match meant {
            Some(meant) => format!("did you mean `{}`?", uncapitalised(meant)),
            None => {
                "an action is named as in the service's API, with a small letter at its beginning".to_owned()
            }
        }),
        about: About::Itself,
    }
}

fn uncapitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// An integration that is no operation.
fn own(
    called: &Called<'_>,
    needed: &[&str],
    others: &[&str],
    arguments: Option<&Given>,
    guesses: &Guesses,
) -> Vec<Remark> {
    let names: Vec<&str> = needed.iter().chain(others).copied().collect();
    let mut remarks = Vec::new();
    let Some(fields) = fields(arguments) else { return remarks };
    let mut meant = Vec::new();
    for (position, key) in fields.keys().enumerate() {
        if !names.contains(&key.as_str()) {
            let (remark, similar) = unknown_parameter(called.written, key, &names, vec![position], guesses);
            meant.extend(similar);
            remarks.push(remark);
        }
    }
    let missing: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|name| !fields.contains_key(*name) && !meant.iter().any(|meant| meant == name))
        .collect();
    remarks.extend(missing_parameters(called.written, &missing, arguments.is_some(), Vec::new()));
    remarks
}

/// The fields of arguments that are known; of missing ones none. Computed ones may be anything.
fn fields(given: Option<&Given>) -> Option<Cow<'_, IndexMap<String, Given>>> {
    match given {
        Some(Given::Object(fields)) => Some(Cow::Borrowed(fields)),
        None => Some(Cow::Owned(IndexMap::new())),
        Some(_) => None,
    }
}

/// Arguments beside a model.
struct Comparison<'s> {
    guesses: &'s Guesses,
    service: &'s Service,
    name: &'s str,
    extra: &'static [&'static str],
    remarks: Vec<Remark>,
}

impl Comparison<'_> {
    fn structure(&mut self, at: usize, given: Option<&Given>, place: &mut Vec<usize>) {
        let (Some(structure), Some(fields)) = (self.service.structure(at), fields(given)) else { return };
        let extra = if place.is_empty() { self.extra } else { &[] };
        let members: BTreeMap<String, usize> =
            structure.members.iter().map(|(name, member)| (capitalised(name), member.shape())).collect();
        let mut meant = Vec::new();
        for (position, (key, value)) in fields.iter().enumerate() {
            place.push(position);
            // AWS writes acronyms in its own way: `DbInstanceIdentifier`.
            let exact = members.get(key).copied();
            let member = exact.or_else(|| {
                let is_capital = key.starts_with(|first: char| first.is_uppercase());
                let mut alike =
                    members.iter().filter(|(name, _)| is_capital && name.eq_ignore_ascii_case(key));
                alike.next().map(|(_, inner)| *inner)
            });
            match member {
                Some(inner) => self.shape(inner, value, place),
                None if extra.contains(&key.as_str()) => {}
                None => {
                    let names: Vec<&str> =
                        members.keys().map(String::as_str).chain(extra.iter().copied()).collect();
                    let (remark, similar) =
                        unknown_parameter(self.name, key, &names, place.clone(), self.guesses);
                    meant.extend(similar);
                    self.remarks.push(remark);
                }
            }
            place.pop();
        }
        let is_given = |name: &str| fields.keys().chain(&meant).any(|key| key.eq_ignore_ascii_case(name));
        let missing: Vec<String> =
            structure.to_be_given().map(capitalised).filter(|name| !is_given(name)).collect();
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        self.remarks.extend(missing_parameters(self.name, &missing, given.is_some(), place.clone()));
    }

    fn shape(&mut self, shape: usize, given: &Given, place: &mut Vec<usize>) {
        match (self.service.shape(shape), given) {
            (Some(Shape::Structure(_)), Given::Object(_)) => self.structure(shape, Some(given), place),
            (Some(Shape::List { list, .. }), Given::Array(items)) => self.all(list.item, items.iter(), place),
            (Some(Shape::Map(map)), Given::Object(fields)) => self.all(map.value, fields.values(), place),
            _ => {}
        }
    }

    fn all<'g>(&mut self, inner: usize, values: impl Iterator<Item = &'g Given>, place: &mut Vec<usize>) {
        for (position, value) in values.enumerate() {
            place.push(position);
            self.shape(inner, value, place);
            place.pop();
        }
    }
}

/// The remark, and the parameter that was probably meant.
fn unknown_parameter(
    called: &str,
    key: &str,
    names: &[&str],
    place: Vec<usize>,
    guesses: &Guesses,
) -> (Remark, Option<String>) {
    let meant = guesses.similar(key, names.iter().copied()).map(str::to_owned);
    let advice = match &meant {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None if names.is_empty() => None,
        None => {
            let listed: Vec<&str> = names.iter().copied().take(12).collect();
            let more = if names.len() > listed.len() { ", …" } else { "" };
            Some(format!("parameters here: {}{more}", listed.join(", ")))
        }
    };
    let message = format!("{called} has no parameter '{key}'");
    (Remark { code: Code::UnknownParameter, message, advice, about: About::Name(place) }, meant)
}

fn missing_parameters(
    called: &str,
    missing: &[&str],
    has_arguments: bool,
    place: Vec<usize>,
) -> Option<Remark> {
    let (first, is_one) = (missing.first()?, missing.len() == 1);
    let what = if is_one { "the parameter" } else { "the parameters" };
    Some(Remark {
        code: Code::MissingParameter,
        message: format!("{called} needs {what} {}", missing.join(", ")),
        advice: Some(format!("add it to the arguments: \"{first}\": …")),
        about: if has_arguments { About::Value(place) } else { About::Itself },
    })
}

/// What a mocked result cannot be checked against: the integration whose answer nothing is known of.
/// None where it is checked, or anything is right.
pub fn without_model(resource: &str) -> Option<&str> {
    let (_, written) = resource.split_once(":states:::")?;
    let waits_for_a_token = written.ends_with(".waitForTaskToken");
    (!waits_for_a_token && model::Answer::of(resource).is_none()).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fields: &[(&str, Given)]) -> Given {
        Given::Object(fields.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect())
    }

    fn said(resource: &str, arguments: Option<&Given>) -> Vec<String> {
        let remarks = ServiceModels::default().check(&format!("arn:aws:states:::{resource}"), arguments);
        remarks
            .into_iter()
            .map(|remark| format!("{} | {}", remark.message, remark.advice.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn what_is_right_is_not_remarked_on() {
        let payload = object(&[("anything", object(&[("x", Given::Plain)]))]);
        let lambda = object(&[("FunctionName", Given::Plain), ("Payload", payload)]);
        let item = object(&[("id", object(&[("S", Given::Computed)]))]);
        let put = object(&[("TableName", Given::Plain), ("Item", item)]);
        let overrides = object(&[(
            "ContainerOverrides",
            Given::Array(vec![object(&[
                ("Name", Given::Plain),
                (
                    "Environment",
                    Given::Array(vec![object(&[("Name", Given::Plain), ("Value", Given::Plain)])]),
                ),
            ])]),
        )]);
        let task = object(&[("TaskDefinition", Given::Plain), ("Overrides", overrides)]);
        let detail = object(&[("a", Given::Plain)]);
        let entry = object(&[("Detail", detail), ("DetailType", Given::Plain), ("Source", Given::Plain)]);
        for (resource, arguments) in [
            ("lambda:invoke", &lambda),
            ("lambda:invoke.waitForTaskToken", &lambda),
            ("aws-sdk:lambda:invoke", &lambda),
            ("dynamodb:putItem", &put),
            ("ecs:runTask.sync", &task),
            ("events:putEvents", &object(&[("Entries", Given::Array(vec![entry]))])),
            ("states:startExecution.sync:2", &object(&[("StateMachineArn", Given::Plain)])),
            ("http:invoke", &object(&[("ApiEndpoint", Given::Plain), ("Method", Given::Plain)])),
            ("aws-sdk:rds:describeDBInstances", &object(&[("DbInstanceIdentifier", Given::Plain)])),
            ("aws-sdk:m2:getApplication", &object(&[("ApplicationId", Given::Plain)])),
            ("lambda:invoke", &Given::Computed),
        ] {
            assert_eq!(said(resource, Some(arguments)), Vec::<String>::new(), "{resource}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_was_meant() {
        let misspelt = object(&[("FunctionNam", Given::Plain)]);
        assert_eq!(
            said("lambda:invoke", Some(&misspelt)),
            ["lambda:invoke has no parameter 'FunctionNam' | did you mean `FunctionName`?"]
        );
        let small = object(&[("functionName", Given::Plain)]);
        assert_eq!(
            said("lambda:invoke", Some(&small)),
            ["lambda:invoke has no parameter 'functionName' | did you mean `FunctionName`?"]
        );
        assert!(said("lambda:invoke", None)[0].starts_with("lambda:invoke needs the parameter FunctionName"));
        assert!(
            said("sqs:sendMessage", None)[0]
                .starts_with("sqs:sendMessage needs the parameters QueueUrl, MessageBody")
        );
        let key = object(&[
            ("TableName", Given::Plain),
            ("Key", object(&[("id", object(&[("s", Given::Plain)]))])),
        ]);
        assert!(said("dynamodb:getItem", Some(&key))[0].starts_with("dynamodb:getItem has no parameter 's'"));
        for (resource, expected) in [
            (
                "aws-sdk:dynamdb:putItem",
                "AWS's SDK has no service 'dynamdb' | did you mean `aws-sdk:dynamodb`?",
            ),
            (
                "aws-sdk:stepfunctions:x",
                "AWS's SDK has no service 'stepfunctions' | did you mean `aws-sdk:sfn`?",
            ),
            (
                "aws-sdk:dynamodb:putItm",
                "The service dynamodb has no action 'putItm' | did you mean `putItem`?",
            ),
            (
                "aws-sdk:s3:ListBuckets",
                "Actions begin with a small letter: 'ListBuckets' is not found | write `listBuckets`",
            ),
        ] {
            assert_eq!(said(resource, None), [expected], "{resource}");
        }
    }

    #[test]
    fn it_is_known_what_is_not_known() {
        assert_eq!(without_model("arn:aws:states:::eks:runJob"), Some("eks:runJob"));
        assert_eq!(without_model("arn:aws:states:::http:invoke"), Some("http:invoke"));
        for checked in ["sqs:sendMessage", "sqs:sendMessage.waitForTaskToken", "lambda:invoke"] {
            assert_eq!(without_model(&format!("arn:aws:states:::{checked}")), None, "{checked}");
        }
        assert_eq!(without_model("arn:aws:lambda:us-east-1:123456789012:function:f"), None);
    }
}
