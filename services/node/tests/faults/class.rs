//! What fails, and what a seed draws of it.

use llm_sre_proto::simulator::v1::FaultKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// Nothing fails but the shop: what the others are compared with.
    Control,
    KillGateway,
    KillIndexer,
    KillDetector,
    KillDiagnosis,
    KillRemediation,
    /// One service after the other, drawn anew each time, ends by SIGKILL and is started again.
    KillAgain,
    /// All services are asked to end and started again, one after the other.
    RollingRestart,
    /// Another of each service stands beside it; one is killed and stays away for long, then the others leave again.
    FailOver,
    /// The only broker ends, by SIGTERM or by SIGKILL, and comes back.
    KafkaRestart,
    /// The store ends by SIGKILL and comes back.
    OpensearchRestart,
    /// The store is away for long, ended or hanging.
    OpensearchAway,
    /// Connections between services, and to the store, are cut, slow, or reset.
    Partition,
    /// Records come again, out of order, and corrupt.
    BadMessages,
    /// The store's disk fills up and is freed.
    DiskFull,
    /// One of three brokers ends by SIGKILL and comes back.
    KafkaBrokerLost,
}

impl Class {
    /// All of them, those that share their engines together.
    pub(crate) const ALL: [Self; 16] = [
        Self::Control,
        Self::KillGateway,
        Self::KillIndexer,
        Self::KillDetector,
        Self::KillDiagnosis,
        Self::KillRemediation,
        Self::KillAgain,
        Self::RollingRestart,
        Self::FailOver,
        Self::Partition,
        Self::BadMessages,
        Self::KafkaRestart,
        Self::OpensearchRestart,
        Self::DiskFull,
        Self::OpensearchAway,
        Self::KafkaBrokerLost,
    ];

    /// As reports and settings name it.
    pub(crate) fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The class of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether telemetry may stay away for minutes of the shop, which the product then says in an incident of its own.
    pub(crate) fn may_silence(self) -> bool {
        use Class::{FailOver, KafkaBrokerLost, KafkaRestart, KillAgain, KillGateway, Partition, RollingRestart};
        matches!(self, FailOver | KafkaBrokerLost | KafkaRestart | KillAgain | KillGateway | Partition | RollingRestart)
    }

    /// How many brokers it needs.
    pub(crate) fn brokers(self) -> usize {
        if self == Self::KafkaBrokerLost { 3 } else { 1 }
    }

    /// Whether it takes much of a small machine: three brokers, or all that was kept being read again by who starts anew.
    pub(crate) fn is_heavy(self) -> bool {
        self.brokers() > 1 || self == Self::OpensearchRestart
    }
}

/// The services of the shop that break. The entry is not among them, since all load would be gone with it.
pub(crate) const BREAKABLE: [&str; 16] = [
    "search",
    "recommendation",
    "checkout",
    "cart",
    "catalog",
    "account",
    "order",
    "payment",
    "shipping",
    "pricing",
    "inventory",
    "review",
    "session",
    "currency",
    "fraud",
    "notification",
];
const KINDS: [FaultKind; 3] = [FaultKind::BadDeploy, FaultKind::ConnectionPoolExhaustion, FaultKind::MemoryLeak];
/// The moment at which the infrastructure fails, in seconds of the shop after it breaks: from shortly before that to
/// about the time at which recovery has been measured.
const MOMENT_MIN_S: i64 = -60;
const MOMENT_MAX_S: i64 = 360;

/// A repetition as its seed draws it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) class: Class,
    pub(crate) seed: u64,
    /// What breaks in the shop.
    pub(crate) kind: FaultKind,
    /// Which of its services.
    pub(crate) service: &'static str,
    /// When the infrastructure fails, in seconds of the shop after the shop broke; negative before that.
    pub(crate) moment_s: i64,
    /// What else is drawn comes from here.
    pub(crate) random: ChaCha8Rng,
}

impl Plan {
    /// What a seed comes to in a class.
    pub(crate) fn draw(class: Class, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let kind = KINDS[random.random_range(0..KINDS.len())];
        let service = BREAKABLE[random.random_range(0..BREAKABLE.len())];
        let moment_s = random.random_range(MOMENT_MIN_S..=MOMENT_MAX_S);
        Self { class, seed, kind, service, moment_s, random }
    }
}

#[test]
fn a_seed_says_everything_and_names_are_their_own() {
    let (one, same, other) =
        (Plan::draw(Class::Partition, 7), Plan::draw(Class::Partition, 7), Plan::draw(Class::Partition, 8));
    assert_eq!(format!("{one:?}"), format!("{same:?}"));
    assert_ne!(format!("{one:?}"), format!("{other:?}"));
    for class in Class::ALL {
        assert_eq!(Class::of(&class.name()), Some(class));
    }
    assert_eq!(Class::of("none"), None);
}
