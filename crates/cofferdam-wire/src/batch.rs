//! What a request held: its items, what was rejected one by one, and what had to be repaired.
//!
//! Made by a dialect, read by the server's pipeline; the rejections also become the strict import report.
//! Invariant: a rejection names the place by the dialect's own words and never by anything the sender chose.

use crate::notes::Notes;
use cofferdam_model::{Incoming, Refusal};

/// One item that cannot be kept; the others of the batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the request's batch, from 0.
    pub index: u32,
    /// Why, as it is counted.
    pub refusal: Refusal,
    /// The place, e.g. `properties.distinct_id`; empty for the item as a whole.
    pub field: &'static str,
    /// The reason for a human, without any value.
    pub message: &'static str,
}

impl Rejected {
    /// A rejection of the item at `index` as the pipeline finds it, after decoding.
    #[must_use]
    pub fn of(index: u32, refusal: Refusal) -> Self {
        Self {
            index,
            refusal,
            field: "",
            message: refusal.because(),
        }
    }
}

/// The items of one request, in the order sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch<'a> {
    /// What can be handed to policy. A profile object with several operations gives several items of one index.
    pub items: Vec<Incoming<'a>>,
    /// What cannot, by index.
    pub rejected: Vec<Rejected>,
    /// Repairs and oddities, of decoding as well.
    pub notes: Notes,
}
