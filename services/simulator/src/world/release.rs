//! Versions of a service.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A version as it was built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Release {
    pub(crate) version: String,
    pub(crate) defect: Option<Defect>,
}

/// What is wrong with a version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defect {
    /// What it adds to each request, in seconds.
    pub(crate) slower_s: f64,
    /// The share of requests that it fails.
    pub(crate) failed: f64,
    /// Which of its lines fails, for the words in its logs.
    pub(crate) line: u32,
}

impl Release {
    pub(crate) fn sound(version: &str) -> Self {
        Self { version: version.to_owned(), defect: None }
    }
}

impl Defect {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            slower_s: rng.random_range(0.15..0.5),
            failed: rng.random_range(0.06..0.25),
            line: rng.random_range(20..400),
        }
    }
}

/// The minor version after `version`.
pub(crate) fn next(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    format!("{major}.{}.0", minor + 1)
}

/// The version before `version`.
pub(crate) fn previous(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor, patch) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match (minor, patch) {
        (minor, 1..) => format!("{major}.{minor}.{}", patch - 1),
        (1.., 0) => format!("{major}.{}.0", minor - 1),
        (0, 0) => format!("{}.0.0", major.saturating_sub(1)),
    }
}
