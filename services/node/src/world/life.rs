//! The life of one process: where it can die, and that the dead do nothing more.
//!
//! What a process does to others it does through a port or a call. Whatever it awaits beside those is its own, so that
//! a death there is a death at the port before or after. Each port and each call therefore has two places to die at:
//! before its effect, and between the effect and the knowledge of it.

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// What a death may wait for: a collection that is written to, or a method that is called.
pub(super) const MOMENTS: [&str; 11] = [
    "incidents",
    "maintenance_windows",
    "diagnoses",
    "actions",
    "audit",
    "DiagnoseIncident",
    "ProposeAction",
    "RecordEvent",
    "CheckRecovery",
    "Execute",
    "Undo",
];

/// One incarnation of a process.
pub(super) struct Life {
    /// Which process, such as `detector-0`.
    pub(super) process: String,
    incarnation: u64,
    is_dead: AtomicBool,
    steps: AtomicU64,
    dies_at: AtomicU64,
    /// The moment after which it dies, and how many steps after.
    awaited: Mutex<Option<(&'static str, u64)>>,
}

impl Life {
    pub(super) fn new(process: &str, incarnation: u64) -> Self {
        Self {
            process: process.to_owned(),
            incarnation,
            is_dead: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            dies_at: AtomicU64::new(u64::MAX),
            awaited: Mutex::new(None),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    pub(super) fn kill(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    /// Has it die at the so-manyth place from now on.
    pub(super) fn die_after(&self, steps: u64) {
        let at = self.steps.load(Ordering::Relaxed).saturating_add(steps.max(1));
        self.dies_at.fetch_min(at, Ordering::Relaxed);
    }

    /// Has it die at the so-manyth place after a moment of [`MOMENTS`] that comes.
    pub(super) fn die_at(&self, moment: &'static str, steps: u64) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = Some((moment, steps));
    }

    /// Whatever it was told to die of, it does not.
    pub(super) fn spare(&self) {
        self.dies_at.store(u64::MAX, Ordering::Relaxed);
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A moment came.
    pub(super) fn met(&self, moment: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, steps)) = awaited.take_if(|(awaited, _)| *awaited == moment) {
            self.die_after(steps);
        }
    }

    /// A place to die at. Never returns to the dead.
    pub(super) async fn step(&self) {
        if self.steps.fetch_add(1, Ordering::Relaxed) + 1 >= self.dies_at.load(Ordering::Relaxed) {
            self.kill();
        }
        self.breathe().await;
    }

    /// Lets others go first. Never returns to the dead.
    pub(super) async fn breathe(&self) {
        let mut is_first = true;
        poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                context.waker().wake_by_ref();
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        if self.is_dead() {
            pending::<()>().await;
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.process, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many steps it takes before it dies.
    async fn lived(life: &Life) -> u32 {
        let mut steps = 0;
        let living = async {
            while steps < u32::MAX {
                life.step().await;
                steps += 1;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(1), living).await.is_err());
        steps
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_dies_where_it_was_told_to_and_does_nothing_after() {
        let life = Life::new("detector-0", 1);
        life.step().await;
        life.die_after(3);
        life.die_after(5);
        assert_eq!(lived(&life).await, 2);
        assert!(life.is_dead());
        assert_eq!(lived(&life).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_death_waits_for_its_moment() {
        let life = Life::new("remediation-0", 1);
        life.die_at("Execute", 2);
        for moment in ["actions", "Undo"] {
            life.met(moment);
            life.step().await;
        }
        life.met("Execute");
        assert_eq!(lived(&life).await, 1);
    }
}
