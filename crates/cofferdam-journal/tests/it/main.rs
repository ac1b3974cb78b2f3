//! The journal's promises, each with a test that tries to break it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod fake;
mod faults;
mod grouping;
mod kill;
mod model;
mod seal;
mod support;
mod torn;
mod window;
