//! Processes of `llm-sre`: started on ports that the system picks, watched, and killed when dropped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::parts;

/// A debug build on a loaded machine of two cores serves within two seconds; beside three campaigns thirty were not enough.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The node drains for at most ten seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
const TAIL_LINES: usize = 60;
/// What says where a process listens.
pub(crate) const PORTS: [&str; 4] = ["--listen", "--otlp-grpc", "--otlp-http", "--dashboard"];

/// The program, in a folder.
pub(crate) fn llm_sre(folder: &Path) -> Command {
    let mut command = without_settings(Command::new(env!("CARGO_BIN_EXE_llm-sre")));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// A command without the configuration that the environment of whoever runs the tests may hold.
pub(crate) fn without_settings(mut command: Command) -> Command {
    let is_setting = |name: &str| name.starts_with("LLM_SRE_") || name.starts_with("AZURE_OPENAI_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end, in a folder without a configuration.
pub(crate) fn run(arguments: &[&str]) -> Output {
    llm_sre(&std::env::temp_dir()).args(arguments).output().unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// A process that serves.
pub(crate) struct Process {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts it on ports of its own, with a store that ends with it.
    pub(crate) fn run(services: &str) -> Self {
        let mut arguments = vec!["run", "--store", ":memory:"];
        if !services.is_empty() {
            arguments.extend(["--services", services]);
        }
        Self::start(&arguments)
    }

    /// Starts it with these arguments, on ports that the system picks.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, [])
    }

    /// As [`Self::start`], with these variables.
    pub(crate) fn start_with<'a>(arguments: &[&str], variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut command = llm_sre(Path::new(env!("CARGO_TARGET_TMPDIR")));
        command.args(arguments).envs(variables);
        for flag in PORTS {
            command.args([flag, "127.0.0.1:0"]);
        }
        Self::spawn(format!("llm-sre {}", arguments.join(" ")), command)
    }

    /// Starts a command that is one process of the program.
    pub(crate) fn spawn(name: String, mut command: Command) -> Self {
        let folder = tempfile::Builder::new().prefix("mesh-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let output = |name| File::create(folder.path().join(name)).unwrap();
        // What is killed leaves its temporary files; an hour of a demo's have gigabytes.
        command.env("TMPDIR", folder.path());
        let child = command.stdout(output("out")).stderr(output("err")).spawn();
        let child = child.unwrap_or_else(|error| panic!("failed to start {name}: {error}"));
        Self { name, child, folder }
    }

    /// Where the control services listen, as host:port.
    pub(crate) fn control(&mut self) -> String {
        self.announced("control (gRPC)")
    }

    /// Where OTLP over gRPC is taken.
    pub(crate) fn otlp_grpc(&mut self) -> String {
        self.announced("OTLP (gRPC)")
    }

    /// Where OTLP over HTTP is taken.
    pub(crate) fn otlp_http(&mut self) -> String {
        self.announced("OTLP (HTTP)")
    }

    /// Where the page is.
    pub(crate) fn dashboard(&mut self) -> String {
        self.announced("dashboard")
    }

    /// Waits until it says where `what` listens.
    fn announced(&mut self, what: &str) -> String {
        let mut found = None;
        self.wait_until(what, READY_WITHIN, |process| {
            let text = process.text("out");
            let line = text.lines().find_map(|line| line.strip_prefix(what));
            found = line.map(|rest| rest.trim().to_owned());
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Waits for a condition as long as the process lives.
    pub(crate) fn wait_until(&mut self, what: &str, deadline: Duration, mut holds: impl FnMut(&Self) -> bool) {
        parts::wait_until(what, deadline, || {
            let is_alive = self.child.try_wait().unwrap().is_none();
            holds(self) || {
                assert!(is_alive, "{} ended", self.name);
                false
            }
        });
    }

    /// Fails where it has ended.
    pub(crate) fn assert_alive(&mut self) {
        assert!(!self.has_ended(), "{} ended: {:?}", self.name, self.child.try_wait());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(&mut self, deadline: Duration) -> ExitStatus {
        let mut status = None;
        parts::wait_until(&format!("end of {}", self.name), deadline, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asks it to end, as a service manager does, and waits for it.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.end(ENDED_WITHIN)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// What it printed so far, on stdout.
    pub(crate) fn out(&self) -> String {
        self.text("out")
    }

    /// What it logged so far, on stderr.
    pub(crate) fn err(&self) -> String {
        self.text("err")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; nothing is to be done about either error.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let mut stderr = std::io::stderr();
            for output in ["out", "err"] {
                drop(writeln!(stderr, "--- {output} of {}\n{}", self.name, tail(&self.text(output))));
            }
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Held by tests in which the shop is in a hurry: beside each other on a small machine, they would starve detection,
/// and the product would rightly find silence. Held by tests that start engines, too, which would starve it as well.
pub(crate) fn one_shop_at_a_time() -> MutexGuard<'static, ()> {
    static SHOP: Mutex<()> = Mutex::new(());
    // A test that failed has broken nothing that the next one needs.
    SHOP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The port of host:port.
pub(crate) fn port(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{address} has no port"))
}

/// A file of a test's own folder.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
    path
}
