//! What requests to AWS need: who we are, where a service is, a signature.
//!
//! Everything comes from the environment that Lambda sets. Profiles, instance
//! metadata and single sign-on are refused: a step runs with its own role or
//! not at all.

pub(crate) use sigv4::Credentials;

#[cfg(test)]
pub(crate) mod moto;

/// The keys of the role a step runs with: variables of the Lambda execution
/// environment; `Err` says which one is missing.
pub(crate) fn credentials_from_environment() -> Result<Credentials, &'static str> {
    Ok(Credentials {
        access_key_id: variable("AWS_ACCESS_KEY_ID").ok_or("the environment has no AWS_ACCESS_KEY_ID")?,
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY")
            .ok_or("the environment has no AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
    })
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
