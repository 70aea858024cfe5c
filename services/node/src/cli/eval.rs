//! `llm-sre eval`

use clap::Args;

use super::{Output, share};

/// `llm-sre eval`
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The model's name, or its deployment's on Azure, in the place of the configured one; each asks one more model of
    /// the same server. The configured one is asked where it is not said.
    #[arg(long = "model", value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// How many faults, each in a shop of its own, each kind in its turn.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// What shops, services and faults are drawn from, as in a drill; itself drawn, and printed, where it is not said.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// In which share of the shops, from 0 to 1, services, processes and flags have other names than in the demo, and
    /// logs other words.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) renamed: f64,
    /// How many shops at once; as many as there are cores where it is not said. Models are asked one question at a
    /// time.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// A table for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}
