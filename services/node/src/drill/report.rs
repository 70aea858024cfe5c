//! A line a run, and what they come to by fault.

use std::collections::BTreeMap;

use super::outcome::{Ending, Outcome};
use crate::output;

/// The header of the lines.
pub(super) fn header() -> std::io::Result<()> {
    output::line(format!(
        "{:27} {:25} {:8} {:>20} {:>9} {:>5} {:>9} {:>9}  {}",
        "FAULT", "SERVICE", "ONSET", "SEED", "INCIDENTS", "RANK", "DETECTED", "RECOVERED", "ENDING"
    ))
}

/// One run.
pub(super) fn row(outcome: &Outcome) -> std::io::Result<()> {
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0} s"));
    let incidents = match outcome.early_incidents + outcome.unclaimed_incidents {
        0 => outcome.incidents.to_string(),
        others => format!("{others}+{}", outcome.incidents),
    };
    output::line(format!(
        "{:27} {:25} {:8} {:>20} {:>9} {:>5} {:>9} {:>9}  {}",
        outcome.fault,
        outcome.service,
        outcome.onset,
        outcome.seed,
        incidents,
        outcome.rank.map_or("-".to_owned(), |rank| rank.to_string()),
        seconds(outcome.detected_s),
        seconds(outcome.recovered_s),
        word(outcome.ending)
    ))?;
    if !outcome.went_well() {
        for text in outcome.hypotheses.iter().chain(&outcome.evidence).chain(&outcome.timeline).chain(&outcome.actions)
        {
            output::line(format!("    {text}"))?;
        }
    }
    Ok(())
}

/// What the runs come to, by fault and together. What nothing cures goes well where it is escalated and left as it was.
/// Shares come with the interval that holds them with 95 % confidence.
pub(super) fn table(outcomes: &[Outcome]) -> std::io::Result<()> {
    let mut by_fault: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_fault.entry(&outcome.fault).or_default().push(outcome);
    }
    let is_control = |outcome: &Outcome| matches!(outcome.ending, Ending::Quiet | Ending::FalseAlarm);
    let faults: Vec<&Outcome> = outcomes.iter().filter(|outcome| !is_control(outcome)).collect();
    let renamed: Vec<&Outcome> = faults.iter().copied().filter(|outcome| outcome.is_renamed).collect();
    let (curable, incurable): (Vec<&Outcome>, Vec<&Outcome>) =
        faults.iter().copied().partition(|outcome| outcome.is_curable);
    let during: Vec<&Outcome> = faults.iter().copied().filter(|outcome| outcome.is_during).collect();
    let returned: Vec<&Outcome> = faults.iter().copied().filter(|outcome| outcome.returned > 0).collect();
    let together = [
        ("all faults", faults),
        ("those that an action cures", curable),
        ("those that none cures", incurable),
        ("in renamed shops", renamed),
        ("during another's repair", during),
        ("that came back", returned),
    ];
    let rows = by_fault.into_iter().chain(together.into_iter().filter(|(_, outcomes)| !outcomes.is_empty()));
    let rows =
        rows.map(|(fault, outcomes)| row_of(fault, &outcomes, outcomes.iter().all(|outcome| is_control(outcome))));
    output::line("")?;
    let header = [
        "fault",
        "went well",
        "one incident",
        "first",
        "in three",
        "repaired",
        "escalated",
        "falsely resolved",
        "left behind",
        "detected",
        "diagnosed",
        "recovered",
    ];
    output::table(&header, rows)
}

fn row_of(fault: &str, outcomes: &[&Outcome], is_control: bool) -> Vec<String> {
    let share =
        |is: &dyn Fn(&Outcome) -> bool| share(outcomes.iter().filter(|outcome| is(outcome)).count(), outcomes.len());
    if is_control {
        return vec![fault.to_owned(), share(&Outcome::went_well)];
    }
    vec![
        fault.to_owned(),
        share(&Outcome::went_well),
        share(&|outcome| outcome.incidents == 1 && outcome.early_incidents + outcome.unclaimed_incidents == 0),
        share(&|outcome| outcome.rank == Some(1)),
        share(&|outcome| outcome.rank.is_some_and(|rank| rank <= 3)),
        share(&|outcome| outcome.ending == Ending::Repaired),
        share(&|outcome| outcome.ending == Ending::Escalated),
        share(&|outcome| outcome.ending == Ending::FalselyResolved),
        share(&|outcome| outcome.left_behind > 0),
        median(outcomes.iter().filter_map(|outcome| outcome.detected_s)),
        median(outcomes.iter().filter_map(|outcome| outcome.diagnosed_s)),
        median(outcomes.iter().filter_map(|outcome| outcome.recovered_s)),
    ]
}

/// A share, with the interval that holds it with 95 % confidence.
pub(crate) fn share(count: usize, all: usize) -> String {
    let (low, high) = wilson(count, all);
    format!("{count} of {all} ({low:.2}-{high:.2})")
}

/// The score interval of a share (Wilson, 1927) at 95 %.
fn wilson(count: usize, all: usize) -> (f64, f64) {
    /// The normal distribution's quantile of 97.5 %.
    const Z: f64 = 1.959_964;
    if all == 0 {
        return (0.0, 1.0);
    }
    let (share, all) = (count as f64 / all as f64, all as f64);
    let centre = share + Z * Z / (2.0 * all);
    let spread = Z * (share * (1.0 - share) / all + Z * Z / (4.0 * all * all)).sqrt();
    let scale = 1.0 + Z * Z / all;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Repaired => "repaired",
        Ending::Escalated => "escalated",
        Ending::FalselyResolved => "falsely resolved",
        Ending::ClosedOtherwise => "closed without a repair",
        Ending::Missed => "missed",
        Ending::Unended => "did not end",
        Ending::Quiet => "quiet",
        Ending::FalseAlarm => "false alarm",
    }
}

/// The median in seconds; `-` of nothing.
fn median(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or("-".to_owned(), |value| format!("{value:.0} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        for (count, all, low, high) in [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)] {
            let found = wilson(count, all);
            assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{count} of {all}: {found:?}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0), "of nothing, nothing is known");
    }
}
