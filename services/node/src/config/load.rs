//! Where the configuration comes from, and what must hold across its keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::opensearch::{OpenSearch, Secret};
use super::{Config, Error, model, read_toml};

/// Environment variables that are read, and the keys that they set. Those about the model depend on each other.
const VARIABLES: [(&str, &str); 14] = [
    ("LLM_SRE_STORE", "store.path"),
    ("LLM_SRE_OPENSEARCH_URL", "store.opensearch.url"),
    ("LLM_SRE_OPENSEARCH_PASSWORD", "store.opensearch.password"),
    ("LLM_SRE_LISTEN", "listen.control"),
    ("LLM_SRE_OTLP_GRPC", "listen.otlp_grpc"),
    ("LLM_SRE_OTLP_HTTP", "listen.otlp_http"),
    ("LLM_SRE_DASHBOARD", "listen.dashboard"),
    ("LLM_SRE_TRACE_URL", "dashboard.trace_url"),
    ("LLM_SRE_TRACES_ENDPOINT", "traces.otlp_endpoint"),
    ("LLM_SRE_METRICS_ENDPOINT", "metrics.otlp_endpoint"),
    ("LLM_SRE_LOG", "log.filter"),
    ("LLM_SRE_POLICY", "policy.file"),
    ("LLM_SRE_PEER_TOKEN", "access.peer_token"),
    ("LLM_SRE_TOKEN", "access.own_token"),
];

/// The variable that names the configuration file where no flag does.
/// The recordings of an incident that lives are marked as needed once a day.
const RECORDINGS_HOURS_MIN: u64 = 48;
const FILE_VARIABLE: &str = "LLM_SRE_CONFIG";

/// What flags say, as texts of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The file that `--config` names.
    pub(crate) file: Option<PathBuf>,
    /// Flag, key and value.
    pub(crate) values: Vec<(&'static str, &'static str, String)>,
    /// Whether the command tells on stdout what happens, so that the log need not.
    pub(crate) is_telling: bool,
}

impl Overrides {
    /// Adds what a flag says, where it was given.
    pub(crate) fn set(&mut self, flag: &'static str, key: &'static str, value: Option<impl ToString>) {
        self.values.extend(value.map(|value| (flag, key, value.to_string())));
    }
}

/// The effective configuration of this process.
pub(crate) fn load(flags: &Overrides) -> Result<Config, Error> {
    // What is no text is not overlooked: its replacement characters fail where the value is parsed.
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    load_with(flags, &variable)
}

pub(super) fn load_with(flags: &Overrides, variable: &dyn Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let file = flags.file.clone().or_else(|| variable(FILE_VARIABLE).map(PathBuf::from));
    let mut config = match &file {
        Some(file) => beside(read_toml(file)?, file),
        None => Config::default(),
    };
    let mut places = Places { file, set: Vec::new() };
    for (name, key) in VARIABLES {
        if let Some(value) = variable(name) {
            set(&mut config, name, key, &value)?;
            places.set.push((key, name));
        }
    }
    model::set_by_variables(&mut config.model, variable, &mut places.set)?;
    for (flag, key, value) in &flags.values {
        set(&mut config, flag, key, value)?;
        places.set.push((key, flag));
    }
    if config.log.filter.is_empty() {
        config.log.filter = if flags.is_telling { "warn" } else { "info" }.to_owned();
    }
    check(&config, &places)?;
    Ok(config)
}

/// Paths in a file are meant beside it, wherever the process was started.
fn beside(mut config: Config, file: &Path) -> Config {
    let folder = file.parent().unwrap_or(Path::new(""));
    config.store.path = folder.join(&config.store.path);
    config.store.opensearch = config.store.opensearch.map(|opensearch| opensearch.beside(folder));
    config.policy.file = config.policy.file.map(|policy| folder.join(policy));
    config.model = config.model.map(|model| model.beside(folder));
    config.access.beside(folder);
    for target in &mut config.targets {
        target.token_file = target.token_file.take().map(|file| folder.join(file));
    }
    if let Some(kafka) = &mut config.bus.kafka {
        kafka.beside(folder);
    }
    config
}

fn set(config: &mut Config, place: &str, key: &str, value: &str) -> Result<(), Error> {
    let bad = |reason: String| Error::Key { place: place.to_owned(), key: key.to_owned(), reason };
    let address = |value: &str| SocketAddr::from_str(value).map_err(|error| bad(format!("'{value}': {error}")));
    match key {
        "store.path" => config.store.path = PathBuf::from(value),
        "store.opensearch.url" => match &mut config.store.opensearch {
            Some(opensearch) => opensearch.url = value.to_owned(),
            none => *none = Some(OpenSearch::at(value)),
        },
        // Where there is no cluster, there is nothing that it could open.
        "store.opensearch.password" => {
            if let Some(opensearch) = &mut config.store.opensearch {
                opensearch.password = Some(Secret::new(value.to_owned()));
            }
        }
        "listen.control" => config.listen.control = address(value)?,
        "listen.otlp_grpc" => config.listen.otlp_grpc = address(value)?,
        "listen.otlp_http" => config.listen.otlp_http = address(value)?,
        "listen.dashboard" => config.listen.dashboard = address(value)?,
        "dashboard.trace_url" => {
            let url = value.parse().map_err(|error: llm_sre_dashboard::TraceUrlError| bad(error.to_string()))?;
            config.dashboard.trace_url = Some(url);
        }
        "traces.otlp_endpoint" => config.traces.otlp_endpoint = Some(value.to_owned()),
        "metrics.otlp_endpoint" => config.metrics.otlp_endpoint = Some(value.to_owned()),
        "log.filter" => config.log.filter = value.to_owned(),
        "policy.file" => config.policy.file = Some(PathBuf::from(value)),
        "access.peer_token" => config.access.peer_token = Some(Secret::new(value.to_owned())),
        "access.own_token" => config.access.own_token = Some(Secret::new(value.to_owned())),
        _ => return Err(bad("is not a key".to_owned())),
    }
    Ok(())
}

/// Who said what, for errors that only show across keys.
struct Places {
    file: Option<PathBuf>,
    set: Vec<(&'static str, &'static str)>,
}

impl Places {
    fn error(&self, key: &str, reason: impl Into<String>) -> Error {
        let set = self.set.iter().rev().find(|(set, _)| *set == key).map(|(_, place)| (*place).to_owned());
        let file = || self.file.as_ref().map_or("defaults".to_owned(), |file| file.display().to_string());
        Error::Key { place: set.unwrap_or_else(file), key: key.to_owned(), reason: reason.into() }
    }
}

fn check(config: &Config, places: &Places) -> Result<(), Error> {
    let listen = &config.listen;
    let addresses = [
        ("control", listen.control),
        ("otlp_grpc", listen.otlp_grpc),
        ("otlp_http", listen.otlp_http),
        ("dashboard", listen.dashboard),
    ];
    for (name, address) in addresses {
        if !address.ip().is_loopback() && !listen.allow_remote {
            let sign_in = if config.access.tokens.is_empty() { "without access.tokens" } else { "without TLS" };
            let reason = format!("{address} is not loopback, {sign_in}; listen.allow_remote allows it");
            return Err(places.error(&format!("listen.{name}"), reason));
        }
        if address.port() != 0 && addresses.iter().any(|(other, same)| *other != name && *same == address) {
            return Err(places.error(&format!("listen.{name}"), format!("{address} is used twice")));
        }
    }
    check_clock(config, places)?;
    config.bus.check().map_err(|(key, reason)| places.error(&format!("bus.{key}"), reason))?;
    let store = &config.store;
    for (key, kept) in [
        ("store.keep_hours", store.keep_hours),
        ("store.keep_mib", store.keep_mib),
        ("store.keep_recordings_hours", store.keep_recordings_hours),
    ] {
        if kept == 0 {
            return Err(places.error(key, "is 0, so that nothing would be kept"));
        }
    }
    if store.keep_recordings_hours < RECORDINGS_HOURS_MIN {
        let reason =
            format!("is less than {RECORDINGS_HOURS_MIN}, so that what an incident that lives shows could be lost");
        return Err(places.error("store.keep_recordings_hours", reason));
    }
    if config.store.file_mib_max.is_some_and(|most| most <= config.store.keep_mib) {
        let reason = format!("leaves no room beside store.keep_mib, which is {}", config.store.keep_mib);
        return Err(places.error("store.file_mib_max", reason));
    }
    if let Some(opensearch) = &config.store.opensearch {
        opensearch.check().map_err(|(key, reason)| places.error(&format!("store.opensearch.{key}"), reason))?;
    }
    if let Some(model) = &config.model {
        model.check().map_err(|(key, reason)| places.error(&format!("model.{key}"), reason))?;
    }
    config.access.at_ports().map_err(|(key, reason)| places.error(&format!("access.{key}"), reason))?;
    check_endpoints(config, places)?;
    check_services(config, places)
}

fn check_clock(config: &Config, places: &Places) -> Result<(), Error> {
    let clock = &config.clock;
    if !(clock.speed > 0.0 && clock.speed <= 1_000.0) {
        return Err(places.error("clock.speed", format!("{} is not above 0 and at most 1000", clock.speed)));
    }
    match clock.epoch.as_deref().map(crate::times::parse) {
        Some(Err(error)) => Err(places.error("clock.epoch", format!("{error:#}"))),
        None if clock.speed != 1.0 => {
            Err(places.error("clock.epoch", "is required where clock.speed is not 1: processes must agree on the time"))
        }
        _ => Ok(()),
    }
}

fn check_endpoints(config: &Config, places: &Places) -> Result<(), Error> {
    let peers = &config.peers;
    let named = [
        ("peers.gateway", peers.gateway.addresses()),
        ("peers.detector", peers.detector.addresses()),
        ("peers.diagnosis", peers.diagnosis.addresses()),
        ("peers.remediation", peers.remediation.addresses()),
        ("peers.indexer", peers.indexer.addresses()),
        ("traces.otlp_endpoint", config.traces.otlp_endpoint.as_slice()),
        ("metrics.otlp_endpoint", config.metrics.otlp_endpoint.as_slice()),
    ];
    for (key, endpoint) in named.iter().flat_map(|(key, all)| all.iter().map(move |endpoint| (key, endpoint))) {
        authority(endpoint).map_err(|reason| places.error(key, reason))?;
    }
    for (index, target) in config.targets.iter().enumerate() {
        authority(&target.endpoint).map_err(|reason| places.error(&format!("targets[{index}].endpoint"), reason))?;
    }
    for (key, endpoint) in named[named.len() - 2..].iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one)))
    {
        if is_own_gateway(config, authority(endpoint).map_err(|reason| places.error(key, reason))?) {
            let reason = format!("'{endpoint}' is this product's own gateway: it would watch itself watching");
            return Err(places.error(key, reason));
        }
    }
    if !(1..=3_600).contains(&config.metrics.interval_s) {
        let reason = format!("{} is not from 1 to 3600", config.metrics.interval_s);
        return Err(places.error("metrics.interval_s", reason));
    }
    Ok(())
}

fn is_own_gateway(config: &Config, (host, port): (String, u16)) -> bool {
    let is_here = host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_local);
    let own = [config.listen.otlp_grpc.port(), config.listen.otlp_http.port()];
    let gateways = config.peers.gateway.addresses().iter();
    let is_gateway =
        gateways.filter_map(|gateway| authority(gateway).ok()).any(|gateway| gateway == (host.clone(), port));
    (is_here && own.contains(&port)) || is_gateway
}

fn is_local(address: std::net::IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// Host and port of `http://host:port`.
fn authority(endpoint: &str) -> Result<(String, u16), String> {
    let bad = || format!("'{endpoint}' does not have the form http://host:port");
    let uri: http::Uri = endpoint.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some("http"), Some(host), Some(port)) if matches!(uri.path(), "" | "/") => Ok((host.to_owned(), port)),
        _ => Err(bad()),
    }
}

fn check_services(config: &Config, places: &Places) -> Result<(), Error> {
    for (index, entry) in config.services.iter().enumerate() {
        let error = |key: &str, reason: String| Err(places.error(&format!("services[{index}].{key}"), reason));
        if !(entry.availability > 0.0 && entry.availability < 1.0) {
            return error("availability", format!("{} is not above 0 and below 1", entry.availability));
        }
        if entry.latency_threshold_ms.is_some_and(|threshold| !(threshold > 0.0 && threshold.is_finite())) {
            return error("latency_threshold_ms", "is not above 0".to_owned());
        }
        if entry.period_days == 0 {
            return error("period_days", "is 0".to_owned());
        }
    }
    Ok(())
}
