//! Profile and group updates as `/engage` and `/groups` requests.
//!
//! Invariant: every object names its token and its subject; an operation that the vendor lacks for groups never goes.

use super::batch::{Array, Pushed, SendRequest, sendable};
use super::shape::{Adjusted, Shaped, Unsendable, check_id, cut};
use super::{ITEMS_MAX, SubjectOut, UpdateOut};
use cofferdam_model::Operation;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::cell::Cell;
use std::fmt;

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
                map.serialize_entry("$distinct_id", distinct_id)?;
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
