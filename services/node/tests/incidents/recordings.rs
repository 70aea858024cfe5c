//! How the signals of incidents moved, as they are recorded.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::Documents;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::fleet::v1::fleet_service_server::FleetService;
use llm_sre_proto::fleet::v1::{ListSignalRecordingsRequest, SignalRecording};
use llm_sre_proto::incident::v1;
use serde_json::Value;
use tonic::{Code, Request, Status};

use crate::shop::{Running, Shop};
use crate::{FAILING, SICK, WELL, with_incident};

async fn ask(running: &Running, parent: &str) -> Result<Vec<SignalRecording>, Status> {
    let request = ListSignalRecordingsRequest { parent: parent.to_owned() };
    Ok(running.service.list_signal_recordings(Request::new(request)).await?.into_inner().recordings)
}

async fn recorded(running: &Running, incident: &v1::Incident) -> Vec<SignalRecording> {
    ask(running, &incident.name).await.unwrap()
}

fn times(recording: &SignalRecording) -> Vec<Timestamp> {
    recording.samples.iter().map(|sample| from_proto_time(sample.time.as_ref().unwrap())).collect()
}

/// The newest sample of all that is recorded.
fn newest(recordings: &[SignalRecording]) -> Timestamp {
    recordings.iter().filter_map(|recording| times(recording).last().copied()).max().unwrap_or_default()
}

fn opened(incident: &v1::Incident) -> Timestamp {
    from_proto_time(incident.detect_time.as_ref().unwrap())
}

/// What times of stored samples are counted in, each but the first since the one before it.
const TICK_NANOS: i64 = 100_000;

fn newest_tick(stored: &Value) -> i64 {
    let recordings = stored["recordings"].as_array().into_iter().flatten();
    let ticks =
        recordings.map(|kept| kept["ticks"].as_array().unwrap().iter().map(|tick| tick.as_i64().unwrap()).sum());
    ticks.max().unwrap_or_default()
}

/// Waits until what is stored of an incident's signals has this sample.
async fn until_stored(shop: &Shop, running: &Running, incident: &v1::Incident, newest: Timestamp) {
    let id = incident.name.strip_prefix("incidents/").unwrap();
    let stored = async {
        loop {
            let document = shop.documents.get("signal_recordings", id).await.unwrap();
            if document.is_some_and(|document| newest_tick(&document.body) >= newest.as_nanos() / TICK_NANOS) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), stored).await;
    assert!(waited.is_ok(), "up to {newest}: {:?}", recorded(running, incident).await);
}

#[tokio::test]
async fn what_an_incident_is_about_is_seen_to_leave_its_range() {
    let (_shop, running, incident) = with_incident(71).await;
    let recordings = recorded(&running, &incident).await;
    let errors = recordings.iter().find(|recording| recording.metric == "requests.error_ratio").unwrap();
    let (high, times) = (errors.usual_high.unwrap(), times(errors));
    assert!(times.is_sorted() && errors.usual_low.is_none(), "{errors:?}");
    let onset = from_proto_time(incident.onset_time.as_ref().unwrap());
    assert!(times[0] < onset && opened(&incident) < *times.last().unwrap(), "from before it began: {times:?}");
    let above = errors.samples.iter().zip(&times).filter(|(sample, _)| sample.value > high);
    assert!(above.clone().count() > 5 && above.into_iter().all(|(_, time)| *time >= onset), "{errors:?}");
    assert!(incident.anomalies.iter().any(|anomaly| anomaly.id == errors.anomaly), "{incident:?}");
    assert!(recordings.iter().all(|recording| !recording.samples.is_empty()), "what has no series has no recording");
    running.stop().await;
}

#[tokio::test]
async fn what_was_recorded_stays_when_the_incident_ended() {
    let (mut shop, running, incident) = with_incident(72).await;
    shop.trade(WELL, 0.0).await;
    let ended = running.until(v1::State::Resolved).await;
    shop.until_read().await;
    let recordings = recorded(&running, &incident).await;
    let errors = recordings.iter().find(|recording| recording.metric == "requests.error_ratio").unwrap();
    let last = errors.samples.last().unwrap();
    assert!(last.value <= errors.usual_high.unwrap(), "it is seen to recover: {ended:?} {errors:?}");
    until_stored(&shop, &running, &incident, newest(&recordings)).await;
    running.kill().await;
    let again = shop.start();
    shop.trade(1, 0.0).await;
    shop.until_read().await;
    assert_eq!(recorded(&again, &incident).await, recordings);
    again.stop().await;
}

/// What is read again is recorded again, and each sample is there once.
#[tokio::test]
async fn a_kill_leaves_no_gap_and_no_sample_twice() {
    let (mut shop, running, incident) = with_incident(73).await;
    let before = recorded(&running, &incident).await;
    until_stored(&shop, &running, &incident, newest(&before)).await;
    running.kill().await;
    let again = shop.start();
    shop.trade(SICK, FAILING).await;
    shop.until_read().await;
    let after = recorded(&again, &incident).await;
    for recording in &before {
        let same = |other: &&SignalRecording| (&other.metric, &other.origin) == (&recording.metric, &recording.origin);
        let grown = after.iter().find(same).unwrap();
        let times = times(grown);
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        assert!(recording.samples.iter().all(|sample| grown.samples.contains(sample)), "{times:?}");
        let interval = from_proto_interval(grown);
        assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) <= interval * 2), "{times:?}");
        assert_eq!((grown.usual, grown.usual_high), (recording.usual, recording.usual_high));
    }
    assert!(newest(&before) < newest(&after));
    again.stop().await;
}

fn from_proto_interval(recording: &SignalRecording) -> Duration {
    llm_sre_proto::convert::common::from_proto_duration(recording.interval.as_ref())
}

#[tokio::test]
async fn signals_of_no_incident_are_not_found() {
    let shop = Shop::new(74).await;
    let running = shop.start();
    let unknown = "incidents/00000000-0000-4000-8000-000000000000";
    let found = async {
        loop {
            match ask(&running, unknown).await.unwrap_err() {
                // It does not hold the lease yet.
                refused if refused.code() == Code::Unavailable => tokio::task::yield_now().await,
                refused => return refused,
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let refused = ask(&running, "cart").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("parent") || refused.message().contains("incidents/"), "{refused}");
    running.stop().await;
}
