//! What requests to AWS need: who we are, where a service is, a signature.
//!
//! Everything comes from the environment that Lambda sets. Profiles, instance
//! metadata and single sign-on are refused: a step runs with its own role or
//! not at all.

use std::fmt;

#[cfg(test)]
pub(crate) mod moto;
pub(crate) mod signature;

/// The keys of the role a step runs with.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// There is always one on Lambda; a user's long-lived keys have none.
    pub(crate) session_token: Option<String>,
}

impl Credentials {
    /// The variables of the Lambda execution environment; `Err` says which one is missing.
    pub(crate) fn from_environment() -> Result<Self, &'static str> {
        Ok(Self {
            access_key_id: variable("AWS_ACCESS_KEY_ID").ok_or("the environment has no AWS_ACCESS_KEY_ID")?,
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY")
                .ok_or("the environment has no AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        })
    }
}

impl fmt::Debug for Credentials {
    /// Without the secret key and the token: they must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Another endpoint than AWS's own: the service's variable, such as
/// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, or else the one for all services.
///
/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
pub(crate) fn endpoint_from_environment(of_the_service: &str) -> Option<String> {
    variable(of_the_service).or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The region the function runs in; a person's shell has the second name only.
pub(crate) fn region_from_environment() -> Option<String> {
    variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"))
}

/// An empty variable counts as none, as in AWS's own clients.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
