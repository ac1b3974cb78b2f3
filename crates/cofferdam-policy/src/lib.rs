//! Pure decisions: what each field is, who may have it, in which form, and why.
//!
//! Wire's events come in, admitted records go to the journal, minimized items to the store and to each vendor.
//! Invariant: no clock, no IO, no randomness; every field gets a decision; what is not declared is withheld (P1).

mod minimized;
mod source;

pub use minimized::{
    Exposure, Home, HomeEvent, HomeItem, HomeSubject, HomeUpdate, Minimized, Recipient, Vendor,
    VendorEvent, VendorItem, VendorSubject, VendorUpdate,
};
pub use source::{ConsentMode, PolicyId, PolicySource, ProjectSource, VendorSource};
