//! Tests of both passes.
