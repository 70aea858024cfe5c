//! Small steps over text: quotes in their many notations, separators, ends of lines.

/// The most blanks that may stand between a name, its separator and its value. A bound keeps the search linear.
const BLANKS_MAX: usize = 64;
/// The most backslashes before a quote: five levels of JSON in JSON.
const BACKSLASHES_MAX: usize = 31;

/// Quotes as markup, addresses and typographers write them. Which mark an entry stands for is its second part.
const SPELLED_QUOTES: [(&str, char); 14] = [
    ("&quot;", 'q'),
    ("&#34;", 'q'),
    ("&#x22;", 'q'),
    ("&#39;", 'a'),
    ("&apos;", 'a'),
    ("%22", 'p'),
    ("%27", 's'),
    ("%5C%22", 'e'),
    ("%5c%22", 'e'),
    ("“", 'c'),
    ("”", 'c'),
    ("„", 'c'),
    ("‘", 'i'),
    ("’", 'i'),
];

const SEPARATORS: [&str; 26] = [
    "->", "+=", "?=", "\\=", "\\:", "\\x3d", "\\x3D", "\\x3a", "&#58;", "&colon;", "=>", ":=", "==", "=", "：", "＝",
    "%3D", "%3d", "%3A", "%3a", "\\u003d", "\\u003D", "\\u003a", "\\u003A", "&#61;", ":",
];

const REFERENCES: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("$(", ")"), ("#{", "}")];
/// The longest name of a variable.
const REFERENCE_MAX: usize = 64;

/// A quotation mark at some level of escaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    /// Where it ends.
    pub(super) end: usize,
    mark: char,
    backslashes: usize,
}

impl Quote {
    /// Whether `other` closes what this one opened. A mark at the same level has the same number of backslashes, plus
    /// those of escaped backslashes before it; a mark with fewer closes a level further out, and with it this one.
    fn is_closed_by(self, other: Self) -> bool {
        self.mark == other.mark
            && (other.backslashes < self.backslashes
                || other.backslashes % (2 * (self.backslashes + 1)) == self.backslashes)
    }
}

/// The quotation mark that begins at `at`.
pub(super) fn quote(text: &str, at: usize) -> Option<Quote> {
    let rest = text.get(at..)?;
    let backslashes = rest.bytes().take(BACKSLASHES_MAX + 1).take_while(|byte| *byte == b'\\').count();
    let mark = &rest[backslashes..];
    match mark.bytes().next()? {
        byte @ (b'"' | b'\'' | b'`') => Some(Quote { end: at + backslashes + 1, mark: char::from(byte), backslashes }),
        b'u' if backslashes > 0 && mark.starts_with("u0022") => {
            Some(Quote { end: at + backslashes + 5, mark: '"', backslashes })
        }
        b'u' if backslashes > 0 && mark.starts_with("u0027") => {
            Some(Quote { end: at + backslashes + 5, mark: '\'', backslashes })
        }
        b'&' | b'%' | 0xe2 if backslashes == 0 => {
            let (spelled, mark) = SPELLED_QUOTES.iter().find(|(spelled, _)| rest.starts_with(spelled))?;
            Some(Quote { end: at + spelled.len(), mark: *mark, backslashes: 0 })
        }
        _ => None,
    }
}

/// The mark that opens a value at `at`: the last of doubled marks, as CSV and SQL write them within text, and of
/// tripled ones. Two marks with nothing behind them are an empty value.
pub(super) fn opening(text: &str, at: usize) -> Option<Quote> {
    let mut open = quote(text, at)?;
    for _ in 0..2 {
        match quote(text, open.end) {
            Some(next) if open.is_closed_by(next) && !is_delimiter(text[next.end..].chars().next()) => open = next,
            _ => break,
        }
    }
    Some(open)
}

fn is_delimiter(next: Option<char>) -> bool {
    next.is_none_or(|next| {
        next.is_whitespace() || matches!(next, ',' | ';' | ':' | '&' | ')' | ']' | '}' | '>' | '/' | '.' | '\\')
    })
}

/// Where the text ends that `open` opened, and where to go on: at its closing mark, or else at the end of the line,
/// since logs cut long values.
pub(super) fn quoted_end(text: &str, open: Quote) -> (usize, usize) {
    let mut at = open.end;
    while let Some(character) = text[at..].chars().next() {
        if character == '\n' {
            break;
        }
        match quote(text, at) {
            // Escaped backslashes before the mark are the value's.
            Some(close) if open.is_closed_by(close) => {
                return (at + close.backslashes.saturating_sub(open.backslashes), close.end);
            }
            Some(other) => at = other.end,
            None => at += character.len_utf8(),
        }
    }
    (at, at)
}

/// After the blanks at `at`.
pub(super) fn skip_blanks(text: &str, at: usize) -> usize {
    let blanks = text[at..].bytes().take(BLANKS_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    at + blanks
}

/// After the separator of a name and its value, if one begins at `at` or after blanks there.
pub(super) fn separator(text: &str, at: usize) -> Option<usize> {
    let at = skip_blanks(text, at);
    let rest = &text[at..];
    // `::` stands in paths of code, `://` after schemes of addresses.
    if rest.starts_with("::") || rest.starts_with("://") || rest.starts_with(":\\/") {
        return None;
    }
    let found = SEPARATORS.iter().find(|separator| rest.starts_with(**separator))?;
    Some(skip_blanks(text, at + found.len()))
}

/// After what stands for a value that was never put in: `${DB_PASSWORD}`, `{{ token }}`.
pub(super) fn reference_end(text: &str, at: usize) -> Option<usize> {
    let (open, close) = REFERENCES.iter().find(|(open, _)| text[at..].starts_with(open))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b' ');
    let end = run(text, at + open.len(), REFERENCE_MAX, is_name);
    (end > at + open.len() && text[end..].starts_with(close)).then_some(end + close.len())
}

/// The byte before `at`.
pub(super) fn before(text: &str, at: usize) -> Option<u8> {
    at.checked_sub(1).map(|before| text.as_bytes()[before])
}

/// The character before `at`.
pub(super) fn char_before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// After the bytes from `at` on that satisfy `wanted`; at most `most` of them. They must be ASCII.
pub(super) fn run(text: &str, at: usize, most: usize, wanted: impl Fn(u8) -> bool) -> usize {
    at + text.as_bytes()[at..].iter().take(most).take_while(|byte| byte.is_ascii() && wanted(**byte)).count()
}
