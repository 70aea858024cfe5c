//! Secrets told in sentences: `the password is hunter2`, `invalid token 7f3a…`, `IDENTIFIED BY '…'`.

use std::ops::Range;

use super::names::Class;
use super::values::{self, Notation, Value};
use super::{harmless, scan};

/// The shortest password that is recognised right after the word.
const PASSWORD_MIN: usize = 6;
/// The shortest password that is recognised some words after the word.
const TOLD_MIN: usize = 4;
/// How many words those may be.
const WORDS_MAX: usize = 5;
/// The shortest token that is recognised right after the word.
const TOKEN_MIN: usize = 16;
/// The shortest credential after a scheme without its header: `Bearer 7f3a…`.
const CREDENTIAL_MIN: usize = 8;
const SCHEMES: [&str; 4] = ["bearer", "basic", "negotiate", "ntlm"];
/// The most bytes of a word that are looked at.
const WORD_MAX: usize = 64;

const COPULAS: [&str; 9] = ["is", "was", "equals", "are", "to", "by", "reads", "became", "are:"];

/// The value that a sentence gives for the name at `name`.
pub(super) fn value(text: &str, name: &Range<usize>, class: Class) -> Option<Value> {
    let at = name.end;
    let start = scan::skip_blanks(text, at);
    if start == at {
        return None;
    }
    let word = scan::run(text, start, WORD_MAX, |byte| byte.is_ascii_alphabetic());
    let is_told = COPULAS.iter().any(|copula| text[start..word].eq_ignore_ascii_case(copula));
    let after = scan::separator(text, word).unwrap_or_else(|| scan::skip_blanks(text, word));
    if is_told && after > word {
        let least = if matches!(class, Class::Password | Class::Code) { 1 } else { PASSWORD_MIN };
        if let Some(value) = stated(text, after, class, least) {
            return Some(value);
        }
    }
    if class == Class::Code {
        return None;
    }
    if class == Class::Password
        && let Some(value) = told_later(text, start).and_then(|start| stated(text, start, class, TOLD_MIN))
    {
        return Some(value);
    }
    let is_scheme = SCHEMES.iter().any(|scheme| text[name.clone()].eq_ignore_ascii_case(scheme));
    let least = match class {
        Class::Password => PASSWORD_MIN,
        _ if is_scheme => CREDENTIAL_MIN,
        _ => TOKEN_MIN,
    };
    stated(text, start, class, least).filter(|_| class == Class::Password || scan::quote(text, start).is_none())
}

/// Where a sentence gives the value after a few words: `password for bob is …`, `password was changed to …`.
fn told_later(text: &str, start: usize) -> Option<usize> {
    let mut at = start;
    for _ in 0..WORDS_MAX {
        let end = scan::run(text, at, WORD_MAX, |byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b',' | b'=')
        });
        let next = scan::skip_blanks(text, end);
        if end == at || next == end {
            return None;
        }
        let word = &text[at..end];
        if at > start && (["is", "was", "to"].contains(&word) || word.ends_with(':')) {
            return Some(next);
        }
        at = next;
    }
    None
}

/// The value at `start`, if it looks like one: quoted, or a word of at least `least` bytes that nobody would say.
fn stated(text: &str, start: usize, class: Class, least: usize) -> Option<Value> {
    if class == Class::Tokens {
        return None;
    }
    if let Some(open) = scan::quote(text, start) {
        let (end, _) = scan::quoted_end(text, open);
        return values::judged(text, open.end..end, class, Notation::Quoted);
    }
    let end = values::bare_end(text, start);
    let word = text[start..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    let looks =
        harmless::looks_secret(word, least) && word.bytes().any(|byte| byte.is_ascii_digit() || least < TOKEN_MIN);
    let is_stated = if least == 1 { !harmless::is_said(word) } else { looks };
    // After a blank alone, paths, addresses and calls are more likely than passwords.
    let is_plain = least == 1 || !word.contains(['/', '(', '=', '.', '<', ':']);
    let range = start..start + word.len();
    (is_stated && is_plain).then(|| values::judged(text, range, class, Notation::Quoted)).flatten()
}
