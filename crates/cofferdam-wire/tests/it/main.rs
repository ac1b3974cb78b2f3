//! Whole requests: cases with golden results, the real SDKs' recorded bytes, the kept fuzz corpus.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cases;
mod corpus;
mod recorded;
mod shown;
