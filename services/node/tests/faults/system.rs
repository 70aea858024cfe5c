//! The product: its services as processes, the ways between them, and the shop that they watch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llm_sre_kafka::{KafkaBus, Options};
use llm_sre_mesh::clients::Diagnoses;
use llm_sre_mesh::peer;
use llm_sre_ports::bus::EventBus;
use llm_sre_proto::simulator::v1::{FaultState, GetSimulationRequest, ListFaultsRequest, SimulatedService, Simulation};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::{self, Client};
use crate::ledger::Ledger;
use crate::links::Link;
use crate::parts;
use crate::process::{self, Process};
use crate::target::Recorder;

/// The product's services, in the order in which they are started.
pub(crate) const PRODUCT: [&str; 5] = ["gateway", "indexer", "detector", "diagnosis", "remediation"];
/// Another of each, which stands beside it in a class of its own.
pub(crate) const SECOND: [&str; 5] = ["gateway-2", "indexer-2", "detector-2", "diagnosis-2", "remediation-2"];
/// Who calls whom.
const CALLS: [(&str, &str); 7] = [
    ("simulator", "gateway"),
    ("detector", "diagnosis"),
    ("detector", "remediation"),
    ("diagnosis", "detector"),
    ("remediation", "detector"),
    ("remediation", "diagnosis"),
    ("remediation", "target"),
];
/// Who keeps what it knows in the store.
const STORING: [&str; 4] = ["indexer", "detector", "diagnosis", "remediation"];
const STORE: &str = "store";

const POLICY: &str = "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n\
                      [[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"auto\"\n[limits]\n";
/// How long the shop runs before it breaks, in its own time, so that the usual is known.
const WARM_UP_S: i64 = 15 * 60;
const WARM_WITHIN: Duration = Duration::from_secs(300);
const LINES_SHOWN: usize = 40;

/// One service and the processes that it was.
struct Service {
    arguments: Vec<String>,
    now: Option<Process>,
    before: Vec<Process>,
}

/// Where the engines are.
pub(crate) struct Engines {
    pub(crate) brokers: Vec<String>,
    pub(crate) store_port: u16,
}

/// See the module.
pub(crate) struct System {
    services: BTreeMap<&'static str, Service>,
    pub(crate) links: Vec<Link>,
    pub(crate) recorder: Recorder,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) ledger: Ledger,
    /// What stands before the names of its topics and indices.
    pub(crate) prefix: String,
    pub(crate) speed: f64,
    pub(crate) detector: Client,
    pub(crate) diagnoses: Diagnoses,
    pub(crate) shop: Client,
    /// Where the shop is driven, as host:port.
    pub(crate) shop_address: String,
    /// The ways of whoever judges. No strike parts them.
    _asked: [Link; 2],
    folder: TempDir,
    // The last to go: links and clients live in it.
    pub(crate) runtime: Runtime,
}

impl System {
    /// Starts everything, and waits until the usual is known.
    pub(crate) fn start(engines: &Engines, prefix: &str, speed: f64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::Builder::new().prefix("faults-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut ports = ports();
        let simulator = ports["simulator"][0];
        let (recorder, target) = Recorder::start(&runtime, simulator);
        ports.extend([("target", vec![target]), (STORE, vec![engines.store_port])]);
        let way = |from: &str, to: &str| Link::open(&runtime, format!("{from}-{to}"), &ports[to]);
        let ways = CALLS.into_iter().chain(STORING.map(|name| (name, STORE)));
        let links = ways.map(|(from, to)| way(from, to)).collect();
        let (asked, explained) = (way("test", "detector"), way("test", "diagnosis"));
        let diagnosis = {
            let _inside = runtime.enter();
            peer::remote(&format!("http://127.0.0.1:{}", explained.port())).unwrap()
        };
        let options = Options { prefix: format!("{prefix}-"), ..Options::new(engines.brokers.clone()) };
        let bus: Arc<dyn EventBus> = Arc::new(KafkaBus::new(options).unwrap());
        let mut system = Self {
            services: BTreeMap::new(),
            links,
            recorder,
            ledger: Ledger::new(Arc::clone(&bus)),
            bus,
            prefix: prefix.to_owned(),
            speed,
            detector: Client::new(&format!("127.0.0.1:{}", asked.port())),
            diagnoses: Diagnoses::new(diagnosis),
            _asked: [asked, explained],
            shop: Client::new(&format!("127.0.0.1:{simulator}")),
            shop_address: format!("127.0.0.1:{simulator}"),
            folder,
            runtime,
        };
        // As below: what waits by the product's clock waits longer in a shop in a hurry.
        let longer = |seconds: f64| (seconds * speed).round();
        let policy = format!("{POLICY}approval_expiry_s = {}\nexecution_s = {}\n", longer(1_800.0), longer(540.0));
        process::write(system.folder.path(), "policy.toml", &policy);
        let epoch_s = client::now().as_secs();
        for name in PRODUCT.into_iter().chain(["simulator"]) {
            let config = system.config(name, engines, epoch_s);
            let config = process::write(system.folder.path(), &format!("{name}.toml"), &config);
            let second = SECOND.into_iter().find(|second| second.starts_with(name));
            for (name_of_it, port) in [Some(name), second].into_iter().flatten().zip(&ports[name]) {
                let arguments = arguments(name, &config, *port);
                system.services.insert(name_of_it, Service { arguments, now: None, before: Vec::new() });
            }
            system.launch(name);
        }
        PRODUCT.into_iter().chain(["simulator"]).for_each(|name| system.await_start(name));
        system.warm_up();
        system
    }

    fn config(&self, name: &str, engines: &Engines, epoch_s: u64) -> String {
        let way = |to: &str| {
            let link = self.links.iter().find(|link| link.name == format!("{name}-{to}"));
            link.map(|link| format!("http://127.0.0.1:{}", link.port()))
        };
        let peers = ["gateway", "detector", "diagnosis", "remediation"];
        let peers: String =
            peers.iter().filter_map(|to| way(to).map(|address| format!("{to} = \"{address}\"\n"))).collect();
        let target = way("target")
            .map(|address| format!("[[targets]]\nservice = \"shop/*@demo\"\nendpoint = \"{address}\"\n"))
            .unwrap_or_default();
        let store = way(STORE).unwrap_or_else(|| format!("http://127.0.0.1:{}", engines.store_port));
        // Outages last for seconds of real time, which are minutes of a shop in a hurry. What waits by the product's
        // clock waits as much longer.
        let longer = |default_s: f64| (default_s * self.speed).round();
        format!(
            "[store.opensearch]\nurl = \"{store}\"\nprefix = \"{prefix}\"\n\
             [bus.kafka]\nbrokers = {brokers:?}\nprefix = \"{prefix}-\"\n\
             [policy]\nfile = \"policy.toml\"\n[clock]\nspeed = {speed:?}\nepoch = \"{epoch_s}\"\n\
             [incidents]\nopen_s = {}\ndiagnosing_s = {}\nplanning_s = {}\nremediating_s = {}\nverifying_s = {}\n\
             [peers]\n{peers}{target}",
            longer(300.0),
            longer(300.0),
            longer(180.0),
            longer(600.0),
            longer(4_800.0),
            prefix = self.prefix,
            brokers = engines.brokers,
            speed = self.speed,
        )
    }

    fn warm_up(&mut self) {
        let opened = self.shop_time_s().unwrap();
        let needed = f64::from(i32::try_from(WARM_UP_S).unwrap()) / self.speed;
        let within = WARM_WITHIN + Duration::from_secs_f64(needed);
        parts::wait_until("time to know the usual", within, || {
            self.shop_time_s().is_some_and(|time| time - opened >= WARM_UP_S)
        });
        parts::wait_until("a detector that follows", WARM_WITHIN, || {
            self.detector.answers() && self.runtime.block_on(self.ledger.lag("detector")) < self.lag_max()
        });
    }

    /// The shop as it says; nothing while it cannot be asked.
    pub(crate) fn simulation(&self) -> Option<Simulation> {
        self.shop.ask(self.shop.simulator().get_simulation(GetSimulationRequest {})).ok()
    }

    pub(crate) fn shop_time_s(&self) -> Option<i64> {
        self.simulation()?.time.map(|time| time.seconds)
    }

    /// Which version of a service of the shop runs.
    pub(crate) fn version(&self, name: &str) -> Option<String> {
        let services = self.simulation()?.services;
        let is_named =
            |service: &SimulatedService| service.identity.as_ref().is_some_and(|identity| identity.name == name);
        services.into_iter().find(is_named).map(|service| service.version)
    }

    /// Whether no fault of the shop is at work.
    pub(crate) fn is_shop_well(&self) -> bool {
        let request = ListFaultsRequest { active_only: true, ..ListFaultsRequest::default() };
        let active = self.shop.ask(self.shop.simulator().list_faults(request)).unwrap().faults;
        active.iter().all(|fault| fault.state() != FaultState::Active)
    }

    /// So many seconds of the shop in real time.
    pub(crate) fn real(&self, shop_s: f64) -> Duration {
        Duration::from_secs_f64(shop_s / self.speed)
    }

    /// A lag that is none: what the shop sends in two seconds, three requests a service every ten seconds of its own.
    pub(crate) fn lag_max(&self) -> u64 {
        (2.0 * self.speed * 5.1).ceil() as u64
    }

    /// Starts a service again without waiting until it serves.
    fn launch(&mut self, name: &str) {
        let folder = self.folder.path().to_owned();
        let service = self.services.get_mut(name).unwrap();
        let mut command = process::llm_sre(&folder);
        command.args(&service.arguments);
        service.now = Some(Process::spawn(name.to_owned(), command));
    }

    fn await_start(&mut self, name: &str) {
        let process = self.services.get_mut(name).and_then(|service| service.now.as_mut()).unwrap();
        drop(if name.starts_with("gateway") { process.otlp_grpc() } else { process.control() });
    }

    /// Starts a service again and waits until it serves.
    pub(crate) fn start_again(&mut self, name: &str) {
        self.launch(name);
        self.await_start(name);
    }

    /// Ends a service as `kill -9` does.
    pub(crate) fn kill(&mut self, name: &str) {
        let service = self.services.get_mut(name).unwrap();
        let mut process = service.now.take().unwrap();
        process.signal("-KILL");
        process.end(Duration::from_secs(10));
        service.before.push(process);
    }

    /// Asks a service to end, and waits for it. Gives what is wrong with how it ended.
    pub(crate) fn terminate(&mut self, name: &str) -> Option<String> {
        let service = self.services.get_mut(name).unwrap();
        let mut process = service.now.take().unwrap();
        let status = process.terminate();
        service.before.push(process);
        (!status.success()).then(|| format!("{name} was asked to end and ended with {status}"))
    }

    /// What is wrong with the audit record; nothing where it holds together.
    pub(crate) fn audit(&self) -> Option<String> {
        let arguments = &self.services["remediation"].arguments;
        let address = arguments.iter().skip_while(|argument| *argument != "--listen").nth(1).unwrap();
        let mut command = process::llm_sre(self.folder.path());
        let verified = command.args(["audit", "verify", "--address", address]).output().unwrap();
        (!verified.status.success()).then(|| format!("audit: {}", String::from_utf8_lossy(&verified.stderr).trim()))
    }

    /// The services that ended though nobody asked them to.
    pub(crate) fn ended(&mut self) -> Vec<&'static str> {
        let mut ended = Vec::new();
        for (name, service) in &mut self.services {
            if service.now.as_mut().is_some_and(Process::has_ended) {
                ended.push(*name);
            }
        }
        ended
    }

    /// The ends of all logs, for who looks into a failure.
    pub(crate) fn tails(&self) -> String {
        let mut text = String::new();
        for (name, service) in &self.services {
            let processes = service.before.iter().map(|process| ("before", process));
            for (which, process) in processes.chain(service.now.iter().map(|process| ("now", process))) {
                let err = process.err();
                let lines: Vec<_> = err.lines().collect();
                let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
                text += &format!("--- {name} ({which})\n{}\n", shown.join("\n"));
            }
        }
        text
    }

    /// Forgets the logs of processes that are gone.
    pub(crate) fn forget_logs(&mut self) {
        self.services.values_mut().for_each(|service| service.before.clear());
    }
}

/// Where each service listens, and the other of its kind.
fn ports() -> BTreeMap<&'static str, Vec<u16>> {
    let free: [u16; 12] = parts::free_ports();
    let names = PRODUCT.into_iter().chain(["simulator"]);
    names.zip(free.chunks(2)).map(|(name, ports)| (name, ports.to_vec())).collect()
}

fn arguments(name: &str, config: &Path, port: u16) -> Vec<String> {
    let mut arguments = vec!["run".to_owned(), "--config".to_owned(), config.display().to_string()];
    arguments.extend(["--services".to_owned(), name.to_owned()]);
    let listen = if name == "gateway" { "--otlp-grpc" } else { "--listen" };
    arguments.extend([listen.to_owned(), format!("127.0.0.1:{port}")]);
    if name == "gateway" {
        // Nobody asks for it.
        arguments.extend(["--otlp-http".to_owned(), "127.0.0.1:0".to_owned()]);
    }
    arguments
}
