//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use llm_sre_domain::Timestamp;

use crate::config::Overrides;

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
    /// Look at repairs and decide about them.
    Actions(Actions),
    /// Break the simulated shop.
    Faults(Faults),
    /// Read recorded telemetry and print incidents and hypotheses, a JSON line a case.
    Replay(Replay),
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
    /// Where to export the incidents' traces to, as http://host:port of an OTLP/gRPC receiver.
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) traces: Option<String>,
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
}

/// Whom to ask and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Address of the control services, as host:port; the configuration's where it is not said.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Tables for people, or proto3 JSON, a message a line.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables.
    Table,
    /// A message a line.
    Json,
}

/// How to change something.
#[derive(Debug, Args)]
pub(crate) struct Mutation {
    /// What others should know about it.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// The same id twice is one effect.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Run every check and change nothing.
    #[arg(long)]
    pub(crate) validate_only: bool,
}

/// `llm-sre incidents`
#[derive(Debug, Args)]
pub(crate) struct Incidents {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: IncidentsCommand,
}

/// What to do with incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// List incidents, newest first.
    List {
        /// Only in these states.
        #[arg(long, value_parser = states(), value_delimiter = ',')]
        state: Vec<String>,
        /// Only of this service.
        #[arg(long, value_name = "NAME", default_value = "")]
        service: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one incident.
    Get {
        /// Its name or id.
        incident: String,
    },
    /// Follow one incident until it ends, or all of them for ever.
    Watch {
        /// Its name or id; all where it is not said.
        incident: Option<String>,
    },
    /// Say that somebody looks at it.
    Ack {
        /// Its name or id.
        incident: String,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Say that it is over.
    Resolve {
        /// Its name or id.
        incident: String,
        /// There was nothing.
        #[arg(long)]
        false_positive: bool,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Report one that was not detected.
    Report {
        /// The service, as `[namespace/]name[@environment]`.
        service: String,
        /// What is wrong, in one line.
        title: String,
        /// When it began, in RFC 3339; now where it is not said.
        #[arg(long, value_name = "TIME", value_parser = crate::times::parse)]
        onset: Option<Timestamp>,
        #[command(flatten)]
        mutation: Mutation,
    },
}

/// `llm-sre diagnose`
#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    #[command(flatten)]
    pub(crate) client: Client,
    /// The incident's name or id.
    pub(crate) incident: String,
    /// The same id twice is one diagnosis.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
}

/// `llm-sre actions`
#[derive(Debug, Args)]
pub(crate) struct Actions {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: ActionsCommand,
}

/// What to do with actions.
#[derive(Debug, Subcommand)]
pub(crate) enum ActionsCommand {
    /// List actions, newest first.
    List {
        /// Only of this incident, by name or id.
        incident: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one action.
    Get {
        /// Its name.
        action: String,
    },
    /// Let one be carried out.
    Approve {
        /// Its name.
        action: String,
        /// The digest that was looked at; the present one where it is not said.
        #[arg(long)]
        digest: Option<String>,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Refuse one.
    Reject {
        /// Its name.
        action: String,
        #[command(flatten)]
        mutation: Mutation,
    },
}

/// `llm-sre faults`
#[derive(Debug, Args)]
pub(crate) struct Faults {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: FaultsCommand,
}

/// What to do with faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultsCommand {
    /// Break something.
    Inject {
        /// What; drawn from the seed where it is not said.
        #[arg(long, value_parser = fault_kinds())]
        kind: Option<String>,
        /// Which service; drawn from the seed where it is not said.
        #[arg(long, default_value = "", value_name = "NAME")]
        service: String,
        /// How it sets in; drawn from the seed where it is not said.
        #[arg(long, value_parser = ["sudden", "gradual"])]
        onset: Option<String>,
        /// What is not said is drawn from it.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The same id twice is one fault.
        #[arg(long, value_name = "ID")]
        request_id: Option<String>,
        /// Run every check and break nothing.
        #[arg(long)]
        validate_only: bool,
    },
    /// List faults.
    List {
        /// Only those at work.
        #[arg(long)]
        active: bool,
    },
    /// End one.
    Clear {
        /// Its name.
        fault: String,
    },
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

/// `llm-sre config`
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the effective configuration as TOML.
    Dump,
}

fn states() -> PossibleValuesParser {
    let states = ["open", "diagnosing", "awaiting_approval", "remediating", "verifying", "rolling_back", "escalated"];
    PossibleValuesParser::new(states.into_iter().chain(["resolved", "duplicate"]))
}

fn fault_kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(["bad_deploy", "connection_pool_exhaustion", "memory_leak", "traffic_peak"])
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
        overrides.set("--log", "log.filter", self.log.as_ref());
        match &self.command {
            Some(Command::Demo(demo)) => {
                demo.node.override_in(&mut overrides);
            }
            Some(Command::Run(run)) => {
                run.node.override_in(&mut overrides);
                overrides.set("--store", "store.path", run.store.as_ref().map(|path| path.display()));
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
        overrides.set("--traces", "traces.otlp_endpoint", self.traces.as_ref());
    }
}
