//! OTLP over gRPC and HTTP onto the event bus.
