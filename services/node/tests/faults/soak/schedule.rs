//! What breaks when: every kind of fault in its turn, sudden and gradual, each time on another service.

use std::time::Duration;

use llm_sre_proto::simulator::v1::{FaultKind, FaultOnset};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::class::BREAKABLE;

/// Kinds that break nothing.
const CONTROLS: [FaultKind; 5] = [
    FaultKind::TrafficPeak,
    FaultKind::HarmlessDeploy,
    FaultKind::NoisyInstance,
    FaultKind::PausedSender,
    FaultKind::ClockJump,
];
/// The share of the whole that passes before the first fault, so that the usual is known, and what is enough for that in
/// time of the shop.
const CALM_SHARE: u32 = 5;
const CALM_MAX: Duration = Duration::from_secs(15 * 60);
/// The share that is left to the last one.
const LEFT_SHARE: u32 = 4;
/// Between two faults, in time of the shop and where there is enough for more than one of each kind: some repairs go on
/// beside each other.
const APART: Duration = Duration::from_secs(3 * 60);

/// Something that breaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Breaking {
    /// After the beginning.
    pub(crate) at: Duration,
    pub(crate) kind: FaultKind,
    pub(crate) service: &'static str,
    pub(crate) onset: FaultOnset,
    pub(crate) seed: u64,
}

/// Every kind of the contract that breaks something.
pub(crate) fn kinds() -> Vec<FaultKind> {
    let known = (1..).map_while(|number| FaultKind::try_from(number).ok());
    known.filter(|kind| !CONTROLS.contains(kind)).collect()
}

/// What breaks in so long a time, in its order, in a shop that lives so many seconds in each.
pub(crate) fn schedule(length: Duration, speed: u64, seed: u64) -> Vec<Breaking> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut left = BREAKABLE.to_vec();
    let services: Vec<&'static str> =
        std::iter::from_fn(|| (!left.is_empty()).then(|| left.swap_remove(random.random_range(0..left.len()))))
            .collect();
    let kinds = kinds();
    let first = (length / CALM_SHARE).min(CALM_MAX.div_f64(speed as f64));
    let window = length - length / LEFT_SHARE - first;
    let fitting = 1 + (window.as_secs() * speed / APART.as_secs()) as usize;
    let count = fitting.max(kinds.len());
    let breaking = |index: usize| {
        let (round, turn) = (index / kinds.len(), index % kinds.len());
        let onset = if (round + turn).is_multiple_of(2) { FaultOnset::Sudden } else { FaultOnset::Gradual };
        let at = first + window.mul_f64(index as f64 / (count - 1) as f64);
        // Who broke comes again only after all the others.
        let service = services[index % services.len()];
        Breaking { at, kind: kinds[turn], service, onset, seed: random.random_range(1..u64::MAX) }
    };
    (0..count).map(breaking).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_turn_whatever_the_length() {
        for seed in 0..200 {
            let length = Duration::from_secs(12 + seed * 97);
            let planned = schedule(length, 1, seed);
            assert_eq!(planned, schedule(length, 1, seed), "seed {seed}");
            let found: BTreeSet<FaultKind> = planned.iter().map(|breaking| breaking.kind).collect();
            assert!(found.into_iter().eq(kinds()), "seed {seed}: {planned:#?}");
            let onsets: BTreeSet<FaultOnset> = planned.iter().map(|breaking| breaking.onset).collect();
            assert_eq!(onsets.len(), 2, "seed {seed}: {planned:#?}");
            assert!(planned.is_sorted_by_key(|breaking| breaking.at), "seed {seed}: {planned:#?}");
            let ends = [planned.first(), planned.last()].map(|breaking| breaking.unwrap().at);
            assert!(length / 5 >= ends[0] && ends[1] <= length - length / 4, "seed {seed}: {ends:?} of {length:?}");
            for near in planned.windows(BREAKABLE.len()) {
                let services: BTreeSet<&str> = near.iter().map(|breaking| breaking.service).collect();
                assert_eq!(services.len(), near.len(), "seed {seed}: {planned:#?}");
            }
        }
    }

    #[test]
    fn a_longer_one_has_each_kind_both_ways_and_another_seed_other_services() {
        let length = Duration::from_secs(2 * 3_600);
        let both: BTreeSet<(FaultKind, FaultOnset)> =
            schedule(length, 1, 1).iter().map(|breaking| (breaking.kind, breaking.onset)).collect();
        assert_eq!(both.len(), 2 * kinds().len());
        assert_eq!(schedule(length / 10, 10, 1).len(), schedule(length, 1, 1).len(), "its shop has as much time");
        let services = |seed| schedule(length, 1, seed).iter().map(|breaking| breaking.service).collect::<Vec<_>>();
        assert!((2..20).any(|seed| services(seed) != services(1)));
    }
}
