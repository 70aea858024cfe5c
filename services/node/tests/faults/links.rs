//! Connections between processes that can be cut, slowed down and reset: a proxy of TCP for each.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

const CHUNK_BYTES: usize = 64 * 1024;

/// How a connection behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All passes at once.
    Open,
    /// Connections are accepted and stay, and nothing passes, as where packets are lost. It passes later.
    Cut,
    /// Each piece takes so much longer.
    Slow(Duration),
    /// Connections are reset, new ones too.
    Reset,
}

/// The way from one process to another. It ends with its runtime.
pub(crate) struct Link {
    /// Who calls whom.
    pub(crate) name: String,
    port: u16,
    state: watch::Sender<State>,
}

impl Link {
    /// A way to 127.0.0.1 and the first of some ports that listens.
    pub(crate) fn open(runtime: &Runtime, name: String, to_ports: &[u16]) -> Self {
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, seen) = watch::channel(State::Open);
        runtime.spawn(serve(listener, to_ports.to_vec(), seen));
        Self { name, port, state }
    }

    /// Where it is entered.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on it behaves so.
    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn serve(listener: TcpListener, to_ports: Vec<u16>, state: watch::Receiver<State>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, to_ports.clone(), state.clone()));
    }
}

/// Carries one connection to its end. A failure of either side is the other side's end.
async fn carry(near: TcpStream, to_ports: Vec<u16>, mut state: watch::Receiver<State>) {
    // What is dropped is reset: whoever is cut off by a failure gets no orderly end.
    let is_prepared = near.set_zero_linger().is_ok() && near.set_nodelay(true).is_ok();
    if !is_prepared || *state.borrow() == State::Reset {
        return;
    }
    let mut found = None;
    for port in to_ports {
        if found.is_none() {
            found = TcpStream::connect(("127.0.0.1", port)).await.ok();
        }
    }
    let Some(far) = found else { return };
    if far.set_nodelay(true).is_err() {
        return;
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = pass(near_in, far_out, state.clone());
    let back = pass(far_in, near_out, state.clone());
    tokio::select! {
        _ended = async { tokio::try_join!(there, back) } => {}
        _reset = state.wait_for(|state| *state == State::Reset) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        let seen = *state.borrow();
        match seen {
            State::Open | State::Reset => {}
            State::Cut => drop(state.wait_for(|state| *state != State::Cut).await.map_err(io::Error::other)?),
            State::Slow(by) => drop(timeout(by, pending::<()>()).await),
        }
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..count]).await?;
    }
}

#[test]
fn a_link_passes_cuts_slows_and_resets() {
    use std::io::{Read, Write};
    let runtime = Runtime::new().unwrap();
    let [nobody] = crate::parts::free_ports();
    let echo = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let link = Link::open(&runtime, "test".to_owned(), &[nobody, echo.local_addr().unwrap().port()]);
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = echo.accept().unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
    });
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", link.port())).unwrap();
    let limit = |stream: &std::net::TcpStream, ms| stream.set_read_timeout(Some(Duration::from_millis(ms))).unwrap();
    let mut byte = [0];
    limit(&stream, 10_000);
    stream.write_all(b"a").unwrap();
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"a");

    link.set(State::Cut);
    stream.write_all(b"b").unwrap();
    limit(&stream, 100);
    assert!(stream.read_exact(&mut byte).is_err(), "nothing passes");
    link.set(State::Open);
    limit(&stream, 10_000);
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"b", "it passes later");

    link.set(State::Slow(Duration::from_millis(50)));
    let sent = std::time::Instant::now();
    stream.write_all(b"c").unwrap();
    stream.read_exact(&mut byte).unwrap();
    assert!(sent.elapsed() >= Duration::from_millis(100), "there and back: {:?}", sent.elapsed());

    link.set(State::Reset);
    assert!(stream.read_exact(&mut byte).is_err());
    serving.join().unwrap();
    let mut refused = std::net::TcpStream::connect(("127.0.0.1", link.port())).unwrap();
    limit(&refused, 10_000);
    assert!(!matches!(refused.read(&mut byte), Ok(1..)));
}
