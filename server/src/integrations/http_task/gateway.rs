//! `arn:aws:states:::apigateway:invoke`: a request to an API of API Gateway.
//!
//! Source: developer guide, "Create API Gateway REST APIs with Step Functions".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use sigv4::Scope;
use ureq::http::Uri;

use super::{HttpTasks, Outgoing, headers, pairs, result, runtime};
use crate::integrations::problem::Problem;
use crate::integrations::settings::{AwsSettings, REAL_SERVICES, is_of_aws};

impl HttpTasks {
    /// Calls an API, and answers the result.
    pub(in crate::integrations) fn call_gateway(
        &self,
        settings: &AwsSettings,
        arguments: &Value,
    ) -> Result<String, Problem> {
        let mut outgoing = outgoing(arguments)?;
        if is_of_aws(&outgoing.url) && !settings.lists("apigateway") {
            return Err(Problem::NotConfigured(format!(
                "The API {} is at AWS. AWS itself is called only if {REAL_SERVICES} lists `apigateway`.",
                outgoing.url
            )));
        }
        match arguments.get("AuthType").and_then(Value::as_str) {
            None | Some("NO_AUTH") => {}
            Some("IAM_ROLE" | "RESOURCE_POLICY") => sign(settings, &mut outgoing)?,
            Some(_) => return Err(runtime("AuthType is NO_AUTH, IAM_ROLE or RESOURCE_POLICY")),
        }
        let (response, _) = self.once(&outgoing)?;
        result(&response, "ApiGateway.")
    }
}

fn outgoing(arguments: &Value) -> Result<Outgoing, Problem> {
    let text = |field: &str| arguments.get(field).and_then(Value::as_str);
    let needed =
        |field: &str| text(field).ok_or_else(|| runtime(&format!("apigateway:invoke needs {field}, a text")));
    let (endpoint, method) = (needed("ApiEndpoint")?, needed("Method")?);
    let mut url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") };
    for part in [text("Stage"), text("Path")].into_iter().flatten() {
        let part = part.trim_start_matches('/');
        url = format!("{}/{}", url.trim_end_matches('/'), sigv4::encoded_path(part));
    }
    let mut headers = headers(arguments.get("Headers"))?;
    let body = match arguments.get("RequestBody") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(body) => body.to_string().into_bytes(),
    };
    headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
    Ok(Outgoing {
        method: method.to_owned(),
        url,
        headers: headers.into_iter().collect(),
        query: pairs(arguments.get("QueryParameters"))?,
        body,
    })
}

/// Signs a request for API Gateway.
fn sign(settings: &AwsSettings, outgoing: &mut Outgoing) -> Result<(), Problem> {
    let uri: Uri = outgoing
        .url
        .parse()
        .map_err(|error| runtime(&format!("'{}' is not a URL: {error}", outgoing.url)))?;
    let host =
        uri.authority().map(ToString::to_string).ok_or_else(|| runtime("ApiEndpoint names no host"))?;
    let mut names: BTreeMap<&str, String> =
        outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    names.insert("host", host);
    let request = sigv4::Request {
        method: &outgoing.method,
        path: uri.path(),
        query: &outgoing.query,
        headers: names,
        body: &outgoing.body,
    };
    let scope = Scope { region: settings.region(), service: "execute-api" };
    let signed = request.signed(&settings.credentials(&outgoing.url)?, &scope, Timestamp::now());
    let signed: Vec<(String, String)> =
        signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    outgoing.headers = signed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_put_together_from_its_parts() {
        let arguments = json!({
            "ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "POST", "Stage": "prod",
            "Path": "/bills/a b", "Headers": { "X-One": ["1"] }, "QueryParameters": { "q": ["1", "2"] },
            "RequestBody": { "a": 1 }
        });
        let made = outgoing(&arguments).unwrap();
        assert_eq!(made.url, "https://abc.execute-api.us-east-1.amazonaws.com/prod/bills/a%20b");
        assert_eq!((made.query.len(), &*made.body), (2, &br#"{"a":1}"#[..]));
        let settings = AwsSettings::new(BTreeMap::new(), "us-east-1");
        let refused = HttpTasks::new(&settings).call_gateway(&settings, &arguments);
        assert!(matches!(refused, Err(Problem::NotConfigured(why)) if why.contains(REAL_SERVICES)));
    }

    #[test]
    fn requests_are_signed_where_that_is_wanted() {
        let environment = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = AwsSettings::new(environment.into(), "eu-west-1");
        let mut made = outgoing(&json!({ "ApiEndpoint": "api.example", "Method": "GET" })).unwrap();
        sign(&settings, &mut made).unwrap();
        let authorization = made.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        assert!(authorization.1.contains("/eu-west-1/execute-api/aws4_request"), "{}", authorization.1);
    }
}
