//! An HTTP server made of raw bytes, so that it can break off, stall and babble anywhere.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What follows a whole request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing more.
    Stalled(Vec<u8>),
    /// These bytes, one by one.
    Dripping(Vec<u8>, Duration),
    /// These bytes, and then the others again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, and a reset.
    Reset(Vec<u8>),
}

impl Reply {
    /// A whole answer.
    pub(crate) fn of(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::Bytes(answer(status, headers, body.as_ref()))
    }

    /// A good status with JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::of(200, &[("content-type", "application/json")], body.to_string())
    }
}

/// The bytes of a whole answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(status, headers, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// The bytes of an answer before its body.
pub(crate) fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    head.into_bytes()
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Replies alike to whoever comes, until it is dropped.
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counted, kept) = (connections.clone(), requests.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, reply.clone(), kept.clone()));
            }
        });
        Self { address, connections, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What cannot be written has nobody who reads it: the client has gone, as it may.
async fn serve(mut stream: TcpStream, reply: Reply, requests: Arc<Mutex<Vec<Request>>>) {
    let Some(request) = receive(&mut stream).await else { return };
    requests.lock().unwrap().push(request);
    match reply {
        Reply::Bytes(bytes) => {
            if stream.write_all(&bytes).await.is_ok() {
                // Until the client has read it all and goes.
                while stream.shutdown().await.is_ok() && stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
            }
        }
        Reply::Stalled(bytes) => {
            if stream.write_all(&bytes).await.is_ok() {
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
            }
        }
        Reply::Dripping(bytes, every) => {
            let mut drops = tokio::time::interval(every);
            for byte in bytes {
                drops.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
        Reply::Endless(first, again) => {
            let mut is_read = stream.write_all(&first).await.is_ok();
            while is_read {
                is_read = stream.write_all(&again).await.is_ok();
            }
        }
        Reply::Reset(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            stream.set_zero_linger().unwrap();
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut request = Request { line, headers, body: String::new() };
    let length: usize = request.header("content-length").expect("the request has a length").parse().unwrap();
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    Some(request)
}
