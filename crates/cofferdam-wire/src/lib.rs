//! Vendor dialects both ways, bytes to events and back, capped and fuzzed; hostile input ends here.
//!
//! The server hands a request's bytes to a dialect ([`mixpanel`]) and gets [`cofferdam_model::Incoming`] items, what was
//! rejected and why, and the exact answer that the SDK expects; egress hands plain values over and gets a vendor's request.
//! Invariant: no input panics, recurses without bound or allocates beyond [`cofferdam_model::Limits`]; no error, rejection or
//! debug output carries a payload value, token, id or address.

mod batch;
mod error;
pub mod export;
mod form;
mod json;
mod layers;
pub mod mixpanel;
mod notes;
mod utf8;

pub use batch::{Batch, Rejected};
pub use error::Malformed;
pub use notes::Notes;
