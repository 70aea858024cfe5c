//! Which times telemetry can have.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_proto::otlp::Export;

/// How far ahead of the product's clock a sender's may be.
pub(crate) const AHEAD_MAX: Duration = DAY;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The times that are stored. A store may have an index for each day: a few records of days that no retention expects
/// would use up what a cluster may have of them, and one from the future would be the newest for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    now: Timestamp,
    oldest: Timestamp,
    newest: Timestamp,
}

/// Why a time is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untimely {
    Ahead,
    /// Retention would remove it at once.
    Old,
}

impl Times {
    /// What can be told now, and is kept. Retention may keep the whole day (UTC) that its age ends in, so this does.
    pub(crate) fn around(now: Timestamp, keep_for: Duration) -> Self {
        let oldest = (now - keep_for).as_nanos();
        let into_its_day = oldest.rem_euclid(i64::try_from(DAY.as_nanos()).unwrap_or(i64::MAX));
        let oldest = Timestamp::from_nanos(oldest.saturating_sub(into_its_day));
        Self { now, oldest, newest: now + AHEAD_MAX }
    }

    /// What is wrong with a time.
    pub(crate) fn judge(&self, time: Timestamp) -> Option<Untimely> {
        if time > self.newest { Some(Untimely::Ahead) } else { (time < self.oldest).then_some(Untimely::Old) }
    }

    /// Keeps the items whose time is right.
    pub(crate) fn retain<K, T>(&self, items: &mut Vec<(K, T)>, time: impl Fn(&T) -> Timestamp) {
        items.retain(|(_, item)| self.judge(time(item)).is_none());
    }

    /// The others, by their positions in a request.
    pub(crate) fn untimely<E: Export>(&self, request: &E) -> BTreeMap<usize, Untimely> {
        let judged = request.times().into_iter().map(|time| self.judge(time?));
        judged.enumerate().filter_map(|(position, untimely)| Some((position, untimely?))).collect()
    }

    /// Why a part of a request is not stored, by the time that is furthest off.
    pub(crate) fn reason<E: Export>(&self, untimely: Untimely, part: &E) -> String {
        let (now, oldest, times) = (self.now, self.oldest, part.times().into_iter().flatten());
        match untimely {
            Untimely::Ahead => {
                let time = times.max().unwrap_or(now);
                format!("its time {time} is more than a day ahead of {now}")
            }
            Untimely::Old => {
                let time = times.min().unwrap_or(now);
                format!("its time {time} is before {oldest}, from which on telemetry is kept")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retention_keeps_is_of_its_time() {
        let now = Timestamp::from_secs(1_700_000_000);
        let keep_for = Duration::from_secs(3 * 24 * 3_600);
        let times = Times::around(now, keep_for);
        let nano = Duration::from_nanos(1);
        assert_eq!(times.judge(now + DAY), None);
        assert_eq!(times.judge(now + DAY + nano), Some(Untimely::Ahead));
        assert_eq!(times.judge(now - keep_for), None);
        // 2023-11-11 00:00 UTC.
        let midnight = Timestamp::from_secs(1_699_660_800);
        assert_eq!(times.judge(midnight), None);
        assert_eq!(times.judge(midnight - nano), Some(Untimely::Old));
        let for_ever = Times::around(now, Duration::MAX);
        assert_eq!(for_ever.judge(Timestamp::from_nanos(1)), None);
    }
}
