//! `llm-sre replay` as a user runs it: a recording in, a line of JSON out.

#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const START_S: i64 = 1_700_000_000;
const STEP_S: i64 = 10;
const STEPS: i64 = 150;
/// From which step on `cart` is slow.
const ONSET: i64 = 110;

/// A shop of two services, `web` calling `cart`, whose requests take ten times as long from [`ONSET`] on.
struct Recording {
    folder: TempDir,
}

impl Recording {
    fn new() -> Self {
        let recording = Self { folder: tempfile::tempdir().unwrap() };
        let lines: Vec<String> = (0..STEPS).map(|step| line(step).to_string()).collect();
        std::fs::write(recording.file(), lines.join("\n")).unwrap();
        recording
    }

    fn case(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("telemetry.otlp.jsonl")
    }

    fn name(&self) -> String {
        self.case().file_name().unwrap().to_string_lossy().into_owned()
    }
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// A number around 1 that is the same for the same step.
fn noise(step: i64, salt: i64) -> f64 {
    1.0 + ((step * 37 + salt * 11) % 13 - 6) as f64 / 200.0
}

fn line(step: i64) -> Value {
    let time = ((START_S + step * STEP_S) * 1_000_000_000).to_string();
    let slow = if step >= ONSET { 10.0 } else { 1.0 };
    let gauge = |name: &str, unit: &str, value: f64| json!({"name": name, "unit": unit, "gauge": {"dataPoints": [{"timeUnixNano": time, "asDouble": value}]}});
    let service = |name: &str, salt: i64, usual_s: f64, extra: Vec<Value>| {
        let mut metrics = vec![
            gauge("http.server.request.count", "{request}", (500.0 * noise(step, salt + 1)).round()),
            gauge("http.server.request.duration.mean", "s", (0.05 * slow + usual_s) * noise(step, salt)),
        ];
        metrics.extend(extra);
        json!({"resource": {"attributes": [attribute("service.name", name)]}, "scopeMetrics": [{"metrics": metrics}]})
    };
    let calls = json!({"name": "traces_service_graph_request_total", "sum": {
        "aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [{"timeUnixNano": time, "asInt": "500",
            "attributes": [attribute("client", "web"), attribute("server", "cart")]}]}});
    json!({"resourceMetrics": [service("web", 1, 0.02, vec![calls]), service("cart", 2, 0.0, vec![])]})
}

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llm-sre")).arg("replay").args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> (String, Value) {
    let output = replay(arguments);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text).unwrap();
    (text, report)
}

#[test]
fn a_recording_names_the_cause_and_does_so_again() {
    let recording = Recording::new();
    let case = recording.case().to_str().unwrap();
    let (text, found) = report(&[case]);
    let incidents = found["incidents"].as_array().unwrap();
    assert_eq!((found["case"].as_str().unwrap(), incidents.len()), (recording.name().as_str(), 1), "{text}");
    let first = &incidents[0];
    assert_eq!(first["onset"], (START_S + ONSET * STEP_S) as f64, "{text}");
    assert!(first["detected_at"].as_f64().unwrap() <= (START_S + (ONSET + 6) * STEP_S) as f64, "{text}");
    assert_eq!(first["hypotheses"][0]["service"], "cart", "{text}");
    assert_eq!(first["hypotheses"][0]["cause"], "ServiceDegradation", "{text}");
    assert_eq!(first["services"], json!(["cart", "web"]), "{text}");
    assert_eq!(report(&[case]).0, text, "the same recording gives the same words");
}

#[test]
fn a_diagnosis_is_made_of_what_is_unusual_since_the_asked_time() {
    let recording = Recording::new();
    let case = recording.case().to_str().unwrap();
    let asked = format!("{case}@{}", START_S + ONSET * STEP_S);
    let (text, found) = report(&[&asked]);
    let only = &found["incidents"][0];
    assert_eq!(found["incidents"].as_array().unwrap().len(), 1, "{text}");
    assert_eq!((&only["onset"], &only["detected_at"]), (&json!((START_S + ONSET * STEP_S) as f64), &only["onset"]));
    assert_eq!(only["hypotheses"][0]["service"], "cart", "{text}");
    let times = (START_S + 10 * STEP_S).to_string();
    // Up to half an hour after it the recording goes on, so the onset of the trouble must lie beyond that.
    let quiet = Recording { folder: tempfile::tempdir().unwrap() };
    let lines: Vec<String> = (0..ONSET).map(|step| line(step).to_string()).collect();
    std::fs::write(quiet.file(), lines.join("\n")).unwrap();
    let (text, found) = report(&["--diagnose-at", &times, quiet.case().to_str().unwrap()]);
    assert_eq!(found["incidents"][0]["hypotheses"], json!([]), "{text}");
}

#[test]
fn what_is_wrong_is_named() {
    let recording = Recording::new();
    let mut text = std::fs::read_to_string(recording.file()).unwrap();
    text.push_str("\n{\"resourceMetrics\": [{\"timeUnixNano\": \"1800000000000000000\", \"scopeMetrics\": 7}]}\n");
    std::fs::write(recording.file(), text).unwrap();
    let output = replay(&[recording.case().to_str().unwrap()]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("telemetry.otlp.jsonl:{}", STEPS + 1)), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");

    for arguments in [&["nowhere"][..], &["--diagnose-at", "noon", "."][..], &[][..]] {
        let output = replay(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}
