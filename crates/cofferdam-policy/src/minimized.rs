//! What a recipient may have, as a type: `Minimized<Home>` for the store, `Minimized<Vendor>` for one vendor.
//!
//! Made only by this crate's minimize functions from an admitted record; the store takes nothing but the first, egress
//! nothing but the second.
//! Invariant: a value in here is in a form that the recipient's table lists for its category (P1, P2).

use crate::PolicyId;
use cofferdam_model::{
    Category, Form, Operation, OrganizationNumber, PersonNumber, ProjectName, Provenance, Refusal,
    TimestampMs, Value, VendorId,
};
use std::sync::Arc;

/// Someone who receives data.
pub trait Recipient: Clone + Copy + std::fmt::Debug {
    /// What reaches that recipient.
    type Item: std::fmt::Debug + Clone + PartialEq;
}

/// The in-house store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home;

/// One vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor;

impl Recipient for Home {
    type Item = HomeItem;
}

impl Recipient for Vendor {
    type Item = VendorItem;
}

/// Proof that policy minimized an item for the recipient `R`. Read it through [`Minimized::item`].
#[derive(Clone, Debug, PartialEq)]
pub struct Minimized<R: Recipient> {
    item: R::Item,
}

impl<R: Recipient> Minimized<R> {
    pub(crate) fn new(item: R::Item) -> Self {
        Self { item }
    }

    /// What the recipient gets.
    #[must_use]
    pub fn item(&self) -> &R::Item {
        &self.item
    }

    /// What the recipient gets, by value.
    #[must_use]
    pub fn into_item(self) -> R::Item {
        self.item
    }
}

/// One journal record as home keeps it.
#[derive(Clone, Debug, PartialEq)]
pub enum HomeItem {
    /// An event.
    Event(HomeEvent),
    /// A profile or group update.
    Update(HomeUpdate),
}

/// An event as home keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeEvent {
    /// The project.
    pub project: ProjectName,
    /// The person, as first seen (merges are applied at query time).
    pub person: PersonNumber,
    /// The organization, if the event names one.
    pub organization: Option<OrganizationNumber>,
    /// When it happened.
    pub time: TimestampMs,
    /// When it was accepted.
    pub received: TimestampMs,
    /// How far the sender can be believed.
    pub provenance: Provenance,
    /// Keyed hash of (project, event, distinct id as sent, insert id): exact deduplication within project and UTC day.
    /// The first eight bytes of the record's key, little-endian.
    pub insert_key: u64,
    /// The policy under which it was admitted.
    pub policy: PolicyId,
    /// The event's name.
    pub name: String,
    /// Property path without the `properties.` prefix, and its value in the form that `[home]` lists. Objects and arrays
    /// are whole values here, already minimized inside.
    pub properties: Vec<(Arc<str>, Value<'static>)>,
    /// Property path as in `properties`, and its value's JSON, sealed under the person's key with context `home:<path>`.
    /// Ids of persons and devices are not repeated here: the vault holds them with the person.
    pub sealed: Vec<(Arc<str>, Vec<u8>)>,
    /// What was withheld from home, by path with its prefix, and why.
    pub withheld: Vec<(Arc<str>, Refusal)>,
}

/// Whom a profile or group update is about, at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeSubject {
    /// A person's profile.
    Person(PersonNumber),
    /// An organization's (group's) profile.
    Organization(OrganizationNumber),
}

/// A profile or group update as home keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeUpdate {
    /// The project.
    pub project: ProjectName,
    /// Whom it is about.
    pub subject: HomeSubject,
    /// What it does.
    pub operation: Operation,
    /// When it was accepted.
    pub received: TimestampMs,
    /// How far the sender can be believed.
    pub provenance: Provenance,
    /// Property path without the `profile.` or `group.` prefix, and the operand.
    pub values: Vec<(Arc<str>, Value<'static>)>,
    /// Property path and its operand's JSON, sealed with context `home:<path>`; groups under [`PersonNumber::ORGANIZATIONS`].
    pub sealed: Vec<(Arc<str>, Vec<u8>)>,
    /// What was withheld from home, by path with its prefix, and why.
    pub withheld: Vec<(Arc<str>, Refusal)>,
}

/// One field of one person that a vendor is given: the unit of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposure {
    /// Field path with its prefix: `event`, `time`, `distinct_id`, `group_key`, `properties.X`, `profile.X`, `group.X`, …
    pub path: Arc<str>,
    /// The field's category at the time.
    pub category: Category,
    /// The form in which it goes.
    pub form: Form,
}

/// What becomes of a record's fields with one vendor. Records of the same fate share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fate {
    /// Every field that goes, in what form: what the ledger records. Sorted, without duplicates.
    pub exposures: Vec<Exposure>,
    /// What does not go: path with its prefix, and why. Sorted; a path stands here once for each value (lists), and others of its
    /// values may go all the same.
    pub withheld: Vec<(Arc<str>, Refusal)>,
    /// What goes that the contract would withhold: not empty only in observe mode. Path with its prefix, and why.
    pub would_withhold: Vec<(Arc<str>, Refusal)>,
}

/// One journal record as one vendor may have it.
#[derive(Clone, Debug, PartialEq)]
pub enum VendorItem {
    /// An event.
    Event(VendorEvent),
    /// A profile or group update.
    Update(VendorUpdate),
}

/// An event as one vendor may have it; wire encodes it in the vendor's dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct VendorEvent {
    /// The vendor that this was minimized for.
    pub vendor: VendorId,
    /// The person, for the ledger only; never sent.
    pub person: PersonNumber,
    /// The organization, for the ledger only; never sent.
    pub organization: Option<OrganizationNumber>,
    /// The event's name.
    pub name: String,
    /// When it happened, coarsened if the contract says so.
    pub time: TimestampMs,
    /// The person's token, or `""` where the vendor receives no id.
    pub distinct_id: String,
    /// The event id's token in the dialect's shape.
    pub insert_id: String,
    /// Property name and value, whole and minimized inside.
    pub properties: Vec<(Arc<str>, Value<'static>)>,
    /// What became of its fields.
    pub fate: Arc<Fate>,
}

/// Whom a vendor's update is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorSubject {
    /// A person, by token.
    Person {
        /// The person's token.
        distinct_id: String,
    },
    /// A group, by token.
    Group {
        /// The group key, e.g. `org_id`.
        key: String,
        /// The group's token.
        id: String,
    },
}

/// A profile or group update as one vendor may have it.
#[derive(Clone, Debug, PartialEq)]
pub struct VendorUpdate {
    /// The vendor that this was minimized for.
    pub vendor: VendorId,
    /// The person, for the ledger only; never sent. `None` for groups.
    pub person: Option<PersonNumber>,
    /// The organization, for the ledger only; never sent.
    pub organization: Option<OrganizationNumber>,
    /// Whom it is about, as the vendor knows them.
    pub subject: VendorSubject,
    /// What it does.
    pub operation: Operation,
    /// When it was accepted.
    pub time: TimestampMs,
    /// Property name and operand.
    pub values: Vec<(Arc<str>, Value<'static>)>,
    /// What became of its fields.
    pub fate: Arc<Fate>,
}

impl VendorItem {
    /// What became of the record's fields.
    #[must_use]
    pub fn fate(&self) -> &Arc<Fate> {
        match self {
            Self::Event(event) => &event.fate,
            Self::Update(update) => &update.fate,
        }
    }
}
