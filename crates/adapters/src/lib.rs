//! Adapters of the ports: SQLite as store and event bus.
