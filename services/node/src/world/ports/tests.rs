//! While the weather is calm, what a process is given keeps the contract of each port.

use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::MEMBER_LEASE;
use llm_sre_ports::clock::ScaledClock;
use llm_sre_ports::contract::Kit;

use super::*;
use crate::config::Config;
use crate::wiring::{IN_MEMORY, open_store};

fn ports() -> Backend {
    let clock = ScaledClock::starting_at(Timestamp::from_secs(1_000), 1.0).unwrap();
    let ground = Arc::new(Ground::new(Arc::new(clock)));
    let mut config = Config::default();
    config.store.path = IN_MEMORY.into();
    of(&open_store(&config).unwrap(), &ground, &Arc::new(Life::new("anybody-0", 1)), 7)
}

fn kit<P: ?Sized>(port: Arc<P>) -> Kit<P> {
    Kit::new(port, MEMBER_LEASE, ())
}

mod bus {
    use super::*;
    llm_sre_ports::bus_contract!([#[tokio::test(start_paused = true)]] kit(ports().bus));
}

mod documents {
    use super::*;
    llm_sre_ports::documents_contract!([#[tokio::test]] kit(ports().documents));
}

mod leases {
    use super::*;
    llm_sre_ports::leases_contract!([#[tokio::test(start_paused = true)]] kit(ports().leases));
}

mod telemetry {
    use super::*;
    llm_sre_ports::telemetry_contract!([#[tokio::test]] kit(ports().telemetry));
}
