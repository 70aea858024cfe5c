//! A line a run, and what they come to by fault.

use std::collections::BTreeMap;

use super::episode::{Ending, Outcome};
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
    let incidents = match outcome.early_incidents {
        0 => outcome.incidents.to_string(),
        early => format!("{early}+{}", outcome.incidents),
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

/// What the runs come to, by fault.
pub(super) fn table(outcomes: &[Outcome]) -> std::io::Result<()> {
    let mut by_fault: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_fault.entry(&outcome.fault).or_default().push(outcome);
    }
    let rows = by_fault.into_iter().map(|(fault, outcomes)| {
        let is_control = outcomes.iter().all(|outcome| matches!(outcome.ending, Ending::Quiet | Ending::FalseAlarm));
        let share = |is: &dyn Fn(&Outcome) -> bool| {
            format!("{} of {}", outcomes.iter().filter(|outcome| is(outcome)).count(), outcomes.len())
        };
        if is_control {
            return vec![fault.to_owned(), share(&Outcome::went_well)];
        }
        vec![
            fault.to_owned(),
            share(&Outcome::went_well),
            share(&|outcome| outcome.incidents == 1 && outcome.early_incidents == 0),
            share(&|outcome| outcome.rank == Some(1)),
            share(&|outcome| outcome.rank.is_some_and(|rank| rank <= 3)),
            share(&|outcome| outcome.ending == Ending::Repaired),
            share(&|outcome| outcome.ending == Ending::Escalated),
            share(&|outcome| outcome.ending == Ending::FalselyResolved),
            median(outcomes.iter().filter_map(|outcome| outcome.detected_s)),
            median(outcomes.iter().filter_map(|outcome| outcome.diagnosed_s)),
            median(outcomes.iter().filter_map(|outcome| outcome.recovered_s)),
        ]
    });
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
        "detected",
        "diagnosed",
        "recovered",
    ];
    output::table(&header, rows)
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
