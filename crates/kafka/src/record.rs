//! A record of the port as a message of Kafka.
//!
//! Kafka keeps a time in milliseconds, and by that of the append it removes what is old. What a record's own time is
//! stands in a header, the last one; a message without it, such as a Collector's, has the time of its append.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::{Delivered, Error, Position, Record};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

/// The record's own time, in nanoseconds since the epoch, in decimal.
const TIME_HEADER: &str = "llmsre.time_unix_nano";
const NANOS_IN_MILLISECOND: i64 = 1_000_000;

/// The headers of a message.
pub(crate) fn headers(record: &Record) -> Result<OwnedHeaders, Error> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    for (name, value) in &record.headers {
        if name.contains('\0') {
            let reason = format!("{name:?} has a zero byte, which ends a name");
            return Err(Error::InvalidArgument { what: "header", reason });
        }
        headers = headers.insert(Header { key: name, value: Some(value.as_ref()) });
    }
    let time = record.timestamp.as_nanos().to_string();
    Ok(headers.insert(Header { key: TIME_HEADER, value: Some(&time) }))
}

/// The record that a message holds, of a topic by the name that it has for us.
pub(crate) fn delivered(topic: &str, message: &BorrowedMessage<'_>) -> Delivered {
    let position = Position {
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: u64::try_from(message.offset()).unwrap_or_default(),
    };
    let mut headers: Vec<(String, Bytes)> = message.headers().map(of_message).unwrap_or_default();
    let own_time = headers.last().filter(|(name, _)| name == TIME_HEADER).and_then(|(_, time)| nanos(time));
    if own_time.is_some() {
        headers.pop();
    }
    let appended_ms = message.timestamp().to_millis().unwrap_or_default();
    let timestamp = own_time.unwrap_or_else(|| appended_ms.saturating_mul(NANOS_IN_MILLISECOND));
    let record = Record {
        key: message.key().map(Bytes::copy_from_slice),
        headers,
        value: message.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
        timestamp: Timestamp::from_nanos(timestamp),
    };
    Delivered { topic: topic.to_owned(), position, record }
}

/// What stands for a header's name that is no text.
const UNREADABLE: &str = "\u{fffd}";

/// A header's name is bytes to Kafka and text to librdkafka's binding, which panics where it is none. Whoever may write
/// to the topic could so stop all who read it.
fn of_message<H: Headers>(headers: &H) -> Vec<(String, Bytes)> {
    let own = |header: Header<'_, &[u8]>| {
        (header.key.to_owned(), header.value.map(Bytes::copy_from_slice).unwrap_or_default())
    };
    let read = |index| catch_unwind(AssertUnwindSafe(|| headers.try_get(index).map(own)));
    (0..headers.count())
        .filter_map(|index| read(index).unwrap_or_else(|_| Some((UNREADABLE.to_owned(), Bytes::new()))))
        .collect()
}

fn nanos(text: &Bytes) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
