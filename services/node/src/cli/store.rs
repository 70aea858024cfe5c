//! The commands that copy the embedded store.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `llm-sre store`
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// The store's file.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy it, as of one moment, to a file that is not there yet. Services may go on.
    Backup {
        /// Where to.
        file: PathBuf,
    },
    /// Put a copy in its place. Services must not run, and no store may be there.
    Restore {
        /// A copy that `backup` made.
        file: PathBuf,
    },
}
