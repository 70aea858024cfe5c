//! Every service as a process of its own, on one file: the files and commands of `docs/separate-processes.md`, run as
//! they stand there, but for the ports.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};
use llm_sre_proto::simulator::v1::{FaultState, GetSimulationRequest, ListFaultsRequest};
use tempfile::TempDir;

use crate::client::Client;
use crate::parts::{self, Jaeger};
use crate::process::{self, Process};

const PAGE: &str = include_str!("../../../../docs/separate-processes.md");
/// The ports of the page: OTLP over gRPC and HTTP, the control ports from the indexer's to the simulator's, and the
/// dashboard's.
const PORTS: [&str; 8] = ["4317", "4318", "50051", "50052", "50053", "50054", "50055", "8080"];
const JAEGER_PORT: &str = "14317";
/// How long the shop runs before it breaks, in its own time, so that the usual is known.
pub(crate) const WARM_UP_S: i64 = 15 * 60;
pub(crate) const WARM_WITHIN: Duration = Duration::from_secs(40);
pub(crate) const REPAIRED_WITHIN: Duration = Duration::from_secs(90);

/// The page with the ports of this run.
struct Page {
    text: String,
    ports: [u16; 8],
    folder: TempDir,
}

impl Page {
    fn new(jaeger_port: u16) -> Self {
        let ports = parts::free_ports();
        let flags = format!("--otlp-grpc 127.0.0.1:{} --otlp-http 127.0.0.1:{}", ports[0], ports[1]);
        // The page leaves the ports of OTLP to the configuration's defaults.
        let text = PAGE.replace("--services gateway", &format!("--services gateway {flags}"));
        let text = text.replace(&format!(":{JAEGER_PORT}"), &format!(":{jaeger_port}"));
        let renamed = PORTS.iter().zip(ports);
        let text = renamed
            .fold(text, |text, (port, ours)| text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{ours}")));
        let folder = tempfile::Builder::new().prefix("page-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { text, ports, folder }
    }

    /// The blocks of code in a language, in order.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let fence = format!("```{language}\n");
        self.text.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
    }

    /// The command lines that begin with this.
    fn commands(&self, beginning: &str) -> Vec<String> {
        let lines = self.blocks("sh").join("\n");
        lines.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
    }

    /// A shell that does what it is told, in the page's folder.
    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_llm-sre"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = program.parent().map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&path));
        let mut shell = process::without_settings(Command::new("sh"));
        shell.current_dir(self.folder.path()).env("PATH", std::env::join_paths(folders).unwrap());
        // The process is the program's own, so that a signal meets it.
        let line = if line.starts_with("llm-sre") { format!("exec {line}") } else { line.to_owned() };
        shell.args(["-c", &line]).stdin(Stdio::null());
        shell
    }

    fn run(&self, line: &str) -> Output {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn start(&self, line: &str) -> Process {
        Process::spawn(line.to_owned(), self.shell(line))
    }

    fn client(&self, port: &str) -> Client {
        let index = PORTS.iter().position(|known| *known == port).unwrap();
        Client::new(&format!("127.0.0.1:{}", self.ports[index]))
    }
}

/// Waits for a condition as long as all processes live.
pub(crate) fn wait_until(processes: &mut [Process], what: &str, deadline: Duration, holds: impl Fn() -> bool) {
    parts::wait_until(what, deadline, || {
        processes.iter_mut().for_each(Process::assert_alive);
        holds()
    });
}

pub(crate) fn is_measured(incident: &Incident) -> bool {
    let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
    incident.state() == State::Resolved && reason == Some(ResolutionReason::Measured)
}

/// The shop's time; nothing while it cannot be asked.
pub(crate) fn shop_time_s(shop: &Client) -> Option<i64> {
    let simulation = shop.ask(shop.simulator().get_simulation(GetSimulationRequest {})).ok()?;
    simulation.time.map(|time| time.seconds)
}

#[test]
fn services_as_processes_repair_an_incident_together() {
    const TEST: &str = "services_as_processes_repair_an_incident_together";
    let Some(jaeger) = Jaeger::start(TEST) else { return };
    let _alone = process::one_shop_at_a_time();
    let page = Page::new(jaeger.otlp_grpc_port);
    for (name, text) in ["llm-sre.toml", "policy.toml"].into_iter().zip(page.blocks("toml")) {
        process::write(page.folder.path(), name, text);
    }
    page.commands("printf").iter().for_each(|line| drop(page.run(line)));
    let commands = page.commands("llm-sre run");
    assert_eq!(commands.len(), 7, "{commands:?}");
    let mut processes: Vec<_> = commands.iter().map(|line| page.start(line)).collect();
    let (detector, shop) = (page.client("50052"), page.client("50055"));
    wait_until(&mut processes, "start of shop and detector", WARM_WITHIN, || {
        shop_time_s(&shop).is_some() && detector.answers()
    });
    let watch = page.start(&page.commands("llm-sre incidents watch")[0]);
    let opened = shop_time_s(&shop).unwrap();
    wait_until(&mut processes, "time to know the usual", WARM_WITHIN, || {
        shop_time_s(&shop).is_some_and(|time| time - opened >= WARM_UP_S)
    });
    assert!(detector.all_incidents().is_empty(), "a calm shop has no incident: {:#?}", detector.all_incidents());

    page.run(&page.commands("llm-sre faults inject")[0]);
    wait_until(&mut processes, "an incident", REPAIRED_WITHIN, || !detector.all_incidents().is_empty());
    let remediation = commands.iter().position(|line| line.contains("--services remediation")).unwrap();
    assert!(processes[remediation].terminate().success(), "{}", processes[remediation].err());
    processes[remediation] = page.start(&commands[remediation]);
    wait_until(&mut processes, "measured recovery", REPAIRED_WITHIN, || {
        detector.all_incidents().iter().any(is_measured)
    });
    let incidents = detector.all_incidents();
    assert_eq!(incidents.len(), 1, "one cause is one incident: {incidents:#?}");
    let faults = shop.ask(shop.simulator().list_faults(ListFaultsRequest::default())).unwrap().faults;
    assert_eq!(faults[0].state(), FaultState::Cured);
    wait_until(&mut processes, "end of the watch's story", REPAIRED_WITHIN, || {
        watch.out().contains("recovered, as measured")
    });
    let listed = page.run(&page.commands("llm-sre incidents list")[0]).stdout;
    let id = incidents[0].name.trim_start_matches("incidents/");
    assert!(String::from_utf8_lossy(&listed).contains(id) && watch.out().contains("opened: "), "{}", watch.out());
    let report = page.commands("llm-sre incidents report")[0].replace(" ID ", &format!(" {id} "));
    let report = String::from_utf8(page.run(&report).stdout).unwrap();
    for part in ["## Timeline", "Evidence:", r"rollback\_deployment shop/recommendation@demo"] {
        assert!(report.contains(part), "no '{part}' in {report}");
    }
    crate::traces::check_whole(&jaeger, &incidents[0].name);
    // The simulator first: who loses whom it sends to complains.
    for process in processes.iter_mut().rev() {
        let status = process.terminate();
        assert!(status.success() && !process.err().contains("ERROR"), "{status}: {}", process.err());
    }
}
