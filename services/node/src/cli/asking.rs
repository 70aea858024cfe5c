//! The commands that ask running services.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use llm_sre_domain::Timestamp;

use super::fault_kinds;

/// Whom to ask and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Address of the control services, as host:port; the configuration's where it is not said.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// The file with the token to show; the variable LLM_SRE_TOKEN where it is not said.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
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

/// `llm-sre health`
#[derive(Debug, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) client: Client,
    /// The service's full name, such as `llmsre.incident.v1.IncidentService`; the whole port where it is not said.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) service: String,
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
    /// Say what it was, in whatever state it is. A later verdict takes the place of an earlier one; both are told.
    Judge {
        /// Its name or id.
        incident: String,
        /// What it was.
        #[arg(value_enum)]
        verdict: Verdict,
        /// Where the cause was, as `[namespace/]name[@environment]`; with `other-cause`.
        #[arg(long, value_name = "SERVICE", required_if_eq("verdict", "other-cause"))]
        service: Option<String>,
        /// What the cause was; with `other-cause`.
        #[arg(long, value_name = "KIND", value_parser = causes(), required_if_eq("verdict", "other-cause"))]
        cause: Option<String>,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Print a draft of its post-mortem, in Markdown.
    Report {
        /// Its name or id.
        incident: String,
    },
    /// Open one that was not detected.
    Open {
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

/// What a person says that an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verdict {
    /// There was nothing.
    FalseAlarm,
    /// Its diagnosis is right.
    Confirmed,
    /// The cause was another one.
    OtherCause,
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

/// `llm-sre exchanges`
#[derive(Debug, Args)]
pub(crate) struct Exchanges {
    #[command(flatten)]
    pub(crate) client: Client,
    /// The diagnosis, by its name as `diagnose` and `incidents get` show it.
    pub(crate) diagnosis: String,
    /// At most so many, newest first.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
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
    /// Let one be carried out, as it was looked at.
    Approve {
        /// Its name.
        action: String,
        /// The digest that `actions get` showed last. What is approved is the plan that was looked at, and no other.
        #[arg(long)]
        digest: String,
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
    /// Withdraw one that was not begun.
    Cancel {
        /// Its name.
        action: String,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Have one undone whose recovery is being measured.
    Rollback {
        /// Its name.
        action: String,
        #[command(flatten)]
        mutation: Mutation,
    },
}

/// `llm-sre audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

/// What to do with the audit record.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List entries, oldest first.
    List {
        /// Only of this action, by its name.
        #[arg(long, value_name = "NAME", default_value = "")]
        action: String,
        /// At most so many.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Check that the record holds together: each entry is in its place and follows from the one before. Exits with 1
    /// where one does not. Who can write the store can also write a whole new record: note hashes elsewhere.
    Verify {
        /// A hash that was printed before: it has to be in the record still, which shows that its end was not cut off.
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
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

fn causes() -> PossibleValuesParser {
    PossibleValuesParser::new([
        "bad_deployment",
        "connection_pool_exhaustion",
        "memory_leak",
        "cpu_saturation",
        "disk_full",
        "dependency_outage",
        "expired_certificate",
        "cache_stampede",
        "slow_network",
        "resource_saturation",
        "traffic_surge",
        "bad_configuration",
        "service_degradation",
    ])
}

fn states() -> PossibleValuesParser {
    let states = ["open", "diagnosing", "awaiting_approval", "remediating", "verifying", "rolling_back", "escalated"];
    PossibleValuesParser::new(states.into_iter().chain(["resolved", "duplicate"]))
}
