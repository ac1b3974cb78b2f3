//! Requests to a Mixpanel vendor, and what its answers mean.
//!
//! Egress hands over plain values that policy has minimized; the bytes go to the guarded client. Same input, same bytes, so that a
//! batch can be repeated byte for byte.
//! Invariant: nothing is sent that the vendor would refuse for its shape or misread ([`Unsendable`] says what), no `ip`, and
//! never an absent `distinct_id`; answers are read without keeping any of the vendor's text.

mod batch;
mod import;
mod outcome;
mod shape;
mod updates;

pub use batch::{Pushed, SendRequest};
pub use import::ImportBatch;
pub use outcome::{
    FailedReason, FailedRecord, ImportOutcome, UpdateOutcome, parse_import_answer,
    parse_update_answer,
};
pub use shape::{Adjusted, Unsendable};
pub use updates::UpdateBatch;

use cofferdam_model::{Operation, TimestampMs, Value};
use std::sync::Arc;

/// Most events or updates in one request (the vendor's documentation).
pub const ITEMS_MAX: usize = 2_000;
/// Largest request before compression, bytes: the stricter of the two figures that the vendor documents.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest event, bytes of JSON.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Most properties of one event, those of the protocol included.
pub const PROPERTIES_MAX: usize = 254;
/// Most elements of an array, and members of a nested object.
pub const ELEMENTS_MAX: usize = 254;
/// Deepest nesting, `properties` being 1.
pub const NESTING_MAX: usize = 3;
/// Longest text, characters.
pub const TEXT_CHARS_MAX: usize = 255;
/// Longest `$insert_id`, characters of `[A-Za-z0-9-]`.
pub const INSERT_ID_CHARS_MAX: usize = 36;

/// An event to send.
#[derive(Clone, Copy, Debug)]
pub struct EventOut<'a> {
    /// The event's name.
    pub name: &'a str,
    /// When it happened.
    pub time: TimestampMs,
    /// The person's token, or `""` where the vendor receives no id.
    pub distinct_id: &'a str,
    /// The event id's token, in the dialect's shape.
    pub insert_id: &'a str,
    /// The properties, minimized.
    pub properties: &'a [(Arc<str>, Value<'static>)],
}

/// Whom an update is about.
#[derive(Clone, Copy, Debug)]
pub enum SubjectOut<'a> {
    /// A person, by token: goes to `/engage`.
    Person {
        /// The person's token.
        distinct_id: &'a str,
    },
    /// A group, by token: goes to `/groups`.
    Group {
        /// The group key.
        key: &'a str,
        /// The group's token.
        id: &'a str,
    },
}

/// A profile or group update to send.
#[derive(Clone, Copy, Debug)]
pub struct UpdateOut<'a> {
    /// Whom it is about.
    pub subject: SubjectOut<'a>,
    /// What it does.
    pub operation: Operation,
    /// Property and operand, minimized.
    pub values: &'a [(Arc<str>, Value<'static>)],
}

#[cfg(test)]
mod tests;
