//! The contract of [`Leases`].

use std::sync::Arc;
use std::time::Duration;

use super::{Kit, Random, SEEDS, eventually};
use crate::leases::{Error, Lease, Leases, TTL_MAX};
use crate::memory::MemoryLeases;

/// Long enough not to end within a test.
const LONG: Duration = Duration::from_secs(200);
const SHORT: Duration = Duration::from_millis(50);

/// Makes the suite's tests for a kit: `leases_contract!([#[tokio::test]] kit())`.
#[macro_export]
macro_rules! leases_contract {
    ([$($test:tt)*] $kit:expr) => {
        $crate::contract_tests!([$($test)*] $kit, leases:
            a_lease_has_one_holder tokens_grow_with_each_holder one_of_many_gets_it a_lease_ends_by_itself
            renewing_prolongs_a_lease what_ran_out_cannot_be_renewed what_was_taken_over_cannot_be_renewed
            releasing_frees_only_ones_own times_to_live_have_bounds leases_agree_with_the_twin);
    };
}

type Leasing = Kit<dyn Leases>;

async fn taken(leases: &dyn Leases, name: &str, holder: &str, ttl: Duration) -> Lease {
    let lease = leases.acquire(name, holder, ttl).await.unwrap();
    lease.unwrap_or_else(|| panic!("'{name}' is not free for {holder}"))
}

/// Somebody else gets `None`, and other names are not touched.
pub async fn a_lease_has_one_holder(kit: Leasing) {
    let lease = taken(&*kit.port, "a", "one", LONG).await;
    assert_eq!(lease.name, "a");
    assert!(lease.token >= 1);
    assert_eq!(kit.port.acquire("a", "two", LONG).await.unwrap(), None);
    taken(&*kit.port, "b", "two", LONG).await;
    kit.port.renew(&lease, LONG).await.unwrap();
}

/// The same holder takes its own lease again; each taking has a greater token, and the older one is lost.
pub async fn tokens_grow_with_each_holder(kit: Leasing) {
    let mut last = taken(&*kit.port, "a", "one", LONG).await;
    for holder in ["one", "two", "two", "three"] {
        kit.port.release(last.clone()).await.unwrap();
        let next = taken(&*kit.port, "a", holder, LONG).await;
        assert!(next.token > last.token, "{next:?} after {last:?}");
        assert!(matches!(kit.port.renew(&last, LONG).await, Err(Error::Lost { token, .. }) if token == last.token));
        last = next;
    }
    let again = taken(&*kit.port, "a", "three", LONG).await;
    assert!(again.token > last.token, "without release, too");
}

/// Of many who ask at once, one holds the lease.
pub async fn one_of_many_gets_it(kit: Leasing) {
    let mut asking = Vec::new();
    for holder in 0..16 {
        let leases = Arc::clone(&kit.port);
        asking.push(tokio::spawn(async move { leases.acquire("a", &format!("holder {holder}"), LONG).await }));
    }
    let mut held = 0;
    for asked in asking {
        held += usize::from(asked.await.unwrap().unwrap().is_some());
    }
    assert_eq!(held, 1);
}

/// When its time is over, others get it.
pub async fn a_lease_ends_by_itself(kit: Leasing) {
    let first = taken(&*kit.port, "a", "one", SHORT).await;
    let second = eventually("the lease ran out", || async { kit.port.acquire("a", "two", LONG).await.unwrap() }).await;
    assert!(second.token > first.token);
}

/// A renewed lease is still held when it would have ended.
pub async fn renewing_prolongs_a_lease(kit: Leasing) {
    let kept = taken(&*kit.port, "kept", "one", SHORT).await;
    kit.port.renew(&kept, LONG).await.unwrap();
    taken(&*kit.port, "other", "one", SHORT).await;
    eventually("the other lease ran out", || async { kit.port.acquire("other", "two", LONG).await.unwrap() }).await;
    assert_eq!(kit.port.acquire("kept", "two", LONG).await.unwrap(), None);
    kit.port.renew(&kept, LONG).await.unwrap();
}

/// Even if it is free.
pub async fn what_ran_out_cannot_be_renewed(kit: Leasing) {
    let lease = taken(&*kit.port, "a", "one", SHORT).await;
    taken(&*kit.port, "clock", "one", SHORT).await;
    // What was taken later has run out: so has the first.
    eventually("the lease ran out", || async { kit.port.acquire("clock", "two", LONG).await.unwrap() }).await;
    let renewed = kit.port.renew(&lease, LONG).await;
    assert!(matches!(&renewed, Err(Error::Lost { name, .. }) if name == "a"), "{renewed:?}");
    let unknown = Lease { name: "never".to_owned(), token: 1 };
    assert!(matches!(kit.port.renew(&unknown, LONG).await, Err(Error::Lost { .. })));
}

/// Its new holder keeps it.
pub async fn what_was_taken_over_cannot_be_renewed(kit: Leasing) {
    let first = taken(&*kit.port, "a", "one", SHORT).await;
    let second = eventually("the lease ran out", || async { kit.port.acquire("a", "two", LONG).await.unwrap() }).await;
    assert!(matches!(kit.port.renew(&first, LONG).await, Err(Error::Lost { .. })));
    kit.port.renew(&second, LONG).await.unwrap();
}

/// A lease that was lost already is nothing to give back, and no error.
pub async fn releasing_frees_only_ones_own(kit: Leasing) {
    let first = taken(&*kit.port, "a", "one", LONG).await;
    let second = taken(&*kit.port, "a", "one", LONG).await;
    kit.port.release(first).await.unwrap();
    assert_eq!(kit.port.acquire("a", "two", LONG).await.unwrap(), None, "the newer one is still held");
    kit.port.release(second.clone()).await.unwrap();
    kit.port.release(second.clone()).await.unwrap();
    assert!(matches!(kit.port.renew(&second, LONG).await, Err(Error::Lost { .. })));
    taken(&*kit.port, "a", "two", LONG).await;
    kit.port.release(Lease { name: "never".to_owned(), token: 7 }).await.unwrap();
}

/// Zero and more than [`TTL_MAX`] are refused, and nothing changes.
pub async fn times_to_live_have_bounds(kit: Leasing) {
    let lease = taken(&*kit.port, "a", "one", TTL_MAX).await;
    for ttl in [Duration::ZERO, TTL_MAX + Duration::from_millis(1)] {
        assert!(matches!(kit.port.acquire("b", "one", ttl).await, Err(Error::InvalidTtl { .. })));
        assert!(matches!(kit.port.renew(&lease, ttl).await, Err(Error::InvalidTtl { .. })));
    }
    taken(&*kit.port, "b", "two", LONG).await;
    kit.port.renew(&lease, LONG).await.unwrap();
}

/// Random operations have the effects that they have in memory.
pub async fn leases_agree_with_the_twin(kit: Leasing) {
    for seed in SEEDS {
        let (mut random, twin) = (Random(seed), MemoryLeases::default());
        let mut taken: Vec<(Lease, Lease)> = Vec::new();
        for step in 0..100 {
            let at = format!("seed {seed}, step {step}");
            let name = format!("{seed}/{}", random.of(&["a", "b", "c"]));
            match random.below(4) {
                0 | 1 => {
                    let holder = random.of(&["one", "two"]);
                    let ours = kit.port.acquire(&name, holder, LONG).await.unwrap();
                    let theirs = twin.acquire(&name, holder, LONG).await.unwrap();
                    assert_eq!(ours.is_some(), theirs.is_some(), "{at}: {holder} asks for {name}");
                    taken.extend(ours.zip(theirs));
                }
                2 if !taken.is_empty() => {
                    let (ours, theirs) = random.of(&taken);
                    let (ours, theirs) = (kit.port.renew(&ours, LONG).await, twin.renew(&theirs, LONG).await);
                    assert_eq!(ours.is_ok(), theirs.is_ok(), "{at}: renew gives {ours:?} and {theirs:?}");
                }
                3 if !taken.is_empty() => {
                    let (ours, theirs) = random.of(&taken);
                    kit.port.release(ours).await.unwrap();
                    twin.release(theirs).await.unwrap();
                }
                _ => {}
            }
        }
    }
}
