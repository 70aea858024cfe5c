//! The commands that stop repairs.

use std::time::Duration;

use clap::{Args, Subcommand};
use llm_sre_domain::Timestamp;

use super::{Client, Mutation};

/// `llm-sre kill-switch`
#[derive(Debug, Args)]
pub(crate) struct KillSwitch {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: KillSwitchCommand,
}

/// What to do with the kill switch.
#[derive(Debug, Subcommand)]
pub(crate) enum KillSwitchCommand {
    /// Say how it stands.
    Show,
    /// No target is called from now on, whatever policy and approvals say.
    Engage {
        #[command(flatten)]
        order: Order,
    },
    /// Repairs go on.
    Release {
        #[command(flatten)]
        order: Order,
    },
}

/// What is said with an order that is one effect however often it is given.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// What others should know about it.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// Run every check and change nothing.
    #[arg(long)]
    pub(crate) validate_only: bool,
}

/// `llm-sre freeze`
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: FreezeCommand,
}

/// What to do with freezes.
#[derive(Debug, Subcommand)]
pub(crate) enum FreezeCommand {
    /// List freezes, newest first.
    List {
        /// Those that are over, too.
        #[arg(long)]
        ended: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// No target of these services is called for some time.
    Add {
        /// Which services, as `[namespace/]name@environment`; `*` stands for any text in a part.
        #[arg(required = true, value_name = "PATTERN")]
        services: Vec<String>,
        /// From when on, in RFC 3339; now where it is not said.
        #[arg(long, value_name = "TIME", value_parser = crate::times::parse)]
        start: Option<Timestamp>,
        /// Until when, in RFC 3339.
        #[arg(long, value_name = "TIME", value_parser = crate::times::parse, required_unless_present = "last")]
        end: Option<Timestamp>,
        /// For how long from the start, as in `90m` or `2h`, instead of an end.
        #[arg(long = "for", id = "last", value_name = "DURATION", value_parser = humantime::parse_duration,
            conflicts_with = "end")]
        last: Option<Duration>,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// End one now.
    End {
        /// Its name or id.
        freeze: String,
        #[command(flatten)]
        order: Order,
    },
}
