//! Series for charts.

use std::sync::Arc;

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::{MetricPoint, Origin, PointValue, Temporality};

use super::{Store, at, attributes, of_metric, point, points, range, values};
use crate::telemetry::{Point, SeriesQuery};

/// A gauge's or a sum's value, a distribution's mean, count and quantiles.
pub async fn values_are_charted_by_their_kind(kit: Store) {
    let kinds = [
        PointValue::Gauge(-1.5),
        PointValue::Sum { value: 7.0, monotonic: true, temporality: Temporality::Cumulative },
        PointValue::Histogram {
            count: 4,
            sum: Some(10.0),
            bounds: Arc::from([1.0]),
            buckets: vec![1, 3],
            temporality: Temporality::Delta,
        },
        PointValue::Histogram {
            count: 0,
            sum: None,
            bounds: Arc::from([]),
            buckets: Vec::new(),
            temporality: Temporality::Delta,
        },
        PointValue::Summary { count: 2, sum: 3.0, quantiles: vec![(0.5, 1.0), (0.99, 2.5)] },
        PointValue::Gauge(f64::INFINITY),
        PointValue::Gauge(f64::MIN_POSITIVE),
        PointValue::Gauge(f64::NAN),
    ];
    let sent = (0..).zip(kinds).map(|(secs, value)| MetricPoint { value, ..point("a", "m", secs, 0.0) });
    kit.port.append(points(sent)).await.unwrap();
    let found = kit.port.series(of_metric("a", "m")).await.unwrap().series.remove(0);
    assert_eq!(found.unit, "s");
    let shown = |secs, value, count, quantiles: &[(f64, f64)]| Point {
        time: at(secs),
        value,
        count,
        quantiles: quantiles.to_vec(),
    };
    let expected = [
        shown(0, -1.5, 0, &[]),
        shown(1, 7.0, 0, &[]),
        shown(2, 2.5, 4, &[]),
        shown(3, 0.0, 0, &[]),
        shown(4, 1.5, 2, &[(0.5, 1.0), (0.99, 2.5)]),
        shown(5, f64::INFINITY, 0, &[]),
        shown(6, f64::MIN_POSITIVE, 0, &[]),
    ];
    assert_eq!(found.points[..7], expected);
    assert!(found.points[7].value.is_nan());
}

fn from(point: MetricPoint, instance: &str, pairs: &[(&str, &str)]) -> MetricPoint {
    let origin = Origin { instance: instance.into(), version: "v1".into() };
    MetricPoint { origin, attributes: attributes(pairs), ..point }
}

/// By service, metric, instance, attributes and range.
pub async fn series_are_filtered(kit: Store) {
    let staging = ServiceId::new("", "a", "staging");
    kit.port
        .append(points([
            from(point("a", "m", 1, 1.0), "x", &[("route", "/a"), ("method", "GET")]),
            from(point("a", "m", 1, 2.0), "x", &[("route", "/b")]),
            from(point("a", "m", 1, 3.0), "y", &[("route", "/a")]),
            from(point("a", "n", 1, 4.0), "x", &[("route", "/a")]),
            from(point("b", "m", 1, 5.0), "x", &[("route", "/a")]),
            from(point("a", "m", 9, 6.0), "z", &[]),
            MetricPoint { service: staging, ..from(point("a", "m", 1, 7.0), "x", &[]) },
        ]))
        .await
        .unwrap();
    let store = &*kit.port;
    assert_eq!(values(store, of_metric("a", "m")).await, [[1.0], [2.0], [3.0], [6.0]]);
    let route = |route: &str| SeriesQuery {
        attributes: [("route".to_owned(), route.to_owned())].into(),
        ..of_metric("a", "m")
    };
    assert_eq!(values(store, route("/a")).await, [[1.0], [3.0]]);
    assert_eq!(values(store, route("/c")).await, [[0.0; 0]; 0]);
    assert_eq!(values(store, SeriesQuery { instance: "y".to_owned(), ..of_metric("a", "m") }).await, [[3.0]]);
    assert_eq!(values(store, SeriesQuery { range: range(5, 10), ..of_metric("a", "m") }).await, [[6.0]]);
    assert_eq!(values(store, of_metric("c", "m")).await, [[0.0; 0]; 0]);
}

/// In order of instance and attributes, points oldest first; what the limits leave out is said, and the newest stay.
pub async fn series_are_in_order_and_limited(kit: Store) {
    let sent = [("y", "2"), ("x", "2"), ("y", "1"), ("x", "1")].into_iter().flat_map(|(instance, attribute)| {
        [3, 1, 2].map(|secs| from(point("a", "m", secs, secs as f64), instance, &[("k", attribute)]))
    });
    kit.port.append(points(sent)).await.unwrap();
    let page = kit.port.series(of_metric("a", "m")).await.unwrap();
    let names: Vec<_> =
        page.series.iter().map(|series| (&*series.origin.instance, series.attributes["k"].as_str())).collect();
    assert_eq!(names, [("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")]);
    assert!(!page.truncated && &*page.series[0].origin.version == "v1");
    assert_eq!(values(&*kit.port, of_metric("a", "m")).await, [[1.0, 2.0, 3.0]; 4]);

    let few = SeriesQuery { series_max: 3, ..of_metric("a", "m") };
    let page = kit.port.series(few).await.unwrap();
    assert_eq!((page.series.len(), page.truncated), (3, true));
    let exact = SeriesQuery { series_max: 4, points_max: 3, ..of_metric("a", "m") };
    assert!(!kit.port.series(exact).await.unwrap().truncated);
    let short = SeriesQuery { points_max: 2, ..of_metric("a", "m") };
    assert!(kit.port.series(short.clone()).await.unwrap().truncated);
    assert_eq!(values(&*kit.port, short).await, [[2.0, 3.0]; 4]);
    // A series without a point in the range is none, and takes no place.
    let other = SeriesQuery { range: range(50, 60), series_max: 0, ..of_metric("a", "m") };
    assert!(!kit.port.series(other).await.unwrap().truncated);
}
