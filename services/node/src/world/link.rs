//! The way from one process to another, or from people to the processes: a transport like a connection, whose messages
//! are late, lost, overtaken or doubled.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use llm_sre_mesh::{Peer, peer};
use tokio::task::JoinError;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use super::draws::Draws;
use super::ground::Ground;
use super::life::Life;
use super::log::short_hash;
use super::processes::{Processes, SHOP};
use super::weather::DELAY_MAX;
use super::witness::Rule;

/// How often in a million a call goes wrong.
const SELDOM: u64 = 4_000;
/// The longest that a message is on its way after its sender gave up: less than what the product counts on.
const LATE_MAX: Duration = Duration::from_secs(20);

type Answer = Result<http::Response<Body>, Status>;

/// Who calls.
#[derive(Clone)]
pub(super) enum Caller {
    Process(Arc<Life>),
    People,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Link {
    ground: Arc<Ground>,
    from: Caller,
    to: Arc<str>,
    /// The processes know each other by their links, which must not keep them for ever.
    processes: Weak<Processes>,
    draws: Arc<Draws>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// Whether it never arrives, and whether its sender is told so.
    is_refused: bool,
    is_swallowed: bool,
    /// Whether it arrives twice, and whether its answer is lost.
    is_twice: bool,
    is_lost: bool,
    before: Duration,
    after: Duration,
}

impl Link {
    /// The peer behind a link.
    pub(super) fn peer(ground: &Arc<Ground>, processes: Weak<Processes>, from: Caller, to: &str, seed: u64) -> Peer {
        let draws = Arc::new(Draws::new(seed, to));
        peer::over(Self { ground: Arc::clone(ground), from, to: to.into(), processes, draws })
    }

    fn fate(&self) -> Fate {
        let (weather, draws, fine) = (&self.ground.weather, &self.draws, Fate::default());
        let Caller::Process(from) = &self.from else { return fine };
        if !weather.is_rough() {
            return fine;
        }
        if weather.is_cut(&from.process, &self.to) {
            return if draws.happens(500_000) {
                Fate { is_refused: true, ..fine }
            } else {
                Fate { is_swallowed: true, ..fine }
            };
        }
        if !draws.happens(6 * SELDOM) {
            return fine;
        }
        let delay = draws.between(Duration::ZERO, DELAY_MAX);
        match draws.below(6) {
            0 => Fate { is_refused: true, ..fine },
            1 => Fate { is_twice: true, before: delay, ..fine },
            2 => Fate { is_lost: true, ..fine },
            3 => Fate { before: delay, ..fine },
            4 => Fate { before: draws.between(DELAY_MAX, LATE_MAX), ..fine },
            _ => Fate { after: delay, ..fine },
        }
    }

    async fn carry(self, request: http::Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let path = head.uri.path().to_owned();
        let method = path.rsplit('/').next().unwrap_or_default();
        if let Caller::Process(from) = &self.from {
            // The dead send nothing; what they sent before is on its way.
            if from.is_dead() {
                std::future::pending::<()>().await;
            }
            let (now, hash) = (self.ground.now(), short_hash(&message));
            self.ground.log.say(from, &format!("calls {} {method} {} {hash}", self.to, message.len()));
            self.ground.witness.look(|seen| seen.departs(method, &message, now));
            from.met(method);
            from.step().await;
        }
        let fate = self.fate();
        if fate.is_refused {
            return Err(broken(&self.draws));
        }
        if fate.is_swallowed {
            // Until the caller's own time-out.
            std::future::pending::<()>().await;
        }
        let deliver = |after| {
            let request = http::Request::from_parts(head.clone(), Body::new(Full::new(message.clone())));
            self.clone().deliver(request, method.to_owned(), message.clone(), after)
        };
        if fate.is_twice {
            let again = self.draws.between(Duration::ZERO, LATE_MAX);
            tokio::spawn(deliver(again));
        }
        let answer = tokio::spawn(deliver(fate.before)).await;
        if !fate.after.is_zero() {
            sleep(fate.after).await;
        }
        if let Caller::Process(from) = &self.from {
            from.step().await;
        }
        if fate.is_lost {
            return Err(broken(&self.draws));
        }
        answer.unwrap_or_else(|error| Err(self.ended(&error)))
    }

    /// Brings a message to whoever runs under that name when it arrives. It does so whatever becomes of its sender.
    async fn deliver(self, request: http::Request<Body>, method: String, message: Bytes, delay: Duration) -> Answer {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let processes = self.processes.upgrade();
        let there = processes.as_ref().and_then(|processes| processes.reached(&self.to, request.uri().path()));
        let Some(callee) = there else { return Err(broken(&self.draws)) };
        drop(processes);
        let handling = tokio::spawn(callee.peer.oneshot(request));
        callee.handlers.add(handling.abort_handle());
        let answer = handling.await.unwrap_or_else(|error| Err(self.ended(&error)));
        let code = code(&answer);
        self.ground.log.say(&self.to, &format!("answers {method} {code:?}"));
        if code == Code::Ok && &*self.to == SHOP {
            self.ground.witness.look(|seen| seen.takes_effect(&method, &message));
        }
        answer
    }

    /// The work ended without an answer.
    fn ended(&self, error: &JoinError) -> Status {
        if error.is_panic() {
            self.ground.witness.accuse(Rule::Alive, format!("{} panicked in a call", self.to));
        }
        broken(&self.draws)
    }
}

/// What a caller sees of a connection that broke, one way or the other.
fn broken(draws: &Draws) -> Status {
    match draws.below(4) {
        0 => Status::unknown("transport error"),
        1 => Status::internal("h2 protocol error"),
        2 => Status::cancelled("the stream was reset"),
        _ => Status::unavailable("connection refused"),
    }
}

fn code(answer: &Answer) -> Code {
    match answer {
        Ok(response) => Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code()),
        Err(status) => status.code(),
    }
}

impl Service<http::Request<Body>> for Link {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}
