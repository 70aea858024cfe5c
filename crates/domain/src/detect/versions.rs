//! Whether what a whole service shows is one version's: its processes show it, and those of other versions do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Detector;
use super::felt::is_symptom;
use super::present::Present;
use super::table::{Seen, SeriesKey};
use crate::Direction;

impl Detector {
    /// The one version whose processes are outside, each of them, while those of others are there and are not. `None` where
    /// a process shows it by itself, or one of them is too young to tell.
    pub(super) fn version_outside<'a>(
        &'a self,
        seen: Seen<'a>,
        direction: Direction,
        present: &Present<'a>,
    ) -> Option<Arc<str>> {
        if !seen.origin.instance.is_empty() || !is_symptom(seen) {
            return None;
        }
        let group = seen.group;
        let (instance, metric, dimension) = (Arc::from(""), group.metric.clone(), group.dimension.clone());
        let key = SeriesKey { service: group.service.clone(), instance, metric, dimension };
        let is_there = |other: &Seen<'a>| !other.origin.instance.is_empty() && self.is_fresh(*other);
        let (mut outside, mut inside) = (BTreeSet::new(), BTreeSet::new());
        for process in self.table.alike(&key).filter(is_there).filter(|process| !present.has_left(*process)) {
            if !process.is_warm() {
                return None;
            }
            let excursion = process.series.excursion().filter(|excursion| excursion.direction == direction);
            let versions = if excursion.is_some() { &mut outside } else { &mut inside };
            versions.insert(&process.origin.version);
        }
        let version = outside.pop_first().filter(|version| !version.is_empty())?;
        (outside.is_empty() && !inside.is_empty() && !inside.contains(version)).then(|| version.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::Objectives;
    use crate::telemetry::{MetricPoint, Origin, PointValue, Temporality};
    use crate::{ServiceId, Signal, Timestamp};

    const WARM: i64 = 60;
    /// Two processes of one version and two of another.
    const PROCESSES: [(&str, &str); 4] = [("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")];

    fn at(step: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + step * 10)
    }

    fn answer(detector: &mut Detector, process: (&str, &str), step: i64, status: &str, count: u64) {
        let (bounds, buckets) = (vec![0.1].into(), vec![count, 0]);
        let sum = Some(count as f64 * 0.05);
        let attributes = [("http.response.status_code".into(), status.into())].into();
        detector.metric(&MetricPoint {
            service: ServiceId::named("cart"),
            origin: Origin { instance: process.0.into(), version: process.1.into() },
            metric: "http.server.request.duration".into(),
            unit: "s".into(),
            attributes,
            time: at(step),
            start: Some(at(step - 1)),
            value: PointValue::Histogram { count, sum, bounds, buckets, temporality: Temporality::Delta },
        });
    }

    /// Processes of which some fail after a while. The versions that the failing service and its failing processes name.
    fn named(failing: &[&str], requests: u64) -> (Option<String>, BTreeSet<(String, String)>) {
        let mut detector = Detector::new(Objectives::default());
        for step in 0..WARM + 20 {
            for process in PROCESSES {
                let failed = if step >= WARM && failing.contains(&process.0) { requests / 2 } else { 0 };
                answer(&mut detector, process, step, "200", requests - failed);
                answer(&mut detector, process, step, "500", failed);
            }
            detector.advance(at(step));
        }
        let found = detector.abnormal().into_iter().map(|found| found.anomaly);
        let (whole, processes): (Vec<_>, Vec<_>) = found
            .filter(|anomaly| anomaly.signal == Signal::Errors)
            .partition(|anomaly| anomaly.origin.instance.is_empty());
        let origin = |origin: &Origin| (origin.instance.to_string(), origin.version.to_string());
        let whole = whole.first().map(|anomaly| anomaly.origin.version.to_string());
        (whole, processes.iter().map(|anomaly| origin(&anomaly.origin)).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_version_is_named_where_it_alone_fails_and_wholly(mask in 1_u8..16, requests in 60_u64..400) {
            let fails = |index: usize| mask & (1 << index) != 0;
            let failing: Vec<&str> = (0..4).filter(|index| fails(*index)).map(|index| PROCESSES[index].0).collect();
            let (whole, processes) = named(&failing, requests);
            let expected = match mask {
                0b0011 => "1",
                0b1100 => "2",
                _ => "",
            };
            prop_assert_eq!(whole.as_deref(), Some(expected));
            let told: BTreeSet<(String, String)> = PROCESSES
                .into_iter()
                .filter(|(name, _)| failing.contains(name))
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .collect();
            prop_assert_eq!(processes, told, "each process has its version");
        }
    }
}
