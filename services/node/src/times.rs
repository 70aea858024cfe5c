//! Times as people write them.

use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use llm_sre_domain::Timestamp;

/// Unix seconds, with or without a fraction, or RFC 3339.
pub(crate) fn parse(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        if !(0.0..9e9).contains(&seconds) {
            bail!("'{text}' is out of range for Unix seconds");
        }
        // Whole seconds and the rest apart, since nanoseconds since 1970 have more digits than a double.
        let whole = Timestamp::from_secs(seconds.trunc() as i64);
        return Ok(whole + std::time::Duration::from_secs_f64(seconds.fract()));
    }
    let time = humantime::parse_rfc3339_weak(text).with_context(|| format!("'{text}' is no time"))?;
    let since = time.duration_since(UNIX_EPOCH).with_context(|| format!("'{text}' is before 1970"))?;
    Ok(Timestamp::from_secs(0) + since)
}

/// RFC 3339, in seconds; empty for what lies before 1970.
pub(crate) fn format(time: Timestamp) -> String {
    let nanos = u64::try_from(time.as_nanos()).ok();
    let instant = nanos.and_then(|nanos| UNIX_EPOCH.checked_add(std::time::Duration::from_nanos(nanos)));
    instant.map_or_else(String::new, |instant| humantime::format_rfc3339_seconds(instant).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_the_same_times() {
        let expected = Timestamp::from_secs(1_700_000_000);
        for text in ["1700000000", "1700000000.0", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20"] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for text in ["yesterday", "-1", "1e300", "NaN", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
