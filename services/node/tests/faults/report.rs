//! Outcomes, a line of JSON each, and what they add up to.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::class::Class;
use crate::ledger::Balance;

/// What a repetition came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) class: Class,
    pub(crate) seed: u64,
    /// The commit that ran.
    pub(crate) version: String,
    pub(crate) passed: bool,
    /// What was wrong; empty where it passed.
    pub(crate) wrong: Vec<String>,
    /// What broke in the shop.
    pub(crate) fault: String,
    /// When the infrastructure failed, in seconds of the shop after that.
    pub(crate) moment_s: i64,
    /// What failed, and until all was whole again, in seconds of real time.
    pub(crate) strike: String,
    pub(crate) strike_s: f64,
    /// Until indexer and detector had read all there was, from then on; absent where they did not.
    pub(crate) catch_up_s: Option<f64>,
    pub(crate) repetition_s: f64,
    /// The incidents, and what was done to the shop.
    pub(crate) incidents: Vec<String>,
    pub(crate) actions: Vec<String>,
    /// Requests of the shop that the gateway acknowledged, and those that the shop gave up.
    pub(crate) exports_accepted: u64,
    pub(crate) exports_given_up: u64,
    /// All that the system of this repetition was sent so far, and keeps.
    pub(crate) kept: Balance,
    /// The incidents' stories, where something was wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) story: Vec<String>,
}

impl Outcome {
    /// Whether it failed, and a machine that is too slow for the shop's hurry may be why: then an incident goes another
    /// way. No haste explains a record that is lost or doubled, an action that is done twice, or a process that ends.
    pub(crate) fn may_be_haste(&self) -> bool {
        let is_certain = |wrong: &String| wrong.contains("done twice") || wrong.contains("ended by itself");
        !self.passed && self.kept.is_even() && !self.wrong.iter().any(is_certain)
    }

    /// One that broke before it came to anything.
    pub(crate) fn broken(class: Class, seed: u64, version: &str, why: String) -> Self {
        Self {
            class,
            seed,
            version: version.to_owned(),
            passed: false,
            wrong: vec![why],
            fault: String::new(),
            moment_s: 0,
            strike: String::new(),
            strike_s: 0.0,
            catch_up_s: None,
            repetition_s: 0.0,
            incidents: Vec::new(),
            actions: Vec::new(),
            exports_accepted: 0,
            exports_given_up: 0,
            kept: Balance::default(),
            story: Vec::new(),
        }
    }
}

/// The outcomes of a version that a report holds.
///
/// # Panics
/// When it cannot be read, naming the line.
pub(crate) fn read(report: &Path, version: &str) -> Vec<Outcome> {
    let text = fs::read_to_string(report).unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let outcome = |(index, line): (usize, &str)| {
        let read: Result<Outcome, _> = serde_json::from_str(line);
        read.unwrap_or_else(|error| panic!("{} line {}: {error}", report.display(), index + 1))
    };
    lines.map(outcome).filter(|outcome| outcome.version == version).collect()
}

/// Adds an outcome to a report.
pub(crate) fn append(report: &Path, outcome: &Outcome) {
    let line = serde_json::to_string(outcome).unwrap();
    let file = OpenOptions::new().create(true).append(true).open(report);
    let written = file.and_then(|mut file| writeln!(file, "{line}"));
    written.unwrap_or_else(|error| panic!("failed to append to {}: {error}", report.display()));
}

/// A row a class: how many there were, and how long catching up took.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<20} {:>5} {:>7} {:>7} {:>15} {:>15} {:>13}\n",
        "class", "runs", "passed", "failed", "catch-up p50 s", "catch-up max s", "records"
    );
    for class in Class::ALL {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.class == class).collect();
        if of.is_empty() {
            continue;
        }
        let passed = of.iter().filter(|outcome| outcome.passed).count();
        let mut times: Vec<f64> = of.iter().filter_map(|outcome| outcome.catch_up_s).collect();
        times.sort_by(f64::total_cmp);
        let said = |time: Option<&f64>| time.map_or("-".to_owned(), |time| format!("{time:.1}"));
        let records: usize = of.iter().map(|outcome| outcome.kept.records).sum();
        text += &format!(
            "{:<20} {:>5} {passed:>7} {:>7} {:>15} {:>15} {records:>13}\n",
            class.name(),
            of.len(),
            of.len() - passed,
            said(times.get(times.len() / 2)),
            said(times.last()),
        );
    }
    text
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("faults.jsonl");
    assert!(read(&report, "v1").is_empty());
    for (seed, version) in [(1, "v1"), (2, "v2"), (u64::MAX, "v1")] {
        append(&report, &Outcome::broken(Class::Partition, seed, version, "it broke".to_owned()));
    }
    let found = read(&report, "v1");
    assert_eq!(found.iter().map(|outcome| outcome.seed).collect::<Vec<_>>(), [1, u64::MAX]);
    let table = table(&found);
    assert!(table.lines().count() == 2 && table.contains("partition"), "{table}");
}
