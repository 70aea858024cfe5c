//! What a browser may be made to ask by a page that is not ours.
//!
//! A browser sends what any page tells it to, from within the network in which it stands. It says which page that was
//! (`Origin`) and which name it looked up (`Host`); a page that has its own name lead to our address shows by the latter.

use std::net::IpAddr;

use http::header::{COOKIE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use tonic::{Code, Status};

use super::Access;
use crate::status;

/// What the headers begin with by which a browser tells what a request is for.
const SEC_FETCH: &str = "sec-fetch-";

impl Access {
    /// Whether a browser may ask this, if it is one that asks. Other clients find services under whatever names their
    /// networks have.
    ///
    /// # Errors
    /// PERMISSION_DENIED with reason ORIGIN where the page is of another host or port, and with reason HOST where the
    /// name is none of ours: no IP address, not `localhost`, and not among the configured hosts.
    pub fn check_browser(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Status> {
        let is_browser = headers.contains_key(ORIGIN)
            || headers.contains_key(COOKIE)
            || headers.keys().any(|name| name.as_str().starts_with(SEC_FETCH));
        if !is_browser {
            return Ok(());
        }
        let host = host(headers, uri);
        let is_own = |origin: &http::HeaderValue| {
            origin.to_str().is_ok_and(|origin| host.as_ref().is_some_and(|host| is_at(origin, host)))
        };
        if !headers.get_all(ORIGIN).iter().all(is_own) {
            let message = "the page that asks is of another host or port than what it asks";
            return Err(status::error(Code::PermissionDenied, "ORIGIN", message, &[]));
        }
        if !host.as_ref().is_some_and(|host| self.is_ours(host)) {
            let message =
                "a browser asks under a name that is neither an IP address, nor localhost, nor in access.hosts";
            return Err(status::error(Code::PermissionDenied, "HOST", message, &[]));
        }
        Ok(())
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_address || is_same(name, "localhost") || self.0.hosts.iter().any(|ours| is_same(name, ours))
    }
}

/// Which host the request is for. HTTP/2 says it beside the path.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let host = match uri.authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = headers.get_all(HOST).iter();
            let (host, None) = (hosts.next()?, hosts.next()) else { return None };
            Authority::try_from(host.as_bytes()).ok()?
        }
    };
    (!host.as_str().contains('@')).then_some(host)
}

/// Whether an origin, such as `https://sre.example.com`, is at this host and port. A port that is not said is the usual
/// one of the origin's scheme, since it is not said on both sides.
fn is_at(origin: &str, host: &Authority) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (origin.scheme_str(), origin.authority()) else { return false };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    is_same(authority.host(), host.host()) && port(authority) == port(host)
}

fn is_same(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// Whether it names a host, and nothing else.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=253).contains(&text.len()) && text.bytes().all(is_allowed)
}
