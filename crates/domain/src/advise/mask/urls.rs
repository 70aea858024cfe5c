//! User names and passwords in addresses: `scheme://user:password@host`, and the forms without a scheme.

use super::{Kind, Span, scan, stand_in_len};

/// `://` as addresses, JSON with escaped slashes, and addresses within addresses write it.
const MARKS: [&str; 4] = ["://", ":\\/\\/", "%3A%2F%2F", "%3a%2f%2f"];
const ATS: [&str; 2] = ["@", "%40"];

/// The most bytes of user names and passwords that are looked through.
const USERINFO_MAX: usize = 256;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    for (at, byte) in text.bytes().enumerate() {
        let found = match byte {
            b':' | b'%' => with_scheme(text, at),
            b'@' => without_scheme(text, at),
            _ => None,
        };
        spans.extend(found);
    }
}

/// The part before the host of an address whose mark is at `at`.
fn with_scheme(text: &str, at: usize) -> Option<Span> {
    let mark = MARKS.iter().find(|mark| text.as_bytes()[at..].starts_with(mark.as_bytes()))?;
    let start = at + mark.len();
    let end = outer_end(text, start);
    let authority = text[start..end].find(['/', '?', '#']).map_or(end, |len| start + len);
    // A password may have a slash in it though it should not; what is no port after a colon is one.
    let is_odd = text[start..authority]
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit()));
    let last_at = |end: usize| ATS.iter().filter_map(|mark| text[start..end].rfind(mark)).max();
    let len = last_at(authority).or_else(|| if is_odd { last_at(end) } else { None })?;
    let range = start..start + len;
    (len > 0 && &text[range.clone()] != "git").then_some(Span { range, kind: Kind::Credentials })
}

/// As far as an address may go.
fn outer_end(text: &str, start: usize) -> usize {
    let mut at = start;
    while let Some(character) = text[at..].chars().next() {
        let is_end = character.is_whitespace()
            || matches!(character, '"' | '\'' | '`' | '<' | '>' | '|')
            || scan::quote(text, at).is_some();
        if is_end || at - start > USERINFO_MAX {
            break;
        }
        at += character.len_utf8();
    }
    at
}

/// The part before an `@` at `at` as drivers write it: `root:secret@tcp(db:3306)/shop`, `scott:tiger@db:1521`.
fn without_scheme(text: &str, at: usize) -> Option<Span> {
    let after = &text[at + 1..];
    let is_network = ["tcp(", "tcp4(", "tcp6(", "unix("].iter().any(|network| after.starts_with(network));
    if !is_network && !has_port(text, at + 1) {
        return None;
    }
    let mut start = at;
    while let Some(character) = scan::char_before(text, start) {
        let is_end = character.is_whitespace()
            || matches!(
                character,
                '"' | '\'' | '`' | '=' | '<' | '>' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '@'
            );
        if is_end || at - start > USERINFO_MAX {
            break;
        }
        start -= character.len_utf8();
    }
    let userinfo = &text[start..at];
    let is_pair = userinfo.split_once(':').is_some_and(|(user, password)| !user.is_empty() && !password.is_empty());
    let is_pair = is_pair && !userinfo.contains("//") && stand_in_len(&text[start..]).is_none();
    is_pair.then_some(Span { range: start..at, kind: Kind::Credentials })
}

/// Whether a host with a port begins at `at`.
fn has_port(text: &str, at: usize) -> bool {
    let host =
        scan::run(text, at, 128, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/'));
    let port = &text[host..];
    host > at && port.starts_with(':') && port[1..].bytes().next().is_some_and(|byte| byte.is_ascii_digit())
}
