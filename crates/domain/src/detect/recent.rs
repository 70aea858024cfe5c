//! The newest samples of a series with their times, for recovery and for the time of onset.

use std::time::Duration;

use super::short::Short;
use crate::Timestamp;

/// How many there are.
pub(crate) const RECENT_MAX: usize = 48;
/// How exact their times are.
pub(crate) const TICK: Duration = Duration::from_micros(100);
const TICK_NANOS: i64 = 100_000;
/// How long before the oldest sample a new reckoning of ticks begins. Longer than any warm-up.
const BEFORE: Duration = Duration::from_secs(3_600);
const ALL: u64 = (1 << RECENT_MAX) - 1;

/// A sample that was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recent {
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
    /// As the baseline of its time judged it, and no greater; zero before there was one.
    pub(crate) deviation: f64,
}

/// See the module. Times are ticks since a time that the owner keeps.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// Bits of the places of samples that are normal, and that the baseline has not learnt from yet.
    waiting: u64,
    ticks: [u32; RECENT_MAX],
    values: [Short; RECENT_MAX],
    deviations: [Short; RECENT_MAX],
    len: u8,
    next: u8,
}

impl Default for Ring {
    fn default() -> Self {
        let shorts = [Short::default(); RECENT_MAX];
        Self { waiting: 0, ticks: [0; RECENT_MAX], values: shorts, deviations: shorts, len: 0, next: 0 }
    }
}

impl Ring {
    /// The sample that the next one takes the place of, if it still waits.
    pub(crate) fn make_room(&mut self) -> Option<Short> {
        let place = usize::from(self.next);
        let is_waiting = self.waiting & (1 << place) != 0;
        self.waiting &= !(1 << place);
        is_waiting.then(|| self.values[place])
    }

    /// Adds a sample. Gives the time that ticks are since from now on.
    pub(crate) fn push(&mut self, since: Timestamp, time: Timestamp, value: f64, deviation: f64) -> Timestamp {
        let (since, tick) = match ticks(since, time) {
            Some(tick) => (since, tick),
            None => {
                let since = self.reckon_anew(since, time);
                (since, ticks(since, time).unwrap_or(u32::MAX))
            }
        };
        let place = usize::from(self.next);
        self.ticks[place] = tick;
        self.values[place] = Short::nearest(value);
        self.deviations[place] = Short::towards_zero(deviation);
        self.next = if place + 1 == RECENT_MAX { 0 } else { self.next + 1 };
        self.len = (self.len + 1).min(RECENT_MAX as u8);
        since
    }

    /// The samples, newest first.
    pub(crate) fn newest_first(&self, since: Timestamp) -> impl Iterator<Item = Recent> + '_ {
        let next = usize::from(self.next);
        (1..=usize::from(self.len)).map(move |back| {
            let place = (next + RECENT_MAX - back) % RECENT_MAX;
            Recent {
                time: since + TICK * self.ticks[place],
                value: self.values[place].get(),
                deviation: self.deviations[place].get(),
            }
        })
    }

    /// Whether the next sample takes the place of another.
    pub(crate) fn is_full(&self) -> bool {
        usize::from(self.len) == RECENT_MAX
    }

    /// The newest value.
    pub(crate) fn newest(&self) -> Option<Short> {
        (self.len > 0).then(|| self.values[(usize::from(self.next) + RECENT_MAX - 1) % RECENT_MAX])
    }

    /// Has the newest sample wait. Gives the one that has waited for longest, where more than `most` do.
    pub(crate) fn wait(&mut self, most: u32) -> Option<Short> {
        let newest = (usize::from(self.next) + RECENT_MAX - 1) % RECENT_MAX;
        self.waiting |= 1 << newest;
        if self.waiting.count_ones() <= most {
            return None;
        }
        // From the oldest on, which lies where the next one will.
        let next = u32::from(self.next);
        let from_oldest = ((self.waiting >> next) | (self.waiting << (RECENT_MAX as u32 - next))) & ALL;
        let oldest = (from_oldest.trailing_zeros() + next) as usize % RECENT_MAX;
        self.waiting &= !(1 << oldest);
        Some(self.values[oldest])
    }

    /// Those that wait are not learnt from.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting = 0;
    }

    fn reckon_anew(&mut self, since: Timestamp, newest: Timestamp) -> Timestamp {
        let oldest = self.newest_first(since).last().map_or(newest, |sample| sample.time);
        let anew = (oldest - BEFORE).floor(TICK);
        for tick in &mut self.ticks {
            *tick = ticks(anew, since + TICK * *tick).unwrap_or(0);
        }
        anew
    }
}

/// Ticks from one time to another; `None` where there are too many to count.
fn ticks(since: Timestamp, time: Timestamp) -> Option<u32> {
    u32::try_from(time.as_nanos().saturating_sub(since.as_nanos()).max(0) / TICK_NANOS).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against queues, with gaps from a tick to the hour after which a series is forgotten.
        #[test]
        fn a_ring_is_a_queue(steps in prop::collection::vec((1_u64..36_000_000, any::<bool>()), 1..300)) {
            let start = Timestamp::from_secs(1_700_000_000);
            let (mut ring, mut since, mut time) = (Ring::default(), start, start);
            let (mut kept, mut waiting) = (VecDeque::new(), VecDeque::new());
            for (number, (gap_ticks, waits)) in (0_u16..).zip(steps) {
                time = time + TICK * u32::try_from(gap_ticks).unwrap();
                let value = f64::from(number % 256);
                if let Some(evicted) = ring.make_room() {
                    prop_assert_eq!(waiting.pop_front(), Some(evicted.get()));
                }
                since = ring.push(since, time, value, 3.0);
                kept.push_front(Recent { time, value, deviation: 3.0 });
                kept.truncate(RECENT_MAX);
                prop_assert!(ring.newest_first(since).eq(kept.iter().copied()));
                if waits {
                    waiting.push_back(value);
                    let learnt = (waiting.len() > 30).then(|| waiting.pop_front().unwrap());
                    prop_assert_eq!(ring.wait(30).map(Short::get), learnt);
                }
            }
        }
    }
}
