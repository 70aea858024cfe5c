//! The page in a real browser, with the real program and its simulated shop behind it.

mod size;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{self, Process};
use crate::{access, parts};

/// The warm-up, an incident, and its repair, in a debug build beside other tests.
const STORY_WITHIN: Duration = Duration::from_secs(240);
/// What the demo lets the product do, but that people have to say yes.
const ASK_PEOPLE: &str = "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n[[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"approve\"\n";

/// The same, where nobody has to.
const BY_ITSELF: &str =
    "autonomy = \"suggest\"\nenrolled = [\"shop/*@demo\"]\n[[rules]]\nservice = \"shop/*@demo\"\nautonomy = \"auto\"\n";

/// Where the page is told that traces are; nobody is there.
const TRACES: &str = "http://127.0.0.1:16686/trace/{trace_id}";

/// A demo under a policy.
fn demo(arguments: &[&str], policy: &str) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let policy = process::write(folder.path(), "policy.toml", policy);
    let mut command = process::llm_sre(folder.path());
    command.arg("demo").args(arguments).env("LLM_SRE_POLICY", &policy);
    for flag in process::PORTS {
        command.args([flag, "127.0.0.1:0"]);
    }
    let mut demo = Process::spawn(format!("llm-sre demo {}", arguments.join(" ")), command);
    // It has read the policy once it serves.
    demo.control();
    demo
}

/// A story that runs in a browser.
struct Story {
    name: String,
    node: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    said: Vec<String>,
}

impl Story {
    /// Begins it, or reports a skip.
    fn begin(test: &str, name: &str, demo: &mut Process, variables: &[(&str, &str)]) -> Option<Self> {
        let chromium = parts::find(test, "chromium")?;
        let web = parts::page_tools(test)?;
        let mut command = Command::new("node");
        command.arg(format!("browser/{name}.mjs")).current_dir(web);
        command.env("CHROMIUM", chromium).env("DASHBOARD", format!("http://{}", demo.dashboard()));
        command.envs(variables.iter().copied());
        let mut node = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(node.stdout.take().unwrap()).lines();
        Some(Self { name: name.to_owned(), node, lines, said: Vec::new() })
    }

    /// Waits until it says this line.
    fn until(&mut self, line: &str) {
        while self.said.last().is_none_or(|said| said != line) {
            let Some(said) = self.lines.next() else {
                panic!("{} ended before it said {line}: {:?}", self.name, self.said)
            };
            self.said.push(said.unwrap());
        }
    }

    /// Lets it go on.
    fn go_on(&mut self) {
        self.node.stdin.as_mut().unwrap().write_all(b"on\n").unwrap();
    }

    /// Waits until it ends well.
    fn end(self) {
        self.end_within(STORY_WITHIN);
    }

    fn end_within(mut self, within: Duration) {
        let mut status = None;
        parts::wait_until(&format!("the end of {}", self.name), within, || {
            status = self.node.try_wait().unwrap();
            status.is_some()
        });
        self.said.extend(self.lines.by_ref().map_while(Result::ok));
        assert!(status.unwrap().success(), "{} failed after {:#?}", self.name, self.said);
        // With --nocapture the figures are there for who asks for them.
        self.said.iter().for_each(|line| println!("{line}"));
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // It has ended, or the test fails.
        drop(self.node.kill());
        drop(self.node.wait());
    }
}

#[test]
fn an_incident_is_followed_from_its_first_sight_to_its_recovery() {
    const TEST: &str = "an_incident_is_followed_from_its_first_sight_to_its_recovery";
    let _alone = process::one_shop_at_a_time();
    let arguments = ["--seed", "1", "--fault", "bad_deploy", "--service", "account", "--trace-url", TRACES];
    let mut demo = demo(&arguments, ASK_PEOPLE);
    let Some(story) = Story::begin(TEST, "story", &mut demo, &[]) else { return };
    story.end();
}

#[test]
fn a_connection_that_was_cut_says_so_and_catches_up() {
    const TEST: &str = "a_connection_that_was_cut_says_so_and_catches_up";
    let _alone = process::one_shop_at_a_time();
    let mut demo = demo(&["--seed", "1", "--fault", "bad_deploy", "--service", "account"], ASK_PEOPLE);
    let Some(mut story) = Story::begin(TEST, "cut", &mut demo, &[]) else { return };
    story.until("CUT");
    demo.wait_until("an incident", STORY_WITHIN, |demo| demo.out().contains("opened: "));
    story.go_on();
    story.end();
}

#[test]
fn a_service_that_falls_silent_is_shown_as_silent_and_never_as_zero() {
    const TEST: &str = "a_service_that_falls_silent_is_shown_as_silent_and_never_as_zero";
    let _alone = process::one_shop_at_a_time();
    let mut demo = demo(&["--seed", "1", "--fault", "paused_sender", "--service", "cart"], ASK_PEOPLE);
    let Some(story) = Story::begin(TEST, "silent", &mut demo, &[("SERVICE", "shop/cart@demo")]) else { return };
    story.end();
}

#[test]
fn a_viewer_sees_everything_and_decides_nothing() {
    const TEST: &str = "a_viewer_sees_everything_and_decides_nothing";
    let _alone = process::one_shop_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let config = process::write(folder.path(), "llm-sre.toml", &access::tokens()).display().to_string();
    let arguments = ["--seed", "1", "--fault", "bad_deploy", "--service", "account", "--config", &config];
    let mut demo = demo(&arguments, ASK_PEOPLE);
    let Some(story) = Story::begin(TEST, "viewer", &mut demo, &[("TOKEN", &access::token("vera"))]) else { return };
    story.end();
}
