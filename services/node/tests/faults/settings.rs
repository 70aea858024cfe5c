//! What a run is to do, from the environment. Without any of it: one repetition of each of some classes, as a sample.

use std::path::PathBuf;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::class::Class;

/// Classes of a sample, which are others each time: each takes some three minutes of a machine that everybody waits for.
const CLASSES_IN_SAMPLE: usize = 5;
/// How long the store is away in a sample, and in a campaign unless it is said.
const AWAY_IN_SAMPLE: Duration = Duration::from_secs(10);
const AWAY_IN_CAMPAIGN: Duration = Duration::from_secs(60);
/// Seconds of the shop in one of real time. An incident takes some six minutes of the shop.
const SPEED: f64 = 30.0;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Repetitions of each class.
    pub(crate) runs: usize,
    /// Where outcomes are appended, and from which a run goes on.
    pub(crate) report: Option<PathBuf>,
    /// The one seed of the one repetition.
    pub(crate) seed: Option<u64>,
    /// The classes to repeat.
    pub(crate) classes: Vec<Class>,
    /// How long the store is away in its class.
    pub(crate) away: Duration,
    /// Seconds of the shop in one of real time.
    pub(crate) speed: f64,
    /// Commit and version that outcomes belong to.
    pub(crate) version: String,
    /// Whether a number of repetitions was asked for.
    is_campaign: bool,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Panics
    /// When a variable is set and makes no sense, naming it.
    pub(crate) fn read() -> Self {
        let seed = number("LLM_SRE_FAULTS_SEED");
        let runs = number("LLM_SRE_FAULTS_RUNS");
        let is_campaign = runs.is_some();
        let away = number("LLM_SRE_FAULTS_AWAY_S").map(Duration::from_secs);
        let classes = match text("LLM_SRE_FAULTS_CLASS") {
            None if is_campaign => Class::ALL.to_vec(),
            None => {
                let mut random = ChaCha8Rng::seed_from_u64(Uuid::now_v7().as_u128() as u64);
                Class::ALL.sample(&mut random, CLASSES_IN_SAMPLE).copied().collect()
            }
            Some(names) => names.split(',').map(class).collect(),
        };
        Self {
            runs: if seed.is_some() { 1 } else { runs.map_or(1, |runs| usize::try_from(runs).unwrap()) },
            report: text("LLM_SRE_FAULTS_REPORT").map(PathBuf::from),
            seed,
            classes,
            away: away.unwrap_or(if is_campaign { AWAY_IN_CAMPAIGN } else { AWAY_IN_SAMPLE }),
            speed: text("LLM_SRE_FAULTS_SPEED").map_or(SPEED, |speed| speed.parse().unwrap()),
            version: version(),
            is_campaign,
        }
    }

    /// The same at half the pace.
    pub(crate) fn slower(&self) -> Self {
        Self { speed: self.speed / 2.0, ..self.clone() }
    }

    /// Whether this is the sample that checks take.
    pub(crate) fn is_sample(&self) -> bool {
        !self.is_campaign && self.seed.is_none()
    }
}

fn text(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.into_string().unwrap_or_else(|_| panic!("{name} is no text"))).filter(|value| !value.is_empty())
}

pub(crate) fn number(name: &str) -> Option<u64> {
    text(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}: '{value}' is not a whole number")))
}

fn class(name: &str) -> Class {
    let known = || Class::ALL.map(Class::name).join(", ");
    Class::of(name.trim()).unwrap_or_else(|| panic!("LLM_SRE_FAULTS_CLASS: '{name}' is none of {}", known()))
}

/// The commit, and whether something differs from it; the package's version where there is no history.
fn version() -> String {
    let described = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let commit = described.ok().filter(|output| output.status.success());
    commit.map_or(env!("CARGO_PKG_VERSION").to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
