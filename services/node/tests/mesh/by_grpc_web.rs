//! What a browser can do: gRPC-Web over HTTP/1.1, made by hand, so that no client of ours is in between.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use llm_sre_proto::incident::v1::{ListIncidentsRequest, ListIncidentsResponse};
use prost::Message;

use crate::process::Process;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The flag of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// The whole answer of a POST over HTTP/1.1. The host is the address, where the headers name no other.
pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
    let host = headers.iter().find(|(name, _)| *name == "host").map_or(address, |(_, host)| *host);
    let headers: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "host")
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let (headers, length) = (headers.concat(), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// The body of an answer that comes in chunks.
fn dechunked(answer: &[u8]) -> Vec<u8> {
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut body) = (&answer[start..], Vec::new());
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

/// The frames of gRPC-Web: flag and content.
fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let (content, after) = rest.split_at(usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap());
        frames.push((*flag, content.to_vec()));
        body = after;
    }
    assert!(body.is_empty(), "half a frame: {body:?}");
    frames
}

fn call(address: &str, method: &str, request: &impl Message) -> Vec<u8> {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = [&[0], &length[..], &message].concat();
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    post(address, &format!("/llmsre.incident.v1.IncidentService/{method}"), &headers, &framed)
}

#[test]
fn a_browser_can_ask() {
    let mut node = Process::run("detector,diagnosis,remediation");
    let address = node.control();
    let answer = call(&address, "ListIncidents", &ListIncidentsRequest::default());
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    assert!(text.contains("content-type: application/grpc-web+proto"), "{text}");
    let frames = frames(&dechunked(&answer));
    let [(0, message), (TRAILERS, trailers)] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!(ListIncidentsResponse::decode(message.as_slice()).unwrap(), ListIncidentsResponse::default());
    assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0"), "{trailers:?}");

    let request = ListIncidentsRequest { page_size: -1, ..ListIncidentsRequest::default() };
    let refused = String::from_utf8_lossy(&call(&address, "ListIncidents", &request)).to_lowercase();
    assert!(refused.contains("grpc-status: 3") || refused.contains("grpc-status:3"), "{refused}");
    assert!(node.terminate().success(), "{}", node.err());
}
