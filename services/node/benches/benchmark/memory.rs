//! What a series costs in the detector's memory, once its baseline is full.

use std::process::Command;

use llm_sre_domain::detect::{Detector, Fingerprint, Objectives, Reading, Value};
use llm_sre_domain::telemetry::{MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};

use crate::machine;
use crate::payload::hash;
use crate::table::{Goal, Table};

/// The argument that makes this program the child that is measured: memory is that of a whole process.
pub(crate) const CHILD: &str = "--memory-of";
const SEED: u64 = 7;
const INSTANCES: usize = 20;
/// Series of an instance, by two labels.
const LABELS: [usize; 2] = [25, 20];
/// Samples of each series: all that a baseline, its quarantine and what is kept besides can hold, and some more.
const SAMPLES: i64 = 300;
const START_S: i64 = 1_700_000_000;
const STEP_S: i64 = 10;

pub(crate) fn measure(table: &mut Table) {
    for series in [100_000, 1_000_000] {
        let output =
            Command::new(std::env::current_exe().unwrap()).arg(CHILD).arg(series.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (bytes, taken) = text.trim().split_once(' ').unwrap();
        let beside = format!("{taken} samples taken");
        table.add(&format!("bytes a series of {series}"), bytes.parse().unwrap(), &beside, Goal::AtMost(1_024.0));
    }
}

/// Prints bytes a series, and how many samples were taken.
pub(crate) fn child(series: &str) {
    let series: usize = series.parse().unwrap();
    let mut points = points(series);
    let before = machine::resident_bytes();
    let mut detector = Detector::new(Objectives::default());
    for step in 0..SAMPLES {
        let time = Timestamp::from_secs(START_S + step * STEP_S);
        for (index, point) in points.iter_mut().enumerate() {
            let noise = hash(&[SEED, index as u64, step.unsigned_abs()]) >> 40;
            let level = 100.0 + noise as f64 / f64::from(1 << 24);
            let (speaker, series) = (fingerprint(index / (LABELS[0] * LABELS[1]), 1), fingerprint(index, 2));
            let reading = Reading { speaker, series, time, start: None, value: Value::Level(level) };
            if !detector.take(&reading) {
                (point.time, point.value) = (time, PointValue::Gauge(level));
                detector.learn(speaker, series, point);
            }
        }
        detector.advance(time);
    }
    let bytes = machine::resident_bytes() - before;
    let counts = detector.counts();
    assert_eq!((counts.taken, counts.refused.total()), (series as u64 * SAMPLES.unsigned_abs(), 0));
    println!("{} {}", bytes / series as f64, counts.taken);
}

fn fingerprint(number: usize, of: u64) -> Fingerprint {
    Fingerprint([0, 1].map(|lane| hash(&[SEED, of, lane, number as u64])))
}

/// One point of each series, with texts of its own, as a request brings them.
fn points(series: usize) -> Vec<MetricPoint> {
    let of_instance = LABELS[0] * LABELS[1];
    let point = |index: usize| {
        let (instance, label) = (index / of_instance, index % of_instance);
        MetricPoint {
            service: ServiceId::new("benchmark", &format!("service-{}", instance / INSTANCES), "production"),
            origin: Origin {
                instance: format!("{:08x}-{}", hash(&[SEED, instance as u64]) as u32, instance % INSTANCES).into(),
                version: "1.42.0".into(),
            },
            metric: "cache.entries".into(),
            unit: "{entry}".into(),
            attributes: [
                ("cache.name".into(), format!("products-of-tenant-{}", label / LABELS[1]).into()),
                ("cache.shard".into(), (label % LABELS[1]).to_string().into()),
            ]
            .into(),
            time: Timestamp::EPOCH,
            start: None,
            value: PointValue::Gauge(0.0),
        }
    };
    (0..series).map(point).collect()
}
