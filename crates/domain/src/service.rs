//! Who emits telemetry.

use std::fmt;
use std::sync::Arc;

/// The identity of a service: OpenTelemetry's `service.namespace`, `service.name` and `deployment.environment.name`.
///
/// All three take part in equality, so production and staging never meet. An absent attribute is the empty string;
/// a resource without `service.name` belongs to [`ServiceId::UNKNOWN_NAME`], as the SDKs themselves name it.
/// Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ServiceId {
    /// `service.namespace`, or empty.
    pub namespace: Arc<str>,
    /// `service.name`.
    pub name: Arc<str>,
    /// `deployment.environment.name`, or empty.
    pub environment: Arc<str>,
}

impl ServiceId {
    /// The name of a service that did not name itself.
    pub const UNKNOWN_NAME: &'static str = "unknown_service";

    /// A service by its three parts; an empty name becomes [`Self::UNKNOWN_NAME`].
    pub fn new(namespace: &str, name: &str, environment: &str) -> Self {
        let name = if name.is_empty() { Self::UNKNOWN_NAME } else { name };
        Self { namespace: namespace.into(), name: name.into(), environment: environment.into() }
    }

    /// A service with a name only.
    pub fn named(name: &str) -> Self {
        Self::new("", name, "")
    }

    /// Whether the service named itself. Unnamed telemetry is stored and shown, and never the target of an action.
    pub fn is_named(&self) -> bool {
        &*self.name != Self::UNKNOWN_NAME
    }

    /// Whether both belong to one deployment, so that a call between them can be an edge of one graph.
    pub fn same_environment(&self, other: &Self) -> bool {
        self.environment == other.environment
    }
}

/// `namespace/name@environment`, with the empty parts left out. Injective for names without `/` and `@`; keys and
/// fingerprints use the three parts, never this text.
impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}", self.name)?;
        if !self.environment.is_empty() {
            write!(f, "@{}", self.environment)?;
        }
        Ok(())
    }
}
