//! What policy let in: records, as the journal holds them.
//!
//! Made by `Policy::admit` and `admit_update`, or by decoding an entry that was encoded from such; read by minimize.
//! Invariant: a record holds the shape of every field, but a value only where some recipient may have it (P1).

mod body;

use crate::{PolicyId, Signals};
use cofferdam_model::{
    Category, OrganizationNumber, PersonNumber, ProjectName, Provenance, Refusal, TimestampMs,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) use body::{Blob, Body, EXTRA, Field, Kept, Layout, NAME_FIELD, Node, Sort, TimeNote};

/// Proof that policy looked at every field of a `T` and dropped what nobody may have.
#[derive(Clone, Debug)]
pub struct Admitted<T> {
    pub(crate) inner: T,
}

/// An admitted event; opaque, read through [`Record`].
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) body: Body,
}

/// An admitted profile or group update; opaque, read through [`Record`].
#[derive(Clone, Debug)]
pub struct Update {
    pub(crate) body: Body,
}

/// What the journal holds.
#[derive(Clone, Debug)]
pub enum Record {
    /// An event.
    Event(Admitted<Event>),
    /// A profile or group update.
    Update(Admitted<Update>),
}

/// The JSON type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    Text,
    /// A string that is a URL, a part of one, or a query string.
    Url,
    /// An array, or an object, or a string that holds one.
    Nested,
}

/// One field of a record, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapeField {
    /// Path with its prefix, e.g. `properties.plan`.
    pub path: Arc<str>,
    /// Category at intake.
    pub category: Category,
    /// Type of the value.
    pub value_type: ValueType,
    /// Id of the rule that classified it.
    pub rule: Arc<str>,
    /// Why nobody gets it; `None` where the value was kept.
    pub refusal: Option<Refusal>,
}

/// Something that a person should look at: a secret, or personal data where none is expected. Never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Path with its prefix.
    pub path: Arc<str>,
    /// What was found.
    pub category: Category,
    /// Id of the rule that found it.
    pub rule: Arc<str>,
}

impl Record {
    /// The project.
    #[must_use]
    pub fn project(&self) -> &ProjectName {
        &self.body().project
    }

    /// The person; [`PersonNumber::ORGANIZATIONS`] for a group's update.
    #[must_use]
    pub fn person(&self) -> PersonNumber {
        self.body().person
    }

    /// The organization, if one is named.
    #[must_use]
    pub fn organization(&self) -> Option<OrganizationNumber> {
        self.body().organization
    }

    /// When it happened; the time of arrival where the time as sent was unusable.
    #[must_use]
    pub fn time(&self) -> TimestampMs {
        self.body().time
    }

    /// When it arrived.
    #[must_use]
    pub fn received(&self) -> TimestampMs {
        self.body().received
    }

    /// How far the sender can be believed.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.body().provenance
    }

    /// The consent signals that came with it.
    #[must_use]
    pub fn signals(&self) -> Signals {
        self.body().signals
    }

    /// The policy under which it was admitted.
    #[must_use]
    pub fn policy(&self) -> PolicyId {
        self.body().policy
    }

    /// The journal's deduplication key; zeros: never a duplicate.
    #[must_use]
    pub fn insert_key(&self) -> [u8; 16] {
        self.body().insert_key
    }

    /// Whether it is an event (else an update).
    #[must_use]
    pub fn is_event(&self) -> bool {
        matches!(self, Self::Event(_))
    }

    /// Every field, withheld ones included, in the order sent; never a value.
    /// The event's name and its time, which every event has, are not listed. Records of one entry with the same fields share it.
    #[must_use]
    pub fn shape(&self) -> Arc<[ShapeField]> {
        self.body().shape()
    }

    /// What a person should look at.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.body().findings()
    }

    /// The event's name, with personal data in it masked; `None` for updates.
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        match &self.body().sort {
            Sort::Event { name } => Some(name),
            Sort::Update { .. } => None,
        }
    }

    /// Whether the time as sent was unusable (absent, before 1971, or more than an hour ahead), so that the time of arrival
    /// stands in for it.
    #[must_use]
    pub fn is_time_replaced(&self) -> bool {
        self.body().time_note == TimeNote::Unusable
    }

    pub(crate) fn body(&self) -> &Body {
        match self {
            Self::Event(event) => &event.inner.body,
            Self::Update(update) => &update.inner.body,
        }
    }
}

impl From<Admitted<Event>> for Record {
    fn from(event: Admitted<Event>) -> Self {
        Self::Event(event)
    }
}

impl From<Admitted<Update>> for Record {
    fn from(update: Admitted<Update>) -> Self {
        Self::Update(update)
    }
}
