//! Values in the shapes that the vendor takes: depth, lengths, ids.
//!
//! Invariant: what is written is valid JSON within the vendor's limits; what had to be cut or flattened is counted.

use super::{ELEMENTS_MAX, INSERT_ID_CHARS_MAX, NESTING_MAX, TEXT_CHARS_MAX};
use crate::mixpanel::is_refused_id;
use cofferdam_model::Value;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::borrow::Cow;
use std::cell::Cell;

/// Why an event or update can never be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It has no name.
    #[error("the event has no name")]
    NoName,
    /// The time is before 1971 or more than an hour ahead.
    #[error("the time is before 1971 or in the future")]
    Time,
    /// The id is one that the vendor refuses.
    #[error("the id names nobody")]
    RefusedId,
    /// An update needs an id, and has none.
    #[error("the update has no id")]
    NoId,
    /// The `$insert_id` has a character or a length that the vendor refuses.
    #[error("the insert id is not in the vendor's shape")]
    InsertId,
    /// It is larger than the vendor takes.
    #[error("the item is too large")]
    TooLarge,
    /// The vendor has no such operation for groups.
    #[error("the vendor has no such operation for groups")]
    Operation,
}

/// What had to be changed to fit the vendor, as counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjusted {
    /// Texts cut at [`TEXT_CHARS_MAX`] characters.
    pub texts_cut: u32,
    /// Arrays and objects cut at [`ELEMENTS_MAX`] elements.
    pub lists_cut: u32,
    /// Values nested deeper than [`NESTING_MAX`] and written as JSON text.
    pub flattened: u32,
    /// Properties beyond the limit, or with a name that the protocol keeps for itself, left out.
    pub properties_dropped: u32,
}

impl Adjusted {
    pub(super) fn add(&mut self, other: &Self) {
        self.texts_cut += other.texts_cut;
        self.lists_cut += other.lists_cut;
        self.flattened += other.flattened;
        self.properties_dropped += other.properties_dropped;
    }
}

/// Whether the id has a shape that the vendor accepts; empty is accepted for events.
pub(super) fn check_id(id: &str) -> Result<(), Unsendable> {
    if is_refused_id(id) || id.chars().count() > TEXT_CHARS_MAX {
        Err(Unsendable::RefusedId)
    } else {
        Ok(())
    }
}

pub(super) fn check_insert_id(id: &str) -> Result<(), Unsendable> {
    let fits = !id.is_empty()
        && id.len() <= INSERT_ID_CHARS_MAX
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !is_refused_id(id);
    if fits {
        Ok(())
    } else {
        Err(Unsendable::InsertId)
    }
}

/// Text cut at a character boundary.
pub(super) fn cut<'a>(text: &'a str, adjusted: &Cell<Adjusted>) -> &'a str {
    if text.len() <= TEXT_CHARS_MAX {
        return text;
    }
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text,
        Some((end, _)) => {
            count(adjusted, |adjusted| adjusted.texts_cut += 1);
            text.get(..end).unwrap_or_default()
        }
    }
}

pub(super) fn count(adjusted: &Cell<Adjusted>, change: impl FnOnce(&mut Adjusted)) {
    let mut counts = adjusted.get();
    change(&mut counts);
    adjusted.set(counts);
}

/// A value as it is written at a depth, `properties` being 1.
pub(super) struct Shaped<'a> {
    pub(super) value: &'a Value<'a>,
    pub(super) depth: usize,
    pub(super) adjusted: &'a Cell<Adjusted>,
}

impl Shaped<'_> {
    fn flat<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        count(self.adjusted, |adjusted| adjusted.flattened += 1);
        let text = serde_json::to_string(self.value).unwrap_or_default();
        serializer.serialize_str(cut(&text, self.adjusted))
    }
}

impl Serialize for Shaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |value| Shaped {
            value,
            depth: self.depth + 1,
            adjusted: self.adjusted,
        };
        let too_deep = self.depth >= NESTING_MAX;
        match self.value {
            Value::Text(text) => serializer.serialize_str(cut(text, self.adjusted)),
            Value::List(_) | Value::Object(_) if too_deep => self.flat(serializer),
            Value::List(items) => {
                let length = self.cut_length(items.len());
                let mut list = serializer.serialize_seq(Some(length))?;
                for value in items.iter().take(length) {
                    list.serialize_element(&inner(value))?;
                }
                list.end()
            }
            Value::Object(members) => {
                let length = self.cut_length(members.len());
                let mut map = serializer.serialize_map(Some(length))?;
                for (key, value) in members_cut(members, self.adjusted).take(length) {
                    map.serialize_entry(&key, &inner(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

impl Shaped<'_> {
    fn cut_length(&self, length: usize) -> usize {
        if length > ELEMENTS_MAX {
            count(self.adjusted, |adjusted| adjusted.lists_cut += 1);
        }
        length.min(ELEMENTS_MAX)
    }
}

/// Members with their keys cut. Intake's limit on names keeps cut keys apart.
fn members_cut<'a>(
    members: &'a [(Cow<'a, str>, Value<'a>)],
    adjusted: &'a Cell<Adjusted>,
) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> {
    members
        .iter()
        .map(move |(key, value)| (cut(key, adjusted), value))
}
