//! What implements the ports: SQLite, one file as store and as event bus.
