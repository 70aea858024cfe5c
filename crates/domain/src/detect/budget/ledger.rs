//! How many requests there were, and how many of them were bad: minute by minute for six hours, hour by hour for what is
//! older, up to three days.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::Timestamp;
use crate::detect::checkpoint::Hour;

/// The resolution of the shorter windows.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// What is kept minute by minute.
const MINUTES_MAX: usize = 360;
/// The resolution of what is older.
const HOUR: Duration = Duration::from_secs(3_600);
/// How far back anything is kept: the longest window.
pub(super) const KEPT: Duration = Duration::from_secs(72 * 3_600);

/// Requests of a minute or an hour.
#[derive(Clone, Copy, Debug)]
struct Entry {
    time: Timestamp,
    all: f64,
    bad: f64,
    /// Those of the bad ones that came while nothing was told of them.
    untold: f64,
}

/// See the module. Hours are of what is no longer among the minutes, so that nothing is counted twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    minutes: VecDeque<Entry>,
    hours: VecDeque<Entry>,
    /// What is before this was taken over, and is not counted again.
    taken_over: Timestamp,
}

impl Ledger {
    /// Counts requests. Late ones count with the newest minute.
    pub(super) fn add(&mut self, time: Timestamp, all: f64, bad: f64, is_told: bool) {
        if time < self.taken_over {
            return;
        }
        let added = Entry { time: time.floor(MINUTE), all, bad, untold: if is_told { 0.0 } else { bad } };
        put(&mut self.minutes, added);
        while self.minutes.len() > MINUTES_MAX {
            self.give_up_minute();
        }
        while self.hours.front().is_some_and(|hour| hour.time + KEPT + HOUR < added.time) {
            self.hours.pop_front();
        }
    }

    /// Keeps by the hour what no window asks for by the minute: a service that is gone takes little room.
    pub(super) fn rest(&mut self, now: Timestamp) {
        let before = now - MINUTE * MINUTES_MAX as u32;
        while self.minutes.front().is_some_and(|minute| minute.time < before) {
            self.give_up_minute();
        }
        if self.minutes.is_empty() {
            self.minutes.shrink_to_fit();
        }
    }

    /// What came since a time was told.
    pub(super) fn told_since(&mut self, since: Timestamp) {
        for minute in self.minutes.iter_mut().rev().take_while(|minute| minute.time >= since) {
            minute.untold = 0.0;
        }
    }

    /// Requests, and bad ones, of so many minutes, no more than are kept one by one.
    pub(super) fn bad(&self, now: Timestamp, minutes: u32) -> (f64, f64) {
        let from = now - MINUTE * minutes;
        let inside = self.minutes.iter().rev().take_while(|minute| minute.time >= from);
        inside.fold((0.0, 0.0), |sum, minute| (sum.0 + minute.all, sum.1 + minute.bad))
    }

    /// Requests, and bad ones that nothing was told of, of so many minutes; of whole hours only where those are all that
    /// is kept.
    pub(super) fn untold(&self, now: Timestamp, minutes: u32) -> (f64, f64) {
        let from = now - MINUTE * minutes;
        let entries = self.minutes.iter().rev().chain(self.hours.iter().rev());
        let inside = entries.take_while(|entry| entry.time >= from);
        inside.fold((0.0, 0.0), |sum, entry| (sum.0 + entry.all, sum.1 + entry.untold))
    }

    /// Requests, and bad ones, of the whole minutes after a time, and when the last of them ended; `None` without any.
    pub(super) fn after(&self, since: Timestamp) -> Option<(Timestamp, f64, f64)> {
        let newest = self.newest()?;
        let inside = self.minutes.iter().rev().take_while(|minute| minute.time >= since);
        let (all, bad) = inside.fold((0.0, 0.0), |sum, minute| (sum.0 + minute.all, sum.1 + minute.bad));
        (newest >= since).then_some((newest + MINUTE, all, bad))
    }

    /// The newest minute that is known.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.minutes.back().map(|minute| minute.time)
    }

    /// The newest time that is known.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.minutes.back().or_else(|| self.hours.back()).map(|entry| entry.time)
    }

    /// The hours that are over, oldest first.
    pub(super) fn over(&self, now: Timestamp) -> Vec<Hour> {
        let over = self.by_hour().into_iter().filter(|(time, _)| *time + HOUR <= now);
        over.map(|(time, (all, untold))| Hour(number(time), all, untold)).collect()
    }

    /// Takes over the hours that were over before a time, into a ledger that has nothing else yet.
    pub(super) fn restore(&mut self, hours: &[Hour], before: Timestamp) {
        let entry = |Hour(number, all, untold): &Hour| {
            let time = Timestamp::EPOCH + HOUR * u32::try_from(*number).ok()?;
            let is_sound = all.is_finite() && untold.is_finite() && *all >= 0.0 && (0.0..=*all).contains(untold);
            (time + HOUR <= before && is_sound).then_some(Entry { time, all: *all, bad: *untold, untold: *untold })
        };
        let mut entries: Vec<Entry> = hours.iter().filter_map(entry).collect();
        entries.sort_by_key(|entry| entry.time);
        if let Some(last) = entries.last() {
            self.taken_over = last.time + HOUR;
            self.hours = entries.into();
        }
    }

    /// Whether hours were taken over.
    pub(super) fn is_restored(&self) -> bool {
        self.taken_over > Timestamp::EPOCH
    }

    /// Since when requests are counted, as far back as is kept.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.hours.front().or_else(|| self.minutes.front()).map(|entry| entry.time)
    }

    /// The first of the minutes in a row, up to now, that each failed more than the objective allows.
    pub(super) fn first_failing(&self, now: Timestamp, allowed: f64) -> Timestamp {
        let failing = self.minutes.iter().rev().take_while(|minute| minute.bad > allowed * minute.all);
        failing.last().map_or(now, |minute| minute.time)
    }

    /// The first of the hours in a row that each failed more than the objective allows, up to the last that did.
    pub(super) fn first_failing_hour(&self, now: Timestamp, allowed: f64) -> Timestamp {
        let hours = self.by_hour();
        let is_failing = |(_, (all, untold)): &(&Timestamp, &(f64, f64))| *untold > allowed * *all;
        let failing = hours.iter().rev().skip_while(|hour| !is_failing(hour)).take_while(is_failing);
        failing.last().map_or(now, |(time, _)| *time)
    }

    fn give_up_minute(&mut self) {
        if let Some(minute) = self.minutes.pop_front() {
            put(&mut self.hours, Entry { time: minute.time.floor(HOUR), ..minute });
        }
    }

    /// Requests, and bad ones that nothing was told of, hour by hour.
    fn by_hour(&self) -> BTreeMap<Timestamp, (f64, f64)> {
        let mut hours: BTreeMap<Timestamp, (f64, f64)> = BTreeMap::new();
        for entry in self.hours.iter().chain(&self.minutes) {
            let hour = hours.entry(entry.time.floor(HOUR)).or_default();
            (hour.0, hour.1) = (hour.0 + entry.all, hour.1 + entry.untold);
        }
        hours
    }
}

/// An hour's number since the epoch.
fn number(time: Timestamp) -> i64 {
    time.as_nanos() / Timestamp::from_secs(3_600).as_nanos()
}

/// Adds to the newest entry, or begins the next.
fn put(entries: &mut VecDeque<Entry>, added: Entry) {
    match entries.back_mut() {
        Some(last) if last.time >= added.time => {
            last.all += added.all;
            last.bad += added.bad;
            last.untold += added.untold;
        }
        _ => entries.push_back(added),
    }
}
