//! What the eye does not see and what only terminals read, taken out before anything is looked for.

use std::borrow::Cow;

/// Notations of the escape character: itself, and as JSON and shells write it.
const ESCAPES: [&str; 6] = ["\u{1b}", "\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033"];

/// The longest colour sequence that is taken for one.
const SEQUENCE_MAX: usize = 32;

/// The length of `\u0061`.
const ESCAPED_LEN: usize = 6;

/// How often the text is gone through before sequences within sequences lose their brackets and backslashes instead.
const ROUNDS_MAX: usize = 4;

/// The text without invisible characters, control characters and terminal sequences.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let mut cleaned = Cow::Borrowed(text);
    for _ in 0..ROUNDS_MAX {
        let Cow::Owned(again) = once(&cleaned) else { return cleaned };
        // What is taken out may bring two halves of a sequence together.
        cleaned = Cow::Owned(again);
    }
    Cow::Owned(once(&cleaned.replace(['[', '\\'], "")).into_owned())
}

fn once(text: &str) -> Cow<'_, str> {
    let Some(first) = text.char_indices().find_map(|(at, _)| unwanted(text, at).map(|_| at)) else {
        return Cow::Borrowed(text);
    };
    let mut cleaned = String::with_capacity(text.len());
    cleaned.push_str(&text[..first]);
    let mut at = first;
    while let Some(character) = text[at..].chars().next() {
        if let Some(len) = unwanted(text, at) {
            cleaned.extend(escaped(&text[at..]));
            at += len;
        } else {
            cleaned.push(character);
            at += character.len_utf8();
        }
    }
    Cow::Owned(cleaned)
}

/// The length of what should not be there, if it begins at `at`.
fn unwanted(text: &str, at: usize) -> Option<usize> {
    let character = text[at..].chars().next()?;
    if character == '\\' && (escaped(&text[at..]).is_some() || hidden(&text[at..])) {
        return Some(ESCAPED_LEN);
    }
    if matches!(character, '\u{1b}' | '\\')
        && let Some(len) = sequence(&text[at..])
    {
        return Some(len);
    }
    is_invisible(character).then_some(character.len_utf8())
}

/// A letter or digit as JSON escapes it. Nothing writes them so but who hides a name: `p\u0061ssword`.
fn escaped(text: &str) -> Option<char> {
    json_escape(text).filter(char::is_ascii_alphanumeric)
}

/// An invisible character as JSON escapes it.
fn hidden(text: &str) -> bool {
    json_escape(text).is_some_and(|character| !character.is_control() && is_invisible(character))
}

fn json_escape(text: &str) -> Option<char> {
    let digits =
        text.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
}

/// A sequence such as `ESC [ 31 m`.
fn sequence(text: &str) -> Option<usize> {
    let escape = ESCAPES.iter().find(|escape| text.starts_with(**escape))?.len();
    let rest = text[escape..].strip_prefix('[')?;
    let parameters = rest.bytes().take(SEQUENCE_MAX).take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    let last = rest.as_bytes().get(parameters)?;
    last.is_ascii_alphabetic().then_some(escape + 1 + parameters + 1)
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
        || (character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
}
