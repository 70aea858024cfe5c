//! Values that stay though their field has a sensitive name: states, small numbers, references, and what others masked.

use std::ops::Range;

use super::names::{Class, lists};
use super::values::Notation;
use super::{is_stand_in, opaque, scan};

/// What is longer is never harmless, whatever it looks like. The bound keeps the search linear.
const LEN_MAX: usize = 256;

/// What is said of secrets, rather than what they are.
const SAID: &str = "\
    a absent active actual age all already an and are as at auth authentication bad be been being but by cannot \
    correct could did does empty eof equal error fail failure false for from good had has hash have identical if \
    illegal in inactive incorrect into invalid is it its jwt ldap like long longer may mismatch missing must needs \
    never new nil no none not null oauth oauth2 of off oidc ok old on only optional or permission plain present \
    required saml same set short should stale still string successful that the this to too true undefined unset \
    unexpected unknown valid was weak were will with within without wrong yes your";

/// What is said of them where only a value is expected: `password=changed`. No sentence goes on here.
const STATES: &str = "\
    absent changed empty expired false incorrect invalid mismatch missing nil no none null off on present provided \
    rejected required revoked true undefined unknown unset wrong yes";

/// What others put in the place of a secret.
const MASKED: &[&str] = &["redacted", "filtered", "masked", "hidden", "removed", "sanitized", "scrubbed", "omitted"];

pub(super) fn is_harmless(text: &str, range: &Range<usize>, class: Class, notation: Notation) -> bool {
    let value = &text[range.clone()];
    if value.is_empty() || is_stand_in(value) {
        return true;
    }
    if value.len() > LEN_MAX {
        return false;
    }
    if is_blanked(value) || is_reference(value) {
        return true;
    }
    if class == Class::Code {
        return !(value.len() >= 3
            && value.len() <= 11
            && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    }
    let word =
        value.trim_matches(|c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | '(' | '[' | ']' | '}'));
    let is_sentence = text[..range.start].ends_with(' ') && (text[range.end..].starts_with(' ') || value.contains(' '));
    let is_state = lists(STATES, &word.to_ascii_lowercase()) || (is_sentence && is_said(word));
    if is_state || is_small_number(word) {
        return true;
    }
    match class {
        Class::Cookie | Class::Authorization => {
            notation == Notation::Bare && value.split(' ').next().is_some_and(is_said)
        }
        Class::Password | Class::Credentials => false,
        Class::Auth => is_said(word) || !looks_secret(word, 6),
        Class::Sid => !looks_secret(word, 8),
        Class::Tokens => !looks_secret(word, 8),
        _ => is_prose(text, range, notation) || is_path(value),
    }
}

/// Words that speak of a secret: `expired`, `required`, `missing`.
pub(super) fn is_said(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let is_plain = word.bytes().all(|byte| byte.is_ascii_lowercase());
    lists(SAID, &lower)
        || (is_plain && word.len() > 4 && ["ed", "ing", "able", "ible"].iter().any(|end| word.ends_with(end)))
        || ["Expired", "Invalid", "Missing", "Required", "Revoked", "Rejected"].contains(&word)
}

/// Letters with digits, signs or inner capitals: what nobody says.
pub(super) fn looks_secret(word: &str, least: usize) -> bool {
    let has = |wanted: fn(char) -> bool| word.chars().any(wanted);
    let is_mixed = has(char::is_alphabetic) && has(|c| c.is_ascii_digit());
    let has_sign = has(|c| matches!(c, '=' | '+' | '!' | '@' | '#' | '$' | '%' | '^' | '&' | '*' | ':'));
    let has_capital = word.chars().skip(1).any(char::is_uppercase) && has(char::is_lowercase);
    word.len() >= least && (is_mixed || has_sign || has_capital || word.len() > 32)
        || (word.len() >= least.max(8) && word.bytes().all(|byte| byte.is_ascii_digit()) && least != 8)
}

/// `***`, `[REDACTED]`, `<*>`.
fn is_blanked(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_stars = value.chars().all(|c| matches!(c, '*' | '•' | '.' | '-' | '<' | '>' | ' ' | ',' | ':' | '_' | '/'));
    is_stars || MASKED.contains(&bare) || lower.bytes().all(|byte| byte == b'x')
}

/// What will be replaced by a value, and was not: `${DB_PASSWORD}`, `{{ token }}`, `%s`, `$1`, `?`.
fn is_reference(value: &str) -> bool {
    scan::reference_end(value, 0) == Some(value.len())
        || matches!(value, "?" | "%s" | "%v" | "%q" | "%d" | "{}")
        || value
            .strip_prefix('$')
            .is_some_and(|rest| !rest.is_empty() && rest.len() <= 2 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Counts of up to three digits, and durations and sizes.
fn is_small_number(word: &str) -> bool {
    let digits = word.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = word.split_at(digits);
    let units = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "%", "B", "kB", "KB", "KiB", "MB", "MiB"];
    !number.is_empty() && number.len() <= 3 && unit.is_empty()
        || !number.is_empty() && number.len() <= 6 && units.contains(&unit)
}

/// A value that goes on as a sentence: `token: signature of the issuer differs`.
fn is_prose(text: &str, range: &Range<usize>, notation: Notation) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        let letters = word.strip_prefix('(').unwrap_or(word);
        !letters.is_empty()
            && letters.len() <= 20
            && letters.bytes().skip(1).all(|byte| byte.is_ascii_lowercase() || byte == b'\'')
            && letters.as_bytes()[0].is_ascii_alphabetic()
    };
    let value = &text[range.clone()];
    match notation {
        Notation::Quoted => value.contains(' ') && value.split(' ').all(is_word),
        Notation::Bare => {
            let rest = &text[range.end..];
            let next = rest.strip_prefix(' ').map_or("", |rest| {
                let end =
                    rest.bytes().take(32).position(|byte| byte.is_ascii_whitespace()).unwrap_or(rest.len().min(32));
                rest.get(..end).unwrap_or("")
            });
            let is_said_after = text[..range.start].ends_with(' ') && is_word(next) && is_word(value);
            is_said_after || value.split(' ').count() > 1 && value.split(' ').all(is_word)
        }
    }
}

/// Where a secret is, rather than what it is: `/etc/tls/tls.key`.
fn is_path(value: &str) -> bool {
    let path = value.strip_prefix("file://").unwrap_or(value);
    let is_rooted = ["/", "./", "../", "~/"].iter().any(|root| path.starts_with(root));
    let is_plain =
        path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~'));
    is_rooted && is_plain && path.matches('/').count() >= 2 && path.split('/').all(|part| !opaque::is_mixed(part))
}
