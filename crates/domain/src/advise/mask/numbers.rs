//! Numbers of people: payment cards, social security, telephones.

use std::ops::Range;

use super::{Kind, Span, scan};

/// How the digits of cards are grouped in print.
const CARD_GROUPS: [&[usize]; 8] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[4, 4, 4, 1],
    &[4, 6, 5],
    &[4, 6, 4],
    &[6, 13],
];

/// The most bytes of a telephone number in print.
const PHONE_MAX: usize = 32;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let groups = groups(text);
    for index in 0..groups.len() {
        spans.extend(card(text, &groups[index..], index.checked_sub(1).map(|before| &groups[before])));
        spans.extend(ssn(text, &groups[index..]));
    }
    for (at, _) in text.match_indices('+') {
        spans.extend(phone(text, at, at + 1));
    }
    for (at, mark) in text.match_indices("%2B").chain(text.match_indices("%2b")) {
        spans.extend(phone(text, at, at + mark.len()));
    }
}

/// Runs of digits.
fn groups(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut groups = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = scan::run(text, at, usize::MAX, |byte| byte.is_ascii_digit());
        if end > at {
            groups.push(at..end);
        }
        at = end.max(at + 1);
    }
    groups
}

/// Whether the text around is not a part of the same word or number.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let joins = |byte: Option<&u8>| matches!(byte, Some(b'-' | b'.' | b'_'));
    let two_before = range.start.checked_sub(2).and_then(|at| bytes.get(at));
    let before = range.start.checked_sub(1).and_then(|at| bytes.get(at));
    let is_joined_before =
        joins(before) && two_before.is_some_and(u8::is_ascii_hexdigit) && hex_before(text, range.start);
    let is_joined_after = joins(bytes.get(range.end)) && bytes.get(range.end + 1).is_some_and(u8::is_ascii_hexdigit);
    !is_part(before) && !is_part(bytes.get(range.end)) && !is_joined_before && !is_joined_after
}

/// Whether the word before a joining sign is hexadecimal, as in UUIDs; `card-4111…` is not.
fn hex_before(text: &str, at: usize) -> bool {
    let word = text.as_bytes()[..at - 1].iter().rev().take(12).take_while(|byte| byte.is_ascii_alphanumeric());
    word.clone().count() > 0 && word.clone().all(u8::is_ascii_hexdigit)
}

fn card(text: &str, groups: &[Range<usize>], before: Option<&Range<usize>>) -> Option<Span> {
    let first = groups.first()?;
    if (13..=19).contains(&first.len()) && stands_alone(text, first) && is_card(&text[first.clone()]) {
        return Some(Span { range: first.clone(), kind: Kind::Card });
    }
    CARD_GROUPS.iter().find_map(|sizes| {
        let groups = groups.get(..sizes.len())?;
        if !groups.iter().zip(*sizes).all(|(group, size)| group.len() == *size) {
            return None;
        }
        let range = first.start..groups.last()?.end;
        let joint = text.get(first.end..groups[1].start)?;
        let is_joined = matches!(joint, " " | "-" | "." | "\u{a0}")
            && groups.windows(2).all(|pair| text.get(pair[0].end..pair[1].start) == Some(joint));
        let is_continued =
            joint != " " && before.is_some_and(|before| text.get(before.end..first.start) == Some(joint));
        let digits: String = text[range.clone()].chars().filter(char::is_ascii_digit).collect();
        let is_found = is_joined && !is_continued && stands_alone(text, &range) && is_card(&digits);
        is_found.then_some(Span { range, kind: Kind::Card })
    })
}

/// Whether digits have a prefix of the card networks and the check digit of Luhn (ISO/IEC 7812-1).
fn is_card(digits: &str) -> bool {
    let is_known = matches!(digits.as_bytes()[0], b'2'..=b'6');
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, byte)| match (index % 2, u32::from(byte - b'0')) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    is_known && sum.is_multiple_of(10) && digits.bytes().any(|byte| byte != digits.as_bytes()[0])
}

fn ssn(text: &str, groups: &[Range<usize>]) -> Option<Span> {
    let [area, group, serial, ..] = groups else { return None };
    let is_sized = (area.len(), group.len(), serial.len()) == (3, 2, 4);
    let is_joined =
        [(area.end, group.start), (group.end, serial.start)].iter().all(|(end, start)| &text[*end..*start] == "-");
    let is_issued = !matches!(&text[area.clone()], "000" | "666") && !text[area.clone()].starts_with('9');
    let range = area.start..serial.end;
    (is_sized && is_joined && is_issued && stands_alone(text, &range)).then_some(Span { range, kind: Kind::Ssn })
}

/// A number in international form whose digits begin at `start`.
fn phone(text: &str, at: usize, start: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let is_part =
        scan::before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if is_part || !bytes.get(start).is_some_and(|byte| matches!(byte, b'1'..=b'9')) {
        return None;
    }
    let mut end = start;
    let mut digits = 0;
    let mut at = start;
    while at < bytes.len().min(start + PHONE_MAX) && digits < 16 {
        match bytes[at] {
            b'0'..=b'9' => {
                digits += 1;
                end = at + 1;
            }
            // One sign, or two around an area code, as in `+1 (555) 010-9999`.
            b' ' | b'-' | b'.' | b'(' | b')' if at - end < 2 => {}
            _ => break,
        }
        at += 1;
    }
    let is_date = text[start..end]
        .split(' ')
        .any(|word| word.len() == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-');
    let is_word = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    ((8..=15).contains(&digits) && !is_date && !is_word)
        .then_some(Span { range: at_start(text, start)..end, kind: Kind::Phone })
}

/// Where the plus sign before `start` begins.
fn at_start(text: &str, start: usize) -> usize {
    if text[..start].ends_with('+') { start - 1 } else { start - 3 }
}
