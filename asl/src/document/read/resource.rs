//! What a Task state can call.

/// The services with optimized integrations, and the actions of those that have
/// few. Developer guide, "Integrating services with Step Functions".
const SERVICES: &[(&str, &[&str])] = &[
    ("apigateway", &["invoke"]),
    ("athena", &[]),
    ("batch", &["submitJob"]),
    ("bedrock", &[]),
    ("codebuild", &[]),
    ("databrew", &["startJobRun"]),
    ("dynamodb", &["getItem", "putItem", "updateItem", "deleteItem"]),
    ("ecs", &["runTask"]),
    ("eks", &[]),
    ("elasticmapreduce", &[]),
    ("emr-containers", &[]),
    ("emr-serverless", &[]),
    ("events", &["putEvents"]),
    ("glue", &[]),
    ("http", &["invoke"]),
    ("lambda", &["invoke"]),
    ("mediaconvert", &[]),
    ("sagemaker", &[]),
    ("sns", &["publish"]),
    ("sqs", &["sendMessage"]),
    ("states", &["startExecution"]),
];

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
    let action = [".sync:2", ".sync", ".waitForTaskToken"]
        .iter()
        .find_map(|end| action.strip_suffix(end))
        .unwrap_or(action);
    SERVICES.iter().any(|(known, actions)| {
        *known == service && !action.is_empty() && (actions.is_empty() || actions.contains(&action))
    })
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
            "arn:aws:states:::aws-sdk:dynamodb",
            "arn:aws:states:us-east-1::activity:a",
            "arn:aws:s3:::bucket",
        ] {
            assert!(!is_callable(resource), "{resource}");
        }
    }
}
