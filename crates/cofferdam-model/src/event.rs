//! What an SDK said, before any policy: events and profile or group updates.
//!
//! Made by wire only. Invariant: nothing in here may reach a disk or a log; policy turns it into an admitted record first.

use crate::{IdentityClaim, TimestampMs, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A project's name as configured, e.g. `console`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectName(pub Arc<str>);

/// A vendor's id: the file name in `vendors/` without `.toml`, e.g. `mixpanel`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VendorId(pub Arc<str>);

/// A region code as configured, e.g. `EU`; compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(pub Arc<str>);

macro_rules! text_noun {
    ($($noun:ident),*) => {$(
        impl $noun {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $noun {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }
        impl fmt::Display for $noun {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_noun!(ProjectName, VendorId, Region);

/// How far a statement about a person can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Sent with the project's import secret, imported, or uploaded by an operator.
    Verified,
    /// Sent with the public write token that every browser holds.
    Claimed,
}

/// One item of an intake request.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<'a> {
    /// Something that happened.
    Event(IncomingEvent<'a>),
    /// A change to a person's profile or to a group.
    Update(IncomingUpdate<'a>),
}

/// An event as an SDK sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingEvent<'a> {
    /// Position in the request's batch, from 0.
    pub index: u32,
    /// The project token that the event carries, if any.
    pub token: Option<Cow<'a, str>>,
    /// The event's name.
    pub name: Cow<'a, str>,
    /// The time as sent; absent, or unusable, means "now".
    pub time: Option<TimestampMs>,
    /// The id of this event for deduplication, as sent.
    pub insert_id: Option<Cow<'a, str>>,
    /// Who did it, and which ids the event says belong together.
    pub identity: IdentityClaim<'a>,
    /// Every property except `token`, `time`, `$insert_id` and `distinct_id`, in the order sent.
    pub properties: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// What a profile or group update does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Set the values.
    Set,
    /// Set the values that are not yet set.
    SetOnce,
    /// Remove the named properties.
    Unset,
    /// Add numbers.
    Add,
    /// Append to lists.
    Append,
    /// Append to lists what they do not hold yet.
    Union,
    /// Remove from lists.
    Remove,
    /// Delete the profile or group.
    Delete,
}

/// Whom a profile update is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject<'a> {
    /// A person, by the identity of the update.
    Person,
    /// A group: key and id, e.g. `org_id` and `org-17`.
    Group {
        /// The group key.
        key: Cow<'a, str>,
        /// The group's id, as text.
        id: Cow<'a, str>,
    },
}

/// A profile or group update as an SDK sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingUpdate<'a> {
    /// Position in the request's batch, from 0.
    pub index: u32,
    /// The project token that the update carries, if any.
    pub token: Option<Cow<'a, str>>,
    /// Whom it is about.
    pub subject: Subject<'a>,
    /// What it does.
    pub operation: Operation,
    /// The time as sent (`$time`), if any.
    pub time: Option<TimestampMs>,
    /// The person's ids (empty for groups).
    pub identity: IdentityClaim<'a>,
    /// Property and operand; for [`Operation::Unset`] the operand is null.
    pub values: Vec<(Cow<'a, str>, Value<'a>)>,
}
