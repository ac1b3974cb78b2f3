//! What both kinds of vendor request share: the array within the vendor's limits, the request, the names that never go.
//!
//! Items are pushed until one does not fit; what `finish` gives goes to the guarded client as it is.
//! Invariant: a request never passes the vendor's limits, and a refused item leaves the array as it was.

use super::shape::{Adjusted, Unsendable, count, cut};
use super::{EVENT_BYTES_MAX, ITEMS_MAX, REQUEST_BYTES_MAX};
use cofferdam_model::Value;
use serde::Serialize;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// Property names that mean something else to the vendor than a property.
const RESERVED: &[&str] = &[
    "token",
    "time",
    "distinct_id",
    "$insert_id",
    "ip",
    "$ip",
    "$ignore",
    "",
];

/// A request for the guarded client. Debug output hides the credentials and the body.
#[derive(Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// Path and query below the vendor's endpoint; always POST.
    pub path_and_query: String,
    /// Headers, lower-case names; `authorization` is a secret.
    pub headers: Vec<(&'static str, String)>,
    /// The body, compressed if the headers say so.
    pub body: Vec<u8>,
    /// How many events or updates the body holds.
    pub items: usize,
}

impl fmt::Debug for SendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRequest")
            .field("items", &self.items)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Whether an item fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the batch.
    Added,
    /// The batch is full; it belongs into the next one.
    Full,
}

/// A JSON array under construction, within the vendor's limits.
#[derive(Default)]
pub(super) struct Array {
    json: Vec<u8>,
    pub(super) items: usize,
    pub(super) adjusted: Adjusted,
}

impl Array {
    pub(super) fn push(
        &mut self,
        item: &impl Serialize,
        adjusted: &Cell<Adjusted>,
    ) -> Result<Pushed, Unsendable> {
        if self.items >= ITEMS_MAX {
            return Ok(Pushed::Full);
        }
        let before = self.json.len();
        self.json.push(if self.items == 0 { b'[' } else { b',' });
        let written = serde_json::to_writer(&mut self.json, item);
        let item_bytes = self.json.len() - before;
        let fits = self.json.len() < REQUEST_BYTES_MAX;
        if written.is_err() || item_bytes > EVENT_BYTES_MAX {
            self.json.truncate(before);
            return Err(Unsendable::TooLarge);
        }
        if !fits {
            self.json.truncate(before);
            return Ok(Pushed::Full);
        }
        self.items += 1;
        self.adjusted.add(&adjusted.get());
        Ok(Pushed::Added)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.items == 0 {
            self.json.push(b'[');
        }
        self.json.push(b']');
        self.json
    }
}

/// The properties that may go, at most so many; the rest is counted.
pub(super) fn sendable<'a>(
    properties: &'a [(Arc<str>, Value<'static>)],
    most: usize,
    adjusted: &'a Cell<Adjusted>,
) -> impl Iterator<Item = (&'a str, &'a Value<'static>)> {
    let dropped = || count(adjusted, |adjusted| adjusted.properties_dropped += 1);
    let mut left = most;
    properties.iter().filter_map(move |(name, value)| {
        if RESERVED.contains(&&**name) || left == 0 {
            dropped();
            return None;
        }
        left -= 1;
        Some((cut(name, adjusted), value))
    })
}
