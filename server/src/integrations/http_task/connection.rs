//! Connections of `EventBridge`: how an HTTP task says who it is.
//!
//! On AWS a connection's secrets are in Secrets Manager. Here they are in the
//! environment: `STEPWRIGHT_CONNECTION_<NAME>` holds what `aws events
//! create-connection` was given, `AuthorizationType` and `AuthParameters`, as
//! JSON, or `file:///…` of a file that holds it. The name is the connection's,
//! in capital letters, with `_` for everything but letters and digits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::encoding::{ArrayFormat, form, text};
use super::{Exchange, Outgoing};
use crate::integrations::problem::Problem;
use crate::integrations::settings::AwsSettings;

/// A token without a lifetime is asked for again after so long; AWS renews before each expiry, too.
const TOKEN_KEPT: Duration = Duration::from_mins(5);

/// A token is not used in the last seconds of its life.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Connection {
    authorization_type: String,
    auth_parameters: AuthParameters,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AuthParameters {
    #[serde(rename = "ApiKeyAuthParameters")]
    api_key: Option<ApiKey>,
    #[serde(rename = "BasicAuthParameters")]
    basic: Option<Basic>,
    #[serde(rename = "OAuthParameters")]
    oauth: Option<OAuth>,
    #[serde(rename = "InvocationHttpParameters")]
    invocation: HttpParameters,
}

#[derive(Deserialize)]
struct ApiKey {
    #[serde(rename = "ApiKeyName")]
    name: String,
    #[serde(rename = "ApiKeyValue")]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Basic {
    username: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OAuth {
    authorization_endpoint: String,
    http_method: String,
    client_parameters: ClientParameters,
    #[serde(default, rename = "OAuthHttpParameters")]
    http_parameters: HttpParameters,
}

#[derive(Deserialize)]
struct ClientParameters {
    #[serde(rename = "ClientID")]
    id: String,
    #[serde(rename = "ClientSecret")]
    secret: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HttpParameters {
    #[serde(rename = "HeaderParameters")]
    headers: Vec<Parameter>,
    #[serde(rename = "QueryStringParameters")]
    query: Vec<Parameter>,
    #[serde(rename = "BodyParameters")]
    body: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    key: String,
    value: Value,
}

/// What a connection adds to a request. It holds secrets: never to be shown.
#[derive(Default)]
pub(super) struct Additions {
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Map<String, Value>,
    /// Whether a token is among them that may have expired before its time.
    pub(super) has_token: bool,
}

/// The connections, with the tokens they got.
#[derive(Default)]
pub(super) struct Connections {
    tokens: Mutex<BTreeMap<String, (String, Instant)>>,
}

impl Connections {
    /// What the connection of an ARN adds. `renew`: a token that was kept is not used.
    pub(super) fn additions(
        &self,
        settings: &AwsSettings,
        arn: &str,
        renew: bool,
        exchange: &dyn Exchange,
    ) -> Result<Additions, Problem> {
        let connection = read(settings, arn)?;
        let invalid = || {
            Problem::Failed(
                "States.Runtime".to_owned(),
                format!("The connection {arn} has no parameters of its AuthorizationType."),
            )
        };
        let parameters = connection.auth_parameters;
        let mut additions = Additions::default();
        match connection.authorization_type.as_str() {
            "API_KEY" => {
                let key = parameters.api_key.ok_or_else(invalid)?;
                additions.headers.push((key.name, key.value));
            }
            "BASIC" => {
                let Basic { username, password } = parameters.basic.ok_or_else(invalid)?;
                let both = STANDARD.encode(format!("{username}:{password}"));
                additions.headers.push(("Authorization".to_owned(), format!("Basic {both}")));
            }
            "OAUTH_CLIENT_CREDENTIALS" => {
                let oauth = parameters.oauth.ok_or_else(invalid)?;
                let token = self.token(arn, &oauth, renew, exchange)?;
                additions.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
                additions.has_token = true;
            }
            _ => return Err(invalid()),
        }
        let HttpParameters { headers, query, body } = parameters.invocation;
        additions.headers.extend(headers.into_iter().map(|one| (one.key, text(&one.value))));
        additions.query.extend(query.into_iter().map(|one| (one.key, text(&one.value))));
        additions.body.extend(body.into_iter().map(|one| (one.key, one.value)));
        Ok(additions)
    }

    fn token(
        &self,
        arn: &str,
        oauth: &OAuth,
        renew: bool,
        exchange: &dyn Exchange,
    ) -> Result<String, Problem> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = tokens.get(arn)
            && !renew
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let (token, lifetime) = asked(oauth, exchange)?;
        // How long it lives is what somebody else says: what no clock can hold is asked for again.
        if let Some(until) = Instant::now().checked_add(lifetime) {
            tokens.insert(arn.to_owned(), (token.clone(), until));
        }
        Ok(token)
    }
}

/// The connection of an ARN, from the environment.
fn read(settings: &AwsSettings, arn: &str) -> Result<Connection, Problem> {
    let name = arn.split_once(":connection/").map_or(arn, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default();
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }
    };
    let variable = format!("STEPWRIGHT_CONNECTION_{}", name.chars().map(plain).collect::<String>());
    let Some(value) = settings.variable(&variable) else {
        return Err(Problem::Failed(
            "Events.ConnectionResource.NotFound".to_owned(),
            format!(
                "The connection {arn} is not known here. Set {variable} to its AuthorizationType and AuthParameters as \
                 JSON, as `aws events create-connection` takes them, or to the file:///… that holds them."
            ),
        ));
    };
    let refused = |why: &str| {
        Problem::Failed(
            "States.Runtime".to_owned(),
            format!("{variable} does not describe a connection: {why}."),
        )
    };
    let in_file = value.strip_prefix("file://").map(std::fs::read_to_string).transpose();
    let in_file = in_file.map_err(|error| refused(&error.to_string()))?;
    // What serde says of a value could quote a secret: it says the place only.
    serde_json::from_str(in_file.as_deref().unwrap_or(value))
        .map_err(|error| refused(&format!("it is wrong at line {}, column {}", error.line(), error.column())))
}

/// A new token, and how long it may be used.
fn asked(oauth: &OAuth, exchange: &dyn Exchange) -> Result<(String, Duration), Problem> {
    let parameters = &oauth.http_parameters;
    let mut fields = Map::new();
    for (name, value) in [
        ("client_id", oauth.client_parameters.id.as_str()),
        ("client_secret", &oauth.client_parameters.secret),
        ("grant_type", "client_credentials"),
    ] {
        fields.insert(name.to_owned(), Value::from(value));
    }
    fields.extend(parameters.body.iter().map(|one| (one.key.clone(), one.value.clone())));
    let pairs =
        |list: &[Parameter]| list.iter().map(|one| (one.key.clone(), text(&one.value))).collect::<Vec<_>>();
    let mut outgoing = Outgoing {
        method: oauth.http_method.clone(),
        url: oauth.authorization_endpoint.clone(),
        headers: pairs(&parameters.headers),
        query: pairs(&parameters.query),
        body: Vec::new(),
    };
    if oauth.http_method == "GET" {
        outgoing.query.extend(fields.iter().map(|(name, value)| (name.clone(), text(value))));
    } else {
        outgoing.body = form(&Value::Object(fields), ArrayFormat::Repeat).into_bytes();
        outgoing.headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    let failed = |why: &str| {
        Problem::Failed(
            "Events.ConnectionResource.AuthorizationFailed".to_owned(),
            format!("The authorization endpoint {} {why}.", oauth.authorization_endpoint),
        )
    };
    let response = exchange.exchange(&outgoing)?;
    if !(200..300).contains(&response.status) {
        return Err(failed(&format!("answered with the status {}", response.status)));
    }
    let answer: Value =
        serde_json::from_slice(&response.body).map_err(|_| failed("did not answer with JSON"))?;
    let token = answer.get("access_token").and_then(Value::as_str);
    let token = token.ok_or_else(|| failed("gave no access_token"))?;
    let lifetime = answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
    Ok((token.to_owned(), lifetime.map_or(TOKEN_KEPT, |lifetime| lifetime.saturating_sub(TOKEN_MARGIN))))
}
