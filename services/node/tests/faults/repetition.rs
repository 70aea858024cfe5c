//! One repetition: the shop breaks, the infrastructure fails at a drawn moment, and all must come out as it should.

use std::thread;
use std::time::{Duration, Instant};

use llm_sre_proto::simulator::v1::{FaultOnset, InjectFaultRequest};

use crate::class::{Class, Plan};
use crate::client::Client;
use crate::judge::{After, Before, balance};
use crate::ledger::{Balance, Ends};
use crate::parts;
use crate::report::Outcome;
use crate::settings::Settings;
use crate::site::Site;
use crate::strike::strike;
use crate::system::System;

/// How long all may take to catch up. A detector reads all that the topics keep.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(240);
/// How long an incident may take from then on, beside its six minutes of the shop.
const OVER_WITHIN: Duration = Duration::from_secs(240);
/// How long is watched afterwards for what comes late, in seconds of the shop.
const AFTERWARDS_S: f64 = 180.0;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Performs what was drawn.
pub(crate) fn perform(plan: &mut Plan, site: &mut Site, settings: &Settings) -> Outcome {
    site.prepare(plan, settings);
    let began = Instant::now();
    let search = site.search();
    let (_, _, system) = site.parts();
    let before = Before::look(system);
    let accepted = system.simulation().unwrap();
    let (did, mut wrong, struck, cure) = break_both(plan, site, settings);
    let (_, _, system) = site.parts();
    let healed = Instant::now();
    let mut catch_up_s = None;
    wrong.extend(system.ended().into_iter().map(|name| format!("{name} ended by itself")));
    let there = system.runtime.block_on(system.ledger.ends());
    if holds_within(CAUGHT_UP_WITHIN, || is_caught_up(system, &there)) {
        catch_up_s = Some(healed.elapsed().as_secs_f64());
    } else {
        wrong.push(format!("not caught up within {CAUGHT_UP_WITHIN:?}"));
    }
    if !holds_within(OVER_WITHIN + system.real(600.0), || before.is_over(system)) {
        wrong.push("no incident that ended in time".to_owned());
    }
    let watched = Instant::now();
    let afterwards = system.real(AFTERWARDS_S);
    parts::wait_until("what comes late", afterwards + Duration::from_secs(60), || watched.elapsed() >= afterwards);
    let After { incidents, actions, wrong: more, story } = before.judge(system, plan.class, &cure);
    wrong.extend(more);
    let kept = settle(system, &search, &mut wrong);
    if !kept.is_even() {
        wrong.push(format!("{} lost, {} doubled, {} unknown", kept.lost, kept.doubled, kept.unknown));
    }
    wrong.extend(system.ended().into_iter().map(|name| format!("{name} ended by itself")));
    wrong.extend(system.audit());
    let now = system.simulation().unwrap_or_default();
    Outcome {
        class: plan.class,
        seed: plan.seed,
        version: settings.version.clone(),
        passed: wrong.is_empty(),
        wrong,
        fault: format!("{} of {}", plan.kind.as_str_name().trim_start_matches("FAULT_KIND_"), plan.service),
        moment_s: plan.moment_s,
        strike: did,
        strike_s: struck.as_secs_f64(),
        catch_up_s,
        repetition_s: began.elapsed().as_secs_f64(),
        incidents,
        actions,
        exports_accepted: now.accepted_exports.saturating_sub(accepted.accepted_exports),
        exports_given_up: now.lost_exports.saturating_sub(accepted.lost_exports),
        kept,
        story,
    }
}

/// Breaks the shop, and what it is watched with, at their moments. What was done, what was wrong with it, how long it
/// took, and what cures the shop.
fn break_both(plan: &mut Plan, site: &mut Site, settings: &Settings) -> (String, Vec<String>, Duration, String) {
    let (_, _, system) = site.parts();
    let shop = Client::new(&system.shop_address);
    let real = |shop_s: i64| system.real(shop_s.unsigned_abs() as f64);
    let (inject_at, strike_at) =
        if plan.moment_s < 0 { (real(plan.moment_s), Duration::ZERO) } else { (Duration::ZERO, real(plan.moment_s)) };
    let request = InjectFaultRequest {
        kind: plan.kind.into(),
        service_name: plan.service.to_owned(),
        onset: FaultOnset::Sudden.into(),
        seed: plan.seed.max(1),
        ..InjectFaultRequest::default()
    };
    let began = Instant::now();
    let until = |at: Duration| {
        parts::wait_until("the drawn moment", at + Duration::from_secs(60), || began.elapsed() >= at);
    };
    thread::scope(|scope| {
        let injecting = scope.spawn(|| {
            until(inject_at);
            shop.ask(shop.simulator().inject_fault(request)).unwrap().cure
        });
        until(strike_at);
        let struck = Instant::now();
        let (did, wrong) = strike(plan.class, &mut plan.random, site, settings.away);
        let struck = if plan.class == Class::Control { Duration::ZERO } else { struck.elapsed() };
        (did, wrong, struck, injecting.join().unwrap())
    })
}

/// Whether both groups are done with what was there, and close behind what comes.
fn is_caught_up(system: &System, there: &Ends) -> bool {
    let is_through = |group| {
        let lags = async { (system.ledger.lag_behind(group, there).await, system.ledger.lag(group).await) };
        let (behind, lag) = system.runtime.block_on(lags);
        behind == 0 && lag <= system.lag_max()
    };
    is_through("indexer") && is_through("detector")
}

/// Waits until what is on the topics is indexed, and counts.
fn settle(system: &mut System, search: &crate::search::Search, wrong: &mut Vec<String>) -> Balance {
    let ends = system.runtime.block_on(system.ledger.ends());
    let is_indexed = || system.runtime.block_on(system.ledger.lag_behind("indexer", &ends)) == 0;
    if !holds_within(CAUGHT_UP_WITHIN, is_indexed) {
        wrong.push(format!("not indexed within {CAUGHT_UP_WITHIN:?}"));
    }
    balance(system, search, &ends)
}

fn holds_within(deadline: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if began.elapsed() >= deadline {
            return false;
        }
        thread::park_timeout(LOOK_EVERY);
    }
}
