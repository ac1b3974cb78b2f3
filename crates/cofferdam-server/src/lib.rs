//! Configuration, wiring, routes, jobs, web app and command line: the crate that joins all others into one server.
//!
//! Invariant: decisions are made in the crates below; here they are only asked for, in the order that `pipeline` shows.

pub mod clock;
pub mod config;
pub mod zones;
