//! The demo as a newcomer meets it: served at once, and an exit code that says whether the loop closed.

use std::time::Duration;

use crate::parts;
use crate::process::{self, Process};

const ONCE_WITHIN: Duration = Duration::from_secs(75);
/// From its start until it serves, in seconds, as it says itself.
const SERVES_WITHIN_S: f64 = 1.0;

/// A demo with this policy, once.
fn demo(policy: &str) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, policy).unwrap();
    let mut command = process::llm_sre(folder.path());
    command.args(["demo", "--once", "--seed", "1"]).env("LLM_SRE_POLICY", &file);
    for flag in process::PORTS {
        command.args([flag, "127.0.0.1:0"]);
    }
    let mut demo = Process::spawn("llm-sre demo".to_owned(), command);
    // It has read the policy once it serves.
    demo.control();
    demo
}

#[test]
fn a_demo_whose_loop_does_not_close_fails_and_says_why() {
    let _alone = process::one_shop_at_a_time();
    let mut demo = demo("autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n");
    let status = demo.end(ONCE_WITHIN);
    assert_eq!(status.code(), Some(1), "{}", demo.out());
    assert!(demo.err().contains("the loop did not close"), "{}", demo.err());
    assert!(!demo.out().contains("remediating"), "nothing may be repaired: {}", demo.out());
}

#[test]
fn it_serves_at_once_and_on_loopback_only() {
    let _alone = process::one_shop_at_a_time();
    let demo = demo("autonomy = \"observe\"\n");
    parts::wait_until("the demo serves", ONCE_WITHIN, || demo.out().contains("serving"));
    let told = demo.out();
    let serving = told.lines().find(|line| line.contains("serving")).unwrap_or_default();
    let after_s: f64 = serving.trim_start().split(' ').next().unwrap_or_default().parse().unwrap();
    assert!(after_s < SERVES_WITHIN_S, "{told}");
    let addresses: Vec<&str> = told.lines().filter(|line| line.contains("(gRPC)") || line.contains("(HTTP)")).collect();
    assert_eq!(addresses.len(), 3, "{told}");
    assert!(addresses.iter().all(|line| line.contains(" 127.0.0.1:")), "{told}");
}
