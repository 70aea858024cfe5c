//! The engines, and the system that runs on them, both used for as long as they are sound.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::class::{BREAKABLE, Class, Plan};
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::search::Search;
use crate::settings::Settings;
use crate::system::{Engines, System};

const TEST: &str = "whatever_fails_every_record_is_kept_once_and_every_cause_is_one_incident";
/// The store's disk: room for a dozen systems, and filled within a second.
const DISK_MIB: u32 = 1_024;
/// Records that a system may have been sent before another takes its place: a detector reads them all at each start.
const RECORDS_MAX: usize = 20_000;

/// See the module.
pub(crate) struct Site {
    pub(crate) kafka: Kafka,
    pub(crate) opensearch: OpenSearch,
    brokers: usize,
    running: Option<Running>,
    generation: u32,
}

struct Running {
    system: System,
    /// What ran when the usual was known.
    versions: BTreeMap<&'static str, String>,
    /// Services of the shop that broke before.
    broken: Vec<&'static str>,
}

impl Site {
    /// Starts the engines that a class needs, or reports a skip.
    pub(crate) fn open(class: Class) -> Option<Self> {
        let brokers = class.brokers();
        let opensearch = OpenSearch::start_on_small_disk(TEST, DISK_MIB)?;
        let kafka = if brokers == 1 { Kafka::start(TEST)? } else { Kafka::start_three(TEST)? };
        watch_the_disk(&Search(opensearch.port()));
        Some(Self { kafka, opensearch, brokers, running: None, generation: 0 })
    }

    /// Whether the engines are those that a class needs.
    pub(crate) fn suits(&self, class: Class) -> bool {
        self.brokers == class.brokers()
    }

    pub(crate) fn search(&self) -> Search {
        Search(self.opensearch.port())
    }

    /// Sees to a system in which this can happen: calm, warm, and not too old.
    pub(crate) fn prepare(&mut self, plan: &Plan, settings: &Settings) {
        let is_fit = |running: &Running| {
            running.system.ledger.records() < RECORDS_MAX
                && !running.broken.contains(&plan.service)
                // Who breaks after a deployment of its own people is rightly suspected of that.
                && running.system.version(plan.service) == running.versions.get(plan.service).cloned()
        };
        if !self.running.as_ref().is_some_and(is_fit) {
            self.discard();
            self.generation += 1;
            let engines = Engines { brokers: self.kafka.addresses(), store_port: self.opensearch.port() };
            let system = System::start(&engines, &format!("faults-{}", self.generation), settings.speed);
            let version = |name: &&'static str| Some((*name, system.version(name)?));
            let versions = BREAKABLE.iter().filter_map(version).collect();
            self.running = Some(Running { system, versions, broken: Vec::new() });
        }
        if let Some(running) = &mut self.running {
            running.broken.push(plan.service);
            running.system.forget_logs();
        }
    }

    /// Engines and system.
    pub(crate) fn parts(&mut self) -> (&mut Kafka, &mut OpenSearch, &mut System) {
        let running = self.running.as_mut().unwrap();
        (&mut self.kafka, &mut self.opensearch, &mut running.system)
    }

    /// The ends of the system's logs.
    pub(crate) fn tails(&self) -> String {
        self.running.as_ref().map(|running| running.system.tails()).unwrap_or_default()
    }

    /// Ends the system and removes what it stored.
    pub(crate) fn discard(&mut self) {
        let Some(running) = self.running.take() else { return };
        let prefix = running.system.prefix.clone();
        drop(running);
        // What stays takes room, and is in nobody's way.
        drop(self.search().ask("DELETE", &format!("{prefix}-*"), None));
    }
}

/// Lets the node look after its disk as it does by default, with marks that suit a small one.
fn watch_the_disk(search: &Search) {
    let settings: Value = json!({ "persistent": {
        "cluster.routing.allocation.disk.threshold_enabled": true,
        "cluster.routing.allocation.disk.watermark.low": "200mb",
        "cluster.routing.allocation.disk.watermark.high": "150mb",
        "cluster.routing.allocation.disk.watermark.flood_stage": "100mb",
        "cluster.info.update.interval": "10s",
    }});
    let answer = search.ask("PUT", "_cluster/settings", Some(&settings)).unwrap();
    assert_eq!(answer["acknowledged"], true, "{answer}");
}
