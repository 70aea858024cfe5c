//! Secrets that are known by their shape: the prefixes of vendors, signed tokens, hashes of passwords.

use super::{Kind, Span, scan};

/// What follows a prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    /// Letters and digits.
    Plain,
    /// Those and `-`, `_`.
    Url,
    /// Those and `.`, `=`, `~`.
    Dotted,
    /// Those of base64 with `.`, `$`, `,` and `/`.
    Wide,
    Hex,
}

impl Alphabet {
    const fn has(self, byte: u8) -> bool {
        match self {
            Self::Plain => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'~'),
            Self::Wide => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'+' | b'/' | b'$' | b',' | b':')
            }
            Self::Hex => byte.is_ascii_hexdigit(),
        }
    }
}

/// A shape: its prefix, what follows and at least how much of it.
struct Shape {
    prefix: &'static str,
    alphabet: Alphabet,
    least: usize,
    kind: Kind,
    /// Whether a letter or digit before the prefix makes it another word.
    is_word: bool,
    /// Whether the prefix says only where the secret goes, and stays.
    stays: bool,
}

const fn key(prefix: &'static str, alphabet: Alphabet, least: usize) -> Shape {
    Shape { prefix, alphabet, least, kind: Kind::Key, is_word: false, stays: false }
}

const fn token(prefix: &'static str, alphabet: Alphabet, least: usize) -> Shape {
    Shape { prefix, alphabet, least, kind: Kind::Token, is_word: false, stays: false }
}

const fn word(shape: Shape) -> Shape {
    Shape { is_word: true, ..shape }
}

const fn address(prefix: &'static str) -> Shape {
    Shape { prefix, alphabet: Alphabet::Wide, least: 20, kind: Kind::Token, is_word: false, stays: true }
}

const fn hash(prefix: &'static str) -> Shape {
    Shape { prefix, alphabet: Alphabet::Wide, least: 16, kind: Kind::Password, is_word: false, stays: false }
}

/// The least lengths are below those that vendors give, for what logs cut off.
const SHAPES: &[Shape] = &[
    token("eyJ", Alphabet::Dotted, 16),
    key("AKIA", Alphabet::Plain, 12),
    key("ASIA", Alphabet::Plain, 12),
    word(key("ABIA", Alphabet::Plain, 12)),
    word(key("ACCA", Alphabet::Plain, 12)),
    token("ghp_", Alphabet::Plain, 16),
    token("gho_", Alphabet::Plain, 16),
    token("ghu_", Alphabet::Plain, 16),
    token("ghs_", Alphabet::Plain, 16),
    token("ghr_", Alphabet::Plain, 16),
    token("github_pat_", Alphabet::Url, 16),
    token("glpat-", Alphabet::Dotted, 12),
    token("gldt-", Alphabet::Dotted, 12),
    token("glrt-", Alphabet::Dotted, 12),
    token("glptt-", Alphabet::Dotted, 12),
    token("glcbt-", Alphabet::Dotted, 12),
    token("xoxa-", Alphabet::Url, 10),
    token("xoxb-", Alphabet::Url, 10),
    token("xoxc-", Alphabet::Url, 10),
    token("xoxd-", Alphabet::Wide, 10),
    token("xoxe-", Alphabet::Url, 10),
    token("xoxe.", Alphabet::Dotted, 10),
    token("xoxo-", Alphabet::Url, 10),
    token("xoxp-", Alphabet::Url, 10),
    token("xoxr-", Alphabet::Url, 10),
    token("xoxs-", Alphabet::Url, 10),
    token("xapp-", Alphabet::Url, 10),
    key("sk_live_", Alphabet::Plain, 10),
    key("sk_test_", Alphabet::Plain, 10),
    key("rk_live_", Alphabet::Plain, 10),
    key("rk_test_", Alphabet::Plain, 10),
    key("whsec_", Alphabet::Wide, 10),
    key("AIza", Alphabet::Url, 24),
    token("ya29.", Alphabet::Dotted, 16),
    key("GOCSPX-", Alphabet::Url, 12),
    key("sk-ant-", Alphabet::Url, 10),
    key("sk-proj-", Alphabet::Url, 10),
    key("sk-svcacct-", Alphabet::Url, 10),
    key("sk-or-", Alphabet::Url, 16),
    word(key("sk-", Alphabet::Plain, 20)),
    token("npm_", Alphabet::Plain, 24),
    token("pypi-", Alphabet::Url, 32),
    token("rubygems_", Alphabet::Hex, 24),
    token("dckr_pat_", Alphabet::Url, 12),
    key("SG.", Alphabet::Dotted, 32),
    word(key("SK", Alphabet::Hex, 32)),
    word(key("key-", Alphabet::Hex, 32)),
    token("hvs.", Alphabet::Url, 16),
    token("hvb.", Alphabet::Url, 16),
    token("hvr.", Alphabet::Url, 16),
    token("dop_v1_", Alphabet::Hex, 24),
    token("dapi", Alphabet::Hex, 32),
    token("shpat_", Alphabet::Hex, 24),
    token("shpss_", Alphabet::Hex, 24),
    token("hf_", Alphabet::Plain, 24),
    token("glc_", Alphabet::Wide, 24),
    token("glsa_", Alphabet::Url, 24),
    key("NRAK-", Alphabet::Plain, 16),
    key("xkeysib-", Alphabet::Url, 32),
    key("PMAK-", Alphabet::Url, 24),
    key("AGE-SECRET-KEY-1", Alphabet::Plain, 20),
    key("tskey-", Alphabet::Url, 16),
    token("lin_api_", Alphabet::Plain, 20),
    token("sl.", Alphabet::Url, 60),
    address("hooks.slack.com/services/"),
    address("discord.com/api/webhooks/"),
    address("discordapp.com/api/webhooks/"),
    address("api.telegram.org/bot"),
    hash("$2a$"),
    hash("$2b$"),
    hash("$2y$"),
    hash("$argon2"),
    hash("$scrypt$"),
    hash("$pbkdf2"),
    hash("$1$"),
    hash("$5$"),
    hash("$6$"),
    hash("$y$"),
    hash("$apr1$"),
];

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut firsts = [false; 256];
    for shape in SHAPES {
        firsts[usize::from(shape.prefix.as_bytes()[0])] = true;
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let shape = if firsts[usize::from(bytes[at])] { shape_at(text, at) } else { None };
        at = match shape {
            Some(span) => {
                let end = span.range.end;
                spans.push(span);
                end
            }
            None => at + 1,
        };
    }
}

fn shape_at(text: &str, at: usize) -> Option<Span> {
    let is_inner = scan::before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric());
    SHAPES.iter().find_map(|shape| {
        if !text.as_bytes()[at..].starts_with(shape.prefix.as_bytes()) || (shape.is_word && is_inner) {
            return None;
        }
        let start = at + shape.prefix.len();
        let has = |byte| shape.alphabet.has(byte);
        if scan::run(text, start, shape.least, has) - start < shape.least {
            return None;
        }
        let end = scan::run(text, start, usize::MAX, has);
        // Words may begin like a prefix; a secret has digits or capitals.
        let is_plain = !shape.is_word && shape.least >= 16 && matches!(shape.alphabet, Alphabet::Plain | Alphabet::Hex);
        let is_random = is_plain
            || text.as_bytes()[start..end].iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        let range = if shape.stays { start..end } else { at..end };
        is_random.then_some(Span { range, kind: shape.kind })
    })
}
