//! What OpenSearch's answers mean to the ports.

use llm_sre_ports::{documents, leases, telemetry};
use serde_json::Value;

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// There is no such document.
    #[error("it is not there")]
    Missing,
    /// Somebody else wrote first.
    #[error("somebody else wrote first")]
    Conflict,
    /// The request is wrong, and always will be.
    #[error("OpenSearch refuses it: {0}")]
    Refused(String),
    /// The request was turned away before anything was done; the cluster has too much to do.
    #[error("OpenSearch is busy: {0}")]
    Busy(String),
    /// The disks are full, or the cluster may have no more shards.
    #[error("OpenSearch is full")]
    Full,
    /// No answer, or one that says that the cluster cannot do it now.
    #[error("{0}")]
    Unavailable(String),
    /// What is stored is not what was stored.
    #[error("{0}")]
    Corrupt(String),
}

impl Failure {
    /// Of a whole answer, or of one item of a bulk request.
    pub(super) fn of(status: u16, error: &Value) -> Self {
        let kind = error["type"].as_str().unwrap_or_default();
        let reason = || {
            let cause = error["caused_by"]["reason"].as_str().map(|cause| format!(": {cause}")).unwrap_or_default();
            let reason = error["reason"].as_str().or(error.as_str()).unwrap_or("without a reason");
            format!("{status} {kind}: {reason}{cause}")
        };
        let says = |words: &str| error["reason"].as_str().is_some_and(|reason| reason.contains(words));
        match (status, kind) {
            // Set by the flood-stage watermark of the disks, and lifted when there is room again.
            (_, "cluster_block_exception") if says("read-only") => Self::Full,
            (400, "validation_exception") if says("shards open") => Self::Full,
            (429, _) => Self::Busy(reason()),
            (404, "index_not_found_exception") => Self::Unavailable(reason()),
            (404, _) => Self::Missing,
            (409, _) => Self::Conflict,
            // Without a kind it is not from OpenSearch's handling of the request: a proxy or a wrong address refuses
            // everything alike.
            (400, kind) if !kind.is_empty() => Self::Refused(reason()),
            // A proxy says so, too.
            (413, _) => Self::Refused(reason()),
            _ => Self::Unavailable(reason()),
        }
    }

    /// A stored thing without what it must have.
    pub(super) fn corrupt(what: &str, found: &Value) -> Self {
        const SHOWN: usize = 200;
        let found: String = found.to_string().chars().take(SHOWN).collect();
        Self::Corrupt(format!("{what} is missing or wrong in {found}"))
    }

    fn unavailable(self) -> String {
        match self {
            Self::Unavailable(reason) => reason,
            other => other.to_string(),
        }
    }
}

impl From<Failure> for documents::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            other => Self::Unavailable(other.unavailable()),
        }
    }
}

impl From<Failure> for leases::Error {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.unavailable())
    }
}

impl From<Failure> for telemetry::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Corrupt(reason) => Self::Corrupt(reason),
            other => Self::Unavailable(other.unavailable()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_mean_what_they_say() {
        let of = |status, kind: &str, reason: &str| Failure::of(status, &json!({ "type": kind, "reason": reason }));
        let flood = "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has \
                     read-only-allow-delete block];";
        assert_eq!(of(429, "cluster_block_exception", flood), Failure::Full);
        assert_eq!(
            of(403, "cluster_block_exception", "blocked by: [FORBIDDEN/5/index read-only (api)];"),
            Failure::Full
        );
        let starting = of(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered];");
        assert!(matches!(starting, Failure::Unavailable(_)));
        let shards =
            "this action would add [1] total shards, but this cluster currently has [9]/[9] maximum shards open;";
        assert_eq!(of(400, "validation_exception", shards), Failure::Full);
        assert!(matches!(of(429, "rejected_execution_exception", "queue"), Failure::Busy(_)));
        assert!(matches!(of(400, "mapper_parsing_exception", "no"), Failure::Refused(_)));
        assert!(matches!(Failure::of(400, &json!(null)), Failure::Unavailable(_)));
        assert!(matches!(Failure::of(413, &json!(null)), Failure::Refused(_)));
        assert!(matches!(of(404, "index_not_found_exception", "no"), Failure::Unavailable(_)));
        assert_eq!(of(409, "version_conflict_engine_exception", "a"), Failure::Conflict);
        assert!(matches!(Failure::of(401, &json!("Unauthorized")), Failure::Unavailable(_)));
    }
}
