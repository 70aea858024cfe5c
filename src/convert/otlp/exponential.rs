//! Exponential histograms on fixed bounds.
//!
//! A sender moves offset and scale as values come, so two points of one series rarely share their bounds. Here they
//! are counted into one grid of powers of two that depends on the scale only, so that consumers subtract and add
//! points bucket by bucket. Counting finer buckets into coarser ones of the same grid is exact.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use super::Reason;

/// The finest scale that is kept: bounds √2 apart, which is finer than the default bounds of explicit histograms.
const MAX_SCALE: i32 = 1;
/// Coarser scales than this have one bound, 1, like this one.
const MIN_SCALE: i32 = -10;
/// The grid's least bound is 2 to this: a microsecond in seconds. What is smaller, zero or negative counts below it.
const MIN_EXPONENT: f64 = -20.0;
/// The grid's greatest bound is 2 to this: 64 GiB in bytes, a minute in nanoseconds.
const MAX_EXPONENT: f64 = 36.0;

/// Bounds and counts; the counts are one more than the bounds.
pub(super) fn to_explicit(point: &ExponentialHistogramDataPoint) -> Result<(Vec<f64>, Vec<u64>), Reason> {
    let scale = point.scale.clamp(MIN_SCALE, MAX_SCALE);
    let step = f64::from(-scale).exp2();
    let lowest = (MIN_EXPONENT / step).ceil() as i64;
    let highest = (MAX_EXPONENT / step).floor() as i64;
    let bounds: Vec<f64> = (lowest..=highest).map(|index| (index as f64 * step).exp2()).collect();

    let mut counts = vec![0u64; bounds.len() + 1];
    add(&mut counts[0], point.zero_count)?;
    for count in point.negative.iter().flat_map(|buckets| &buckets.bucket_counts) {
        add(&mut counts[0], *count)?;
    }
    for (index, count) in point.positive.iter().flat_map(indexed) {
        // Bucket i of scale s holds (b^i, b^(i+1)] with b = 2^(2^-s); one scale less halves the index.
        let shift = point.scale.saturating_sub(scale).clamp(-63, 63);
        let coarse = if shift >= 0 { index >> shift } else { index };
        let slot = (coarse + 1).clamp(lowest, highest + 1) - lowest;
        add(&mut counts[slot as usize], count)?;
    }
    Ok((bounds, counts))
}

fn indexed(buckets: &Buckets) -> impl Iterator<Item = (i64, u64)> + '_ {
    buckets.bucket_counts.iter().zip(i64::from(buckets.offset)..).map(|(count, index)| (index, *count))
}

fn add(sum: &mut u64, count: u64) -> Result<(), Reason> {
    *sum = sum.checked_add(count).ok_or(Reason::MalformedBuckets)?;
    Ok(())
}
