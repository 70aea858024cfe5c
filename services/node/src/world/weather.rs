//! What goes wrong between a process and what it depends on: only what the contracts of the ports allow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::draws::Draws;
use super::ground::Ground;
use super::life::Life;

/// The longest that a port or a link holds a call or an answer back. Calls overtake each other by it, and it is how old
/// what somebody reads may be when they act on it.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(2);
/// The longest that a port that is away keeps a caller waiting, as an adapter's own time-out does.
const HANG_MAX: Duration = Duration::from_secs(5);

/// How often in a million calls each thing goes wrong, where each call matters, and where a process asks several times
/// a second and asks again.
const SELDOM: u64 = 2_000;
const HARDLY: u64 = 100;

/// What a process depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    Documents,
    Leases,
    Bus,
    Telemetry,
}

/// Every port.
pub(super) const PORTS: [Port; 4] = [Port::Documents, Port::Leases, Port::Bus, Port::Telemetry];

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// It comes to nothing.
    pub(super) is_refused: bool,
    /// It takes effect, and the caller is told that it failed.
    pub(super) is_lost: bool,
    /// How long it takes until its effect or its refusal, and from there to the answer.
    pub(super) before: Duration,
    pub(super) after: Duration,
}

/// The weather over all processes.
#[derive(Default)]
pub(super) struct Weather {
    is_rough: AtomicBool,
    /// Until when a port is away for a process.
    away: Mutex<BTreeMap<(String, Port), Instant>>,
    /// Until when nothing goes from one process to another.
    cut: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Weather {
    /// Whether anything goes wrong.
    pub(super) fn is_rough(&self) -> bool {
        self.is_rough.load(Ordering::Relaxed)
    }

    /// From now on things go wrong.
    pub(super) fn roughen(&self) {
        self.is_rough.store(true, Ordering::Relaxed);
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm(&self) {
        self.is_rough.store(false, Ordering::Relaxed);
        lock(&self.away).clear();
        lock(&self.cut).clear();
    }

    /// A port is away for a process for so long.
    pub(super) fn take_away(&self, process: &str, port: Port, lasts: Duration) {
        lock(&self.away).insert((process.to_owned(), port), Instant::now() + lasts);
    }

    /// Nothing goes from one process to another for so long.
    pub(super) fn cut(&self, from: &str, to: &str, lasts: Duration) {
        lock(&self.cut).insert((from.to_owned(), to.to_owned()), Instant::now() + lasts);
    }

    fn is_away(&self, process: &str, port: Port) -> bool {
        lock(&self.away).get(&(process.to_owned(), port)).is_some_and(|until| Instant::now() < *until)
    }

    /// Whether nothing goes from one process to another.
    pub(super) fn is_cut(&self, from: &str, to: &str) -> bool {
        lock(&self.cut).get(&(from.to_owned(), to.to_owned())).is_some_and(|until| Instant::now() < *until)
    }

    /// What becomes of a call that goes wrong so often in a million.
    pub(super) fn fate(&self, draws: &Draws, per_million: u64) -> Fate {
        if !self.is_rough() || !draws.happens(4 * per_million) {
            return Fate::default();
        }
        let delay = draws.between(Duration::ZERO, DELAY_MAX);
        let fine = Fate::default();
        match draws.below(4) {
            0 => Fate { is_refused: true, ..fine },
            1 => Fate { is_lost: true, ..fine },
            2 => Fate { before: delay, ..fine },
            _ => Fate { after: delay, ..fine },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where calls of one process to one of its ports pass.
pub(super) struct Gate {
    pub(super) ground: Arc<Ground>,
    pub(super) life: Arc<Life>,
    port: Port,
    draws: Draws,
}

impl Gate {
    pub(super) fn new(ground: &Arc<Ground>, life: &Arc<Life>, port: Port, seed: u64) -> Self {
        let draws = Draws::new(seed, &format!("{port:?}"));
        Self { ground: Arc::clone(ground), life: Arc::clone(life), port, draws }
    }

    /// Before an effect, or a question whose answer decides something.
    pub(super) async fn enter(&self) -> Fate {
        self.life.step().await;
        self.meet(SELDOM).await
    }

    /// Before a question that is asked again and again.
    pub(super) async fn ask(&self) -> Fate {
        self.life.breathe().await;
        self.meet(HARDLY).await
    }

    async fn meet(&self, per_million: u64) -> Fate {
        self.ground.count_call(&self.life.process);
        let weather = &self.ground.weather;
        let mut fate = weather.fate(&self.draws, per_million);
        if weather.is_rough() && weather.is_away(&self.life.process, self.port) {
            // Some that are away say so at once, some say nothing.
            let before = if self.draws.happens(500_000) { Duration::ZERO } else { HANG_MAX };
            fate = Fate { is_refused: true, before, ..Fate::default() };
        }
        self.wait(fate.before).await;
        if fate.is_refused {
            self.ground.log.say(&self.life, &format!("{:?} refuses", self.port));
        }
        fate
    }

    /// After the effect, and before anybody knows of it.
    pub(super) async fn leave(&self, fate: Fate) {
        self.life.step().await;
        self.wait(fate.after).await;
        if fate.is_lost {
            self.ground.log.say(&self.life, &format!("{:?} loses an answer", self.port));
        }
    }

    async fn wait(&self, delay: Duration) {
        if !delay.is_zero() {
            sleep(delay).await;
            self.life.breathe().await;
        }
    }

    /// What a caller is told of a call that was refused or whose answer was lost.
    pub(super) fn away() -> String {
        "the weather is rough".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn in_the_calm_nothing_goes_wrong_and_else_everything_does_at_times() {
        let (weather, draws) = (Weather::default(), Draws::new(7, "weather"));
        assert!((0..10_000).all(|_| weather.fate(&draws, SELDOM) == Fate::default()));
        weather.roughen();
        let fates: Vec<Fate> = (0..100_000).map(|_| weather.fate(&draws, SELDOM)).collect();
        let count = |is: fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
        let kinds: [fn(&Fate) -> bool; 4] =
            [|fate| fate.is_refused, |fate| fate.is_lost, |fate| !fate.before.is_zero(), |fate| !fate.after.is_zero()];
        for is in kinds {
            assert!((100..400).contains(&count(is)), "{}", count(is));
        }
        assert!(fates.iter().all(|fate| fate.before < DELAY_MAX && fate.after < DELAY_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_away_or_cut_comes_back() {
        let (weather, lasts) = (Weather::default(), Duration::from_secs(10));
        weather.take_away("detector-0", Port::Bus, lasts);
        weather.cut("detector-0", "diagnosis-0", lasts);
        assert!(weather.is_away("detector-0", Port::Bus) && !weather.is_away("detector-0", Port::Leases));
        assert!(weather.is_cut("detector-0", "diagnosis-0") && !weather.is_cut("diagnosis-0", "detector-0"));
        tokio::time::advance(lasts).await;
        assert!(!weather.is_away("detector-0", Port::Bus) && !weather.is_cut("detector-0", "diagnosis-0"));
    }
}
