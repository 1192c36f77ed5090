//! Errors in answers.

use engine::services::{Protocol, Service};
use serde_json::Value;

use super::{Refusal, Response, xml};

/// Why the service refused the request, as far as it says so.
pub(super) fn read(service: &Service, response: &Response) -> Refusal {
    let mut refusal = match service.about.protocol {
        Protocol::Json | Protocol::RestJson => of_json(response),
        Protocol::RestXml | Protocol::Query | Protocol::Ec2 => of_xml(response),
    };
    if service.about.query_errors {
        let code = response.header("x-amzn-query-error").and_then(|error| error.split(';').next());
        refusal.query_code = code.map(str::to_owned);
    }
    refusal.status = response.status;
    if refusal.request_id.is_empty() {
        refusal.request_id = response.request_id();
    }
    refusal
}

fn of_json(response: &Response) -> Refusal {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |names: &[&str]| names.iter().find_map(|name| body.get(*name)?.as_str()).map(str::to_owned);
    let code =
        response.header("x-amzn-errortype").map(str::to_owned).or_else(|| text(&["__type", "code", "Code"]));
    let code = code.unwrap_or_default();
    // `namespace#Name` and `Name:http://…`.
    let code = code.rsplit('#').next().and_then(|code| code.split(':').next()).unwrap_or_default();
    let message = text(&["message", "Message", "errorMessage"]);
    Refusal { code: code.to_owned(), message, ..Refusal::default() }
}

fn of_xml(response: &Response) -> Refusal {
    let Ok(root) = xml::parse(&response.body) else { return Refusal::default() };
    // <ErrorResponse><Error>, <Response><Errors><Error>, or S3's <Error>.
    let error = root.child("Error").or_else(|| root.child("Errors")?.child("Error")).unwrap_or(&root);
    let text = |node: &xml::Node, names: &[&str]| {
        names.iter().find_map(|name| node.child(name)).map(|node| node.text.trim().to_owned())
    };
    let request_id = text(&root, &["RequestId", "RequestID", "RequestId"]);
    let request_id = request_id.or_else(|| text(error, &["RequestId", "RequestID"]));
    let extended = response.header("x-amz-id-2").map(str::to_owned).or_else(|| text(error, &["HostId"]));
    Refusal {
        code: text(error, &["Code"]).unwrap_or_default(),
        message: text(error, &["Message", "message"]),
        request_id: request_id.unwrap_or_default(),
        extended_request_id: extended,
        ..Refusal::default()
    }
}
