//! The rules of the house that no compiler checks. Each failure lists every place that breaks a rule, as `file:line`.
//! The checks are themselves tested on small snippets, beside their code in `tests/tidy/`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

/// A file that needs scrolling past this is two files.
const FILE_LINES_MAX: usize = 400;
/// A function that does not fit on a screen is two functions.
const FUNCTION_LINES_MAX: usize = 70;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: PathBuf,
    line: usize,
    what: String,
}

impl Violation {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_path_buf(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// A file of the repository: its path from the root, and its text.
struct SourceFile {
    path: PathBuf,
    text: String,
}

impl SourceFile {
    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// Scripts have no extension; they say what they are in their first line.
    fn is_script(&self) -> bool {
        self.is("sh") || self.text.starts_with("#!")
    }

    fn is_written_by_hand(&self) -> bool {
        ["rs", "proto", "md", "toml", "yaml", "go", "sql", "py", "ts", "tsx"].iter().any(|known| self.is(known))
            || self.is_script()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What others wrote and we only carry: its rules are its authors'.
fn is_vendored(path: &Path) -> bool {
    ["proto/google", "proto/opentelemetry"].iter().any(|vendored| path.starts_with(vendored))
}

/// Build output, editor state and the like; `.ci` is ours.
fn is_skipped_directory(name: &str) -> bool {
    name.starts_with("target") || name == "node_modules" || (name.starts_with('.') && name != ".ci")
}

fn collect(directory: &Path, files: &mut Vec<SourceFile>) {
    let entries = std::fs::read_dir(root().join(directory))
        .unwrap_or_else(|error| panic!("failed to list {}: {error}", directory.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|error| panic!("failed to list {}: {error}", directory.display()));
        let path = directory.join(entry.file_name());
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && !is_skipped_directory(&entry.file_name().to_string_lossy()) && !is_vendored(&path) {
            collect(&path, files);
        } else if !is_directory
            // What is not text has no lines to check.
            && let Ok(text) = std::fs::read_to_string(root().join(&path))
        {
            files.push(SourceFile { path, text });
        }
    }
}

/// All files, in the order of their paths, so that two runs report the same.
fn repository() -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(Path::new(""), &mut files);
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files.retain(SourceFile::is_written_by_hand);
    files
}

fn assert_none(violations: &[Violation]) {
    let listed: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(listed.is_empty(), "{} found:\n{}", listed.len(), listed.join("\n"));
}

#[test]
fn files_are_short() {
    let violations: Vec<_> = repository()
        .iter()
        .filter(|file| file.text.lines().count() > FILE_LINES_MAX)
        .map(|file| {
            let lines = file.text.lines().count();
            Violation::new(&file.path, lines, format!("{lines} lines, at most {FILE_LINES_MAX}"))
        })
        .collect();
    assert_none(&violations);
}

#[test]
fn functions_are_short() {
    let mut violations = Vec::new();
    for file in repository().iter().filter(|file| file.is("rs")) {
        for function in source::functions(&source::split(&file.text).code) {
            if function.lines > FUNCTION_LINES_MAX {
                let what = format!("fn {} has {} lines, at most {FUNCTION_LINES_MAX}", function.name, function.lines);
                violations.push(Violation::new(&file.path, function.line, what));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn nothing_is_left_for_later() {
    let files = repository();
    assert_none(&files.iter().flat_map(words::check).collect::<Vec<_>>());
}

#[test]
fn tests_wait_for_conditions_and_never_sleep() {
    let files: Vec<_> = repository().into_iter().filter(|file| file.is("rs")).collect();
    let test_files: BTreeSet<PathBuf> = files.iter().flat_map(source::test_modules_in_other_files).collect();
    let mut violations = Vec::new();
    for file in &files {
        let code = source::split(&file.text).code;
        let is_test_file = source::is_test_path(&file.path) || test_files.contains(&file.path);
        for line in source::sleeps(&code, is_test_file) {
            violations.push(Violation::new(&file.path, line, "a test sleeps; wait for a condition with a deadline"));
        }
    }
    assert_none(&violations);
}

/// A seed gives the same run only if nothing is left to chance; and who reads a branch list reads an order.
#[test]
fn selects_say_their_order() {
    let mut violations = Vec::new();
    for file in repository().iter().filter(|file| file.is("rs") && !source::is_test_path(&file.path)) {
        for line in source::unordered_selects(&source::split(&file.text).code) {
            violations.push(Violation::new(&file.path, line, "a select without `biased;`"));
        }
    }
    assert_none(&violations);
}

/// A run is to be had again: what nothing decides comes from a port, or from what the wiring hands in.
#[test]
fn services_draw_nothing_by_themselves() {
    let is_bound = |path: &Path| {
        let is_service = path.starts_with("services") && !path.starts_with("services/node");
        (is_service || path.starts_with("crates/mesh")) && !source::is_test_path(path)
    };
    let mut violations = Vec::new();
    for file in repository().iter().filter(|file| file.is("rs") && is_bound(&file.path)) {
        for (index, line) in source::split(&file.text).code.lines().enumerate() {
            for draw in ["now_v7", "Uuid::new_v4", "RandomState"].iter().filter(|draw| line.contains(**draw)) {
                violations.push(Violation::new(&file.path, index + 1, format!("draws by itself: {draw}")));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn dependencies_follow_the_arrows() {
    let files = repository();
    let members: Vec<_> = files.iter().filter(|file| file.path.ends_with("Cargo.toml")).collect();
    assert!(members.len() > 5, "only {} manifests found: the search is broken", members.len());
    assert_none(&members.into_iter().flat_map(manifests::check).collect::<Vec<_>>());
}

#[test]
fn links_in_documents_lead_somewhere() {
    let files = repository();
    let documents = files.iter().filter(|file| file.is("md"));
    assert_none(&documents.flat_map(|file| documents::check_links(file, root())).collect::<Vec<_>>());
}

#[test]
fn the_tests_that_the_page_on_safety_names_are_there() {
    let files = repository();
    let page = files.iter().find(|file| file.path == Path::new("docs/safety.md"));
    let page = page.unwrap_or_else(|| panic!("docs/safety.md is not there"));
    assert_none(&documents::check_tests(page, &files));
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let files = repository();
    let decisions: Vec<_> = files.iter().filter(|file| file.path.starts_with("docs/decisions")).collect();
    assert_none(&documents::check_decisions(&decisions));
}
