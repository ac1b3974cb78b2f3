//! The exposure ledger: which field of which person went to which vendor, on which UTC day, in what category and form.
//!
//! Egress announces a batch (`possible`, durable) before the first byte leaves and settles it afterwards; the server feeds `seen`.
//! The blast radius is computed from bitmaps of dense person numbers.
//! Invariant: the ledger never under-reports (P3): what left, or may have left, is durable first; where it cannot know, it says so.

mod answer;
mod cell;
mod checkpoint;
mod codec;
mod entry;
mod error;
mod faults;
mod files;
mod known;
mod ledger;
mod log;
mod month;
mod past;
mod people;
mod plan;
mod portable;
mod radius;
mod recover;
mod state;
#[cfg(test)]
mod tests;
mod types;
mod union;
mod verify;

pub use error::LedgerError;
pub use ledger::{Ledger, LedgerOptions};
pub use people::RadiusPeople;
pub use radius::{
    Basis, CategoryRadius, Coverage, FieldRadius, PersonExposure, PersonRadius, Radius,
    RadiusRequest, Routing,
};
pub use types::{
    BatchId, FieldKey, FieldSetId, Gap, Items, Outcome, PastItem, PossibleItem, SeenItem,
    SentRecord,
};
pub use verify::{Sizes, Verified};
