//! What every reader follows alike, asked for once however many there are: how services are, who calls whom, and whether
//! anything may be done.
//!
//! It is asked for as long as anybody reads. Readers are given the latest of it and no queue: who is slow misses states in
//! between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use llm_sre_proto::dashboard::v1::watch_response::News;
use llm_sre_proto::dashboard::v1::{FleetState, Holds, Part, Problem};
use llm_sre_proto::telemetry::v1::ListServiceCallsResponse;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::asked::{Asked, CALLS_OVER_SECONDS};
use crate::part::outcome;

/// How often the fleet is looked at, whose windows are ten seconds of event time; a demonstration's are a fraction of one.
const FLEET_EVERY: Duration = Duration::from_secs(1);
/// How often calls are counted.
const CALLS_EVERY: Duration = Duration::from_secs(5);
/// How often holds are looked at: an engaged kill switch is seen at once.
const HOLDS_EVERY: Duration = Duration::from_secs(1);

/// The latest of what every reader follows; or what one reader was told of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `None` also where it cannot be had: who comes then is not told of services as they were.
    fleet: Option<Arc<FleetState>>,
    /// Where it cannot be had, as it was: what was engaged is not released.
    holds: Option<Arc<Holds>>,
    /// Of each part that was asked for, why it cannot be had; empty where it can.
    problems: BTreeMap<Part, String>,
}

impl Seen {
    /// What there is that was not said, smallest first, and notes that it is said.
    pub(crate) fn unsaid(&self, said: &mut Self) -> Option<News> {
        for (part, reason) in &self.problems {
            if said.problems.get(part) != Some(reason) {
                said.problems.insert(*part, reason.clone());
                return Some(News::Problem(Problem { part: (*part).into(), reason: reason.clone() }));
            }
        }
        if let Some(holds) = is_new(&self.holds, &mut said.holds) {
            return Some(News::Holds((*holds).clone()));
        }
        is_new(&self.fleet, &mut said.fleet).map(|fleet| News::Fleet((*fleet).clone()))
    }

    #[cfg(test)]
    pub(crate) fn with_fleet(self, fleet: FleetState) -> Self {
        Self { fleet: Some(Arc::new(fleet)), ..self }
    }

    #[cfg(test)]
    pub(crate) fn with_holds(self, holds: Holds) -> Self {
        Self { holds: Some(Arc::new(holds)), ..self }
    }

    /// Notes whether a part can be had. Gives whether that is new.
    fn note(&mut self, part: Part, reason: String) -> bool {
        self.problems.insert(part, reason.clone()).as_ref() != Some(&reason)
    }
}

/// What is there and was not said, noted as said.
fn is_new<T: PartialEq>(latest: &Option<Arc<T>>, said: &mut Option<Arc<T>>) -> Option<Arc<T>> {
    let latest = latest.as_ref()?;
    let is_said = said.as_ref().is_some_and(|said| Arc::ptr_eq(said, latest) || said == latest);
    *said = Some(latest.clone());
    (!is_said).then(|| latest.clone())
}

/// The one who asks, while anybody reads.
#[derive(Default)]
pub(crate) struct Shared {
    asking: Mutex<Weak<Asking>>,
}

/// Ends with the last reader that has it.
struct Asking {
    latest: watch::Receiver<Seen>,
    _task: AbortOnDropHandle<()>,
}

/// One reader's part in it.
pub(crate) struct Subscription {
    latest: watch::Receiver<Seen>,
    _asking: Option<Arc<Asking>>,
}

impl Shared {
    /// The latest of it, from now on. The first reader begins the asking, and who comes later has the latest at once.
    pub(crate) fn subscribe(&self, asked: &Asked) -> Subscription {
        let mut slot = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let asking = slot.upgrade().unwrap_or_else(|| {
            let begun = Arc::new(Asking::begin(asked.clone()));
            *slot = Arc::downgrade(&begun);
            begun
        });
        Subscription { latest: asking.latest.clone(), _asking: Some(asking) }
    }
}

impl Asking {
    fn begin(asked: Asked) -> Self {
        let (sender, latest) = watch::channel(Seen::default());
        let asking = async move {
            tokio::join!(Box::pin(fleet(&asked, &sender)), Box::pin(holds(&asked, &sender)));
        };
        Self { latest, _task: AbortOnDropHandle::new(tokio::spawn(asking)) }
    }
}

impl Subscription {
    #[cfg(test)]
    pub(crate) fn of(latest: watch::Receiver<Seen>) -> Self {
        Self { latest, _asking: None }
    }

    /// The latest.
    pub(crate) fn latest(&mut self) -> Seen {
        self.latest.borrow_and_update().clone()
    }

    /// Waits until there is another than was looked at. `None` where nobody asks any more.
    pub(crate) async fn changed(&mut self) -> Option<()> {
        self.latest.changed().await.ok()
    }
}

/// How services are, and who calls whom.
async fn fleet(asked: &Asked, latest: &watch::Sender<Seen>) {
    let mut calls = ListServiceCallsResponse::default();
    let mut counted_at: Option<Instant> = None;
    loop {
        let (fleet, problem) = outcome(asked.fleet().await);
        let mut calls_problem = None;
        if let Some(fleet) = &fleet
            && counted_at.is_none_or(|at| at.elapsed() >= CALLS_EVERY)
        {
            counted_at = Some(Instant::now());
            let (counted, problem) = outcome(asked.calls(fleet).await);
            (calls, calls_problem) = (counted.unwrap_or_default(), Some(problem));
        }
        let state = fleet.map(|mut fleet| {
            // The message says when it was said.
            fleet.time = None;
            let ListServiceCallsResponse { calls, truncated: calls_truncated } = calls.clone();
            Arc::new(FleetState { fleet: Some(fleet), calls, calls_seconds: CALLS_OVER_SECONDS, calls_truncated })
        });
        latest.send_if_modified(|seen| {
            let mut is_new = seen.note(Part::Fleet, problem);
            is_new |= calls_problem.is_some_and(|problem| seen.note(Part::Calls, problem));
            is_new |= seen.fleet != state;
            seen.fleet = state;
            is_new
        });
        tokio::time::sleep(FLEET_EVERY).await;
    }
}

/// Kill switch, freezes and maintenance windows.
async fn holds(asked: &Asked, latest: &watch::Sender<Seen>) {
    let mut known = Holds::default();
    loop {
        let (stops, windows) = tokio::join!(Box::pin(asked.stops()), Box::pin(asked.windows()));
        let ((stops, stops_problem), (windows, windows_problem)) = (outcome(stops), outcome(windows));
        // What cannot be asked for is not released: what was said stands, and a problem beside it.
        if let Some((kill_switch, freezes)) = stops {
            (known.kill_switch, known.freezes) = (kill_switch, freezes);
        }
        known.windows = windows.unwrap_or(known.windows);
        latest.send_if_modified(|seen| {
            let mut is_new = seen.note(Part::Holds, stops_problem);
            is_new |= seen.note(Part::Maintenance, windows_problem);
            if seen.holds.as_deref() != Some(&known) {
                seen.holds = Some(Arc::new(known.clone()));
                is_new = true;
            }
            is_new
        });
        tokio::time::sleep(HOLDS_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
