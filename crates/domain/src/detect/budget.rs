//! How fast a service uses its error budget up, by the multi-window method of Google's SRE workbook ("Alerting on
//! SLOs", chapter 5): a long window says that it matters, a short one that it still goes on.

use std::collections::VecDeque;
use std::time::Duration;

use super::Objective;
use crate::Timestamp;

/// The resolution of the windows.
const MINUTE: Duration = Duration::from_secs(60);
/// The longest window.
const MINUTES_MAX: usize = 360;
/// Failed requests that the short window needs: a burn from a handful of requests is chance.
const FAILED_MIN: f64 = 10.0;

/// A pair of windows, in minutes, and the share of the period's budget that matters when it burns in the long one.
struct Rule {
    long: usize,
    short: usize,
    share: f64,
}

/// The workbook's: 2 % in an hour and 5 % in six. Of 30 days that is 14.4 and 6 times the rate that just lasts.
const RULES: [Rule; 2] = [Rule { long: 60, short: 5, share: 0.02 }, Rule { long: 360, short: 30, share: 0.05 }];
const MINUTES_A_DAY: f64 = 1_440.0;

/// The requests of a service, minute by minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    minutes: VecDeque<(Timestamp, f64, f64)>,
    /// Since when it burns too fast, and how fast at worst, as a multiple of its threshold.
    pub(crate) burning: Option<(Timestamp, f64)>,
}

impl Budget {
    /// Counts a window of requests.
    pub(crate) fn add(&mut self, time: Timestamp, requests: f64, failed: f64) {
        let minute = time.floor(MINUTE);
        match self.minutes.back_mut() {
            Some((last, all, bad)) if *last >= minute => {
                *all += requests;
                *bad += failed;
            }
            _ => self.minutes.push_back((minute, requests, failed)),
        }
        while self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_front();
        }
    }

    /// Judges the burn against an objective. Without [`FAILED_MIN`] bad requests nothing burns.
    pub(crate) fn judge(&mut self, now: Timestamp, objective: &Objective) {
        let allowed = objective.allowed();
        let worst = RULES.iter().filter_map(|rule| self.score(rule, now, objective)).fold(0.0, f64::max);
        self.burning = match self.burning {
            _ if worst < 1.0 => None,
            Some((since, before)) => Some((since, worst.max(before))),
            None => Some((self.first_failing(now, allowed), worst)),
        };
    }

    /// The burn rate over the last hour, in multiples of what uses the budget up at the period's end.
    pub(crate) fn rate(&self, now: Timestamp, objective: &Objective) -> Option<f64> {
        let (all, bad) = self.sum(now, 60);
        (all > 0.0).then(|| bad / all / objective.allowed())
    }

    fn score(&self, rule: &Rule, now: Timestamp, objective: &Objective) -> Option<f64> {
        let (all_long, bad_long) = self.sum(now, rule.long);
        let (all_short, bad_short) = self.sum(now, rule.short);
        if bad_short < FAILED_MIN || all_long <= 0.0 || all_short <= 0.0 {
            return None;
        }
        let burn = rule.share * objective.period_days * MINUTES_A_DAY / rule.long as f64;
        Some((bad_long / all_long).min(bad_short / all_short) / objective.allowed() / burn)
    }

    fn sum(&self, now: Timestamp, minutes: usize) -> (f64, f64) {
        let from = now - MINUTE * u32::try_from(minutes).unwrap_or(u32::MAX);
        let inside = self.minutes.iter().rev().take_while(|(time, ..)| *time >= from);
        inside.fold((0.0, 0.0), |sum, (_, all, bad)| (sum.0 + all, sum.1 + bad))
    }

    /// The first of the minutes in a row, up to now, that each failed more than the objective allows.
    fn first_failing(&self, now: Timestamp, allowed: f64) -> Timestamp {
        let failing = self.minutes.iter().rev().take_while(|(_, all, bad)| *bad > allowed * all);
        failing.last().map_or(now, |(time, ..)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failed_share: f64, minutes: i64) -> Option<f64> {
        after_of(failed_share, minutes, &Objective::default())
    }

    fn after_of(failed_share: f64, minutes: i64, objective: &Objective) -> Option<f64> {
        let mut budget = Budget::default();
        for minute in 0..120 {
            let bad = if minute >= 120 - minutes { 600.0 * failed_share } else { 0.0 };
            budget.add(Timestamp::from_secs(minute * 60), 600.0, bad);
        }
        budget.judge(Timestamp::from_secs(120 * 60), objective);
        budget.burning.map(|(_, score)| score)
    }

    #[test]
    fn it_burns_when_both_windows_say_so() {
        assert_eq!(after(0.0, 120), None);
        assert_eq!(after(0.001, 120), None, "exactly what the objective allows");
        assert_eq!(after(0.02, 1), None, "a minute of an hour is not much");
        assert!(after(0.02, 60).unwrap() > 1.3, "20 times the rate for an hour");
        assert!(after(0.2, 8).unwrap() > 1.0);
    }

    #[test]
    fn a_shorter_period_has_less_to_burn() {
        let week = Objective { period_days: 7.0, ..Objective::default() };
        assert_eq!(after(0.008, 60), None, "8 times the rate, of which a month lasts");
        assert!(after_of(0.008, 60, &week).unwrap() > 1.0, "2 % of a week's budget are gone in an hour");
    }
}
