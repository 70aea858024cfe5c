//! Counters as increments: cumulative sums with resets, and delta sums.

use crate::Timestamp;
use crate::telemetry::Temporality;

/// The counter's last point.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counter {
    last: Option<(Timestamp, f64)>,
    start: Option<Timestamp>,
}

/// What was counted between two points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Increment {
    pub(crate) amount: f64,
    /// Over how many seconds; never zero.
    pub(crate) seconds: f64,
}

impl Counter {
    /// When the last point was; the epoch before the first.
    pub(crate) fn last_time(&self) -> Timestamp {
        self.last.map_or(Timestamp::EPOCH, |(time, _)| time)
    }

    /// The increment since the point before. `None` for the first point of a cumulative counter, for a repeated or
    /// older point, and where a reset leaves nothing to subtract from but the new count.
    pub(crate) fn advance(
        &mut self,
        time: Timestamp,
        start: Option<Timestamp>,
        value: f64,
        temporality: Temporality,
    ) -> Option<Increment> {
        let before = self.last;
        if before.is_some_and(|(last, _)| time <= last) {
            return None;
        }
        let restarted = start.is_some() && self.start.is_some() && start != self.start;
        self.last = Some((time, value));
        self.start = start;
        let (from, amount) = match (temporality, before) {
            (Temporality::Delta, Some((last, _))) => (start.unwrap_or(last).max(last), value),
            (Temporality::Delta, None) => (start?, value),
            (Temporality::Cumulative, None) => return None,
            // The standard reading of a reset: the counter began again at zero.
            (Temporality::Cumulative, Some((last, counted))) if restarted || value < counted => (last, value),
            (Temporality::Cumulative, Some((last, counted))) => (last, value - counted),
        };
        let seconds = time.since(from).as_secs_f64();
        (seconds > 0.0).then_some(Increment { amount, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_reset_counts_from_zero_again() {
        let mut counter = Counter::default();
        let mut step = |secs, value| counter.advance(at(secs), Some(at(0)), value, Temporality::Cumulative);
        assert_eq!(step(10, 100.0), None);
        assert_eq!(step(20, 130.0), Some(Increment { amount: 30.0, seconds: 10.0 }));
        assert_eq!(step(20, 130.0), None, "the same point again");
        assert_eq!(step(30, 5.0), Some(Increment { amount: 5.0, seconds: 10.0 }));
    }
}
