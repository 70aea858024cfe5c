//! Repetition after repetition, each class as often as it is asked for.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use uuid::Uuid;

use crate::class::{Class, Plan};
use crate::process;
use crate::repetition::perform;
use crate::report::{self, Outcome};
use crate::settings::Settings;
use crate::site::Site;

/// What is still to be done: the classes in order, each as often as it lacks.
fn missing(settings: &Settings, done: &[Outcome]) -> Vec<Class> {
    let lacks = |class: &Class| {
        let count = done.iter().filter(|outcome| outcome.class == *class).count();
        std::iter::repeat_n(*class, settings.runs.saturating_sub(count))
    };
    // Those that need other engines come last, whatever the order that was asked for.
    let mut classes = settings.classes.clone();
    classes.sort_by_key(|class| class.brokers());
    classes.iter().flat_map(lacks).collect()
}

/// Written past the test harness, which keeps what passes to itself: a campaign takes long, and a seed must be known.
pub(crate) fn say(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// One repetition, whatever comes.
fn repeat(class: Class, seed: u64, site: &mut Site, settings: &Settings) -> Outcome {
    let mut plan = Plan::draw(class, seed);
    let performed = catch_unwind(AssertUnwindSafe(|| perform(&mut plan, site, settings)));
    performed.unwrap_or_else(|panic| Outcome::broken(class, seed, &settings.version, reason(panic.as_ref())))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn told(outcome: &Outcome) -> String {
    let Outcome { class, seed, fault, moment_s, strike, strike_s, repetition_s, .. } = outcome;
    let verdict = if outcome.passed { "passed" } else { "FAILED" };
    let caught_up = outcome.catch_up_s.map_or("not caught up".to_owned(), |s| format!("caught up in {s:.1} s"));
    format!(
        "{verdict} {} seed {seed}: {fault}, at {moment_s} s {strike}; whole after {strike_s:.1} s, {caught_up}; {} of {} \
         records kept, {} dead letters ({} again), {} exports given up; {:?}; took {repetition_s:.0} s",
        class.name(),
        outcome.kept.stored,
        outcome.kept.records,
        outcome.kept.dead_letters,
        outcome.kept.dead_letters_again,
        outcome.exports_given_up,
        outcome.actions,
    )
}

/// One repetition on engines that suit it, with all that there is to say about a failure. Nothing where a part is
/// missing.
fn tell(class: Class, seed: u64, site: &mut Option<Site>, settings: &Settings) -> Option<Outcome> {
    if !site.as_ref().is_some_and(|site| site.suits(class)) {
        drop(site.take());
        *site = Site::open(class);
    }
    let here = site.as_mut()?;
    say(&format!("{} seed {seed}: {:?}", class.name(), Plan::draw(class, seed)));
    let outcome = repeat(class, seed, here, settings);
    say(&told(&outcome));
    if !outcome.passed {
        let lines = [&outcome.wrong[..], &outcome.kept.examples, &outcome.story].concat().join("\n  ");
        say(&format!("  {lines}\n{}", here.tails()));
        // What comes after it begins with engines and services that nothing happened to.
        *site = None;
    }
    Some(outcome)
}

#[test]
fn whatever_fails_every_record_is_kept_once_and_every_cause_is_one_incident() {
    let _alone = process::one_shop_at_a_time();
    let settings = Settings::read();
    let mut outcomes = settings.report.as_deref().map(|file| report::read(file, &settings.version)).unwrap_or_default();
    let mut site: Option<Site> = None;
    for class in missing(&settings, &outcomes) {
        let seed = settings.seed.unwrap_or_else(|| Uuid::now_v7().as_u128() as u64);
        // What these need of a small machine is what the shop's hurry needs.
        let pace = if settings.is_sample() && class.is_heavy() { settings.slower() } else { settings.clone() };
        let Some(mut outcome) = tell(class, seed, &mut site, &pace) else { return };
        // The shop of a sample hurries on whatever machine there is, and may outrun its own senders and the product's
        // deadlines. A campaign counts that; a sample asks once again, with the same seed, at half the pace.
        if settings.is_sample() && outcome.may_be_haste() {
            say("once again, on engines of its own and at half the pace");
            let Some(again) = tell(class, seed, &mut site, &pace.slower()) else { return };
            outcome = again;
            site = None;
        }
        if let Some(file) = &settings.report {
            report::append(file, &outcome);
        }
        outcomes.push(outcome);
    }
    drop(site);
    say(&report::table(&outcomes));
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    let seeds: Vec<_> = failed.iter().map(|outcome| (outcome.class.name(), outcome.seed, &outcome.wrong)).collect();
    assert!(failed.is_empty(), "{} of {} failed: {seeds:#?}", failed.len(), outcomes.len());
}
