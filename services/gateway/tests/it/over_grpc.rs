use std::time::Duration;

use llm_sre_mesh::{peer, status};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::bus::Mood;
use super::*;

#[tokio::test]
async fn requests_reach_the_bus_by_service_and_rejections_the_dead_letters() {
    let fixture = Fixture::new(Options::default()).await;
    let peer = peer::local(fixture.gateway.routes());
    let answer = MetricsServiceClient::new(peer.clone())
        .send_compressed(Gzip)
        .accept_compressed(Gzip)
        .export(parse::<ExportMetricsServiceRequest>(metrics()))
        .await
        .unwrap();
    let partial = answer.into_inner().partial_success.unwrap();
    assert_eq!((partial.rejected_data_points, &*partial.error_message), (1, "1 rejected: time is missing"));
    assert_metrics_arrived(&fixture).await;

    let mut request = Request::new(traces());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let answer = TraceServiceClient::new(peer.clone()).export(request).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None);
    let records = fixture.records("traces").await;
    assert_eq!(records.iter().map(|found| found.record.header("traceparent")).collect::<Vec<_>>(), [Some(parent)]);

    LogsServiceClient::new(peer).export(logs(1)).await.unwrap();
    let records = fixture.records("logs").await;
    let stored = ExportLogsServiceRequest::decode(records[0].record.value.clone()).unwrap();
    let converted = llm_sre_proto::otlp::logs(&stored);
    assert_eq!(converted.items[0].time, NOW, "a record without any time gets that of its arrival");
}

fn assert_refused(status: &Status, code: Code, reason: &str, may_retry: bool) {
    let info = status::reason(status);
    assert_eq!((status.code(), info.as_deref()), (code, Some(reason)), "{status}");
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(delay, may_retry.then_some(Duration::from_secs(1)));
}

#[tokio::test]
async fn what_does_not_fit_comes_again_and_nothing_acknowledged_is_lost() {
    let fixture =
        Fixture::new(Options { max_requests_in_flight: 2, max_bytes_in_flight: 8192, ..Options::default() }).await;
    let client = LogsServiceClient::new(peer::local(fixture.gateway.routes()));
    fixture.bus.set(Mood::Slow);
    let mut others = [client.clone(), client.clone(), client.clone()];
    let [first, second, probe] = &mut others;
    let check = async {
        fixture.bus.until_waiting(1).await;
        let too_many_bytes = client.clone().export(logs(2000)).await.unwrap_err();
        assert_refused(&too_many_bytes, Code::ResourceExhausted, "TOO_MANY_BYTES", true);
        let refused = async {
            fixture.bus.until_waiting(2).await;
            let too_many_requests = probe.export(logs(1)).await.unwrap_err();
            assert_refused(&too_many_requests, Code::ResourceExhausted, "TOO_MANY_REQUESTS", true);
            fixture.bus.set(Mood::Well);
        };
        tokio::join!(second.export(logs(1)), refused).0
    };
    let (first, second) = tokio::join!(first.export(logs(1)), check);
    first.unwrap();
    second.unwrap();
    assert_eq!(fixture.records("logs").await.len(), 2);
    client.clone().export(logs(1)).await.unwrap();
}

#[tokio::test]
async fn every_refusal_says_whether_to_come_again() {
    let fixture = Fixture::new(Options { max_request_bytes: 10_000, ..Options::default() }).await;
    let mut client = LogsServiceClient::new(peer::local(fixture.gateway.routes()));
    let away = [(Mood::Away, Code::Unavailable, "UNAVAILABLE"), (Mood::Full, Code::ResourceExhausted, "BUS_FULL")];
    for (mood, code, reason) in away {
        fixture.bus.set(mood);
        assert_refused(&client.export(logs(1)).await.unwrap_err(), code, reason, true);
    }
    fixture.bus.set(Mood::Well);
    let too_large = client.export(logs(2000)).await.unwrap_err();
    assert_refused(&too_large, Code::InvalidArgument, "MESSAGE_TOO_LARGE", false);
    let too_large = client.clone().send_compressed(Gzip).export(logs(2000)).await.unwrap_err();
    assert_refused(&too_large, Code::InvalidArgument, "MESSAGE_TOO_LARGE", false);
    client.export(logs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_stalls_gives_up_its_room() {
    let fixture = Fixture::new(Options { max_requests_in_flight: 1, ..Options::default() }).await;
    let mut client = LogsServiceClient::new(peer::local(fixture.gateway.routes()));
    fixture.bus.set(Mood::Slow);
    assert_refused(&client.export(logs(1)).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE", true);
    fixture.bus.set(Mood::Well);
    client.export(logs(1)).await.unwrap();
}
