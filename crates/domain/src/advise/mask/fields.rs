//! Fields with a telling name, in whatever notation: `key=value`, JSON at any level of escaping, headers, addresses,
//! YAML, XML, command lines, debug output, and plain prose.

use std::ops::Range;

use super::names::{self, Class};
use super::values::{self, Value};
use super::{Span, prose, scan, stand_in_len};

/// How far after a sensitive name its `value` may stand in lists of names and values.
const PAIR_BLANKS_MAX: usize = 64;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut at = 0;
    let mut previous: Range<usize> = 0..0;
    while let Some(character) = text[at..].chars().next() {
        if !is_name(character) {
            at += skip(text, at, character);
            continue;
        }
        let name = at..name_end(text, at);
        at = name.end;
        let Some(class) = class(text, &previous, &name) else {
            previous = name;
            continue;
        };
        previous = name.clone();
        for value in find_values(text, &name, class) {
            at = at.max(value.range.end);
            spans.push(Span { range: value.range, kind: value.kind });
        }
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '－' | '＿')
}

fn name_end(text: &str, at: usize) -> usize {
    let end = text[at..].find(|character| !is_name(character)).map_or(text.len(), |len| at + len);
    // The dash of an arrow: `password->…`.
    if end - at > 1 && text[..end].ends_with('-') && text[end..].starts_with('>') { end - 1 } else { end }
}

/// How far to go from what is no name: escapes take their letters along, which are not part of the name after them.
fn skip(text: &str, at: usize, character: char) -> usize {
    let bytes = &text.as_bytes()[at..];
    match character {
        '<' => stand_in_len(&text[at..]).unwrap_or(1),
        '\\' if matches!(bytes.get(1), Some(b'n' | b'r' | b't')) => 2,
        '\\' if bytes.get(1) == Some(&b'u')
            && bytes.get(2..6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
        {
            6
        }
        '%' if bytes.get(1..3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => 3,
        _ => character.len_utf8(),
    }
}

/// What the name promises, alone or with the word before it: `API key`, `session id`.
fn class(text: &str, previous: &Range<usize>, name: &Range<usize>) -> Option<Class> {
    names::classify(&text[name.clone()]).or_else(|| {
        let is_second =
            ["key", "id", "string", "code"].iter().any(|word| text[name.clone()].eq_ignore_ascii_case(word));
        let is_next = text.get(previous.end..name.start) == Some(" ");
        // SQL.
        if is_next && text[previous.start..name.end].eq_ignore_ascii_case("identified by") {
            return Some(Class::Password);
        }
        (is_second && is_next).then(|| names::classify(&text[previous.start..name.end])).flatten()
    })
}

fn find_values(text: &str, name: &Range<usize>, class: Class) -> Vec<Value> {
    if let Some(value) = values::element(text, name, class) {
        return value.into_iter().collect();
    }
    let closed = close(text, name.end);
    if let Some(at) = scan::separator(text, closed) {
        // `/run/secrets/token: permission denied` names a file.
        let is_path = matches!(scan::before(text, name.start), Some(b'/' | b'\\')) && text[..at].ends_with(": ");
        // The shell's working directory.
        let is_directory = text[name.clone()].to_ascii_uppercase().ends_with("PWD") && text[at..].starts_with('/');
        return if is_path || is_directory { Vec::new() } else { values::at(text, at, class) };
    }
    if let Some(at) = pair(text, closed).or_else(|| call(text, name.end)) {
        return values::at(text, at, class);
    }
    if (text[name.clone()].starts_with('-') || is_header(text, name, class))
        && let Some(at) = argument(text, closed)
    {
        return values::at(text, at, class);
    }
    prose::value(text, name, class).into_iter().collect()
}

/// After what closes a quoted or bracketed name.
fn close(text: &str, at: usize) -> usize {
    let mut at = at;
    for _ in 0..3 {
        at = scan::quote(text, at).map_or(at, |quote| quote.end);
    }
    let after = |at: usize, wanted: &[&str]| {
        wanted.iter().find(|wanted| text[at..].starts_with(**wanted)).map(|found| at + found.len())
    };
    at = after(at, &["]", "%5D", "%5d"]).unwrap_or(at);
    // An element of a list: `password[]=…`, `api_key[0]=…`.
    after(at, &["[", "%5B", "%5b"])
        .map(|open| scan::run(text, open, 4, |byte| byte.is_ascii_digit()))
        .and_then(|index| after(index, &["]", "%5D", "%5d"]))
        .unwrap_or(at)
}

/// Whether it is the quoted name of a header in a list of pairs: `("authorization", "Bearer …")`.
fn is_header(text: &str, name: &Range<usize>, class: Class) -> bool {
    let is_named = matches!(class, Class::Authorization | Class::Cookie)
        || (matches!(class, Class::Key | Class::Token) && text[name.clone()].contains('-'));
    is_named && scan::quote(text, name.end).is_some()
}

/// The argument of a call: `setPassword("hunter2")`.
fn call(text: &str, at: usize) -> Option<usize> {
    let at = scan::skip_blanks(text, text[at..].starts_with('(').then_some(at + 1)?);
    scan::quote(text, at).map(|_| at)
}

/// The value in `name: DB_PASSWORD, value: …`, as lists of environment variables have it, also over lines.
fn pair(text: &str, at: usize) -> Option<usize> {
    let mut at = scan::run(text, at, PAIR_BLANKS_MAX, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
    if let Some(quote) = scan::quote(text, at) {
        at = quote.end;
    }
    let word = text.get(at..at + "value".len()).filter(|word| word.eq_ignore_ascii_case("value"))?;
    scan::separator(text, close(text, at + word.len()))
}

/// The argument after an option: `--password hunter2`, or `"--password", "hunter2"`.
fn argument(text: &str, at: usize) -> Option<usize> {
    let after = scan::skip_blanks(text, at);
    let after = if text[after..].starts_with(',') { scan::skip_blanks(text, after + 1) } else { after };
    let first = text[after..].chars().next()?;
    (after > at && first != '-' && !first.is_whitespace()).then_some(after)
}
