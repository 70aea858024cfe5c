//! Where the value of a field begins and ends.

use std::ops::Range;

use super::names::Class;
use super::scan::{self, Quote};
use super::{Kind, harmless, stand_in_len};

/// The most calls around a value: `Some(Secret("…"))`.
const WRAPPERS_MAX: usize = 4;
/// The longest name of such a call.
const WRAPPER_LEN_MAX: usize = 48;
/// The longest name that marks the beginning of the next field.
const NEXT_NAME_MAX: usize = 64;

/// Schemes that are followed by one credential. They stay, since which one it was explains a refusal.
const SCHEMES: [&str; 14] = [
    "bearer",
    "basic",
    "negotiate",
    "ntlm",
    "token",
    "apikey",
    "api-key",
    "key",
    "jwt",
    "bot",
    "kerberos",
    "dpop",
    "sharedkey",
    "splunk",
];

/// Schemes that are followed by parameters: `Digest username="…", response="…"`.
const PARAMETER_SCHEMES: [&str; 9] =
    ["digest", "oauth", "hawk", "mac", "signature", "mutual", "scram-sha-256", "wsse", "privatetoken"];

/// A value that is to be masked.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

/// The values that begin at `at`: one, or those of a list.
pub(super) fn at(text: &str, at: usize, class: Class) -> Vec<Value> {
    if scan::reference_end(text, at).is_some_and(|end| bare_end(text, end) == end) {
        return Vec::new();
    }
    if text[at..].starts_with('{') {
        // What is said of a login or a session has names of its own.
        if matches!(class, Class::Auth | Class::Sid | Class::Tokens | Class::Code) {
            return Vec::new();
        }
        let range = at + 1..object_end(text, at + 1);
        return judged(text, range, class, Notation::Quoted).into_iter().collect();
    }
    let (mut at, is_list) = unwrap(text, at);
    let mut values = Vec::new();
    loop {
        let (range, notation, after) = one(text, at, class);
        values.extend(judged(text, range, class, notation));
        let next = scan::skip_blanks(text, after);
        if !is_list || after == at || !text[next..].starts_with(',') {
            return values;
        }
        at = scan::skip_blanks(text, next + 1);
    }
}

/// The value of an XML element: `<password>…</password>`. `Some(None)` if it is one without anything to hide.
pub(super) fn element(text: &str, name: &Range<usize>, class: Class) -> Option<Option<Value>> {
    if !matches!(scan::before(text, name.start), Some(b'<' | b':')) || !text[name.end..].starts_with('>') {
        return None;
    }
    let start = name.end + 1;
    let rest = text.as_bytes()[start..].iter().zip(text.as_bytes()[start..].iter().skip(1).chain([&b'\n']));
    let end = start + rest.take_while(|(byte, next)| **byte != b'\n' && (**byte, **next) != (b'<', b'/')).count();
    Some(judged(text, start..end, class, Notation::Quoted))
}

/// How the end of a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Quoted,
    Bare,
}

pub(super) fn judged(text: &str, range: Range<usize>, class: Class, notation: Notation) -> Option<Value> {
    let range = without_scheme(text, range, class);
    let is_kept = harmless::is_harmless(text, &range, class, notation);
    (!is_kept).then_some(Value { range, kind: class.kind() })
}

/// Leaves a known scheme of an authorization header out.
fn without_scheme(text: &str, range: Range<usize>, class: Class) -> Range<usize> {
    if matches!(class, Class::Authorization | Class::Auth)
        && let Some(credential) = after_scheme(text, range.start)
        && credential < range.end
    {
        return credential..range.end;
    }
    range
}

fn after_scheme(text: &str, at: usize) -> Option<usize> {
    let end = scan::run(text, at, 16, |byte| byte.is_ascii_alphabetic() || byte == b'-');
    let scheme = text[at..end].to_ascii_lowercase();
    let blanks = scan::run(text, end, 8, |byte| matches!(byte, b' ' | b'\t' | b'+'));
    (blanks > end && SCHEMES.contains(&scheme.as_str())).then_some(blanks)
}

/// Through brackets, calls and prefixes of string literals, and whether a list begins.
fn unwrap(text: &str, mut at: usize) -> (usize, bool) {
    let mut is_list = false;
    for _ in 0..WRAPPERS_MAX {
        let rest = &text[at..];
        let is_array = rest.starts_with('[');
        let name = scan::run(text, at, WRAPPER_LEN_MAX, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.')
        });
        if is_array || rest.starts_with('(') {
            is_list |= is_array;
            at = scan::skip_blanks(text, at + 1);
        } else if text[name..].starts_with('(') && scan::quote(text, scan::skip_blanks(text, name + 1)).is_some() {
            at = scan::skip_blanks(text, name + 1);
        } else if name > at && name - at <= 2 && scan::quote(text, name).is_some() {
            at = name;
        } else {
            break;
        }
    }
    (at, is_list)
}

/// One value at `at`, its notation, and where to go on.
fn one(text: &str, at: usize, class: Class) -> (Range<usize>, Notation, usize) {
    if let Some(open) = scan::opening(text, at) {
        let (end, after) = scan::quoted_end(text, open);
        // Shells join what stands together: "hun"ter2.
        if text[after..].starts_with(char::is_alphanumeric) && end > open.end {
            let end = bare_end(text, after);
            return (at..end, Notation::Bare, end);
        }
        return (open.end..end, Notation::Quoted, after);
    }
    let end = match class {
        Class::Authorization => authorization_end(text, at),
        Class::Auth => {
            after_scheme(text, at).map_or_else(|| bare_end(text, at), |credential| bare_end(text, credential))
        }
        Class::Cookie => header_end(text, at, false),
        _ => bare_end(text, at),
    };
    (at..end, Notation::Bare, end)
}

fn authorization_end(text: &str, at: usize) -> usize {
    match after_scheme(text, at) {
        Some(credential) => bare_end(text, credential),
        None => header_end(text, at, has_parameters(text, at)),
    }
}

/// Whether a scheme at `at` is followed by parameters and not by one credential.
fn has_parameters(text: &str, at: usize) -> bool {
    let end = scan::run(text, at, 32, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let scheme = text[at..end].to_ascii_lowercase();
    text[end..].starts_with(' ') && (scheme.contains("hmac") || PARAMETER_SCHEMES.contains(&scheme.as_str()))
}

/// The end of a value without quotes: at a blank or a quote that closes what is around the value, or where the next
/// field begins. Other punctuation may be part of a password.
pub(super) fn bare_end(text: &str, start: usize) -> usize {
    let mut at = start;
    while let Some(character) = text[at..].chars().next() {
        if character.is_whitespace() || text[at..].starts_with("</") {
            break;
        }
        if let Some(quote) = scan::quote(text, at) {
            let Some(after) = opened_within(text, at, start, quote) else { break };
            at = after;
        } else if let Some(len) = stand_in_len(&text[at..]) {
            at += len;
        } else if soft_delimiter(text, at).is_some_and(|after| ends_field(text, at, after)) {
            break;
        } else {
            at += character.len_utf8();
        }
    }
    at
}

/// After a quotation that opens within a value, as in `realm="…"`.
fn opened_within(text: &str, at: usize, start: usize, quote: Quote) -> Option<usize> {
    let opens = at > start && matches!(scan::before(text, at), Some(b'(' | b'[' | b'{' | b'=' | b':' | b','));
    opens.then(|| scan::quoted_end(text, quote).1)
}

/// After what may delimit fields, or be a part of a value.
fn soft_delimiter(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let spelled = ["&amp;", "\\u0026", "%26", "\\n", "\\r", "\\t", ",", ";", "&", "|", ")", "]", "}", ">"];
    spelled.iter().find(|delimiter| rest.starts_with(**delimiter)).map(|delimiter| at + delimiter.len())
}

/// Whether a delimiter before `after` ends the field: nothing comes behind it, or another field.
fn ends_field(text: &str, at: usize, after: usize) -> bool {
    let Some(next) = text[after..].chars().next() else { return true };
    if next.is_whitespace() || scan::quote(text, after).is_some() || soft_delimiter(text, after).is_some() {
        return true;
    }
    if matches!(text.as_bytes()[at], b')' | b']' | b'}' | b'>') && !next.is_alphanumeric() {
        return true;
    }
    let name = scan::run(text, after, NEXT_NAME_MAX, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']')
    });
    name > after && scan::separator(text, name).is_some()
}

/// The end of a header's value, which has blanks in it: at the end of the line, at the next header, or at a quote that
/// closes what is around it; at the next field too, unless the value itself is made of fields.
fn header_end(text: &str, start: usize, has_parameters: bool) -> usize {
    let mut at = start;
    let mut last = ' ';
    while let Some(character) = text[at..].chars().next() {
        let is_escaped_line = ["\\n", "\\r"].iter().any(|end| text[at..].starts_with(end));
        if matches!(character, '\n' | '\r' | ']' | '}') || is_escaped_line {
            break;
        }
        if let Some(quote) = scan::quote(text, at) {
            let Some(after) = opened_within(text, at, start, quote) else { break };
            at = after;
            last = '"';
            continue;
        }
        if matches!(character, ' ' | '\t') {
            let next = scan::skip_blanks(text, at);
            let name = scan::run(text, next, NEXT_NAME_MAX, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
            });
            if name > next && begins_header(text, name, last, has_parameters) {
                break;
            }
            at = next.max(at + 1);
            continue;
        }
        last = character;
        at += character.len_utf8();
    }
    start + text[start..at].trim_end().len()
}

/// Whether a name after a blank begins the next header or field, and not the next part of this value.
fn begins_header(text: &str, name: usize, last: char, has_parameters: bool) -> bool {
    let next = text.as_bytes().get(name);
    let is_header = next == Some(&b':') && matches!(text.as_bytes().get(name + 1), Some(b' '));
    is_header || (next == Some(&b'=') && !has_parameters && !matches!(last, ';' | ',' | ' '))
}

/// The end of an object whose `{` was before `start`, or of the line.
fn object_end(text: &str, start: usize) -> usize {
    let mut depth = 1_usize;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'\n' => return at,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}
