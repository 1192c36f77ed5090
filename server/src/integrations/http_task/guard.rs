//! Which hosts HTTP tasks may call.
//!
//! A definition comes from anywhere; the machine that runs it is inside of a
//! network. Addresses that are not public (loopback, private, link-local with
//! the metadata services) are refused unless their host is listed, and so is
//! plain HTTP. The address is checked where the connection is made, so neither
//! a redirect nor a name that resolves differently the second time gets around
//! it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The variable that lists hosts which HTTP tasks may call although they are
/// not public, or by plain HTTP: `localhost:8080,erp.internal`.
pub const HTTP_HOSTS: &str = "STEPWRIGHT_HTTP_HOSTS";

/// The hosts that are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct ListedHosts(Arc<Vec<String>>);

impl ListedHosts {
    pub(super) fn of(list: &str) -> Self {
        let hosts = list.split(',').map(|host| host.trim().to_ascii_lowercase());
        Self(Arc::new(hosts.filter(|host| !host.is_empty()).collect()))
    }

    /// Whether a host is listed, with this port or with any.
    pub(super) fn contains(&self, uri: &Uri) -> bool {
        let Some(authority) = uri.authority() else { return false };
        let host = authority.host().to_ascii_lowercase();
        let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let with_port = format!("{host}:{}", authority.port_u16().unwrap_or(usual));
        self.0.iter().any(|listed| *listed == host || *listed == with_port)
    }

    /// Whether a URL may be called at all.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), String> {
        let shown = uri.authority().map_or("", |authority| authority.as_str());
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(format!("'{shown}' does not name a host alone"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if self.contains(uri) => Ok(()),
            _ => Err(format!("it is not HTTPS: list {shown} in {HTTP_HOSTS} to allow it")),
        }
    }
}

/// Looks names up, and refuses addresses that are not public.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) ListedHosts);

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        if !self.0.contains(uri)
            && let Some(address) = found.iter().find(|address| !is_public(address.ip()))
        {
            let host = uri.authority().map_or("", |authority| authority.as_str());
            let why = format!(
                "{host} has the address {address}, which is not public: list it in {HTTP_HOSTS} to allow it"
            );
            return Err(ureq::Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        Ok(found)
    }
}

/// Whether anybody in the internet may have the address. Source: IANA's registries of special addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_benchmark = first == 198 && (18..20).contains(&second);
    let is_protocol = first == 192 && second == 0 && third == 0;
    !(first == 0
        || first >= 240
        || is_shared
        || is_benchmark
        || is_protocol
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, _, _, _, sixth, seventh] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.to_ipv4() {
        // ::ffff:a.b.c.d and ::a.b.c.d
        Some(inner) => is_public_v4(inner),
        // NAT64 and 6to4 hold an address of version 4.
        None if (first, second) == (0x64, 0xff9b) => embedded(sixth, seventh),
        None if first == 0x2002 => embedded(second, third),
        // Global unicast, without documentation.
        None => first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0xdb8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn plain_http_and_listed_hosts() {
        let hosts = ListedHosts::of("localhost:8080, Inner.example");
        let allowed = |url: &str| hosts.check(&url.parse().unwrap()).is_ok();
        assert!(
            allowed("https://example.com/")
                && allowed("http://localhost:8080/a")
                && allowed("http://inner.example:99")
        );
        assert!(
            !allowed("http://localhost:8081/")
                && !allowed("http://example.com")
                && !allowed("https://user@example.com/")
        );
        assert!(!allowed("ftp://example.com"));
    }
}
