//! Takes secrets and personal data out of text before it leaves for an outside language model.
//!
//! Log lines come from many systems and partly from attackers, so nothing here trusts their syntax: fields are found by
//! their names in whatever notation they stand, and secrets that have a shape are found by it wherever they stand. What
//! explains an incident stays: addresses of machines (IP addresses too: operators need them), ids of traces, spans and
//! containers, UUIDs, digests and commits, paths, versions, times, and the wildcards `<*>` of templates.
//!
//! This lowers the risk, it does not end it. A secret without a telling name or shape passes: see the tests in
//! `mask/tests/leaks.rs`, which hold what is known to leak.

mod clean;
mod codes;
mod commands;
mod emails;
mod fields;
mod harmless;
mod names;
mod numbers;
mod opaque;
mod pem;
mod prose;
mod scan;
mod shapes;
#[cfg(test)]
mod tests;
mod urls;
mod values;

use std::borrow::Cow;
use std::ops::Range;

/// How often text is looked through before all of it is given up. Honest text is at rest after one or two rounds: only
/// text made to unfold, where each stand-in lays bare what looks like the next secret, needs more.
const ROUNDS_MAX: usize = 8;

/// How each stand-in begins.
const STAND_IN: &str = "<masked:";
/// The longest kind of a stand-in.
const KIND_LEN_MAX: usize = 16;

/// What a stand-in stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Card,
    Cookie,
    Credentials,
    Email,
    Iban,
    Key,
    Password,
    Phone,
    Secret,
    Session,
    Signature,
    Ssn,
    Text,
    Token,
}

impl Kind {
    const fn stand_in(self) -> &'static str {
        match self {
            Self::Card => "<masked:card>",
            Self::Cookie => "<masked:cookie>",
            Self::Credentials => "<masked:credentials>",
            Self::Email => "<masked:email>",
            Self::Iban => "<masked:iban>",
            Self::Key => "<masked:key>",
            Self::Password => "<masked:password>",
            Self::Phone => "<masked:phone>",
            Self::Secret => "<masked:secret>",
            Self::Session => "<masked:session>",
            Self::Signature => "<masked:signature>",
            Self::Ssn => "<masked:ssn>",
            Self::Text => "<masked:text>",
            Self::Token => "<masked:token>",
        }
    }
}

/// A part of the text, in bytes, that must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    range: Range<usize>,
    kind: Kind,
}

/// Replaces secrets and personal data by stand-ins such as `<masked:password>`; text without any is borrowed.
///
/// Invisible characters and terminal colours go too, since they hide names from every search. Masked text stays as it
/// is when it is masked again. The work grows with the length of the text and not faster, and the result is at most six
/// times as long, or one stand-in for all of it if the text was made to unfold without end.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = clean::clean(text);
    for _ in 0..ROUNDS_MAX {
        let spans = find(&masked);
        if spans.is_empty() {
            return masked;
        }
        // Taking a part out may leave a new terminal sequence where its two halves meet.
        masked = Cow::Owned(clean::clean(&replace(&masked, &spans)).into_owned());
    }
    Cow::Borrowed(Kind::Text.stand_in())
}

/// All that must go: in order, apart from each other, and without the stand-ins that are there already.
fn find(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    fields::find(text, &mut found);
    commands::find(text, &mut found);
    pem::find(text, &mut found);
    shapes::find(text, &mut found);
    urls::find(text, &mut found);
    emails::find(text, &mut found);
    numbers::find(text, &mut found);
    codes::find(text, &mut found);
    opaque::find(text, &mut found);
    // Of those that start together the longest names the stand-in.
    found.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut spans: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match spans.last_mut() {
            Some(last) if span.range.start < last.range.end => last.range.end = last.range.end.max(span.range.end),
            _ => spans.push(span),
        }
    }
    spans.retain(|span| !is_stand_in(&text[span.range.clone()]));
    spans
}

fn replace(text: &str, spans: &[Span]) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        replaced.push_str(&text[at..span.range.start]);
        replaced.push_str(span.kind.stand_in());
        at = span.range.end;
    }
    replaced.push_str(&text[at..]);
    replaced
}

/// The length of the stand-in at the start of `text`: one of ours, or of another kind that a caller knows.
fn stand_in_len(text: &str) -> Option<usize> {
    let kind = scan::run(text.strip_prefix(STAND_IN)?, 0, KIND_LEN_MAX, |byte| byte.is_ascii_lowercase());
    let end = STAND_IN.len() + kind;
    (kind > 0 && text[end..].starts_with('>')).then_some(end + 1)
}

fn is_stand_in(text: &str) -> bool {
    stand_in_len(text) == Some(text.len())
}
