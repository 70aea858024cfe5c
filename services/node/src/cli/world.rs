//! `llm-sre world`

use clap::Args;

use super::Output;

/// `llm-sre world`
#[derive(Debug, Args)]
pub(crate) struct World {
    /// How many faults are lived through, by `--each` of them in a world of their own.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) lifecycles: u32,
    /// How many faults each world lives through, one after the other.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) each: u32,
    /// What the worlds are drawn from; itself drawn, and printed, where it is not said.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// One world again, by the seed in its line; the same `--each` has to be said too.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seed", "lifecycles"])]
    pub(crate) again: Option<u64>,
    /// Live through each world twice, and hold their logs against each other.
    #[arg(long)]
    pub(crate) twice: bool,
    /// How many worlds at once; as many as there are cores where it is not said.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// A table for people, or a JSON object a world.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}
