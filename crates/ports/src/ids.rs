//! Ids of what nobody named: everything else is named by what it derives from.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

/// Gives ids.
pub trait Ids: Send + Sync {
    /// An id that was not given before.
    fn next_id(&self) -> Uuid;
}

/// Ids from time and chance (UUID, version 7), of which no two processes give the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn next_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Ids from a seed, for a run that is to write the same bytes again: whoever asks in the same order is given the same.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    given: AtomicU64,
}

impl SeededIds {
    /// The ids of this seed, from the first on.
    pub fn new(seed: u64) -> Self {
        Self { seed, given: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn next_id(&self) -> Uuid {
        let half = self.given.fetch_add(2, Ordering::Relaxed);
        let (high, low) = (mixed(self.seed, half), mixed(self.seed, half.wrapping_add(1)));
        let bits = (u128::from(high) << 64) | u128::from(low);
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// A seed of its own for each index, from one: SplitMix64 (Steele, Lea and Flood, 2014).
pub fn mixed(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn first(ids: &dyn Ids) -> Vec<Uuid> {
        (0..1_000).map(|_| ids.next_id()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_ids_again_and_no_other_seed_does() {
        let given = first(&SeededIds::new(7));
        assert_eq!(given, first(&SeededIds::new(7)));
        let of_both: BTreeSet<Uuid> = given.into_iter().chain(first(&SeededIds::new(8))).collect();
        assert_eq!(of_both.len(), 2_000);
    }

    #[test]
    fn no_id_is_given_twice() {
        for ids in [&RandomIds as &dyn Ids, &SeededIds::new(0)] {
            assert_eq!(first(ids).into_iter().collect::<BTreeSet<_>>().len(), 1_000);
        }
    }
}
