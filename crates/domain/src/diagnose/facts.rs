//! Facts for tests of what is argued from them.

use crate::evidence::{EvidenceId, Fact, Observation};
use crate::telemetry::{Change, ChangeKind, Origin};
use crate::{Anomaly, AnomalyId, Direction, ServiceId, Signal, Timestamp};

/// That a signal of a service is up, from second 1000 on.
pub(super) fn anomaly(id: &str, service: &str, signal: Signal, metric: &str, score: f64) -> Fact {
    let time = Timestamp::from_secs(1_000);
    Fact {
        id: EvidenceId(id.to_owned()),
        observation: Observation::Anomaly(Anomaly {
            id: AnomalyId(id.into()),
            service: ServiceId::named(service),
            origin: Origin::default(),
            signal,
            metric: metric.into(),
            dimension: "".into(),
            unit: "".into(),
            onset: time,
            detected_at: time,
            last_seen: time,
            direction: Direction::Up,
            score,
            expected: 1.0,
            observed: 9.0,
            exemplar: String::new(),
            requests_per_s: None,
        }),
    }
}

/// That a service was deployed at a second.
pub(super) fn deployment(service: &str, second: i64) -> Fact {
    Fact {
        id: EvidenceId(format!("change-{service}")),
        observation: Observation::Change(Change {
            service: ServiceId::named(service),
            time: Timestamp::from_secs(second),
            kind: ChangeKind::Deployment,
            subject: service.to_owned(),
            before: "1".to_owned(),
            after: "2".to_owned(),
            description: String::new(),
        }),
    }
}
