//! Who is who: dense numbers, the ids that an event claims belong together, and the definitions that ride in the journal.
//!
//! Every distinct id as sent gets its own number; a merge says that two numbers are one person and never renames a stored row.
//! Invariant: a definition is idempotent, so that it can be repeated in every journal entry until it is known to be durable.

use crate::ProjectName;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Dense number of a distinct id as first seen, from 0, one number space per installation.
/// Canonical persons are numbers too: see [`crate::MergeMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonNumber(pub u32);

impl PersonNumber {
    /// Not a person: what a [`crate::Sealer`] takes to mean the vault's organization key, for groups' own properties.
    pub const ORGANIZATIONS: Self = Self(u32::MAX);
}

/// Dense number of an organization, from 0, one number space per installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrganizationNumber(pub u32);

/// Keyed hash of (project, id as sent): how ids are looked up without being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdKey(pub [u8; 16]);

/// The ids of an event or update, and what it says about them. Made by wire, resolved by vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityClaim<'a> {
    /// The subject's id as sent; `None` where absent, `Some("")` where sent empty.
    pub distinct_id: Option<Cow<'a, str>>,
    /// `$device_id`, without the `$device:` prefix.
    pub device_id: Option<Cow<'a, str>>,
    /// `$user_id`.
    pub user_id: Option<Cow<'a, str>>,
    /// An explicit statement that two ids are one person, from `$identify`, `$create_alias` or `$merge`.
    pub link: Option<(LinkKind, Cow<'a, str>, Cow<'a, str>)>,
}

/// Where a link between two ids comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The first event that carried both a device id and a user id (simplified ID merge).
    Simplified,
    /// `$identify`: an anonymous id and the identified id.
    Identify,
    /// `$create_alias`: a new name for an existing id.
    Alias,
    /// `$merge`: any two ids (verified senders only).
    Merge,
}

/// Something that must become durable together with the first record that needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Definition {
    /// A distinct id got a number, a person key (wrapped by the master key) and its sealed text.
    Person {
        /// The project that the id belongs to.
        project: ProjectName,
        /// The id's keyed hash.
        key: IdKey,
        /// The number given.
        number: PersonNumber,
        /// The person's sealing key, wrapped.
        wrapped_key: Vec<u8>,
        /// The id as sent, sealed under that key.
        sealed_id: Vec<u8>,
        /// Whether the id is a device's (anonymous) rather than an identified person's.
        anonymous: bool,
    },
    /// Two numbers are one person: `alias` joins `into`'s cluster.
    Link {
        /// Where the link comes from.
        kind: LinkKind,
        /// The number that joins.
        alias: PersonNumber,
        /// The number that it joins.
        into: PersonNumber,
    },
    /// An organization got a number.
    Organization {
        /// The project that the organization belongs to.
        project: ProjectName,
        /// The organization id's keyed hash.
        key: IdKey,
        /// The number given.
        number: OrganizationNumber,
        /// The id as sent, sealed under the vault's organization key.
        sealed_id: Vec<u8>,
    },
}
