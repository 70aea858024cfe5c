//! Values with units as people read them.

use std::fmt;

/// A value in a unit of UCUM, as OpenTelemetry's metrics carry them: `s`, `By`, `1`, `{request}/s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity<'a> {
    /// How much.
    pub value: f64,
    /// Of what; empty where it is not known.
    pub unit: &'a str,
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, unit } = *self;
        match unit {
            "s" => duration(f, value),
            "ms" => duration(f, value / 1e3),
            "us" => duration(f, value / 1e6),
            "ns" => duration(f, value / 1e9),
            "By" => bytes(f, value),
            // The unit of ratios; what is above one cannot be told from a plain number.
            "1" if (0.0..=1.0).contains(&value) => write!(f, "{} %", Short(value * 100.0)),
            "" | "1" => write!(f, "{}", Short(value)),
            "%" => write!(f, "{} %", Short(value)),
            _ => write!(f, "{} {}", Short(value), unit.replace(['{', '}'], "")),
        }
    }
}

fn duration(f: &mut fmt::Formatter<'_>, seconds: f64) -> fmt::Result {
    match seconds.abs() {
        size if size >= 120.0 => write!(f, "{} min", Short(seconds / 60.0)),
        size if size >= 1.0 || size == 0.0 => write!(f, "{} s", Short(seconds)),
        size if size >= 1e-3 => write!(f, "{} ms", Short(seconds * 1e3)),
        _ => write!(f, "{} µs", Short(seconds * 1e6)),
    }
}

fn bytes(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    let mut scaled = value;
    for prefix in ["B", "KiB", "MiB", "GiB"] {
        if scaled.abs() < 1024.0 {
            return write!(f, "{} {prefix}", Short(scaled));
        }
        scaled /= 1024.0;
    }
    write!(f, "{} TiB", Short(scaled))
}

/// A number with about three digits that matter.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let decimals = match size {
            _ if size >= 100.0 || size == 0.0 => 0,
            _ if size >= 10.0 => 1,
            _ if size >= 0.01 => 2,
            _ => return write!(f, "{:.1e}", self.0),
        };
        let text = format!("{:.decimals$}", self.0);
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_them_at_a_glance() {
        for (value, unit, expected) in [
            (0.858, "s", "858 ms"),
            (0.0163, "s", "16.3 ms"),
            (2.5, "s", "2.5 s"),
            (0.0, "s", "0 s"),
            (300.0, "s", "5 min"),
            (1500.0, "ms", "1.5 s"),
            (336_473_679.0, "By", "321 MiB"),
            (12.0, "By", "12 B"),
            (0.798, "1", "79.8 %"),
            (0.0, "1", "0 %"),
            (1.0, "1", "100 %"),
            (7.25, "1", "7.25"),
            (12.34, "{request}/s", "12.3 request/s"),
            (40.0, "{connection}", "40 connection"),
            (3.0, "", "3"),
            (0.000_4, "", "4.0e-4"),
            (f64::INFINITY, "By", "inf TiB"),
        ] {
            assert_eq!(Quantity { value, unit }.to_string(), expected, "{value} {unit}");
        }
    }
}
