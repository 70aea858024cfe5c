//! `llm-sre drill`: whole lives of incidents in virtual time, each in a shop of its own, scored against what the
//! simulator says that it broke.
//!
//! Everything is the product as it ships, on stores in memory: services, contracts, policy of the demo. Only time is
//! another one: a runtime that jumps to the next thing to happen, so that an hour of the shop costs the work in it. What
//! is drawn is drawn from the seed, so that the same seed writes the same bytes.

mod apart;
mod calibration;
mod episode;
mod outcome;
mod report;
mod written;

use anyhow::bail;
use llm_sre_ports::ids;
use llm_sre_proto::simulator::v1::FaultKind;

use crate::cli::{Drill, Output};
use crate::client::kind_of;
use crate::config::Config;
use crate::{output, run, side_by_side};
pub(crate) use calibration::{Stated, stated};
use episode::Course;
pub(crate) use episode::{EPISODE_MAX, Episode, LOOK_EVERY, is_over};
pub(crate) use outcome::{DIAGNOSES_MAX, detected, first_start, incidents};
pub(crate) use report::share;

/// The faults of a drill, in turn.
pub(crate) const FAULTS: [FaultKind; 12] = [
    FaultKind::BadDeploy,
    FaultKind::ConnectionPoolExhaustion,
    FaultKind::MemoryLeak,
    FaultKind::BadConfiguration,
    FaultKind::CpuSaturation,
    FaultKind::DiskFull,
    FaultKind::DependencyOutage,
    FaultKind::ExpiredCertificate,
    FaultKind::CacheStampede,
    FaultKind::Overload,
    FaultKind::SlowNetwork,
    FaultKind::MisleadingDeploy,
];
/// The controls of a drill, in turn: nothing is broken, they pass by themselves, and nothing is to be done.
const CONTROLS: [FaultKind; 5] = [
    FaultKind::TrafficPeak,
    FaultKind::HarmlessDeploy,
    FaultKind::NoisyInstance,
    FaultKind::PausedSender,
    FaultKind::ClockJump,
];
/// Those of the faults that no action of the catalogue cures.
const INCURABLE: [FaultKind; 1] = [FaultKind::SlowNetwork];
/// The most runs of one call.
const RUNS_MAX: u32 = 100_000;

/// Runs every episode; an error where one did not go as it should.
pub(crate) fn run(arguments: &Drill, config: &Config) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(drawn_seed);
    let episodes = plan(arguments, seed)?;
    let logging = run::logging(config, "llm-sre-drill")?;
    if arguments.output == Output::Table && arguments.again.is_none() {
        output::line(format!("seed {seed}"))?;
    }

    if arguments.output == Output::Table {
        report::header()?;
    }
    let mut outcomes = Vec::new();
    side_by_side::run("runs", episodes, arguments.jobs, Episode::perform, |chain| {
        for outcome in chain {
            match arguments.output {
                Output::Table => report::row(&outcome)?,
                Output::Json => output::json(&outcome)?,
            }
            outcomes.push(outcome);
        }
        Ok(())
    })?;
    logging.shutdown().unwrap_or_else(|error| tracing::warn!(%error, "the last spans were not exported"));
    if arguments.output == Output::Table {
        report::table(&outcomes)?;
        calibration::table(&outcomes)?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.went_well()).count();
    if failed > 0 {
        let total = outcomes.len();
        bail!(
            "{failed} of {total} runs did not go as they should; --fault FAULT --again SEED, with the same --chain, \
             --together, --during or --returning and --renamed, repeats one of them, FAULT being the first that its \
             seed stands beside"
        );
    }
    Ok(())
}

/// A seed where nobody says one, short enough to be typed again.
pub(crate) fn drawn_seed() -> u64 {
    uuid::Uuid::now_v7().as_u64_pair().1 & u64::from(u32::MAX)
}

/// What a drill consists of: faults and controls, with seeds of their own.
pub(crate) fn plan(arguments: &Drill, seed: u64) -> anyhow::Result<Vec<Episode>> {
    if arguments.runs.saturating_add(arguments.controls) > RUNS_MAX {
        bail!("--runs and --controls are more than {RUNS_MAX} together");
    }
    let only = arguments.fault.as_deref().and_then(kind_of);
    let episode = |kind, service, seed| {
        // A control is over when nothing came of it.
        let course = if is_control(kind) { Course::default() } else { Course::of(arguments) };
        let is_renamed = is_renamed(arguments.renamed, seed);
        Episode { kind, service, course, is_renamed, seed }
    };
    if let Some(seed) = arguments.again {
        return Ok(vec![episode(only.unwrap_or_default(), arguments.service.clone(), seed)]);
    }
    let fault = |turn: u32| only.unwrap_or(in_turn(&FAULTS, seed, turn));
    let faults = (0..arguments.runs).map(|turn| (fault(turn), arguments.service.clone()));
    let controls = (0..arguments.controls).map(|turn| (in_turn(&CONTROLS, seed, turn), String::new()));
    let all = faults.chain(controls).enumerate();
    Ok(all.map(|(index, (kind, service))| episode(kind, service, mixed(seed, index as u64))).collect())
}

/// Whether nothing breaks.
pub(crate) fn is_control(kind: FaultKind) -> bool {
    CONTROLS.contains(&kind)
}

/// Whether an action of the catalogue cures it.
pub(crate) fn is_curable(kind: FaultKind) -> bool {
    FAULTS.contains(&kind) && !INCURABLE.contains(&kind)
}

/// Where there are fewer turns than kinds, another seed brings others.
fn in_turn(kinds: &[FaultKind], seed: u64, turn: u32) -> FaultKind {
    let first = (seed % kinds.len() as u64) as usize;
    kinds[(first + turn as usize) % kinds.len()]
}

/// Whether the shop of a run is one of the share that is renamed: by the run's own seed, so that it is again where the
/// run is repeated.
fn is_renamed(share: f64, seed: u64) -> bool {
    /// Far from what else is drawn from a run's seed.
    const INDEX: u64 = 1 << 60;
    /// A number of so many bits is a float without loss.
    const BITS: u32 = 53;
    ((mixed(seed, INDEX) >> (u64::BITS - BITS)) as f64) < share * (1_u64 << BITS) as f64
}

/// Seeds of their own from one. Zero would mean "draw one".
fn mixed(seed: u64, index: u64) -> u64 {
    ids::mixed(seed, index).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_one_drill_differ_and_come_again() {
        let seeds: std::collections::BTreeSet<u64> = (0..1_000).map(|index| mixed(7, index)).collect();
        assert_eq!(seeds.len(), 1_000);
        assert_eq!(mixed(7, 3), mixed(7, 3));
    }

    #[test]
    fn a_share_of_the_shops_is_renamed() {
        for (share, least, most) in [(0.0, 0, 0), (0.5, 400, 600), (1.0, 1_000, 1_000)] {
            let renamed = (0..1_000).filter(|index| is_renamed(share, mixed(7, *index))).count();
            assert!((least..=most).contains(&renamed), "{renamed} of 1000 for {share}");
        }
    }

    #[test]
    fn every_kind_of_the_contract_has_its_turn() {
        let known = (1..).map_while(|number| FaultKind::try_from(number).ok());
        for seed in [0, 4, u64::MAX] {
            let faults = (0..FAULTS.len() as u32).map(|turn| in_turn(&FAULTS, seed, turn));
            let controls = (0..CONTROLS.len() as u32).map(|turn| in_turn(&CONTROLS, seed, turn));
            let all: std::collections::BTreeSet<FaultKind> = faults.chain(controls).collect();
            assert!(all.into_iter().eq(known.clone()), "seed {seed}");
        }
    }
}
