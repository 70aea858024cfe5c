//! Resource names: `incidents/{uuid}` and what hangs below it.

use tonic::Status;
use uuid::Uuid;

use crate::status::invalid_argument;

/// Any incident, in a list call over all of them.
pub const ANY_INCIDENT: &str = "incidents/-";

/// The name of an incident.
pub fn incident(id: Uuid) -> String {
    format!("incidents/{id}")
}

/// Parses `incidents/{uuid}` from a request's `field`.
pub fn parse_incident(field: &str, name: &str) -> Result<Uuid, Status> {
    name.strip_prefix("incidents/").and_then(canonical).ok_or_else(|| {
        invalid_argument(field, format!("'{name}' is not an incident's name; it has the form incidents/{{uuid}}"))
    })
}

/// Parses `incidents/{uuid}/{collection}/{id}` into the incident and the id.
pub fn parse_child(field: &str, name: &str, collection: &str) -> Result<(Uuid, String), Status> {
    let parts: Vec<&str> = name.split('/').collect();
    let parsed = match parts.as_slice() {
        ["incidents", incident, found, id] if *found == collection && is_id(id) => {
            canonical(incident).map(|incident| (incident, (*id).to_owned()))
        }
        _ => None,
    };
    parsed.ok_or_else(|| {
        let form = format!("incidents/{{uuid}}/{collection}/{{id}}");
        invalid_argument(field, format!("'{name}' does not have the form {form}"))
    })
}

/// Checks a caller's `request_id`: at most 128 characters, without control characters. Empty is allowed.
pub fn check_request_id(request_id: &str) -> Result<(), Status> {
    if request_id.chars().count() > 128 || request_id.chars().any(char::is_control) {
        return Err(invalid_argument("request_id", "is at most 128 characters without control characters"));
    }
    Ok(())
}

/// Hyphenated lower case only, so that one incident has one name.
fn canonical(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_incident_has_one_name() {
        let id = Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788);
        assert_eq!(parse_incident("name", &incident(id)).unwrap(), id);
        for bad in ["", "incidents/", "incidents/xyz", &format!("incidents/{}", id.simple()), &id.to_string()] {
            assert!(parse_incident("name", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn children_name_their_incident() {
        let id = Uuid::from_u128(7 << 64 | 1);
        let name = format!("{}/actions/a1", incident(id));
        assert_eq!(parse_child("name", &name, "actions").unwrap(), (id, "a1".to_owned()));
        assert!(parse_child("name", &name, "diagnoses").is_err());
        assert!(parse_child("name", &format!("{}/actions/", incident(id)), "actions").is_err());
    }
}
