//! Without a configuration nobody is called: not a model, not a telemetry backend, nobody.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::parts;
use crate::process::{self, Process};

const ONCE_WITHIN: Duration = Duration::from_secs(90);

/// Brings the loopback of a new network up, runs what it is given, and says what the kernel counted of all of it.
const COUNTED: &str = r#"
ip link set lo up 2>/dev/null || python3 -c '
import fcntl, socket, struct
flags = struct.pack("16sh", b"lo", 0x41)
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, flags)'
"$@"
code=$?
cat /proc/net/snmp
exit $code
"#;

/// How to run something in a network of its own; `None` where that is not allowed here.
fn in_own_network() -> Option<Vec<&'static str>> {
    let ways = [vec!["unshare", "--net"], vec!["unshare", "--user", "--map-root-user", "--net"]];
    ways.into_iter().find(|way| {
        let tried = Command::new(way[0]).args(&way[1..]).args(["sh", "-c", COUNTED, "sh", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    })
}

/// The program with these arguments in a network of its own.
fn counted(way: &[&str], folder: &Path, arguments: &[&str]) -> Command {
    let mut command = process::without_settings(Command::new(way[0]));
    command.args(&way[1..]).args(["sh", "-c", COUNTED, "sh", env!("CARGO_BIN_EXE_llm-sre")]).args(arguments);
    command.current_dir(folder);
    command
}

/// Connections that were opened, and datagrams that were sent, by the kernel's count.
fn opened(snmp: &str) -> (u64, u64) {
    let count = |protocol: &str, name: &str| {
        let mut lines = snmp.lines().filter_map(|line| line.strip_prefix(protocol));
        let place = lines.next().unwrap().split_whitespace().position(|field| field == name).unwrap();
        lines.next().unwrap().split_whitespace().nth(place).unwrap().parse().unwrap()
    };
    (count("Tcp:", "ActiveOpens"), count("Udp:", "OutDatagrams"))
}

const DEMO: [&str; 12] = [
    "demo",
    "--once",
    "--seed",
    "1",
    "--listen",
    "127.0.0.1:0",
    "--otlp-grpc",
    "127.0.0.1:0",
    "--otlp-http",
    "127.0.0.1:0",
    "--dashboard",
    "127.0.0.1:0",
];

#[test]
fn a_run_without_a_configuration_calls_nobody() {
    let _alone = process::one_shop_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let Some(way) = in_own_network() else { return watched(folder.path()) };
    // What counts, first: a call to nobody is one that was made.
    let called = counted(&way, folder.path(), &["incidents", "list", "--address", "127.0.0.1:9"]).output().unwrap();
    assert!(opened(&String::from_utf8_lossy(&called.stdout)).0 >= 1, "{called:?}");

    let mut demo = Process::spawn("llm-sre demo".to_owned(), counted(&way, folder.path(), &DEMO));
    let status = demo.end(ONCE_WITHIN);
    assert!(status.success(), "an incident is found, explained and repaired: {}{}", demo.out(), demo.err());
    assert_eq!(opened(&demo.out()), (0, 0), "{}", demo.out());
}

/// Where a process can have no network of its own, its sockets are looked at for as long as it runs.
fn watched(folder: &Path) {
    let mut command = process::llm_sre(folder);
    command.args(DEMO);
    let mut demo = Process::spawn("llm-sre demo".to_owned(), command);
    let mut looks = 0;
    parts::wait_until("the demo ends", ONCE_WITHIN, || {
        looks += 1;
        assert_eq!(connected(demo.id()), BTreeSet::new(), "it is connected");
        demo.has_ended()
    });
    let status = demo.end(Duration::ZERO);
    assert!(status.success() && looks > 100, "{looks} looks: {}{}", demo.out(), demo.err());
}

/// The connections of a process, as the kernel lists them.
fn connected(pid: u32) -> BTreeSet<String> {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let targets = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    let sockets: BTreeSet<String> = targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let listed =
        ["tcp", "tcp6"].iter().filter_map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok());
    let rows = listed.collect::<Vec<_>>().join("\n");
    let is_listening = |fields: &[&str]| fields.get(3) == Some(&"0A");
    rows.lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(9).is_some_and(|inode| sockets.contains(*inode)) && !is_listening(fields))
        .map(|fields| fields.join(" "))
        .collect()
}
