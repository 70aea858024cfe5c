//! Records that no client library of ours would write, by the protocol itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use llm_sre_kafka::KafkaBus;
use llm_sre_ports::bus::{EventBus, Record, Start, TopicPartition, TopicSpec};

use super::options;
use super::parts::kafka::Kafka;

const TOPIC: &str = "foreign";
/// `Produce`, in the first version with record batches of today's form.
const PRODUCE: i16 = 0;
const PRODUCE_VERSION: i16 = 3;

/// CRC-32C, bit by bit, as record batches have it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// A number as records have it: zigzag, and then seven bits a byte.
fn varint(number: usize) -> Vec<u8> {
    let mut left = number << 1;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).unwrap());
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len()), bytes.to_vec()].concat()
}

/// A batch of one record without a key.
fn batch(value: &[u8], header: (&[u8], &[u8])) -> Vec<u8> {
    // Attributes, delta of the time, delta of the offset, no key.
    let mut record = vec![0, 0, 0, 1];
    record.extend([sized(value), varint(1), sized(header.0), sized(header.1)].concat());
    let mut rest = Vec::new();
    rest.extend(0_i16.to_be_bytes()); // attributes
    rest.extend(0_i32.to_be_bytes()); // delta of the last offset
    rest.extend(0_i64.to_be_bytes()); // first time
    rest.extend(0_i64.to_be_bytes()); // last time
    rest.extend((-1_i64).to_be_bytes()); // no producer,
    rest.extend((-1_i16).to_be_bytes()); // no epoch of it
    rest.extend((-1_i32).to_be_bytes()); // and no sequence
    rest.extend(1_i32.to_be_bytes()); // records
    rest.extend(sized(&record));
    let mut tail = Vec::new();
    tail.extend((-1_i32).to_be_bytes()); // no leader's epoch
    tail.push(2); // the form of the batch
    tail.extend(crc32c(&rest).to_be_bytes());
    tail.extend(rest);
    let mut batch = 0_i64.to_be_bytes().to_vec();
    batch.extend(i32::try_from(tail.len()).unwrap().to_be_bytes());
    batch.extend(tail);
    batch
}

fn text(text: &str) -> Vec<u8> {
    [&i16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// Appends to partition 0, and gives the broker's code: 0 where it took it.
fn produce(port: u16, topic: &str, batch: &[u8]) -> i16 {
    let mut request = Vec::new();
    request.extend([PRODUCE.to_be_bytes(), PRODUCE_VERSION.to_be_bytes()].concat());
    request.extend(1_i32.to_be_bytes()); // this request's number
    request.extend(text("foreign"));
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // all replicas
    request.extend(10_000_i32.to_be_bytes()); // within so many milliseconds
    request.extend(1_i32.to_be_bytes()); // topics
    request.extend(text(topic));
    request.extend(1_i32.to_be_bytes()); // partitions
    request.extend(0_i32.to_be_bytes());
    request.extend(i32::try_from(batch.len()).unwrap().to_be_bytes());
    request.extend(batch);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    // After the request's number, one topic with its name, and one partition with its number.
    let code = 4 + 4 + text(topic).len() + 4 + 4;
    i16::from_be_bytes([answer[code], answer[code + 1]])
}

/// The name of a header is bytes to Kafka. One that is no text is read, and so is what comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_stops_nobody() {
    let Some(kafka) = super::shared("a_header_whose_name_is_no_text_stops_nobody") else { return };
    let options = options(&kafka);
    let full = format!("{}{TOPIC}", options.prefix);
    let bus = KafkaBus::new(options).unwrap();
    bus.create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None }).await.unwrap();
    let (port, poison) = (kafka.port, batch(b"poison", (b"n\xff\xfe", b"theirs")));
    let code = tokio::task::spawn_blocking(move || produce(port, &full, &poison)).await.unwrap();
    assert_eq!(code, 0, "the broker takes it");
    let after = Record { value: "after it".into(), ..Record::default() };
    bus.publish(TOPIC, vec![after]).await.unwrap();

    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    let read = bus.read(&of, 0, 10).await.unwrap();
    let values: Vec<_> = read.iter().map(|delivered| &delivered.record.value[..]).collect();
    assert_eq!(values, [&b"poison"[..], b"after it"]);
    assert_eq!(read[0].record.headers, [("\u{fffd}".to_owned(), bytes::Bytes::new())]);

    let mut member = bus.subscribe("readers", &[TOPIC], Start::Earliest).await.unwrap();
    let mut polled = Vec::new();
    let polling = async {
        while polled.len() < 2 {
            polled.extend(member.poll(10, 1_000_000, Duration::from_millis(200)).await.unwrap().records);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polling).await.expect("a member reads on");
    assert_eq!(polled, read);
    member.close().await.unwrap();
    drop::<std::sync::Arc<Kafka>>(kafka);
}
