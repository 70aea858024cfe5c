//! Budgets that burn for days.

use super::point;
use crate::detect::{Detector, Objectives};
use crate::incident::Verdict;
use crate::telemetry::{PointValue, Temporality};
use crate::{Anomaly, Signal, Timestamp};

pub(in crate::detect) const HOUR: i64 = 3_600;
const REQUESTS: u64 = 6_000;

pub(in crate::detect) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_002_800 + seconds)
}

/// Feeds minutes of requests, so many of each of which are bad, by the number of the hour.
pub(in crate::detect) fn feed(detector: &mut Detector, hours: std::ops::Range<i64>, bad: impl Fn(i64) -> u64) {
    for minute in hours.start * 60..hours.end * 60 {
        minute_of(detector, minute, bad(minute / 60));
    }
}

fn minute_of(detector: &mut Detector, minute: i64, bad: u64) {
    for (status, count) in [("200", REQUESTS), ("500", bad)] {
        let (bounds, buckets) = (vec![1.0].into(), vec![count, 0]);
        let temporality = Temporality::Delta;
        let value = PointValue::Histogram { count, sum: None, bounds, buckets, temporality };
        let mut requests = point("cart", "http.server.request.duration", 0, value);
        requests.attributes = [("http.response.status_code".into(), status.into())].into();
        (requests.time, requests.start) = (at(minute * 60), Some(at(minute * 60 - 60)));
        detector.metric(&requests);
    }
    detector.advance(at(minute * 60 + 30));
}

pub(in crate::detect) fn burns(detector: &Detector) -> Vec<Anomaly> {
    let found = detector.abnormal().into_iter().map(|found| found.anomaly);
    found.filter(|anomaly| anomaly.signal == Signal::BudgetBurn).collect()
}

#[test]
fn a_burn_of_days_is_over_when_as_many_requests_as_can_tell_say_so() {
    let mut detector = Detector::new(Objectives::default());
    feed(&mut detector, 0..40, |_| 12);
    let burning = burns(&detector);
    let [burn] = &burning[..] else { panic!("{burning:?}") };
    assert_eq!((&*burn.dimension, burn.onset), ("days", at(0)));
    assert!((burn.observed - 2.0).abs() < 0.1, "{burn:?}");
    // Errors are as usual all the time.
    feed(&mut detector, 40..41, |_| 12);
    let verdict = |detector: &Detector, minute: i64| detector.recovery(&burning, at(minute * 60)).verdict;
    assert_eq!(verdict(&detector, 40 * 60), Verdict::NotRecovered);
    assert_eq!(verdict(&detector, 41 * 60 - 1), Verdict::Inconclusive, "6,000 requests of which 6 may be bad");
    assert_eq!(verdict(&detector, 41 * 60), Verdict::Inconclusive, "nothing came");
    minute_of(&mut detector, 41 * 60, 3);
    assert_eq!(verdict(&detector, 41 * 60), Verdict::Inconclusive);
    minute_of(&mut detector, 41 * 60 + 1, 3);
    assert_eq!(verdict(&detector, 41 * 60), Verdict::Inconclusive, "chance has 6 where 12 may be, too");
    assert!(detector.burns_on(&burning, at(41 * HOUR)));
    (2..8).for_each(|minute| minute_of(&mut detector, 41 * 60 + minute, 3));
    assert_eq!(verdict(&detector, 41 * 60), Verdict::Recovered);
    assert!(!detector.burns_on(&burning, at(41 * HOUR)));
    assert_eq!(burns(&detector).len(), 1, "it burnt for long enough to be seen for hours");
}

#[test]
fn trouble_that_comes_to_a_burn_of_days_is_measured_by_itself() {
    let mut detector = Detector::new(Objectives::default());
    feed(&mut detector, 0..40, |_| 12);
    let slow = burns(&detector);
    feed(&mut detector, 40..41, |_| 1_500);
    let acute: Vec<Anomaly> = detector.abnormal().into_iter().map(|found| found.anomaly).collect();
    let dimensions: Vec<&str> =
        burns(&detector).iter().map(|burn| if burn.dimension.is_empty() { "" } else { "days" }).collect();
    assert_eq!(dimensions, ["", "days"], "both burn");
    assert!(acute.iter().any(|anomaly| anomaly.signal == Signal::Errors), "{acute:?}");
    feed(&mut detector, 41..42, |_| 12);
    let since = at(41 * HOUR + 120);
    assert_eq!(detector.recovery(&acute, since).verdict, Verdict::Recovered, "it is as it was before");
    assert_eq!(detector.recovery(&slow, since).verdict, Verdict::NotRecovered, "and that did not last");
    assert!(detector.burns_on(&[slow, acute].concat(), since), "an incident about both is not over");
}
