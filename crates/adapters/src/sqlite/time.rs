//! The real time that processes share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch by the wall clock. Leases and memberships end at such a time, written in the file:
/// it is the only clock that the processes of a machine have in common.
pub(super) fn now_ms() -> i64 {
    #[allow(clippy::disallowed_methods)] // Leases go by real time, never by the product's clock.
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, in_ms)
}

/// A duration as the file holds it. One that does not fit is longer than anything lasts.
pub(super) fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
