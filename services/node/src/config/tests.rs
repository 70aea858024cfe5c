use std::collections::BTreeMap;
use std::path::Path;

use super::load::load_with;
use super::*;

/// Loads `text` as a file beside these flags and variables, and gives what went wrong as a person reads it.
pub(super) fn load_text(text: &str, variables: &[(&str, &str)], flags: Overrides) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("llm-sre.toml");
    std::fs::write(&file, text).unwrap();
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let flags = Overrides { file: Some(file.clone()), ..flags };
    load_with(&flags, &|name| variables.get(name).cloned())
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
}

fn error(text: &str) -> String {
    load_text(text, &[], Overrides::default()).unwrap_err()
}

#[test]
fn mistakes_name_file_key_and_reason() {
    for (text, expected) in [
        ("[listen]\ncontrol = \"nowhere\"", "/llm-sre.toml: listen.control: invalid socket address"),
        ("[listen]\nport = 1", "/llm-sre.toml: listen.port: unknown field `port`"),
        ("[store]\nkeep_hours = \"long\"", "/llm-sre.toml: store.keep_hours: invalid type"),
        ("[listen\n", "/llm-sre.toml: line 1: "),
        ("[[services]]\nservice = \"a@b\"\navailability = 1.5", "services[0].availability: 1.5 is not"),
        ("[[targets]]\nservice = \"a\"\nendpoint = \"http://h:1\"", "targets[0].service: service pattern `a`"),
        ("[[targets]]\nservice = \"a@b\"\nendpoint = \"h\"", "targets[0].endpoint: 'h' does not have the form"),
        ("[listen]\ncontrol = \"0.0.0.0:1\"", "listen.control: 0.0.0.0:1 is not loopback"),
        ("[store.opensearch]\nurl = \"http://h:1\"\nshards = 0", "store.opensearch.shards: is not from 1 to 64"),
        ("[bus]\npartitions = 0", "bus.partitions: 0 is not from 1 to 80"),
        ("[bus]\nkeep_hours = 0", "bus.keep_hours: is 0"),
        ("[store]\nkeep_recordings_hours = 0", "store.keep_recordings_hours: is 0"),
        ("[store]\nkeep_recordings_hours = 47", "store.keep_recordings_hours: is less than 48"),
        ("[bus.kafka]\nbrokers = []", "bus.kafka.brokers: names none"),
        ("[peers]\ndetector = [\"http://h:1\", \"h\"]", "peers.detector: 'h' does not have the form"),
        ("[incidents]\nopen_s = -1", "incidents.open_s: invalid value"),
        ("[clock]\nspeed = 0.0", "clock.speed: 0 is not above 0"),
        ("[clock]\nspeed = 60.0", "clock.epoch: is required where clock.speed is not 1"),
        ("[metrics]\ninterval_s = 0", "metrics.interval_s: 0 is not from 1 to 3600"),
        ("[metrics]\notlp_endpoint = \"h\"", "metrics.otlp_endpoint: 'h' does not have the form"),
        ("[clock]\nepoch = \"noon\"", "clock.epoch: 'noon' is no time"),
        (
            "[dashboard]\ntrace_url = \"javascript:{trace_id}\"",
            "/llm-sre.toml: dashboard.trace_url: does not have the form",
        ),
        ("[dashboard]\ntrace_url = \"http://h:16686/\"", "dashboard.trace_url: does not say where the id goes"),
    ] {
        let found = error(text);
        assert!(found.contains(expected), "{text:?} gave {found:?}, not {expected:?}");
    }
}

#[test]
fn the_own_gateway_is_no_place_for_traces_and_metrics() {
    for section in ["traces", "metrics"] {
        for endpoint in ["http://127.0.0.1:4317", "http://localhost:4318/", "http://[::1]:4317"] {
            let found = error(&format!("[{section}]\notlp_endpoint = \"{endpoint}\""));
            assert!(found.contains(&format!("{section}.otlp_endpoint")) && found.contains("own gateway"), "{found}");
        }
        let text = |port: u16| format!("[{section}]\notlp_endpoint = \"http://10.0.0.7:{port}\"\n");
        let other = text(14317) + "[peers]\ngateway = \"http://10.0.0.7:14317/\"";
        assert!(error(&other).contains("own gateway"), "one in another process is its own, too");
        let elsewhere = load_text(&text(14318), &[], Overrides::default());
        assert!(elsewhere.is_ok(), "{elsewhere:?}");
    }
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let text = "[listen]\ncontrol = \"127.0.0.1:1\"\notlp_grpc = \"127.0.0.1:2\"\notlp_http = \"127.0.0.1:3\"";
    let mut flags = Overrides::default();
    flags.set("--listen", "listen.control", Some("127.0.0.1:21"));
    let variables = [("LLM_SRE_LISTEN", "127.0.0.1:11"), ("LLM_SRE_OTLP_GRPC", "127.0.0.1:12")];
    let listen = load_text(text, &variables, flags).unwrap().listen;
    assert_eq!([listen.control.port(), listen.otlp_grpc.port(), listen.otlp_http.port()], [21, 12, 3]);

    let mut flags = Overrides::default();
    flags.set("--listen", "listen.control", Some("x"));
    let found = load_text("", &[], flags).unwrap_err();
    assert!(found.starts_with("--listen: listen.control: 'x'"), "{found}");
    let found = load_text("", &[("LLM_SRE_TRACE_URL", "h:16686")], Overrides::default()).unwrap_err();
    assert!(found.starts_with("LLM_SRE_TRACE_URL: dashboard.trace_url: does not have the form"), "{found}");
    let found = load_text("", &[("LLM_SRE_LISTEN", "10.0.0.1:1")], Overrides::default()).unwrap_err();
    assert!(found.starts_with("LLM_SRE_LISTEN: listen.control: 10.0.0.1:1 is not loopback"), "{found}");
}

#[test]
fn what_is_dumped_can_be_loaded() {
    let text = "[[services]]\nservice = \"shop/*@demo\"\nlatency_threshold_ms = 250.0\n[log]\nfilter = \"debug\"\n\
        [dashboard]\ntrace_url = \"https://h/trace/{trace_id}\"";
    let config = load_text(text, &[], Overrides::default()).unwrap();
    let dumped = config.to_toml().unwrap();
    let again = load_text(&dumped, &[], Overrides::default()).unwrap();
    assert_eq!(
        again.to_toml().unwrap().replace(&again.store.path.display().to_string(), ""),
        dumped.replace(&config.store.path.display().to_string(), "")
    );
    assert_eq!(again.log.filter, "debug");
    assert_eq!(
        again.dashboard.trace_url.map(|url| url.as_str().to_owned()).as_deref(),
        Some("https://h/trace/{trace_id}")
    );
}

#[test]
fn mistakes_about_opensearch_name_their_keys() {
    let of = |rest: &str| error(&format!("[store.opensearch]\n{rest}"));
    for (text, expected) in [
        ("prefix = \"a\"", "store.opensearch: missing field `url`"),
        ("url = \"localhost:9200\"", "store.opensearch.url: does not have the form"),
        ("url = \"https://h:9200/path\"", "store.opensearch.url: does not have the form"),
        ("url = \"https://u:hush@h:9200\"", "store.opensearch.url: holds a user or password"),
        ("url = \"https://h:9200\"\nuser = \"u\"", "store.opensearch.password_file: is required"),
        ("url = \"https://h:9200\"\npassword_file = \"p\"", "store.opensearch.user: is required"),
        (
            "url = \"http://h:9200\"\nuser = \"u\"\npassword_file = \"p\"",
            "store.opensearch.url: would send the password",
        ),
        ("url = \"http://h:9200\"\nca_file = \"ca.pem\"", "store.opensearch.ca_file: is of no use"),
        ("url = \"http://h:9200\"\npassword = \"hush\"", "store.opensearch.password: unknown field"),
    ] {
        let found = of(text);
        assert!(found.contains(expected) && !found.contains("hush"), "{text:?} gave {found:?}, not {expected:?}");
    }
    let variables = [("LLM_SRE_OPENSEARCH_PASSWORD", "hush"), ("LLM_SRE_OPENSEARCH_URL", "https://localhost:9200")];
    let text = "[store.opensearch]\nurl = \"https://elsewhere:1\"\nuser = \"u\"\nca_file = \"ca.pem\"";
    let config = load_text(text, &variables, Overrides::default()).unwrap();
    let opensearch = config.store.opensearch.as_ref().unwrap();
    assert_eq!((opensearch.url.as_str(), opensearch.prefix.as_str()), ("https://localhost:9200", "llm-sre"));
    assert!(opensearch.ca_file.as_ref().unwrap().is_absolute(), "a path in a file is meant beside it");
    let shown = format!("{config:?}{}", config.to_toml().unwrap());
    assert!(!shown.contains("hush") && shown.contains("ca.pem"), "{shown}");
}

#[test]
fn a_policy_is_read_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), "autonomy = \"auto\"\nenroled = []").unwrap();
    std::fs::write(folder.path().join("a.toml"), "[policy]\nfile = \"policy.toml\"").unwrap();
    let flags = Overrides { file: Some(folder.path().join("a.toml")), ..Overrides::default() };
    let config = load_with(&flags, &|_| None).unwrap();
    assert_eq!(config.policy.file.as_deref().and_then(Path::file_name), Some("policy.toml".as_ref()));
    let found = config.policy().unwrap_err().to_string();
    assert!(found.contains("policy.toml: enroled: unknown field `enroled`"), "{found}");
    assert_eq!(Config::default().policy().unwrap(), Policy::default());
}
