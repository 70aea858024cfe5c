//! A peak of traffic is no trouble, however late its telemetry comes.

use std::time::Duration;

use llm_sre_domain::correlate::{Correlator, News};
use llm_sre_domain::detect::{Detector, Objectives};
use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::world::control::Control;
use crate::world::fault::Kind;
use crate::world::{Injection, STEP};

/// Steps of the shop until it is known, and until the peak is over.
const PEAK_AFTER: u64 = 180;
const LASTS: u64 = 420;
/// Steps between exports.
const STEPS: u64 = INTERVAL.as_secs() / STEP.as_secs();
/// What the detector waits for.
const LATENESS: Duration = Duration::from_secs(10);
/// How many intervals late an export comes, at most.
const LATE_MAX: u64 = 5;

/// What is opened where such a share of the exports comes late. Exports leave so many steps after the start.
fn opened(seed: u64, late: f64, after: u64) -> Vec<News> {
    let mut world = World::new(seed, Timestamp::from_secs(1_700_000_000), false);
    let mut reporter = Reporter::new(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut detector, mut correlator) = (Detector::new(Objectives::default()), Correlator::default());
    let (mut waiting, mut newest, mut news) = (Vec::new(), Timestamp::EPOCH, Vec::new());
    for step in 0..LASTS {
        if step == PEAK_AFTER {
            let kind = Some(Kind::Control(Control::TrafficPeak));
            let injection = Injection { kind, seed, ..Injection::default() };
            world.inject(&injection, false).unwrap();
        }
        world.step();
        if step % STEPS != after {
            continue;
        }
        let tick = step / STEPS;
        for exports in reporter.report(&mut world) {
            let delay = if rng.random_bool(late) { rng.random_range(1..=LATE_MAX) } else { 0 };
            waiting.push((tick + delay, exports.metrics));
        }
        for (_, metrics) in waiting.extract_if(.., |(due, _)| *due <= tick) {
            for point in metrics.iter().flat_map(|request| llm_sre_proto::convert::otlp::metrics(request).items) {
                newest = newest.max(point.time);
                detector.metric(&point);
            }
        }
        detector.advance(newest - LATENESS);
        news.extend(correlator.advance(&detector));
    }
    news
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn a_peak_opens_nothing_whether_or_not_its_telemetry_is_late(seed in 1..u64::MAX, late in 0.0_f64..0.3, after in 0..STEPS) {
        let news = opened(seed, late, after);
        prop_assert!(news.is_empty(), "{news:?}");
    }
}

/// Seeds that opened an incident: processors were seen to be busier before the windows of their requests ended, or the
/// windows of a peak's end were counted before what was said of the processors came, or where some of that was missing,
/// older samples of them were compared with newer ones of their requests.
#[test]
fn a_peak_that_is_seen_in_processors_first_opens_nothing() {
    let missing = [(16_092_618_953_779_386_892, 0.178_844_900_424_771_75, 0), (9_830_067_809_575_187_193, 0.162_5, 1)];
    let early = [(20, 0.0, 0), (25, 0.0, 0), (26, 0.0, 0), (139, 0.05, 0), (101, 0.3, 0)];
    for (seed, late, after) in early.into_iter().chain(missing) {
        let news = opened(seed, late, after);
        assert!(news.is_empty(), "seed {seed}: {news:?}");
    }
}

/// Seeds that opened an incident, with all telemetry in time: the tide had risen before the peak, and traffic's usual went
/// on with it while that of the processors stayed where it was.
#[test]
fn a_peak_on_a_tide_opens_nothing() {
    for (seed, after) in
        [(13_699_396_756_335_703_439, 1), (7_531_385_872_562_682_239, 1), (9_830_067_809_575_187_193, 1)]
    {
        let news = opened(seed, 0.0, after);
        assert!(news.is_empty(), "seed {seed}: {news:?}");
    }
}
