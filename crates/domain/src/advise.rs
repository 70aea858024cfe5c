//! What a language model is asked of a diagnosis, and what of its answer holds.
//!
//! The model sees facts and hypotheses under short ids, as data, with secrets masked. What it answers is held against
//! just that: an id or an action that it was not shown is no claim, and it cannot be surer than the evidence.

mod answer;
mod mask;
mod question;
mod sections;
mod text;

pub use answer::{Advice, Stated, Unfounded, hold};
pub use mask::mask;
pub use question::{Case, Question, ask};
pub use text::{clean, cut};

/// Which prompt it is. A change of [`INSTRUCTIONS`] that changes answers is another one.
pub const PROMPT: &str = "diagnosis.v1";

/// What the model is told to do.
pub const INSTRUCTIONS: &str = include_str!("advise/prompts/diagnosis.v1.md");

#[cfg(test)]
mod tests;
