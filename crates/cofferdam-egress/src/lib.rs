//! Sends permitted events to vendors: one worker per vendor, from the journal to a durable outbox to the vendor.
//!
//! Journal entries come in at each vendor's own cursor; policy minimizes them for that vendor; batches are written to the
//! vendor's outbox, announced to the ledger, then sent through the guarded client.
//! Invariant (P3, P9): the batch and its exposure are durable before its first byte leaves, an attempted batch is only ever
//! repeated byte for byte, and once [`Egress::contain`] returns, no event or profile byte goes to that vendor.

mod answer;
mod backoff;
mod batch;
mod book;
mod deletion;
mod dialect;
mod egress;
mod error;
mod feed;
mod narrow;
mod options;
mod outbox;
mod status;
mod step;
mod stop;
mod timer;
mod told;
mod verify;
mod worker;

pub use deletion::DeletionQueue;
pub use dialect::Dialect;
pub use egress::Egress;
pub use error::EgressError;
pub use options::{EgressLimits, EgressOptions, Policies, VendorOptions};
pub use status::{DeadLetter, Reason, SendState, Totals, VendorStatus, WithheldCount};
pub use step::{Hook, Step};
pub use timer::{Timer, TokioTimer};
pub use verify::Verified;
