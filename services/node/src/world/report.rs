//! A line a world, and what all of them come to, rule by rule.

use std::collections::BTreeMap;

use super::Account;
use super::story::Ending;
use super::witness::{RULES, Rule};
use crate::output;

/// One world: a line, and under it what was broken.
pub(super) fn row(account: &Account) -> std::io::Result<()> {
    let ends = [Ending::Repaired, Ending::Recovered, Ending::Escalated, Ending::Missed].map(|ending| {
        let count = account.lived.iter().filter(|lived| lived.ending == ending).count();
        format!("{count} {}", word(ending))
    });
    output::line(format!(
        "{:>20}  {:8}  {:>5.1} h  {:>3} restarts  {:>3} effects  {}  {}",
        account.seed,
        format!("{:?}", account.layout).to_lowercase(),
        account.lasted_s / 3_600.0,
        account.restarts,
        account.effects,
        if account.broken.is_empty() { "kept  " } else { "BROKEN" },
        ends.join(", "),
    ))?;
    for broken in &account.broken {
        output::line(format!("    at {:.0} s, {}: {}", broken.at_s, said(broken.rule), broken.what))?;
    }
    Ok(())
}

/// All worlds.
pub(super) fn table(accounts: &[Account]) -> std::io::Result<()> {
    let mut asked: BTreeMap<Rule, u64> = BTreeMap::new();
    for (rule, count) in accounts.iter().flat_map(|account| &account.asked) {
        *asked.entry(*rule).or_default() += count;
    }
    let rows = RULES.map(|rule| {
        let is_broken = |account: &&Account| account.broken.iter().any(|broken| broken.rule == rule);
        let broken: Vec<String> = accounts.iter().filter(is_broken).map(|account| account.seed.to_string()).collect();
        let count = asked.get(&rule).copied().unwrap_or_default();
        vec![said(rule).to_owned(), count.to_string(), broken.len().to_string(), broken.join(" ")]
    });
    output::line("")?;
    output::table(&["rule", "asked", "broken in", "seeds"], rows)?;
    let total = |of: fn(&Account) -> u64| accounts.iter().map(of).sum::<u64>();
    output::line("")?;
    output::line(format!(
        "{} worlds, {} lifecycles, {} restarts, {} effects of which {} took something back, {:.0} hours",
        accounts.len(),
        total(|account| account.lived.len() as u64),
        total(|account| account.restarts),
        total(|account| account.effects as u64),
        total(|account| account.undone as u64),
        accounts.iter().map(|account| account.lasted_s).sum::<f64>() / 3_600.0,
    ))
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Repaired => "repaired",
        Ending::Recovered => "recovered",
        Ending::Escalated => "escalated",
        Ending::Missed => "missed",
    }
}

fn said(rule: Rule) -> &'static str {
    match rule {
        Rule::Policy => "no action without policy",
        Rule::Enrolment => "none on an unenrolled or protected target",
        Rule::Once => "no action twice",
        Rule::Holds => "none after the kill switch, in a freeze or in maintenance",
        Rule::Measured => "no automatic RESOLVED without measured recovery",
        Rule::InTime => "every incident ends in time, and nothing is owed",
        Rule::OneIncident => "at most one open incident a cause",
        Rule::Lives => "documents live as the contract says",
        Rule::Audit => "the audit record holds together",
        Rule::Alive => "no process panics or ends by itself",
        Rule::SameLog => "the same seed, the same log",
    }
}
