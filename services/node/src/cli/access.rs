//! The command about who may do what.

use clap::Subcommand;
use llm_sre_mesh::access::Role;

/// `llm-sre access`
#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// Draw a token, and print it once, with the lines that make it known.
    Token {
        /// Whose it is, as the record will say.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What may be done with it: viewer, approver, admin, sender or service.
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
}
