//! The adapters of OpenSearch on a real node. The tests of this program share one; each has indices of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test says what it expects by panicking.

/// The suites of all ports, on what `$opened` gives.
macro_rules! suites {
    ($opened:path) => {
        mod documents {
            use super::*;

            llm_sre_ports::documents_contract!([#[tokio::test(flavor = "multi_thread")]] {
                let Some(store) = $opened().await else { return };
                Kit::new(Arc::new(store.documents()), Duration::ZERO, store)
            });
        }

        mod leases {
            use super::*;

            llm_sre_ports::leases_contract!([#[tokio::test(flavor = "multi_thread")]] {
                let Some(store) = $opened().await else { return };
                Kit::new(Arc::new(store.leases()), Duration::ZERO, store)
            });
        }

        mod telemetry {
            use super::*;

            llm_sre_ports::telemetry_contract!([#[tokio::test(flavor = "multi_thread")]] {
                let Some(store) = $opened().await else { return };
                Kit::new(Arc::new(store.telemetry()), Duration::ZERO, store)
            });
        }
    };
}

mod durability;
#[path = "../../../../tests/parts/parts.rs"]
mod parts;
mod secure;
mod trouble;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use llm_sre_adapters::opensearch::{Options, Store};
use llm_sre_ports::contract::Kit;

use parts::OpenSearch;

/// It ends with this process, since its standard input does.
static NODE: LazyLock<Option<OpenSearch>> = LazyLock::new(|| OpenSearch::start(&test()));

/// The name of the test that runs on this thread.
fn test() -> String {
    std::thread::current().name().unwrap_or("opensearch").to_owned()
}

/// A prefix that no other test has.
fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The shared node's address; a skip is reported for each test that lacks it.
fn url() -> Option<String> {
    if NODE.is_none() {
        parts::find(&test(), "opensearch")?;
    }
    NODE.as_ref().map(OpenSearch::url)
}

/// An empty store on the shared node, with telemetry in several shards. The secure one has one shard.
async fn opened() -> Option<Store> {
    Some(Store::open(Options { shards: 2, ..Options::new(&url()?, &prefix()) }).await.unwrap())
}

mod plain {
    use super::*;

    suites!(opened);
}
