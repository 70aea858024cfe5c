//! What can be done to the shop from outside, each call once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use llm_sre_domain::Timestamp;

use super::World;
use super::ailment::variant;
use super::happening::Change;
use super::instance::{DISK_MIB, DISK_NEEDED};
use super::release::Release;
use super::service::Service;

/// Calls remembered, so that a repeated one is known.
const RUNS_MAX: usize = 1_000;
/// There is room for so many times the instances that the shop was built with.
const ROOM: usize = 4;
/// How long an instance takes to be replaced, and a pool to be resized.
const REPLACE: Duration = Duration::from_secs(10);
const RESIZE: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start one instance, or where none is named all of them, again.
    Restart { instance: String },
    /// Put the version before back.
    RollBack,
    /// Let the pool hold so many percent more connections.
    RaisePool { percent: u32 },
    /// Set a setting back to what it was before its newest change, if that is this value.
    Revert { key: String, value: String },
    /// Remove what is not needed from the disk of one instance, or where none is named of all.
    ClearDisk { instance: String },
    /// Call the standby of this dependency in its place.
    FailOver { dependency: String },
    /// Get a certificate for the endpoint that is valid for so many days.
    RenewCertificate { valid_days: u32 },
    /// Start so many percent more instances.
    ScaleOut { percent: u32 },
    /// Turn so many percent of requests away for so long.
    Shed { percent: u32, duration_s: u32 },
}

/// Why something is refused; nothing was done then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the shop has no service {0}")]
    UnknownService(String),
    #[error("{service} has no instance '{instance}'")]
    UnknownInstance { service: &'static str, instance: String },
    #[error("{0} has no version to go back to")]
    NothingBefore(&'static str),
    #[error("{service} has no setting '{key}'")]
    UnknownSetting { service: &'static str, key: String },
    #[error("'{0}' was never changed")]
    NeverChanged(String),
    #[error("the newest change of '{key}' was from '{before}', not from '{given}'")]
    ChangedSince { key: String, before: &'static str, given: String },
    #[error("{service} does not call '{dependency}'")]
    UnknownDependency { service: &'static str, dependency: String },
    #[error("the certificate of {service} is valid for {days} more days, and is not renewed yet")]
    NotDue { service: &'static str, days: u64 },
    #[error("{service} would have {wanted} instances, and may have {max}")]
    TooManyInstances { service: &'static str, wanted: usize, max: usize },
    #[error("another operation is under way on {0}")]
    Busy(&'static str),
    #[error("fencing token {given} is older than {seen}, which was seen for {service}")]
    Stale { service: &'static str, given: u64, seen: u64 },
    #[error("no execution {0} is known")]
    UnknownRun(String),
    #[error("execution {0} cannot be undone")]
    NotUndoable(String),
    #[error("request id {0} was used for something else")]
    Reused(String),
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) request_id: String,
    pub(crate) is_done: bool,
    pub(crate) message: String,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    service: usize,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Ordered(Order),
    Undone { execution: String },
}

/// What takes a run back, captured before it began.
#[derive(Clone, Debug)]
enum Undo {
    Deploy(Release),
    Resize(u32),
    Switch(bool),
    Call(bool),
    Scale(usize),
}

/// The calls so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    by_request: BTreeMap<String, Run>,
    arrivals: VecDeque<String>,
    undos: BTreeMap<String, Undo>,
    tokens: BTreeMap<usize, u64>,
}

impl Runs {
    /// A call that was made before.
    pub(crate) fn get(&self, request_id: &str) -> Option<&Run> {
        self.by_request.get(request_id)
    }

    /// Notes that a call's work is done.
    pub(crate) fn finish(&mut self, request_id: &str, now: Timestamp) {
        if let Some(run) = self.by_request.get_mut(request_id) {
            run.is_done = true;
            run.ended = Some(now);
        }
    }

    fn begin(&mut self, run: Run, undo: Option<Undo>) -> Run {
        let id = run.request_id.clone();
        self.arrivals.push_back(id.clone());
        self.by_request.insert(id.clone(), run.clone());
        if let Some(undo) = undo {
            self.undos.insert(id, undo);
        }
        while self.arrivals.len() > RUNS_MAX {
            if let Some(oldest) = self.arrivals.pop_front() {
                self.by_request.remove(&oldest);
                self.undos.remove(&oldest);
            }
        }
        run
    }

    /// Lets newer tokens in, and refuses older ones.
    fn admit(&mut self, service: usize, name: &'static str, token: u64) -> Result<(), Refusal> {
        let seen = self.tokens.entry(service).or_default();
        if token < *seen {
            return Err(Refusal::Stale { service: name, given: token, seen: *seen });
        }
        *seen = token;
        Ok(())
    }
}

/// The instances that an order is for; all where it names none.
fn slots(service: &Service, instance: &str) -> VecDeque<usize> {
    let matching = |slot: &usize| instance.is_empty() || service.instances[*slot].id == instance;
    (0..service.instances.len()).filter(matching).collect()
}

/// How many instances so many percent more come to.
fn more(service: &Service, percent: u32) -> usize {
    let count = service.instances.len();
    count + (count as f64 * f64::from(percent) / 100.0).ceil() as usize
}

/// How many instances there is room for.
fn instances_max(service: &Service) -> usize {
    service.blueprint.instances as usize * ROOM
}

/// What could be removed from the disks that an order is for; `None` where that is nothing.
fn reclaimable_bytes(service: &Service, instance: &str) -> Option<u64> {
    const MIB: f64 = 1_048_576.0;
    let room = (1.0 - DISK_NEEDED) * DISK_MIB;
    let slots = slots(service, instance);
    let bytes = slots.iter().map(|slot| (service.instances[*slot].filled_mib.min(room) * MIB) as u64).sum();
    (bytes > 0).then_some(bytes)
}

impl World {
    /// Checks an order, and describes the service that it is for.
    pub(crate) fn check(&self, name: &str, order: &Order) -> Result<BTreeMap<String, String>, Refusal> {
        let service = &self.services[self.index(name)?];
        let name = service.name();
        match order {
            Order::Restart { instance } | Order::ClearDisk { instance }
                if !instance.is_empty() && !service.instances.iter().any(|running| running.id == *instance) =>
            {
                return Err(Refusal::UnknownInstance { service: name, instance: instance.clone() });
            }
            Order::FailOver { dependency } if *dependency != service.address(service.outside.is_on_standby) => {
                return Err(Refusal::UnknownDependency { service: name, dependency: dependency.clone() });
            }
            Order::RenewCertificate { .. } if !service.certificate.is_due(self.now) => {
                let days = service.certificate.left(self.now).as_secs() / 86_400;
                return Err(Refusal::NotDue { service: name, days });
            }
            Order::ScaleOut { percent } if more(service, *percent) > instances_max(service) => {
                let (wanted, max) = (more(service, *percent), instances_max(service));
                return Err(Refusal::TooManyInstances { service: name, wanted, max });
            }
            Order::RollBack if service.previous().is_none() => return Err(Refusal::NothingBefore(name)),
            Order::Revert { key, .. } if *key != service.flag_key() => {
                return Err(Refusal::UnknownSetting { service: name, key: key.clone() });
            }
            Order::Revert { key, value } => match service.flag.before.map(variant) {
                None => return Err(Refusal::NeverChanged(key.clone())),
                Some(before) if before != value => {
                    return Err(Refusal::ChangedSince { key: key.clone(), before, given: value.clone() });
                }
                Some(_) => {}
            },
            _ => {}
        }
        if service.rollout.as_ref().is_some_and(|rollout| rollout.request.is_some()) {
            return Err(Refusal::Busy(name));
        }
        let mut state = BTreeMap::from([
            ("version".to_owned(), service.version().to_owned()),
            ("instances".to_owned(), service.instances.len().to_string()),
            ("pool_size".to_owned(), service.pool.to_string()),
            ("dependency".to_owned(), service.address(service.outside.is_on_standby)),
            ("certificate_not_after".to_owned(), service.certificate.not_after.to_string()),
            ("admitted_percent".to_owned(), service.admitted_percent().to_string()),
            ("standby".to_owned(), service.address(!service.outside.is_on_standby)),
        ]);
        if let Order::ClearDisk { instance } = order
            && let Some(bytes) = reclaimable_bytes(service, instance)
        {
            state.insert("reclaimable_bytes".to_owned(), bytes.to_string());
        }
        if let Some(before) = service.flag.before {
            state.insert("value".to_owned(), variant(service.flag.is_on).to_owned());
            state.insert("previous_value".to_owned(), variant(before).to_owned());
        }
        if let Some(previous) = service.previous() {
            state.insert("previous_version".to_owned(), previous.version.clone());
        }
        Ok(state)
    }

    /// Begins to carry an order out. A repeated request id has no effect and the same answer.
    pub(crate) fn execute(&mut self, request_id: &str, token: u64, name: &str, order: &Order) -> Result<Run, Refusal> {
        let index = self.index(name)?;
        if let Some(run) = self.runs.get(request_id) {
            let is_same = run.service == index && run.what == What::Ordered(order.clone());
            return if is_same { Ok(run.clone()) } else { Err(Refusal::Reused(request_id.to_owned())) };
        }
        let called = self.services[index].name();
        self.runs.admit(index, called, token)?;
        self.check(name, order)?;
        let service = &mut self.services[index];
        let id = Some(request_id.to_owned());
        let (message, undo) = match order {
            Order::Restart { instance } => {
                let slots = slots(service, instance);
                let message = format!("restarting {} of {} instances", slots.len(), service.instances.len());
                service.begin(Change::Restart, slots, self.now, REPLACE, id);
                (message, None)
            }
            Order::RollBack => {
                let undo = service.releases.back().cloned().map(Undo::Deploy);
                let event = service.roll_back(self.now, REPLACE, request_id.to_owned());
                self.events.push(event.ok_or(Refusal::NothingBefore(called))?);
                (format!("rolling back to {}", service.version()), undo)
            }
            Order::RaisePool { percent } => {
                let before = service.pool;
                let pool = before.saturating_add((f64::from(before) * f64::from(*percent) / 100.0).ceil() as u32);
                service.begin(Change::Resize { before, pool }, VecDeque::new(), self.now, RESIZE, id);
                (format!("resizing the pool from {before} to {pool} connections"), Some(Undo::Resize(before)))
            }
            Order::Revert { key, .. } => {
                let is_on = service.flag.before.ok_or_else(|| Refusal::NeverChanged(key.clone()))?;
                let undo = Undo::Switch(service.flag.is_on);
                service.begin(Change::Switch { is_on }, VecDeque::new(), self.now, RESIZE, id);
                (format!("switching {key} {}", variant(is_on)), Some(undo))
            }
            Order::ClearDisk { instance } => {
                let slots = slots(service, instance);
                let message = format!("clearing the disk of {} of {} instances", slots.len(), service.instances.len());
                service.begin(Change::Clear, slots, self.now, RESIZE, id);
                (message, None)
            }
            Order::FailOver { dependency } => {
                let before = service.outside.is_on_standby;
                let message = format!("calling {} in place of {dependency}", service.address(!before));
                let change = Change::Call { is_on_standby: !before };
                service.begin(change, VecDeque::new(), self.now, RESIZE, id);
                (message, Some(Undo::Call(before)))
            }
            Order::ScaleOut { percent } => {
                let (before, instances) = (service.instances.len(), more(service, *percent));
                service.begin(Change::Scale { instances }, VecDeque::new(), self.now, REPLACE, id);
                (format!("going from {before} to {instances} instances"), Some(Undo::Scale(before)))
            }
            Order::Shed { percent, duration_s } => {
                self.events.push(service.admit(100_u32.saturating_sub(*percent), self.now));
                let lasts = Duration::from_secs((*duration_s).into());
                service.begin(Change::Admit, VecDeque::new(), self.now, lasts, id);
                (format!("turning {percent} percent of requests away for {duration_s} s"), None)
            }
            Order::RenewCertificate { valid_days } => {
                let change = Change::Renew { valid_days: *valid_days };
                service.begin(change, VecDeque::new(), self.now, RESIZE, id);
                (format!("getting a certificate for {valid_days} days"), None)
            }
        };
        Ok(self.begin_run(request_id, index, What::Ordered(order.clone()), message, undo))
    }

    /// Begins to take an execution back.
    pub(crate) fn undo(&mut self, request_id: &str, token: u64, execution: &str) -> Result<Run, Refusal> {
        let what = What::Undone { execution: execution.to_owned() };
        if let Some(run) = self.runs.get(request_id) {
            return if run.what == what { Ok(run.clone()) } else { Err(Refusal::Reused(request_id.to_owned())) };
        }
        let run = self.runs.get(execution).ok_or_else(|| Refusal::UnknownRun(execution.to_owned()))?;
        let index = run.service;
        let undo = self.runs.undos.get(execution).cloned();
        let undo = undo.ok_or_else(|| Refusal::NotUndoable(execution.to_owned()))?;
        let service = &mut self.services[index];
        self.runs.admit(index, service.name(), token)?;
        if service.rollout.as_ref().is_some_and(|rollout| rollout.request.is_some()) {
            return Err(Refusal::Busy(service.name()));
        }
        let id = Some(request_id.to_owned());
        let message = match undo {
            Undo::Deploy(release) => {
                let message = format!("rolling {} out again", release.version);
                self.events.push(service.deploy(release, self.now, REPLACE, id));
                message
            }
            Undo::Resize(pool) => {
                let before = service.pool;
                service.begin(Change::Resize { before, pool }, VecDeque::new(), self.now, RESIZE, id);
                format!("resizing the pool from {before} to {pool} connections")
            }
            Undo::Switch(is_on) => {
                service.begin(Change::Switch { is_on }, VecDeque::new(), self.now, RESIZE, id);
                format!("switching {} {}", service.flag_key(), variant(is_on))
            }
            Undo::Scale(instances) => {
                service.begin(Change::Scale { instances }, VecDeque::new(), self.now, REPLACE, id);
                format!("going back to {instances} instances")
            }
            Undo::Call(is_on_standby) => {
                service.begin(Change::Call { is_on_standby }, VecDeque::new(), self.now, RESIZE, id);
                format!("calling {} again", service.address(is_on_standby))
            }
        };
        Ok(self.begin_run(request_id, index, what, message, None))
    }

    fn begin_run(&mut self, id: &str, service: usize, what: What, message: String, undo: Option<Undo>) -> Run {
        let run =
            Run { request_id: id.to_owned(), is_done: false, message, started: self.now, ended: None, service, what };
        self.runs.begin(run, undo)
    }
}
