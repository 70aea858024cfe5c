//! The deployment of `docker-compose.yml`: its commands and files as they stand, as processes instead of containers, on
//! a real Kafka and a real OpenSearch. The shop sends to a real Collector, and the Collector to the gateway.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};
use llm_sre_proto::remediation::v1::{Action, ActionState, ListActionsRequest};
use llm_sre_proto::simulator::v1::{Fault, FaultState, GetSimulationRequest, ListFaultsRequest};
use llm_sre_proto::telemetry::v1::{ListChangesRequest, ServiceIdentity, TimeRange};
use serde_json::Value;
use tempfile::TempDir;

use crate::by_grpc_web::post;
use crate::client::{self, Client};
use crate::parts::kafka::Kafka;
use crate::parts::{self, Jaeger, OpenSearch};
use crate::process::{self, Process};
use crate::traces;

/// How fast the shop runs: a Collector's batch of 200 ms is 3 s of it, well within what counts as late even with the way to the
/// detector.
const SPEED: u32 = 15;
/// How long the shop runs before it breaks, in its own time, so that the usual is known.
const WARM_UP_S: i64 = 15 * 60;
const READY_WITHIN: Duration = Duration::from_secs(60);
const WARM_WITHIN: Duration = Duration::from_secs(90);
/// See [`Clients::deployed`].
const DEPLOYED_WITHIN_S: i64 = 30 * 60;
const ENDED_WITHIN: Duration = Duration::from_secs(180);
/// Where containers find files.
const MOUNTED: &str = "/etc/llm-sre";
/// What containers listen on.
const ANYWHERE: &str = "0.0.0.0:";

/// The project as Compose understands it, or nothing where the part that reads it is missing.
fn project(test: &str) -> Option<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker-compose.yml");
    let output = Command::new(parts::find(test, "compose")?).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn services(project: &Value) -> impl Iterator<Item = (&str, &Value)> {
    project["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
}

fn is_ours(service: &Value) -> bool {
    service["image"] == "llm-sre"
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_compose_file_is_valid_and_shows_itself_to_this_machine_only() {
    let Some(project) = project("the_compose_file_is_valid_and_shows_itself_to_this_machine_only") else { return };
    for (name, service) in services(&project) {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
        // The Collector's image has nothing to ask with.
        assert_eq!(service["healthcheck"].is_object(), name != "collector", "{name} has a health check");
        let variables = service["environment"].as_object().into_iter().flatten();
        for (variable, value) in variables {
            assert!(!variable.contains("PASSWORD") || value.is_null(), "{name} says a secret: {variable}");
        }
        assert!(!service["image"].as_str().unwrap().ends_with(":latest"), "{name} has no pinned version");
    }
    let built: Vec<_> = services(&project).filter(|(_, service)| service["build"].is_object()).collect();
    assert!(matches!(built[..], [(_, service)] if is_ours(service)), "one service builds the image for all: {built:?}");
    for name in
        ["kafka", "opensearch", "opensearch-dashboards", "jaeger", "collector", "gateway", "dashboard", "simulator"]
    {
        assert!(project["services"][name].is_object(), "{name}");
    }
    for name in ["indexer", "detector", "diagnosis", "remediation"] {
        let command = |number| &project["services"][format!("{name}-{number}")]["command"];
        assert!(command(1).is_array() && command(1) == command(2), "there are two of {name}");
    }
}

/// The real engines beside the product.
struct Engines {
    kafka: Kafka,
    opensearch: OpenSearch,
    jaeger: Jaeger,
}

struct Deployment {
    folder: TempDir,
    /// `name:port` of a container, and where it is on this machine.
    places: BTreeMap<String, String>,
    project: Value,
    running: BTreeMap<String, Process>,
}

impl Deployment {
    fn new(project: Value, engines: &Engines) -> Self {
        let host_and_port = |url: String| url.rsplit('/').next().unwrap().to_owned();
        let jaeger = format!("127.0.0.1:{}", engines.jaeger.otlp_grpc_port);
        let mut places: BTreeMap<String, String> = [
            ("kafka:9092", engines.kafka.address()),
            ("opensearch:9200", host_and_port(engines.opensearch.url())),
            ("jaeger:4317", jaeger),
        ]
        .map(|(name, place)| (name.to_owned(), place))
        .into();
        let mut ports = Vec::from(parts::free_ports::<16>());
        let mut place = |name: &str, port: &str| {
            places.insert(format!("{name}:{port}"), format!("127.0.0.1:{}", ports.pop().unwrap()));
        };
        for (name, service) in services(&project).filter(|(_, service)| is_ours(service)) {
            let command = words(&service["command"]);
            command.iter().filter_map(|word| word.strip_prefix(ANYWHERE)).for_each(|port| place(name, port));
        }
        ["4317", "4318"].iter().for_each(|port| place("collector", port));
        let folder = tempfile::Builder::new().prefix("compose-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { folder, places, project, running: BTreeMap::new() }
    }

    /// A text of the deployment with the places of this machine: a container listens anywhere, by its own name here.
    fn here(&self, name: &str, text: &str) -> String {
        let text = text.replace(ANYWHERE, &format!("{name}:")).replace("localhost:", &format!("{name}:"));
        let text = text.replace(MOUNTED, &self.folder.path().display().to_string());
        self.places.iter().fold(text, |text, (there, here)| text.replace(there, here))
    }

    fn write_files(&self) {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        for entry in std::fs::read_dir(deploy).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let mut text = self.here("collector", &std::fs::read_to_string(entry.path()).unwrap());
            if name == "llm-sre.toml" {
                let now_s = client::now().as_secs();
                text += &format!("\n[clock]\nspeed = {SPEED}.0\nepoch = \"{now_s}\"\n");
            }
            process::write(self.folder.path(), &name, &text);
        }
    }

    fn start(&mut self, name: &str) {
        let service = &self.project["services"][name];
        let command = words(&service["command"]).into_iter().map(|word| self.here(name, &word));
        let mut program = if is_ours(service) {
            process::llm_sre(self.folder.path())
        } else {
            Command::new(parts::find(name, "otelcol").unwrap())
        };
        program.args(command);
        self.running.insert(name.to_owned(), Process::spawn(name.to_owned(), program));
    }

    /// Starts all that is ours, and the Collector.
    fn start_all(&mut self) {
        let ours: Vec<String> =
            services(&self.project).filter(|(_, service)| is_ours(service)).map(|(name, _)| name.to_owned()).collect();
        ours.iter().map(String::as_str).chain(["collector"]).for_each(|name| self.start(name));
        ours.iter().for_each(|name| self.wait_healthy(name));
    }

    /// Waits for what the container's health check asks.
    fn wait_healthy(&mut self, name: &str) {
        let check = words(&self.project["services"][name]["healthcheck"]["test"]);
        assert_eq!(check[..2], ["CMD", "llm-sre"], "{name}: {check:?}");
        let check: Vec<String> = check[2..].iter().map(|word| self.here(name, word)).collect();
        let check: Vec<&str> = check.iter().map(String::as_str).collect();
        let process = self.running.get_mut(name).unwrap();
        process.wait_until(&format!("health of {name}"), READY_WITHIN, |_| process::run(&check).status.success());
    }

    /// Ends one as its container's stop does, and starts it again.
    fn restart(&mut self, name: &str) {
        let mut process = self.running.remove(name).unwrap();
        let status = process.terminate();
        assert!(status.success(), "{name}: {status}: {}", process.err());
        self.start(name);
        self.wait_healthy(name);
    }

    fn client(&self, place: &str) -> Client {
        Client::new(&self.places[place])
    }

    fn wait_until(&mut self, what: &str, deadline: Duration, holds: impl Fn() -> bool) {
        parts::wait_until(what, deadline, || {
            self.running.values_mut().for_each(Process::assert_alive);
            holds()
        });
    }
}

/// What the deployment is asked through.
struct Clients {
    incidents: Client,
    remediation: Client,
    telemetry: Client,
    shop: Client,
}

impl Clients {
    /// The shop's time; nothing while it cannot be asked.
    fn time_s(&self) -> Option<i64> {
        let simulation = self.shop.ask(self.shop.simulator().get_simulation(GetSimulationRequest {})).ok()?;
        simulation.time.map(|time| time.seconds)
    }

    fn fault(&self, name: &str) -> Fault {
        let faults = self.shop.ask(self.shop.simulator().list_faults(ListFaultsRequest::default())).unwrap().faults;
        faults.into_iter().find(|fault| fault.name == name).unwrap()
    }

    /// A service that was well so far: trouble that comes back to one reopens its incident and is no other.
    fn unbroken(&self) -> String {
        let asked = self.shop.ask(self.shop.simulator().list_faults(ListFaultsRequest::default())).unwrap();
        // A control breaks nothing, so that nothing cures it.
        let broken = |fault: &Fault| fault.service.clone().filter(|_| !fault.cure.is_empty());
        let broken: Vec<_> = asked.faults.iter().filter_map(broken).collect();
        let shop = self.shop.ask(self.shop.simulator().get_simulation(GetSimulationRequest {})).unwrap();
        let mut well: Vec<_> = shop.services.into_iter().filter_map(|service| service.identity).collect();
        // The shop's own people deploy, too: what they deployed lately is rightly suspected of what comes next.
        let deployed = self.deployed(shop.time.unwrap().seconds);
        well.retain(|service| !broken.contains(service) && !deployed.contains(service));
        let drawn = RandomState::new().hash_one(broken.len()) % u64::try_from(well.len()).unwrap();
        well.swap_remove(usize::try_from(drawn).unwrap()).name
    }

    /// What was deployed within the time in which that is suspected, and a while before.
    fn deployed(&self, now_s: i64) -> Vec<ServiceIdentity> {
        let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
        let range = Some(TimeRange { start_time: at(now_s - DEPLOYED_WITHIN_S), end_time: at(now_s) });
        let request = ListChangesRequest { range, ..ListChangesRequest::default() };
        let changes = self.telemetry.ask(self.telemetry.telemetry().list_changes(request)).unwrap().changes;
        changes.into_iter().filter_map(|change| change.service).collect()
    }

    /// Breaks a service, or sends it a peak of traffic.
    fn inject(&self, address: &str, kind: &str, service: &str) -> String {
        let arguments = ["faults", "inject", "--kind", kind, "--service", service, "--output", "json"];
        let injected = process::run(&[&arguments[..], &["--address", address]].concat());
        assert!(injected.status.success(), "{}", String::from_utf8_lossy(&injected.stderr));
        let fault: Value = serde_json::from_slice(&injected.stdout).unwrap();
        fault["name"].as_str().unwrap().to_owned()
    }

    /// What was proposed for an incident.
    fn actions(&self, incident: &str) -> Vec<Action> {
        let request = ListActionsRequest { parent: incident.to_owned(), ..ListActionsRequest::default() };
        self.remediation.ask(self.remediation.remediation().list_actions(request)).unwrap().actions
    }

    /// What became of the newest incident so far, for a failure's message.
    fn story(&self, incidents: &[Incident]) -> String {
        let Some(newest) = incidents.first() else { return "there is no incident".to_owned() };
        let steps = newest.timeline.iter().map(|entry| format!("{:?} {}", entry.state(), entry.message));
        let actions = self.actions(&newest.name);
        let actions = actions.iter().map(|action| {
            let kind = action.spec.as_ref().map(|spec| &*spec.r#type).unwrap_or_default();
            let (cause, sure, state) = (action.cause(), action.confidence, action.state());
            let measured = action.recovery.as_ref().map(|recovery| &*recovery.reason).unwrap_or_default();
            format!("{kind} for {cause:?} ({sure:.2}) is {state:?}: {}, {measured}", action.outcome)
        });
        let count = std::iter::once(format!("of {} incidents the newest is {}", incidents.len(), newest.title));
        count.chain(steps).chain(actions).collect::<Vec<_>>().join("; ")
    }

    /// What was done about an incident.
    fn executed(&self, incident: &str) -> Vec<Action> {
        self.actions(incident).into_iter().filter(|action| action.state() == ActionState::Succeeded).collect()
    }
}

fn is_measured(incident: &Incident) -> bool {
    let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
    incident.state() == State::Resolved && reason == Some(ResolutionReason::Measured)
}

/// Whether it ended. One that waits for a person may go on by itself when more is known.
fn is_over(incident: &Incident) -> bool {
    matches!(incident.state(), State::Resolved | State::Duplicate)
}

#[test]
fn the_compose_deployment_repairs_every_fault_and_leaves_the_control_alone() {
    const TEST: &str = "the_compose_deployment_repairs_every_fault_and_leaves_the_control_alone";
    let (Some(project), Some(kafka), Some(opensearch), Some(jaeger), Some(_)) =
        (project(TEST), Kafka::start(TEST), OpenSearch::start(TEST), Jaeger::start(TEST), parts::find(TEST, "otelcol"))
    else {
        return;
    };
    let _alone = process::one_shop_at_a_time();
    let engines = Engines { kafka, opensearch, jaeger };
    let mut deployment = Deployment::new(project, &engines);
    deployment.write_files();
    deployment.start_all();
    let clients = Clients {
        incidents: deployment.client("detector-2:50052"),
        remediation: deployment.client("remediation-1:50054"),
        telemetry: deployment.client("indexer-1:50051"),
        shop: deployment.client("simulator:50055"),
    };
    let shop = deployment.places["simulator:50055"].clone();
    let opened = clients.time_s().unwrap();
    deployment.wait_until("time to know the usual", WARM_WITHIN, || {
        clients.time_s().is_some_and(|time| time - opened >= WARM_UP_S)
    });

    let control = clients.inject(&shop, "traffic_peak", "");
    deployment.wait_until("end of the peak", ENDED_WITHIN, || clients.fault(&control).state() != FaultState::Active);
    let incidents = clients.incidents.all_incidents();
    assert!(incidents.is_empty(), "a calm shop and a peak of traffic are no incidents: {incidents:#?}");

    for (number, kind) in ["bad_deploy", "connection_pool_exhaustion", "memory_leak"].into_iter().enumerate() {
        if number == 2 {
            // An upgrade: what is usual has to be known again, and the fault that comes at once to be seen.
            rolling_restart(&mut deployment);
        }
        let fault = clients.inject(&shop, kind, &clients.unbroken());
        deployment.wait_until(&format!("an incident about {kind}"), ENDED_WITHIN, || {
            clients.incidents.all_incidents().len() > number
        });
        let since = Instant::now();
        deployment.wait_until(&format!("the end of {kind}"), ENDED_WITHIN * 2, || {
            let incidents = clients.incidents.all_incidents();
            let is_in_time = since.elapsed() < ENDED_WITHIN && incidents.len() == number + 1;
            assert!(is_in_time, "{kind} did not end: {}", clients.story(&incidents));
            incidents.first().is_some_and(is_over)
        });
        let incidents = clients.incidents.all_incidents();
        assert_eq!(incidents.len(), number + 1, "one cause is one incident: {incidents:#?}");
        assert!(is_measured(&incidents[0]), "{kind}: {:#?}", incidents[0]);
        assert_eq!(incidents[0].service, clients.fault(&fault).service, "{kind}");
        assert_eq!(clients.fault(&fault).state(), FaultState::Cured, "{kind}");
        assert_eq!(clients.executed(&incidents[0].name).len(), 1, "{kind} is repaired by one action");
        if number == 0 {
            traces::check_whole(&engines.jaeger, &incidents[0].name);
        }
    }
    // The page has all of it from processes that it only knows by their addresses.
    let place = &deployment.places["dashboard:8080"];
    let page = parts::http_get(process::port(place), "/").unwrap();
    assert!(page.contains("<title>LLM-SRE</title>"), "{page}");
    let of_page = format!("http://{place}");
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1"), ("origin", of_page.as_str())];
    let asked = post(place, "/llmsre.incident.v1.IncidentService/ListIncidents", &headers, &[0; 5]);
    let asked = String::from_utf8_lossy(&asked);
    assert!(asked.contains("grpc-status:0"), "what the page asks: {asked}");
    let seen = deployment.client("dashboard:8080").all_incidents();
    let name = |incident: &Incident| incident.name.clone();
    assert!(seen.iter().map(name).eq(clients.incidents.all_incidents().iter().map(name)), "{seen:#?}");
}

/// Every process ends and starts again, one after the other, as an upgrade does.
fn rolling_restart(deployment: &mut Deployment) {
    let names: Vec<String> = services(&deployment.project)
        .filter(|(_, service)| is_ours(service))
        .map(|(name, _)| name.to_owned())
        .collect();
    // The shop is not ours to restart in practice.
    names.iter().filter(|name| *name != "simulator").for_each(|name| deployment.restart(name));
}
