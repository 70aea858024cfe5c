//! What a process remembers of actions between passes. Losing it costs patience, never an effect.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use tokio::time::Instant;

/// How long a target may be away before it counts as one that cannot answer, in real time as all time-outs: a restart of
/// its process, or of the network before it, is over by then.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// Nobody asked for so long: what comes then is another silence. Longer than a call's time-out and a pass.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// For so long a call of which nothing was heard may still be on its way, in real time: longer than a call's time-out.
const ON_ITS_WAY_MAX: Duration = Duration::from_secs(30);
/// A call that nobody asked after for so long, in real time, is of an action that ended elsewhere.
const CALLED_MAX: Duration = Duration::from_secs(3_600);

/// A target's silence, under the name of the action, or of what else is asked about.
#[derive(Clone, Copy)]
struct Silence {
    since: Instant,
    asked: Instant,
}

/// A call whose end is not known.
#[derive(Clone, Copy)]
struct Called {
    at: Instant,
    /// How many steps of the action were on the record. With one more that is not this process', another may have called.
    steps: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Memory {
    silent: Mutex<BTreeMap<String, Silence>>,
    /// When something may be asked again, while it may not.
    due: Mutex<BTreeMap<String, Timestamp>>,
    called: Mutex<BTreeMap<String, Called>>,
}

impl Memory {
    /// Notes that no answer came; whether the target had its time.
    pub(crate) fn is_silent(&self, about: &str) -> bool {
        let now = Instant::now();
        let mut silent = lock(&self.silent);
        silent.retain(|_, silence| now - silence.asked <= PAUSE_MAX);
        let silence = silent.entry(about.to_owned()).or_insert(Silence { since: now, asked: now });
        silence.asked = now;
        now - silence.since >= SILENT_MAX
    }

    /// The target answered, or does not matter any more.
    pub(crate) fn answered(&self, about: &str) {
        lock(&self.silent).remove(about);
    }

    /// A call was made, and what became of it is not known.
    pub(crate) fn called(&self, about: &str, steps: u64) {
        let now = Instant::now();
        keep_recent(&mut lock(&self.called), about, now).insert(about.to_owned(), Called { at: now, steps });
    }

    /// This process put a step on the record itself.
    pub(crate) fn stepped(&self, about: &str, from: u64, to: u64) {
        if let Some(called) = lock(&self.called).get_mut(about).filter(|called| called.steps == from) {
            called.steps = to;
        }
    }

    /// Whether a call of which nothing was heard arrives no more. Those of other processes count from when this was first
    /// asked: no clock of theirs is trusted.
    pub(crate) fn has_settled(&self, about: &str, steps: u64) -> bool {
        let first = Called { at: Instant::now(), steps };
        let mut all = lock(&self.called);
        let called = keep_recent(&mut all, about, first.at).entry(about.to_owned()).or_insert(first);
        if called.steps != steps {
            *called = first;
        }
        first.at - called.at >= ON_ITS_WAY_MAX
    }

    /// Whether `every` has passed, by the product's clock, since this said so last.
    pub(crate) fn is_due(&self, about: &str, now: Timestamp, every: Duration) -> bool {
        let mut due = lock(&self.due);
        // What is due is as what was never asked. Not every action ends in a pass of this process, which would forget
        // it: people end some, and other instances.
        due.retain(|_, at| now < *at);
        let is_due = !due.contains_key(about);
        if is_due {
            due.insert(about.to_owned(), now + every);
        }
        is_due
    }

    /// What is asked for from time to time is to be asked for with the next pass.
    pub(crate) fn ask_again(&self, about: &str) {
        lock(&self.due).remove(about);
    }

    /// The action ended.
    pub(crate) fn forget(&self, action: &str) {
        self.answered(action);
        lock(&self.due).retain(|about, _| !about.starts_with(action));
        lock(&self.called).retain(|about, _| !about.starts_with(action));
    }
}

/// Forgets calls that nobody asks after any more, but the one that somebody does.
fn keep_recent<'a>(
    all: &'a mut BTreeMap<String, Called>,
    about: &str,
    now: Instant,
) -> &'a mut BTreeMap<String, Called> {
    all.retain(|key, called| key == about || now - called.at <= CALLED_MAX);
    all
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_target_has_its_time_to_come_back() {
        let memory = Memory::default();
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert!(!memory.is_silent("a"));
        pass(59).await;
        assert!(!memory.is_silent("a"));
        pass(1).await;
        assert!(memory.is_silent("a"));
        assert!(!memory.is_silent("b"), "of another nothing is known");
        memory.answered("a");
        assert!(!memory.is_silent("a"));
        pass(61).await;
        assert!(!memory.is_silent("a"), "nobody asked meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_on_its_way_for_its_time_after_the_last() {
        let memory = Memory::default();
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert!(!memory.has_settled("a", 1), "another process may have called");
        pass(29).await;
        memory.called("a", 1);
        memory.stepped("a", 1, 2);
        pass(29).await;
        assert!(!memory.has_settled("a", 2));
        pass(1).await;
        assert!(memory.has_settled("a", 2));
        assert!(!memory.has_settled("a", 3), "another process called");
        pass(30).await;
        assert!(memory.has_settled("a", 3));
        memory.forget("a");
        assert!(!memory.has_settled("a", 3));
    }

    #[test]
    fn what_was_asked_is_asked_again_after_its_time_or_when_it_is_forgotten() {
        let memory = Memory::default();
        let (at, every) = (Timestamp::from_secs, Duration::from_secs(5));
        let asked = [100, 104, 105].map(|second| memory.is_due("a/call", at(second), every));
        assert_eq!(asked, [true, false, true]);
        memory.ask_again("a/call");
        assert!(memory.is_due("a/call", at(105), every), "it was to be asked at once");
        memory.forget("a");
        assert!(memory.is_due("a/call", at(106), every));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stays_of_actions_that_end_elsewhere() {
        let memory = Memory::default();
        let every = Duration::from_secs(30);
        for number in 0..2_000 {
            let (suggested, called) = (format!("incidents/{number}/over"), format!("incidents/{number}/call"));
            assert!(memory.is_due(&suggested, Timestamp::from_secs(10 * number), every));
            assert!(!memory.has_settled(&called, 1));
            memory.called(&called, 2);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(lock(&memory.due).len() <= 3, "{:?}", lock(&memory.due));
        assert_eq!(lock(&memory.called).len(), 61, "those of an hour");
        assert!(memory.has_settled("incidents/1999/call", 2), "what is young enough is known");
    }
}
