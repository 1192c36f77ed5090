//! What a Task state can call.

use super::super::advice::Guesses;

/// A service with an optimized integration.
struct Service {
    name: &'static str,
    /// The actions that are documented.
    actions: &'static [&'static str],
    /// Whether AWS is known to refuse other actions.
    is_closed: bool,
    /// The actions with `.sync`: the state waits for the end of a job.
    jobs: &'static [&'static str],
    /// `.waitForTaskToken`.
    passes_tokens: bool,
}

/// Developer guide, "Integrating optimized services with Step Functions" and the pages of the services.
const SERVICES: &[Service] = &[
    service("apigateway", &["invoke"]).closed().with_tokens(),
    service("athena", &["startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"])
        .with_jobs(&["startQueryExecution"]),
    service("batch", &["submitJob"]).closed().with_jobs(&["submitJob"]),
    service("bedrock", &["invokeModel", "createModelCustomizationJob"])
        .with_jobs(&["createModelCustomizationJob"])
        .with_tokens(),
    service(
        "codebuild",
        &[
            "startBuild",
            "stopBuild",
            "batchDeleteBuilds",
            "batchGetReports",
            "startBuildBatch",
            "stopBuildBatch",
            "retryBuildBatch",
            "deleteBuildBatch",
        ],
    )
    .with_jobs(&["startBuild", "startBuildBatch", "retryBuildBatch"]),
    service("databrew", &["startJobRun"]).closed().with_jobs(&["startJobRun"]),
    service("dynamodb", &["getItem", "putItem", "updateItem", "deleteItem"]).closed(),
    service("ecs", &["runTask"]).closed().with_jobs(&["runTask"]).with_tokens(),
    service(
        "eks",
        &[
            "createCluster",
            "deleteCluster",
            "createFargateProfile",
            "deleteFargateProfile",
            "createNodegroup",
            "deleteNodegroup",
            "runJob",
            "call",
        ],
    )
    .with_jobs(&[
        "createCluster",
        "deleteCluster",
        "createFargateProfile",
        "deleteFargateProfile",
        "createNodegroup",
        "deleteNodegroup",
        "runJob",
    ])
    .with_tokens(),
    service(
        "elasticmapreduce",
        &[
            "createCluster",
            "setClusterTerminationProtection",
            "terminateCluster",
            "addStep",
            "cancelStep",
            "modifyInstanceFleetByName",
            "modifyInstanceGroupByName",
        ],
    )
    .with_jobs(&["createCluster", "terminateCluster", "addStep"]),
    service("emr-containers", &["createVirtualCluster", "deleteVirtualCluster", "startJobRun"])
        .with_jobs(&["deleteVirtualCluster", "startJobRun"]),
    service(
        "emr-serverless",
        &[
            "createApplication",
            "startApplication",
            "stopApplication",
            "deleteApplication",
            "startJobRun",
            "cancelJobRun",
        ],
    )
    .with_jobs(&[
        "createApplication",
        "startApplication",
        "stopApplication",
        "deleteApplication",
        "startJobRun",
        "cancelJobRun",
    ]),
    service("events", &["putEvents"]).closed().with_tokens(),
    service("glue", &["startJobRun"]).with_jobs(&["startJobRun"]),
    service("http", &["invoke"]).closed(),
    service("lambda", &["invoke"]).closed().with_tokens(),
    service("mediaconvert", &["createJob"]).with_jobs(&["createJob"]),
    service(
        "sagemaker",
        &[
            "createEndpoint",
            "createEndpointConfig",
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createModel",
            "createProcessingJob",
            "createTrainingJob",
            "createTransformJob",
            "updateEndpoint",
        ],
    )
    .with_jobs(&[
        "createHyperParameterTuningJob",
        "createLabelingJob",
        "createProcessingJob",
        "createTrainingJob",
        "createTransformJob",
    ]),
    service("sns", &["publish"]).closed().with_tokens(),
    service("sqs", &["sendMessage"]).closed().with_tokens(),
    service("states", &["startExecution"]).closed().with_jobs(&["startExecution"]).with_tokens(),
];

const fn service(name: &'static str, actions: &'static [&'static str]) -> Service {
    Service { name, actions, is_closed: false, jobs: &[], passes_tokens: false }
}

impl Service {
    const fn closed(mut self) -> Self {
        self.is_closed = true;
        self
    }

    const fn with_jobs(mut self, jobs: &'static [&'static str]) -> Self {
        self.jobs = jobs;
        self
    }

    const fn with_tokens(mut self) -> Self {
        self.passes_tokens = true;
        self
    }

    /// Whether it has this action, with the pattern at its end. In doubt it has.
    fn offers(&self, action: &str) -> bool {
        let (action, is_possible) = match action.split_once('.') {
            None => (action, true),
            Some((action, "sync" | "sync:2")) => (action, !self.jobs.is_empty()),
            Some((action, "waitForTaskToken")) => (action, self.passes_tokens),
            Some(_) => return false,
        };
        is_possible && !action.is_empty() && (!self.is_closed || self.actions.contains(&action))
    }
}

fn optimized(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|known| known.name == name)
}

/// Service and action of an integration: what follows `arn:aws:states:::`.
fn integration_of(resource: &str) -> Option<(&str, &str)> {
    resource.split_once(":states:::")?.1.split_once(':')
}

/// What to say of an integration AWS may well refuse, although it is not recorded that it does:
/// an action that is not documented, a job that is none.
pub(super) fn unknown_action(resource: &str, guesses: &mut Guesses) -> Option<(String, Option<String>)> {
    let (name, called) = integration_of(resource)?;
    let service = optimized(name)?;
    let (action, pattern) =
        called.split_once('.').map_or((called, None), |(action, rest)| (action, Some(rest)));
    if !service.actions.contains(&action) {
        let message = format!("The integration of {name} has no action '{action}'");
        let similar = guesses.similar(action, service.actions.iter().copied());
        let advice = match similar {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => format!(
                "every action of the service is in reach as arn:aws:states:::aws-sdk:{}:{action}",
                name_in_sdk(name)
            ),
        };
        return Some((message, Some(advice)));
    }
    if pattern.is_some_and(|pattern| pattern.starts_with("sync")) && !service.jobs.contains(&action) {
        let message = format!("'{name}:{action}' starts no job that could be waited for with '.sync'");
        return Some((message, Some(format!("leave out `.sync`; jobs are {}", service.jobs.join(", ")))));
    }
    None
}

/// The name of a service with an optimized integration in `aws-sdk` resources.
fn name_in_sdk(name: &str) -> &str {
    match name {
        "states" => "sfn",
        "events" => "eventbridge",
        "elasticmapreduce" => "emr",
        "emr-containers" => "emrcontainers",
        "emr-serverless" => "emrserverless",
        other => other,
    }
}

/// What to do about a text that is not the name of anything a Task can call.
pub(super) fn advice(resource: &str, guesses: &mut Guesses) -> Option<String> {
    let prefix = "arn:aws:states:::";
    if let Some((name, called)) = integration_of(resource) {
        return advice_of_integration(name, called, guesses);
    }
    if !resource.starts_with("arn:") {
        let (name, action) = resource.split_once(':').unwrap_or((resource, ""));
        return Some(match optimized(name) {
            Some(service) if !action.is_empty() && service.offers(action) => {
                format!("write \"{prefix}{resource}\"")
            }
            _ => format!(
                "a Lambda function is called with \"{prefix}lambda:invoke\" and its name as FunctionName, an action \
                 of any service with \"{prefix}aws-sdk:service:action\""
            ),
        });
    }
    let parts: Vec<&str> = resource.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "states", "", name, action, ..] | ["arn", _, "states", name, action]
            if optimized(name).is_some() || *name == "aws-sdk" =>
        {
            Some(format!("region and account stay empty: \"{prefix}{name}:{action}\""))
        }
        ["arn", _, "states", "", "", name] => match optimized(name) {
            Some(service) => {
                let action = service.actions.first()?;
                Some(format!("name the action, too: \"{prefix}{name}:{action}\""))
            }
            None => Some(format!("name service and action: \"{prefix}aws-sdk:service:action\"")),
        },
        ["arn", _, "lambda", ..] => Some(
            "the ARN of a function is arn:aws:lambda:REGION:ACCOUNT:function:NAME; `lambda:invoke` takes a name"
                .to_owned(),
        ),
        ["arn", _, "states", _, _, "stateMachine", ..] => Some(format!(
            "a state machine is started with \"{prefix}states:startExecution.sync:2\" and its ARN as StateMachineArn"
        )),
        ["arn", _, service, ..] => {
            let name = optimized(service).and_then(|service| Some((service.name, service.actions.first()?)));
            Some(match name {
                Some((name, action)) => format!(
                    "the task names what it does, e.g. \"{prefix}{name}:{action}\"; what it does it to is a parameter"
                ),
                None => format!("name service and action: \"{prefix}aws-sdk:service:action\""),
            })
        }
        _ => None,
    }
}

fn advice_of_integration(name: &str, called: &str, guesses: &mut Guesses) -> Option<String> {
    let prefix = "arn:aws:states:::";
    if name == "aws-sdk" {
        let action = called.split_once(':').map_or("", |(_, action)| action);
        return Some(if action.contains(".sync") {
            "only optimized integrations have `.sync`: start the job, then ask for its state in a loop with a Wait".to_owned()
        } else if action.contains('.') {
            "the only pattern of `aws-sdk` is `.waitForTaskToken`".to_owned()
        } else {
            format!("name service and action: \"{prefix}aws-sdk:dynamodb:query\"")
        });
    }
    let (action, pattern) =
        called.split_once('.').map_or((called, None), |(action, rest)| (action, Some(rest)));
    let Some(service) = optimized(name) else {
        let names = SERVICES.iter().map(|known| known.name).chain(std::iter::once("aws-sdk"));
        return Some(match guesses.similar(name, names) {
            Some(similar) => format!("did you mean \"{prefix}{similar}:{called}\"?"),
            None => format!("actions of other services are called with \"{prefix}aws-sdk:{name}:{called}\""),
        });
    };
    if !service.actions.contains(&action) {
        return Some(match guesses.similar(action, service.actions.iter().copied()) {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => format!("write \"{prefix}aws-sdk:{}:{action}\"", name_in_sdk(name)),
        });
    }
    let patterns = match (service.jobs.contains(&action), service.passes_tokens) {
        (true, true) => "`.sync` or `.waitForTaskToken`",
        (true, false) => "`.sync`",
        (false, true) => "`.waitForTaskToken`",
        (false, false) => "none",
    };
    pattern.map(|pattern| {
        format!("`{name}:{action}` has no `.{pattern}`: patterns it has: {patterns}; without one, the answer is awaited")
    })
}

/// Whether the text names something a Task can call. A text with a substitution
/// (`${Name}`) in it is let through: what it becomes is known at deployment.
pub(super) fn is_callable(resource: &str) -> bool {
    if resource.contains("${") {
        return true;
    }
    let mut parts = resource.splitn(6, ':');
    let head = [(); 5].map(|()| parts.next().unwrap_or_default());
    let rest = parts.next().unwrap_or_default();
    let ["arn", partition, service, region, account] = head else { return false };
    if !partition.starts_with("aws") {
        return false;
    }
    match (service, rest.split_once(':')) {
        // Whether region and account exist is not looked at (recorded).
        ("states", Some(("activity", name))) | ("lambda", Some(("function", name))) => {
            !account.is_empty() && !region.is_empty() && !name.is_empty()
        }
        ("states", Some(integration)) => {
            region.is_empty() && account.is_empty() && is_integration(integration)
        }
        _ => false,
    }
}

fn is_integration((service, action): (&str, &str)) -> bool {
    if service == "aws-sdk" {
        let Some((service, action)) = action.split_once(':') else { return false };
        let action = action.strip_suffix(".waitForTaskToken").unwrap_or(action);
        return !service.is_empty() && !action.is_empty() && !action.contains([':', '.']);
    }
    optimized(service).is_some_and(|known| known.offers(action))
}

/// What is said of a resource that Express state machines cannot call. Those
/// of integration patterns are recorded, also the blank at the end of one.
pub(super) fn not_in_express(resource: &str) -> Option<&'static str> {
    let (_, pattern) = resource.rsplit_once('.').unwrap_or_default();
    match pattern {
        "waitForTaskToken" => {
            Some("Express state machine does not support '.waitForTaskToken' service integration ")
        }
        "sync" | "sync:2" => Some("Express state machine does not support '.sync' service integration"),
        _ if resource.contains(":activity:") => Some("Express state machine does not support activities"),
        _ => None,
    }
}

/// The action of a resource of Amazon S3, e.g. `getObject`: what item readers and result writers call.
pub(super) fn s3_action(resource: &str) -> Option<&str> {
    let (head, action) = resource.split_once(":states:::s3:")?;
    head.strip_prefix("arn:aws").map(|_| action)
}

#[cfg(test)]
mod tests {
    use super::is_callable;

    #[test]
    fn what_aws_knows_is_callable() {
        for resource in [
            "arn:aws:states:::lambda:invoke",
            "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "arn:aws-cn:states:::lambda:invoke",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:::aws-sdk:dynamodb:putItem",
            "arn:aws:states:::aws-sdk:sfn:startExecution.waitForTaskToken",
            "arn:aws:states:::http:invoke",
            "arn:aws:states:::glue:startJobRun.sync",
            "arn:aws:states:::ecs:runTask.waitForTaskToken",
            "arn:aws:states:us-east-1:123456789012:activity:a",
            "arn:aws:lambda:us-east-1:123456789012:function:f:live",
            "arn:aws:lambda:your-region:your-account-id:function:f",
            "${FunctionArn}",
        ] {
            assert!(is_callable(resource), "{resource}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for resource in [
            "hello",
            "",
            "arn:aws:states:::nope:doIt",
            "arn:aws:states:::dynamodb:query",
            "arn:aws:states:::lambda",
            "arn:aws:states:::lambda:invoke.sync",
            "arn:aws:states:::glue:startJobRun.waitForTaskToken",
            "arn:aws:states:::sqs:sendMessage.later",
            "arn:aws:states:::athena:",
            "arn:aws:states:::aws-sdk:dynamodb",
            "arn:aws:states:us-east-1::activity:a",
            "arn:aws:s3:::bucket",
        ] {
            assert!(!is_callable(resource), "{resource}");
        }
    }
}
