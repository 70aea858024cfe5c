//! Fingerprints of bytes: two lanes of multiply and fold, as in Wang Yi's wyhash, 128 bits wide.
//!
//! Two series of one fingerprint would be taken for one. Of a million series, two meet by chance with a probability of
//! 10⁻¹⁷, by the 96 bits that are compared. Who wants them to meet would have to know the seed, which each process draws
//! for itself; both lanes enter each product, so that no input makes one vanish without knowing it.

use llm_sre_domain::detect::Fingerprint;

const A: u64 = 0xa076_1d64_78bd_642f;
const B: u64 = 0xe703_7ed1_a0b4_28db;
const C: u64 = 0x8ebc_6af0_9c88_c6e3;

/// A fingerprint in the making.
#[derive(Clone, Copy)]
pub(crate) struct Hasher([u64; 2]);

impl Hasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self([seed ^ A, seed.rotate_left(32) ^ B])
    }

    /// Goes on from a fingerprint.
    pub(crate) fn after(fingerprint: Fingerprint) -> Self {
        let Fingerprint([one, two]) = fingerprint;
        Self([one, two])
    }

    /// Takes bytes, and their length, so that what lies before and after does not run into them.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<16>();
        for block in blocks {
            self.block(block);
        }
        // What is left, and how long all of it is.
        let mut last = [0_u8; 16];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.block(&last);
        self.word(bytes.len() as u64);
    }

    #[inline]
    pub(crate) fn word(&mut self, word: u64) {
        let Self([one, two]) = *self;
        self.0 = [fold(one ^ word, two ^ A), fold(two ^ word.rotate_left(17), one ^ C)];
    }

    pub(crate) fn finish(self) -> Fingerprint {
        let Self([one, two]) = self;
        Fingerprint([fold(one ^ B, two ^ C), fold(two ^ A, one ^ C)])
    }

    #[inline]
    fn block(&mut self, block: &[u8; 16]) {
        let (low, high) = block.split_at(8);
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let (low, high) = (word(low), word(high));
        let Self([one, two]) = *self;
        self.0 = [fold(one ^ low, two ^ high), fold(two ^ low.rotate_left(32) ^ A, one ^ high.rotate_left(32) ^ C)];
    }
}

/// Both halves of a product, on each other.
#[inline]
fn fold(one: u64, two: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(two));
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(parts: &[&[u8]]) -> [u64; 2] {
        let mut hasher = Hasher::new(7);
        parts.iter().for_each(|part| hasher.bytes(part));
        hasher.finish().0
    }

    #[test]
    fn parts_do_not_run_into_each_other_and_every_bit_counts() {
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b""]), of(&[b"", b""]));
        assert_ne!(of(&[b"a\0"]), of(&[b"a"]));
        let mut found = BTreeSet::new();
        for length in [1, 8, 15, 16, 17, 40] {
            for bit in 0..length * 8 {
                let bytes: Vec<u8> = (0..length).map(|at| if at == bit / 8 { 1 << (bit % 8) } else { 0 }).collect();
                let [one, two] = of(&[&bytes]);
                assert!(found.insert(one) && found.insert(two), "{length} bytes, bit {bit}");
            }
        }
    }
}
