//! Telemetry that cannot be taken, from its burial to its way back, on both buses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_sre_adapters::sqlite;
use llm_sre_kafka::KafkaBus;
use llm_sre_ports::bus::{EventBus, Position, Record};
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::{self, Client};
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::process::{self, Process, llm_sre};
use crate::senders::found;

const SOON: Duration = Duration::from_secs(40);
const PREFIX: &str = "letters-";
const SENDER: &str = "till";

/// The same bus as the processes have, from beside them.
struct Bus {
    runtime: Runtime,
    bus: Arc<dyn EventBus>,
}

impl Bus {
    fn new(open: impl FnOnce() -> Arc<dyn EventBus>) -> Self {
        let runtime = Runtime::new().unwrap();
        let bus = {
            let _inside = runtime.enter();
            open()
        };
        Self { runtime, bus }
    }

    fn publish(&self, topic: &str, value: Vec<u8>, headers: &[(&str, String)]) -> Position {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        let record = Record { key: Some(SENDER.into()), headers, value: value.into(), ..Record::default() };
        self.runtime.block_on(self.bus.publish(topic, vec![record])).unwrap()[0]
    }
}

/// A request with one line.
fn line(text: &str) -> Vec<u8> {
    line_of(SENDER, text)
}

fn line_of(service: &str, text: &str) -> Vec<u8> {
    let said = |text: &str| Some(AnyValue { value: Some(Any::StringValue(text.to_owned())) });
    let name = KeyValue { key: "service.name".to_owned(), value: said(service), ..KeyValue::default() };
    let time_unix_nano = u64::try_from(client::now().as_nanos()).unwrap();
    let record =
        LogRecord { time_unix_nano, body: said(&format!("the till is jammed {text}")), ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
    let resource_logs = vec![ResourceLogs { resource, scope_logs: vec![scope], ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// Somebody at a terminal beside the configuration.
struct Person<'a>(&'a Path);

impl Person<'_> {
    fn reads(&self, arguments: &[&str]) -> String {
        let output = llm_sre(self.0).args(["--config", "llm-sre.toml", "dlq"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn parses(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.reads(&[arguments, &["--output", "json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// One story for every bus.
fn check(folder: &Path, config: &str, open: impl FnOnce() -> Arc<dyn EventBus>) {
    process::write(folder, "llm-sre.toml", config);
    let file = folder.join("llm-sre.toml");
    let mut node = Process::start(&["run", "--config", file.to_str().unwrap(), "--services", "gateway,indexer"]);
    let client = Client::new(&node.control());
    let (bus, person) = (Bus::new(open), Person(folder));
    assert_eq!(person.reads(&["list"]).trim(), "no dead letters");
    assert_eq!(person.reads(&["replay"]).trim(), "no dead letters");

    let stored = bus.publish(topics::LOGS, line("before"), &[]);
    let poison = bus.publish(topics::LOGS, b"no protobuf".to_vec(), &[("theirs", "a".to_owned())]);
    bus.publish(topics::LOGS, line("after"), &[]);
    let jammed = || found(&client, "jammed", SENDER);
    node.wait_until("what came before and after the poison", SOON, |_| jammed() == 2);
    node.wait_until("a letter", SOON, |_| !person.parses(&["list", "--topic", "logs"]).is_empty());
    let letters = person.parses(&["list"]);
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let has = |letter: &Value, field: &str, value: Value| assert_eq!(letter[field], value, "{field} of {letter:#}");
    for (field, value) in [
        ("topic", json!("logs.dlq")),
        ("partition", json!(0)),
        ("offset", json!(letters[0]["offset"])),
        ("source_topic", json!("logs")),
        ("source_partition", json!(poison.partition)),
        ("source_offset", json!(poison.offset)),
        ("rejected_by", json!("indexer")),
        ("kept", json!("whole")),
        ("replays", json!(0)),
        ("replayed", json!(false)),
    ] {
        has(&letters[0], field, value);
    }
    assert!(letters[0]["reason"].as_str().unwrap().starts_with("failed to decode an export request"));
    assert_eq!(person.reads(&["list", "--topic", "traces"]).trim(), "no dead letters");

    comes_back(&mut node, &person, &letters[0]);
    // One that was stored already, under the place that it has: as when only a part of its batch was refused.
    let buried = |value: Vec<u8>, place: Option<Position>| {
        let mut headers = vec![(topics::REASON_HEADER, "by hand".to_owned())];
        if let Some(Position { partition, offset }) = place {
            headers.extend([
                (topics::KEPT_HEADER, "whole".to_owned()),
                (topics::SOURCE_PARTITION_HEADER, partition.to_string()),
                (topics::SOURCE_OFFSET_HEADER, offset.to_string()),
            ]);
        }
        bus.publish("logs.dlq", value, &headers);
    };
    let again = bus.runtime.block_on(bus.bus.read(
        &llm_sre_ports::bus::TopicPartition { topic: "logs".to_owned(), partition: stored.partition },
        stored.offset,
        1,
    ));
    buried(again.unwrap()[0].record.value.to_vec(), Some(stored));
    buried(line("new"), None);
    let said = person.reads(&["replay", "--reason", "by hand"]);
    assert!(said.contains("2 replayed, 0 were before, 0 cannot be"), "{said}");
    node.wait_until("the new line", SOON, |_| jammed() == 3);
    // Behind both replays in their partition, so that neither is on its way any more.
    bus.publish(topics::LOGS, line("last"), &[]);
    node.wait_until("the last line", SOON, |_| jammed() >= 4);
    assert_eq!(jammed(), 4, "what was stored is not stored again");
    assert!(node.terminate().success(), "{}", node.err());
}

/// The poison is none the better for its replay.
fn comes_back(node: &mut Process, person: &Person<'_>, letter: &Value) {
    let dry = person.reads(&["replay", "--dry-run"]);
    assert!(dry.contains("1 would be replayed"), "{dry}");
    let at = format!("{}:{}", letter["partition"], letter["offset"]);
    let said = person.reads(&["replay", "--topic", "logs", "--offset", &at]);
    assert!(said.contains("1 replayed, 0 were before, 0 cannot be"), "{said}");
    node.wait_until("the letter to come back", SOON, |_| person.parses(&["list"]).len() == 2);
    let said = person.reads(&["replay", "--topic", "logs", "--offset", &at]);
    assert!(said.contains("0 replayed, 1 were before, 0 cannot be"), "{said}");
    let letters = person.parses(&["list"]);
    let fields = |letter: &Value| (letter["replayed"].clone(), letter["replays"].clone());
    assert_eq!(fields(&letters[0]), (json!(true), json!(0)));
    assert_eq!(fields(&letters[1]), (json!(false), json!(1)));
    let table = person.reads(&["list", "--limit", "1"]);
    assert!(table.contains("REASON") && table.contains("failed to decode") && table.contains("yes"), "{table}");
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("letters-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn letters_go_their_way_and_back_on_the_embedded_bus() {
    let folder = folder();
    let file: PathBuf = folder.path().join("llm-sre.sqlite");
    check(folder.path(), "", move || Arc::new(sqlite::Store::open(&file, sqlite::Options::default()).unwrap().bus()));
}

#[test]
fn letters_go_their_way_and_back_on_kafka() {
    let _alone = process::one_shop_at_a_time();
    let Some(kafka) = Kafka::start("letters_go_their_way_and_back_on_kafka") else { return };
    let folder = folder();
    let config = format!("[bus.kafka]\nbrokers = [\"{}\"]\nprefix = \"{PREFIX}\"\n", kafka.address());
    let options =
        llm_sre_kafka::Options { prefix: PREFIX.to_owned(), ..llm_sre_kafka::Options::new(vec![kafka.address()]) };
    check(folder.path(), &config, move || Arc::new(KafkaBus::new(options).unwrap()));
}

/// Poison to OpenSearch alone: a name that is longer than any term of an index. It costs itself only, and what is stored
/// beside it in its record is there once, however often that is replayed.
#[test]
fn what_only_the_store_refuses_is_a_letter_and_costs_nothing_else() {
    let _alone = process::one_shop_at_a_time();
    let Some(opensearch) = OpenSearch::start("what_only_the_store_refuses_is_a_letter") else { return };
    let folder = folder();
    let config = format!("[store.opensearch]\nurl = \"{}\"\nprefix = \"letters\"\n", opensearch.url());
    process::write(folder.path(), "llm-sre.toml", &config);
    let config = folder.path().join("llm-sre.toml");
    let mut node = Process::start(&["run", "--config", config.to_str().unwrap(), "--services", "gateway,indexer"]);
    let client = Client::new(&node.control());
    let file = folder.path().join("llm-sre.sqlite");
    let bus = Bus::new(|| Arc::new(sqlite::Store::open(&file, sqlite::Options::default()).unwrap().bus()));
    let person = Person(folder.path());
    // Messages of protobuf join by being written one after the other.
    let mixed = [line("beside"), line_of(&"x".repeat(40_000), "poison")].concat();
    bus.publish(topics::LOGS, mixed, &[]);
    bus.publish(topics::LOGS, line("after"), &[]);
    let jammed = || found(&client, "jammed", SENDER);
    node.wait_until("what is good", SOON, |_| jammed() == 2);
    node.wait_until("a letter", SOON, |_| person.parses(&["list"]).len() == 1);
    let letter = &person.parses(&["list"])[0];
    assert!(letter["reason"].as_str().unwrap().starts_with("the store refuses it"), "{letter:#}");
    let said = person.reads(&["replay"]);
    assert!(said.contains("1 replayed"), "{said}");
    node.wait_until("the letter to come back", SOON, |_| person.parses(&["list"]).len() == 2);
    bus.publish(topics::LOGS, line("last"), &[]);
    node.wait_until("the last line", SOON, |_| jammed() >= 3);
    assert_eq!(jammed(), 3, "what was stored beside the poison is not stored again");
    assert!(node.terminate().success(), "{}", node.err());
}
