//! The tamper-evident log of management acts.
