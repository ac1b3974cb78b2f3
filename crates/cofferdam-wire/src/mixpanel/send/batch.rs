//! Builds the vendor's requests: `/import` for events, `/engage` and `/groups` for updates.
//!
//! Items are pushed until one does not fit; what `finish` gives goes to the guarded client as it is.
//! Invariant: a request never passes the vendor's limits, and the same pushes give the same bytes (gzip carries no time).

use super::shape::{Adjusted, Shaped, Unsendable, check_id, check_insert_id, count, cut};
use super::{
    EVENT_BYTES_MAX, EventOut, ITEMS_MAX, PROPERTIES_MAX, REQUEST_BYTES_MAX, SubjectOut, UpdateOut,
};
use cofferdam_model::{Operation, TimestampMs, Value};
use flate2::{Compression, GzBuilder};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

/// 1971-01-01T00:00:00Z, before which the vendor refuses events, milliseconds.
const OLDEST_MS: i64 = 31_536_000_000;
/// How far ahead a time may lie, milliseconds.
const AHEAD_MS_MAX: i64 = 3_600_000;
/// Properties that the protocol itself fills: `distinct_id`, `time`, `$insert_id`.
const OWN_PROPERTIES: usize = 3;
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
struct Array {
    json: Vec<u8>,
    items: usize,
    adjusted: Adjusted,
}

impl Array {
    fn push(
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

    fn finish(mut self) -> Vec<u8> {
        if self.items == 0 {
            self.json.push(b'[');
        }
        self.json.push(b']');
        self.json
    }
}

/// Events for `/import`.
pub struct ImportBatch {
    array: Array,
    now: TimestampMs,
}

impl fmt::Debug for ImportBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportBatch")
            .field("items", &self.array.items)
            .finish_non_exhaustive()
    }
}

impl ImportBatch {
    /// An empty batch; `now` is what the vendor's clock shows about when it arrives.
    #[must_use]
    pub fn new(now: TimestampMs) -> Self {
        Self {
            array: Array::default(),
            now,
        }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When the vendor would never take it; the batch is as before.
    pub fn push(&mut self, event: &EventOut<'_>) -> Result<Pushed, Unsendable> {
        if event.name.is_empty() {
            return Err(Unsendable::NoName);
        }
        if !(OLDEST_MS..=self.now.0.saturating_add(AHEAD_MS_MAX)).contains(&event.time.0) {
            return Err(Unsendable::Time);
        }
        check_id(event.distinct_id)?;
        check_insert_id(event.insert_id)?;
        let adjusted = Cell::new(Adjusted::default());
        self.array.push(
            &EventJson {
                event,
                adjusted: &adjusted,
            },
            &adjusted,
        )
    }

    /// Events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.array.items
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.array.items == 0
    }

    /// What had to be changed to fit the vendor.
    #[must_use]
    pub fn adjusted(&self) -> Adjusted {
        self.array.adjusted
    }

    /// The request, with the project token as Basic user. `project_id` is only needed by service accounts.
    #[must_use]
    pub fn finish(self, token: &str, project_id: Option<&str>) -> SendRequest {
        let items = self.array.items;
        let mut path_and_query = "/import?strict=1".to_owned();
        if let Some(id) = project_id {
            path_and_query.push_str("&project_id=");
            path_and_query.extend(id.chars().filter(char::is_ascii_alphanumeric));
        }
        let user = base64_simd::STANDARD.encode_to_string(format!("{token}:"));
        SendRequest {
            path_and_query,
            headers: vec![
                ("authorization", format!("Basic {user}")),
                ("content-type", "application/json".to_owned()),
                ("content-encoding", "gzip".to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            body: gzip(&self.array.finish()),
            items,
        }
    }
}

/// Writing to memory does not fail; an empty body is what the vendor would refuse.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let packed = Vec::with_capacity(bytes.len() / 4);
    let mut encoder = GzBuilder::new().mtime(0).write(packed, Compression::fast());
    let written = encoder.write_all(bytes);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

struct EventJson<'a> {
    event: &'a EventOut<'a>,
    adjusted: &'a Cell<Adjusted>,
}

impl Serialize for EventJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("event", cut(self.event.name, self.adjusted))?;
        let properties = PropertiesJson {
            event: self.event,
            adjusted: self.adjusted,
        };
        map.serialize_entry("properties", &properties)?;
        map.end()
    }
}

struct PropertiesJson<'a> {
    event: &'a EventOut<'a>,
    adjusted: &'a Cell<Adjusted>,
}

impl Serialize for PropertiesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("distinct_id", self.event.distinct_id)?;
        map.serialize_entry("time", &self.event.time)?;
        map.serialize_entry("$insert_id", self.event.insert_id)?;
        let most = PROPERTIES_MAX - OWN_PROPERTIES;
        for (name, value) in sendable(self.event.properties, most, self.adjusted) {
            map.serialize_entry(
                name,
                &Shaped {
                    value,
                    depth: 1,
                    adjusted: self.adjusted,
                },
            )?;
        }
        map.end()
    }
}

/// The properties that may go, at most so many; the rest is counted.
fn sendable<'a>(
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

/// Updates for `/engage` or `/groups`.
pub struct UpdateBatch {
    array: Array,
    token: String,
    groups: bool,
}

impl fmt::Debug for UpdateBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateBatch")
            .field("items", &self.array.items)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl UpdateBatch {
    /// An empty batch of updates of people, for the project with this token.
    #[must_use]
    pub fn people(token: &str) -> Self {
        Self {
            array: Array::default(),
            token: token.to_owned(),
            groups: false,
        }
    }

    /// An empty batch of updates of groups, for the project with this token.
    #[must_use]
    pub fn groups(token: &str) -> Self {
        Self {
            groups: true,
            ..Self::people(token)
        }
    }

    /// Adds an update. [`Pushed::Full`] also for an update of the other kind of subject.
    ///
    /// # Errors
    /// When the vendor would never take it; the batch is as before.
    pub fn push(&mut self, update: &UpdateOut<'_>) -> Result<Pushed, Unsendable> {
        let id = match update.subject {
            SubjectOut::Person { distinct_id } => distinct_id,
            SubjectOut::Group { id, key } if !key.is_empty() => id,
            SubjectOut::Group { .. } => return Err(Unsendable::NoId),
        };
        let is_group = matches!(update.subject, SubjectOut::Group { .. });
        if id.is_empty() {
            return Err(Unsendable::NoId);
        }
        check_id(id)?;
        if is_group && matches!(update.operation, Operation::Add | Operation::Append) {
            return Err(Unsendable::Operation);
        }
        if is_group != self.groups {
            return Ok(Pushed::Full);
        }
        let adjusted = Cell::new(Adjusted::default());
        let json = UpdateJson {
            update,
            token: &self.token,
            adjusted: &adjusted,
        };
        self.array.push(&json, &adjusted)
    }

    /// Updates so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.array.items
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.array.items == 0
    }

    /// What had to be changed to fit the vendor.
    #[must_use]
    pub fn adjusted(&self) -> Adjusted {
        self.array.adjusted
    }

    /// The request. `ip=0`: the vendor must not take our own address for the person's.
    #[must_use]
    pub fn finish(self) -> SendRequest {
        let path = if self.groups { "/groups" } else { "/engage" };
        SendRequest {
            path_and_query: format!("{path}?verbose=1&ip=0"),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            items: self.array.items,
            body: self.array.finish(),
        }
    }
}

struct UpdateJson<'a> {
    update: &'a UpdateOut<'a>,
    token: &'a str,
    adjusted: &'a Cell<Adjusted>,
}

impl Serialize for UpdateJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$token", self.token)?;
        match self.update.subject {
            SubjectOut::Person { distinct_id } => {
                map.serialize_entry("$distinct_id", distinct_id)?
            }
            SubjectOut::Group { key, id } => {
                map.serialize_entry("$group_key", cut(key, self.adjusted))?;
                map.serialize_entry("$group_id", id)?;
            }
        }
        let operands = OperandsJson {
            update: self.update,
            adjusted: self.adjusted,
        };
        match self.update.operation {
            Operation::Set => map.serialize_entry("$set", &operands)?,
            Operation::SetOnce => map.serialize_entry("$set_once", &operands)?,
            Operation::Add => map.serialize_entry("$add", &operands)?,
            Operation::Append => map.serialize_entry("$append", &operands)?,
            Operation::Union => map.serialize_entry("$union", &operands)?,
            Operation::Remove => map.serialize_entry("$remove", &operands)?,
            Operation::Delete => map.serialize_entry("$delete", "")?,
            Operation::Unset => {
                let names: Vec<&str> = sendable(self.update.values, ITEMS_MAX, self.adjusted)
                    .map(|(name, _)| name)
                    .collect();
                map.serialize_entry("$unset", &names)?;
            }
        }
        map.end()
    }
}

struct OperandsJson<'a> {
    update: &'a UpdateOut<'a>,
    adjusted: &'a Cell<Adjusted>,
}

impl Serialize for OperandsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in sendable(self.update.values, ITEMS_MAX, self.adjusted) {
            map.serialize_entry(
                name,
                &Shaped {
                    value,
                    depth: 1,
                    adjusted: self.adjusted,
                },
            )?;
        }
        map.end()
    }
}
