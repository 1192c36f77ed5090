//! ARNs of what the stores keep, in the region and account of the engine.

/// A region and an account.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Place {
    pub(crate) fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    pub(crate) fn bus_arn(&self, name: &str) -> String {
        self.arn("events", &format!("event-bus/{name}"))
    }

    pub(crate) fn rule_arn(&self, bus: &str, name: &str) -> String {
        let bus = if bus == "default" { String::new() } else { format!("{bus}/") };
        self.arn("events", &format!("rule/{bus}{name}"))
    }

    pub(crate) fn schedule_arn(&self, group: &str, name: &str) -> String {
        self.arn("scheduler", &format!("schedule/{group}/{name}"))
    }

    pub(crate) fn schedule_group_arn(&self, name: &str) -> String {
        self.arn("scheduler", &format!("schedule-group/{name}"))
    }

    pub(crate) fn pipe_arn(&self, name: &str) -> String {
        self.arn("pipes", &format!("pipe/{name}"))
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// The name of a queue in its ARN. One of another region or account is not here.
    pub(crate) fn queue_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(self.queue_arn("").as_str()).filter(|name| !name.is_empty())
    }
}

/// The service an ARN is of.
pub(crate) fn service_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    (prefix == "arn" && parts.nth(2).is_some_and(|resource| !resource.is_empty())).then_some(service)
}
