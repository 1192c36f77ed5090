//! What the `Resource` of a Task says: which kind of integration it is, and how
//! the task goes on after its call.

/// How a resource is called, as task events show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integration<'a> {
    /// A function's ARN as `Resource`: events are `LambdaFunction…`.
    Function,
    /// An activity's ARN as `Resource`: events are `Activity…`.
    Activity,
    /// `arn:aws:states:::lambda:invoke` and the like: events are `Task…`.
    Service {
        /// e.g. `lambda`, `aws-sdk:dynamodb`.
        resource_type: &'a str,
        /// e.g. `invoke`, `invoke.waitForTaskToken`.
        resource: &'a str,
    },
}

impl<'a> Integration<'a> {
    /// Reads the `Resource` of a Task.
    pub fn of(resource: &'a str) -> Self {
        let mut parts = resource.splitn(6, ':');
        let service = parts.nth(2);
        let rest = parts.nth(2).unwrap_or(resource);
        match (service, rest.split_once(':')) {
            (Some("lambda"), _) => Self::Function,
            (Some("states"), Some(("activity", _))) => Self::Activity,
            _ => Self::of_service(rest),
        }
    }

    /// `states:startExecution.sync:2`, `aws-sdk:dynamodb:getItem`: the version
    /// after a last colon belongs to the resource.
    fn of_service(rest: &'a str) -> Self {
        let cut = match rest.rsplit_once(':') {
            Some((head, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => head.rfind(':'),
            _ => rest.rfind(':'),
        };
        match cut.and_then(|cut| Some((rest.get(..cut)?, rest.get(cut + 1..)?))) {
            Some((resource_type, resource)) => Self::Service { resource_type, resource },
            None => Self::Service { resource_type: "", resource: rest },
        }
    }

    /// How a task of this resource goes on after its call.
    pub fn pattern(self) -> Pattern {
        match self {
            Self::Activity => Pattern::Worker,
            Self::Service { resource, .. } if resource.ends_with(".waitForTaskToken") => Pattern::Callback,
            Self::Service { resource, .. } if is_job(resource) => Pattern::Job,
            Self::Function | Self::Service { .. } => Pattern::Call,
        }
    }

    /// What AWS calls the task when its result is too large.
    pub fn name_in_causes(self, resource: &'a str) -> &'a str {
        match self {
            Self::Function | Self::Activity => resource,
            Self::Service { resource_type, .. } => resource_type,
        }
    }
}

/// Whether a resource ends in `.sync` or `.sync:` and a version.
fn is_job(resource: &str) -> bool {
    let end = resource.rsplit_once(".sync").map(|(_, end)| end);
    end.is_some_and(|end| end.is_empty() || end.starts_with(':'))
}

/// AWS's service integration patterns, and activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Request response: the answer of the call is the result.
    Call,
    /// `.sync`: the call submits a job, whose end is the result.
    Job,
    /// `.waitForTaskToken`: the call hands a token out, and somebody completes it.
    Callback,
    /// An activity: a worker takes the task, and completes its token.
    Worker,
}
