//! Pure decisions: what each field is, who may have it, in which form, and why.
//!
//! Wire's events come in, admitted records go to the journal, minimized items to the store and to each vendor.
//! Invariant: no clock, no IO, no randomness; every field gets a decision; what is not declared is withheld (P1).

pub mod address;
mod admit;
mod admitted;
mod classify;
mod clean;
pub mod coarse;
mod compile;
mod context;
pub mod detect;
mod error;
mod explain;
mod forms;
mod minimize;
mod minimized;
mod names;
mod paths;
mod policy;
pub mod record;
pub mod rules;
mod source;
mod values;

pub use admit::usable_time;
pub use admitted::{Admitted, Event, Finding, Record, ShapeField, Update, ValueType};
pub use context::{
    ConsentState, ForgottenIds, IntakeContext, ResolvedIdentity, SendContext, Signals,
};
pub use error::{PolicyPlace, PolicyProblem, RecordError};
pub use explain::{Classification, Explanation, FieldExplanation, FieldOutcome, VendorOutcome};
pub use forms::fits;
pub use minimize::spellings;
pub use minimized::{
    Exposure, Fate, Home, HomeEvent, HomeItem, HomeSubject, HomeUpdate, Minimized, Recipient,
    Vendor, VendorEvent, VendorItem, VendorSubject, VendorUpdate,
};
pub use policy::Policy;
pub use source::{ConsentMode, PolicyId, PolicySource, ProjectSource, VendorSource};
