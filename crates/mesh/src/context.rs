//! The trace that a piece of work belongs to, from call to call.
//!
//! A [`TraceContext`] travels in a task-local inside a process and as W3C `traceparent` between processes. It works the
//! same whether export is on or off, so an incident's id is in every log line and every call either way.

use std::fmt;
use std::future::Future;

use http::HeaderMap;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The header that carries it.
pub const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// A sampled span: trace id and span id, both not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

impl TraceContext {
    /// From raw ids; `None` where one of them is all zeros, which W3C forbids.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<Self> {
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self { trace_id, span_id })
    }

    /// The span of one stage of an incident: its trace is the incident, its span id derives from both, so that every
    /// process and every restart gives it the same one.
    pub fn of_stage(incident: Uuid, stage: &str) -> Self {
        let hash = Sha256::new().chain_update(incident.as_bytes()).chain_update(stage.as_bytes()).finalize();
        let mut span_id = [0; 8];
        span_id.copy_from_slice(&hash[..8]);
        // One in 2^64 would be all zeros.
        span_id[7] |= 1;
        Self { trace_id: *incident.as_bytes(), span_id }
    }

    /// The context of the work that runs now, if it belongs to a trace.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Runs `work` as part of this trace.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The trace's id.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span's id.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// From the `traceparent` of a request; `None` where it is absent, malformed or not sampled.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
    }

    /// From the text of a `traceparent`, by W3C Trace Context level 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_later_version = version != "00";
        if version.len() != 2 || version == "ff" || (parts.next().is_some() && !is_later_version) {
            return None;
        }
        let sampled = u8::from_str_radix(flags.get(..2)?, 16).ok()? & 1 == 1;
        if !sampled {
            return None;
        }
        Self::new(bytes_of_hex(trace)?, bytes_of_hex(span)?)
    }
}

/// The text of a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", hex(&self.trace_id), hex(&self.span_id))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of lower-case hexadecimal; `None` where it is none, or of another length.
pub(crate) fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if text.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_keeps_its_ids() {
        let incident = Uuid::from_u128(42);
        let stage = TraceContext::of_stage(incident, "diagnose");
        assert_eq!(stage, TraceContext::of_stage(incident, "diagnose"));
        assert_ne!(stage, TraceContext::of_stage(incident, "approve"));
        assert_eq!(stage.trace_id(), *incident.as_bytes());
        assert_eq!(TraceContext::parse(&stage.to_string()), Some(stage));
    }

    #[test]
    fn malformed_parents_are_no_parents() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(TraceContext::parse(good).is_some());
        assert!(TraceContext::parse(&good.replace("-01", "-00")).is_none(), "not sampled");
        assert!(TraceContext::parse(&good.to_uppercase()).is_none());
        assert!(TraceContext::parse(&good[..40]).is_none());
        assert!(TraceContext::parse("00-00000000000000000000000000000000-b7ad6b7169203331-01").is_none());
    }
}
