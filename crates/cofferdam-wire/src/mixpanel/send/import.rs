//! Events as `/import` requests: strict, compressed, with the project token as Basic user.
//!
//! Invariant: the same pushes give the same bytes (gzip carries no time); no `ip`, and never an absent `distinct_id`.

use super::batch::{Array, Pushed, SendRequest, sendable};
use super::shape::{Adjusted, Shaped, Unsendable, check_id, check_insert_id, cut};
use super::{EventOut, PROPERTIES_MAX};
use cofferdam_model::TimestampMs;
use flate2::{Compression, GzBuilder};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::cell::Cell;
use std::fmt;
use std::io::Write;

/// 1971-01-01T00:00:00Z, before which the vendor refuses events, milliseconds.
const OLDEST_MS: i64 = 31_536_000_000;
/// How far ahead a time may lie, milliseconds.
const AHEAD_MS_MAX: i64 = 3_600_000;
/// Properties that the protocol itself fills: `distinct_id`, `time`, `$insert_id`.
const OWN_PROPERTIES: usize = 3;
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
