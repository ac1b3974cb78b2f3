//! Tests of updates.
