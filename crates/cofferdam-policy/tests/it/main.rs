//! Policy from the outside: events in, what each recipient gets out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cases;
mod consent;
mod intersection;
mod properties;
mod records;
mod support;
mod vendors;
