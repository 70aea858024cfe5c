//! The event bus on a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test says what it expects by panicking.

#[path = "../../../../tests/parts/parts.rs"]
mod parts;

mod broker;
mod foreign;
mod secure;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use llm_sre_kafka::{KafkaBus, Options};
use llm_sre_ports::bus::EventBus;
use llm_sre_ports::contract::Kit;

use self::parts::kafka::Kafka;

/// Short enough to wait for, and far longer than a busy machine keeps a member from its next poll.
const MEMBER_LEASE: Duration = Duration::from_secs(4);

/// The broker that tests share which leave it alone: started by the first, and killed with the last that holds it.
fn shared(test: &str) -> Option<Arc<Kafka>> {
    static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let started = Arc::new(Kafka::start(test)?);
    *shared = Arc::downgrade(&started);
    Some(started)
}

/// Names of topics and groups that no other test has.
fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}.", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn options(kafka: &Kafka) -> Options {
    Options { prefix: prefix(), member_lease: MEMBER_LEASE, ..Options::new(vec![kafka.address()]) }
}

mod contract {
    use super::*;

    fn kit() -> Option<Kit<dyn EventBus>> {
        let kafka = shared("kafka::contract")?;
        let bus = KafkaBus::new(options(&kafka)).unwrap();
        Some(Kit::remote(Arc::new(bus), MEMBER_LEASE, kafka))
    }

    llm_sre_ports::bus_contract!([#[tokio::test(flavor = "multi_thread")]] match kit() {
        Some(kit) => kit,
        None => return,
    });
}
