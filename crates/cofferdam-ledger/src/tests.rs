//! The ledger against a naive model (a list of rows) over random operations, with reopening at any time and failing disks.

mod answers;
mod crash;
mod model;
mod property;
