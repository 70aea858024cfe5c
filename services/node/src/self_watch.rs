//! The product's metrics of itself: set up where they are configured, and looked up where no service knows them by doing
//! its work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use llm_sre_mesh::metrics::{self, Attribute, Gauge, Metrics, instruments};
use llm_sre_ports::bus::Progress;
use llm_sre_ports::documents::{Filter, PAGE_MAX};
use llm_sre_proto::topics;
use tokio_util::sync::CancellationToken;

use crate::cli::ServiceName;
use crate::config::Config;
use crate::dlq;
use crate::wiring::Backend;

/// Between two looks, in real time, unless metrics are exported more often.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pages of the feed of replays that are read in one look. What is left comes with the next.
const PAGES_MAX: usize = 20;

/// Exports metrics from now on, where that is configured.
pub(crate) fn init(config: &Config, service_name: &str, instance: &str) -> anyhow::Result<Option<Metrics>> {
    let Some(otlp_endpoint) = config.metrics.otlp_endpoint.clone() else { return Ok(None) };
    let interval = Duration::from_secs(config.metrics.interval_s);
    let (service_name, instance) = (service_name.to_owned(), instance.to_owned());
    let metrics = metrics::init(&metrics::Options { otlp_endpoint, interval, service_name, instance })?;
    instruments().build.set(&[("service.version", env!("CARGO_PKG_VERSION").into())], 1.0);
    Ok(Some(metrics))
}

/// Sends what is left.
pub(crate) fn shutdown(metrics: Option<Metrics>) {
    if let Some(Err(error)) = metrics.map(Metrics::shutdown) {
        tracing::warn!(%error, "the last metrics were not exported");
    }
}

/// Looks up what the services of this process are about.
pub(crate) struct SelfWatch {
    backend: Backend,
    services: BTreeSet<ServiceName>,
    every: Duration,
    /// How far the feed of replays was read, and how many there are by topic of dead letters.
    cursor: Option<String>,
    replayed: BTreeMap<String, u64>,
}

impl SelfWatch {
    pub(crate) fn new(backend: &Backend, services: &BTreeSet<ServiceName>, config: &Config) -> Self {
        let every = LOOK_EVERY.min(Duration::from_secs(config.metrics.interval_s));
        let (backend, services) = (backend.clone(), services.clone());
        Self { backend, services, every, cursor: None, replayed: BTreeMap::new() }
    }

    /// Looks until `shutdown`. What cannot be looked up is not told, since an old number would look like a new one.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.look() => {}
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    async fn look(&mut self) {
        let known = instruments();
        let on_the_bus = [ServiceName::Gateway, ServiceName::Indexer, ServiceName::Detector];
        if on_the_bus.iter().any(|service| self.services.contains(service)) {
            // Of every group, by all: whoever lags most may have ended.
            for group in [llm_sre_indexer::GROUP, llm_sre_detector::GROUP] {
                tell(&known.lag, &[("messaging.consumer.group.name", group.into())], self.lag(group).await);
            }
            let waiting = self.dead_letters_waiting().await;
            tell(&known.dead_letters_waiting, &[], waiting);
        }
        if self.services.contains(&ServiceName::Detector) {
            tell(&known.incidents, &[], self.living("incidents").await);
        }
        if self.services.contains(&ServiceName::Remediation) {
            tell(&known.actions, &[], self.living("actions").await);
        }
    }

    async fn lag(&self, group: &str) -> anyhow::Result<Rows> {
        let mut rows = Rows::new();
        for topic in topics::TELEMETRY {
            let committed = self.backend.bus.committed(group, topic).await?;
            for Progress { of, next_offset: end } in self.backend.bus.end_offsets(topic).await? {
                let done =
                    committed.iter().find(|progress| progress.of == of).map_or(0, |progress| progress.next_offset);
                let attributes = vec![
                    ("messaging.destination.name", topic.into()),
                    ("messaging.destination.partition.id", of.partition.to_string().into()),
                ];
                rows.push((attributes, end.saturating_sub(done) as f64));
            }
        }
        Ok(rows)
    }

    async fn dead_letters_waiting(&mut self) -> anyhow::Result<Rows> {
        for _ in 0..PAGES_MAX {
            let page = self.backend.documents.changes(dlq::REPLAYS, self.cursor.clone(), PAGE_MAX).await?;
            let is_last = page.documents.len() < PAGE_MAX;
            for document in page.documents {
                // Notes of parts stand beside those of their letters, under no topic's name.
                let topic = document.id.split('/').next().unwrap_or_default();
                *self.replayed.entry(topic.to_owned()).or_default() += 1;
            }
            self.cursor = page.next;
            if is_last {
                break;
            }
        }
        let mut rows = Rows::new();
        for topic in topics::TELEMETRY {
            let dead = topics::dead_letters(topic);
            let ends = self.backend.bus.end_offsets(&dead).await?;
            let written: u64 = ends.iter().map(|end| end.next_offset).sum();
            let replayed = self.replayed.get(&dead).copied().unwrap_or(0);
            rows.push((vec![("messaging.destination.name", dead.into())], written.saturating_sub(replayed) as f64));
        }
        Ok(rows)
    }

    /// How many documents live in which state.
    async fn living(&self, collection: &str) -> anyhow::Result<Rows> {
        let filter = Filter::default().with("living", "yes");
        let page = self.backend.documents.list(collection, filter, None, PAGE_MAX).await;
        let page = page.with_context(|| format!("failed to list {collection}"))?;
        let mut states: BTreeMap<String, u32> = BTreeMap::new();
        for document in page.documents {
            let state = document.attributes.get("state").map_or("", String::as_str);
            let state = state.rsplit_once("STATE_").map_or(state, |(_, state)| state).to_lowercase();
            *states.entry(state).or_default() += 1;
        }
        Ok(states.into_iter().map(|(state, count)| (vec![("llm_sre.state", state.into())], f64::from(count))).collect())
    }
}

type Rows = Vec<(Vec<Attribute>, f64)>;

fn tell(gauge: &Gauge, common: &[Attribute], rows: anyhow::Result<Rows>) {
    let rows = rows.unwrap_or_else(|error| {
        tracing::debug!(error = format!("{error:#}"), "failed to look something up about ourselves");
        Rows::new()
    });
    gauge.replace(common, rows);
}
