//! Long strings that look drawn at random, whatever they are called: keys and tokens of unknown makers.
//!
//! What operators search by looks alike and stays: hexadecimal ids of the usual lengths.

use super::{Kind, Span, scan};

/// The shortest string that is taken for a secret: 128 bits in hexadecimal.
const LEN_MIN: usize = 32;
/// Lengths in hexadecimal of traces, commits, containers and digests.
const HEX_LENS: [usize; 5] = [32, 40, 56, 64, 96];
/// The length of SHA-512 in hexadecimal.
const HEX_LEN_LONGEST: usize = 128;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = scan::run(text, at, usize::MAX, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
        });
        if end - at >= LEN_MIN {
            let padding = scan::run(text, end, 2, |byte| byte == b'=');
            judge(text, at, end, padding, spans);
        }
        at = end.max(at + 1);
    }
}

fn judge(text: &str, start: usize, end: usize, padding: usize, spans: &mut Vec<Span>) {
    let word = &text[start..end];
    let signs = word.bytes().filter(|byte| matches!(byte, b'/' | b'_' | b'-')).count();
    // One or two signs in sixty-four is what chance gives; more are the joints of a path or a name.
    if signs * 10 <= word.len() && !is_id(word) && is_mixed(word) {
        spans.push(Span { range: start..padding, kind: Kind::Token });
        return;
    }
    let mut at = start;
    for part in word.split(['/', '_', '-']) {
        if part.len() >= LEN_MIN && !is_id(part) && is_mixed(part) {
            spans.push(Span { range: at..at + part.len(), kind: Kind::Token });
        }
        at += part.len() + 1;
    }
}

/// A hexadecimal id, or several joined, as in the header of a trace.
fn is_id(word: &str) -> bool {
    word.split('-').all(|part| {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
            || part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F'));
        is_hex && (part.len() < LEN_MIN || HEX_LENS.contains(&part.len()) || part.len() == HEX_LEN_LONGEST)
    })
}

/// Whether letters and digits alternate as they do by chance. Names have digits too, but in runs: the change from one
/// class to another is counted, where a capital before small letters is none. Chance gives about one change in two
/// characters for base64 and one in three for base32, names less than one in five.
pub(super) fn is_mixed(word: &str) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let changes = word.as_bytes().windows(2).filter(|pair| {
        let (from, to) = (class(pair[0]), class(pair[1]));
        from != to && (from, to) != (1, 0)
    });
    let has = |wanted: fn(&u8) -> bool| word.as_bytes().iter().any(wanted);
    // Base32 has few digits, and hardly any name is this long in one case without a joint.
    let least = if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) { 4 } else { 6 };
    word.len() >= 12
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && changes.count() * least >= word.len().saturating_sub(2)
}
