//! Reads Rust as far as the rules need it: what is code and what is prose, where functions begin and end, what is a test.

use std::path::{Path, PathBuf};

use crate::SourceFile;

/// One text as two of the same shape: each has blanks where the other has characters, and the same line ends.
pub(crate) struct Split {
    /// Everything outside comments and literals.
    pub(crate) code: String,
    /// Comments and the insides of string literals.
    pub(crate) prose: String,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where `fn` stands, from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace, both included.
    pub(crate) lines: usize,
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Separates code from prose.
pub(crate) fn split(text: &str) -> Split {
    let characters: Vec<char> = text.chars().collect();
    let mut is_prose = vec![false; characters.len()];
    let mut at = 0;
    while at < characters.len() {
        let end = literal_end(&characters, at);
        is_prose[at..end].fill(true);
        at = end.max(at + 1);
    }
    let side = |wanted: bool| {
        let pairs = characters.iter().zip(&is_prose);
        pairs.map(|(&c, &prose)| if prose == wanted || c == '\n' { c } else { ' ' }).collect()
    };
    Split { code: side(false), prose: side(true) }
}

/// The end of the comment or literal that begins at `at`, or `at` itself where none does.
fn literal_end(characters: &[char], at: usize) -> usize {
    let next = characters.get(at + 1).copied();
    match characters[at] {
        '/' if next == Some('/') => find(characters, at, |rest| rest[0] == '\n'),
        '/' if next == Some('*') => block_comment_end(characters, at),
        '"' => string_end(characters, at),
        'r' if at == 0 || !is_word(characters[at - 1]) || ends_prefix(characters, at) => raw_string_end(characters, at),
        // Either a character or a lifetime; only the former is closed.
        '\'' if next == Some('\\') => find(characters, at + 3, |rest| rest[0] == '\'') + 1,
        '\'' if characters.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
    .min(characters.len())
}

/// True for the `r` of `br"…"` and `cr"…"`.
fn ends_prefix(characters: &[char], at: usize) -> bool {
    matches!(characters[at - 1], 'b' | 'c') && (at == 1 || !is_word(characters[at - 2]))
}

fn find(characters: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..characters.len()).find(|&at| found(&characters[at..])).unwrap_or(characters.len())
}

fn block_comment_end(characters: &[char], at: usize) -> usize {
    let (mut depth, mut here) = (0, at);
    while here < characters.len() {
        match (characters[here], characters.get(here + 1)) {
            ('/', Some('*')) => (depth, here) = (depth + 1, here + 2),
            ('*', Some('/')) => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    here
}

fn string_end(characters: &[char], at: usize) -> usize {
    let mut here = at + 1;
    while here < characters.len() && characters[here] != '"' {
        here += if characters[here] == '\\' { 2 } else { 1 };
    }
    here + 1
}

fn raw_string_end(characters: &[char], at: usize) -> usize {
    let hashes = characters[at + 1..].iter().take_while(|&&c| c == '#').count();
    let open = at + 1 + hashes;
    if characters.get(open) != Some(&'"') {
        return at;
    }
    let closes = |rest: &[char]| rest[0] == '"' && rest.iter().skip(1).take_while(|&&c| c == '#').count() >= hashes;
    find(characters, open + 1, closes) + 1 + hashes
}

/// The functions with a body in `code`, nested ones too.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && (is_word(bytes[at - 1] as char) || !bytes[at - 1].is_ascii()) {
            continue;
        }
        let name: String = code[at + 3..].trim_start().chars().take_while(|&c| is_word(c)).collect();
        if let Some(end) = body_end(bytes, at).filter(|_| !name.is_empty()) {
            found.push(Function { name, line: line_at(code, at), lines: code[at..end].lines().count() });
        }
    }
    found
}

/// The end of the first block after `from`, or nothing where a `;` comes first, as in a trait.
fn body_end(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut nested, mut braces) = (0_i32, 0_i32);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b'{' if nested == 0 || braces > 0 => braces += 1,
            b'}' if braces == 1 => return Some(at + 1),
            b'}' if braces > 1 => braces -= 1,
            b';' if nested == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

fn line_at(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// True for a file that holds tests and nothing else, by the names that the house gives them.
pub(crate) fn is_test_path(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    path.components().any(|part| part.as_os_str() == "tests") || stem == "tests" || stem.ends_with("_tests")
}

/// Where each `#[cfg(test)]` of `code` guards something: its offset behind the attribute.
fn test_attributes(code: &str) -> impl Iterator<Item = usize> {
    code.match_indices("#[cfg(test)]").map(|(at, attribute)| at + attribute.len())
}

/// The files that `#[cfg(test)] mod NAME;` in this one declares.
pub(crate) fn test_modules_in_other_files(file: &SourceFile) -> Vec<PathBuf> {
    let code = split(&file.text).code;
    let stem = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = file.path.parent().unwrap_or(Path::new(""));
    let is_root = ["lib", "main", "mod"].contains(&stem.as_str());
    let directory = if is_root { parent.to_path_buf() } else { parent.join(stem) };
    let declared = test_attributes(&code).filter_map(|at| {
        let item = code[at..].trim_start().strip_prefix("mod ")?;
        let name = &item[..item.find(|c| !is_word(c))?];
        item[name.len()..].starts_with(';').then(|| name.to_owned())
    });
    declared.flat_map(|name| [directory.join(format!("{name}.rs")), directory.join(name).join("mod.rs")]).collect()
}

/// The lines on which test code sleeps. `.sleep(` is a method, such as the Clock port's, and passes no real time there.
pub(crate) fn sleeps(code: &str, is_test_file: bool) -> Vec<usize> {
    let bodies: Vec<_> = test_attributes(code).filter_map(|at| Some(at..body_end(code.as_bytes(), at)?)).collect();
    let calls = ["sleep(", "sleep_until("].into_iter().flat_map(|call| code.match_indices(call));
    let mut lines: Vec<usize> = calls
        .map(|(at, _)| at)
        .filter(|&at| is_test_file || bodies.iter().any(|body| body.contains(&at)))
        .filter(|&at| !code[..at].ends_with(|c| is_word(c) || c == '.') && !code[..at].ends_with("fn "))
        .map(|at| line_at(code, at))
        .collect();
    lines.sort_unstable();
    lines
}

/// The lines on which a `select!` leaves to chance which of its branches is looked at first.
pub(crate) fn unordered_selects(code: &str) -> Vec<usize> {
    let bodies = code.match_indices("select! {").map(|(at, opening)| (at, &code[at + opening.len()..]));
    bodies.filter(|(_, body)| !body.trim_start().starts_with("biased;")).map(|(at, _)| line_at(code, at)).collect()
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn an_order_is_seen_behind_a_comment() {
        let code = split("select! {\n // why\n biased;\n a => {} }\nselect! {\n a => {} }\n").code;
        assert_eq!(unordered_selects(&code), [5]);
    }

    #[test]
    fn prose_is_told_from_code() {
        let text = "let a = \"x // y\"; // why\nlet b: &'a str = r#\"}\"{\"#; let c = '{'; let d = '\\''; /* { /* } */ */ f()\n";
        let Split { code, prose } = split(text);
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>().join(" "),
            "let a = ; let b: &'a str = ; let c = ; let d = ; f()"
        );
        assert!(prose.contains("x // y") && prose.contains("why") && prose.contains("}\"{"));
        assert_eq!((code.lines().count(), prose.lines().count()), (2, 2));
        assert_eq!(
            split("let r = for_r; br\"x\"").code.trim_end(),
            "let r = for_r; b",
            "an r inside a word opens nothing"
        );
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let code = "trait T {\n    fn a(&self);\n    fn b(x: [u8; 2])\n    where\n        u8: Copy,\n    {\n        if x {}\n    }\n}\n";
        assert_eq!(functions(code), [Function { name: "b".to_owned(), line: 3, lines: 6 }]);
        assert_eq!(functions("type F = fn (u8); const f: u8 = { 1 };"), []);
    }

    #[test]
    fn sleeps_count_in_tests_only() {
        let code = "fn run() { time::sleep(x) }\n#[cfg(test)]\nmod tests {\n    fn t() { thread::sleep(y) }\n clock.sleep(z) }\n";
        assert_eq!(sleeps(code, false), [4]);
        assert_eq!(sleeps(code, true), [1, 4]);
        assert!(is_test_path(Path::new("crates/a/tests/b.rs")) && is_test_path(Path::new("src/bus_tests.rs")));
        let text = "#[cfg(test)]\nmod cases;\n#[cfg(test)]\nmod more {}\n".to_owned();
        let file = SourceFile { path: PathBuf::from("src/store.rs"), text };
        assert_eq!(test_modules_in_other_files(&file)[0], Path::new("src/store/cases.rs"));
        assert_eq!(test_modules_in_other_files(&file).len(), 2);
    }
}
