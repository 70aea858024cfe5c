//! Kafka brokers, each with its data in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Server, find, free_ports};

/// The user of a secure broker.
pub(crate) const USER: &str = "llm-sre";
/// Its password, and that of the broker's key store.
pub(crate) const PASSWORD: &str = "for-tests";
const CLUSTER: &str = "bGxtLXNyZS10ZXN0cy0wMQ";
/// What the broker says once it serves.
const STARTED: &str = "Kafka Server started";
/// A broker hands its partitions over before it ends.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// One broker that is its own controller, or three that are. They are killed, and their data removed, when dropped.
pub(crate) struct Kafka {
    brokers: Vec<Broker>,
    program: PathBuf,
    folder: PathBuf,
    /// Where clients without encryption and password connect; the brokers' own connections too. The first broker's.
    pub(crate) port: u16,
    /// Where clients with SASL_SSL and SCRAM-SHA-512 connect. The first broker's.
    pub(crate) secure_port: u16,
    is_secure: bool,
}

struct Broker {
    server: Option<Server>,
    port: u16,
    controller_port: u16,
}

impl Kafka {
    /// Starts one broker, or reports a skip.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let [port, secure_port, controller_port] = free_ports();
        Self::start_as(test, &[(port, controller_port)], secure_port, false)
    }

    /// Starts one with a second port that takes nothing but SASL_SSL with [`USER`] and [`PASSWORD`].
    pub(crate) fn start_secure(test: &str) -> Option<Self> {
        let [port, secure_port, controller_port] = free_ports();
        Self::start_as(test, &[(port, controller_port)], secure_port, true)
    }

    /// Starts three, which keep everything three times and take a record once two of them have it.
    pub(crate) fn start_three(test: &str) -> Option<Self> {
        let [a, b, c, d, e, f, secure_port] = free_ports();
        Self::start_as(test, &[(a, b), (c, d), (e, f)], secure_port, false)
    }

    fn start_as(test: &str, ports: &[(u16, u16)], secure_port: u16, is_secure: bool) -> Option<Self> {
        let program = find(test, "kafka")?;
        let port = ports[0].0;
        let name = format!("kafka-{}-{port}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let broker = |&(port, controller_port): &(u16, u16)| Broker { server: None, port, controller_port };
        let brokers = ports.iter().map(broker).collect();
        let mut kafka = Self { brokers, program, folder, port, secure_port, is_secure };
        for index in 0..ports.len() {
            let config = kafka.config_file(index);
            let written = std::fs::create_dir_all(kafka.folder_of(index))
                .and_then(|()| std::fs::write(&config, kafka.config(index)));
            written.unwrap_or_else(|error| panic!("failed to write {}: {error}", config.display()));
            kafka.format(index);
        }
        kafka.start_again();
        Some(kafka)
    }

    /// The addresses of clients without encryption, a broker each.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.port)).collect()
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

    /// Ends all brokers with SIGKILL. Their data stays.
    pub(crate) fn kill(&mut self) {
        self.brokers.iter_mut().for_each(|broker| broker.server = None);
    }

    /// Ends one broker, counted from 0, with SIGKILL. Its data stays.
    pub(crate) fn kill_one(&mut self, index: usize) {
        self.brokers[index].server = None;
    }

    /// Asks all brokers to end, as a service manager does, and waits for them.
    pub(crate) fn terminate(&mut self) {
        for server in self.brokers.iter_mut().filter_map(|broker| broker.server.take()) {
            server.terminate(ENDED_WITHIN);
        }
    }

    /// Starts the brokers that do not run on the data that they had, on the same ports.
    pub(crate) fn start_again(&mut self) {
        let has_started = |log: &Path| std::fs::read_to_string(log).is_ok_and(|text| text.contains(STARTED));
        // Together, since none of three is ready before it has met a second.
        for index in 0..self.brokers.len() {
            if self.brokers[index].server.is_none() {
                let mut command = self.java("-Xmx512m");
                command.arg("kafka.Kafka").arg(self.config_file(index));
                self.brokers[index].server = Some(Server::start_with_log("kafka", &mut command, |_| true));
            }
        }
        for server in self.brokers.iter_mut().filter_map(|broker| broker.server.as_mut()) {
            server.wait_until_ready(has_started);
        }
    }

    /// The last lines that the brokers printed.
    pub(crate) fn log_tail(&self) -> String {
        let tails = self.brokers.iter().filter_map(|broker| broker.server.as_ref()).map(Server::log_tail);
        tails.collect::<Vec<_>>().join("\n")
    }

    fn part(&self) -> PathBuf {
        self.program.with_extension("d")
    }

    fn folder_of(&self, index: usize) -> PathBuf {
        self.folder.join(format!("node-{}", index + 1))
    }

    fn config_file(&self, index: usize) -> PathBuf {
        self.folder_of(index).join("server.properties")
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

    fn format(&self, index: usize) {
        let mut command = self.java("-Xmx128m");
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).arg(self.config_file(index));
        if self.is_secure {
            command.arg("--add-scram").arg(format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]"));
        }
        let output = command.output().unwrap_or_else(|error| panic!("failed to format Kafka's folder: {error}"));
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "failed to format Kafka's folder: {text}");
    }

    fn config(&self, index: usize) -> String {
        let Self { secure_port, is_secure, .. } = *self;
        let Broker { port, controller_port, .. } = self.brokers[index];
        let copies = self.brokers.len();
        let in_sync = copies.div_ceil(2);
        let voter = |(index, broker): (usize, &Broker)| format!("{}@127.0.0.1:{}", index + 1, broker.controller_port);
        let voters = self.brokers.iter().enumerate().map(voter).collect::<Vec<_>>().join(",");
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        if is_secure {
            listeners += &format!(",SASL_SSL://127.0.0.1:{secure_port}");
        }
        let mut config = format!(
            "process.roles=broker,controller\nnode.id={}\n\
             controller.quorum.voters={voters}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}\nadvertised.listeners={listeners}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n\
             log.dirs={}\n\
             default.replication.factor={copies}\nmin.insync.replicas={in_sync}\n\
             offsets.topic.num.partitions=3\noffsets.topic.replication.factor={copies}\n\
             transaction.state.log.num.partitions=1\ntransaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={in_sync}\nshare.coordinator.state.topic.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor={copies}\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             auto.create.topics.enable=false\n\
             # Members of a test join, die and are missed within seconds.\n\
             group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=1000\n\
             # What a test wants to see go goes soon.\n\
             log.retention.check.interval.ms=200\nlog.initial.task.delay.ms=200\nfile.delete.delay.ms=1000\n\
             # Little memory, however many partitions.\n\
             log.index.size.max.bytes=65536\nlog.cleaner.enable=true\nlog.cleaner.dedupe.buffer.size=4194304\n\
             log.cleaner.threads=1\n",
            index + 1,
            self.folder_of(index).join("data").display(),
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
