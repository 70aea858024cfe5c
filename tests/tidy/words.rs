//! Words with which unfinished work is left behind.

use crate::source;
use crate::{SourceFile, Violation};

/// Whole words, in any case. They are put together here so that this file does not break its own rule.
const WORDS: [&str; 4] =
    [concat!("for", " now"), concat!("place", "holder"), concat!("to", "do"), concat!("fix", "me")];
/// Exact text in Rust code.
const CODE: [&str; 4] = [concat!("to", "do!"), concat!("un", "implemented!"), "#[ignore]", "#[ignore ="];

/// Every line of the file that leaves something for later.
pub(crate) fn check(file: &SourceFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    let split = file.is("rs").then(|| source::split(&file.text));
    // Words count where people read them: in code they are names, as in a loop over moments called now.
    let prose = match &split {
        Some(split) => split.prose.clone(),
        None if file.is("toml") => file.text.lines().map(comment).collect::<Vec<_>>().join("\n"),
        None => file.text.clone(),
    };
    for (index, line) in prose.lines().enumerate() {
        let line = if file.is("md") { without_code_spans(line) } else { line.to_owned() };
        for word in WORDS.iter().filter(|word| has_word(&line, word)) {
            violations.push(Violation::new(&file.path, index + 1, format!("leaves work behind: {word}")));
        }
    }
    let code = split.as_ref().map_or("", |split| &split.code);
    for (index, line) in code.lines().enumerate() {
        for text in CODE.iter().filter(|text| line.contains(**text)) {
            violations.push(Violation::new(&file.path, index + 1, format!("leaves work behind: {text}")));
        }
    }
    violations
}

fn has_word(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    let is_boundary = |next: Option<char>| !next.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        is_boundary(line[..at].chars().next_back()) && is_boundary(line[at + word.len()..].chars().next())
    })
}

fn comment(line: &str) -> &str {
    line.find('#').map_or("", |at| &line[at..])
}

/// A document may quote a word, between backticks, to speak about it.
fn without_code_spans(line: &str) -> String {
    line.split('`').enumerate().filter(|(index, _)| index % 2 == 0).map(|(_, part)| part).collect()
}

#[cfg(test)]
mod checks {
    use super::*;

    fn found(path: &str, text: String) -> Vec<usize> {
        let file = SourceFile { path: path.into(), text };
        check(&file).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn words_are_found_where_they_are_meant() {
        let ([later, stub, ..], now) = (WORDS, "now");
        assert_eq!(
            found("a.rs", format!("for {now} in times {{}}\n// Good enough {later}.\nlet a = \"{stub}\";\n")),
            [2, 3]
        );
        assert_eq!(found("a.rs", format!("// before nowhere, {stub}s\n{}()\n{}\n", CODE[0], CODE[2])), [2, 3]);
        assert_eq!(found("a.md", format!("never write `{later}`\n{}: later\n", WORDS[2].to_uppercase())), [2]);
        assert_eq!(found("a.toml", format!("{} = \"warn\"\n# {stub}\n", WORDS[2])), [2]);
        assert_eq!(found("a.proto", format!("// The {stub}.\nstring todos = 1;\n")), [1]);
    }
}
