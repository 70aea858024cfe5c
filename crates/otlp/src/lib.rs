//! OTLP export requests of metrics, read where they lie.
//!
//! Whoever consumes a topic of metrics meets the same series again and again, and decoding a request into owned messages
//! spends most of its time on attributes that were seen before. [`Points::read`] finds each point's time and value, and a
//! [fingerprint](llm_sre_domain::detect::Fingerprint) of everything that says which series it belongs to, without a copy. What a point of an unknown series
//! says is decoded from [`Points::alone`], a request with that point only.
//!
//! Reading is strict: what is not exactly as every sender writes it is [`Unusual`], and the caller decodes the request as
//! protobuf's own rules have it. So a request that reads well decodes well, to the same points.

// Bytes come from anybody: no index is taken for granted.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod check;
mod fingerprint;
mod metrics;
mod wire;

pub use metrics::{Distribution, Kind, Point, Points};

/// The request is malformed, or written in a way that only protobuf's own rules explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is not written as usual")]
pub struct Unusual;
