//! Watches telemetry, opens incidents and owns their life.
