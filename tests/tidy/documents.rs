//! Documents that lead nowhere, and decisions that cannot be cited.

use std::path::Path;

use crate::{SourceFile, Violation};

/// Every relative link whose file or heading is not there. Other sites are not asked.
pub(crate) fn check_links(file: &SourceFile, root: &Path) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, target) in links(&file.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
        let linked = root.join(file.path.parent().unwrap_or(Path::new(""))).join(path);
        if !path.is_empty() && !linked.exists() {
            violations.push(Violation::new(&file.path, line, format!("links to {target}, which is not there")));
            continue;
        }
        let text = if path.is_empty() { Ok(file.text.clone()) } else { std::fs::read_to_string(&linked) };
        if !heading.is_empty() && !text.is_ok_and(|text| anchors(&text).any(|anchor| anchor == heading)) {
            violations.push(Violation::new(&file.path, line, format!("links to {target}, which has no such heading")));
        }
    }
    violations
}

/// The lines outside fenced blocks, numbered from 1.
fn prose_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        (!is_fenced && !is_fence).then_some((index + 1, line))
    })
}

fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose_lines(text) {
        for (at, opening) in line.match_indices("](") {
            if let Some((target, _)) = line[at + opening.len()..].split_once(')') {
                // A title may follow the target.
                found.push((number, target.split_whitespace().next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// The names under which a page's headings can be linked, by the rule that code hosts share.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = prose_lines(text).map(|(_, line)| line).filter(|line| line.starts_with('#'));
    headings.map(|heading| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Every test that a page names and that is not there: in code spans, what reads like a sentence in snake case.
pub(crate) fn check_tests(page: &SourceFile, files: &[SourceFile]) -> Vec<Violation> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let is_named = |span: &&str| span.matches('_').count() >= 4 && span.chars().all(is_letter);
    let is_there = |name: &str| {
        let head = format!("fn {name}(");
        files.iter().any(|file| file.is("rs") && file.text.contains(&head))
    };
    let mut violations = Vec::new();
    for (line, text) in prose_lines(&page.text) {
        for name in text.split('`').skip(1).step_by(2).filter(is_named).filter(|name| !is_there(name)) {
            violations.push(Violation::new(&page.path, line, format!("names the test {name}, which is not there")));
        }
    }
    violations
}

/// Decisions are cited by number, so the numbers are unique, without gaps, and open the title too.
pub(crate) fn check_decisions(files: &[&SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let expected = format!("{:04}", index + 1);
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !(name.starts_with(&format!("{expected}-")) && name.ends_with(".md")) {
            violations.push(Violation::new(&file.path, 1, format!("should be called {expected}-the-decision.md")));
        }
        let title = file.text.lines().next().unwrap_or_default();
        if !title.starts_with(&format!("# {}. ", index + 1)) {
            violations.push(Violation::new(
                &file.path,
                1,
                format!("should begin with `# {}. The decision`", index + 1),
            ));
        }
    }
    violations
}

#[cfg(test)]
mod checks {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn links_are_followed() {
        let text = "# A page, `with` one\n[a](Cargo.toml) [b](absent.md) [c](https://example.org/x)\n\
                    ```\n[d](absent.md)\n```\n[e](#a-page-with-one) [f](#another) ![g](absent.png \"title\")\n";
        let found = check_links(&file("PAGE.md", text), crate::root());
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2, 6, 6], "{found:?}");
    }

    #[test]
    fn tests_are_looked_up() {
        let code = file("a.rs", "fn what_is_there_is_found() {}\n");
        let text =
            "`what_is_there_is_found` and `a_key_of_four`\n`what_is_gone_is_not_found`, what_is_no_code_span_at_all\n";
        let found = check_tests(&file("PAGE.md", text), &[code]);
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2], "{found:?}");
    }

    #[test]
    fn decisions_are_counted() {
        let first = file("docs/decisions/0001-a.md", "# 1. A\n");
        let third = file("docs/decisions/0003-c.md", "# 3. C\n");
        assert_eq!(check_decisions(&[&first]), []);
        assert_eq!(check_decisions(&[&first, &third]).len(), 2);
    }
}
