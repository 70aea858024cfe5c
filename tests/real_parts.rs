//! The real parts work by themselves: what fails here is the set-up, and not the product that other tests put in between.

use std::process::Command;
use std::time::Duration;

#[path = "parts/parts.rs"]
mod parts;

const SEEN_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn telemetrygen_reaches_jaeger_through_a_collector() {
    const TEST: &str = "telemetrygen_reaches_jaeger_through_a_collector";
    let (Some(jaeger), Some(telemetrygen)) = (parts::Jaeger::start(TEST), parts::find(TEST, "telemetrygen")) else {
        return;
    };
    let Some(collector) = parts::Collector::start(TEST, jaeger.otlp_grpc_port, &["traces"]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", collector.otlp_grpc_port);
    let arguments = ["traces", "--otlp-insecure", "--traces=3", "--service=set-up-probe", "--otlp-endpoint", &endpoint];
    let sent = Command::new(telemetrygen).args(arguments).output().expect("start telemetrygen");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    parts::wait_until("the service in Jaeger", SEEN_WITHIN, || {
        jaeger.services().is_ok_and(|services| services.contains("set-up-probe"))
    });
    parts::wait_until("host metrics in the Collector's file", SEEN_WITHIN, || {
        std::fs::read_to_string(&collector.file).is_ok_and(|lines| lines.contains("system.cpu.time"))
    });
    assert!(jaeger.trace("00000000000000000000000000000001").expect("ask Jaeger").contains("errors"));
}

#[test]
fn grpcurl_lists_what_a_server_reflects() {
    const TEST: &str = "grpcurl_lists_what_a_server_reflects";
    let (Some(grpcurl), Some(jaeger)) = (parts::find(TEST, "grpcurl"), parts::Jaeger::start(TEST)) else { return };
    let address = format!("127.0.0.1:{}", jaeger.query_grpc_port);
    let answer = Command::new(grpcurl).args(["-plaintext", "-max-time=10", &address, "list"]).output();
    let answer = answer.expect("start grpcurl");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    assert!(String::from_utf8_lossy(&answer.stdout).contains("grpc.health.v1.Health"));
}
