//! The shortest way to what a point changes: from the fingerprint of its series, as a reader of bytes gives it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Stands for bytes that say who or what a point is of: the same bytes have the same fingerprint, and other bytes another
/// one but for an accident. Any number of its bits is as good as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u64; 2]);

/// As much of a fingerprint as is kept of each series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept([u32; 3]);

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([low, high, _]) = *self;
        state.write_u64(u64::from(low) | (u64::from(high) << 32));
    }
}

/// A fingerprint needs no hashing.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// A map that is asked and never gone through, so that its order is nobody's business.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<AsItIs>>;

/// Where a point goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the series in a slot.
    Slot(u32),
    /// To the requests that a counter counts.
    Requests(u32),
    /// Nowhere: its service speaks, and that is all.
    Nowhere,
}

const KIND: u32 = 0b11 << 30;
const REQUESTS: u32 = 0b01 << 30;
const NOWHERE: u32 = 0b10 << 30;

/// The routes that are known, at most so many as the owner lets in.
#[derive(Debug, Default)]
pub(super) struct Routes(Map<Kept, u32>);

impl Routes {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<Route> {
        self.0.get(&kept(fingerprint)).map(|packed| unpacked(*packed))
    }

    pub(super) fn insert(&mut self, fingerprint: Fingerprint, route: Route) {
        let packed = match route {
            Route::Slot(slot) => slot,
            Route::Requests(counter) => counter | REQUESTS,
            Route::Nowhere => NOWHERE,
        };
        self.0.insert(kept(fingerprint), packed);
    }

    /// Gives up the others.
    pub(super) fn keep(&mut self, is_kept: impl Fn(Route) -> bool) {
        self.0.retain(|_, packed| is_kept(unpacked(*packed)));
    }
}

fn unpacked(packed: u32) -> Route {
    match packed & KIND {
        REQUESTS => Route::Requests(packed & !KIND),
        NOWHERE => Route::Nowhere,
        _ => Route::Slot(packed),
    }
}

fn kept(Fingerprint([one, two]): Fingerprint) -> Kept {
    Kept([one as u32, (one >> 32) as u32, two as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut routes = Routes::default();
        let all = [Route::Slot(0), Route::Slot(1_048_575), Route::Requests(0), Route::Requests(7), Route::Nowhere];
        let fingerprint =
            |number: usize| Fingerprint([(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), number as u64]);
        for (number, route) in all.into_iter().enumerate() {
            routes.insert(fingerprint(number), route);
        }
        for (number, route) in all.into_iter().enumerate() {
            assert_eq!(routes.get(fingerprint(number)), Some(route));
        }
        assert_eq!(routes.get(fingerprint(9)), None);
        routes.keep(|route| matches!(route, Route::Slot(slot) if slot > 0));
        assert_eq!((routes.len(), routes.get(fingerprint(1))), (1, Some(Route::Slot(1_048_575))));
    }
}
