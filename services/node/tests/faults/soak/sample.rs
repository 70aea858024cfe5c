//! What a process and its store take at one moment.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::trend::median;

const MIB: f64 = 1_048_576.0;
/// Tables of the event bus, and those of documents and leases. What is in neither is telemetry.
const BUS: [&str; 8] =
    ["topics", "partitions", "records", "groups", "members", "subscriptions", "assignments", "commits"];
const DOCUMENTS: [&str; 4] = ["documents", "attributes", "writes", "leases"];

/// What the system says of a process and of the files of its store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Memory that is there: all of it, and what is the process' own, which no file can give back.
    pub(crate) resident_mib: f64,
    pub(crate) private_mib: f64,
    pub(crate) threads: f64,
    pub(crate) descriptors: f64,
    /// The store's file, and the log that is written ahead of it; 0 where there are none.
    pub(crate) file_mib: f64,
    pub(crate) ahead_mib: f64,
}

impl Taken {
    /// By a process now.
    ///
    /// # Panics
    /// When the system does not say.
    pub(crate) fn by(process: u32, store: Option<&Path>) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.unwrap_or_else(|error| panic!("failed to read the status of process {process}: {error}"));
        let number = |key: &str| {
            number_of(&status, key).unwrap_or_else(|| panic!("process {process} has no number for {key}:\n{status}"))
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        let descriptors = descriptors.unwrap_or_else(|error| panic!("failed to count descriptors: {error}")).count();
        let file_mib = |path: &Path| fs::metadata(path).map_or(0.0, |file| file.len() as f64 / MIB);
        Self {
            resident_mib: number("VmRSS") / 1_024.0,
            private_mib: number("RssAnon") / 1_024.0,
            threads: number("Threads"),
            descriptors: descriptors as f64,
            file_mib: store.map_or(0.0, file_mib),
            ahead_mib: store.map_or(0.0, |store| file_mib(&ahead(store))),
        }
    }

    /// Of each number the median; `None` of nothing.
    pub(crate) fn middle(taken: &[Self]) -> Option<Self> {
        let of = |number: fn(&Self) -> f64| median(&mut taken.iter().map(number).collect::<Vec<_>>());
        Some(Self {
            resident_mib: of(|taken| taken.resident_mib)?,
            private_mib: of(|taken| taken.private_mib)?,
            threads: of(|taken| taken.threads)?,
            descriptors: of(|taken| taken.descriptors)?,
            file_mib: of(|taken| taken.file_mib)?,
            // It is the highest that must have room.
            ahead_mib: taken.iter().map(|taken| taken.ahead_mib).fold(0.0, f64::max),
        })
    }
}

/// The log that SQLite writes ahead of a file.
fn ahead(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A number of `/proc/PID/status`: in KiB where it is memory.
fn number_of(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line?.split_whitespace().next()?.parse().ok()
}

/// What a store's file is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Contents {
    /// Pages of tables and indexes, and those that are empty.
    pub(crate) telemetry_mib: f64,
    pub(crate) bus_mib: f64,
    pub(crate) documents_mib: f64,
    pub(crate) empty_mib: f64,
    /// Telemetry as retention counts it.
    pub(crate) kept_mib: f64,
    /// Records of the bus: their keys, headers and values, and when the oldest was published, in Unix milliseconds.
    pub(crate) records_mib: f64,
    pub(crate) oldest_ms: Option<i64>,
}

impl Contents {
    /// Of a file that others use.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(crate) fn of(store: &Path) -> Self {
        read(store).unwrap_or_else(|error| panic!("failed to read {}: {error}", store.display()))
    }
}

fn read(store: &Path) -> rusqlite::Result<Contents> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let mut contents = Contents {
        empty_mib: (number("PRAGMA freelist_count")? * number("PRAGMA page_size")?) as f64 / MIB,
        kept_mib: number("SELECT coalesce(sum(bytes), 0) FROM volumes")? as f64 / MIB,
        ..Contents::default()
    };
    let records = "SELECT coalesce(sum(length(value) + coalesce(length(key), 0) + coalesce(length(headers), 0)), 0),
                   min(published_ms) FROM records";
    let (bytes, oldest_ms): (i64, Option<i64>) =
        connection.query_row(records, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    (contents.records_mib, contents.oldest_ms) = (bytes as f64 / MIB, oldest_ms);
    // An index counts for its table.
    let mut statement = connection.prepare(
        "SELECT coalesce(s.tbl_name, d.name), d.pgsize
         FROM (SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE) d LEFT JOIN sqlite_schema s ON s.name = d.name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    for row in rows {
        let (table, bytes) = row?;
        let part = match table.as_str() {
            table if BUS.contains(&table) => &mut contents.bus_mib,
            table if DOCUMENTS.contains(&table) => &mut contents.documents_mib,
            _ => &mut contents.telemetry_mib,
        };
        *part += bytes as f64 / MIB;
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use llm_sre_adapters::sqlite::{self, Store};
    use llm_sre_ports::bus::{EventBus, Record, TopicSpec};

    use super::*;

    #[test]
    fn numbers_of_a_process_are_its_own() {
        let status = "Name:\tVmRSS\nVmRSSX:\t1 kB\nVmRSS:\t  2048 kB\nRssAnon:\t1024 kB\nThreads:\t7\n";
        assert_eq!(number_of(status, "VmRSS"), Some(2_048.0));
        assert_eq!(number_of(status, "Threads"), Some(7.0));
        assert_eq!(number_of(status, "Name"), None);
        assert_eq!(number_of(status, "Vm"), None);
        let own = Taken::by(std::process::id(), None);
        assert!(own.resident_mib >= own.private_mib && own.private_mib > 0.0, "{own:?}");
        assert!(own.threads >= 1.0 && own.descriptors >= 3.0, "{own:?}");
        assert_eq!((own.file_mib, own.ahead_mib), (0.0, 0.0));
        assert_eq!(Taken::middle(&[own, Taken { threads: 1e9, ..own }, own]), Some(own));
        assert_eq!(Taken::middle(&[]), None);
    }

    #[test]
    fn a_store_is_made_of_its_parts() {
        const RECORDS: usize = 400;
        const BYTES: usize = 3_000;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.sqlite");
        let store = {
            let _inside = runtime.enter();
            Store::open(&file, sqlite::Options::default()).unwrap()
        };
        let before = Contents::of(&file);
        assert!(before.bus_mib > 0.0 && before.telemetry_mib > 0.0 && before.documents_mib > 0.0, "{before:?}");
        assert_eq!((before.records_mib, before.kept_mib, before.oldest_ms), (0.0, 0.0, None));
        let bus = store.bus();
        let record = Record { value: vec![7_u8; BYTES].into(), ..Record::default() };
        runtime.block_on(async {
            bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 1, retention: None }).await.unwrap();
            bus.publish("t", vec![record; RECORDS]).await.unwrap();
        });
        let after = Contents::of(&file);
        let expected_mib = (RECORDS * BYTES) as f64 / MIB;
        assert!((after.records_mib - expected_mib).abs() < 1e-9, "{after:?}");
        let grown_mib = after.bus_mib - before.bus_mib;
        assert!(grown_mib >= expected_mib && grown_mib < 1.5 * expected_mib, "{after:?}");
        assert_eq!((after.telemetry_mib, after.documents_mib), (before.telemetry_mib, before.documents_mib));
        assert!(after.oldest_ms.is_some_and(|oldest_ms| oldest_ms > 0), "{after:?}");
        let taken = Taken::by(std::process::id(), Some(&file));
        assert!(taken.file_mib + taken.ahead_mib >= expected_mib, "{taken:?}");
    }
}
