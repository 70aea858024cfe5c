//! Telemetry from the event bus into the store, and its queries.
