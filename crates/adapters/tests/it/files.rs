//! What is opened, and what is refused.

use std::path::Path;
use std::sync::Barrier;

use llm_sre_adapters::sqlite::{Error, Store};
use rusqlite::Connection;

use super::{Place, options};

/// The refusal of a path, as a person reads it.
fn refusal(path: &Path) -> (Error, String) {
    let error = Store::open(path, options()).expect_err("it was opened");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "'{text}' does not name the file");
    (error, text)
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::write(place.path(), "these are notes, and no database at all. ".repeat(100)).unwrap();
    let (error, text) = refusal(&place.path());
    assert!(matches!(error, Error::NotADatabase { .. }), "{text}");
    assert!(std::fs::read_to_string(place.path()).unwrap().starts_with("these are notes"));
}

/// As the processes of an installation do, whichever is first.
#[test]
fn many_may_open_a_new_file_at_once() {
    const ROUNDS: usize = 25;
    const OPENERS: usize = 6;
    for round in 0..ROUNDS {
        let (place, start) = (Place::new(), Barrier::new(OPENERS));
        let open = || {
            start.wait();
            Store::open(&place.path(), options()).map(|_| ()).map_err(|error| format!("{error:?}"))
        };
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..OPENERS).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert!(opened.iter().all(Result::is_ok), "round {round}: {opened:?}");
    }
}

#[test]
fn a_newer_store_is_refused() {
    let place = Place::new();
    drop(place.open());
    let connection = Connection::open(place.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let (error, text) = refusal(&place.path());
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{text}");
    assert!(text.contains("99") && text.contains("run the version that wrote it"), "{text}");
}

#[test]
fn a_store_of_which_no_way_leads_here_is_refused() {
    let place = Place::new();
    drop(place.open());
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 0).unwrap();
    let (error, text) = refusal(&place.path());
    assert!(matches!(error, Error::Older { found: 0, .. }), "{text}");
}

#[test]
fn the_database_of_another_program_is_refused() {
    let place = Place::new();
    Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refusal(&place.path()).0, Error::NotAStore { .. }));
}

#[test]
fn a_damaged_file_is_refused() {
    let place = Place::new();
    drop(place.open());
    // With the log written back, the file itself is read.
    Connection::open(place.path()).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes[100..4_096].fill(0xff);
    std::fs::write(place.path(), bytes).unwrap();
    let (error, text) = refusal(&place.path());
    assert!(matches!(error, Error::Corrupt { .. }), "{text}");
    assert!(text.contains("llm-sre store restore"), "{text}");
}

/// As after a copy that was cut short. Wherever it is cut, nothing is begun anew over what is left.
#[test]
fn a_file_that_was_cut_off_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    Connection::open(place.path()).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let whole = std::fs::read(place.path()).unwrap();
    let pages = whole.len() / 4_096;
    assert!(pages > 8, "{pages}");
    for kept in [100, 512, 4_096, 5_000, 4_096 * (pages / 2), 4_096 * (pages - 1)] {
        let cut = Place::new();
        std::fs::write(cut.path(), &whole[..kept]).unwrap();
        let (error, text) = refusal(&cut.path());
        assert!(matches!(error, Error::Corrupt { .. } | Error::NotADatabase { .. }), "{kept} bytes: {text}");
        assert_eq!(std::fs::read(cut.path()).unwrap(), &whole[..kept], "{kept} bytes");
    }
}

#[test]
fn an_emptied_file_beside_its_log_is_not_begun_anew() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    assert!(Store::open(&place.path(), options()).is_ok(), "an empty file is a store of which nothing is there yet");
    let place = Place::new();
    let log = place.path().with_file_name("store.sqlite-wal");
    std::fs::write(place.path(), b"").unwrap();
    std::fs::write(&log, b"what was written last").unwrap();
    let (error, text) = refusal(&place.path());
    assert!(matches!(error, Error::Corrupt { .. }), "{text}");
    assert_eq!(std::fs::read(&log).unwrap(), b"what was written last");
}

#[test]
fn paths_that_are_no_files_are_refused() {
    let place = Place::new();
    let folder = place.path().parent().unwrap().to_owned();
    assert!(matches!(refusal(&folder).0, Error::Open { .. }));
    assert!(matches!(refusal(&folder.join("absent/store.sqlite")).0, Error::Open { .. }));
    for path in [":memory:", ""] {
        assert!(matches!(refusal(Path::new(path)).0, Error::NotAFile { .. }));
    }
}
