//! Real servers for tests: found or built by `tests/parts/install`, started on free ports of the loopback, waited for with
//! a deadline, and killed when dropped. Integration tests of any crate include this file with `#[path]`.
#![allow(dead_code, unused_imports, reason = "each test program that includes this file uses what it needs of it")]

pub(crate) mod kafka;
mod opensearch;

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub(crate) use opensearch::OpenSearch;

/// A loaded two-core machine starts Jaeger in about two seconds and Kafka in eight, and both can wait a minute for a disk
/// that is busy with something else; past this a server does not start at all.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// Between two looks at a condition. Short beside any server's start, long beside a look.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest that one HTTP exchange with a local server may take.
const HTTP_WITHIN: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 20;
/// Below those that systems give to whoever connects: any of these could be gone before a server takes it, or while one
/// that was killed is away.
const PORTS: Range<u16> = 20_000..32_000;
const PORT_DRAWS_MAX: u32 = 100_000;

/// The path of a part, or nothing where it is not installed: then the caller returns, and the run counts a skip.
///
/// # Panics
/// In CI (`CI=true`), where a missing part is built, and one that cannot be built fails the test.
pub(crate) fn find(test: &str, part: &str) -> Option<PathBuf> {
    found(test, "tests/parts/install", &[], part)
}

/// The folder of the page's sources, with what it is built and tested with; nothing, and a skip, where that is not there.
///
/// # Panics
/// As [`find`].
pub(crate) fn page_tools(test: &str) -> Option<PathBuf> {
    found(test, "tests/page", &["tools"], "")
}

/// What a script prints of a part that it can get.
fn found(test: &str, script: &str, arguments: &[&str], part: &str) -> Option<PathBuf> {
    let is_ci = std::env::var_os("CI").as_deref() == Some(OsStr::new("true"));
    let mut install = Command::new(repository().join(script));
    install.args(arguments);
    if !is_ci {
        install.arg("--cached");
    }
    if !part.is_empty() {
        install.arg(part);
    }
    let output = install.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("failed to run {script}: {error}"));
    if output.status.success() {
        return Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert!(!is_ci, "{test}: {why}");
    // Written past the test harness, which swallows the output of tests that pass; `./test` counts these lines.
    let line = format!("\nSKIPPED {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).unwrap_or_else(|error| panic!("failed to report a skip: {error}"));
    None
}

/// The root of the repository, from whichever crate includes this file.
fn repository() -> PathBuf {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = crate_root.ancestors().find(|directory| directory.join("tests/parts/install").exists());
    found.unwrap_or_else(|| panic!("no tests/parts/install above {}", crate_root.display())).to_path_buf()
}

/// Ports that were free a moment ago, all different.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let random = RandomState::new();
    let mut drawn = (0..PORT_DRAWS_MAX).map(|turn| {
        let offset = random.hash_one(turn) % u64::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(offset).unwrap_or_default()
    });
    // All are held until the last is known, or one might be drawn twice.
    let held: [TcpListener; N] = std::array::from_fn(|_| {
        let free = drawn.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
        free.unwrap_or_else(|| panic!("no port of {PORTS:?} is free"))
    });
    held.map(|listener| listener.local_addr().map(|address| address.port()).unwrap_or_default())
}

/// Looks at the condition until it holds.
///
/// # Panics
/// When it does not hold within `deadline`, naming `what`.
pub(crate) fn wait_until(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < deadline, "{what}: not within {deadline:?}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// The body of `GET http://127.0.0.1:PORT PATH`, whatever the status.
///
/// # Errors
/// When nothing listens there, or it does not answer in time or in text.
pub(crate) fn http_get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(HTTP_WITHIN))?;
    // HTTP/1.0: the server ends the body by closing.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("answer without a body"))?;
    Ok(body.to_owned())
}

/// A process of ours with its log; killed when dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output in a file and waits until `is_ready`.
    ///
    /// # Panics
    /// When it cannot be started, ends early or is not ready in time; the log's end is part of the message.
    pub(crate) fn start(name: &str, command: &mut Command, is_ready: impl Fn() -> bool) -> Self {
        Self::start_within(READY_WITHIN, name, command.stdin(Stdio::null()), |_| is_ready())
    }

    /// The same, where the log says when it is ready.
    pub(crate) fn start_with_log(name: &str, command: &mut Command, is_ready: impl Fn(&Path) -> bool) -> Self {
        Self::start_within(READY_WITHIN, name, command.stdin(Stdio::null()), is_ready)
    }

    /// As [`Server::start_with_log`], for a server that takes longer, or whose standard input is the caller's business.
    fn start_within(within: Duration, name: &str, command: &mut Command, is_ready: impl Fn(&Path) -> bool) -> Self {
        let [number] = free_ports();
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}.log", std::process::id()));
        let output = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = output.unwrap_or_else(|error| panic!("failed to create {}: {error}", log.display()));
        let child = command.stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("failed to start {name}: {error}"));
        let mut server = Self { name: name.to_owned(), child, log };
        server.wait_within(within, is_ready);
        server
    }

    /// Waits until its log says that it is ready.
    fn wait_until_ready(&mut self, is_ready: impl Fn(&Path) -> bool) {
        self.wait_within(READY_WITHIN, is_ready);
    }

    fn wait_within(&mut self, within: Duration, is_ready: impl Fn(&Path) -> bool) {
        let started = Instant::now();
        while !is_ready(&self.log) {
            let ended = self.ended();
            assert!(ended.is_none(), "{} ended early:\n{}", self.name, self.log_tail());
            assert!(started.elapsed() < within, "{} is not ready:\n{}", self.name, self.log_tail());
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("failed to look after {}: {error}", self.name))
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "failed to send {signal} to {}", self.name);
    }

    /// Asks it to end, as a service manager does, and waits for it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub(crate) fn terminate(mut self, within: Duration) {
        self.signal("-TERM");
        let name = self.name.clone();
        wait_until(&format!("end of {name}"), within, || self.ended().is_some());
    }

    /// The process' id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that the process printed.
    pub(crate) fn log_tail(&self) -> String {
        let text =
            std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log of {}: {error}", self.name));
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to be done about either error while a test unwinds.
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(std::fs::remove_file(&self.log));
        }
    }
}

/// Jaeger with its storage in memory.
pub(crate) struct Jaeger {
    pub(crate) server: Server,
    /// Takes spans over OTLP/gRPC.
    pub(crate) otlp_grpc_port: u16,
    /// Answers `/api/services` and `/api/traces/{id}` over HTTP.
    pub(crate) query_port: u16,
    /// Answers the same over gRPC, with reflection.
    pub(crate) query_grpc_port: u16,
}

impl Jaeger {
    /// Starts it, or reports a skip.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let program = find(test, "jaeger")?;
        let [otlp_grpc_port, otlp_http_port, query_port, query_grpc_port, admin_port] = free_ports();
        let mut command = Command::new(program);
        command.env("SPAN_STORAGE_TYPE", "memory").arg("--collector.otlp.enabled=true");
        for (flag, port) in [
            ("collector.otlp.grpc", otlp_grpc_port),
            ("collector.otlp.http", otlp_http_port),
            ("query.http-server", query_port),
            ("query.grpc-server", query_grpc_port),
            ("admin.http", admin_port),
            // What no test asks for takes any port.
            ("collector.grpc-server", 0),
            ("collector.http-server", 0),
            ("http-server", 0),
        ] {
            command.arg(format!("--{flag}.host-port=127.0.0.1:{port}"));
        }
        for protocol in ["jaeger-binary", "jaeger-compact", "zipkin-compact"] {
            command.arg(format!("--processor.{protocol}.server-host-port=127.0.0.1:0"));
        }
        let is_ready = || http_get(admin_port, "/").is_ok_and(|body| body.contains("Server available"));
        let server = Server::start("jaeger", &mut command, is_ready);
        Some(Self { server, otlp_grpc_port, query_port, query_grpc_port })
    }

    /// Jaeger's JSON for a trace, by its 32 hexadecimal digits; an unknown trace has an `errors` list.
    ///
    /// # Errors
    /// When Jaeger does not answer.
    pub(crate) fn trace(&self, trace_id: &str) -> io::Result<String> {
        http_get(self.query_port, &format!("/api/traces/{trace_id}"))
    }

    /// Jaeger's JSON list of the services that sent spans.
    ///
    /// # Errors
    /// When Jaeger does not answer.
    pub(crate) fn services(&self) -> io::Result<String> {
        http_get(self.query_port, "/api/services")
    }
}

/// An OpenTelemetry Collector.
pub(crate) struct Collector {
    pub(crate) server: Server,
    /// Takes all signals over OTLP/gRPC.
    pub(crate) otlp_grpc_port: u16,
    /// What the file exporter writes: one OTLP/JSON export request a line.
    pub(crate) file: PathBuf,
    config: PathBuf,
}

impl Collector {
    /// Starts one that hands what it is sent, and this machine's metrics, to the OTLP/gRPC server on `sink_port` and to
    /// a file; or reports a skip. `signals` are those that the sink takes, such as `["traces"]`.
    pub(crate) fn start(test: &str, sink_port: u16, signals: &[&str]) -> Option<Self> {
        let exporter = format!("otlp_grpc: {{endpoint: 127.0.0.1:{sink_port}, tls: {{insecure: true}}}}");
        Self::start_with(test, "otlp_grpc", &exporter, signals)
    }

    /// As [`Collector::start`], for an OTLP/HTTP server, in `proto` or in `json`, both with gzip.
    pub(crate) fn start_over_http(test: &str, sink_port: u16, encoding: &str, signals: &[&str]) -> Option<Self> {
        let exporter =
            format!("otlp_http: {{endpoint: 'http://127.0.0.1:{sink_port}', encoding: {encoding}, compression: gzip}}");
        Self::start_with(test, "otlp_http", &exporter, signals)
    }

    fn start_with(test: &str, name: &str, exporter: &str, signals: &[&str]) -> Option<Self> {
        let program = find(test, "otelcol")?;
        let [otlp_grpc_port] = free_ports();
        let stem =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("otelcol-{}-{otlp_grpc_port}", std::process::id()));
        let (config, file) = (stem.with_extension("yaml"), stem.with_extension("jsonl"));
        let pipelines: Vec<_> = ["metrics", "logs", "traces"]
            .into_iter()
            .map(|signal| {
                let receivers = if signal == "metrics" { "otlp, host_metrics" } else { "otlp" };
                let beside = if signals.contains(&signal) { format!(", {name}") } else { String::new() };
                format!("    {signal}: {{receivers: [{receivers}], processors: [batch], exporters: [file{beside}]}}\n")
            })
            .collect();
        let text = format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{otlp_grpc_port}}}}}}}\n  \
             host_metrics: {{collection_interval: 1s, scrapers: {{cpu: {{}}, memory: {{}}, load: {{}}, network: {{}}}}}}\n\
             processors:\n  batch: {{timeout: 200ms}}\n\
             exporters:\n  file: {{path: '{}'}}\n  {exporter}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{}",
            file.display(),
            pipelines.concat(),
        );
        std::fs::write(&config, text).unwrap_or_else(|error| panic!("failed to write {}: {error}", config.display()));
        let mut command = Command::new(program);
        command.arg("--config").arg(&config);
        let is_ready = || TcpStream::connect((Ipv4Addr::LOCALHOST, otlp_grpc_port)).is_ok();
        Some(Self { server: Server::start("otelcol", &mut command, is_ready), otlp_grpc_port, file, config })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // A failed test leaves what explains it.
        if !std::thread::panicking() {
            drop(std::fs::remove_file(&self.file));
            drop(std::fs::remove_file(&self.config));
        }
    }
}
