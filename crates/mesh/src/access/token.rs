//! Tokens: what is kept of them, and how one is found in a request.

use std::fmt;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use super::{Role, SESSION_COOKIE};
use crate::context::hex;
use crate::status;

/// What is known of a token. The token itself is with its holder alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is, as the record will say: 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub sha256: TokenHash,
}

/// SHA-256 of a token, as 64 lower-case hexadecimal digits. It is no secret: tokens have 256 bits of chance, so that
/// none is found from its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

/// A text that is no SHA-256.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a SHA-256 of 64 lower-case hexadecimal digits")]
pub struct NotSha256;

impl TokenHash {
    /// Of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether it is the other one. The time that this takes says nothing of how many bytes agree.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

impl TryFrom<String> for TokenHash {
    type Error = NotSha256;
    fn try_from(text: String) -> Result<Self, NotSha256> {
        crate::context::bytes_of_hex(&text).map(Self).ok_or(NotSha256)
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose a token is. All are looked at, so that the time says nothing of whose it nearly was.
pub(super) fn find<'a>(tokens: &'a [Token], presented: &str) -> Option<&'a Token> {
    let hash = TokenHash::of(presented);
    tokens.iter().fold(None, |found, token| if token.sha256.is(&hash) { Some(token) } else { found })
}

/// The token that a request presents: `authorization: Bearer …`, or else the cookie of a browser.
pub(super) fn presented(headers: &HeaderMap) -> Result<&str, Status> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let Some(authorization) = authorizations.next() else { return cookie(headers).ok_or_else(missing) };
    let parts = authorization.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && authorizations.next().is_none() => {
            Ok(token.trim_start())
        }
        _ => Err(unknown()),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == SESSION_COOKIE && !value.is_empty()).map(|(_, value)| value)
}

fn missing() -> Status {
    let message = "a token is needed: send it as 'authorization: Bearer TOKEN'";
    status::error(Code::Unauthenticated, "TOKEN_MISSING", message, &[])
}

pub(super) fn unknown() -> Status {
    let message = "the token is not one of those that are configured here";
    status::error(Code::Unauthenticated, "TOKEN_UNKNOWN", message, &[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_are_the_same_where_all_their_bytes_are(a: [u8; 32], at in 0_usize..32, by in 1_u8..) {
            let mut b = a;
            prop_assert!(TokenHash(a).is(&TokenHash(b)));
            b[at] ^= by;
            prop_assert!(!TokenHash(a).is(&TokenHash(b)));
        }
    }

    #[test]
    fn a_hash_is_what_sha256sum_prints() {
        let hash = TokenHash::of("abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(TokenHash::try_from(hash.to_string()), Ok(hash.clone()));
        for bad in [String::new(), hash.to_string().to_uppercase(), hash.to_string()[1..].to_owned(), "g".repeat(64)] {
            assert_eq!(TokenHash::try_from(bad), Err(NotSha256));
        }
    }
}
