use std::collections::BTreeSet;

use super::*;

const PAGE: &str = include_str!("../../../../docs/self-watch.md");

/// The rows of the page's table of instruments, without its head.
fn documented() -> Vec<String> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.filter(|row| row.matches(" | ").count() == 4).map(str::to_owned).collect()
}

fn row(declared: &Declared) -> String {
    let kind = format!("{:?}", declared.kind).to_lowercase();
    let attributes: Vec<String> = declared.attributes.iter().map(|name| format!("`{name}`")).collect();
    let attributes = if attributes.is_empty() { "none".to_owned() } else { attributes.join(", ") };
    let Declared { name, unit, description, .. } = declared;
    format!("| `{name}` | {kind} | `{unit}` | {attributes} | {description} |")
}

#[test]
fn the_page_lists_what_there_is() {
    let declared: Vec<String> = DECLARED.iter().map(row).collect();
    assert_eq!(documented(), declared, "the table should be\n{}", declared.join("\n"));
}

#[test]
fn names_are_unique_and_ours_or_of_the_conventions() {
    let names: BTreeSet<_> = DECLARED.iter().map(|declared| declared.name).collect();
    assert_eq!(names.len(), DECLARED.len());
    for Declared { name, attributes, .. } in DECLARED {
        for name in attributes.iter().chain([name]) {
            let known = ["llm_sre.", "messaging.", "gen_ai.", "error.", "service."];
            assert!(known.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        }
    }
}

#[test]
fn a_gauge_forgets_what_is_replaced_and_nothing_else() {
    let gauge = Gauge::new(None, DECLARED.first());
    let named = |name: &'static str, value: &'static str| -> Attribute { (name, value.into()) };
    gauge.set(&[named("group", "a"), named("topic", "x")], 1.0);
    gauge.set(&[named("group", "b"), named("topic", "x")], 2.0);
    gauge.replace(&[named("group", "a")], [(vec![named("topic", "y")], 3.0)]);
    let rows: Vec<_> = gauge.rows().into_iter().map(|(attributes, value)| (attributes[1].1.clone(), value)).collect();
    assert_eq!(rows, [("y".into(), 3.0), ("x".into(), 2.0)]);
}
