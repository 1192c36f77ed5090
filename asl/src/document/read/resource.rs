//! What a Task state can call.

/// A service with an optimized integration.
struct Service {
    name: &'static str,
    /// The actions of a service that has few; empty = not looked at.
    actions: &'static [&'static str],
    /// `.sync`: the state waits for the end of a job.
    runs_jobs: bool,
    /// `.waitForTaskToken`.
    passes_tokens: bool,
}

/// Developer guide, "Integrating optimized services with Step Functions".
const SERVICES: &[Service] = &[
    service("apigateway", &["invoke"]).with_tokens(),
    service("athena", &[]).with_jobs(),
    service("batch", &["submitJob"]).with_jobs(),
    service("bedrock", &[]).with_jobs().with_tokens(),
    service("codebuild", &[]).with_jobs(),
    service("databrew", &["startJobRun"]).with_jobs(),
    service("dynamodb", &["getItem", "putItem", "updateItem", "deleteItem"]),
    service("ecs", &["runTask"]).with_jobs().with_tokens(),
    service("eks", &[]).with_jobs().with_tokens(),
    service("elasticmapreduce", &[]).with_jobs(),
    service("emr-containers", &[]).with_jobs(),
    service("emr-serverless", &[]).with_jobs(),
    service("events", &["putEvents"]).with_tokens(),
    service("glue", &[]).with_jobs(),
    service("http", &["invoke"]),
    service("lambda", &["invoke"]).with_tokens(),
    service("mediaconvert", &[]).with_jobs(),
    service("sagemaker", &[]).with_jobs(),
    service("sns", &["publish"]).with_tokens(),
    service("sqs", &["sendMessage"]).with_tokens(),
    service("states", &["startExecution"]).with_jobs().with_tokens(),
];

const fn service(name: &'static str, actions: &'static [&'static str]) -> Service {
    Service { name, actions, runs_jobs: false, passes_tokens: false }
}

impl Service {
    const fn with_jobs(mut self) -> Self {
        self.runs_jobs = true;
        self
    }

    const fn with_tokens(mut self) -> Self {
        self.passes_tokens = true;
        self
    }

    /// Whether it has this action, with the pattern at its end.
    fn offers(&self, action: &str) -> bool {
        let (action, is_possible) = match action.split_once('.') {
            None => (action, true),
            Some((action, "sync" | "sync:2")) => (action, self.runs_jobs),
            Some((action, "waitForTaskToken")) => (action, self.passes_tokens),
            Some(_) => return false,
        };
        is_possible && !action.is_empty() && (self.actions.is_empty() || self.actions.contains(&action))
    }
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
    SERVICES.iter().any(|known| known.name == service && known.offers(action))
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
