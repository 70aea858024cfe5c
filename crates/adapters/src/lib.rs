//! What the ports of LLM-SRE are made of. Only the node depends on this crate: it is where adapters meet services.

pub mod openai;
pub mod opensearch;
pub mod sqlite;
