//! Configuration, wiring, routes, jobs, web app and command line: the crate that joins all others into one server.
//!
//! Invariant: decisions are made in the crates below; here they are only asked for, in the order that `pipeline` shows.

pub mod auth;
pub mod boards;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod counters;
pub mod datadir;
pub mod demo;
pub mod error;
mod exports;
pub mod fields;
pub mod geo;
pub mod http;
pub mod imports;
pub mod listen;
pub mod live;
pub mod mails;
pub mod pipeline;
pub mod policies;
pub mod projector;
pub mod projects;
pub mod rates;
mod reports;
pub mod routes;
pub mod serve;
mod shown;
pub mod system;
pub mod usage;
pub mod web;
pub mod zones;

/// An event costs some dozen allocations, many of which one thread makes and another gives back: the C library's allocator takes
/// longer and keeps what is freed by thread, so that a server under a steady load grew without end (see docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
