//! Times and identities.

use std::time::Duration;

use llm_sre_domain::telemetry::Origin;
use llm_sre_domain::{ServiceId, Timestamp};
use uuid::Uuid;

use super::ConvertError;
use crate::telemetry::v1;

/// A domain time as a protobuf timestamp.
pub fn to_proto_time(time: Timestamp) -> pbjson_types::Timestamp {
    let nanos = time.as_nanos();
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    // A remainder of one second in nanoseconds always fits.
    pbjson_types::Timestamp { seconds, nanos: i32::try_from(fraction).unwrap_or(0) }
}

/// A protobuf timestamp as a domain time; outside of the years 1677 to 2262 it saturates.
pub fn from_proto_time(time: &pbjson_types::Timestamp) -> Timestamp {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let bounded = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Timestamp::from_nanos(i64::try_from(bounded).unwrap_or(i64::MAX))
}

/// A domain duration as a protobuf duration.
pub fn to_proto_duration(duration: Duration) -> pbjson_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    pbjson_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0) }
}

/// A protobuf duration as a domain duration; nothing, and what is negative, is zero.
pub fn from_proto_duration(duration: Option<&pbjson_types::Duration>) -> Duration {
    let bounded = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
    duration.map_or(Duration::ZERO, |duration| {
        Duration::new(bounded(duration.seconds), u32::try_from(duration.nanos).unwrap_or(0))
    })
}

/// A required time.
pub fn required_time(field: &'static str, time: Option<&pbjson_types::Timestamp>) -> Result<Timestamp, ConvertError> {
    time.map(from_proto_time).ok_or(ConvertError::Missing(field))
}

/// A required service identity with a name.
pub fn required_service(field: &'static str, service: Option<&v1::ServiceIdentity>) -> Result<ServiceId, ConvertError> {
    let service = service.ok_or(ConvertError::Missing(field))?;
    if service.name.is_empty() {
        return Err(ConvertError::Invalid { field, reason: "the name is empty".to_owned() });
    }
    Ok(ServiceId::new(&service.namespace, &service.name, &service.environment))
}

impl From<&ServiceId> for v1::ServiceIdentity {
    fn from(service: &ServiceId) -> Self {
        Self {
            namespace: service.namespace.to_string(),
            name: service.name.to_string(),
            environment: service.environment.to_string(),
        }
    }
}

impl From<&Origin> for v1::Origin {
    fn from(origin: &Origin) -> Self {
        Self { instance: origin.instance.to_string(), version: origin.version.to_string() }
    }
}

impl From<&v1::Origin> for Origin {
    fn from(origin: &v1::Origin) -> Self {
        Self { instance: origin.instance.as_str().into(), version: origin.version.as_str().into() }
    }
}

/// An absent origin is that of the whole service.
pub fn origin(origin: Option<&v1::Origin>) -> Origin {
    origin.map(Origin::from).unwrap_or_default()
}

/// An enum field: an unknown number or the unspecified value is an error that names the field.
pub fn known<E, D>(field: &'static str, number: i32, convert: impl Fn(E) -> Option<D>) -> Result<D, ConvertError>
where
    E: TryFrom<i32>,
{
    E::try_from(number)
        .ok()
        .and_then(convert)
        .ok_or_else(|| ConvertError::Invalid { field, reason: format!("the value {number} is not known") })
}

/// The UUID in `incidents/{uuid}`.
pub fn incident_uuid(field: &'static str, name: &str) -> Result<Uuid, ConvertError> {
    name.strip_prefix("incidents/").and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(|| ConvertError::Invalid {
        field,
        reason: format!("'{name}' does not have the form incidents/{{uuid}}"),
    })
}

/// The id in `incidents/{uuid}/{collection}/{id}`; `None` for the empty name.
pub fn child_id<'a>(field: &'static str, name: &'a str, collection: &str) -> Result<Option<&'a str>, ConvertError> {
    if name.is_empty() {
        return Ok(None);
    }
    let mut parts = name.split('/');
    let found = match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("incidents"), Some(_), Some(kind), Some(id), None) if kind == collection && !id.is_empty() => Some(id),
        _ => None,
    };
    found.map(Some).ok_or_else(|| ConvertError::Invalid {
        field,
        reason: format!("'{name}' does not have the form incidents/{{uuid}}/{collection}/{{id}}"),
    })
}

/// Maps a domain enum and a contract enum onto each other, both ways, in one table.
macro_rules! enum_table {
    ($domain:ty, $proto:ty, { $($d:ident <=> $p:ident),* $(,)? }) => {
        impl From<$domain> for $proto {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$d => Self::$p,)* }
            }
        }
        impl From<$proto> for Option<$domain> {
            fn from(value: $proto) -> Self {
                match value { $(<$proto>::$p => Some(<$domain>::$d),)* <$proto>::Unspecified => None }
            }
        }
    };
}
pub(crate) use enum_table;
