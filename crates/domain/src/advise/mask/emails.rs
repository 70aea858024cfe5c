//! E-mail addresses, also with the `@` escaped.

use std::collections::BTreeSet;

use super::{Kind, Span, scan};

const ATS: [&str; 5] = ["@", "%40", "\\u0040", "&#64;", "＠"];

/// Units of systemd have instances: `getty@tty1.service`.
const UNITS: [&str; 10] = ["service", "socket", "timer", "mount", "slice", "scope", "target", "device", "path", "swap"];

/// Who stands before an `@` without being a person: repositories, and nodes of Erlang.
const NOBODY: [&str; 3] = ["git", "rabbit", "ejabberd"];

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    // Each address is looked for between its neighbours only, so that no part is gone through twice.
    let mut floor = 0;
    // What stands before a host is masked already, and the host is to stay.
    let hosts: BTreeSet<usize> =
        spans.iter().filter(|span| span.kind == Kind::Credentials).map(|span| span.range.end).collect();
    for (at, byte) in text.bytes().enumerate() {
        if !matches!(byte, b'@' | b'%' | b'\\' | b'&' | 0xef) || at < floor {
            continue;
        }
        let Some(mark) = ATS.iter().find(|mark| text.as_bytes()[at..].starts_with(mark.as_bytes())) else { continue };
        let start = local_start(text, floor, at);
        floor = at + mark.len();
        let end = domain_end(text, floor);
        let is_address =
            start < at && is_domain(&text[floor..end]) && !is_nobody(text, start, at) && !hosts.contains(&at);
        if is_address {
            spans.push(Span { range: start..end, kind: Kind::Email });
        }
    }
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, '.' | '_' | '%' | '+' | '-' | '\'' | '!' | '#' | '$' | '*' | '~' | '^')
}

fn local_start(text: &str, floor: usize, at: usize) -> usize {
    let local = &text[floor..at];
    let start = local
        .rfind(|character| !is_local(character))
        .map_or(0, |last| last + local[last..].chars().next().map_or(1, char::len_utf8));
    let start = floor + start;
    // A quote before the address is not a part of it.
    at - text[start..at].trim_start_matches(['\'', '*', '.', '-', '#', '$', '!']).len()
}

fn domain_end(text: &str, at: usize) -> usize {
    let is_domain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-');
    let end = text[at..].find(|character| !is_domain(character)).map_or(text.len(), |len| at + len);
    at + text[at..end].trim_end_matches(['.', '-']).len()
}

/// Whether it ends in a name like `.com` or goes on after one; a version is none.
fn is_domain(domain: &str) -> bool {
    let first = domain.split('.').next().unwrap_or("");
    let version = first.strip_prefix('v').unwrap_or(first);
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let mut names = domain.split(['.', '-']).skip(1);
    let is_named = names.any(|name| name.chars().count() >= 2 && name.chars().all(char::is_alphabetic));
    let last = domain.rsplit('.').next().unwrap_or("");
    domain.contains('.') && is_named && (!is_version || is_letters(last)) && !UNITS.contains(&last)
}

fn is_letters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_nobody(text: &str, start: usize, at: usize) -> bool {
    // Before the host of an address it is the business of `urls`.
    NOBODY.contains(&&text[start..at]) || text[..start].ends_with("//") || scan::before(text, start) == Some(b'@')
}
