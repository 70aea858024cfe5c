//! The command line.

mod access;
mod asking;
mod dlq;
mod eval;
mod holds;
mod maintenance;
mod store;
mod world;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use llm_sre_proto::simulator::v1::FaultKind;

use crate::config::Overrides;

pub(crate) use access::Access;
pub(crate) use asking::{
    Actions, ActionsCommand, Audit, AuditCommand, Client, Diagnose, Exchanges, Faults, FaultsCommand, Health,
    Incidents, IncidentsCommand, Mutation, Output, Verdict,
};
pub(crate) use dlq::{Dlq, DlqCommand, ReplayLetters};
pub(crate) use eval::Eval;
pub(crate) use holds::{Freeze, FreezeCommand, KillSwitch, KillSwitchCommand};
pub(crate) use maintenance::{Maintenance, MaintenanceCommand};
pub(crate) use store::{Store, StoreCommand};
pub(crate) use world::World;

/// Watches services, opens one incident per cause, explains it, repairs it within a policy, and closes it only when
/// recovery was measured. Without a command: the demo.
#[derive(Debug, Parser)]
#[command(name = "llm-sre", version, max_term_width = 110)]
pub(crate) struct Cli {
    /// The configuration file, in TOML.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to log, as in `info,llm_sre_detector=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything beside a simulated shop that breaks, and tell what happens.
    Demo(Demo),
    /// Run the services for real.
    Run(Run),
    /// Look at incidents and decide about them.
    Incidents(Incidents),
    /// Explain an incident anew.
    Diagnose(Diagnose),
    /// Read what a language model was asked about a diagnosis, and what it answered, as it was sent: masked.
    Exchanges(Exchanges),
    /// Look at repairs and decide about them.
    Actions(Actions),
    /// Stop all repairs at once, and let them go on.
    KillSwitch(KillSwitch),
    /// Leave services alone for some time.
    Freeze(Freeze),
    /// Work on services without being told of their incidents.
    Maintenance(Maintenance),
    /// Look at the record of every step of every repair.
    Audit(Audit),
    /// Look at what may be repaired.
    #[command(subcommand)]
    Policy(Policy),
    /// Copy the embedded store to a file while it is in use, or put such a copy in its place.
    Store(Store),
    /// Break the simulated shop.
    Faults(Faults),
    /// Ask a process whether it is ready; exits with 0 where it is, for probes.
    Health(Health),
    /// Look after telemetry that could not be decoded or stored.
    Dlq(Dlq),
    /// Read recorded telemetry and print incidents and hypotheses, a JSON line a case.
    Replay(Replay),
    /// Break the simulated shop many times over in virtual time, and measure how well the loop closes.
    Drill(Drill),
    /// Break the simulated shop in virtual time, ask language models about the diagnoses, and compare them in a table.
    Eval(Eval),
    /// Let everything go wrong that may, many times over in virtual time, and hold what is done against the rules.
    World(World),
    /// Make tokens for people and programs.
    #[command(subcommand)]
    Access(Access),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Print a shell's completion script.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where to listen and what to keep.
#[derive(Debug, Default, Args)]
pub(crate) struct Node {
    /// Address of the control services (gRPC); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Address of OTLP over gRPC.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) otlp_grpc: Option<String>,
    /// Address of OTLP over HTTP.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) otlp_http: Option<String>,
    /// Address of the dashboard, the page in the browser.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dashboard: Option<String>,
    /// Where to export the incidents' traces to, as http://host:port of an OTLP/gRPC receiver.
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) traces: Option<String>,
    /// Where the page leads for an incident's trace, as in http://127.0.0.1:16686/trace/{trace_id}.
    #[arg(long, value_name = "URL")]
    pub(crate) trace_url: Option<String>,
}

/// `llm-sre demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) node: Node,
    /// One incident from fault to measured recovery, then exit.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many seconds of the shop pass in one of yours.
    #[arg(long, value_name = "FACTOR", default_value_t = SPEED)]
    pub(crate) speed: f64,
    /// What the shop and its faults are drawn from.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Which fault; drawn from the seed where it is not said.
    #[arg(long, value_parser = fault_kinds())]
    pub(crate) fault: Option<String>,
    /// Which service breaks; drawn from the seed where it is not said.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Keep the store in this folder; a temporary one where it is not said.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// `llm-sre run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) node: Node,
    /// The store's file.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Which services; all but the simulator where it is not said.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) services: Vec<ServiceName>,
}

/// A service of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum ServiceName {
    /// The simulated shop.
    Simulator,
    /// OTLP onto the event bus.
    Gateway,
    /// Telemetry into the store.
    Indexer,
    /// Incidents.
    Detector,
    /// Explanations.
    Diagnosis,
    /// Repairs.
    Remediation,
    /// The page in the browser.
    Dashboard,
}

/// `llm-sre replay`
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A folder with telemetry.otlp.jsonl, or such a file; CASE@TIME asks for the diagnosis at that time.
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// Ask for the diagnosis at this time, in Unix seconds or RFC 3339, of every case that does not say its own.
    #[arg(long, value_name = "TIME")]
    pub(crate) diagnose_at: Option<String>,
    /// How many cases at once; as many as there are cores where it is not said.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

/// `llm-sre drill`
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// How many faults, each in a shop of its own, each kind in its turn.
    #[arg(long, default_value_t = 12)]
    pub(crate) runs: u32,
    /// How many controls, in which nothing is broken, each kind in its turn.
    #[arg(long, default_value_t = 5)]
    pub(crate) controls: u32,
    /// What shops, services and faults are drawn from; itself drawn, and printed, where it is not said.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// One run again, by the seed in its line. Its fault has to be said too, the first that the seed stands beside; and
    /// its service, and how faults follow each other and shops are renamed, where that was said.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seed", "runs", "controls"], requires = "fault")]
    pub(crate) again: Option<u64>,
    /// Only this fault; all of them in turn where it is not said.
    #[arg(long, value_parser = fault_kinds())]
    pub(crate) fault: Option<String>,
    /// Only this service; drawn from the seed where it is not said.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) service: String,
    /// How many faults, on services of their own, each shop has to get over, one after the other. The first that does
    /// not go well is its last.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub(crate) chain: u8,
    /// How many faults set in at the same moment in each shop, on services of which none calls another, directly or
    /// not.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "chain",
          value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) together: u8,
    /// A second fault in each shop, while the first one is repaired, on a service that neither calls that of the first
    /// nor is called by it, directly or not.
    #[arg(long, conflicts_with_all = ["chain", "together"])]
    pub(crate) during: bool,
    /// How often each fault comes back within minutes of its repair. One that comes back when policy allows no further
    /// attempt has to be left to people.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["chain", "together", "during"],
          value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) returning: u8,
    /// In which share of the shops, from 0 to 1, services, processes and flags have other names than in the demo, and
    /// logs other words.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, conflicts_with = "service")]
    pub(crate) renamed: f64,
    /// How many at once; as many as there are cores where it is not said.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// A table for people, or a JSON object a run.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// `llm-sre config`
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the effective configuration as TOML.
    Dump,
}

/// `llm-sre policy`
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy file, and say what it allows for services.
    Check {
        /// The file, in TOML; the configuration's where it is not said.
        file: Option<PathBuf>,
        /// Say what it allows for this service, as `[namespace/]name[@environment]`.
        #[arg(long = "service", value_name = "NAME")]
        services: Vec<String>,
    },
}

/// Every kind that the contract has, by its name there.
fn fault_kinds() -> PossibleValuesParser {
    let kinds = (1..).map_while(|number| FaultKind::try_from(number).ok());
    PossibleValuesParser::new(kinds.map(|kind| kind.as_str_name().trim_start_matches("FAULT_KIND_").to_lowercase()))
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("'{text}' is not a number from 0 to 1"))
}

/// How fast the demo goes where nobody says: an incident of half an hour in half a minute.
const SPEED: f64 = 60.0;

impl Default for Demo {
    fn default() -> Self {
        let node = Node::default();
        Self { node, once: false, speed: SPEED, seed: 0, fault: None, service: None, data: None }
    }
}

impl Cli {
    /// What the flags say about the configuration.
    pub(crate) fn overrides(&self) -> Overrides {
        let mut overrides = Overrides { file: self.config.clone(), ..Overrides::default() };
        overrides.is_telling = matches!(
            self.command,
            None | Some(Command::Demo(_) | Command::Drill(_) | Command::Eval(_) | Command::World(_) | Command::Dlq(_))
        );
        overrides.set("--log", "log.filter", self.log.as_ref());
        match &self.command {
            Some(Command::Demo(demo)) => {
                demo.node.override_in(&mut overrides);
            }
            Some(Command::Run(run)) => {
                run.node.override_in(&mut overrides);
                overrides.set("--store", "store.path", run.store.as_ref().map(|path| path.display()));
            }
            Some(Command::Dlq(dlq)) => {
                overrides.set("--store", "store.path", dlq.store.as_ref().map(|path| path.display()));
            }
            Some(Command::Store(store)) => {
                overrides.set("--store", "store.path", store.store.as_ref().map(|path| path.display()));
            }
            _ => {}
        }
        overrides
    }
}

impl Node {
    fn override_in(&self, overrides: &mut Overrides) {
        overrides.set("--listen", "listen.control", self.listen.as_ref());
        overrides.set("--otlp-grpc", "listen.otlp_grpc", self.otlp_grpc.as_ref());
        overrides.set("--otlp-http", "listen.otlp_http", self.otlp_http.as_ref());
        overrides.set("--dashboard", "listen.dashboard", self.dashboard.as_ref());
        overrides.set("--traces", "traces.otlp_endpoint", self.traces.as_ref());
        overrides.set("--trace-url", "dashboard.trace_url", self.trace_url.as_ref());
    }
}
