//! What is done to the infrastructure. Each strike returns when all is whole again.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_sre_ports::bus::{Delivered, Record, TopicPartition};
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::class::Class;
use crate::links::State;
use crate::parts;
use crate::search::Search;
use crate::site::Site;
use crate::system::{PRODUCT, SECOND, System};

/// The node looks at its disk every ten seconds.
const DISK_SEEN_WITHIN: Duration = Duration::from_secs(90);
/// Room that is left on a full disk: far below the mark, and enough for the node to go on.
const LEFT_BYTES: u64 = 32 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;
/// Kills of a repetition that kills again and again: ten of these are fifty.
const KILLS: usize = 5;
/// How long is waited for the next of them, and until what was killed is started again.
const BETWEEN_KILLS_MAX_MS: u64 = 4_000;
const GONE_MAX_MS: u64 = 1_000;

/// Strikes, and says what was done and what went wrong with it.
pub(crate) fn strike(class: Class, random: &mut ChaCha8Rng, site: &mut Site, away: Duration) -> (String, Vec<String>) {
    let mut wrong = Vec::new();
    let did = match class {
        Class::Control => "nothing".to_owned(),
        Class::KillGateway => kill(site, "gateway", random),
        Class::KillIndexer => kill(site, "indexer", random),
        Class::KillDetector => kill(site, "detector", random),
        Class::KillDiagnosis => kill(site, "diagnosis", random),
        Class::KillRemediation => kill(site, "remediation", random),
        Class::KillAgain => kill_again(site, random),
        Class::RollingRestart => restart_all(site, random, &mut wrong),
        Class::FailOver => fail_over(site, random, &mut wrong),
        Class::KafkaRestart => restart_kafka(site, random),
        Class::KafkaBrokerLost => lose_broker(site, random),
        Class::OpensearchRestart => {
            site.opensearch.kill();
            site.opensearch.start_again();
            "killed and started".to_owned()
        }
        Class::OpensearchAway => take_store_away(site, random, away),
        Class::Partition => part(site, random),
        Class::BadMessages => send_bad_messages(site, random),
        Class::DiskFull => fill_disk(site, random),
    };
    (did, wrong)
}

/// Lets real time pass: a strike lasts.
fn last(time: Duration) {
    let began = Instant::now();
    parts::wait_until("the time that it lasts", time * 2 + Duration::from_secs(10), || began.elapsed() >= time);
}

fn drawn(random: &mut ChaCha8Rng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(from_ms..=to_ms))
}

fn kill(site: &mut Site, name: &str, random: &mut ChaCha8Rng) -> String {
    let (_, _, system) = site.parts();
    let gone = drawn(random, 0, 5_000);
    system.kill(name);
    last(gone);
    system.start_again(name);
    format!("gone for {} ms", gone.as_millis())
}

/// So close to each other that kills fall into each stage of an incident, which takes a dozen seconds of real time.
fn kill_again(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let (_, _, system) = site.parts();
    let mut killed = Vec::new();
    for _ in 0..KILLS {
        let name = PRODUCT[random.random_range(0..PRODUCT.len())];
        last(drawn(random, 0, BETWEEN_KILLS_MAX_MS));
        system.kill(name);
        last(drawn(random, 0, GONE_MAX_MS));
        system.start_again(name);
        killed.push(name);
    }
    format!("{KILLS} killed: {}", killed.join(", "))
}

fn restart_all(site: &mut Site, random: &mut ChaCha8Rng, wrong: &mut Vec<String>) -> String {
    let (_, _, system) = site.parts();
    let mut names = PRODUCT;
    names.shuffle(random);
    for name in names {
        wrong.extend(system.terminate(name));
        system.start_again(name);
    }
    names.join(", ")
}

fn fail_over(site: &mut Site, random: &mut ChaCha8Rng, wrong: &mut Vec<String>) -> String {
    let (_, _, system) = site.parts();
    SECOND.into_iter().for_each(|name| system.start_again(name));
    let name = PRODUCT[random.random_range(0..PRODUCT.len())];
    let gone = drawn(random, 10_000, 25_000);
    system.kill(name);
    last(gone);
    system.start_again(name);
    wrong.extend(SECOND.into_iter().filter_map(|name| system.terminate(name)));
    format!("{name} gone for {} ms beside another of its kind", gone.as_millis())
}

fn restart_kafka(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let is_asked = random.random();
    if is_asked {
        site.kafka.terminate();
    } else {
        site.kafka.kill();
    }
    let gone = drawn(random, 0, 5_000);
    last(gone);
    site.kafka.start_again();
    format!("{} and gone for {} ms beside its start", if is_asked { "SIGTERM" } else { "SIGKILL" }, gone.as_millis())
}

fn lose_broker(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let broker = random.random_range(0..3);
    let gone = drawn(random, 5_000, 20_000);
    site.kafka.kill_one(broker);
    last(gone);
    site.kafka.start_again();
    format!("broker {} gone for {} ms beside its start", broker + 1, gone.as_millis())
}

fn take_store_away(site: &mut Site, random: &mut ChaCha8Rng, away: Duration) -> String {
    let hangs = random.random();
    if hangs {
        site.opensearch.signal("-STOP");
        last(away);
        site.opensearch.signal("-CONT");
    } else {
        site.opensearch.kill();
        last(away);
        site.opensearch.start_again();
    }
    format!("{} for {} s", if hangs { "hung" } else { "gone" }, away.as_secs())
}

/// Parts some of the ways, each in its own manner.
fn part(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let (_, _, system) = site.parts();
    let mut order: Vec<usize> = (0..system.links.len()).collect();
    order.shuffle(random);
    let parted = &order[..random.random_range(1..=4)];
    let mut did = Vec::new();
    for link in parted.iter().map(|index| &system.links[*index]) {
        let state = match random.random_range(0..3) {
            0 => State::Cut,
            1 => State::Slow(drawn(random, 20, 1_500)),
            _ => State::Reset,
        };
        link.set(state);
        did.push(format!("{} {state:?}", link.name));
    }
    let time = drawn(random, 3_000, 25_000);
    last(time);
    system.links.iter().for_each(|link| link.set(State::Open));
    format!("{} for {} ms", did.join(", "), time.as_millis())
}

/// Records of each topic that are sent again, and how many of them are corrupted.
const AGAIN: usize = 200;
const CORRUPT: usize = 20;
/// How far back they are taken from.
const BACK: u64 = 2_000;

/// Sends records again that are on the topics: as they are, out of order, and corrupt.
fn send_bad_messages(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let (_, _, system) = site.parts();
    let (mut again, mut corrupt) = (0, 0);
    for topic in topics::TELEMETRY {
        let mut found: Vec<Record> = recent(system, topic).into_iter().map(|delivered| delivered.record).collect();
        found.shuffle(random);
        found.truncate(AGAIN);
        let mut bad: Vec<Record> = found.iter().take(CORRUPT).cloned().collect();
        bad.iter_mut().for_each(|record| record.value = corrupted(topic, &record.value, random));
        (again, corrupt) = (again + found.len(), corrupt + bad.len());
        found.extend(bad);
        found.shuffle(random);
        for some in found.chunks(AGAIN / 4) {
            system.runtime.block_on(system.bus.publish(topic, some.to_vec())).unwrap();
        }
    }
    format!("{again} records again and out of order, {corrupt} corrupt")
}

fn recent(system: &System, topic: &str) -> Vec<Delivered> {
    let bus = &system.bus;
    let read = async {
        let mut found = Vec::new();
        for end in bus.end_offsets(topic).await? {
            let of = TopicPartition { topic: topic.to_owned(), partition: end.of.partition };
            found.extend(bus.read(&of, end.next_offset.saturating_sub(BACK), AGAIN).await?);
        }
        Ok::<_, llm_sre_ports::bus::Error>(found)
    };
    system.runtime.block_on(read).unwrap()
}

/// The value damaged so that it is no export request any more.
fn corrupted(topic: &str, value: &Bytes, random: &mut ChaCha8Rng) -> Bytes {
    let mut damaged = value.to_vec();
    for _ in 0..16 {
        let at = random.random_range(0..damaged.len().max(1));
        match random.random_range(0..3) {
            0 => damaged.truncate(at),
            1 => damaged.iter_mut().skip(at).take(8).for_each(|byte| *byte = !*byte),
            _ => damaged.insert(at, 0xff),
        }
        if !is_request(topic, damaged.clone().into()) {
            return damaged.into();
        }
        damaged = value.to_vec();
    }
    // A tag without a value is the shortest that no message is.
    Bytes::from_static(&[0x0a])
}

fn is_request(topic: &str, value: Bytes) -> bool {
    match topic {
        topics::METRICS => ExportMetricsServiceRequest::decode(value).is_ok(),
        topics::LOGS => ExportLogsServiceRequest::decode(value).is_ok(),
        _ => ExportTraceServiceRequest::decode(value).is_ok(),
    }
}

/// Fills the store's disk, or where it has none of its own, sets the block that a full one comes to.
fn fill_disk(site: &mut Site, random: &mut ChaCha8Rng) -> String {
    let held = drawn(random, 2_000, 10_000);
    let search = site.search();
    let (_, opensearch, system) = site.parts();
    let filled = if opensearch.has_small_disk() {
        let filler = opensearch.disk().join("filler");
        let bytes = fill(&filler);
        parts::wait_until("a disk that is seen to be full", DISK_SEEN_WITHIN, || is_blocked(&search, system));
        last(held);
        fs::remove_file(filler).unwrap();
        format!("{} MiB", bytes / MIB)
    } else {
        block(&search, system, json!(true));
        last(held);
        block(&search, system, Value::Null);
        "its block".to_owned()
    };
    parts::wait_until("a disk that is seen to have room", DISK_SEEN_WITHIN, || !is_blocked(&search, system));
    format!("filled by {filled} for {} ms after it was noticed", held.as_millis())
}

/// Writes a file until little room is left, and gives its size.
fn fill(filler: &Path) -> u64 {
    let mut file = fs::File::create(filler).unwrap();
    let chunk = vec![0x5a; usize::try_from(MIB).unwrap()];
    let count = room(filler).saturating_sub(LEFT_BYTES) / MIB;
    (0..count).for_each(|_| file.write_all(&chunk).unwrap());
    count * MIB
}

/// What the file system of a file has left, in bytes.
fn room(file: &Path) -> u64 {
    let output = Command::new("df").args(["-B1", "--output=avail"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().last().and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("df said {text}"))
}

/// Whether the node refuses to write to one of the system's indices at least.
fn is_blocked(search: &Search, system: &System) -> bool {
    let path = format!("{}-*/_settings?flat_settings=true", system.prefix);
    let answer = search.ask("GET", &path, None).unwrap_or_default();
    answer.to_string().contains("read_only_allow_delete\":\"true\"")
}

fn block(search: &Search, system: &System, is_blocked: Value) {
    let settings = json!({ "index.blocks.read_only_allow_delete": is_blocked });
    let answer = search.ask("PUT", &format!("{}-*/_settings", system.prefix), Some(&settings)).unwrap();
    assert_eq!(answer["acknowledged"], true, "{answer}");
}
