//! The event bus on Apache Kafka, over librdkafka.
//!
//! librdkafka does the protocol in threads of its own. What blocks in its interface runs on blocking threads, never on
//! those of the async runtime. Where Kafka keeps a promise of the port in its own way,
//! `docs/decisions/0006-kafka-keeps-the-ports-promises.md` says how.

mod bus;
mod client;
mod member;
mod options;
mod producer;
mod reader;
mod rebalance;
mod record;
mod topics;

pub use bus::KafkaBus;
pub use options::{Mechanism, Options, Password, Sasl, Tls};
