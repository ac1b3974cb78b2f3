//! What people said about vendors and purposes.

use cofferdam_model::VendorId;

/// What a choice is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, in-house analytics included (SDK opt-out and opt-in).
    All,
    /// One vendor.
    Vendor(VendorId),
    /// A fideslang data use and everything below it, e.g. `marketing`.
    Purpose(String),
}

/// What a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Said yes.
    OptedIn,
    /// Said no.
    Objected,
    /// Took back whatever was said.
    Withdrawn,
}

/// What a person's choices mean for one recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// There is a positive signal.
    pub opted_in: bool,
    /// There is an objection; it outweighs any positive signal.
    pub objected: bool,
}

/// All choices of one person, over all merged numbers.
#[derive(Clone, Debug, Default)]
pub struct Consent {}

impl Consent {
    /// The standing of a vendor with a purpose.
    #[must_use]
    pub fn vendor(&self, _vendor: &VendorId, _purpose: &str) -> Standing {
        Standing::default()
    }

    /// The standing of in-house analytics.
    #[must_use]
    pub fn home(&self) -> Standing {
        Standing::default()
    }
}
