//! The other side of the endpoint: one call, e.g. of a command that wants
//! something of the server that holds the journal.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use sigv4::{Credentials, Request, Scope};

/// One operation at an endpoint, in AWS JSON 1.0.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where the endpoint listens.
    pub socket: SocketAddr,
    /// What the call is signed with, where the endpoint wants that.
    pub credentials: Option<Credentials>,
    /// The region of the signature.
    pub region: &'a str,
    /// The service of the signature, e.g. `states`.
    pub service: &'a str,
    /// `X-Amz-Target`
    pub target: &'a str,
    /// The parameters as JSON text.
    pub body: &'a [u8],
    /// How long the whole call may take.
    pub patience: Duration,
}

impl Call<'_> {
    /// Calls; answers the status and the body, also of an error of the operation.
    pub fn send(self, now_millis: i64) -> io::Result<(u16, Vec<u8>)> {
        let Self { socket, credentials, region, service, target, body, patience } = self;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            // It is this machine: no proxy is asked.
            .proxy(None)
            .build();
        let host = socket.to_string();
        let mut request = ureq::Agent::from(config)
            .post(format!("http://{host}/"))
            .header("x-amz-target", target)
            .content_type("application/x-amz-json-1.0");
        if let Some(credentials) = credentials {
            let headers = BTreeMap::from([("host", host), ("x-amz-target", target.to_owned())]);
            let signed = Request { method: "POST", path: "/", query: &[], headers, body };
            let now = Timestamp::from_millisecond(now_millis).map_err(io::Error::other)?;
            for (name, value) in signed.signed(&credentials, &Scope { region, service }, now) {
                // These two are there already.
                if !matches!(name, "host" | "x-amz-target") {
                    request = request.header(name, value);
                }
            }
        }
        let mut answer = request.send(body).map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_vec().map_err(io::Error::other)?;
        Ok((status, body))
    }
}
