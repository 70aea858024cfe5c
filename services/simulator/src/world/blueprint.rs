//! The shop as it is built: who calls whom, and what a request costs where.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A service of the shop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blueprint {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) instances: u32,
    /// CPU time of a request in milliseconds.
    pub(crate) cpu_ms: f64,
    /// How long a request holds a connection to the service's own database, in milliseconds.
    pub(crate) database_ms: f64,
    /// Connections that an instance may hold.
    pub(crate) pool: u32,
    /// Memory of an instance in mebibytes, and its limit.
    pub(crate) memory_mib: f64,
    pub(crate) memory_limit_mib: f64,
    pub(crate) calls: &'static [Call],
}

/// A call that a service makes to answer a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) to: &'static str,
    /// How many such calls a request makes on average.
    pub(crate) per_request: f64,
    /// Whether the request fails where the call does.
    pub(crate) is_required: bool,
}

const fn needs(to: &'static str, per_request: f64) -> Call {
    Call { to, per_request, is_required: true }
}

const fn uses(to: &'static str, per_request: f64) -> Call {
    Call { to, per_request, is_required: false }
}

/// Requests a second that enter the shop on average.
pub(crate) const ENTERING: f64 = 240.0;

/// The namespace and environment of every service of the shop.
pub(crate) const NAMESPACE: &str = "shop";
pub(crate) const ENVIRONMENT: &str = "demo";

macro_rules! shop {
    ($($name:literal $version:literal x $instances:literal: cpu $cpu:literal, db $db:literal of $pool:literal,
       memory $memory:literal of $limit:literal, calls [$($call:expr),* $(,)?];)*) => {
        &[$(Blueprint {
            name: $name, version: $version, instances: $instances, cpu_ms: $cpu, database_ms: $db, pool: $pool,
            memory_mib: $memory, memory_limit_mib: $limit, calls: &[$($call),*],
        }),*]
    };
}

/// Callers stand before those that they call; load enters at the first.
pub(crate) const SHOP: &[Blueprint] = shop! {
    "storefront" "4.12.0" x 4: cpu 3.0, db 12.0 of 16, memory 420.0 of 1024.0, calls [
        needs("catalog", 0.5), needs("search", 0.25), needs("cart", 0.2), needs("account", 0.15),
        needs("checkout", 0.08), uses("recommendation", 0.3),
    ];
    "search" "2.3.1" x 3: cpu 9.0, db 30.0 of 12, memory 760.0 of 2048.0, calls [needs("catalog", 1.0)];
    "recommendation" "0.19.4" x 3: cpu 12.0, db 18.0 of 12, memory 900.0 of 2048.0, calls [needs("catalog", 0.5)];
    "checkout" "3.0.7" x 3: cpu 6.0, db 40.0 of 12, memory 380.0 of 1024.0, calls [
        needs("cart", 1.0), needs("payment", 1.0), needs("shipping", 0.9), needs("order", 0.95), needs("account", 1.0),
    ];
    "cart" "1.28.2" x 3: cpu 2.5, db 15.0 of 12, memory 300.0 of 768.0, calls [
        needs("session", 1.0), needs("pricing", 0.5),
    ];
    "catalog" "5.1.0" x 4: cpu 4.0, db 20.0 of 20, memory 640.0 of 1536.0, calls [
        needs("pricing", 0.8), needs("inventory", 0.4), uses("review", 0.3),
    ];
    "account" "2.8.0" x 2: cpu 3.0, db 25.0 of 12, memory 350.0 of 1024.0, calls [needs("session", 1.0)];
    "order" "1.14.3" x 3: cpu 5.0, db 45.0 of 10, memory 410.0 of 1024.0, calls [
        needs("inventory", 1.0), uses("notification", 1.0),
    ];
    "payment" "6.2.1" x 3: cpu 7.0, db 60.0 of 10, memory 330.0 of 1024.0, calls [needs("fraud", 1.0)];
    "shipping" "1.9.0" x 2: cpu 4.0, db 35.0 of 8, memory 280.0 of 768.0, calls [];
    "pricing" "3.5.2" x 4: cpu 2.0, db 9.0 of 16, memory 310.0 of 768.0, calls [needs("currency", 0.3)];
    "inventory" "2.0.5" x 3: cpu 2.5, db 22.0 of 14, memory 360.0 of 1024.0, calls [];
    "review" "0.7.3" x 2: cpu 3.5, db 28.0 of 10, memory 290.0 of 768.0, calls [];
    "session" "1.3.3" x 3: cpu 1.2, db 6.0 of 12, memory 220.0 of 512.0, calls [];
    "currency" "1.1.1" x 2: cpu 1.0, db 5.0 of 8, memory 160.0 of 512.0, calls [];
    "fraud" "2.6.0" x 2: cpu 14.0, db 30.0 of 8, memory 820.0 of 2048.0, calls [];
    "notification" "1.0.9" x 2: cpu 3.0, db 18.0 of 6, memory 200.0 of 512.0, calls [];
};

/// The places of the services that a shop of at most so many has: the first, and of the others one after the other that
/// is called by those.
pub(crate) fn draw(seed: u64, services_max: Option<usize>) -> BTreeSet<usize> {
    let Some(count) = services_max.filter(|count| *count < SHOP.len()) else { return (0..SHOP.len()).collect() };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Apart from the world's, its telemetry's, its names' and, from 3 on, its services' calls.
    rng.set_stream(u64::MAX);
    let mut drawn = BTreeSet::from([0]);
    while drawn.len() < count {
        let calls = drawn.iter().flat_map(|place| SHOP[*place].calls);
        let callees = calls.filter_map(|call| SHOP.iter().position(|other| other.name == call.to));
        let next: BTreeSet<usize> = callees.filter(|callee| !drawn.contains(callee)).collect();
        let Some(place) = next.iter().nth(rng.random_range(0..next.len().max(1))) else { break };
        drawn.insert(*place);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_shop_has_so_many_services_and_each_is_called() {
        for seed in 0..200 {
            for count in 1..=SHOP.len() {
                let drawn = draw(seed, Some(count));
                assert_eq!(drawn.len(), count, "seed {seed}");
                assert_eq!(drawn, draw(seed, Some(count)));
                for place in drawn.iter().filter(|place| **place > 0) {
                    let is_called =
                        drawn.iter().any(|caller| SHOP[*caller].calls.iter().any(|call| call.to == SHOP[*place].name));
                    assert!(is_called, "nobody calls {} of seed {seed}", SHOP[*place].name);
                }
            }
            assert_eq!(draw(seed, None).len(), SHOP.len());
        }
    }

    #[test]
    fn callers_stand_before_those_that_they_call() {
        for (index, blueprint) in SHOP.iter().enumerate() {
            for call in blueprint.calls {
                let callee = SHOP.iter().position(|other| other.name == call.to);
                assert!(callee.is_some_and(|callee| callee > index), "{} calls {}", blueprint.name, call.to);
            }
        }
        assert!(SHOP.len() >= 12);
    }
}
