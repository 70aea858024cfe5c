//! The commands about maintenance windows.

use std::time::Duration;

use clap::{Args, Subcommand};
use llm_sre_domain::Timestamp;

use super::holds::Order;
use super::{Client, Mutation};

/// `llm-sre maintenance`
#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(subcommand)]
    pub(crate) command: MaintenanceCommand,
}

/// What to do with maintenance windows.
#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// List maintenance windows, newest first.
    List {
        /// Those that are over, too.
        #[arg(long)]
        ended: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// People are not told of incidents about these services for some time, and nothing is repaired for those, nor done
    /// to these services for others.
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
    /// End one now: people are told of incidents that live.
    End {
        /// Its name or id.
        window: String,
        #[command(flatten)]
        order: Order,
    },
}
