//! What calls tell that their server cannot tell: it is not watched, or they never come to it.

use crate::detect::{CALL_DURATION, CALLS_FAILED, CERTIFICATE_LEFT, PEER, is_at};
use crate::topology::Topology;
use crate::{Anomaly, Direction, ServiceId};

/// Answers that take so many times their usual time are slow.
const SLOW_MIN: f64 = 2.0;
/// The share of calls to an address from which on they fail, and not a request here and there.
const FAILING_MIN: f64 = 0.05;

/// What a service shows of its calls to addresses of which none is that of a service that it is known to call: what is
/// wrong with such a service is told by its own signals.
pub(super) fn outside<'a>(service: &ServiceId, own: &[&'a Anomaly], topology: &Topology) -> Vec<&'a Anomaly> {
    let is_watched = |peer: &str| topology.callees(service).any(|callee| is_at(callee, peer));
    own.iter().copied().filter(|anomaly| peer(anomaly).is_some_and(|peer| !is_watched(peer))).collect()
}

/// The address that an anomaly of calls is about; `None` for one of anything else.
pub(super) fn peer(anomaly: &Anomaly) -> Option<&str> {
    if ![CALLS_FAILED, CALL_DURATION].contains(&&*anomaly.metric) {
        return None;
    }
    anomaly.dimension.split(',').find_map(|part| part.strip_prefix(PEER)?.strip_prefix('='))
}

/// The calls of which the greatest share fails, where that is many.
pub(super) fn worst_failing<'a>(outside: &[&'a Anomaly]) -> Option<&'a Anomaly> {
    let failing = outside.iter().copied().filter(|anomaly| {
        *anomaly.metric == *CALLS_FAILED && anomaly.direction == Direction::Up && anomaly.observed >= FAILING_MIN
    });
    failing.max_by(|a, b| a.observed.total_cmp(&b.observed))
}

/// The calls that are answered, and take longest.
pub(super) fn slowest<'a>(outside: &[&'a Anomaly]) -> Option<&'a Anomaly> {
    let slow = outside.iter().copied().filter(|anomaly| {
        let is_slow = anomaly.observed >= SLOW_MIN * anomaly.expected;
        *anomaly.metric == *CALL_DURATION && anomaly.direction == Direction::Up && is_slow
    });
    slow.max_by(|a, b| a.observed.total_cmp(&b.observed))
}

/// Whether an anomaly says that the certificate of its service has expired, so that nobody can call it anew.
pub(super) fn is_expired(anomaly: &Anomaly) -> bool {
    *anomaly.metric == *CERTIFICATE_LEFT && anomaly.direction == Direction::Down && anomaly.observed <= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{CauseKind, Hypothesis, rank};
    use crate::evidence::{Evidence, EvidenceId, Fact, Observation};
    use crate::telemetry::Origin;
    use crate::{AnomalyId, Signal, Timestamp};

    fn shown(signal: Signal, metric: &str, dimension: &str, observed: f64) -> Anomaly {
        let time = Timestamp::from_secs(1_000);
        Anomaly {
            id: AnomalyId(format!("{metric} {dimension}").into()),
            service: ServiceId::named("cart"),
            origin: Origin::default(),
            signal,
            metric: metric.into(),
            dimension: dimension.into(),
            unit: "1".into(),
            onset: time,
            detected_at: time,
            last_seen: time,
            direction: Direction::Up,
            score: 40.0,
            expected: 0.0,
            observed,
            exemplar: String::new(),
            requests_per_s: Some(10.0),
        }
    }

    fn calls(peer: &str, observed: f64) -> Anomaly {
        shown(Signal::Other, CALLS_FAILED, &format!("{PEER}={peer}"), observed)
    }

    /// What is first said of a service that fails and calls `stock`.
    fn first(shown: Vec<Anomaly>) -> Hypothesis {
        let fact = |anomaly: Anomaly| Fact {
            id: EvidenceId(anomaly.id.0.to_string()),
            observation: Observation::Anomaly(anomaly),
        };
        let mut evidence = Evidence { facts: shown.into_iter().map(fact).collect(), ..Evidence::default() };
        let (cart, stock) = (ServiceId::named("cart"), ServiceId::named("stock"));
        evidence.topology.observe(&cart, &stock, Timestamp::from_secs(1));
        rank(&evidence).hypotheses.swap_remove(0)
    }

    #[test]
    fn what_calls_cannot_tell_is_told_by_what_stands_beside_them() {
        let fails = || shown(Signal::Errors, "requests.error_ratio", "", 0.4);
        let counted = |metric: &str, expected: f64, observed: f64| {
            let mut shown = shown(Signal::Other, metric, "", observed);
            shown.expected = expected;
            shown.direction = if observed > expected { Direction::Up } else { Direction::Down };
            shown
        };
        let cause = |others: Vec<Anomaly>| first([vec![fails()], others].concat()).cause;
        let pool = || shown(Signal::Saturation, "db.client.connection.count", "", 12.0);
        let misses = || counted("redis.keyspace.misses", 4.0, 50.0);
        assert_eq!(cause(vec![misses(), pool()]), CauseKind::CacheStampede, "which fills the pool as well");
        let pressed = first(vec![misses(), pool()]).cause;
        assert_eq!(pressed, CauseKind::CacheStampede, "before anybody feels it");
        let more = vec![counted("redis.keyspace.misses", 4.0, 9.0), counted("redis.keyspace.hits", 50.0, 110.0)];
        assert_eq!(cause(more), CauseKind::ServiceDegradation, "more load misses more");
        assert_eq!(cause(vec![counted("redis.keyspace.misses", 4.0, 6.0)]), CauseKind::ServiceDegradation);
        assert_ne!(first(vec![misses()]).cause, CauseKind::CacheStampede, "nobody suffers");

        let mut left = counted(CERTIFICATE_LEFT, 1.0, 0.0);
        left.signal = Signal::Saturation;
        assert_eq!(cause(vec![left.clone(), pool()]), CauseKind::ExpiredCertificate);
        assert_eq!(
            first(vec![left.clone()]).cause,
            CauseKind::ExpiredCertificate,
            "those who cannot call say nothing here"
        );
        left.observed = 1.0;
        assert_eq!(cause(vec![left]), CauseKind::ServiceDegradation, "it is valid still");
    }

    #[test]
    fn who_is_not_watched_and_fails_most_is_blamed() {
        let fails = || shown(Signal::Errors, "requests.error_ratio", "", 0.4);
        let blamed = |others: Vec<Anomaly>| {
            let first = first([vec![fails()], others].concat());
            (first.cause, first.dependency)
        };
        let outage = |peer: &str| (CauseKind::DependencyOutage, peer.to_owned());
        let unexplained = (CauseKind::ServiceDegradation, String::new());
        assert_eq!(blamed(vec![calls("bank.example", 0.9), calls("mail.example", 0.2)]), outage("bank.example"));
        assert_eq!(blamed(vec![calls("bank.example", 0.04)]), unexplained, "a call here and there");
        for watched in ["stock", "stock:8080", "stock.shop.svc"] {
            assert_eq!(blamed(vec![calls(watched, 0.9)]), unexplained, "its own signals would tell");
        }
        assert_eq!(blamed(vec![calls("stocks.example", 0.9)]), outage("stocks.example"), "another name");
        let mut slow = shown(Signal::Other, CALL_DURATION, &format!("p95,{PEER}=bank.example"), 0.2);
        slow.expected = 0.04;
        let network = (CauseKind::SlowNetwork, "bank.example".to_owned());
        assert_eq!(blamed(vec![slow.clone()]), network);
        assert_eq!(blamed(vec![slow.clone(), calls("bank.example", 0.9)]), outage("bank.example"), "it waits in vain");
        slow.expected = 0.15;
        assert_eq!(blamed(vec![slow]), unexplained, "a little slower");
        let own_address = shown(Signal::Other, "http.server.active_requests", "server.address=cart", 0.9);
        assert_eq!(blamed(vec![own_address]), unexplained);
        assert_ne!(first(vec![calls("bank.example", 0.9)]).cause, CauseKind::DependencyOutage, "nobody suffers");
    }
}
