//! The whole product as one process on one file, killed again and again at drawn moments while it detects, diagnoses,
//! repairs and measures: each incident goes on, nothing is done twice, and what was accepted is stored once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_sre_adapters::sqlite::{self, Store, back_up};
use llm_sre_mesh::clients::Diagnoses;
use llm_sre_mesh::peer;
use llm_sre_ports::telemetry::RecordId;
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};
use llm_sre_proto::simulator::v1::{
    Fault, FaultKind, FaultOnset, FaultState, GetSimulationRequest, InjectFaultRequest, ListFaultsRequest,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::campaign::say;
use crate::class::BREAKABLE;
use crate::client::{self, Client};
use crate::judge::{diagnoses_of, told};
use crate::ledger::{Balance, Ledger, Stored};
use crate::parts;
use crate::process::{self, Process};
use crate::settings::number;
use crate::target::Recorder;

/// Kills of a sample; `LLM_SRE_FAULTS_KILLS` asks for another number, and `LLM_SRE_FAULTS_SEED` for a seed.
const KILLS: u64 = 4;
/// Seconds of the shop in one of real time: a process that starts again misses less than a minute of it.
const SPEED: f64 = 15.0;
/// How long the shop runs before it breaks, in its own time, so that the usual is known.
const WARM_UP_S: i64 = 15 * 60;
const WARM_WITHIN: Duration = Duration::from_secs(300);
/// Between two kills, so that some fall into each stage, and the process comes to something in between.
const GAP_MIN_S: f64 = 1.0;
const GAP_MAX_S: f64 = 8.0;
/// Kills of one incident: a process that never has time comes to nothing.
const KILLS_EACH_MAX: u64 = 6;
/// How long an incident may take in real time, kills and all.
const OVER_WITHIN: Duration = Duration::from_secs(300);
const INDEXED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SERVICES: &str = "gateway,indexer,detector,diagnosis,remediation";
const KINDS: [FaultKind; 5] = [
    FaultKind::BadDeploy,
    FaultKind::ConnectionPoolExhaustion,
    FaultKind::MemoryLeak,
    FaultKind::BadConfiguration,
    FaultKind::CpuSaturation,
];

/// The product and the shop that it watches, which nobody kills.
struct Whole {
    product: Option<Process>,
    arguments: Vec<String>,
    shop_process: Process,
    detector: Client,
    diagnoses: Diagnoses,
    control: String,
    shop: Client,
    recorder: Recorder,
    file: PathBuf,
    folder: TempDir,
    // The last to go: the recorder lives in it.
    runtime: Runtime,
}

impl Whole {
    /// Starts both, and waits until the usual is known.
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::Builder::new().prefix("whole-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let [control, otlp, http, simulator] = parts::free_ports();
        let (recorder, target) = Recorder::start(&runtime, simulator);
        let file = folder.path().join("store.sqlite");
        let clock = format!("[clock]\nspeed = {SPEED:?}\nepoch = \"{}\"\n", client::now().as_secs());
        // What waits by the product's clock waits as much longer as the shop is in a hurry.
        let longer = |default_s: f64| (default_s * SPEED).round();
        let policy = format!(
            "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n[[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"auto\"\n\
             [limits]\napproval_expiry_s = {}\nexecution_s = {}\n",
            longer(1_800.0),
            longer(540.0)
        );
        process::write(folder.path(), "policy.toml", &policy);
        let product = format!(
            "[store]\npath = {file:?}\n[policy]\nfile = \"policy.toml\"\n{clock}\
             [incidents]\nopen_s = {}\ndiagnosing_s = {}\nplanning_s = {}\nremediating_s = {}\nverifying_s = {}\n\
             [[targets]]\nservice = \"shop/*@demo\"\nendpoint = \"http://127.0.0.1:{target}\"\n",
            longer(300.0),
            longer(300.0),
            longer(180.0),
            longer(600.0),
            longer(4_800.0),
        );
        let product = process::write(folder.path(), "product.toml", &product);
        let shop = format!("{clock}[peers]\ngateway = \"http://127.0.0.1:{otlp}\"\n");
        let shop = process::write(folder.path(), "shop.toml", &shop);
        let at = |port: u16| format!("127.0.0.1:{port}");
        let arguments =
            run(&product, SERVICES, &[("--listen", at(control)), ("--otlp-grpc", at(otlp)), ("--otlp-http", at(http))]);
        let shop_arguments = run(&shop, "simulator", &[("--listen", at(simulator))]);
        let shop_process = spawn(folder.path(), "simulator", &shop_arguments);
        let diagnoses = {
            let _inside = runtime.enter();
            Diagnoses::new(peer::remote(&format!("http://{}", at(control))).unwrap())
        };
        let mut whole = Self {
            product: None,
            arguments,
            shop_process,
            detector: Client::new(&at(control)),
            diagnoses,
            control: at(control),
            shop: Client::new(&at(simulator)),
            recorder,
            file,
            folder,
            runtime,
        };
        whole.start_product();
        drop(whole.shop_process.control());
        let opened = whole.shop_time_s().unwrap();
        parts::wait_until("time to know the usual", WARM_WITHIN, || {
            whole.shop_time_s().is_some_and(|time| time - opened >= WARM_UP_S)
        });
        whole
    }

    fn start_product(&mut self) {
        let mut product = spawn(self.folder.path(), "product", &self.arguments);
        drop(product.control());
        self.product = Some(product);
    }

    /// Ends the product as `kill -9` does, and starts it again.
    fn kill(&mut self) {
        let mut product = self.product.take().unwrap();
        product.signal("-KILL");
        product.end(Duration::from_secs(10));
        self.start_product();
    }

    fn shop_time_s(&self) -> Option<i64> {
        let simulation = self.shop.ask(self.shop.simulator().get_simulation(GetSimulationRequest {})).ok()?;
        simulation.time.map(|time| time.seconds)
    }

    fn fault(&self, name: &str) -> Fault {
        let faults = self.shop.ask(self.shop.simulator().list_faults(ListFaultsRequest::default())).unwrap().faults;
        faults.into_iter().find(|fault| fault.name == name).unwrap()
    }

    /// Breaks a service, and kills the product at most so often until the incident of that is over. How often.
    fn live_through(&mut self, kind: FaultKind, service: &str, kills_max: u64, random: &mut ChaCha8Rng) -> u64 {
        let request = InjectFaultRequest {
            kind: kind.into(),
            service_name: service.to_owned(),
            onset: FaultOnset::Sudden.into(),
            seed: random.random_range(1..u64::MAX),
            ..InjectFaultRequest::default()
        };
        let known: Vec<String> = self.detector.all_incidents().into_iter().map(|incident| incident.name).collect();
        let done = self.recorder.done().len();
        let fault = self.shop.ask(self.shop.simulator().inject_fault(request)).unwrap();
        let mut kills = 0;
        let began = Instant::now();
        let mut next = began + Duration::from_secs_f64(random.random_range(GAP_MIN_S..GAP_MAX_S));
        let opened = loop {
            let opened: Vec<Incident> =
                self.detector.all_incidents().into_iter().filter(|incident| !known.contains(&incident.name)).collect();
            if !opened.is_empty() && opened.iter().all(|incident| incident.end_time.is_some()) {
                break opened;
            }
            let is_late = began.elapsed() >= OVER_WITHIN;
            assert!(!is_late, "{fault:?} is not over after {kills} kills\n{}", self.story(&opened));
            if kills < kills_max && Instant::now() >= next {
                self.kill();
                kills += 1;
                next = Instant::now() + Duration::from_secs_f64(random.random_range(GAP_MIN_S..GAP_MAX_S));
            }
            std::thread::park_timeout(LOOK_EVERY);
        };
        let what = format!("{} of {service}, after {kills} kills", kind.as_str_name());
        let reasons: Vec<_> =
            opened.iter().map(|incident| incident.resolution.as_ref().map(|it| it.reason())).collect();
        let is_measured = opened[0].state() == State::Resolved && reasons == [Some(ResolutionReason::Measured)];
        assert!(is_measured, "{what}\n{}", self.story(&opened));
        assert_eq!(self.fault(&fault.name).state(), FaultState::Cured, "{what}\n{}", self.story(&opened));
        let acted: Vec<String> = self.recorder.done()[done..].iter().map(|done| done.what.clone()).collect();
        assert!(
            matches!(&acted[..], [only] if only.starts_with(&fault.cure)),
            "{what}: {acted:?}\n{}",
            self.story(&opened)
        );
        say(&format!("{what}: {:.0} s, {}", began.elapsed().as_secs_f64(), acted[0]));
        kills
    }

    /// What became of incidents, and what was done to the shop.
    fn story(&self, incidents: &[Incident]) -> String {
        let told = |incident: &Incident| {
            let found = self.runtime.block_on(self.diagnoses.list_diagnoses(diagnoses_of(incident)));
            told(incident, found.map(|found| found.diagnoses).unwrap_or_default())
        };
        let done = self.recorder.done().into_iter().map(|done| format!("done: {}", done.what));
        incidents.iter().flat_map(told).chain(done).collect::<Vec<_>>().join("\n")
    }

    /// That nothing came late: an incident of each fault, and its one repair.
    fn is_as_it_was(&self, faults: usize) {
        let opened = self.detector.all_incidents();
        assert_eq!(opened.len(), faults, "{opened:#?}");
        let done = self.recorder.done();
        assert_eq!(done.len(), faults, "{:?}", done.iter().map(|done| &done.what).collect::<Vec<_>>());
    }

    /// Ends the shop, lets the product take what it was sent, and compares that with what is stored.
    fn count(&mut self) -> Balance {
        assert!(self.shop_process.terminate().success(), "{}", self.shop_process.err());
        let (runtime, file) = (&self.runtime, &self.file);
        let store = {
            let _inside = runtime.enter();
            Store::open(file, sqlite::Options::default()).unwrap()
        };
        let mut ledger = Ledger::new(Arc::new(store.bus()));
        let ends = runtime.block_on(ledger.ends());
        parts::wait_until("what was accepted to be stored", INDEXED_WITHIN, || {
            runtime.block_on(ledger.lag_behind("indexer", &ends)) == 0
        });
        runtime.block_on(ledger.read_to(&ends));
        let dead = runtime.block_on(ledger.dead_letters());
        let copy = self.folder.path().join("copy.sqlite");
        back_up(file, &copy).unwrap();
        let copy = Connection::open(&copy).unwrap();
        let stored = Stored {
            points: records(&copy, "points"),
            logs: records(&copy, "logs"),
            changes: records(&copy, "changes"),
            calls: Vec::new(),
            dead,
        };
        ledger.balance(stored, &ends)
    }
}

/// The ids of what a table holds.
fn records(store: &Connection, table: &str) -> Vec<RecordId> {
    let mut statement = store.prepare(&format!("SELECT record FROM {table}")).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, [u8; 17]>(0)).unwrap();
    rows.map(|bytes| RecordId::from_bytes(&bytes.unwrap())).collect()
}

fn run(config: &Path, services: &str, flags: &[(&str, String)]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["run", "--config", &config.display().to_string(), "--services", services].map(str::to_owned).into();
    for (flag, value) in flags {
        arguments.extend([(*flag).to_owned(), value.clone()]);
    }
    arguments
}

fn spawn(folder: &Path, name: &str, arguments: &[String]) -> Process {
    let mut command = process::llm_sre(folder);
    command.args(arguments);
    Process::spawn(name.to_owned(), command)
}

#[test]
fn a_process_that_is_killed_at_any_moment_goes_on_and_does_nothing_twice() {
    let _alone = process::one_shop_at_a_time();
    let wanted = number("LLM_SRE_FAULTS_KILLS").unwrap_or(KILLS);
    let seed = number("LLM_SRE_FAULTS_SEED").unwrap_or_else(|| Uuid::now_v7().as_u128() as u64);
    say(&format!("{wanted} kills of the whole process, seed {seed}"));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut left: Vec<&str> = BREAKABLE.to_vec();
    let (mut kills, mut incidents) = (0, 0);
    let mut whole = Whole::start();
    while kills < wanted {
        // Each service breaks once: trouble that comes back to one opens its incident again.
        assert!(!left.is_empty(), "{kills} kills in {incidents} incidents, and every service was broken");
        whole.is_as_it_was(incidents);
        let service = left.swap_remove(random.random_range(0..left.len()));
        let kind = KINDS[random.random_range(0..KINDS.len())];
        kills += whole.live_through(kind, service, KILLS_EACH_MAX.min(wanted - kills), &mut random);
        incidents += 1;
    }
    let verified =
        process::llm_sre(whole.folder.path()).args(["audit", "verify", "--address", &whole.control]).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    whole.is_as_it_was(incidents);
    let balance = whole.count();
    say(&format!(
        "{kills} kills in {incidents} incidents; {}; {balance:?}",
        String::from_utf8_lossy(&verified.stdout).trim()
    ));
    assert!(balance.is_even() && balance.stored > 0, "{balance:#?}");
}
