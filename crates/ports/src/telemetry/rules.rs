//! What every adapter of the telemetry store does alike.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use llm_sre_domain::Timestamp;
use llm_sre_domain::telemetry::{Attributes, Calls, Change, LogRecord, MetricPoint, PointValue};

use super::{BATCH_MAX, Batch, Error, LogQuery, Point, RANGE_MAX, Range, RecordId, WORDS_MAX};

impl Batch {
    /// Refuses a batch over [`BATCH_MAX`].
    pub fn check(&self) -> Result<(), Error> {
        if self.len() > BATCH_MAX {
            return Err(invalid("batch", format!("{} records are more than {BATCH_MAX}", self.len())));
        }
        Ok(())
    }
}

impl Range {
    /// Refuses a range that is empty or longer than [`RANGE_MAX`].
    pub fn check(self) -> Result<(), Error> {
        if self.end <= self.start || self.end.since(self.start) > RANGE_MAX {
            let days = RANGE_MAX.as_secs() / 86_400;
            return Err(invalid("range", format!("it is empty or longer than {days} days")));
        }
        Ok(())
    }

    /// Whether a time lies in it.
    pub fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }
}

impl LogQuery {
    /// The words and the place to go on from.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a range, a number of words or a cursor out of its bounds.
    pub fn parse(&self) -> Result<(BTreeSet<String>, Option<LogPlace>), Error> {
        self.range.check()?;
        let words = words(&self.text);
        if words.len() > WORDS_MAX {
            return Err(invalid("text", format!("{} words are more than {WORDS_MAX}", words.len())));
        }
        let place =
            |cursor: &String| cursor.parse().map_err(|()| invalid("cursor", "it is not this store's".to_owned()));
        Ok((words, self.cursor.as_ref().map(place).transpose()?))
    }
}

fn invalid(what: &'static str, reason: String) -> Error {
    Error::InvalidArgument { what, reason }
}

/// The words of a text: runs of alphanumeric characters, in lower case.
pub fn words(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

impl From<&MetricPoint> for Point {
    fn from(point: &MetricPoint) -> Self {
        let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
        let (value, count, quantiles) = match &point.value {
            PointValue::Gauge(value) | PointValue::Sum { value, .. } => (*value, 0, Vec::new()),
            PointValue::Histogram { count, sum, .. } => (mean(sum.unwrap_or(0.0), *count), *count, Vec::new()),
            PointValue::Summary { count, sum, quantiles } => (mean(*sum, *count), *count, quantiles.clone()),
        };
        Self { time: point.time, value, count, quantiles }
    }
}

impl RecordId {
    /// Topic, partition, offset and index, most significant byte first: bytes that are ordered as the ids are.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[0] = self.topic;
        bytes[1..5].copy_from_slice(&self.partition.to_be_bytes());
        bytes[5..13].copy_from_slice(&self.offset.to_be_bytes());
        bytes[13..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// The id of these bytes.
    pub fn from_bytes(bytes: &[u8; 17]) -> Self {
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        let small = |range| number(range) as u32;
        Self { topic: bytes[0], partition: small(1..5), offset: number(5..13), index: small(13..17) }
    }
}

/// The place of a log record in a search, newest first. Its text is the cursor of the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// When it happened.
    pub time: Timestamp,
    /// Which record.
    pub id: RecordId,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.time.as_nanos())?;
        self.id.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for LogPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, id) = text.split_once('.').ok_or(())?;
        if id.len() != 34 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(());
        }
        let mut bytes = [0; 17];
        for (byte, at) in bytes.iter_mut().zip((0..34).step_by(2)) {
            *byte = u8::from_str_radix(&id[at..at + 2], 16).map_err(|_| ())?;
        }
        let time = Timestamp::from_nanos(time.parse().map_err(|_| ())?);
        Ok(Self { time, id: RecordId::from_bytes(&bytes) })
    }
}

/// About how many bytes a record takes at rest, with what finds it: for keeping to a size.
pub trait RecordBytes {
    /// The bytes.
    fn kept_bytes(&self) -> u64;
}

impl RecordBytes for MetricPoint {
    /// What a point shares with its series is not counted.
    fn kept_bytes(&self) -> u64 {
        let quantiles = if let PointValue::Summary { quantiles, .. } = &self.value { quantiles.len() } else { 0 };
        80 + 16 * quantiles as u64
    }
}

impl RecordBytes for LogRecord {
    /// The words of the body count a second time, in the index.
    fn kept_bytes(&self) -> u64 {
        let texts = self.origin.instance.len() + self.origin.version.len() + self.event_name.len();
        (200 + texts + 2 * self.body.len() + attribute_bytes(&self.attributes)) as u64
    }
}

impl RecordBytes for Change {
    fn kept_bytes(&self) -> u64 {
        let texts = [&self.subject, &self.before, &self.after, &self.description];
        200 + texts.iter().map(|text| text.len() as u64).sum::<u64>()
    }
}

impl RecordBytes for Calls {
    fn kept_bytes(&self) -> u64 {
        80
    }
}

fn attribute_bytes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(key, value)| key.len() + value.len() + 8).sum()
}
