//! Who is who: what intake asks, and how the answer is found.
//!
//! `plan` reads the claim, `index` holds everybody in memory, `resolve` brings the two together.
//! Invariant: a number is given once, and every definition rides along in journal entries until it is confirmed durable.

pub(crate) mod index;
pub(crate) mod plan;
mod resolve;

#[cfg(test)]
mod tests;

use cofferdam_model::{Definition, OrganizationNumber, PersonNumber};

/// Which ways of merging ids a project uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityMode {
    /// Whatever the events say, in either way.
    #[default]
    Both,
    /// `$device_id` and `$user_id` only; `$identify`, `$create_alias` and `$merge` have no effect.
    Simplified,
    /// `$identify`, `$create_alias` and `$merge` only.
    Original,
}

/// Who an event or update is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The number of the subject's id (not canonical: rows keep the number that they were stored with).
    pub person: PersonNumber,
    /// What must ride along in the same journal entry.
    pub definitions: Vec<Definition>,
    /// How many ids were seen for the first time.
    pub new_people: u32,
}

/// Which organization an event or update names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedOrganization {
    /// Its number.
    pub number: OrganizationNumber,
    /// What must ride along in the same journal entry.
    pub definition: Option<Definition>,
}
