//! Reads ARNs of requests, with AWS's words for those that cannot be read.

use engine::arn::{activity_arn, state_machine_arn};

use super::error::{Answer, ApiError};

/// A state machine's ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateMachineArn<'a> {
    /// The ARN as it came.
    pub(super) arn: &'a str,
    /// The name. Of an ARN of another account or region: something that is no name, so that nothing is found.
    pub(super) name: &'a str,
    /// The version or alias behind the name.
    pub(super) qualifier: Option<&'a str>,
}

impl<'a> StateMachineArn<'a> {
    /// The number of a version's ARN.
    pub(super) fn version(&self) -> Option<u32> {
        self.qualifier.and_then(|qualifier| qualifier.parse().ok())
    }

    /// The name of an alias's ARN.
    pub(super) fn alias(&self) -> Option<&'a str> {
        self.qualifier.filter(|qualifier| qualifier.parse::<u32>().is_err())
    }
}

/// The region and the account whose ARNs this engine answers for.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) region: String,
    pub(super) account: String,
}

impl Place {
    /// Reads the ARN of a state machine, a version or an alias.
    pub(super) fn state_machine<'a>(&self, arn: &'a str) -> Answer<StateMachineArn<'a>> {
        let rest = resource(arn, &["stateMachine"])?;
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        let (name, qualifier) = if self.is_ours(arn) { (name, qualifier) } else { (arn, None) };
        Ok(StateMachineArn { arn, name, qualifier })
    }

    /// Reads the name in the ARN of an activity.
    pub(super) fn activity<'a>(&self, arn: &'a str) -> Answer<&'a str> {
        let name = resource(arn, &["activity"])?;
        Ok(if self.is_ours(arn) { name } else { arn })
    }

    pub(super) fn state_machine_arn(&self, name: &str) -> String {
        state_machine_arn(&self.region, &self.account, name)
    }

    /// ARN of a version or an alias.
    pub(super) fn qualified_arn(&self, name: &str, qualifier: impl std::fmt::Display) -> String {
        format!("{}:{qualifier}", self.state_machine_arn(name))
    }

    pub(super) fn activity_arn(&self, name: &str) -> String {
        activity_arn(&self.region, &self.account, name)
    }

    fn is_ours(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        parts.next() == Some(self.region.as_str()) && parts.next() == Some(self.account.as_str())
    }
}

/// Checks the ARN of a Standard execution.
pub(super) fn execution(arn: &str) -> Answer<&str> {
    resource(arn, &["execution"]).map(|_| arn)
}

/// What comes behind the type of the resource, which has to be one of some.
pub(super) fn resource<'a>(arn: &'a str, kinds: &[&str]) -> Answer<&'a str> {
    // Recorded on AWS: what does not begin as an ARN of the service, and what is of a wrong type.
    let bad_prefix = || ApiError::invalid_arn(format_args!("Invalid ARN prefix: {arn}"));
    let mut parts = arn.splitn(7, ':');
    if parts.next() != Some("arn") || parts.next().is_none() || parts.next() != Some("states") {
        return Err(bad_prefix());
    }
    let kind = parts.nth(2).ok_or_else(bad_prefix)?;
    if !kinds.contains(&kind) {
        let problem = format_args!("Resource type not valid in this context: {kind}");
        return Err(ApiError::invalid_arn(problem));
    }
    match parts.next() {
        Some(rest) if !rest.is_empty() => Ok(rest),
        _ => Err(bad_prefix()),
    }
}
