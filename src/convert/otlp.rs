//! OTLP export requests to the domain's telemetry: the one conversion, used by whoever reads a topic.
//!
//! A request is a batch of what many processes measured, so one wrong point never costs the others: every item is
//! either converted, or reported in [`Converted::rejected`] with its position and the reason. Positions count the
//! items of a request in wire order (resources, scopes, metrics, points), whatever becomes of them, so they stay the
//! same for the same bytes.

mod exponential;
mod json;
mod logs;
mod metrics;
mod request;
mod spans;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use llm_sre_domain::telemetry::Origin;
use llm_sre_domain::{ServiceId, Timestamp};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;

pub use json::from_json;
pub use logs::{check_logs, logs};
pub use metrics::{check_metrics, metrics};
pub use request::{Export, take_out, take_rejected};
pub use spans::{check_spans, spans};

/// What became of a request's items: `items.len() + rejected.len() + skipped` is how many it had.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted<T> {
    /// The good ones, in wire order.
    pub items: Vec<T>,
    /// The others, in wire order.
    pub rejected: Vec<Rejection>,
    /// Points whose flag says that nothing was recorded: no error, and no value either.
    pub skipped: usize,
}

// Derived, it would ask for `T: Default`.
impl<T> Default for Converted<T> {
    fn default() -> Self {
        Self { items: Vec::new(), rejected: Vec::new(), skipped: 0 }
    }
}

/// An item that the domain cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which item of the request, counted from 0 in wire order. A metric without data counts as one.
    pub position: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What can be wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// A metric's name is empty.
    #[error("metric has no name")]
    NoName,
    /// A metric has no data of a known kind.
    #[error("metric has no data of a known kind")]
    NoData,
    /// A time is zero where one is needed.
    #[error("time is missing")]
    NoTime,
    /// A time is after the year 2262.
    #[error("time is out of range")]
    TimeOutOfRange,
    /// A number point has neither a double nor an integer.
    #[error("point has no value")]
    NoValue,
    /// A value, sum or bound is NaN or infinite.
    #[error("value is not a finite number")]
    NotFinite,
    /// A sum or histogram does not say what it counts since.
    #[error("aggregation temporality is not stated")]
    NoTemporality,
    /// Buckets do not fit their bounds, bounds do not ascend, or counts overflow.
    #[error("buckets are malformed")]
    MalformedBuckets,
    /// A quantile lies outside 0 to 1.
    #[error("quantiles are malformed")]
    MalformedQuantiles,
    /// A span's trace id is not 16 bytes, or all zeros.
    #[error("trace id is malformed")]
    MalformedTraceId,
    /// A span's id is not 8 bytes, or all zeros.
    #[error("span id is malformed")]
    MalformedSpanId,
}

/// Who a resource speaks for: its service, and the process of it.
///
/// A resource without `service.name`, or no resource at all, is [`ServiceId::UNKNOWN_NAME`]. The older
/// `deployment.environment` is read where `deployment.environment.name` is absent.
pub fn identity(resource: Option<&Resource>) -> (ServiceId, Origin) {
    let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
    let service = ServiceId::new(
        &first_of(attributes, &["service.namespace"]),
        &first_of(attributes, &["service.name"]),
        &first_of(attributes, &["deployment.environment.name", "deployment.environment"]),
    );
    let instance = first_of(attributes, &["service.instance.id", "k8s.pod.name", "container.id", "host.name"]);
    let version = first_of(attributes, &["service.version"]);
    (service, Origin { instance: Arc::from(instance), version: Arc::from(version) })
}

/// The value of the first of `keys` that is there and not empty; empty where none is.
fn first_of(attributes: &[KeyValue], keys: &[&str]) -> String {
    let value_of = |key: &&str| {
        let found = attributes.iter().find(|attribute| attribute.key == **key)?;
        let text = text::of(found.value.as_ref()?);
        (!text.is_empty()).then(|| text.into_owned())
    };
    keys.iter().find_map(value_of).unwrap_or_default()
}

/// A time that must be there.
fn required_time(nanos: u64) -> Result<Timestamp, Reason> {
    match i64::try_from(nanos) {
        Ok(0) => Err(Reason::NoTime),
        Ok(nanos) => Ok(Timestamp::from_nanos(nanos)),
        Err(_) => Err(Reason::TimeOutOfRange),
    }
}

/// An id of exactly `N` bytes that are not all zeros, which OTLP uses for "none".
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok().filter(|id| *id != [0; N])
}
