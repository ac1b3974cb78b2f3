//! Egress from journal to vendor, against a vendor on loopback that behaves and misbehaves.
//!
//! Everything below it is real: journal, vault, policy, ledger, guarded client; only time and the vendor are played.

mod backlog;
mod bench;
mod contain;
mod delivery;
mod faults;
mod kill;
mod vendor;
