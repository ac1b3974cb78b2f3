//! What can be wrong with a policy or with the bytes of a record.
//!
//! Refusals are not errors: they are values of `cofferdam_model::Refusal`. Invariant: no message holds a payload value.

use cofferdam_model::{ProjectName, SealError, VendorId};
use std::fmt;
use thiserror::Error;

/// Something in a policy that cannot be compiled; the server adds file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Where it is.
    pub place: PolicyPlace,
    /// What is wrong and what is expected; user text in backticks.
    pub message: String,
}

/// Which part of the policy a problem is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyPlace {
    /// A `[[project]]`.
    Project(ProjectName),
    /// An entry of `[home]`, by its category key.
    Home(String),
    /// A vendor's file, and the key in it, e.g. `receives.user.name`.
    Vendor(VendorId, String),
    /// An entry of `fields.toml`, by its path.
    Field(String),
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            PolicyPlace::Project(name) => write!(f, "project `{name}`: ")?,
            PolicyPlace::Home(key) => write!(f, "[home] `{key}`: ")?,
            PolicyPlace::Vendor(vendor, key) => write!(f, "vendor `{vendor}`, `{key}`: ")?,
            PolicyPlace::Field(path) => write!(f, "field `{path}`: ")?,
        }
        f.write_str(&self.message)
    }
}

/// Why records could not be written to or read from bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The entry was written by a newer version.
    #[error("the entry has format {found}, this version reads up to {newest}")]
    UnknownVersion {
        /// The version found.
        found: u8,
        /// The newest version that can be read.
        newest: u8,
    },
    /// The bytes are not an entry.
    #[error("the entry is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where reading stopped.
        offset: usize,
        /// What was expected there.
        what: &'static str,
    },
    /// The identifying part of a record could not be sealed.
    #[error("record {record} of the entry cannot be sealed")]
    Seal {
        /// Position of the record in the slice.
        record: usize,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A record with a sealed part can be written again only at the position where it was read.
    #[error("record {record} was sealed at position {sealed_at} and cannot be written elsewhere")]
    Moved {
        /// Position of the record in the slice.
        record: usize,
        /// Position to which the sealed part is bound.
        sealed_at: u32,
    },
}
