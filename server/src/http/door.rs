//! Who is let in. A web page can make a browser send requests to this machine;
//! it cannot choose their `Host`, `Origin` and `Sec-Fetch-Site`. So those are
//! checked before anything else: against DNS rebinding the host, against
//! requests across origins the rest. Nothing here ever allows an origin:
//! browsers that ask (`OPTIONS`) are refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::service::{Response, text};

/// What clients put before the host for `StartSyncExecution` and `TestState`. Model, `endpoint.hostPrefix`.
const HOST_PREFIX: &str = "sync-";

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is for another host.
    OtherHost,
    /// The request comes from a web page of another origin, or asks whether it may.
    OtherOrigin,
}

impl Refusal {
    pub(super) fn response(self) -> Response {
        let (status, message) = match self {
            Self::OtherHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "This server does not answer for the host of the request; --allow-host NAME lets it.\n",
            ),
            Self::OtherOrigin => {
                (StatusCode::FORBIDDEN, "Requests of web pages from other origins are refused.\n")
            }
        };
        text(status, "text/plain; charset=utf-8", message)
    }
}

/// The names this server answers for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    names: BTreeSet<String>,
}

impl Door {
    /// Lets in who calls by a loopback name, by the address they reached, or by
    /// one of these names.
    pub(crate) fn new(names: &[String]) -> Self {
        Self { names: names.iter().map(|name| bare(name).to_ascii_lowercase()).collect() }
    }

    /// Checks a request that came in on an address of this machine.
    pub(crate) fn check(&self, head: &Parts, reached: IpAddr) -> Result<(), Refusal> {
        if !self.is_for_us(head, reached) {
            return Err(Refusal::OtherHost);
        }
        if head.method == Method::OPTIONS || !is_of_our_origin(&head.headers) {
            return Err(Refusal::OtherOrigin);
        }
        Ok(())
    }

    /// The host is in the header, and in the request target if that is absolute, as through a proxy.
    fn is_for_us(&self, head: &Parts, reached: IpAddr) -> bool {
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let is_ours = |host: &str| self.knows(host, reached);
        host.to_str().is_ok_and(is_ours) && head.uri.authority().is_none_or(|of| is_ours(of.as_str()))
    }

    fn knows(&self, host: &str, reached: IpAddr) -> bool {
        let host = bare(host).to_ascii_lowercase();
        let name = host.strip_prefix(HOST_PREFIX).unwrap_or(&host);
        // An address cannot be rebound: a page that has it as its host was served by us.
        let is_reached = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| {
            address == reached || address.is_loopback() && reached.to_canonical().is_loopback()
        });
        let is_local = |name: &str| name == "localhost" || name.ends_with(".localhost");
        is_reached || is_local(name) || [name, &host].iter().any(|name| self.names.contains(*name))
    }
}

/// Checks a name that a server is to answer for.
///
/// # Errors
/// What is wrong with one that no request could have.
pub fn host_name(name: &str) -> Result<String, String> {
    let host = bare(name);
    if host.is_empty() {
        return Err("it is empty; a name of this machine is wanted, e.g. build-7".to_owned());
    }
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !is_address && !host.bytes().all(allowed) {
        return Err(format!(
            "`{name}` is no host name. Names are compared as they are: there are no patterns, and one option for each"
        ));
    }
    Ok(name.to_owned())
}

/// A host without its port and without the dot of a full name.
fn bare(host: &str) -> &str {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    // `[::1]` without a port ends with a bracket, whatever its last group is.
    let name = if host.ends_with(']') { host } else { without_port };
    name.strip_suffix('.').unwrap_or(name)
}

/// Programs send neither header; pages of ours would name the host they call.
fn is_of_our_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_ours = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|origin| !host.is_empty() && origin == host)
    };
    headers.get_all(header::ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_ours))
        && headers
            .get_all(&SEC_FETCH_SITE)
            .iter()
            .all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::http::Request;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn checked(names: &[&str], reached: IpAddr, uri: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Door::new(&names).check(&request.body(()).unwrap().into_parts().0, reached)
    }

    #[test]
    fn loopback_names_and_their_prefixed_forms_are_let_in() {
        for host in [
            "localhost",
            "localhost:4599",
            "LOCALHOST:1",
            "localhost.",
            "127.0.0.1:4599",
            "[::1]:4599",
            "[::1]",
            "sync-localhost:4599",
            "sync-127.0.0.1:4599",
            "sync-[::1]:4599",
            "states.localhost",
            "sync-states.localhost:80",
        ] {
            assert_eq!(checked(&[], LOOPBACK, "/", &[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "sync-evil.example:4599",
            "10.0.0.7:4599",
            "169.254.169.254",
            "",
            ":4599",
            "localhost:x",
            "[::1",
        ] {
            assert_eq!(checked(&[], LOOPBACK, "/", &[("host", host)]), Err(Refusal::OtherHost), "{host:?}");
        }
        assert_eq!(checked(&[], LOOPBACK, "/", &[]), Err(Refusal::OtherHost), "none");
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(checked(&[], LOOPBACK, "/", &twice), Err(Refusal::OtherHost), "two");
    }

    #[test]
    fn an_absolute_target_counts_as_much_as_the_header() {
        let host = [("host", "127.0.0.1:4599")];
        assert_eq!(checked(&[], LOOPBACK, "http://sync-127.0.0.1:4599/", &host), Ok(()));
        assert_eq!(checked(&[], LOOPBACK, "http://evil.example/", &host), Err(Refusal::OtherHost));
    }

    #[test]
    fn names_can_be_added_and_the_address_that_was_reached_is_one() {
        let names = ["stepwright", "states.example:443"];
        for host in ["stepwright:4599", "sync-stepwright", "states.example"] {
            assert_eq!(checked(&names, LOOPBACK, "/", &[("host", host)]), Ok(()), "{host}");
        }
        let reached: IpAddr = "10.0.0.7".parse().unwrap();
        assert_eq!(checked(&[], reached, "/", &[("host", "10.0.0.7:4599")]), Ok(()));
        assert_eq!(checked(&[], reached, "/", &[("host", "10.0.0.8")]), Err(Refusal::OtherHost));
        assert_eq!(checked(&[], reached, "/", &[("host", "127.0.0.1")]), Err(Refusal::OtherHost));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "localhost:4599");
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("origin", "https://localhost:4599"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let checked = checked(&[], LOOPBACK, "/", &[host, header]);
            assert_eq!(checked, Err(Refusal::OtherOrigin), "{header:?}");
        }
        for header in [("origin", "http://localhost:4599"), ("sec-fetch-site", "same-origin")] {
            assert_eq!(checked(&[], LOOPBACK, "/", &[host, header]), Ok(()), "{header:?}");
        }
    }

    #[test]
    fn a_name_that_no_request_has_is_none() {
        for name in ["build-7", "build-7:4599", "a.example.", "[::1]:1", "10.0.0.7"] {
            assert_eq!(host_name(name).as_deref(), Ok(name));
        }
        for name in ["", "*", "*.example", "a b", "http://a", ".", ":1", "a,b"] {
            assert!(host_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn preflight_requests_are_refused() {
        let request = Request::options("/").header("host", "localhost").body(()).unwrap();
        let checked = Door::default().check(&request.into_parts().0, LOOPBACK);
        assert_eq!(checked, Err(Refusal::OtherOrigin));
    }
}
