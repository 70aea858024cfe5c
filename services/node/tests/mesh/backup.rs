//! The embedded store, copied while it is in use and put back.

use crate::process::{Process, llm_sre, run};

#[test]
fn a_process_goes_on_from_a_copy_that_was_made_while_another_ran() {
    let folder = tempfile::Builder::new().prefix("backup-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, copy, second) = (path("first.sqlite"), path("copy.sqlite"), path("second.sqlite"));
    let reads = |arguments: &[&str]| {
        let output = llm_sre(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    let mut process = Process::start(&["run", "--store", &first]);
    let address = process.control();
    reads(&["kill-switch", "engage", "--note", "the move", "--address", &address]);
    let noted = reads(&["audit", "verify", "--address", &address]);
    let said = reads(&["store", "backup", &copy, "--store", &first]);
    assert!(said.starts_with(&format!("{copy} is a sound copy of {first}")), "{said}");
    reads(&["kill-switch", "release", "--note", "after the copy", "--address", &address]);
    let later = reads(&["audit", "verify", "--address", &address]);
    assert!(process.terminate().success(), "{}", process.err());

    let taken = run(&["store", "restore", &copy, "--store", &first]);
    assert_eq!(taken.status.code(), Some(1), "a store was overwritten");
    assert!(String::from_utf8_lossy(&taken.stderr).contains("move it away first"));
    reads(&["store", "restore", &copy, "--store", &second]);
    let mut process = Process::start(&["run", "--store", &second]);
    let address = process.control();
    assert!(reads(&["kill-switch", "show", "--address", &address]).contains("the move"));
    assert_eq!(reads(&["audit", "verify", "--address", &address]), noted);
    let hash = later.trim().rsplit(' ').next().unwrap();
    let cut = run(&["audit", "verify", "--noted", hash, "--address", &address]);
    assert_eq!(cut.status.code(), Some(1), "what came after the copy is not in it, and nobody says so");
    assert!(process.terminate().success(), "{}", process.err());
}
