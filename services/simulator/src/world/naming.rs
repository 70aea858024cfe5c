//! What a shop calls its services and their processes, and how these word their logs. Every shop is built alike; in a
//! renamed one nothing is called what it is called in the demo, so that who knows the shop by its names knows it no more.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::blueprint::SHOP;

/// What services of a renamed shop are called.
const SERVICES: [&str; 36] = [
    "avocet", "bittern", "bunting", "chough", "crake", "curlew", "dipper", "dunlin", "egret", "fulmar", "gannet",
    "godwit", "goshawk", "harrier", "heron", "hoopoe", "jackdaw", "kestrel", "lapwing", "linnet", "magpie", "merlin",
    "nuthatch", "oriole", "osprey", "petrel", "pipit", "plover", "puffin", "redwing", "serin", "shrike", "siskin",
    "swift", "whimbrel", "wren",
];
/// Their feature flags and disks.
const FLAGS: [&str; 4] = ["eager-totals", "new-ranking", "parallel-fetch", "wide-rows"];
const MOUNTPOINTS: [&str; 4] = ["/data", "/mnt/volume", "/opt/state", "/srv"];
/// Whom they call outside.
const PARTNERS: [&str; 4] = ["hooks.test", "gate.example", "remote.invalid", "third.example"];
const VOICES: [Voice; 3] = [Voice::Terse, Voice::Keys, Voice::Prose];
const PROCESSES: [Processes; 3] = [Processes::Pod, Processes::Machine, Processes::Address];

/// What one service calls things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming {
    pub(crate) service: &'static str,
    pub(crate) flag: &'static str,
    /// Where those live that it calls outside.
    pub(crate) partner: &'static str,
    /// Where a process has its disk.
    pub(crate) mountpoint: &'static str,
    pub(crate) voice: Voice,
    processes: Processes,
}

/// How logs are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Own,
    Terse,
    Keys,
    Prose,
}

/// How processes are called.
#[derive(Clone, Copy, Debug)]
enum Processes {
    Own,
    Pod,
    Machine,
    Address,
}

impl Naming {
    /// What each service calls things, in the shop's order.
    pub(super) fn draw(seed: u64, is_renamed: bool) -> Vec<Self> {
        let own = |service| Self {
            service,
            flag: "batched-reads",
            partner: "partner.example",
            mountpoint: "/var/data",
            voice: Voice::Own,
            processes: Processes::Own,
        };
        if !is_renamed {
            return SHOP.iter().map(|blueprint| own(blueprint.name)).collect();
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The first two streams are the world's and its telemetry's, which come to the same whatever things are called.
        rng.set_stream(2);
        let mut left = SERVICES.to_vec();
        let drawn = SHOP.iter().map(|_| Self {
            service: left.swap_remove(rng.random_range(0..left.len())),
            flag: one_of(&FLAGS, &mut rng),
            partner: one_of(&PARTNERS, &mut rng),
            mountpoint: one_of(&MOUNTPOINTS, &mut rng),
            voice: one_of(&VOICES, &mut rng),
            processes: one_of(&PROCESSES, &mut rng),
        });
        drawn.collect()
    }

    /// A name for a new process.
    pub(super) fn process(&self, rng: &mut ChaCha8Rng) -> String {
        let (service, drawn): (_, u64) = (self.service, rng.random());
        match self.processes {
            Processes::Own => format!("{service}-{:010x}", drawn >> 24),
            Processes::Pod => format!("{service}-deployment-{:08x}-{:05x}", drawn >> 32, drawn & 0xf_ffff),
            Processes::Machine => format!("i-{drawn:016x}"),
            Processes::Address => {
                let [_, a, b, c, ..] = drawn.to_be_bytes();
                format!("10.{a}.{b}.{c}:8080")
            }
        }
    }
}

fn one_of<T: Copy>(choices: &[T], rng: &mut ChaCha8Rng) -> T {
    choices[rng.random_range(0..choices.len())]
}
