//! A real OpenSearch of one node, plain or with TLS and a password.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Server, find, free_ports};

/// Ready in 10 to 25 seconds, and in a multiple of that beside a build.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// A node with a folder of its own, which goes with it.
pub(crate) struct OpenSearch {
    server: Option<Server>,
    program: PathBuf,
    folder: PathBuf,
    ports: [u16; 2],
    is_secure: bool,
    /// Whether its data is on a file system of its own.
    is_mounted: bool,
}

impl OpenSearch {
    /// Starts one that takes HTTP from anyone, or reports a skip.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_as(test, false)
    }

    /// Starts one that takes HTTPS from whoever knows the password, or reports a skip.
    pub(crate) fn start_secure(test: &str) -> Option<Self> {
        Self::start_as(test, true)
    }

    /// Starts one that takes HTTP from anyone and keeps its data on a disk of so many MiB where this user may mount one;
    /// or reports a skip.
    pub(crate) fn start_on_small_disk(test: &str, mib: u32) -> Option<Self> {
        let mut node = Self::prepare(test, false)?;
        let disk = node.disk();
        std::fs::create_dir_all(&disk).unwrap_or_else(|error| panic!("failed to create {}: {error}", disk.display()));
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700"), "llm-sre-test"]).arg(&disk);
        node.is_mounted = mount.output().is_ok_and(|output| output.status.success());
        node.start_again();
        Some(node)
    }

    fn start_as(test: &str, is_secure: bool) -> Option<Self> {
        let mut node = Self::prepare(test, is_secure)?;
        node.start_again();
        Some(node)
    }

    fn prepare(test: &str, is_secure: bool) -> Option<Self> {
        let program = find(test, "opensearch")?;
        let ports = free_ports();
        let name = format!("opensearch-{}-{}", std::process::id(), ports[0]);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        Some(Self { server: None, program, folder, ports, is_secure, is_mounted: false })
    }

    /// The folder of its data.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Whether [`OpenSearch::disk`] is a file system of its own, which can be filled.
    pub(crate) fn has_small_disk(&self) -> bool {
        self.is_mounted
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        self.server.as_ref().unwrap_or_else(|| panic!("OpenSearch does not run")).signal(signal);
    }

    /// Starts it on the ports and the data that it had.
    pub(crate) fn start_again(&mut self) {
        let ready = self.folder.join("ready");
        // The launcher removes it too, but perhaps later than it is looked for.
        drop(std::fs::remove_file(&ready));
        let mut command = Command::new(&self.program);
        command
            .arg(&self.folder)
            .args(self.ports.map(|port| port.to_string()))
            .args(self.is_secure.then_some("--secure"));
        // It ends with its input, so that it ends with this process, however that ends.
        command.stdin(Stdio::piped());
        self.server = Some(Server::start_within(READY_WITHIN, "opensearch", &mut command, |_| ready.exists()));
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", if self.is_secure { "https" } else { "http" }, self.ports[0])
    }

    /// The port of [`OpenSearch::url`].
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// The user's name and password of a secure one.
    pub(crate) fn credentials(&self) -> (String, String) {
        ("admin".to_owned(), self.text("password").trim().to_owned())
    }

    /// The file with the password of a secure one.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The certificate of the authority that signed a secure one's, as a file.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// An authority that did not.
    pub(crate) fn other_authority_file(&self) -> PathBuf {
        self.folder.join("other-ca.pem")
    }

    fn text(&self, name: &str) -> String {
        let file = self.folder.join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()))
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        self.kill();
        if self.is_mounted {
            // What is mounted in memory would outlive the test; whether this works is seen by whoever looks.
            drop(Command::new("umount").arg(self.disk()).status());
        }
        // A failed test leaves what explains it.
        if !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}
