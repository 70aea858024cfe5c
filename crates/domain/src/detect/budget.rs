//! How fast a service uses its error budget up, by the multi-window method of Google's SRE workbook ("Alerting on
//! SLOs", chapter 5): a long window says that it matters, a short one that it still goes on.
//!
//! Two rules are for what somebody has to look at now, two for what can wait for the day. The latter count only what the
//! former did not tell: who was called for an outage need not hear of it again for three days.

mod ledger;

use std::time::Duration;

use super::Objective;
use super::checkpoint::Hour;
use crate::Timestamp;

use ledger::{Ledger, MINUTE};

/// Bad requests that the short window needs: a burn from a handful of requests is chance.
const BAD_MIN: f64 = 10.0;
/// A burn begins only while it goes on: in so many minutes more is bad than lasts. Windows of which good minutes are gone
/// already look worse, and no request of that is new.
const LATELY: u32 = 5;
/// The share of a window of days that has to be known: a burn in the first hours of a service is not one of days.
const KNOWN_MIN: f64 = 0.5;
/// So many times the scatter of bad requests is no chance.
const SURE: f64 = 3.0;
/// So many times a burn of days is no longer that burn: minutes scatter about it.
const SLOW_FACTOR: f64 = 2.0;

/// A pair of windows, in minutes, and the share of the period's budget that matters when it burns in the long one.
struct Rule {
    long: u32,
    short: u32,
    share: f64,
}

/// The workbook's for a page: 2 % in an hour and 5 % in six. Of 30 days that is 14.4 and 6 times the rate that just lasts.
const FAST: [Rule; 2] = [Rule { long: 60, short: 5, share: 0.02 }, Rule { long: 360, short: 30, share: 0.05 }];
/// The workbook's for a ticket: 10 % in a day and in three. Of 30 days that is 3 times the rate that just lasts, and once.
const SLOW: [Rule; 2] = [Rule { long: 1_440, short: 120, share: 0.10 }, Rule { long: 4_320, short: 360, share: 0.10 }];
const MINUTES_A_DAY: f64 = 1_440.0;

impl Rule {
    /// The burn rate at which it speaks. A burn under 1 lasts for the period, however short that is.
    fn threshold(&self, objective: &Objective) -> f64 {
        (self.share * objective.period_days * MINUTES_A_DAY / f64::from(self.long)).max(1.0)
    }
}

/// A budget that burns too fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Burn {
    pub(crate) since: Timestamp,
    /// How fast at worst, as a multiple of the threshold.
    pub(crate) score: f64,
    /// The burn rate in the long window of the rule that is exceeded most.
    pub(crate) rate: f64,
}

/// The requests of a service, and what they say of its budget.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    ledger: Ledger,
    /// What cannot wait.
    pub(crate) fast: Option<Burn>,
    /// What burns for days, and was not told as what cannot wait.
    pub(crate) slow: Option<Burn>,
    /// The minute that was judged last, where nothing came since.
    judged: Option<Timestamp>,
}

impl Budget {
    /// Counts a window of requests.
    pub(crate) fn add(&mut self, time: Timestamp, requests: f64, bad: f64) {
        self.ledger.add(time, requests, bad, self.fast.is_some());
        self.judged = None;
    }

    /// Judges the burn against an objective.
    pub(crate) fn judge(&mut self, now: Timestamp, objective: &Objective) {
        // Windows begin with whole minutes: between two of them nothing changes unless requests come.
        let minute = (now - Duration::from_nanos(1)).floor(MINUTE);
        if self.judged.replace(minute) == Some(minute) {
            return;
        }
        let allowed = objective.allowed();
        let (all, bad) = self.ledger.bad(now, LATELY);
        let goes_on = bad > all * allowed;
        let worst = greatest(FAST.iter().filter_map(|rule| self.fast_burn(rule, now, objective)));
        let was_fast = self.fast.is_some();
        // What has burnt for days already is not how trouble of hours began.
        let usual = self.slow.map_or(1.0, |slow| SLOW_FACTOR * slow.rate.max(1.0));
        self.fast = follow(self.fast, worst, goes_on, || self.ledger.first_failing(now, usual * allowed));
        if let Some(burn) = self.fast.filter(|_| !was_fast) {
            self.ledger.told_since(burn.since);
        }
        let worst = greatest(SLOW.iter().filter_map(|rule| self.slow_burn(rule, now, objective)));
        self.slow = follow(self.slow, worst, goes_on, || self.ledger.first_failing_hour(now, allowed));
    }

    /// The burn rate over the last hour, in multiples of what uses the budget up at the period's end.
    pub(crate) fn rate(&self, now: Timestamp, objective: &Objective) -> Option<f64> {
        let (all, bad) = self.ledger.bad(now, 60);
        (all > 0.0).then(|| bad / all / objective.allowed())
    }

    /// Whether the budget lasts at the pace of what came after a time, and up to when that is known; `None` where so few
    /// requests came that chance may say either.
    ///
    /// Bad requests scatter about their mean by its square root. It is asked again and again, so that a burn that barely
    /// does not last would pass one day if nothing more than fewer bad ones than allowed were asked for.
    pub(crate) fn lasts_after(&self, since: Timestamp, objective: &Objective) -> Option<(Timestamp, bool)> {
        let (until, all, bad) = self.ledger.after(since)?;
        let allowed = all * objective.allowed();
        if allowed < BAD_MIN {
            return None;
        }
        let is_sure = bad >= allowed || bad + SURE * allowed.sqrt() <= allowed;
        is_sure.then_some((until, bad < allowed))
    }

    /// Gives up what no window asks for. Whether anything is left that one holds.
    pub(crate) fn forget(&mut self, now: Timestamp) -> bool {
        self.ledger.rest(now);
        self.ledger.latest().is_some_and(|latest| latest + ledger::KEPT >= now)
    }

    /// The hours that are over, oldest first.
    pub(crate) fn hours(&self, now: Timestamp) -> Vec<Hour> {
        self.ledger.over(now)
    }

    /// Takes over hours from before a time, instead of those that were taken over already.
    pub(crate) fn restore(&mut self, hours: &[Hour], before: Timestamp) {
        self.ledger.restore(hours, before);
        self.judged = None;
    }

    /// Whether hours were taken over.
    pub(crate) fn is_restored(&self) -> bool {
        self.ledger.is_restored()
    }

    fn fast_burn(&self, rule: &Rule, now: Timestamp, objective: &Objective) -> Option<(f64, f64)> {
        score(rule, objective, self.ledger.bad(now, rule.long), self.ledger.bad(now, rule.short))
    }

    fn slow_burn(&self, rule: &Rule, now: Timestamp, objective: &Objective) -> Option<(f64, f64)> {
        let known = now.since(self.ledger.oldest()?).as_secs_f64() / 60.0;
        if known < KNOWN_MIN * f64::from(rule.long) {
            return None;
        }
        score(rule, objective, self.ledger.untold(now, rule.long), self.ledger.untold(now, rule.short))
    }
}

/// How many times its threshold a rule is exceeded, and the burn rate in its long window. Windows are requests, and the
/// bad ones of them. Without [`BAD_MIN`] of these lately nothing burns.
fn score(rule: &Rule, objective: &Objective, long: (f64, f64), short: (f64, f64)) -> Option<(f64, f64)> {
    let ((all_long, bad_long), (all_short, bad_short)) = (long, short);
    if bad_short < BAD_MIN || all_long <= 0.0 || all_short <= 0.0 {
        return None;
    }
    let [long, short] = [bad_long / all_long, bad_short / all_short].map(|share| share / objective.allowed());
    Some((long.min(short) / rule.threshold(objective), long))
}

fn greatest(scores: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    scores.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 1.0)
}

fn follow(
    before: Option<Burn>,
    worst: Option<(f64, f64)>,
    goes_on: bool,
    since: impl FnOnce() -> Timestamp,
) -> Option<Burn> {
    let (score, rate) = worst?;
    match before {
        Some(before) => Some(Burn { since: before.since, score: score.max(before.score), rate }),
        None => goes_on.then(|| Burn { since: since(), score, rate }),
    }
}

#[cfg(test)]
mod tests;
