//! A range in equal parts, to count what falls into each.

use std::time::Duration;

use llm_sre_domain::Timestamp;

use super::Range;

const SECOND: Duration = Duration::from_secs(1);

/// Parts of a range, equally long. They begin on whole seconds and are whole seconds long, so that every store can tell
/// where a part begins: the first may begin before the range, and the last end after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Where the first begins.
    pub start: Timestamp,
    /// How long each is.
    pub width: Duration,
    /// How many there are.
    pub count: usize,
}

impl Parts {
    /// At most so many parts of a range, and at least one.
    pub fn of(range: Range, most: usize) -> Self {
        let start = range.start.floor(SECOND);
        let seconds = range.end.since(start).as_nanos().div_ceil(SECOND.as_nanos()).max(1);
        let width = seconds.div_ceil(most.max(1) as u128);
        let count = usize::try_from(seconds.div_ceil(width)).unwrap_or(usize::MAX);
        Self { start, width: Duration::from_secs(u64::try_from(width).unwrap_or(u64::MAX)), count }
    }

    /// The part that a time of the range falls into.
    pub fn at(&self, time: Timestamp) -> usize {
        usize::try_from(time.since(self.start).as_nanos() / self.width.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// Where a part begins.
    pub fn start_of(&self, part: usize) -> Timestamp {
        self.start + self.width * u32::try_from(part).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_cover_the_range_and_are_no_more_than_asked_for(
            start in 0_i64..4_000_000_000_000, length in 1_i64..3_000_000_000_000, most in 1_usize..500, share in 0.0_f64..1.0,
        ) {
            let base = 1_700_000_000_000_000_000;
            let range = Range {
                start: Timestamp::from_nanos(base + start), end: Timestamp::from_nanos(base + start + length),
            };
            let parts = Parts::of(range, most);
            prop_assert!((1..=most).contains(&parts.count), "{parts:?}");
            prop_assert!(parts.start <= range.start && parts.start_of(parts.count) >= range.end, "{parts:?}");
            let time = Timestamp::from_nanos(range.start.as_nanos() + (length as f64 * share) as i64);
            let part = parts.at(time);
            prop_assert!(part < parts.count, "{parts:?} {part}");
            prop_assert!(parts.start_of(part) <= time && time < parts.start_of(part + 1), "{parts:?} {part}");
        }
    }
}
