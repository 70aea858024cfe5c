//! The whole loop on faults that nobody picked: `llm-sre drill` with a seed of its own, and what must hold for any seed.

#![allow(clippy::unwrap_used, clippy::panic)] // A run that cannot be read fails the test.

use std::process::Command;

use serde_json::Value;

/// A sample, since a debug build needs some seconds for each; `llm-sre drill --runs 300 --controls 100 --chain 5` is the
/// same at length.
const RUNS: usize = 3;
const CHAIN: usize = 2;
/// Each kind of control has its turn.
const CONTROLS: usize = 5;

fn drill(arguments: &[&str]) -> (Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_llm-sre"))
        .args(["--log", "error", "drill", "--output", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let outcomes = text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap());
    (outcomes.collect(), text.clone())
}

fn text<'a>(outcome: &'a Value, key: &str) -> &'a str {
    outcome[key].as_str().unwrap_or_default()
}

#[test]
fn faults_of_any_seed_are_repaired_and_controls_left_alone() {
    let [runs, chain, controls] = [RUNS, CHAIN, CONTROLS].map(|count| count.to_string());
    let arguments: [&str; 8] = ["--runs", &runs, "--chain", &chain, "--controls", &controls, "--renamed", "0.5"];
    let (outcomes, text_of_all) = drill(&arguments);
    let (controls, faults): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|outcome| matches!(text(outcome, "ending"), "quiet" | "false_alarm"));
    assert_eq!(controls.len(), CONTROLS, "{text_of_all}");
    for outcome in &outcomes {
        let ending = text(outcome, "ending");
        assert!(!matches!(ending, "falsely_resolved" | "unended"), "{outcome}");
    }
    for outcome in controls {
        assert!(outcome["actions"].as_array().unwrap().is_empty(), "a control was acted upon: {outcome}");
    }
    for outcome in &faults {
        assert!(outcome["incidents"].as_u64().unwrap() <= 1, "one cause, one incident: {outcome}");
        let is_untouched = text(outcome, "audit").chars().all(|digit| digit == '0');
        assert!(!is_untouched || text(outcome, "ending") != "repaired", "no repair without a record: {outcome}");
    }
    // One may be too hard for what is known of it, and is then escalated, which ends its chain; two are a loop that does
    // not close.
    let is_well = |outcome: &&Value| {
        let ending = if outcome["is_curable"] == true { "repaired" } else { "escalated" };
        text(outcome, "ending") == ending && outcome["rank"] == 1
    };
    let (well, unwell): (Vec<&Value>, Vec<&Value>) = faults.into_iter().partition(is_well);
    assert!(unwell.len() <= 1 && well.len() + CHAIN >= RUNS * CHAIN, "{text_of_all}");
}

#[test]
fn what_nothing_cures_is_escalated_and_left_as_it_was() {
    let (outcomes, text_of_all) = drill(&["--fault", "slow_network", "--again", "7191089600892374487"]);
    let [outcome] = outcomes.as_slice() else { panic!("{text_of_all}") };
    assert_eq!(outcome["is_curable"], false);
    assert_eq!(text(outcome, "ending"), "escalated", "{text_of_all}");
    assert_eq!(outcome["left_behind"], 0, "{text_of_all}");
}

#[test]
fn faults_of_one_moment_have_an_outcome_each() {
    let (outcomes, text_of_all) = drill(&["--runs", "1", "--controls", "0", "--together", "2"]);
    let [first, second] = outcomes.as_slice() else { panic!("{text_of_all}") };
    assert_eq!(first["seed"], second["seed"]);
    assert_ne!(text(first, "service"), text(second, "service"));
    // What is of neither counts against both.
    assert_eq!(first["unclaimed_incidents"], second["unclaimed_incidents"]);
}

#[test]
fn what_comes_back_is_repaired_again() {
    let (outcomes, text_of_all) = drill(&["--runs", "2", "--controls", "0", "--returning", "1"]);
    assert!(outcomes.iter().all(|outcome| text(outcome, "ending") != "falsely_resolved"), "{text_of_all}");
    let again: Vec<&Value> = outcomes.iter().filter(|outcome| outcome["returned"] == 1).collect();
    // What did not go well the first time, and what nothing cures, does not come back. One that comes back may be too hard;
    // two of two are a loop that does not close.
    let is_well = |outcome: &&&Value| text(outcome, "ending") == "repaired" && outcome["incidents"] == 1;
    assert!(again.len() < 2 || again.iter().any(|outcome| is_well(&outcome)), "{text_of_all}");
    for outcome in again {
        let first = outcomes.iter().find(|first| first["seed"] == outcome["seed"]).unwrap();
        assert_eq!((&first["fault"], &first["service"]), (&outcome["fault"], &outcome["service"]));
    }
    let stated = outcomes.iter().flat_map(|outcome| outcome["stated"].as_array().unwrap());
    let confidence: Vec<f64> = stated.map(|stated| stated["confidence"].as_f64().unwrap()).collect();
    assert!(!confidence.is_empty() && confidence.iter().all(|sure| (0.0..=0.95).contains(sure)), "{confidence:?}");
}

#[test]
fn a_fault_during_the_repair_of_another_has_an_outcome_of_its_own() {
    let (outcomes, text_of_all) = drill(&["--runs", "2", "--controls", "0", "--during"]);
    assert!(outcomes.iter().all(|outcome| text(outcome, "ending") != "falsely_resolved"), "{text_of_all}");
    let second: Vec<&Value> = outcomes.iter().filter(|outcome| outcome["is_during"] == true).collect();
    assert!(!second.is_empty(), "neither of two faults was ever being repaired: {text_of_all}");
    for outcome in second {
        let first = outcomes.iter().find(|first| first["seed"] == outcome["seed"]).unwrap();
        assert_ne!(text(first, "service"), text(outcome, "service"));
    }
}

#[test]
fn the_same_seed_goes_the_same_way() {
    let arguments = ["--fault", "bad_deploy", "--again", "7191089600892374487"];
    let (first, text_of_all) = drill(&arguments);
    assert_eq!(first.len(), 1, "{text_of_all}");
    // To the hash of every write of a document in its order, and so to every byte that is stored.
    assert_eq!(text(&first[0], "written").len(), 64, "{text_of_all}");
    assert_eq!(first, drill(&arguments).0, "`--log llm_sre::drill::written=trace` tells of each write");
}
