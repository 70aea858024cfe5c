//! The arrows between the crates, as ARCHITECTURE.md draws them, read from the manifests.

use toml::{Table, Value};

use crate::{SourceFile, Violation};

/// What a service is made of; it meets an adapter in the node only.
const SERVICE: &[&str] = &["llm-sre-domain", "llm-sre-mesh", "llm-sre-ports", "llm-sre-proto"];
const CORE: &[&str] = &["llm-sre-domain", "llm-sre-ports", "llm-sre-proto"];

/// Each crate, and the crates of this workspace that it may use. The node may use them all.
const ARROWS: &[(&str, &[&str])] = &[
    ("llm-sre-domain", &[]),
    ("llm-sre-proto", &["llm-sre-domain"]),
    ("llm-sre-ports", &["llm-sre-domain", "llm-sre-proto"]),
    // The contracts in its tests: what it reads is what decoding gives.
    ("llm-sre-otlp", &["llm-sre-domain", "llm-sre-proto"]),
    ("llm-sre-adapters", CORE),
    ("llm-sre-kafka", CORE),
    ("llm-sre-mesh", CORE),
    ("llm-sre-simulator", SERVICE),
    ("llm-sre-gateway", SERVICE),
    ("llm-sre-indexer", SERVICE),
    ("llm-sre-detector", &["llm-sre-domain", "llm-sre-mesh", "llm-sre-otlp", "llm-sre-ports", "llm-sre-proto"]),
    ("llm-sre-dashboard", SERVICE),
    ("llm-sre-diagnosis", SERVICE),
    ("llm-sre-remediation", SERVICE),
];
const NODE: &str = "llm-sre";

/// Input and output, clocks, async and wire formats: the domain decides and does nothing else.
const NOT_IN_DOMAIN: &[&str] = &[
    "async-trait",
    "axum",
    "chrono",
    "futures",
    "http",
    "hyper",
    "opentelemetry",
    "opentelemetry-proto",
    "pbjson",
    "pbjson-types",
    "prost",
    "prost-types",
    "reqwest",
    "rusqlite",
    "time",
    "tokio",
    "tokio-stream",
    "tokio-util",
    "tonic",
    "tower",
    "tracing",
];
/// The crates that make the ports of something.
const ADAPTERS: &[&str] = &["llm-sre-adapters", "llm-sre-kafka"];
/// What only an adapter may know.
const ONLY_IN_ADAPTERS: &[&str] = &["async-openai", "kube", "opensearch", "rdkafka", "reqwest", "rusqlite"];

/// Every way in which a manifest leaves the house's order.
pub(crate) fn check(file: &SourceFile) -> Vec<Violation> {
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Violation::new(&file.path, 1, format!("is not a manifest: {error}"))],
    };
    let Some(package) = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
        return vec![Violation::new(&file.path, 1, "has no package name")];
    };
    let mut violations = Vec::new();
    let mut violate =
        |near: &str, what: String| violations.push(Violation::new(&file.path, line_of(&file.text, near), what));
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        violate("[package]", "lacks `[lints] workspace = true`".to_owned());
    }
    if package != NODE && !ARROWS.iter().any(|(known, _)| *known == package) {
        violate("name =", format!("{package} has no row in ARROWS of tests/tidy/manifests.rs"));
    }
    for (name, dependency) in dependencies(&manifest) {
        if dependency.get("workspace") != Some(&Value::Boolean(true)) {
            violate(&name, format!("{name} is not taken from the workspace: write {name}.workspace = true"));
        }
        if let Some(reason) = refusal(package, &name) {
            violate(&name, format!("{package} must not depend on {name}: {reason}"));
        }
    }
    violations
}

/// Why `package` may not use `dependency`, if it may not.
fn refusal(package: &str, dependency: &str) -> Option<&'static str> {
    let is_ours = |name: &str| name == NODE || name.starts_with("llm-sre-");
    if package == NODE {
        return None;
    }
    let allowed = ARROWS.iter().find(|(known, _)| *known == package).map_or(&[][..], |(_, allowed)| allowed);
    if is_ours(dependency) && dependency != package && !allowed.contains(&dependency) {
        return Some("the arrows of ARCHITECTURE.md do not lead there");
    }
    if package == "llm-sre-domain" && NOT_IN_DOMAIN.contains(&dependency) {
        return Some("the domain has no input or output, no clock, no async and no wire format");
    }
    if !ADAPTERS.contains(&package) && ONLY_IN_ADAPTERS.contains(&dependency) {
        return Some("it belongs behind a port");
    }
    None
}

/// The dependencies of every kind, for every platform. Tests obey the arrows too.
fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    tables
        .flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind).and_then(Value::as_table)))
        .flat_map(|table| table.iter().map(|(name, value)| (name.clone(), value.clone())))
        .collect()
}

/// The first line that begins with `near`; the table itself does not keep where its entries stood.
fn line_of(text: &str, near: &str) -> usize {
    let begins = |line: &str| {
        line.strip_prefix(near)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_'))
    };
    // The workspace's own list comes first in the root manifest and is not what is meant.
    let from = text.find("\n[package]").map_or(0, |at| text[..=at].matches('\n').count());
    text.lines().enumerate().skip(from).find(|(_, line)| begins(line)).map_or(1, |(index, _)| index + 1)
}

#[cfg(test)]
mod checks {
    use super::*;

    fn found(package: &str, rest: &str) -> Vec<(usize, String)> {
        let text = format!("[package]\nname = \"{package}\"\n{rest}");
        let file = SourceFile { path: "Cargo.toml".into(), text };
        check(&file).into_iter().map(|violation| (violation.line, violation.what)).collect()
    }

    #[test]
    fn arrows_are_one_way() {
        const LINTS: &str = "[lints]\nworkspace = true\n";
        let one = |package: &str, kind: &str, name: &str| {
            found(package, &format!("{LINTS}[{kind}]\nserde.workspace = true\n{name}.workspace = true\n"))
        };
        assert_eq!(one("llm-sre-domain", "dependencies", "thiserror"), []);
        assert_eq!(one("llm-sre-domain", "dependencies", "tokio")[0].0, 7);
        assert_eq!(one("llm-sre-gateway", "dev-dependencies", "llm-sre-adapters")[0].0, 7);
        assert_eq!(one("llm-sre-gateway", "dependencies", "llm-sre-detector").len(), 1);
        assert_eq!(one("llm-sre-ports", "target.'cfg(unix)'.dependencies", "rusqlite").len(), 1);
        assert_eq!(one("llm-sre-ports", "dependencies", "llm-sre-domain"), []);
        assert_eq!(one("llm-sre", "dependencies", "llm-sre-adapters"), []);
        assert_eq!(one("llm-sre-new", "dependencies", "bytes").len(), 1);
    }

    #[test]
    fn versions_and_lints_stand_in_the_workspace() {
        assert!(found("llm-sre-domain", "").len() == 1, "no lints");
        let own = found(
            "llm-sre-domain",
            "[lints]\nworkspace = true\n[dependencies]\nserde = \"1\"\nuuid = { path = \"../uuid\" }\n",
        );
        assert_eq!(own.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 7]);
    }
}
