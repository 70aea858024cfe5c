//! Telemetry over a real Kafka, and documents, telemetry and leases in a real OpenSearch, both with TLS and passwords.

use std::time::Duration;

use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};
use llm_sre_proto::simulator::v1::{FaultState, GetSimulationRequest, ListFaultsRequest};

use crate::client::{self, Client};
use crate::parts::OpenSearch;
use crate::parts::kafka::{self, Kafka};
use crate::process::{self, Process};

const POLICY: &str = "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n\
                      [[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"auto\"\n";
const EVERYTHING: &str = "gateway,indexer,detector,diagnosis,remediation,simulator";
/// How long the shop runs before it breaks, in its own time, so that the usual is known.
const WARM_UP_S: i64 = 15 * 60;
const WARM_WITHIN: Duration = Duration::from_secs(60);
const REPAIRED_WITHIN: Duration = Duration::from_secs(120);

fn is_measured(incident: &Incident) -> bool {
    let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
    incident.state() == State::Resolved && reason == Some(ResolutionReason::Measured)
}

#[test]
fn an_incident_is_repaired_on_kafka_and_opensearch() {
    const TEST: &str = "an_incident_is_repaired_on_kafka_and_opensearch";
    let (Some(opensearch), Some(kafka)) = (OpenSearch::start_secure(TEST), Kafka::start_secure(TEST)) else { return };
    let _alone = process::one_shop_at_a_time();
    let folder = tempfile::Builder::new().prefix("on-engines-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    process::write(folder.path(), "policy.toml", POLICY);
    process::write(folder.path(), "kafka-password", kafka::PASSWORD);
    let config = format!(
        "[store.opensearch]\nurl = \"{}\"\nprefix = \"mesh\"\nuser = \"{}\"\n\
         password_file = \"{}\"\nca_file = \"{}\"\n\
         [bus.kafka]\nbrokers = [\"{}\"]\nprefix = \"mesh-\"\ntls = true\nca_file = \"{}\"\nuser = \"{}\"\n\
         password_file = \"kafka-password\"\n[policy]\nfile = \"policy.toml\"\n\
         [clock]\nspeed = 30.0\nepoch = \"{}\"\n",
        opensearch.url(),
        opensearch.credentials().0,
        opensearch.password_file().display(),
        opensearch.authority_file().display(),
        kafka.secure_address(),
        kafka.ca().display(),
        kafka::USER,
        client::now().as_secs(),
    );
    let config = process::write(folder.path(), "llm-sre.toml", &config);
    let mut node = Process::start(&["run", "--config", config.to_str().unwrap(), "--services", EVERYTHING]);
    let address = node.control();
    let client = Client::new(&address);
    let time_s = || {
        let simulation = client.ask(client.simulator().get_simulation(GetSimulationRequest {})).ok()?;
        simulation.time.map(|time| time.seconds)
    };
    let opened = time_s().unwrap();
    node.wait_until("time to know the usual", WARM_WITHIN, |_| time_s().is_some_and(|time| time - opened >= WARM_UP_S));
    assert!(client.all_incidents().is_empty(), "a calm shop has no incident: {:#?}", client.all_incidents());

    let inject = ["faults", "inject", "--kind", "bad_deploy", "--service", "recommendation", "--onset", "sudden"];
    let injected = process::run(&[&inject[..], &["--address", &address]].concat());
    assert!(injected.status.success(), "{}", String::from_utf8_lossy(&injected.stderr));
    node.wait_until("measured recovery", REPAIRED_WITHIN, |_| client.all_incidents().iter().any(is_measured));
    let incidents = client.all_incidents();
    assert_eq!(incidents.len(), 1, "one cause is one incident: {incidents:#?}");
    let faults = client.ask(client.simulator().list_faults(ListFaultsRequest::default())).unwrap().faults;
    assert_eq!(faults[0].state(), FaultState::Cured);

    // What it knows is in the cluster: another process knows it too, and no file was made for it.
    assert!(!folder.path().join("llm-sre.sqlite").exists());
    assert!(node.terminate().success(), "{}", node.err());
    let password = opensearch.credentials().1;
    assert!(!node.err().contains(&password) && !node.out().contains(&password));
    assert!(!node.err().contains("ERROR"), "{}", node.err());
    let other = ["--services", "detector,diagnosis,remediation"];
    let mut other = Process::start(&[&["run", "--config", config.to_str().unwrap()], &other[..]].concat());
    let found = Client::new(&other.control()).all_incidents();
    assert_eq!(found.iter().map(|incident| &incident.name).collect::<Vec<_>>(), [&incidents[0].name]);
    assert!(other.terminate().success(), "{}", other.err());

    let text = std::fs::read_to_string(&config).unwrap().replace("prefix = \"mesh\"", "prefix = \"Mesh\"");
    let wrong = process::write(folder.path(), "wrong.toml", &text);
    let refused = process::run(&["run", "--config", wrong.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("store.opensearch.prefix") && !said.contains(&password), "{said}");
}
