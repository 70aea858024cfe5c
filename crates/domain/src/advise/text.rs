//! Text of others, made safe to hand on.

use std::borrow::Cow;
use std::fmt::Write;

use super::mask;

/// How much of a text is looked at, in bytes; what is shown of it is far less.
const READ_MAX: usize = 4_096;

/// The text without what is not to be seen: controls, and marks that reorder or hide what stands beside them.
pub fn clean(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_hidden(*c));
    visible.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// At most so many characters of a text, with `…` for the rest.
pub fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// A text of others as it may leave: visible, masked, and at most so many characters of it. It is masked before it is
/// cut, so that half a secret is not left over.
pub(super) fn shown(text: &str, chars_max: usize) -> String {
    shown_of(text, READ_MAX, chars_max)
}

/// The same of a text that was cut to so many bytes before. Half a secret has no shape that is known: where the text is
/// as long as it can be, its last word goes.
pub(super) fn shown_of(text: &str, bytes_max: usize, chars_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let read = &text[..end];
    // A character has four bytes at most, so a text that was cut in one lacks up to three.
    let is_cut = text.len() + 3 >= bytes_max;
    let whole = if is_cut { read.rsplit_once(char::is_whitespace).map_or("", |(whole, _)| whole) } else { read };
    cut(&clean(&mask(whole)), chars_max).into_owned()
}

/// The value of a setting as it may leave: by the setting's name one may know that it is a secret.
pub(super) fn shown_value(name: &str, value: &str, chars_max: usize) -> String {
    if value.is_empty() {
        return String::new();
    }
    let told = format!("{}={}", clean(name), clean(value));
    if mask(&told) == told { shown(value, chars_max) } else { "<masked:setting>".to_owned() }
}

/// One JSON object on one line. No text in it can end the line, the object or the section that it stands in.
#[derive(Debug)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        string(&mut self.0, key);
        self.0.push(':');
    }

    /// A text of our own, or one that was made safe; left out where it is empty.
    #[must_use]
    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.key(key);
            string(&mut self.0, value);
        }
        self
    }

    /// A number with three digits that count.
    #[must_use]
    pub(super) fn number(mut self, key: &str, value: f64) -> Self {
        if value.is_finite() {
            self.key(key);
            let digits = if value == 0.0 { 0.0 } else { (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) };
            let scale = 10f64.powf(digits);
            // Writing to a string does not fail.
            let _ignored = write!(self.0, "{}", (value * scale).round() / scale);
        }
        self
    }

    #[must_use]
    pub(super) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// A list of texts, as [`Line::text`]; left out where it is empty.
    #[must_use]
    pub(super) fn list(mut self, key: &str, values: &[String]) -> Self {
        if values.is_empty() {
            return self;
        }
        self.key(key);
        for (place, value) in values.iter().enumerate() {
            self.0.push(if place == 0 { '[' } else { ',' });
            string(&mut self.0, value);
        }
        self.0.push(']');
        self
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON string, in which `<`, `>` and `&` are escaped as well: nothing in it looks like the end of a section.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                let _ignored = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
