//! The contracts of the ports as tests, one suite a port. An adapter's tests name a kit and get them all:
//!
//! ```text
//! mod documents {
//!     llm_sre_ports::documents_contract!([#[tokio::test]] super::documents_kit());
//! }
//! ```
//!
//! A suite that draws random operations has its seed in every failure's message.

// A test says what it expects by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod bus;
pub mod documents;
pub mod leases;
pub mod telemetry;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits for what must come. Far longer than it takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The seeds of random operations.
const SEEDS: std::ops::Range<u64> = 0..4;

/// An adapter under test, empty, and what must live as long as it does.
pub struct Kit<P: ?Sized> {
    /// The adapter.
    pub port: Arc<P>,
    /// How long a member of a group may be silent; of no meaning to other ports.
    pub member_lease: Duration,
    /// Whether other machines keep it, so that some of what it does shows a while later; of meaning to the bus only.
    pub is_remote: bool,
    _keep: Box<dyn Any + Send>,
}

impl<P: ?Sized> Kit<P> {
    /// An adapter, and what must live as long as it does, such as its folder.
    pub fn new(port: Arc<P>, member_lease: Duration, keep: impl Any + Send) -> Self {
        Self { port, member_lease, is_remote: false, _keep: Box::new(keep) }
    }

    /// The same for an adapter to other machines. Its promises are the same, and take their time.
    pub fn remote(port: Arc<P>, member_lease: Duration, keep: impl Any + Send) -> Self {
        Self { is_remote: true, ..Self::new(port, member_lease, keep) }
    }
}

/// Looks until there is something, and gives it.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// Ends a test that does not end by itself.
#[doc(hidden)]
pub async fn in_time(name: &str, test: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE * 2, test).await.unwrap_or_else(|_| panic!("{name} does not end"));
}

/// Random numbers from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// Makes a test of each function of a suite; the suites' own macros name them.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ([$($test:tt)*] $kit:expr, $suite:ident:) => {};
    ([$($test:tt)*] $kit:expr, $suite:ident: $name:ident $($rest:ident)*) => {
        $($test)*
        async fn $name() {
            $crate::contract::in_time(stringify!($name), $crate::contract::$suite::$name($kit)).await;
        }
        $crate::contract_tests!([$($test)*] $kit, $suite: $($rest)*);
    };
}
