//! What everything is kept in: the embedded file, or the engines that the configuration names instead of parts of it.

use std::sync::Arc;

use llm_sre_adapters::sqlite;
use llm_sre_kafka::KafkaBus;
use llm_sre_ports::bus::EventBus;
use llm_sre_ports::documents::Documents;
use llm_sre_ports::leases::Leases;
use llm_sre_ports::memory::{MemoryBus, MemoryDocuments, MemoryLeases, MemoryTelemetry};
use llm_sre_ports::telemetry::TelemetryStore;

use super::opensearch;
use crate::config::{self, Config};

/// The path that means a store in memory, which ends with its process: for tests.
pub(crate) const IN_MEMORY: &str = ":memory:";

/// What everything is kept in, by port.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) telemetry: Arc<dyn TelemetryStore>,
    pub(crate) leases: Arc<dyn Leases>,
}

/// Opens what the configuration says, wherever it is. A cluster of OpenSearch that is not needed may be away.
pub(crate) async fn open_backend(config: &Config, is_store_needed: bool) -> anyhow::Result<Backend> {
    let (bus, cluster) = (open_bus(config)?, &config.store.opensearch);
    // Nothing is kept in the file where both engines take its place.
    let embedded = if bus.is_some() && cluster.is_some() { in_memory() } else { open_store(config)? };
    let backend = match cluster {
        Some(cluster) => opensearch::beside(embedded, cluster, is_store_needed).await?,
        None => embedded,
    };
    Ok(match bus {
        Some(bus) => Backend { bus, ..backend },
        None => backend,
    })
}

/// Opens the embedded store.
pub(crate) fn open_store(config: &Config) -> Result<Backend, config::Error> {
    let path = &config.store.path;
    if path.as_os_str() == IN_MEMORY {
        return Ok(in_memory());
    }
    let options = sqlite::Options { file_bytes_max: config.store.file_bytes_max(), ..sqlite::Options::default() };
    let store = sqlite::Store::open(path, options).map_err(|error| config::Error::Key {
        place: "LLM_SRE_STORE, --store, --data or file".to_owned(),
        key: "store.path".to_owned(),
        reason: format!("{:#}", anyhow::Error::new(error)),
    })?;
    Ok(Backend {
        bus: Arc::new(store.bus()),
        documents: Arc::new(store.documents()),
        telemetry: Arc::new(store.telemetry()),
        leases: Arc::new(store.leases()),
    })
}

fn in_memory() -> Backend {
    Backend {
        bus: Arc::new(MemoryBus::default()),
        documents: Arc::new(MemoryDocuments::default()),
        telemetry: Arc::new(MemoryTelemetry::default()),
        leases: Arc::new(MemoryLeases::default()),
    }
}

/// The event bus that the configuration names, if it names one beside the store.
fn open_bus(config: &Config) -> Result<Option<Arc<dyn EventBus>>, config::Error> {
    let Some(kafka) = &config.bus.kafka else { return Ok(None) };
    let error = |key: &str, reason: String| config::Error::Key {
        place: "file".to_owned(),
        key: format!("bus.kafka{key}"),
        reason,
    };
    let options = kafka.options().map_err(|(key, reason)| error(&format!(".{key}"), reason))?;
    let bus = KafkaBus::new(options).map_err(|refused| error("", refused.to_string()))?;
    Ok(Some(Arc::new(bus)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever only takes telemetry goes on taking it, also from a start on, while the store is away.
    #[tokio::test]
    async fn a_store_that_is_not_needed_is_not_waited_for() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config: Config = toml::from_str(&format!("[store.opensearch]\nurl = \"http://{nobody}\"")).unwrap();
        config.store.path = IN_MEMORY.into();
        let backend = open_backend(&config, false).await.unwrap();
        assert!(backend.documents.get("things", "a").await.is_err(), "nobody is there");
    }

    fn refusal(path: &std::path::Path) -> String {
        let mut config = Config::default();
        config.store.path = path.to_owned();
        open_store(&config).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_path_that_cannot_be_opened_names_key_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes.txt");
        std::fs::write(&notes, "no database, however long it is".repeat(100)).unwrap();
        for path in [folder.path(), &folder.path().join("absent/store.sqlite"), &notes] {
            let refused = refusal(path);
            assert!(refused.contains("store.path") && refused.contains(&path.display().to_string()), "{refused}");
        }
        assert_eq!(refusal(&folder.path().join("new.sqlite")), "");
        assert_eq!(refusal(IN_MEMORY.as_ref()), "");
    }
}
