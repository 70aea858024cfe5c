//! International bank account numbers (ISO 13616).

use super::{Kind, Span, scan};

/// The shortest and the longest account number of any country, without blanks.
const LEN_MIN: usize = 15;
const LEN_MAX: usize = 34;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + LEN_MIN <= bytes.len() {
        at = match iban_end(text, at) {
            Some(end) => {
                spans.push(Span { range: at..end, kind: Kind::Iban });
                end
            }
            None => at + 1,
        };
    }
}

/// The end of the longest account number that begins at `at`.
fn iban_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let head = bytes.get(at..at + 4)?;
    let is_head = head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit);
    if !is_head || scan::before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut compact = Vec::with_capacity(LEN_MAX);
    let mut longest = None;
    let mut end = at;
    while compact.len() < LEN_MAX && end < bytes.len() {
        let byte = bytes[end];
        let is_blank =
            matches!(byte, b' ' | b'-') && compact.len().is_multiple_of(4) && bytes[end - 1].is_ascii_alphanumeric();
        if byte.is_ascii_uppercase() || byte.is_ascii_digit() {
            compact.push(byte);
        } else if !is_blank {
            break;
        }
        end += 1;
        let is_whole = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
        if is_whole && compact.len() >= LEN_MIN && byte.is_ascii_alphanumeric() && is_valid(&compact) {
            longest = Some(end);
        }
    }
    longest
}

/// Whether the number that letters and digits make, with the head at the end, leaves one when divided by 97.
fn is_valid(compact: &[u8]) -> bool {
    let rest = compact[4..].iter().chain(&compact[..4]).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}
