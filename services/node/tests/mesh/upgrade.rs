//! Stores that releases before this one left, opened by this one.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::process::{Process, llm_sre};

/// What each left, by its commit, as `upgrade/record` recorded it.
const LEFT: [(&str, &str); 1] = [("989238f", include_str!("upgrade/989238f.sql"))];

/// What is the same to whoever asks before and after.
const OF_INCIDENTS: [&str; 5] = ["name", "state", "title", "fingerprint", "severity"];
const OF_ACTIONS: [&str; 8] = ["name", "state", "digest", "outcome", "rationale", "spec", "createTime", "endTime"];

/// The bodies of a collection, newest first.
fn kept(store: &Connection, collection: &str) -> Vec<Value> {
    let mut statement = store.prepare("SELECT body FROM documents WHERE collection = ?1 ORDER BY id DESC").unwrap();
    let bodies = statement.query_map([collection], |row| row.get::<_, String>(0)).unwrap();
    bodies.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect()
}

fn only(of: &[Value], keys: &[&str]) -> Vec<Vec<Value>> {
    of.iter().map(|value| keys.iter().map(|key| value[*key].clone()).collect()).collect()
}

fn ask(folder: &Path, arguments: &[&str], address: &str) -> String {
    let output = llm_sre(folder).args(arguments).args(["--address", address]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_release_left_is_read_and_gone_on_from() {
    for (commit, sql) in LEFT {
        let folder = tempfile::Builder::new().prefix("upgrade-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("store.sqlite");
        let store = Connection::open(&path).unwrap();
        store.execute_batch(sql).unwrap();
        let [incidents, actions, audit] = ["incidents", "actions", "audit"].map(|collection| kept(&store, collection));
        drop(store);
        assert!(incidents.len() == 1 && actions.len() == 2 && audit.len() == 8, "{commit} left something else");
        let (id, hash) = (incidents[0]["name"].as_str().unwrap(), audit[0]["hash"].as_str().unwrap());

        let mut process = Process::start(&["run", "--store", path.to_str().unwrap()]);
        let address = process.control();
        let asks = |arguments: &[&str]| ask(folder.path(), arguments, &address);
        let parses = |arguments: &[&str]| -> Vec<Value> {
            let text = asks(&[arguments, &["--output", "json"]].concat());
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(only(&parses(&["incidents", "list"]), &OF_INCIDENTS), only(&incidents, &OF_INCIDENTS), "{commit}");
        assert_eq!(only(&parses(&["actions", "list"]), &OF_ACTIONS), only(&actions, &OF_ACTIONS), "{commit}");
        assert!(asks(&["incidents", "report", id]).contains("## Timeline"), "{commit}");
        assert!(asks(&["freeze", "list", "--ended"]).contains("shop/*@demo"), "{commit}");
        assert!(asks(&["kill-switch", "show"]).contains("before the upgrade"), "{commit}");
        assert!(asks(&["audit", "verify", "--noted", hash]).starts_with("8 entries"), "{commit}");

        assert!(asks(&["kill-switch", "release", "--note", "after the upgrade"]).contains("released"), "{commit}");
        assert!(asks(&["incidents", "judge", id, "confirmed"]).contains("confirmed"), "{commit}");
        assert!(asks(&["audit", "verify", "--noted", hash]).starts_with("9 entries"), "{commit}");
        assert!(process.terminate().success(), "{}", process.err());
        let store = Connection::open(&path).unwrap();
        let verdict: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "{commit}");
    }
}
