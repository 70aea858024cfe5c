//! A simulated shop that breaks on request: a peer of the product like any other.
//!
//! It sends OTLP to the gateway as any client would, carries out actions through `ActionService`, and is driven through
//! `SimulatorService`. What it knows of its faults stays with it: nothing in the telemetry names them.

mod export;
mod grpc;
mod service;
mod target;
mod telemetry;
mod world;

pub use service::{Dependencies, Options, Service};

/// The pattern that every service of the shop matches.
pub const SERVICES: &str = "shop/*@demo";
