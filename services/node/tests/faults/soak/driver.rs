//! Runs the product and the shop, breaks the shop, decides what waits for a person, and looks at what all of it takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use llm_sre_mesh::names::ANY_INCIDENT;
use llm_sre_proto::incident::v1::{Incident, ListIncidentsRequest};
use llm_sre_proto::remediation::v1::{ActionState, ApproveActionRequest, ListActionsRequest};
use llm_sre_proto::simulator::v1::{ClearFaultRequest, Fault, FaultState, InjectFaultRequest, ListFaultsRequest};
use pbjson_types::Timestamp;
use tempfile::TempDir;
use tonic::Code;
use uuid::Uuid;

use super::log::Made;
use super::sample::{Contents, Taken};
use super::schedule::{Breaking, schedule};
use super::verdict::Row;
use super::{BUS_KEEP_HOURS, Settings};
use crate::client::{self, Client};
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::process::{self, Process};

const EVERYTHING: &str = "gateway,indexer,detector,diagnosis,remediation,simulator";
/// Some of the shop is repaired at once, and some when a person says so.
const POLICY: &str = "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n\
                      [[rules]]\nservice = \"shop/c*@demo\"\nautonomy = \"approve\"\n\
                      [[rules]]\nservice = \"shop/s*@demo\"\nautonomy = \"approve\"\n\
                      [[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"auto\"\n";
/// A fault that is at work for so long, in the shop's time, is cleared by hand. The slowest takes a quarter of an hour
/// to set in.
const PATIENCE: Duration = Duration::from_secs(25 * 60);
/// Looks between two rows.
const LOOKS: u32 = 12;
/// What the product is started with where it is an image.
const IMAGE: &str = include_str!("../../../../../Dockerfile");
/// As many as a list gives at once.
const PAGE: i32 = 500;

/// See the module.
pub(super) struct Driver {
    product: Process,
    address: String,
    client: Client,
    /// The store's file; none where clusters keep everything.
    file: Option<PathBuf>,
    settings: Settings,
    began: Instant,
    /// What is still to break, the next one last.
    left: Vec<Breaking>,
    /// When each fault that is not cleared yet was made.
    at_work: Vec<(String, Duration)>,
    approved: usize,
    troubles: Vec<String>,
    folder: TempDir,
    // The last to go, since the product uses them.
    _engines: Option<(OpenSearch, Kafka)>,
}

/// What there was to see.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<Fault>,
    pub(super) log: String,
    pub(super) made: Made,
    /// What went wrong for whoever drove it: a call that failed, a process or a record that is not sound.
    pub(super) troubles: Vec<String>,
    pub(super) now_ms: i64,
    approved: usize,
    verified: String,
}

impl Ended {
    /// How many faults the product cured.
    pub(super) fn cured(&self) -> usize {
        self.faults.iter().filter(|fault| fault.state() == FaultState::Cured).count()
    }

    /// What each fault came to, oldest first, and what people did.
    pub(super) fn told(&self) -> Vec<String> {
        let told = |fault: &Fault| {
            let service = fault.service.as_ref().map(|service| service.name.as_str()).unwrap_or_default();
            let lasted_s = seconds(fault.end_time.as_ref()).zip(seconds(fault.start_time.as_ref()));
            let lasted_s = lasted_s.map_or("?".to_owned(), |(ended, started)| (ended - started).to_string());
            let words = [fault.kind().as_str_name(), fault.onset().as_str_name(), fault.state().as_str_name()];
            format!("{} of {service}: {lasted_s} s of the shop", words.join(" "))
        };
        let people = format!("{} actions approved by hand; {}", self.approved, self.verified);
        self.faults.iter().rev().map(told).chain([people]).collect()
    }
}

fn seconds(time: Option<&Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds)
}

impl Driver {
    pub(super) fn start(settings: &Settings, engines: Option<(OpenSearch, Kafka)>) -> Self {
        let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        process::write(folder.path(), "policy.toml", POLICY);
        let file = engines.is_none().then(|| folder.path().join("store.sqlite"));
        let store = match (&engines, &file) {
            (Some((opensearch, kafka)), _) => format!(
                "[store.opensearch]\nurl = \"{}\"\nprefix = \"soak\"\n\
                 [bus.kafka]\nbrokers = {:?}\nprefix = \"soak-\"\n",
                opensearch.url(),
                kafka.addresses()
            ),
            (None, file) => format!(
                "[store]\npath = {:?}\nkeep_mib = {}\n[bus]\nkeep_hours = {BUS_KEEP_HOURS}\n",
                file.as_deref().unwrap(),
                settings.keep_mib
            ),
        };
        let config = format!("{store}[policy]\nfile = \"policy.toml\"\n[log]\njson = true\n{}", hurry(settings.speed));
        let config = process::write(folder.path(), "llm-sre.toml", &config);
        let config = config.to_str().unwrap();
        let mut product = Process::start_with(&["run", "--config", config, "--services", EVERYTHING], variables(IMAGE));
        let address = product.control();
        let mut left = schedule(settings.length, settings.speed, settings.seed);
        left.reverse();
        Self {
            client: Client::new(&address),
            product,
            address,
            file,
            settings: settings.clone(),
            began: Instant::now(),
            left,
            at_work: Vec::new(),
            approved: 0,
            troubles: Vec::new(),
            folder,
            _engines: engines,
        }
    }

    /// Until the time is over, or the product ends by itself.
    pub(super) fn run(mut self) -> Ended {
        let Settings { length, row_every, .. } = self.settings;
        let (mut rows, mut taken) = (Vec::new(), Vec::new());
        let mut next = row_every;
        while self.began.elapsed() < length {
            if self.product.has_ended() {
                self.troubles.push("the product ended by itself".to_owned());
                break;
            }
            self.break_what_is_due();
            self.clear_what_lasts();
            self.approve();
            taken.push(Taken::by(self.product.id(), self.file.as_deref()));
            if self.began.elapsed() >= next {
                rows.extend(self.row(&std::mem::take(&mut taken)));
                next += row_every;
            }
            std::thread::park_timeout(row_every / LOOKS);
        }
        rows.extend(self.row(&taken));
        self.end(rows)
    }

    fn row(&mut self, taken: &[Taken]) -> Option<Row> {
        let incidents = self.incidents();
        Some(Row {
            at: self.began.elapsed(),
            taken: Taken::middle(taken)?,
            contents: self.file.as_deref().map(Contents::of),
            opened: incidents.len(),
            ended: incidents.iter().filter(|incident| incident.end_time.is_some()).count(),
        })
    }

    fn break_what_is_due(&mut self) {
        let now = self.began.elapsed();
        while let Some(breaking) = self.left.pop_if(|next| next.at <= now) {
            let Breaking { kind, service, onset, seed, .. } = breaking;
            let request = InjectFaultRequest {
                kind: kind.into(),
                service_name: service.to_owned(),
                onset: onset.into(),
                seed,
                ..InjectFaultRequest::default()
            };
            match self.client.ask(self.client.simulator().inject_fault(request)) {
                Ok(fault) => self.at_work.push((fault.name, now)),
                Err(error) => self.troubles.push(format!("{} of {service}: {error}", kind.as_str_name())),
            }
        }
    }

    /// Clears what nobody cured for long, so that a service can break again and people are not called for ever.
    fn clear_what_lasts(&mut self) {
        let now = self.began.elapsed();
        let patience = PATIENCE / u32::try_from(self.settings.speed).unwrap_or(u32::MAX);
        let (over, going) = self.at_work.drain(..).partition(|(_, since)| now.saturating_sub(*since) >= patience);
        self.at_work = going;
        self.clear(over);
    }

    /// Clears those of these faults that are at work still; of one that was cured nothing is left to clear.
    fn clear(&mut self, faults: Vec<(String, Duration)>) {
        for (name, _) in faults {
            let request = ClearFaultRequest { name: name.clone() };
            if let Err(error) = self.client.ask(self.client.simulator().clear_fault(request)) {
                self.troubles.push(format!("clear {name}: {error}"));
            }
        }
    }

    fn approve(&mut self) {
        let request = ListActionsRequest {
            parent: ANY_INCIDENT.to_owned(),
            states: vec![ActionState::AwaitingApproval.into()],
            page_size: PAGE,
            ..ListActionsRequest::default()
        };
        let waiting = match self.client.ask(self.client.remediation().list_actions(request)) {
            Ok(listed) => listed.actions,
            Err(error) => return self.troubles.push(format!("list actions: {error}")),
        };
        for action in waiting {
            let request = ApproveActionRequest {
                name: action.name.clone(),
                digest: action.digest,
                note: "seen by the soak".to_owned(),
                request_id: Uuid::now_v7().to_string(),
                ..ApproveActionRequest::default()
            };
            match self.client.ask(self.client.remediation().approve_action(request)) {
                Ok(_) => self.approved += 1,
                // Its incident ended, or the service changed, since it was listed.
                Err(error) if error.code() == Code::FailedPrecondition => {}
                Err(error) => self.troubles.push(format!("approve {}: {error}", action.name)),
            }
        }
    }

    /// All there are; the newest where they are more than a list gives.
    fn incidents(&mut self) -> Vec<Incident> {
        let request = ListIncidentsRequest { page_size: PAGE, ..ListIncidentsRequest::default() };
        match self.client.ask(self.client.incidents().list_incidents(request)) {
            Ok(listed) => listed.incidents,
            Err(error) => {
                self.troubles.push(format!("list incidents: {error}"));
                Vec::new()
            }
        }
    }

    fn end(mut self, rows: Vec<Row>) -> Ended {
        let left = std::mem::take(&mut self.at_work);
        self.clear(left);
        let request = ListFaultsRequest { page_size: PAGE, ..ListFaultsRequest::default() };
        let faults = match self.client.ask(self.client.simulator().list_faults(request)) {
            Ok(listed) => listed.faults,
            Err(error) => {
                self.troubles.push(format!("list faults: {error}"));
                Vec::new()
            }
        };
        let incidents = self.incidents();
        let mut verify = process::llm_sre(self.folder.path());
        let verified = verify.args(["audit", "verify", "--address", &self.address]).output().unwrap();
        if !verified.status.success() {
            self.troubles.push(format!("audit: {}", String::from_utf8_lossy(&verified.stderr).trim()));
        }
        if !self.product.has_ended() {
            let status = self.product.terminate();
            if !status.success() {
                self.troubles.push(format!("the product was asked to end and ended with {status}"));
            }
        }
        Ended {
            rows,
            made: made(&faults, &incidents),
            faults,
            log: self.product.err(),
            troubles: self.troubles,
            now_ms: i64::try_from(client::now().as_millis()).unwrap(),
            approved: self.approved,
            verified: String::from_utf8_lossy(&verified.stdout).trim().to_owned(),
        }
    }
}

/// The incidents that were detected after the first fault: before it, nothing was there to be detected.
fn made(faults: &[Fault], incidents: &[Incident]) -> Made {
    let at = |time: Option<&Timestamp>| time.map(|time| (time.seconds, time.nanos));
    let first = faults.iter().filter_map(|fault| at(fault.start_time.as_ref())).min();
    let of_faults = incidents.iter().filter(|incident| {
        let detected = at(incident.detect_time.as_ref());
        first.zip(detected).is_some_and(|(first, detected)| detected >= first)
    });
    let ids = of_faults.map(|incident| incident.name.trim_start_matches("incidents/").to_owned());
    Made { incidents: ids.collect() }
}

/// The variables of an image, but for those that whoever runs the soak has set otherwise.
fn variables(image: &str) -> impl Iterator<Item = (&str, &str)> {
    let said = image.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    said.filter(|(name, _)| std::env::var_os(name).is_none())
}

/// The keys of a shop in a hurry: what waits by the product's clock waits as much longer.
fn hurry(speed: u64) -> String {
    if speed == 1 {
        return String::new();
    }
    let longer = |default_s: u64| default_s * speed;
    format!(
        "[clock]\nspeed = {:?}\nepoch = \"{}\"\n\
         [incidents]\nopen_s = {}\ndiagnosing_s = {}\nplanning_s = {}\nremediating_s = {}\nverifying_s = {}\n",
        speed as f64,
        client::now().as_secs(),
        longer(300),
        longer(300),
        longer(180),
        longer(600),
        longer(4_800),
    )
}

#[test]
fn the_image_limits_the_arenas_of_its_allocator() {
    let found: Vec<_> = variables("FROM a\nENV LLM_SRE_NOBODY_SETS=1\nUSER 1").collect();
    assert_eq!(found, [("LLM_SRE_NOBODY_SETS", "1")]);
    assert!(IMAGE.lines().any(|line| line.starts_with("ENV MALLOC_ARENA_MAX=")));
}

#[test]
fn incidents_are_of_faults_that_began_before_them() {
    let time = |seconds: i64| Some(Timestamp { seconds, nanos: 0 });
    let fault = |start: i64| Fault { start_time: time(start), ..Fault::default() };
    let incident = |name: &str, detected: i64| Incident {
        name: format!("incidents/{name}"),
        detect_time: time(detected),
        ..Incident::default()
    };
    let incidents = [incident("early", 99), incident("own", 100), incident("late", 900)];
    let found = made(&[fault(500), fault(100)], &incidents).incidents;
    assert!(found.iter().eq(["late", "own"]), "{found:?}");
    assert!(made(&[], &incidents).incidents.is_empty(), "of no fault is nothing");
    assert!(made(&[fault(1)], &[Incident::default()]).incidents.is_empty(), "nobody knows when");
}
