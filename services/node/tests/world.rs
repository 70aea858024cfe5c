//! `llm-sre world`: a sample of the worlds in which everything goes wrong that may, and that a seed brings them again.

#![allow(clippy::unwrap_used)] // A world that cannot be read fails the test.

use std::process::Command;

use serde_json::Value;

/// A sample, since a debug build needs some seconds for each world; `llm-sre world --lifecycles 10000` is the same at
/// length, with a seed that it draws and prints.
const SAMPLE: [&str; 6] = ["--lifecycles", "2", "--each", "1", "--seed", "20260105"];

/// The accounts of some worlds, whether the command went well, and all that it said.
fn worlds(arguments: &[&str]) -> (Vec<Value>, bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_llm-sre"))
        .args(["--log", "off", "world", "--output", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let accounts = text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap());
    (accounts.collect(), output.status.success(), text.clone())
}

#[test]
fn no_rule_is_broken_and_the_same_seed_lives_through_the_same_worlds() {
    let (accounts, is_well, text) = worlds(&[&SAMPLE[..], &["--jobs", "1"]].concat());
    assert_eq!(accounts.len(), 2, "{text}");
    assert!(is_well, "{text}");
    for account in &accounts {
        assert_eq!(account["broken"].as_array().unwrap().len(), 0, "{account}");
        assert_eq!(account["lived"].as_array().unwrap().len(), 1, "{account}");
        // Where nothing is asked, nothing is kept.
        for rule in ["in_time", "one_incident", "measured"] {
            assert!(account["asked"][rule].as_u64().unwrap_or_default() > 0, "{rule} was never asked: {account}");
        }
        assert_eq!(account["log"].as_str().unwrap().len(), 64, "{account}");
    }
    let restarts: u64 = accounts.iter().filter_map(|account| account["restarts"].as_u64()).sum();
    assert!(restarts > 0, "nothing ever died: {text}");
    // In another process, and beside each other: to the hash of every line of their logs.
    let (again, _, text) = worlds(&[&SAMPLE[..], &["--jobs", "2"]].concat());
    assert_eq!(accounts, again, "`--log llm_sre::world::log=trace` tells every line\n{text}");
}

#[test]
fn one_world_is_lived_through_again_by_its_seed() {
    let (accounts, is_well, text) = worlds(&["--each", "1", "--again", "9"]);
    assert!(is_well, "{text}");
    let seeds: Vec<_> = accounts.iter().map(|account| account["seed"].as_u64()).collect();
    assert_eq!(seeds, [Some(9)], "{text}");
}
