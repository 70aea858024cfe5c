//! Points as a chart has them: what a counter grew by, and no more of them than there is room for.
//!
//! Pure functions of points in order of time. What a sender sent as increments is read as any counter: the store keeps
//! values as they came, and does not know which kind they are.

use std::cmp::Ordering;

use llm_sre_domain::Timestamp;
use llm_sre_ports::telemetry::{Point, Range};

/// Points of a part of the range that are kept at most: the first and the last, the least and the greatest.
const OF_A_PART: usize = 4;

/// One point of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dot {
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
}

/// How points are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// As their values.
    Value,
    /// By how much a counter, or a distribution's count, grew in a second.
    Rate,
    /// The mean of what came to a distribution.
    Mean,
}

impl View {
    /// Reads points, oldest first.
    pub(crate) fn read(self, points: &[Point]) -> Vec<Dot> {
        match self {
            Self::Value => points.iter().map(|point| Dot { time: point.time, value: point.value }).collect(),
            Self::Rate => rates(points),
            Self::Mean => means(points),
        }
    }
}

fn rates(points: &[Point]) -> Vec<Dot> {
    let is_distribution = points.iter().any(|point| point.count > 0);
    let counted = |point: &Point| if is_distribution { point.count as f64 } else { point.value };
    let rate = |before: &Point, point: &Point| {
        let seconds = point.time.since(before.time).as_secs_f64();
        let grown = grown(counted(before), counted(point));
        (seconds > 0.0).then(|| grown / seconds)
    };
    between(points, rate)
}

fn means(points: &[Point]) -> Vec<Dot> {
    let sum = |point: &Point| point.value * point.count as f64;
    let mean = |before: &Point, point: &Point| {
        let count = grown(before.count as f64, point.count as f64);
        let has_restarted = point.count < before.count;
        let sum = if has_restarted { sum(point) } else { sum(point) - sum(before) };
        (count > 0.0).then(|| sum / count)
    };
    between(points, mean)
}

/// What lies between each point and the one before it, at the time of the later.
fn between(points: &[Point], read: impl Fn(&Point, &Point) -> Option<f64>) -> Vec<Dot> {
    let pairs = points.iter().zip(points.iter().skip(1));
    let dots = pairs.filter_map(|(before, point)| Some(Dot { time: point.time, value: read(before, point)? }));
    dots.filter(|dot| dot.value.is_finite()).collect()
}

/// By how much a counter grew. One that fell was restarted, and counts from zero.
fn grown(before: f64, now: f64) -> f64 {
    if now >= before { now - before } else { now.max(0.0) }
}

/// No more than `most` of these, which are in order of time, and whether any were left out: of each of equally long parts
/// of the range, the first and the last, the least and the greatest. Of fewer than four, the newest.
pub(crate) fn reduce(dots: Vec<Dot>, range: Range, most: usize) -> (Vec<Dot>, bool) {
    if dots.len() <= most {
        return (dots, false);
    }
    let parts = most / OF_A_PART;
    if parts == 0 {
        return (dots[dots.len() - most..].to_vec(), true);
    }
    let part = |dot: &Dot| {
        let width = range.end.as_nanos().abs_diff(range.start.as_nanos()).max(1);
        let since = dot.time.as_nanos().saturating_sub(range.start.as_nanos()).max(0).unsigned_abs();
        let part = u128::from(since) * parts as u128 / u128::from(width);
        usize::try_from(part).map_or(parts - 1, |part| part.min(parts - 1))
    };
    let mut kept = Vec::with_capacity(most);
    for some in dots.chunk_by(|a, b| part(a) == part(b)) {
        kept.extend(outline(some).into_iter().map(|index| some[index]));
    }
    (kept, true)
}

/// The places of the first and the last, the least and the greatest, each once and in order.
fn outline(dots: &[Dot]) -> Vec<usize> {
    let order = |a: &usize, b: &usize| -> Ordering { dots[*a].value.total_cmp(&dots[*b].value) };
    let (least, greatest) = ((0..dots.len()).min_by(order), (0..dots.len()).max_by(order));
    let mut places: Vec<usize> = [Some(0), least, greatest, dots.len().checked_sub(1)].into_iter().flatten().collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE_S: i64 = 3_600;

    fn range() -> Range {
        Range { start: Timestamp::from_secs(1_000), end: Timestamp::from_secs(1_000 + RANGE_S) }
    }

    fn point(second: i64, value: f64, count: u64) -> Point {
        Point { time: Timestamp::from_secs(1_000 + second), value, count, quantiles: Vec::new() }
    }

    fn values(view: View, points: &[(i64, f64, u64)]) -> Vec<(i64, f64)> {
        let points: Vec<Point> = points.iter().map(|(second, value, count)| point(*second, *value, *count)).collect();
        let second = |dot: &Dot| dot.time.since(range().start).as_secs();
        view.read(&points).iter().map(|dot| (i64::try_from(second(dot)).unwrap(), dot.value)).collect()
    }

    #[test]
    fn a_restarted_counter_counts_from_zero() {
        let points = [(0, 100.0, 0), (10, 130.0, 0), (20, 5.0, 0), (20, 5.0, 0), (40, 5.0, 0)];
        assert_eq!(values(View::Rate, &points), [(10, 3.0), (20, 0.5), (40, 0.0)]);
    }

    #[test]
    fn a_distribution_is_counted_by_how_many_values_it_took() {
        let points = [(0, 0.5, 100), (10, 0.4, 150), (20, 9.0, 20)];
        assert_eq!(values(View::Rate, &points), [(10, 5.0), (20, 2.0)]);
    }

    #[test]
    fn the_mean_is_of_what_came_meanwhile() {
        let points = [(0, 1.0, 100), (10, 2.0, 200), (20, 2.0, 200), (30, 0.25, 8)];
        assert_eq!(values(View::Mean, &points), [(10, 3.0), (30, 0.25)], "when nothing came there is none");
    }

    #[test]
    fn nothing_is_made_of_one_point() {
        for view in [View::Rate, View::Mean] {
            assert!(values(view, &[(0, 1.0, 3)]).is_empty() && values(view, &[]).is_empty(), "{view:?}");
        }
    }

    fn dots() -> impl Strategy<Value = Vec<Dot>> {
        prop::collection::btree_map(0..RANGE_S, -1e3_f64..1e3, 0..600).prop_map(|values| {
            let dot = |(second, value)| Dot { time: Timestamp::from_secs(1_000 + second), value };
            values.into_iter().map(dot).collect()
        })
    }

    proptest! {
        #[test]
        fn never_more_are_kept_than_may_be_and_each_was_there(dots in dots(), most in 1_usize..700) {
            let (kept, is_reduced) = reduce(dots.clone(), range(), most);
            prop_assert!(kept.len() <= most);
            prop_assert_eq!(is_reduced, dots.len() > most);
            prop_assert!(kept.is_sorted_by(|a, b| a.time < b.time));
            prop_assert!(kept.iter().all(|dot| dots.contains(dot)));
        }

        /// Neither of the whole, nor of any part of it that a pixel may show.
        #[test]
        fn no_peak_is_lost(dots in dots(), most in 4_usize..700) {
            let (kept, _) = reduce(dots.clone(), range(), most);
            let parts = most / 4;
            let part = |dot: &Dot| dot.time.since(range().start).as_secs_f64() * parts as f64 / RANGE_S as f64;
            for number in 0..parts {
                let of = |dots: &[Dot]| -> Vec<f64> {
                    let inside = dots.iter().filter(|dot| part(dot) as usize == number);
                    let mut values: Vec<f64> = inside.map(|dot| dot.value).collect();
                    values.sort_by(f64::total_cmp);
                    values
                };
                let (all, kept) = (of(&dots), of(&kept));
                prop_assert_eq!((all.first(), all.last()), (kept.first(), kept.last()), "part {} of {}", number, parts);
            }
            prop_assert_eq!((dots.first(), dots.last()), (kept.first(), kept.last()));
        }

        /// Wherever it is restarted.
        #[test]
        fn a_steady_counter_has_a_steady_rate(
            per_s in 1_u32..1_000, gaps in prop::collection::vec((1_i64..60, any::<bool>()), 2..100),
        ) {
            let (mut second, mut count) = (0, 0.0);
            let mut points = vec![point(0, 0.0, 0)];
            for (gap, restarts) in gaps {
                second += gap;
                let grown = f64::from(per_s) * gap as f64;
                // A restart right after the point before. One after which more is counted than before cannot be told from none.
                count = if restarts && grown < count { grown } else { count + grown };
                points.push(point(second, count, 0));
            }
            for dot in View::Rate.read(&points) {
                prop_assert!((dot.value - f64::from(per_s)).abs() < 1e-6, "{dot:?}");
            }
        }
    }
}
