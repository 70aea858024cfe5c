//! Who suffers from a case, and how bad that is: by the burn of error budgets, by how many services and how much of what
//! users ask for meet it, and by whether they do.

use std::collections::{BTreeMap, BTreeSet};

use llm_sre_domain::correlate::Case;
use llm_sre_domain::incident::{Severity, SeverityInputs, severity};
use llm_sre_domain::{ServiceId, Signal, Timestamp};

use crate::brain::Brain;

/// Who suffers, since when, and how bad it is.
pub(crate) struct Impact {
    pub(crate) services: BTreeMap<ServiceId, Timestamp>,
    /// Where it comes from, as far as the call graph tells.
    pub(crate) roots: BTreeSet<ServiceId>,
    pub(crate) severity: Severity,
}

impl Brain {
    pub(crate) fn impact(&self, case: &Case) -> Impact {
        let mut services: BTreeMap<ServiceId, Timestamp> = BTreeMap::new();
        let mut suffering: BTreeSet<&ServiceId> = BTreeSet::new();
        let own = case.anomalies.values().filter(|anomaly| case.services.contains(&anomaly.service));
        for anomaly in own.filter(|anomaly| anomaly.signal.is_dated()) {
            let onset = services.entry(anomaly.service.clone()).or_insert(anomaly.onset);
            *onset = anomaly.onset.min(*onset);
            // A full disk is not yet felt.
            if matches!(anomaly.signal, Signal::Latency | Signal::Errors | Signal::BudgetBurn | Signal::Silence) {
                suffering.insert(&anomaly.service);
            }
        }
        let burns = case.services.iter().filter_map(|service| self.detector.burn_rate(service));
        let severity = severity(SeverityInputs {
            burn_rate: burns.reduce(f64::max),
            services_affected: case.services.len(),
            traffic_share: self.traffic_share(&suffering),
            is_user_facing: case.services.iter().any(|service| self.is_met_by_users(service)),
        });
        Impact { services, roots: case.roots().cloned().collect(), severity }
    }

    fn is_met_by_users(&self, service: &ServiceId) -> bool {
        let topology = self.detector.topology();
        match self.user_facing.as_slice() {
            [] => topology.callers(service).next().is_none() && topology.callees(service).next().is_some(),
            named => named.iter().any(|pattern| pattern.matches(service)),
        }
    }

    /// The share of the requests that users send which meets one of these services; `None` where those that users meet, or
    /// one of these, are not counted.
    fn traffic_share(&self, suffering: &BTreeSet<&ServiceId>) -> Option<f64> {
        let (mut all, mut met) = (0.0, 0.0);
        for service in self.detector.services().filter(|service| self.is_met_by_users(service)) {
            let is_met = suffering.contains(service);
            match self.detector.requests_per_second(service) {
                Some(rate) => {
                    all += rate;
                    met += if is_met { rate } else { 0.0 };
                }
                None if is_met => return None,
                None => {}
            }
        }
        (all > 0.0).then(|| met / all)
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::telemetry::{MetricPoint, Origin, PointValue, Temporality};
    use proptest::prelude::*;

    use super::*;
    use crate::Options;

    /// Services that call `base`, and how many requests a second each answers; `None` counts nothing.
    fn brain(rates: &[Option<f64>]) -> (Brain, Vec<ServiceId>) {
        let mut brain = Brain::new(&Options::default());
        let named = |name: &str, metric: &str, value: PointValue, step: i64| MetricPoint {
            service: ServiceId::named(name),
            origin: Origin::default(),
            metric: metric.into(),
            unit: "{request}/s".into(),
            attributes: Default::default(),
            time: Timestamp::from_secs(1_000 + 10 * step),
            start: None,
            value,
        };
        let names: Vec<String> = (0..rates.len()).map(|index| format!("web-{index}")).collect();
        for step in 0..3 {
            for (name, rate) in names.iter().zip(rates) {
                let call = PointValue::Sum { value: 1.0, monotonic: true, temporality: Temporality::Delta };
                let mut calls = named(name, "traces_service_graph_request_total", call, step);
                calls.attributes = [("client", &**name), ("server", "base")].map(|(k, v)| (k.into(), v.into())).into();
                brain.detector.metric(&calls);
                if let Some(rate) = rate {
                    brain.detector.metric(&named(name, "http.server.requests", PointValue::Gauge(*rate), step));
                }
            }
            brain.detector.metric(&named("base", "http.server.requests", PointValue::Gauge(1e6), step));
        }
        (brain, names.iter().map(|name| ServiceId::named(name)).collect())
    }

    fn share(rates: &[Option<f64>], suffering: &[usize]) -> Option<f64> {
        let (brain, services) = brain(rates);
        brain.traffic_share(&suffering.iter().map(|index| &services[*index]).collect())
    }

    #[test]
    fn the_share_is_of_what_users_send() {
        let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 0.01, "{found:?}");
        near(share(&[Some(30.0), Some(10.0)], &[0]), 0.75);
        near(share(&[Some(30.0), Some(10.0)], &[]), 0.0);
        near(share(&[Some(30.0), None], &[0]), 1.0);
        assert_eq!(share(&[Some(30.0), None], &[1]), None, "nobody counts what meets it");
        assert_eq!(share(&[None], &[0]), None);
        assert_eq!(share(&[Some(0.0)], &[0]), None, "nobody asks for anything");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn who_suffers_more_meets_more(rates in prop::collection::vec(0.1_f64..1e4, 1..8), many in any::<u8>()) {
            let rates: Vec<Option<f64>> = rates.into_iter().map(Some).collect();
            let mut before = 0.0;
            for count in 0..=rates.len() {
                let suffering: Vec<usize> = (0..count).map(|index| (index + usize::from(many)) % rates.len()).collect();
                let share = share(&rates, &suffering).unwrap();
                prop_assert!(share >= before - 1e-9 && share <= 1.0 + 1e-9, "{share} after {before}");
                before = share;
            }
            prop_assert!((before - 1.0).abs() < 1e-9);
        }
    }
}
