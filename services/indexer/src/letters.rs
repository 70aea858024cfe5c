//! Dead letters: what cannot be decoded or stored, with why and where it came from.

use bytes::Bytes;
use llm_sre_ports::bus::{Delivered, Position, RECORD_BYTES_MAX, Record};
use llm_sre_proto::topics::{self, Kept};

/// The longest reason, in bytes. A reason can quote what it is about.
const REASON_BYTES_MAX: usize = 1_024;

/// A record as it goes to the dead letters, with another value where only a part of it does.
pub(crate) fn dead_letter(delivered: &Delivered, part: Option<Bytes>, reason: &str) -> Record {
    let Delivered { topic, position: Position { partition, offset }, record } = delivered;
    let mut record = record.clone();
    let kept = if part.is_some() { Kept::Part } else { Kept::Whole };
    if let Some(part) = part {
        record.value = part;
    }
    // What a sender says in our name is not true. How often a letter was replayed, and where it came from first, stays.
    let stays = [topics::REPLAYS_HEADER, topics::ORIGIN_HEADER];
    record.headers.retain(|(name, _)| !is_own(name) || stays.contains(&name.as_str()));
    let headers = [
        (topics::REASON_HEADER, shortened(reason).to_owned()),
        (topics::REJECTED_BY_HEADER, crate::GROUP.to_owned()),
        (topics::SOURCE_TOPIC_HEADER, topic.clone()),
        (topics::SOURCE_PARTITION_HEADER, partition.to_string()),
        (topics::SOURCE_OFFSET_HEADER, offset.to_string()),
        (topics::KEPT_HEADER, kept.as_str().to_owned()),
    ];
    record.headers.extend(headers.map(|(name, value)| (name.to_owned(), Bytes::from(value))));
    record
}

/// Makes a letter fit its topic: the headers can make too large what just fitted. The source keeps what is left out
/// until its retention ends.
pub(crate) fn fit(letter: &mut Record) {
    if letter.bytes() > RECORD_BYTES_MAX {
        empty(letter);
    }
    if letter.bytes() > RECORD_BYTES_MAX {
        strip(letter);
    }
}

/// Leaves nothing but our own headers, which the bus takes whatever it refused before.
pub(crate) fn strip(letter: &mut Record) {
    empty(letter);
    letter.headers.retain(|(name, _)| is_own(name));
    letter.key = None;
}

fn empty(letter: &mut Record) {
    letter.value = Bytes::new();
    for (_, value) in letter.headers.iter_mut().filter(|(name, _)| name == topics::KEPT_HEADER) {
        let is_part = &value[..] == Kept::Part.as_str().as_bytes();
        let kept = if is_part { Kept::NothingOfPart } else { Kept::Nothing };
        *value = Bytes::from_static(kept.as_str().as_bytes());
    }
}

fn is_own(name: &str) -> bool {
    name.starts_with(topics::OWN_HEADERS_PREFIX)
}

fn shortened(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(record: Record) -> Delivered {
        Delivered { topic: topics::LOGS.to_owned(), position: Position { partition: 0, offset: 9 }, record }
    }

    #[test]
    fn a_letter_always_fits() {
        let huge = || Bytes::from(vec![b'x'; RECORD_BYTES_MAX]);
        let value = Record { value: huge(), ..Record::default() };
        let header = Record { headers: vec![("theirs".to_owned(), huge())], ..Record::default() };
        let key = Record { key: Some(huge()), ..Record::default() };
        for record in [value, header, key] {
            let mut letter = dead_letter(&delivered(record), None, &"why ".repeat(10_000));
            fit(&mut letter);
            assert!(letter.bytes() <= RECORD_BYTES_MAX, "{} bytes", letter.bytes());
            assert_eq!(letter.header(topics::KEPT_HEADER), Some("nothing"));
            assert_eq!(letter.header(topics::SOURCE_OFFSET_HEADER), Some("9"));
        }
    }

    #[test]
    fn what_a_sender_says_in_our_name_does_not_stay() {
        let headers = [("llmsre-reason", "none"), ("theirs", "a"), ("llmsre-replays", "2")];
        let headers = headers.map(|(name, value)| (name.to_owned(), Bytes::from(value))).into();
        let letter = dead_letter(&delivered(Record { headers, ..Record::default() }), None, "it is bad");
        assert_eq!(letter.header(topics::REASON_HEADER), Some("it is bad"));
        assert_eq!(letter.header("theirs"), Some("a"));
        assert_eq!(letter.header(topics::REPLAYS_HEADER), Some("2"));
    }
}
