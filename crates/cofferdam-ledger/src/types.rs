//! What callers put into the ledger: fields, batches of possible sends, their outcomes, what was seen, gaps.
//!
//! Made by egress (sends) and by the server's `seen` consumer; goes into the log, then into cells.
//! Invariant: nothing here holds a value; paths, categories, forms and dense numbers only.

use cofferdam_model::{Category, Day, Form, OrganizationNumber, PersonNumber, VendorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// One field as it goes out: the unit that exposures are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldKey {
    /// Field path with its prefix: `event`, `time`, `distinct_id`, `properties.X`, `profile.X`, `group.X`, …
    pub path: Arc<str>,
    /// The field's category at the time of the send.
    pub category: Category,
    /// The form in which it goes; never [`Form::Withheld`] for a vendor.
    pub form: Form,
}

/// Handle of an interned list of fields, valid for the [`crate::Ledger`] that gave it out (not across restarts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSetId(pub(crate) u32);

/// A batch that was announced with [`crate::Ledger::possible`]; stays the same over retries and restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub u64);

/// One event or update that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PossibleItem {
    /// The person, as first seen (merges are applied at query time); `None` for group updates.
    pub person: Option<PersonNumber>,
    /// The organization, if the item names one.
    pub organization: Option<OrganizationNumber>,
    /// Every field in it.
    pub fields: FieldSetId,
    /// Whether it is an event (counted, and may age out by a verified retention) or a profile or group update.
    pub is_event: bool,
}

/// Items of a batch, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Items {
    /// None.
    #[default]
    None,
    /// All that are not settled yet.
    All,
    /// Those at these positions, from 0.
    At(Vec<u32>),
}

/// How a batch, or part of it, ended. Items named nowhere stay open (they will be retried); unsettled ones count as possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The vendor confirmed that it has them.
    pub delivered: Items,
    /// The vendor refused them for good. They left the house and still count as possible.
    pub refused: Items,
    /// Their outcome will never be known (not repeatable after a time-out). They count as possible.
    pub unknown: Items,
}

impl Outcome {
    /// Everything that is still open was delivered.
    #[must_use]
    pub fn delivered() -> Self {
        Self {
            delivered: Items::All,
            ..Self::default()
        }
    }

    /// Everything that is still open was refused for good.
    #[must_use]
    pub fn refused() -> Self {
        Self {
            refused: Items::All,
            ..Self::default()
        }
    }

    /// What became of everything that is still open will never be known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            unknown: Items::All,
            ..Self::default()
        }
    }
}

/// One record of the journal, as `seen` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenItem {
    /// The person who sent it; `None` for group updates.
    pub person: Option<PersonNumber>,
    /// UTC day on which it was received.
    pub day: Day,
    /// Every field of its shape, withheld ones included (with [`Form::Withheld`] or the form at home).
    pub fields: FieldSetId,
    /// Whether it is an event.
    pub is_event: bool,
}

/// One event or profile that a vendor got before, not through here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastItem {
    /// The person; the number must be durable elsewhere by now.
    pub person: Option<PersonNumber>,
    /// The organization, if the item names one.
    pub organization: Option<OrganizationNumber>,
    /// UTC day of the event: nothing says when it was sent.
    pub day: Day,
    /// Every field in it, in the form in which the vendor has it.
    pub fields: FieldSetId,
    /// Whether it is an event.
    pub is_event: bool,
}

/// Days, inclusive, for which the ledger cannot know what a vendor got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// First day.
    #[schema(value_type = String)]
    pub since: Day,
    /// Last day.
    #[schema(value_type = String)]
    pub until: Day,
    /// Why, e.g. `observe mode before the first checkpoint` or `before coverage`.
    pub reason: String,
}

/// One send of one item, out of egress' own records: what [`crate::Ledger::rebuild`] recomputes cells from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRecord {
    /// The vendor.
    pub vendor: VendorId,
    /// UTC day of the first attempt.
    pub day: Day,
    /// What was sent.
    pub item: PossibleItem,
    /// Whether the vendor confirmed it.
    pub delivered: bool,
}
