//! Explains incidents from evidence.
