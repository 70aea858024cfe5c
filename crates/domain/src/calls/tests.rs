use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn point(time: i64, value: f64, temporality: Temporality, attributes: &[(&str, &str)]) -> MetricPoint {
    MetricPoint {
        service: ServiceId::named(""),
        origin: Origin::default(),
        metric: SERVICE_GRAPH_METRIC.into(),
        unit: "".into(),
        attributes: attributes.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect(),
        time: Timestamp::from_secs(time),
        start: None,
        value: PointValue::Sum { value, monotonic: true, temporality },
    }
}

fn span(service: &str, id: u8, parent: Option<u8>, kind: SpanKind, peer: Option<&str>) -> Span {
    Span {
        service: ServiceId::new("shop", service, "prod"),
        origin: Origin::default(),
        trace_id: [1; 16],
        span_id: [id; 8],
        parent_span_id: parent.map(|parent| [parent; 8]),
        name: "op".into(),
        kind,
        end: Timestamp::from_secs(i64::from(id)),
        duration: Duration::from_millis(1),
        is_error: false,
        peer: peer.map(Arc::from),
    }
}

const EDGE: [(&str, &str); 2] = [("client", "cart"), ("server", "redis")];

#[test]
fn cumulative_counts_become_differences() {
    let mut finder = CallFinder::new(10);
    let samples = [(10, 100.0), (20, 130.0), (15, 110.0), (30, 5.0), (40, 5.0)];
    let counts = samples.map(|(time, value)| {
        finder.point(&point(time, value, Temporality::Cumulative, &EDGE)).map(|calls| calls.count)
    });
    assert_eq!(counts, [Some(0.0), Some(30.0), Some(0.0), Some(5.0), Some(0.0)]);
    assert_eq!(finder.point(&point(1, 7.0, Temporality::Delta, &EDGE)).map(|calls| calls.count), Some(7.0));
}

#[test]
fn a_bare_name_means_the_service_that_it_can_only_mean() {
    let mut finder = CallFinder::new(10);
    let server = |finder: &mut CallFinder| finder.point(&point(1, 1.0, Temporality::Delta, &EDGE)).unwrap().server;
    assert_eq!(server(&mut finder).to_string(), "redis");
    finder.see(&ServiceId::new("shop", "redis", "prod"));
    assert_eq!(server(&mut finder).to_string(), "shop/redis@prod");
    finder.see(&ServiceId::new("shop", "redis", "staging"));
    assert_eq!(server(&mut finder).to_string(), "redis", "production and staging never join");
    let dimensions =
        [EDGE[0], EDGE[1], ("server_service.namespace", "shop"), ("server_deployment_environment_name", "prod")];
    let told = finder.point(&point(1, 1.0, Temporality::Delta, &dimensions)).unwrap();
    assert_eq!(told.server.to_string(), "shop/redis@prod");
}

#[test]
fn a_call_is_counted_once_whoever_tells_of_it() {
    let mut finder = CallFinder::new(100);
    let mut found = Vec::new();
    // The first call is named by its client and seen by its server, the second only joined, its server first.
    for span in [
        span("web", 1, None, SpanKind::Client, Some("cart")),
        span("cart", 2, Some(1), SpanKind::Server, None),
        span("redis", 4, Some(3), SpanKind::Server, None),
        span("cart", 3, Some(2), SpanKind::Client, None),
    ] {
        found.extend(finder.span(&span));
    }
    let edges: Vec<String> =
        add_up(found).iter().map(|call| format!("{}>{} {}", call.client.name, call.server.name, call.count)).collect();
    assert_eq!(edges, ["cart>redis 1", "web>cart 1"]);
}

proptest! {
    /// A chain of calls gives the same edges in whatever order its spans arrive, and memory stays bounded.
    #[test]
    fn order_of_arrival_does_not_matter(order in Just((0..8u8).collect::<Vec<_>>()).prop_shuffle(), peers in any::<u8>()) {
        let names = ["a", "b", "c", "d", "e"];
        // Span 2n is the client in service n, 2n+1 its server in service n+1, which is the parent of the next client.
        let spans: Vec<Span> = (0..8u8).map(|index| {
            let (hop, is_server) = (usize::from(index / 2), index % 2 == 1);
            let peer = (peers >> hop & 1 == 1).then_some(names[hop + 1]);
            let parent = index.checked_sub(1).map(|parent| parent + 1);
            if is_server {
                span(names[hop + 1], index + 1, parent, SpanKind::Server, None)
            } else {
                span(names[hop], index + 1, parent, SpanKind::Client, peer)
            }
        }).collect();
        let mut finder = CallFinder::new(16);
        let found: Vec<Calls> = order.iter().flat_map(|index| finder.span(&spans[usize::from(*index)])).collect();
        let edges: Vec<(String, f64)> =
            add_up(found).into_iter().map(|call| (format!("{}{}", call.client.name, call.server.name), call.count)).collect();
        let expected = ["ab", "bc", "cd", "de"].map(|edge| (edge.to_owned(), 1.0));
        prop_assert_eq!(edges, expected);
        for id in 0..100 {
            finder.span(&span("x", id, Some(id.wrapping_add(100)), SpanKind::Server, None));
        }
        prop_assert!(finder.callers.len() <= 16 && finder.orphans.len() <= 16);
    }
}
