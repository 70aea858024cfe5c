//! A Kafka broker with its data in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, find, free_ports};

/// The user of a secure broker.
pub(crate) const USER: &str = "llm-sre";
/// Its password, and that of the broker's key store.
pub(crate) const PASSWORD: &str = "for-tests";
const CLUSTER: &str = "bGxtLXNyZS10ZXN0cy0wMQ";
/// What the broker says once it serves.
const STARTED: &str = "Kafka Server started";

/// One broker, which is its own controller. It is killed, and its data removed, when dropped.
pub(crate) struct Kafka {
    server: Option<Server>,
    program: PathBuf,
    folder: PathBuf,
    /// Where clients without encryption and password connect; the broker's own connections too.
    pub(crate) port: u16,
    /// Where clients with SASL_SSL and SCRAM-SHA-512 connect.
    pub(crate) secure_port: u16,
    is_secure: bool,
}

impl Kafka {
    /// Starts it, or reports a skip.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_as(test, false)
    }

    /// Starts it with a second port that takes nothing but SASL_SSL with [`USER`] and [`PASSWORD`].
    pub(crate) fn start_secure(test: &str) -> Option<Self> {
        Self::start_as(test, true)
    }

    fn start_as(test: &str, is_secure: bool) -> Option<Self> {
        let program = find(test, "kafka")?;
        let [port, secure_port, controller_port] = free_ports();
        let name = format!("kafka-{}-{port}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("failed to create {}: {error}", folder.display()));
        let mut kafka = Self { server: None, program, folder, port, secure_port, is_secure };
        let config = kafka.config(controller_port);
        std::fs::write(kafka.config_file(), config)
            .unwrap_or_else(|error| panic!("failed to configure Kafka: {error}"));
        kafka.format();
        kafka.start_again();
        Some(kafka)
    }

    /// The address of clients without encryption.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of clients with encryption and a password.
    pub(crate) fn secure_address(&self) -> String {
        format!("127.0.0.1:{}", self.secure_port)
    }

    /// The certificate of the CA that signed the secure broker's.
    pub(crate) fn ca(&self) -> PathBuf {
        self.part().join("ca.pem")
    }

    /// The certificate of a CA that has nothing to do with it.
    pub(crate) fn other_ca(&self) -> PathBuf {
        self.part().join("other-ca.pem")
    }

    /// Ends it with SIGKILL. Its data stays.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it on the data that it had, on the same ports.
    pub(crate) fn start_again(&mut self) {
        let mut command = self.java("-Xmx512m");
        command.arg("kafka.Kafka").arg(self.config_file());
        let has_started = |log: &Path| std::fs::read_to_string(log).is_ok_and(|text| text.contains(STARTED));
        self.server = Some(Server::start_with_log("kafka", &mut command, has_started));
    }

    /// The last lines that the broker printed.
    pub(crate) fn log_tail(&self) -> String {
        self.server.as_ref().map(Server::log_tail).unwrap_or_default()
    }

    fn part(&self) -> PathBuf {
        self.program.with_extension("d")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn java(&self, memory: &str) -> Command {
        let mut command = Command::new(&self.program);
        // A test's broker starts more than it works: the quick compiler and the collector of one thread suit it.
        command.args([
            memory,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Djava.awt.headless=true",
        ]);
        command.arg(format!("-Dlog4j2.configurationFile={}", self.part().join("log4j2.properties").display()));
        command
    }

    fn format(&self) {
        let mut command = self.java("-Xmx128m");
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).arg(self.config_file());
        if self.is_secure {
            command.arg("--add-scram").arg(format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]"));
        }
        let output = command.output().unwrap_or_else(|error| panic!("failed to format Kafka's folder: {error}"));
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "failed to format Kafka's folder: {text}");
    }

    fn config(&self, controller_port: u16) -> String {
        let Self { port, secure_port, is_secure, .. } = *self;
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        if is_secure {
            listeners += &format!(",SASL_SSL://127.0.0.1:{secure_port}");
        }
        let mut config = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}\nadvertised.listeners={listeners}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n\
             log.dirs={}\n\
             default.replication.factor=1\noffsets.topic.num.partitions=3\noffsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nshare.coordinator.state.topic.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
             auto.create.topics.enable=false\n\
             # Members of a test join, die and are missed within seconds.\n\
             group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=1000\n\
             # What a test wants to see go goes soon.\n\
             log.retention.check.interval.ms=200\nlog.initial.task.delay.ms=200\nfile.delete.delay.ms=1000\n\
             # Little memory, however many partitions.\n\
             log.index.size.max.bytes=65536\nlog.cleaner.enable=true\nlog.cleaner.dedupe.buffer.size=4194304\n\
             log.cleaner.threads=1\n",
            self.folder.join("data").display(),
        );
        if is_secure {
            let store = self.part().join("broker.p12");
            config += &format!(
                "sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                 listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
                 org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
                 listener.name.sasl_ssl.ssl.keystore.type=PKCS12\n\
                 listener.name.sasl_ssl.ssl.keystore.location={}\n\
                 listener.name.sasl_ssl.ssl.keystore.password={PASSWORD}\n\
                 listener.name.sasl_ssl.ssl.key.password={PASSWORD}\n",
                store.display()
            );
        }
        config
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let log = if std::thread::panicking() { self.log_tail() } else { String::new() };
        self.kill();
        if !log.is_empty() {
            eprintln!("the broker's log:\n{log}");
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
