//! The detector: from telemetry to incidents.
