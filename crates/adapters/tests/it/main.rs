//! The embedded store on real files.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test says what it expects by panicking.

mod backup;
mod durability;
mod files;
mod full;
mod processes;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use llm_sre_adapters::sqlite::{Options, Store};
use llm_sre_ports::contract::Kit;
use tempfile::TempDir;

/// Short enough to wait for, and far longer than a busy machine keeps a member from its next poll.
const MEMBER_LEASE: Duration = Duration::from_secs(3);

fn options() -> Options {
    Options { member_lease: MEMBER_LEASE, ..Options::default() }
}

/// A file in a folder of its own, which goes with it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("store.sqlite")
    }

    fn open(&self) -> Store {
        Store::open(&self.path(), options()).unwrap()
    }
}

/// A place, and the store in it.
fn opened() -> (Place, Store) {
    let place = Place::new();
    let store = place.open();
    (place, store)
}

mod bus {
    use super::*;
    use llm_sre_ports::bus::EventBus;

    fn kit() -> Kit<dyn EventBus> {
        let (place, store) = opened();
        Kit::new(Arc::new(store.bus()), MEMBER_LEASE, (store, place))
    }

    llm_sre_ports::bus_contract!([#[tokio::test(flavor = "multi_thread")]] kit());
}

mod documents {
    use super::*;
    use llm_sre_ports::documents::Documents;

    fn kit() -> Kit<dyn Documents> {
        let (place, store) = opened();
        Kit::new(Arc::new(store.documents()), MEMBER_LEASE, (store, place))
    }

    llm_sre_ports::documents_contract!([#[tokio::test(flavor = "multi_thread")]] kit());
}

mod leases {
    use super::*;
    use llm_sre_ports::leases::Leases;

    fn kit() -> Kit<dyn Leases> {
        let (place, store) = opened();
        Kit::new(Arc::new(store.leases()), MEMBER_LEASE, (store, place))
    }

    llm_sre_ports::leases_contract!([#[tokio::test(flavor = "multi_thread")]] kit());
}

mod telemetry {
    use super::*;
    use llm_sre_ports::telemetry::TelemetryStore;

    fn kit() -> Kit<dyn TelemetryStore> {
        let (place, store) = opened();
        Kit::new(Arc::new(store.telemetry()), MEMBER_LEASE, (store, place))
    }

    llm_sre_ports::telemetry_contract!([#[tokio::test(flavor = "multi_thread")]] kit());
}
