//! What a user reads after a mistake: one line that names it, and a code that says whose it was.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::process::{self, llm_sre, run, write};

const USAGE: i32 = 2;
const FAILED: i32 = 1;

/// The code and the words of a command that must not work.
fn check(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no '{word}' in: {said}");
    }
    assert!(output.stdout.is_empty(), "an error is no answer: {}", String::from_utf8_lossy(&output.stdout));
}

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    llm_sre(folder).args(arguments).output().unwrap()
}

#[test]
fn a_bad_flag_names_itself() {
    for (arguments, words) in [
        (&["incidents", "list", "--frobnicate"][..], &["--frobnicate"][..]),
        (&["incidents", "list", "--state", "asleep"], &["asleep", "--state", "awaiting_approval"]),
        (&["incidents", "open", "till", "it is late", "--onset", "noon"], &["--onset", "'noon' is no time"]),
        (&["incidents", "list", "--address", "no where"], &["--address", "no where", "http://host:port"]),
        (&["faults", "inject", "--kind", "nonsense"], &["--kind", "memory_leak"]),
        (&["run", "--services", "nothing"], &["--services", "nothing", "gateway"]),
        (&["run", "--services", "detector", "--store", ":memory:"], &["--services", "peers.diagnosis"]),
        (&["run", "--listen", "everywhere"], &["--listen", "listen.control", "'everywhere'"]),
        (&["run", "--otlp-grpc", "0.0.0.0:4317"], &["--otlp-grpc", "not loopback", "listen.allow_remote"]),
        (&["run", "--traces", "http://127.0.0.1:4317"], &["--traces", "own gateway"]),
        (&["run", "--trace-url", "javascript:{trace_id}"], &["--trace-url", "dashboard.trace_url", "http://host"]),
        (&["run", "--log", "a=b=c", "--store", ":memory:"], &["--log", "'a=b=c' is invalid"]),
        (&["demo", "--speed", "0"], &["--speed", "not above 0"]),
        (&["dlq", "list", "--store", ":memory:"], &["--store", "store.path", "ends with the process"]),
        (&["dlq", "list", "--store", "nowhere.sqlite"], &["store.path", "nowhere.sqlite does not exist"]),
        (&["store", "backup", "copy.sqlite", "--store", ":memory:"], &["store.path", "in memory"]),
        (&["actions", "approve", "incidents/i/actions/a"], &["--digest"]),
        (&["dlq", "replay", "--topic", "logs", "--offset", "7"], &["--offset", "PARTITION:OFFSET"]),
        (&["dlq", "replay", "--offset", "0:7"], &["--topic"]),
    ] {
        check(&run(arguments), USAGE, words);
    }
}

#[test]
fn a_bad_file_names_itself_and_its_key() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, words) in [
        ("key.toml", "[listen]\ncontrl = \"127.0.0.1:1\"", &["key.toml", "listen.contrl", "expected one of"][..]),
        ("value.toml", "[store]\nkeep_hours = \"long\"", &["value.toml", "store.keep_hours"]),
        ("broken.toml", "[listen]\n\n[", &["broken.toml", "line 3"]),
        ("clock.toml", "[clock]\nspeed = 60.0", &["clock.toml", "clock.epoch"]),
        ("model.toml", "[model]\nurl = \"http://127.0.0.1:1/v1\"", &["model.toml", "model.name", "LLM_SRE_MODEL_NAME"]),
        (
            "secret.toml",
            "[model]\nurl = \"https://h\"\nname = \"m\"\nkey_file = \"absent\"",
            &["model.key_file", "absent"],
        ),
        ("policy.toml", "[policy]\nfile = \"absent.toml\"", &["absent.toml", "No such file"]),
    ] {
        write(folder.path(), name, text);
        check(&run_in(folder.path(), &["run", "--store", ":memory:", "--config", name]), USAGE, words);
    }
    check(&run_in(folder.path(), &["--config", "nowhere.toml", "config", "dump"]), USAGE, &["nowhere.toml"]);
}

#[test]
fn who_cannot_be_reached_is_named() {
    for command in [
        &["incidents", "list"][..],
        &["actions", "list"],
        &["faults", "list"],
        &["diagnose", "00000000-0000-0000-0000-000000000001"],
        &["exchanges", "incidents/00000000-0000-0000-0000-000000000001/diagnoses/a"],
        &["incidents", "watch"],
    ] {
        let output = run(&[command, &["--address", "127.0.0.1:1"]].concat());
        check(&output, FAILED, &["nobody answers at http://127.0.0.1:1"]);
    }
}

#[test]
fn an_address_in_use_names_the_flag_that_moves_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let keys = ["listen.control", "listen.otlp_grpc", "listen.otlp_http", "listen.dashboard"];
    for (flag, key) in process::PORTS.into_iter().zip(keys) {
        let mut arguments = vec!["run", "--store", ":memory:"];
        for other in process::PORTS {
            arguments.extend([other, if other == flag { &address } else { "127.0.0.1:0" }]);
        }
        check(&run(&arguments), FAILED, &[flag, key, &address, "in use"]);
    }
}
