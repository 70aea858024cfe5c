//! Budgets by the minute, as services would burn them.

use proptest::prelude::*;

use super::*;

const DAY: i64 = 1_440;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(1_700_002_800 + minute * 60)
}

fn after(bad_share: f64, minutes: i64) -> Option<f64> {
    after_of(bad_share, minutes, &Objective::default())
}

fn after_of(bad_share: f64, minutes: i64, objective: &Objective) -> Option<f64> {
    let mut budget = Budget::default();
    for minute in 0..120 {
        let bad = if minute >= 120 - minutes { 600.0 * bad_share } else { 0.0 };
        budget.add(at(minute), 600.0, bad);
    }
    budget.judge(at(120), objective);
    budget.fast.map(|burn| burn.score)
}

/// Minute by minute, `requests` of each and the share of bad ones; judged each time. The minutes at which a burn began
/// that cannot wait, and one of days.
fn began(minutes: i64, requests: f64, bad_share: impl Fn(i64) -> f64) -> (Vec<i64>, Vec<i64>, Budget) {
    let mut budget = Budget::default();
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for minute in 0..minutes {
        budget.add(at(minute), requests, requests * bad_share(minute));
        let before = (budget.fast.is_some(), budget.slow.is_some());
        budget.judge(at(minute + 1), &Objective::default());
        fast.extend((!before.0 && budget.fast.is_some()).then_some(minute));
        slow.extend((!before.1 && budget.slow.is_some()).then_some(minute));
    }
    (fast, slow, budget)
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
    let hours = Objective { period_days: 0.5, ..Objective::default() };
    assert_eq!(after_of(0.000_9, 120, &hours), None, "what lasts for the period burns no budget up");
}

#[test]
fn the_thresholds_are_the_workbooks() {
    let threshold = |rule: &Rule| rule.threshold(&Objective::default());
    let found: Vec<f64> = FAST.iter().chain(&SLOW).map(threshold).collect();
    for (found, expected) in found.iter().zip([14.4, 6.0, 3.0, 1.0]) {
        assert!((found - expected).abs() < 1e-9, "{found} and not {expected}");
    }
}

#[test]
fn what_burns_at_thrice_the_rate_is_told_in_a_day_and_at_once_the_rate_in_three() {
    // As soon as half of the window is known.
    let (fast, slow, _) = began(4 * DAY, 600.0, |_| 0.003_5);
    assert_eq!((fast, slow), (vec![], vec![DAY / 2 - 1]));
    let (fast, slow, budget) = began(4 * DAY, 600.0, |_| 0.001_2);
    assert_eq!((fast, slow), (vec![], vec![3 * DAY / 2 - 1]));
    let burn = budget.slow.unwrap();
    assert!((burn.rate - 1.2).abs() < 0.01, "{burn:?}");
    assert_eq!(burn.since, at(0).floor(Duration::from_secs(3_600)), "since it is known");
    let (fast, slow, _) = began(4 * DAY, 600.0, |_| 0.000_9);
    assert_eq!((fast, slow), (vec![], vec![]), "what the objective allows");
}

#[test]
fn days_of_a_burn_are_told_though_it_paused_and_end_when_it_did() {
    // Four times the rate, but for twenty minutes of every four hours; and nothing bad from day three on.
    let share = |minute: i64| if minute < 3 * DAY && minute % 240 >= 20 { 0.004_5 } else { 0.0 };
    let (fast, slow, budget) = began(4 * DAY, 600.0, share);
    assert_eq!((fast.len(), slow.len()), (0, 1), "{slow:?}");
    assert_eq!(budget.slow, None, "six hours without one are over");
}

#[test]
fn an_outage_that_was_told_is_not_told_again_as_one_of_days() {
    let outage = |minute: i64| if (3 * DAY..3 * DAY + 20).contains(&minute) { 1.0 } else { 0.0 };
    let (fast, slow, _) = began(4 * DAY, 600.0, outage);
    assert_eq!((fast, slow), (vec![3 * DAY], vec![]));
    let (.., budget) = began(3 * DAY + 30, 600.0, outage);
    let rate = budget.rate(at(3 * DAY + 30), &Objective::default());
    assert!(rate.unwrap() > 300.0, "the last hour has it all the same");
}

#[test]
fn what_comes_after_is_a_measure_only_where_it_is_enough() {
    let objective = Objective::default();
    let (.., mut budget) = began(100, 600.0, |minute| if minute < 30 { 0.01 } else { 0.000_5 });
    assert_eq!(budget.lasts_after(at(30), &objective), Some((at(100), true)));
    assert_eq!(budget.lasts_after(at(0), &objective), Some((at(100), false)));
    assert_eq!(budget.lasts_after(at(60), &objective), None, "chance has 12 where 24 may be, too");
    assert_eq!(budget.lasts_after(at(90), &objective), None, "6,000 requests of which 6 may be bad");
    assert_eq!(budget.lasts_after(at(100), &objective), None, "nothing came");
    assert!(budget.forget(at(100)));
    assert_eq!(budget.ledger.untold(at(100), 100).0, 60_000.0);
    assert!(budget.forget(at(100 + DAY)), "by the hour");
    assert_eq!(budget.ledger.untold(at(100 + DAY), 4_320).0, 60_000.0);
    assert!(!budget.forget(at(100 + 4 * DAY)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// What hurt long ago fills the long window, and where minutes of much traffic leave the short one, what is left in
    /// it looks worse.
    #[test]
    fn no_burn_begins_of_what_is_over(
        volumes in prop::collection::vec(100.0_f64..2_000.0, 20..40),
        troubles in prop::collection::vec((0_usize..150, 1_usize..20, -3.0_f64..0.0), 1..4),
    ) {
        let objective = Objective::default();
        let (mut budget, mut bad_at) = (Budget::default(), None);
        let by_minute = volumes.iter().flat_map(|volume| std::iter::repeat_n(volume, 7));
        for (minute, volume) in by_minute.enumerate() {
            let at_work = troubles.iter().filter(|(from, lasts, _)| (*from..from + lasts).contains(&minute));
            let share = at_work.map(|(.., exponent)| 10_f64.powf(*exponent)).fold(0.0, f64::max);
            bad_at = if share > 0.0 { Some(minute) } else { bad_at };
            let time = at(i64::try_from(minute).unwrap());
            budget.add(time, *volume, volume * share);
            let before = (budget.fast.is_some(), budget.slow.is_some());
            budget.judge(time + MINUTE, &objective);
            let begins = (!before.0 && budget.fast.is_some()) || (!before.1 && budget.slow.is_some());
            let is_lately = bad_at.is_some_and(|bad_at| bad_at + 5 > minute);
            prop_assert!(!begins || is_lately, "{minute}, bad at {bad_at:?} last");
        }
    }

    /// Judging each second, as steps of the watermark do, comes to what judging anew from all that is kept does.
    #[test]
    fn nothing_is_missed_between_minutes(shares in prop::collection::vec(0.0_f64..0.1, 1..90), seconds in 1_i64..59) {
        let objective = Objective::default();
        let (mut often, mut kept) = (Budget::default(), Budget::default());
        for (minute, share) in (0..).zip(shares) {
            for budget in [&mut often, &mut kept] {
                budget.add(at(minute), 300.0, 300.0 * share);
            }
            for second in [0, seconds, 60] {
                let now = at(minute) + Duration::from_secs(second.unsigned_abs());
                often.judge(now, &objective);
                kept.judged = None;
                kept.judge(now, &objective);
                prop_assert_eq!((often.fast, often.slow), (kept.fast, kept.slow));
            }
        }
    }

    /// What hours keep is what minutes had, and no service needs more room however long it runs.
    #[test]
    fn hours_keep_what_minutes_had(shares in prop::collection::vec(0.0_f64..0.002, 1..40)) {
        let share = |minute: i64| shares[usize::try_from(minute / 180).unwrap() % shares.len()];
        let (fast, _, budget) = began(5 * DAY, 600.0, share);
        prop_assert!(fast.is_empty(), "at most twice the rate: {fast:?}");
        let (all, untold) = budget.ledger.untold(at(5 * DAY), 4_320);
        // An hour at the edge is left out.
        let exact = |from: i64| (from..5 * DAY).map(|minute| 600.0 * share(minute)).sum::<f64>();
        prop_assert!(untold <= exact(2 * DAY) + 1e-6 && untold >= exact(2 * DAY + 60) - 1e-6);
        prop_assert!((4_260.0 * 600.0..=4_320.0 * 600.0).contains(&all));
        let kept = format!("{:?}", budget.ledger).matches("Entry").count();
        prop_assert!(kept <= 360 + 74, "{kept}");
    }

    /// However many requests there are, fewer than ten bad ones in the short windows are chance.
    #[test]
    fn a_handful_of_bad_requests_burns_nothing(seed in any::<u64>(), every in 45_i64..200) {
        let offset = i64::try_from(seed % 37).unwrap();
        let (fast, slow, _) = began(3 * DAY, 2.0, |minute| if minute % every == offset { 0.5 } else { 0.0 });
        prop_assert!(fast.is_empty() && slow.is_empty());
    }
}
