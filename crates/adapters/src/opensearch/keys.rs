//! Texts that stand for several, and names of indices and documents.

use llm_sre_domain::{ServiceId, Timestamp};
use sha2::{Digest, Sha256};

const DAY_NANOS: i64 = 24 * 3_600 * 1_000_000_000;

/// Several texts as one that is ordered as they are: by the first, then by the second, and so on. Each ends with two
/// NULs, and a NUL of its own is followed by a one.
pub(super) fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for part in parts {
        let mut pieces = part.split('\0');
        joined.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            joined.push_str("\0\u{1}");
            joined.push_str(piece);
        }
        joined.push_str("\0\0");
    }
    joined
}

/// The texts again.
pub(super) fn split(joined: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = joined.chars();
    while let Some(character) = characters.next() {
        match (character, if character == '\0' { characters.next()? } else { character }) {
            ('\0', '\0') => parts.push(std::mem::take(&mut part)),
            ('\0', '\u{1}') => part.push('\0'),
            ('\0', _) => return None,
            _ => part.push(character),
        }
    }
    part.is_empty().then_some(parts)
}

/// A service as one text, ordered as services are.
pub(super) fn of_service(service: &ServiceId) -> String {
    join([&*service.namespace, &*service.name, &*service.environment])
}

/// The service again.
pub(super) fn service(joined: &str) -> Option<ServiceId> {
    let [namespace, name, environment] = <[String; 3]>::try_from(split(joined)?).ok()?;
    Some(ServiceId::new(&namespace, &name, &environment))
}

/// A document's `_id`, which may have 512 bytes only and stands in addresses: the digest of what names it.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    Sha256::digest(join(parts)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes as URL-safe base64 without padding, of which OpenSearch keeps the bytes where it is an `_id`.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

/// The days since 1970 that a time lies in.
pub(super) fn day(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(DAY_NANOS)
}

/// The date of a day, as `2026.01.31`. Howard Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`.
pub(super) fn date(day: i64) -> String {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}.{month:02}.{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_texts_are_ordered_as_the_texts_are() {
        let lists: [&[&str]; 8] = [&[], &[""], &["", "b"], &["\0"], &["\0\u{1}"], &["a", "b"], &["a\0"], &["ab", "é"]];
        for first in lists {
            assert_eq!(split(&join(first.iter().copied())).unwrap(), first);
            for second in lists {
                let joined = join(first.iter().copied()).cmp(&join(second.iter().copied()));
                assert_eq!(joined, first.cmp(second), "{first:?} and {second:?}");
            }
        }
        for wrong in ["a", "a\0", "a\0\0b", "\0b\0\0"] {
            assert_eq!(split(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn dates_and_digits_are_right() {
        for (day, expected) in [(0, "1970.01.01"), (-1, "1969.12.31"), (11_016, "2000.02.29"), (19_675, "2023.11.14")] {
            assert_eq!(date(day), expected);
        }
        assert_eq!(day(Timestamp::from_nanos(-1)), -1);
        for (bytes, expected) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}
