//! What `grpcurl` sees and does, without a file of ours: all it knows comes from reflection.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::now;
use crate::parts;
use crate::process::Process;

const SOON: Duration = Duration::from_secs(20);
const INCIDENTS: &str = "llmsre.incident.v1.IncidentService";
const DIAGNOSES: &str = "llmsre.diagnosis.v1.DiagnosisService";
const BESIDE: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// The tool, and whom it asks.
struct Grpcurl {
    program: PathBuf,
    address: String,
}

impl Grpcurl {
    fn run(&self, before: &[&str], after: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["-plaintext", "-max-time=20", "-format-error"]).args(before).arg(&self.address).args(after);
        command.output().unwrap()
    }

    /// The lines that it prints, of a command that works.
    fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.run(&[], arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// A call, and its answer or its error, both as JSON.
    fn call(&self, method: &str, request: &Value) -> Result<Value, Value> {
        let output = self.run(&["-d", &request.to_string()], &[method]);
        let text = if output.status.success() { &output.stdout } else { &output.stderr };
        let parsed = serde_json::from_slice(text);
        let answer = parsed.unwrap_or_else(|error| panic!("{method}: {error}: {}", String::from_utf8_lossy(text)));
        if output.status.success() { Ok(answer) } else { Err(answer) }
    }
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().chain(&BESIDE).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_port_lists_and_describes_what_it_serves() {
    const TEST: &str = "every_port_lists_and_describes_what_it_serves";
    let Some(program) = parts::find(TEST, "grpcurl") else { return };
    let mut node = Process::run("");
    let control = Grpcurl { program: program.clone(), address: node.control() };
    let remediation = "llmsre.remediation.v1.RemediationService";
    let product =
        [DIAGNOSES, "llmsre.fleet.v1.FleetService", INCIDENTS, remediation, "llmsre.telemetry.v1.TelemetryService"];
    assert_eq!(control.lines(&["list"]), sorted(&product), "the simulator and its target are not served here");
    let gateway = Grpcurl { program: program.clone(), address: node.otlp_grpc() };
    let otlp = ["logs.v1.LogsService", "metrics.v1.MetricsService", "trace.v1.TraceService"]
        .map(|name| format!("opentelemetry.proto.collector.{name}"));
    assert_eq!(gateway.lines(&["list"]), sorted(&otlp.each_ref().map(String::as_str)));

    let described = control.lines(&["describe", &format!("{INCIDENTS}.ReportIncident")]).join("\n");
    assert!(described.contains("( .llmsre.incident.v1.ReportIncidentRequest )"), "{described}");
    for version in ["v1", "v1alpha"] {
        let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let listed = control.call(&method, &json!({"list_services": ""})).unwrap();
        assert_eq!(listed["listServicesResponse"]["service"].as_array().map(Vec::len), Some(8), "{listed}");
        let found = control.call(&method, &json!({"file_containing_symbol": INCIDENTS})).unwrap();
        assert!(found["fileDescriptorResponse"]["fileDescriptorProto"][0].is_string(), "{found}");
    }
    for service in ["", INCIDENTS, DIAGNOSES, remediation] {
        let health = control.call("grpc.health.v1.Health/Check", &json!({"service": service})).unwrap();
        assert_eq!(health["status"], "SERVING", "{service}");
    }
    assert!(node.terminate().success(), "{}", node.err());

    let mut demo = Process::start(&["demo"]);
    let listed = Grpcurl { program, address: demo.control() }.lines(&["list"]);
    let shop = ["llmsre.action.v1.ActionService", "llmsre.simulator.v1.SimulatorService"];
    assert_eq!(listed, sorted(&[&product[..], &shop].concat()));
    assert!(demo.terminate().success(), "{}", demo.err());
}

/// A node that has seen the service `till`.
fn with_a_service(node: &mut Process, program: &std::path::Path) -> Grpcurl {
    let nanos = now().as_nanos().to_string();
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "till"}}]},
        "scopeMetrics": [{"metrics": [{"name": "queue.size", "gauge": {"dataPoints": [
            {"timeUnixNano": nanos, "asDouble": 3.0}
        ]}}]}]
    }]});
    let answer = crate::by_grpc_web::post(
        &node.otlp_http(),
        "/v1/metrics",
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    );
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Grpcurl { program: program.to_owned(), address: node.control() }
}

#[test]
fn a_reported_incident_is_diagnosed_by_call() {
    const TEST: &str = "a_reported_incident_is_diagnosed_by_call";
    let Some(program) = parts::find(TEST, "grpcurl") else { return };
    let mut node = Process::run("");
    let grpcurl = with_a_service(&mut node, &program);
    let report = format!("{INCIDENTS}/ReportIncident");
    let mut request = json!({
        "service": {"name": "till"}, "title": "the queue does not move", "request_id": "r1", "validate_only": true
    });
    // The detector reads the bus: for a moment it does not know the service yet.
    node.wait_until("service that was seen", SOON, |_| grpcurl.call(&report, &request).is_ok());
    let list = || grpcurl.call(&format!("{INCIDENTS}/ListIncidents"), &json!({})).unwrap();
    assert_eq!(list(), json!({}), "validate_only changed something");

    request["validate_only"] = false.into();
    let reported = grpcurl.call(&report, &request).unwrap();
    assert_eq!(reported["title"], "the queue does not move");
    let name = reported["name"].clone();
    let again = grpcurl.call(&report, &request).unwrap();
    assert_eq!((&again["name"], &again["createTime"]), (&name, &reported["createTime"]));
    assert_eq!(list()["incidents"].as_array().map(Vec::len), Some(1));

    let diagnose = format!("{DIAGNOSES}/DiagnoseIncident");
    let tried = grpcurl.call(&diagnose, &json!({"parent": name, "validate_only": true})).unwrap();
    assert_eq!(tried["createTime"], Value::Null, "{tried}");
    let first = grpcurl.call(&diagnose, &json!({"parent": name, "request_id": "d1"})).unwrap();
    let second = grpcurl.call(&diagnose, &json!({"parent": name, "request_id": "d1"})).unwrap();
    assert_eq!(first["name"], second["name"]);
    let get = || grpcurl.call(&format!("{DIAGNOSES}/GetDiagnosis"), &json!({"name": first["name"]})).unwrap();
    node.wait_until("end of the diagnosis", SOON, |_| get()["state"] != "DIAGNOSIS_STATE_RUNNING");
    assert_eq!(get()["state"], "DIAGNOSIS_STATE_UNRESOLVED", "one gauge explains nothing: {}", get());

    let acknowledge = json!({"name": name, "note": "on it", "request_id": "a1"});
    for _ in 0..2 {
        let acknowledged = grpcurl.call(&format!("{INCIDENTS}/AcknowledgeIncident"), &acknowledge).unwrap();
        assert_eq!(acknowledged["acknowledgement"]["note"], "on it");
    }
    let incident = grpcurl.call(&format!("{INCIDENTS}/GetIncident"), &json!({"name": name})).unwrap();
    let entries = incident["timeline"].to_string().matches("acknowledged").count();
    assert_eq!(entries, 1, "the same request twice is one effect: {}", incident["timeline"]);
}

#[test]
fn errors_say_what_was_wrong_in_a_form_for_programs() {
    const TEST: &str = "errors_say_what_was_wrong_in_a_form_for_programs";
    let Some(program) = parts::find(TEST, "grpcurl") else { return };
    let mut node = Process::run("");
    let grpcurl = Grpcurl { program, address: node.control() };
    let nobody = "incidents/00000000-0000-0000-0000-000000000001";
    let service = json!({"name": "never-seen"});
    for (method, request, code, reason, metadata) in [
        (format!("{INCIDENTS}/GetIncident"), json!({"name": "x"}), 3, "INVALID_FIELD", json!({"field": "name"})),
        (format!("{INCIDENTS}/GetIncident"), json!({"name": nobody}), 5, "NOT_FOUND", json!({"resource": nobody})),
        (
            format!("{DIAGNOSES}/DiagnoseIncident"),
            json!({"parent": nobody}),
            5,
            "NOT_FOUND",
            json!({"resource": nobody}),
        ),
        (
            format!("{INCIDENTS}/ReportIncident"),
            json!({"service": service, "title": "x"}),
            3,
            "INVALID_FIELD",
            json!({"field": "service"}),
        ),
    ] {
        let error = grpcurl.call(&method, &request).unwrap_err();
        assert_eq!(error["code"], code, "{error}");
        let expected = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "domain": "llm-sre", "reason": reason, "metadata": metadata
        });
        assert_eq!(error["details"][0], expected, "{error}");
    }
}
