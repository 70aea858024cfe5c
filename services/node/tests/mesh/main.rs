//! The program `llm-sre` as its users meet it: real processes on free ports, real tools and servers beside them.

#![allow(clippy::unwrap_used, clippy::panic)] // A helper that fails fails its test.

mod access;
mod backup;
mod by_grpc_web;
mod by_grpcurl;
mod client;
mod command_line;
mod dashboard;
mod dead_letters;
mod demos;
mod mistakes;
mod on_engines;
mod outbound;
#[path = "../../../../tests/parts/parts.rs"]
mod parts;
mod process;
mod processes;
mod production;
mod readiness;
mod real_model;
mod self_watch;
mod senders;
mod traces;
mod upgrade;
