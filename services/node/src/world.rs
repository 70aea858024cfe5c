//! `llm-sre world`: the product in a world of its own, in virtual time, where everything goes wrong that may, and a
//! witness who holds each effect against the rules that must hold whatever happens.
//!
//! Everything is the product as it ships: domain, services, contracts, wiring. What it stands on is of the world:
//! stores in memory behind the weather, links between processes, a shop of a few services, people. All of it is drawn
//! from the seed, so that the same seed lives through the same world to the last line of its log.

mod draws;
mod ground;
mod layout;
mod life;
mod link;
mod log;
mod people;
mod ports;
mod processes;
mod report;
mod story;
mod strikes;
mod weather;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::ScaledClock;
use llm_sre_ports::ids::mixed;
use serde::Serialize;

use crate::cli::{Output, ServiceName, World};
use crate::client::Services;
use crate::config::Config;
use crate::{output, run, side_by_side, wiring};
use draws::Draws;
use ground::Ground;
use layout::{LAYOUTS, Layout};
use people::People;
use processes::{Processes, SHOP};
use story::{Lived, Story, services_of};
use strikes::Strikes;
use witness::{Broken, Rule, Standing};

/// When every world begins: 2026-01-05.
const EPOCH_S: i64 = 1_767_600_000;
/// How services stand at first, most of them so that something is done.
const STANDINGS: [Standing; 8] = [
    Standing::Auto,
    Standing::Auto,
    Standing::Auto,
    Standing::Approve,
    Standing::Approve,
    Standing::Suggest,
    Standing::Protected,
    Standing::Unenrolled,
];

/// What became of a world.
#[derive(Clone, Debug, Serialize)]
struct Account {
    seed: u64,
    layout: Layout,
    lived: Vec<Lived>,
    /// How often processes were started again.
    restarts: u64,
    /// Calls that took effect at the shop, and how many of them took something back.
    effects: usize,
    undone: usize,
    /// How long it lasted, in seconds of its own time.
    lasted_s: f64,
    /// How often each rule was asked.
    asked: BTreeMap<Rule, u64>,
    broken: Vec<Broken>,
    /// The hash of its log.
    log: String,
}

/// Runs every world; an error where a rule was broken.
pub(crate) fn run(arguments: &World, config: &Config) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1 & u64::from(u32::MAX));
    let each = arguments.each;
    let seeds: Vec<u64> = match arguments.again {
        Some(again) => vec![again],
        None => (0..arguments.lifecycles.div_ceil(each)).map(|index| mixed(seed, index.into()).max(1)).collect(),
    };
    let logging = run::logging(config, "llm-sre-world")?;
    let is_table = arguments.output == Output::Table;
    if is_table && arguments.again.is_none() {
        output::line(format!("seed {seed}"))?;
    }
    let mut accounts = Vec::new();
    let perform = |seed: &u64| if arguments.twice { live_twice(*seed, each) } else { live(*seed, each) };
    side_by_side::run("worlds", seeds, arguments.jobs, perform, |account| {
        if is_table {
            report::row(&account)?
        } else {
            output::json(&account)?
        }
        accounts.push(account);
        Ok(())
    })?;
    logging.shutdown().unwrap_or_else(|error| tracing::warn!(%error, "the last spans were not exported"));
    if is_table {
        report::table(&accounts)?;
    }
    let failed: Vec<&Account> = accounts.iter().filter(|account| !account.broken.is_empty()).collect();
    if let Some(first) = failed.first() {
        let (count, all, seed) = (failed.len(), accounts.len(), first.seed);
        bail!(
            "{count} of {all} worlds broke a rule; --again {seed} --each {each} lives through the first of them again"
        );
    }
    Ok(())
}

/// Lives through a world and once more, and holds the logs against each other.
fn live_twice(seed: u64, faults: u32) -> anyhow::Result<Account> {
    let (mut first, second) = (live(seed, faults)?, live(seed, faults)?);
    *first.asked.entry(Rule::SameLog).or_default() += 1;
    if first.log != second.log {
        let what = format!("the second time its log was {}, the first time {}", second.log, first.log);
        first.broken.push(Broken { rule: Rule::SameLog, at_s: first.lasted_s, what });
    }
    Ok(first)
}

/// Lives through a world, on this thread.
fn live(seed: u64, faults: u32) -> anyhow::Result<Account> {
    // Nothing but time: whatever wants a socket is told so.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let faults = usize::try_from(faults)?;
    runtime.block_on(Box::pin(happen(seed, faults))).with_context(|| format!("the world with seed {seed} ended early"))
}

async fn happen(seed: u64, faults: usize) -> anyhow::Result<Account> {
    let clock = Arc::new(ScaledClock::starting_at(Timestamp::from_secs(EPOCH_S), 1.0)?);
    let ground = Arc::new(Ground::new(clock));
    let layout = LAYOUTS[usize::try_from(seed % LAYOUTS.len() as u64)?];
    let mut config = Config::default();
    config.store.path = wiring::IN_MEMORY.into();
    let processes = Arc::new(Processes::new(seed, layout, &ground, wiring::open_store(&config)?));
    processes.start(SHOP).await?;
    let shop = Services::over(processes.way_to(ServiceName::Simulator));
    let standings = draw_standings(seed, services_of(&shop).await?);
    ground.witness.seen().standings.extend(standings.iter().cloned());
    for (name, _) in layout.processes() {
        processes.start(&name).await?;
    }
    let people = Arc::new(People::new(seed, &ground, &processes, standings));
    let strikes = Strikes::new(seed, &ground, &processes);
    let remediation = Services::over(processes.way_to(ServiceName::Remediation));
    let story = Story::new(seed, &ground, &processes, &people, [shop, remediation]);
    let lived = tokio::select! {
        biased;
        () = ground.witness.broken() => Vec::new(),
        lived = Box::pin(story.tell(faults)) => lived?,
        never = Box::pin(strikes.run()) => match never {},
        never = Box::pin(people.run()) => match never {},
    };
    let lasted_s = ground.log.at_s();
    let broken = ground.witness.verdict(lasted_s);
    for broken in &broken {
        ground.log.say(&"witness", &format!("{:?} is broken: {}", broken.rule, broken.what));
    }
    let seen = ground.witness.seen();
    let (effects, undone) = seen.effects();
    Ok(Account {
        seed,
        layout,
        lived,
        restarts: processes.restarts(),
        effects,
        undone,
        lasted_s,
        asked: seen.asked.clone(),
        broken,
        log: ground.log.digest(),
    })
}

/// How the services of a shop stand at first. One at least is in the product's hands, or nothing would ever be done.
fn draw_standings(seed: u64, services: Vec<String>) -> Vec<(String, Standing)> {
    let draws = Draws::new(seed, "standings");
    let drawn = services.into_iter().enumerate().map(|(index, service)| {
        let drawn = draws.one_of(&STANDINGS).copied().unwrap_or(Standing::Auto);
        (service, if index == 0 { Standing::Auto } else { drawn })
    });
    drawn.collect()
}
