use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{BufMut, BytesMut};
use http_body_util::BodyExt;
use llm_sre_mesh::Peer;
use llm_sre_proto::fleet::v1::Fleet;
use llm_sre_proto::incident::v1::ListMaintenanceWindowsResponse;
use llm_sre_proto::remediation::v1::{KillSwitch, ListFreezesResponse};
use llm_sre_proto::telemetry::v1::ListServiceCallsResponse;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use super::*;

/// Services that answer what the follower asks, count how often they were asked, and may be away.
#[derive(Default)]
struct Services {
    asked: AtomicUsize,
    is_away: AtomicBool,
    is_engaged: AtomicBool,
}

impl Services {
    fn peer(self: &Arc<Self>) -> Peer {
        let services = Arc::clone(self);
        BoxCloneSyncService::new(service_fn(move |request: http::Request<Body>| {
            std::future::ready(Ok(services.answer(request.uri().path())))
        }))
    }

    fn asked(self: &Arc<Self>) -> Asked {
        let peer = self.peer();
        Asked { detector: peer.clone(), diagnosis: peer.clone(), indexer: peer.clone(), remediation: Some(peer) }
    }

    fn answer(&self, path: &str) -> http::Response<Body> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Status::unavailable("away").into_http();
        }
        match path.rsplit('/').next().unwrap() {
            "GetFleet" => answered(&Fleet { current: true, ..Fleet::default() }),
            "ListServiceCalls" => answered(&ListServiceCallsResponse::default()),
            "GetKillSwitch" => {
                answered(&KillSwitch { engaged: self.is_engaged.load(Ordering::SeqCst), ..KillSwitch::default() })
            }
            "ListFreezes" => answered(&ListFreezesResponse::default()),
            "ListMaintenanceWindows" => answered(&ListMaintenanceWindowsResponse::default()),
            _ => panic!("nobody asks for {path}"),
        }
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A message as gRPC frames it: not compressed, its length, its bytes.
fn answered(message: &impl Message) -> http::Response<Body> {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut framed).unwrap();
    let ended = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = http_body_util::Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(ended))));
    http::Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
}

/// Lets the paused clock go on.
async fn pass(duration: Duration) {
    drop(tokio::time::timeout(duration, std::future::pending::<()>()).await);
}

/// All that a reader is told now of what is shared.
fn told(subscription: &mut Subscription, said: &mut Seen) -> Vec<News> {
    let latest = subscription.latest();
    std::iter::from_fn(|| latest.unsaid(said)).collect()
}

/// Waits until a reader has been told of every part, and gives what it was told.
async fn all(subscription: &mut Subscription) -> (Vec<News>, Seen) {
    let (mut news, mut said) = (Vec::new(), Seen::default());
    loop {
        news.extend(told(subscription, &mut said));
        if said.problems.contains_key(&Part::Fleet) && said.problems.contains_key(&Part::Holds) {
            return (news, said);
        }
        subscription.changed().await.unwrap();
    }
}

fn problems(news: &[News]) -> BTreeMap<Part, String> {
    let problem = |news: &News| match news {
        News::Problem(problem) => Some((problem.part(), problem.reason.clone())),
        _ => None,
    };
    news.iter().filter_map(problem).collect()
}

fn has_fleet(news: &[News]) -> bool {
    news.iter().any(|news| matches!(news, News::Fleet(_)))
}

#[tokio::test(start_paused = true)]
async fn many_readers_ask_no_more_than_one() {
    const FOR: Duration = Duration::from_secs(60);
    let mut counts = Vec::new();
    for readers in [1, 100] {
        let (services, shared) = (Arc::new(Services::default()), Shared::default());
        let subscriptions: Vec<_> = (0..readers).map(|_| shared.subscribe(&services.asked())).collect();
        pass(FOR).await;
        counts.push(services.count());
        drop(subscriptions);
    }
    assert!(counts[0] >= 240, "four questions a second: {counts:?}");
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_once_the_last_reader_left_and_the_next_one_begins_anew() {
    let (services, shared) = (Arc::new(Services::default()), Shared::default());
    assert_eq!(services.count(), 0, "nobody reads");
    let (mut first, second) = (shared.subscribe(&services.asked()), shared.subscribe(&services.asked()));
    all(&mut first).await;
    drop(first);
    let before = services.count();
    pass(Duration::from_secs(10)).await;
    assert!(services.count() > before, "the second reader reads on");
    drop(second);
    pass(Duration::from_secs(1)).await;
    let before = services.count();
    pass(Duration::from_secs(600)).await;
    assert_eq!(services.count(), before);
    services.is_engaged.store(true, Ordering::SeqCst);
    let mut next = shared.subscribe(&services.asked());
    assert!(told(&mut next, &mut Seen::default()).is_empty(), "what was known ten minutes ago is not news");
    let (news, _) = all(&mut next).await;
    assert!(news.iter().any(|news| matches!(news, News::Holds(holds) if holds.kill_switch.as_ref().unwrap().engaged)));
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_has_the_latest_at_once_and_each_is_told_once() {
    let (services, shared) = (Arc::new(Services::default()), Shared::default());
    let mut first = shared.subscribe(&services.asked());
    let (_, mut said) = all(&mut first).await;
    let mut late = shared.subscribe(&services.asked());
    let news = told(&mut late, &mut Seen::default());
    assert!(has_fleet(&news) && news.iter().any(|news| matches!(news, News::Holds(_))), "{news:?}");
    assert!(problems(&news).values().all(String::is_empty), "{news:?}");
    pass(Duration::from_secs(10)).await;
    assert!(told(&mut first, &mut said).is_empty(), "nothing changed");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_told_to_those_who_read_and_to_those_who_come() {
    let (services, shared) = (Arc::new(Services::default()), Shared::default());
    services.is_engaged.store(true, Ordering::SeqCst);
    let mut first = shared.subscribe(&services.asked());
    let (_, mut said) = all(&mut first).await;
    services.is_away.store(true, Ordering::SeqCst);
    pass(Duration::from_secs(10)).await;
    let news = told(&mut first, &mut said);
    let away = [Part::Fleet, Part::Holds, Part::Maintenance].map(|part| (part, "away".to_owned()));
    assert_eq!(problems(&news), BTreeMap::from(away.clone()), "who has read keeps what it was told");
    assert_eq!(news.len(), 3);

    let mut late = shared.subscribe(&services.asked());
    let mut said_late = Seen::default();
    let news = told(&mut late, &mut said_late);
    for (part, reason) in away {
        assert_eq!(problems(&news).get(&part), Some(&reason));
    }
    assert!(!has_fleet(&news), "how services were is not how they are");
    assert!(
        news.iter().any(|news| matches!(news, News::Holds(holds) if holds.kill_switch.as_ref().unwrap().engaged)),
        "what was engaged is not released: {news:?}"
    );

    services.is_away.store(false, Ordering::SeqCst);
    pass(Duration::from_secs(10)).await;
    let news = told(&mut late, &mut said_late);
    assert!(has_fleet(&news) && problems(&news).values().all(String::is_empty), "{news:?}");
    let news = told(&mut first, &mut said);
    assert!(!has_fleet(&news), "it is what it was");
    assert_eq!(problems(&news).len(), 3);
}
