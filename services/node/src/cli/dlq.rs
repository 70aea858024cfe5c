//! The commands that look after dead letters.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use llm_sre_ports::bus::Position;
use llm_sre_proto::topics;

use super::Output;

/// `llm-sre dlq`
#[derive(Debug, Args)]
pub(crate) struct Dlq {
    /// The store's file.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Tables for people, or a JSON object a letter.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: DlqCommand,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, oldest first within each topic.
    List {
        /// Only those of this topic.
        #[arg(long, value_parser = telemetry())]
        topic: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Publish dead letters to the topics that they came from, oldest first within each topic.
    Replay(ReplayLetters),
}

/// `llm-sre dlq replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayLetters {
    /// Only those of this topic.
    #[arg(long, value_parser = telemetry())]
    pub(crate) topic: Option<String>,
    /// Only those with this in their reason.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Only these, by partition and offset of the dead letter; as often as there are some.
    #[arg(long = "offset", value_name = "PARTITION:OFFSET", value_parser = position, requires = "topic")]
    pub(crate) offsets: Vec<Position>,
    /// Say what would be replayed, and publish nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Those that came back too often, too.
    #[arg(long)]
    pub(crate) force: bool,
}

fn telemetry() -> PossibleValuesParser {
    PossibleValuesParser::new(topics::TELEMETRY)
}

fn position(text: &str) -> Result<Position, String> {
    let parsed = text.split_once(':').and_then(|(partition, offset)| {
        Some(Position { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    });
    parsed.ok_or_else(|| format!("'{text}' does not have the form PARTITION:OFFSET"))
}
