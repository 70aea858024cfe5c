//! The product as separate processes on a real Kafka and a real OpenSearch, while these and it itself fail: nothing that
//! the bus acknowledged is lost or doubled, each cause is one incident, and no action is done twice. `docs/faults.md`
//! says what is done and how a whole campaign is run, resumed and read. Beside it the soak, in which nothing fails but
//! the shop (`docs/soak.md`).

#![allow(clippy::unwrap_used, clippy::panic)] // A helper that fails fails its repetition.

mod campaign;
mod class;
#[allow(dead_code, reason = "it is shared with the mesh's tests, which use all of it")]
#[path = "../mesh/client.rs"]
mod client;
mod judge;
mod ledger;
mod links;
#[path = "../../../../tests/parts/parts.rs"]
mod parts;
#[allow(dead_code, reason = "it is shared with the mesh's tests, which use all of it")]
#[path = "../mesh/process.rs"]
mod process;
mod repetition;
mod report;
mod search;
mod settings;
mod site;
mod soak;
mod strike;
mod system;
mod target;
mod whole;
