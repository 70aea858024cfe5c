//! Blocks of PEM: keys and certificates, over lines or with line ends written as `\n`, whole or cut.

use super::{Kind, Span, scan};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// A key of 16384 bits has about 13 kB. What is further away belongs to another block.
const BLOCK_MAX: usize = 32 * 1024;
/// The longest label and its dashes.
const LABEL_MAX: usize = 80;
/// After a blank, shorter words than this are prose and not a line of a block.
const LINE_MIN: usize = 16;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut next_end = None;
    let mut at = 0;
    while let Some(begin) = text[at..].find(BEGIN).map(|len| at + len) {
        // Looked for once, and not again for each beginning before it.
        let known = next_end.filter(|end| *end >= begin);
        let end = known.unwrap_or_else(|| text[begin..].find(END).map_or(text.len(), |len| begin + len));
        next_end = Some(end);
        let after = if end < text.len() && end - begin <= BLOCK_MAX {
            label_end(text, end + END.len())
        } else {
            cut_end(text, label_end(text, begin + BEGIN.len()))
        };
        spans.push(Span { range: begin..after, kind: Kind::Key });
        at = after;
    }
}

fn label_end(text: &str, at: usize) -> usize {
    let label =
        scan::run(text, at, LABEL_MAX, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'#'));
    scan::run(text, label, 5, |byte| byte == b'-')
}

/// The end of a block whose own end was cut off: as far as its lines go.
fn cut_end(text: &str, start: usize) -> usize {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut at = start;
    loop {
        let breaks = scan::run(text, at, 64, |byte| matches!(byte, b'\\' | b'\r' | b'\n' | b' ' | b'\t'));
        // The letters of `\n` and `\r\n` are taken along with the line after them.
        let line = scan::run(text, breaks, usize::MAX, is_base64);
        let is_escape = text[at..breaks].ends_with('\\') && matches!(&text[breaks..line], "r" | "n");
        if line - breaks < LINE_MIN && !text[breaks..line].ends_with('=') && !is_escape {
            return at;
        }
        at = line;
    }
}
