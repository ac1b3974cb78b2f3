//! Egress from journal to vendor, against a vendor on loopback that behaves and misbehaves.
//!
//! Everything below it is real: journal, vault, policy, ledger, guarded client; only time and the vendor are played.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod backlog;
mod bench;
mod contain;
mod delivery;
mod faults;
mod finished;
mod kill;
mod older;
mod told;
mod vendor;
mod withdrawal;
