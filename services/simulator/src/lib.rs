//! A simulated shop that emits OpenTelemetry, breaks on request and can be repaired.
