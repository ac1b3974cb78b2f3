//! Mixpanel's dialect: what its SDKs send, what they accept as an answer, and what its servers accept from us.
//!
//! In: [`endpoint`], then [`decode`] (owns the bytes), then [`Decoded::parse`] (borrows from it). Back: [`answer`], [`cors_headers`].
//! Out: [`send`]. The facts about the protocol are those of recorded requests of the real SDKs, which the tests replay.
//! Invariant: a label (content type, encoding, path case) never decides where the bytes can.

mod answer;
mod cors;
mod decode;
mod endpoint;
mod events;
mod ids;
pub mod send;
mod style;
mod updates;
mod when;

pub use crate::{Batch, Malformed, Notes, Rejected};
pub use answer::{Answer, Outcome, answer};
pub use cors::{Preflight, cors_headers};
pub use decode::{Credentials, Decoded, decode};
pub use endpoint::{Endpoint, Method, Request, endpoint};
pub use ids::is_refused_id;
pub use style::{AnswerStyle, ImportReport};

pub(crate) use events::event;
pub(crate) use ids::is_id_key;
pub(crate) use updates::person;
