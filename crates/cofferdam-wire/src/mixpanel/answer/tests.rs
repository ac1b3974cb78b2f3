//! Exact bodies.
