//! The nouns of Cofferdam, the injected seams and the merge map.
//!
//! Every other crate speaks in these types; none of them does IO, reads a clock or draws randomness.
//! Invariant: this crate depends on no other crate of ours and cannot fail except on bad input values.

mod anonymous;
pub mod category;
mod event;
mod form;
mod identity;
mod limits;
mod merge;
mod operation;
mod refusal;
mod seam;
mod time;
mod value;

pub use anonymous::{DEVICE_PREFIX, is_nobody, is_uuid};
pub use category::Category;
pub use event::{
    Incoming, IncomingEvent, IncomingUpdate, Operation, ProjectName, Provenance, Region, Subject,
    VendorId,
};
pub use form::{Form, Place};
pub use identity::{Definition, IdKey, IdentityClaim, LinkKind, OrganizationNumber, PersonNumber};
pub use limits::Limits;
pub use merge::MergeMap;
pub use refusal::Refusal;
pub use seam::{Clock, Entropy, IdKind, Pseudonyms, SealError, Sealer, TokenDomain};
pub use time::{Day, MS_PER_DAY, TimestampMs};
pub use value::Value;
