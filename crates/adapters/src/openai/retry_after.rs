//! How long a server asks to be left alone.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// In milliseconds, and finer than the standard's header. Azure sends both.
const RETRY_AFTER_MS: &str = "retry-after-ms";
/// What asks for more is a mistake. How much of a wait is honoured is for the caller to say.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The time that the headers ask for, as RFC 9110, 10.2.3 has it: seconds or a date. A date is taken by the server's own
/// clock, which `Date` tells; without it, or with anything else, there is no such time.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let exact = text(RETRY_AFTER_MS).and_then(number).map(|ms| ms / 1_000.0).and_then(of_seconds);
    exact.or_else(|| {
        let asked = text(RETRY_AFTER.as_str())?;
        if let Some(seconds) = number(asked) {
            return of_seconds(seconds);
        }
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
        // A date that has passed asks for nothing.
        Some(until.duration_since(now).unwrap_or_default()).filter(|wait| *wait <= LONGEST)
    })
}

/// Digits, with a fraction or without: no sign, no exponent, no infinity.
fn number(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok()).flatten()
}

fn of_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)], expected: Option<Duration>) {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_eq!(read(&headers), expected, "{pairs:?}");
    }

    const NOW: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn seconds_and_milliseconds() {
        check(&[("retry-after", "7")], Some(Duration::from_secs(7)));
        check(&[("retry-after", " 1.5 ")], Some(Duration::from_millis(1500)));
        check(&[("retry-after", "0")], Some(Duration::ZERO));
        check(&[("retry-after", "7"), ("retry-after-ms", "250")], Some(Duration::from_millis(250)));
        check(&[("retry-after", "7"), ("retry-after-ms", "soon")], Some(Duration::from_secs(7)));
        check(&[], None);
    }

    #[test]
    fn dates_by_the_servers_clock() {
        let soon = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
        check(&[soon, NOW], Some(Duration::from_secs(30)));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), NOW], Some(Duration::ZERO));
        check(&[soon], None);
        check(&[soon, ("date", "today")], None);
    }

    #[test]
    fn nonsense_is_nothing() {
        let nines = "9".repeat(400);
        for text in ["", "-1", "1e3", "inf", "NaN", "1.2.3", ".", "tomorrow", "99999999999999999999999", &nines] {
            check(&[("retry-after", text)], None);
            check(&[("retry-after-ms", text)], None);
        }
        check(&[("retry-after", "Sun, 06 Nov 9994 08:49:37 GMT"), NOW], None);
    }
}
