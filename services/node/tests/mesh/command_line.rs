//! The commands that ask a running process, as a person and as a program use them.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, llm_sre, run};

const SOON: Duration = Duration::from_secs(20);

/// What a command that works prints.
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Somebody at a terminal.
struct Person {
    address: String,
}

impl Person {
    fn run(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--address", &self.address]].concat())
    }

    fn reads(&self, arguments: &[&str]) -> String {
        text(&self.run(arguments))
    }

    /// The same as lines of JSON.
    fn parses(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.reads(&[arguments, &["--output", "json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn is_told(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

/// The demo, which has all services and telemetry, and a person at a terminal beside it.
fn demo() -> (Process, Person) {
    let mut demo = Process::start(&["demo", "--seed", "5"]);
    let person = Person { address: demo.control() };
    (demo, person)
}

#[test]
fn incidents_are_reported_looked_at_and_ended() {
    let (mut demo, person) = demo();
    let header = person.reads(&["incidents", "list"]);
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["INCIDENT", "STATE", "SEVERITY", "SERVICE", "ONSET", "TITLE"]
    );
    let report = ["incidents", "open", "shop/cart@demo", "the cart is empty"];
    let tried = [&report[..], &["--validate-only"]].concat();
    demo.wait_until("telemetry of the shop", SOON, |_| person.run(&tried).status.success());
    assert!(person.parses(&["incidents", "list"]).is_empty(), "--validate-only changed something");
    assert!(!demo.err().contains("Opened"), "--validate-only told people: {}", demo.err());

    let reported = person.parses(&[&report[..], &["--request-id", "r1"]].concat());
    let again = person.parses(&[&report[..], &["--request-id", "r1"]].concat());
    assert_eq!(reported[0]["name"], again[0]["name"]);
    let name = reported[0]["name"].as_str().unwrap();
    let id = name.trim_start_matches("incidents/");
    person.is_told(&report, &["is open already", "ALREADY_OPEN"]);

    let table = person.reads(&["incidents", "list", "--service", "cart"]);
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with(id) && row.ends_with("the cart is empty"), "{table}");
    let explained = person.parses(&["diagnose", id, "--request-id", "d1"]);
    assert_eq!(explained[0]["state"], "DIAGNOSIS_STATE_UNRESOLVED", "{explained:?}");
    assert!(person.reads(&["diagnose", name, "--request-id", "d1"]).contains(explained[0]["name"].as_str().unwrap()));

    let shown = person.reads(&["incidents", "ack", id, "--note", "on it"]);
    assert!(shown.contains("acknowledged  unauthenticated:local: on it"), "{shown}");
    let disk = ["--service", "shop/cart@demo", "--cause", "disk_full", "--note", "seen there"];
    let judge = ["incidents", "judge", id, "other-cause"];
    let shown = person.reads(&[&judge[..], &disk[..]].concat());
    let verdict = "verdict       other_cause (disk_full in shop/cart@demo) by unauthenticated:local: seen there";
    assert!(shown.contains(verdict), "{shown}");
    person.is_told(&["incidents", "judge", id, "confirmed", "--cause", "disk_full"], &["cause", "INVALID_FIELD"]);
    person.reads(&["incidents", "resolve", id, "--note", "it was full", "--validate-only"]);
    assert_eq!(person.parses(&["incidents", "get", id])[0]["endTime"], Value::Null);
    person.reads(&["incidents", "resolve", id, "--note", "it was full"]);
    let shown = person.reads(&["incidents", "get", name]);
    assert!(shown.contains("resolution    manual by unauthenticated:local: it was full"), "{shown}");
    let draft = person.reads(&["incidents", "report", id]);
    assert!(draft.starts_with("# Post-mortem: the cart is empty\n"), "{draft}");
    assert!(draft.contains("manual by unauthenticated:local: it was full") && draft.contains("## Timeline"), "{draft}");
    assert!(draft.contains("Verdict | other\\_cause (disk\\_full in shop/cart@demo)"), "{draft}");
    person.is_told(&["incidents", "report", id, "--output", "json"], &["Markdown"]);
    let followed = person.reads(&["incidents", "watch", id]);
    assert!(followed.lines().last().unwrap().ends_with("resolved           resolved by hand"), "{followed}");
    assert_eq!(person.parses(&["incidents", "watch", id]).len(), 1);
    let ended = person.parses(&["incidents", "list", "--state", "resolved,duplicate"]);
    assert_eq!((ended.len(), ended[0]["name"].as_str()), (1, Some(name)));
    person.is_told(&["diagnose", id], &[id, "FailedPrecondition, "]);
    person.is_told(&["incidents", "get", "nonsense"], &["'incidents/nonsense'", "incidents/{uuid}", "INVALID_FIELD"]);
    assert!(person.parses(&["actions", "list", id]).is_empty());
    assert!(person.reads(&["actions", "list"]).starts_with("ACTION"));
    person.is_told(&["actions", "get", &format!("{name}/actions/none")], &["NotFound"]);
    assert!(demo.terminate().success(), "{}", demo.err());
}

#[test]
fn faults_are_injected_listed_and_cleared() {
    let (mut demo, person) = demo();
    let inject = ["faults", "inject", "--kind", "memory_leak", "--service", "cart", "--onset", "gradual"];
    person.reads(&[&inject[..], &["--validate-only"]].concat());
    assert!(person.parses(&["faults", "list"]).is_empty(), "--validate-only broke something");
    let first = person.parses(&[&inject[..], &["--request-id", "f1"]].concat());
    let again = person.parses(&[&inject[..], &["--request-id", "f1"]].concat());
    assert_eq!(first[0]["name"], again[0]["name"]);
    person.is_told(&inject, &["ALREADY_BROKEN"]);
    let name = first[0]["name"].as_str().unwrap();
    let table = person.reads(&["faults", "list", "--active"]);
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], [name, "active", "memory_leak", "shop/cart@demo", "gradual"], "{table}");
    assert_eq!(person.parses(&["faults", "clear", name])[0]["state"], "FAULT_STATE_CLEARED");
    assert!(person.parses(&["faults", "list", "--active"]).is_empty());
    person.is_told(&["faults", "clear", "99"], &["faults/99 does not exist", "NOT_FOUND"]);
    person.is_told(&["faults", "inject", "--service", "nobody"], &["nobody", "NotFound"]);
    assert!(demo.terminate().success(), "{}", demo.err());
}

#[test]
fn who_follows_is_told_that_the_process_ends() {
    let (mut demo, person) = demo();
    let follow = || {
        let mut command = llm_sre(&std::env::temp_dir());
        command.args(["incidents", "watch", "--address", &person.address]);
        Process::spawn("llm-sre incidents watch".to_owned(), command)
    };
    let mut followers = [follow(), follow()];
    let report = ["incidents", "open", "shop/cart@demo", "the cart is empty"];
    demo.wait_until("telemetry of the shop", SOON, |_| person.run(&report).status.success());
    demo.wait_until("followers", SOON, |_| followers.iter().all(|follower| follower.out().contains("opened: ")));
    let asked = Instant::now();
    assert!(demo.terminate().success(), "{}", demo.err());
    // An open stream would be cut off after five seconds.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    for follower in &mut followers {
        assert_eq!(follower.end(SOON).code(), Some(1));
        assert!(follower.err().contains("this process is not available: it is ending"), "{}", follower.err());
    }
}

#[test]
fn what_needs_no_process_prints() {
    let dumped = text(&run(&["config", "dump"]));
    assert!(dumped.contains("control = \"127.0.0.1:50051\""), "{dumped}");
    let folder = tempfile::tempdir().unwrap();
    let file = crate::process::write(folder.path(), "dumped.toml", &dumped);
    let again = text(&run(&["config", "dump", "--config", &file.display().to_string()]));
    let without_path =
        |text: &str| text.lines().filter(|line| !line.starts_with("path")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_path(&again), without_path(&dumped), "what is dumped is a configuration");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]));
        assert!(script.contains("incidents") && script.contains("request-id"), "{shell}");
    }
    assert_eq!(text(&run(&["--version"])).trim(), concat!("llm-sre ", env!("CARGO_PKG_VERSION")));
    assert!(text(&run(&["--help"])).contains("completions"));
}

#[test]
fn a_log_in_a_file_is_plain() {
    let mut node = Process::start(&["run", "--store", ":memory:", "--log", "debug"]);
    let person = Person { address: node.control() };
    person.reads(&["incidents", "list"]);
    assert!(node.terminate().success(), "{}", node.err());
    assert!(!node.err().is_empty(), "nothing was logged");
    assert!(!node.err().contains('\u{1b}'), "colours in a file: {}", node.err());
}

#[test]
fn repairs_are_stopped_and_let_go_on() {
    let (_demo, person) = demo();
    assert!(person.reads(&["kill-switch", "show"]).contains("released"));
    let engage = ["kill-switch", "engage", "--note", "migration"];
    person.reads(&[&engage[..], &["--validate-only"]].concat());
    assert!(person.reads(&["kill-switch", "show"]).contains("released"), "--validate-only changed something");
    assert!(person.reads(&engage).contains("unauthenticated:local: migration"));
    assert_eq!(person.parses(&["kill-switch", "show"])[0]["engaged"], true);
    assert!(person.reads(&["kill-switch", "release"]).contains("released"));

    person.is_told(&["freeze", "add", "cart", "--for", "2h"], &["services[0]", "environment"]);
    let add = ["freeze", "add", "shop/cart@demo", "*@staging", "--for", "2h", "--note", "audit", "--request-id", "f1"];
    let frozen = person.parses(&add);
    assert_eq!(person.parses(&add)[0]["name"], frozen[0]["name"]);
    let name = frozen[0]["name"].as_str().unwrap();
    let listed = person.reads(&["freeze", "list"]);
    assert!(listed.contains(name) && listed.contains("shop/cart@demo, *@staging"), "{listed}");
    person.reads(&["freeze", "end", name.trim_start_matches("freezes/")]);
    assert!(!person.reads(&["freeze", "list"]).contains(name));
    assert!(person.reads(&["freeze", "list", "--ended"]).contains(name));
}

#[test]
fn services_are_worked_on_without_a_word_about_them() {
    let (mut demo, person) = demo();
    person.is_told(&["maintenance", "add", "cart", "--for", "2h"], &["services[0]", "environment"]);
    let add = ["maintenance", "add", "shop/cart@demo", "--for", "2h", "--note", "a disk", "--request-id", "m1"];
    let ordered = person.parses(&add);
    assert_eq!(person.parses(&add)[0]["name"], ordered[0]["name"]);
    let name = ordered[0]["name"].as_str().unwrap();
    let listed = person.reads(&["maintenance", "list"]);
    assert!(listed.contains(name) && listed.contains("unauthenticated:local: a disk"), "{listed}");
    let report = ["incidents", "open", "shop/cart@demo", "the cart is empty"];
    let tried = [&report[..], &["--validate-only"]].concat();
    demo.wait_until("telemetry of the shop", SOON, |_| person.run(&tried).status.success());
    let reported = person.parses(&report);
    assert_eq!(reported[0]["maintenance"]["window"], name, "{reported:?}");
    assert!(person.reads(&["incidents", "list"]).contains("(maintenance)"));
    person.reads(&["maintenance", "end", name.trim_start_matches("maintenanceWindows/"), "--note", "done"]);
    assert!(!person.reads(&["maintenance", "list"]).contains(name));
    assert!(person.reads(&["maintenance", "list", "--ended"]).contains("unauthenticated:local: done"));
    assert!(!person.reads(&["incidents", "list"]).contains("(maintenance)"));
}

#[test]
fn the_record_is_listed_and_proven() {
    let (_demo, person) = demo();
    person.reads(&["kill-switch", "engage", "--note", "migration"]);
    let proven = person.reads(&["audit", "verify"]);
    let head = proven.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(proven.starts_with("1 entries") && head.len() == 64, "{proven}");
    person.reads(&["kill-switch", "release"]);
    let table = person.reads(&["audit", "list"]);
    assert!(table.contains("killSwitch") && table.contains("migration") && table.contains("released"), "{table}");
    assert_eq!(table.matches("killSwitch").count(), 2, "each order is one entry: {table}");
    assert!(person.reads(&["audit", "verify", "--noted", &head]).starts_with("2 entries"));
    person.is_told(&["audit", "verify", "--noted", &"f".repeat(64)], &["is not in it"]);
    person.is_told(&["actions", "rollback", "nonsense"], &["nonsense", "INVALID_FIELD"]);
    person.is_told(&["actions", "cancel", "nonsense"], &["nonsense", "INVALID_FIELD"]);
}
