//! Where harm arises: lost time and failed requests, followed along the call graph.
//!
//! What a service loses per second is what each request loses times how many there are. Time that a called service
//! loses is part of what its callers lose, and so are its failed requests; so the harm that arises in a service is its
//! own less that of those it calls, and it matters as far as it arrives at those who are called from outside. Counted
//! this way, a handful of requests with a striking share of failures weighs what it is, and so does a step that is
//! slow while nobody waits for it. Where requests are not counted, harm is unknown, and the strength of signals has
//! to do.

use std::collections::BTreeMap;

use super::calls::is_expired;
use super::rank::strength;
use crate::topology::Topology;
use crate::{Anomaly, ServiceId, Signal};

/// What remains of a signal's weight where its harm arrives at nobody, as far as anybody measures.
const UNFELT: f64 = 0.2;

/// What remains of a service's own lost time where one that it calls fails: most of it may be calls made again.
const RETRIED: f64 = 0.3;

/// What of one kind of harm a service shows.
#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    /// Lost seconds, or failed requests, per second.
    per_second: f64,
    /// How sure it is, as the rank's strength of its signal.
    strength: f64,
}

/// What one kind of harm says of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Blame {
    /// For the ranking.
    pub(super) weight: f64,
    /// As a rival of other explanations: without what nobody felt.
    pub(super) rival: f64,
}

type Losses<'a> = BTreeMap<&'a ServiceId, Loss>;

/// By service. Services whose harm is unknown are absent.
pub(super) type Blames<'a> = BTreeMap<&'a ServiceId, Blame>;

/// How much each service is to blame for lost time, and for failed requests.
pub(super) fn blame<'a>(anomalies: &[&'a Anomaly], topology: &Topology) -> (Blames<'a>, Blames<'a>) {
    let mut losses = [Signal::Latency, Signal::Errors].map(|kind| losses(anomalies, kind));
    add_refused(&mut losses[1], anomalies, topology);
    // Those who call from outside often measure nothing. Then the uppermost services that show harm stand for them.
    let is_called = |service: &ServiceId| topology.callers(service).next().is_some();
    let arrived = losses.each_ref().map(|losses| arrivals(losses, topology, is_called));
    let is_felt = arrived.iter().flat_map(BTreeMap::values).any(|loss| loss.per_second > 0.0);
    let [time, failures] = [0, 1].map(|kind| {
        let harm = &losses[kind];
        let retried = (kind == 0).then_some(&losses[1]);
        if is_felt {
            return shares(harm, &arrived[kind], retried, topology);
        }
        let is_called = |service: &ServiceId| topology.callers(service).any(|caller| harm.contains_key(caller));
        shares(harm, &arrivals(harm, topology, is_called), retried, topology)
    });
    (time, failures)
}

fn losses<'a>(anomalies: &[&'a Anomaly], kind: Signal) -> Losses<'a> {
    let mut losses = Losses::new();
    for anomaly in anomalies.iter().filter(|anomaly| anomaly.signal == kind) {
        if let Some(per_second) = lost_per_second(anomaly) {
            let loss = losses.entry(&anomaly.service).or_default();
            loss.per_second = loss.per_second.max(per_second);
            loss.strength = loss.strength.max(strength(anomaly));
        }
    }
    losses
}

/// What a service with an expired certificate does not come to see fails at those who call it, and is its failure.
fn add_refused<'a>(failures: &mut Losses<'a>, anomalies: &[&'a Anomaly], topology: &Topology) {
    for anomaly in anomalies.iter().filter(|anomaly| is_expired(anomaly)) {
        let callers = topology.callers(&anomaly.service).filter_map(|caller| failures.get(caller));
        let refused = callers.fold(Loss::default(), |sum, of| Loss {
            per_second: sum.per_second + of.per_second,
            strength: sum.strength.max(of.strength),
        });
        // Whom nobody is seen to call may still be called, and how much that loses is not known.
        if refused.per_second <= 0.0 {
            continue;
        }
        let loss = failures.entry(&anomaly.service).or_default();
        loss.per_second = loss.per_second.max(refused.per_second);
        loss.strength = loss.strength.max(refused.strength);
    }
}

/// `retried` are the failures, where time is shared out: who calls what fails calls again, and waits for it.
fn shares<'a>(
    losses: &Losses<'a>,
    arrived: &Losses<'a>,
    retried: Option<&Losses<'a>>,
    topology: &Topology,
) -> Blames<'a> {
    let own = |service: &ServiceId, loss: &Loss| {
        let called = topology.callees(service).filter_map(|callee| losses.get(callee));
        let own = (loss.per_second - called.map(|callee| callee.per_second).sum::<f64>()).max(0.0);
        let calls_again =
            topology.callees(service).any(|callee| retried.is_some_and(|failing| failing.contains_key(callee)));
        if calls_again { own * RETRIED } else { own }
    };
    let felt: Vec<f64> = losses
        .iter()
        .map(|(service, loss)| own(service, loss).min(arrived.get(service).map_or(0.0, |loss| loss.per_second)))
        .collect();
    let most = felt.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let blame = |((service, loss), felt): ((&&'a ServiceId, &Loss), &f64)| {
        let arrived = arrived.get(service).copied().unwrap_or_default();
        let rival = (1.0 - UNFELT) * arrived.strength * felt / most;
        let share = own(service, loss) / loss.per_second.max(f64::MIN_POSITIVE);
        let strength = if arrived.strength > 0.0 { arrived.strength } else { loss.strength };
        (*service, Blame { weight: rival + UNFELT * strength * share, rival })
    };
    losses.iter().zip(&felt).map(blame).collect()
}

/// What a service loses per second by this signal, at least. A quantile of durations says that the requests above it
/// lost so much, and nothing of the others.
fn lost_per_second(anomaly: &Anomaly) -> Option<f64> {
    let excess = (anomaly.observed - anomaly.expected).abs() * unit_scale(&anomaly.unit);
    let of_all = anomaly.dimension.split(',').find_map(quantile).map_or(1.0, |quantile| 1.0 - quantile);
    let lost = excess * of_all * anomaly.requests_per_s?;
    lost.is_finite().then_some(lost)
}

/// From `p95` to 0.95.
fn quantile(dimension: &str) -> Option<f64> {
    let percent: f64 = dimension.strip_prefix('p')?.parse().ok()?;
    (0.0..100.0).contains(&percent).then_some(percent / 100.0)
}

/// To seconds, and to shares of one.
fn unit_scale(unit: &str) -> f64 {
    match unit {
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        "%" => 1e-2,
        _ => 1.0,
    }
}

/// How much of each service's harm arrives at a service that nobody calls: the most that one way through the graph
/// lets through (a widest path), for the loss and for its strength.
fn arrivals<'a>(losses: &Losses<'a>, topology: &Topology, is_called: impl Fn(&ServiceId) -> bool) -> Losses<'a> {
    let begin =
        |(service, loss): (&&'a ServiceId, &Loss)| (*service, if is_called(service) { Loss::default() } else { *loss });
    let mut arrived: Losses<'a> = losses.iter().map(begin).collect();
    // Each round carries it one call further down, and no way without a circle is longer than there are services.
    for _ in 0..losses.len() {
        let mut is_settled = true;
        for (service, loss) in losses {
            let mut best = arrived.get(service).copied().unwrap_or_default();
            let before = (best.per_second, best.strength);
            for caller in topology.callers(service).filter_map(|caller| arrived.get(caller)) {
                best.per_second = best.per_second.max(caller.per_second.min(loss.per_second));
                best.strength = best.strength.max(caller.strength.min(loss.strength));
            }
            if (best.per_second, best.strength) != before {
                is_settled = false;
                arrived.insert(*service, best);
            }
        }
        if is_settled {
            break;
        }
    }
    arrived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Origin;
    use crate::{AnomalyId, Direction, Timestamp};
    use proptest::prelude::*;

    fn symptom(service: &str, signal: Signal, excess: f64, requests_per_s: f64, score: f64) -> Anomaly {
        let time = Timestamp::from_secs(1_000);
        Anomaly {
            id: AnomalyId(service.into()),
            service: ServiceId::named(service),
            origin: Origin::default(),
            signal,
            metric: "m".into(),
            dimension: "".into(),
            unit: "".into(),
            onset: time,
            detected_at: time,
            last_seen: time,
            direction: Direction::Up,
            score,
            expected: 0.0,
            observed: excess,
            exemplar: String::new(),
            requests_per_s: Some(requests_per_s),
        }
    }

    fn most_to_blame(anomalies: &[Anomaly], calls: &[(&str, &str)]) -> String {
        let mut topology = Topology::default();
        for (client, server) in calls {
            topology.observe(&ServiceId::named(client), &ServiceId::named(server), Timestamp::from_secs(1));
        }
        let (slow, failing) = blame(&anomalies.iter().collect::<Vec<_>>(), &topology);
        let all = slow.iter().chain(&failing);
        let most = all.max_by(|a, b| a.1.weight.total_cmp(&b.1.weight));
        most.map(|(service, _)| service.to_string()).unwrap_or_default()
    }

    const SHOP: [(&str, &str); 4] = [("web", "cart"), ("web", "gate"), ("web", "mail"), ("cart", "base")];

    #[test]
    fn a_handful_of_failures_is_not_to_blame_for_many() {
        let failing = |service, share, rate| symptom(service, Signal::Errors, share, rate, 40.0);
        let found = [failing("web", 0.05, 100.0), failing("cart", 0.1, 50.0), failing("gate", 0.8, 0.01)];
        assert_eq!(most_to_blame(&found, &SHOP), "cart");
    }

    #[test]
    fn a_step_that_is_slow_while_nobody_waits_is_not_to_blame() {
        let slow = |service, excess, score| symptom(service, Signal::Latency, excess, 10.0, score);
        let failing = |service| symptom(service, Signal::Errors, 0.2, 10.0, 12.0);
        let found = [slow("mail", 30.0, 500.0), failing("web"), failing("cart")];
        assert_eq!(most_to_blame(&found, &SHOP), "cart", "mail's slowness is felt by nobody");
        let found = [slow("web", 0.5, 9.0), slow("cart", 0.5, 9.0), slow("base", 0.001, 60.0)];
        assert_eq!(most_to_blame(&found, &SHOP), "cart", "a millisecond is not half a second");
    }

    #[test]
    fn harm_that_comes_from_below_is_blamed_below() {
        let slow = |service, excess| symptom(service, Signal::Latency, excess, 10.0, 20.0);
        assert_eq!(most_to_blame(&[slow("web", 0.5), slow("cart", 0.5), slow("base", 0.48)], &SHOP), "base");
        // Those who call from outside show nothing: the uppermost that do stand for them.
        assert_eq!(most_to_blame(&[slow("cart", 0.5), slow("base", 0.48)], &SHOP), "base");
    }

    #[test]
    fn calls_made_again_are_blamed_on_what_failed() {
        let slow = |service, excess| symptom(service, Signal::Latency, excess, 10.0, 20.0);
        let found = [slow("web", 0.7), slow("cart", 0.7), slow("base", 0.3)];
        assert_eq!(most_to_blame(&found, &SHOP), "cart");
        let failing = symptom("base", Signal::Errors, 0.1, 10.0, 20.0);
        let found = [found.to_vec(), vec![failing]].concat();
        assert_eq!(most_to_blame(&found, &SHOP), "base");
    }

    #[test]
    fn calls_that_never_come_are_blamed_on_who_is_called() {
        let failing = |service, rate| symptom(service, Signal::Errors, 0.9, rate, 40.0);
        let found = [failing("web", 30.0), failing("cart", 10.0)];
        assert_eq!(most_to_blame(&found, &SHOP), "web", "the rest is of its own");
        let found = [failing("web", 10.0), failing("cart", 10.0)];
        assert_eq!(most_to_blame(&found, &SHOP), "cart");
        let mut left = symptom("base", Signal::Saturation, 0.0, 10.0, 50.0);
        (left.metric, left.direction) = (crate::detect::CERTIFICATE_LEFT.into(), Direction::Down);
        let of = |left: &Anomaly| most_to_blame(&[found.to_vec(), vec![left.clone()]].concat(), &SHOP);
        assert_eq!(of(&left), "base");
        left.observed = 1.0;
        assert_eq!(of(&left), "cart", "it is valid still");
    }

    #[test]
    fn a_quantile_speaks_for_the_requests_beyond_it() {
        let mut anomaly = symptom("a", Signal::Latency, 200.0, 10.0, 9.0);
        anomaly.unit = "ms".into();
        assert!((lost_per_second(&anomaly).unwrap() - 2.0).abs() < 1e-9);
        anomaly.dimension = "p95,http.route=/".into();
        assert!((lost_per_second(&anomaly).unwrap() - 0.1).abs() < 1e-9);
        anomaly.requests_per_s = None;
        assert_eq!(lost_per_second(&anomaly), None);
    }

    proptest! {
        #[test]
        fn more_traffic_everywhere_changes_no_blame(
            losses in prop::collection::vec((0.0_f64..10.0, 0.1_f64..100.0, 3.0_f64..1e3), 4), factor in 0.1_f64..100.0,
        ) {
            let names = ["web", "cart", "gate", "base"];
            let of = |factor: f64| -> Vec<Anomaly> {
                let each = names.iter().zip(&losses);
                each.map(|(name, (excess, rate, score))| symptom(name, Signal::Latency, *excess, rate * factor, *score)).collect()
            };
            let topology = {
                let mut topology = Topology::default();
                for (client, server) in SHOP {
                    topology.observe(&ServiceId::named(client), &ServiceId::named(server), Timestamp::from_secs(1));
                }
                topology
            };
            let (once, more) = (of(1.0), of(factor));
            let (once, more) = (once.iter().collect::<Vec<_>>(), more.iter().collect::<Vec<_>>());
            let (once, more) = (blame(&once, &topology).0, blame(&more, &topology).0);
            for (service, blame) in &once {
                prop_assert!(blame.weight.is_finite() && blame.rival >= 0.0 && blame.rival <= blame.weight);
                prop_assert!((blame.weight - more[*service].weight).abs() < 1e-6);
            }
        }
    }
}
