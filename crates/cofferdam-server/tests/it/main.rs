//! The server's one integration binary, by resource. Each test has its own data directory, listeners on free ports and clock.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod alerts;
mod api;
mod bad_input;
mod boards;
mod cohorts;
mod config;
mod containment;
mod copies;
mod coverage;
mod digests;
mod exactness;
mod forgetting;
mod hurry;
mod import;
mod kill;
mod leak;
mod load;
mod mistakes;
mod mixpanel;
mod offline;
mod pages;
mod people;
mod process;
mod relay;
mod replay;
mod reports;
mod review;
mod sink;
mod sql;
mod support;
mod upgrade;
mod usage;
mod vendor_faults;
