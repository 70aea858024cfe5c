//! Who may do what: tokens, each with a name and a role, asked for at every port.
//!
//! The table says which role a method needs; what is not in it is for services only. Where no token is configured,
//! everybody who reaches the port may do everything, as [`LOCAL`].
//!
//! A port does all of it by [`AccessLayer`]. What serves something else than gRPC calls [`Access::admit`], or one after
//! the other [`Access::check_browser`] and [`Access::decide`].

mod bearer;
mod browser;
mod layer;
mod table;
mod token;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::status;

pub use bearer::{Bearer, InvalidBearer};
pub use layer::{AccessLayer, Guarded, acting_for};
pub use table::{Least, least};
pub use token::{NotSha256, Token, TokenHash};

/// The header, within the product, that names for whom a call is made. A port takes it from services alone, and sets it
/// for everybody else.
pub const ACTOR: HeaderName = HeaderName::from_static("x-llm-sre-actor");

/// The actor of a call that nobody signed in for.
pub const LOCAL: &str = "unauthenticated:local";

/// The cookie that a browser keeps its token in. It counts where there is no `authorization`.
pub const SESSION_COOKIE: &str = "llm_sre_session";

/// The longest name of a token, in characters.
const NAME_MAX: usize = 64;

/// What the product calls itself and its parts: nobody else may, on the record.
const OWN_NAMES: [&str; 11] = [
    "llm-sre",
    "gateway",
    "indexer",
    "detector",
    "diagnosis",
    "remediation",
    "simulator",
    "dashboard",
    "fleet",
    "model",
    "unauthenticated",
];

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person who looks.
    Viewer,
    /// A person who looks and decides.
    Approver,
    /// A person who may do all that people may, such as breaking the simulated shop.
    Admin,
    /// A program that sends telemetry, and does nothing else.
    Sender,
    /// The product's services among themselves. They may do everything, and say for whom they ask.
    Service,
}

/// A text that is no role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no role; the roles are viewer, approver, admin, sender and service")]
pub struct UnknownRole(String);

impl Role {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Approver, Self::Admin, Self::Sender, Self::Service];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Sender => "sender",
            Self::Service => "service",
        }
    }

    /// Whether it may do what needs the other one at least.
    pub fn may(self, least: Self) -> bool {
        match self {
            Self::Service => true,
            Self::Admin => matches!(least, Self::Viewer | Self::Approver | Self::Admin),
            Self::Approver => matches!(least, Self::Viewer | Self::Approver),
            Self::Viewer | Self::Sender => least == self,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What the record says: the token's name, or whom a service says that it asks for, or [`LOCAL`].
    pub actor: Arc<str>,
    /// What may be done. Where nobody is asked for a token: everything.
    pub role: Role,
    signed_in: bool,
}

impl Identity {
    /// Whoever reaches a port that asks for no token.
    pub fn local() -> Self {
        Self { actor: LOCAL.into(), role: Role::Service, signed_in: false }
    }

    /// Whether a token said so.
    pub fn is_signed_in(&self) -> bool {
        self.signed_in
    }

    /// Makes headers say for whom the call is, and takes out of them whatever said so before, tokens too: what is
    /// behind a port has no use for them, and nobody there can pass them on.
    pub fn mark(&self, headers: &mut HeaderMap) {
        for name in [ACTOR, AUTHORIZATION, COOKIE] {
            headers.remove(name);
        }
        if self.signed_in
            && let Ok(actor) = HeaderValue::from_str(&self.actor)
        {
            headers.insert(ACTOR, actor);
        }
    }
}

/// For whom a call is made, as its metadata says behind a port: [`LOCAL`] where it says nothing.
pub fn actor(metadata: &MetadataMap) -> &str {
    metadata.get(ACTOR.as_str()).and_then(|actor| actor.to_str().ok()).unwrap_or(LOCAL)
}

/// Why tokens and hosts make no sense: the key below `access`, and the reason.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Error {
    /// Such as `tokens[0].name`.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

/// Who is known at the ports of a process, and under which names browsers find them. Cloning is cheap. The default
/// knows nobody, and so asks nobody.
#[derive(Clone, Debug, Default)]
pub struct Access(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    tokens: Vec<Token>,
    hosts: Vec<String>,
}

impl Access {
    /// Those who hold one of these tokens, at IP addresses, `localhost` and these names of hosts.
    ///
    /// # Errors
    /// When a name is not allowed, or a name or a token stands twice, or a host is no name of a host.
    pub fn new(tokens: Vec<Token>, hosts: Vec<String>) -> Result<Self, Error> {
        for (index, token) in tokens.iter().enumerate() {
            let error = |key: &str, reason: String| Err(Error { key: format!("tokens[{index}].{key}"), reason });
            let name = &token.name;
            if !is_name(name) {
                return error(
                    "name",
                    format!("'{name}' is not 1 to {NAME_MAX} characters of a-z, 0-9, '.', '_' and '-'"),
                );
            }
            if OWN_NAMES.contains(&name.as_str()) {
                return error("name", format!("'{name}' is what the product calls itself or a part of it"));
            }
            if tokens[..index].iter().any(|other| other.name == *name) {
                return error("name", format!("'{name}' stands twice"));
            }
            if let Some(other) = tokens[..index].iter().find(|other| other.sha256.is(&token.sha256)) {
                return error("sha256", format!("is the token of '{}' already", other.name));
            }
        }
        for (index, host) in hosts.iter().enumerate() {
            if !browser::is_host_name(host) {
                let reason = format!("'{host}' is not the name of a host, without scheme and port");
                return Err(Error { key: format!("hosts[{index}]"), reason });
            }
        }
        Ok(Self(Arc::new(Known { tokens, hosts })))
    }

    /// Whether a token is asked for.
    pub fn asks(&self) -> bool {
        !self.0.tokens.is_empty()
    }

    /// All that a port asks before it answers: [`Self::check_browser`], then [`Self::decide`].
    ///
    /// # Errors
    /// As theirs.
    pub fn admit(&self, headers: &HeaderMap, uri: &Uri) -> Result<Identity, Status> {
        self.check_browser(headers, uri)?;
        self.decide(headers, uri.path())
    }

    /// Who asks for the method with this path, such as `/llmsre.incident.v1.IncidentService/GetIncident`.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub fn decide(&self, headers: &HeaderMap, path: &str) -> Result<Identity, Status> {
        self.require(headers, least(path), path)
    }

    /// Who asks for something that needs this role at least. A method that needs none is for nobody in particular.
    ///
    /// # Errors
    /// UNAUTHENTICATED with reason TOKEN_MISSING or TOKEN_UNKNOWN; PERMISSION_DENIED with reason ROLE_TOO_LOW, whose
    /// metadata has `role`, `needed` and `method`.
    pub fn require(&self, headers: &HeaderMap, least: Least, method: &str) -> Result<Identity, Status> {
        let Least::Role(needed) = least else { return Ok(Identity::local()) };
        let identity = self.identify(headers)?;
        if identity.role.may(needed) {
            return Ok(identity);
        }
        let (actor, role) = (&identity.actor, identity.role);
        let message = format!("{actor} has the role {role}; {method} needs {needed}");
        let metadata = [("role", role.as_str()), ("needed", needed.as_str()), ("method", method)];
        Err(status::error(Code::PermissionDenied, "ROLE_TOO_LOW", message, &metadata))
    }

    /// Who asks, whatever for.
    ///
    /// # Errors
    /// UNAUTHENTICATED with reason TOKEN_MISSING or TOKEN_UNKNOWN.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Identity, Status> {
        if !self.asks() {
            return Ok(Identity::local());
        }
        let presented = token::presented(headers)?;
        let known = token::find(&self.0.tokens, presented).ok_or_else(token::unknown)?;
        let own = known.name.as_str();
        let actor = if known.role == Role::Service { told_actor(headers).unwrap_or(own) } else { own };
        Ok(Identity { actor: actor.into(), role: known.role, signed_in: true })
    }
}

/// For whom a service says that it asks, if it says one name that a person can have.
fn told_actor(headers: &HeaderMap) -> Option<&str> {
    let mut told = headers.get_all(ACTOR).iter();
    let (first, None) = (told.next()?, told.next()) else { return None };
    first.to_str().ok().filter(|name| is_name(name) && !OWN_NAMES.contains(name))
}

/// Whether it can be the name of a token.
fn is_name(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
