//! What a vendor was told of profiles: the absolute values that make an operation repeatable.
//!
//! Filled by the feed while it makes items, kept by the worker once their batch is durable. A value counts as known only from
//! its `$set` on, and only while everything that happened to it since went to this vendor: what the vendor was not to have can
//! never come back with a later operation. Forgetting is always safe: the operation then goes once, as it is.
//! Invariant: holds only what was made for this vendor under the terms in force; bounded.

use cofferdam_model::{Operation, OrganizationNumber, PersonNumber, ProjectName, Refusal, Value};
use cofferdam_policy::{Record, VendorSubject, VendorUpdate};
use std::collections::HashMap;
use std::sync::Arc;

/// Most profiles and groups remembered; beyond, all are forgotten.
const SUBJECTS_MAX: usize = 20_000;
/// Most values of one of them.
const VALUES_MAX: usize = 100;
/// Largest value remembered, bytes of text in it plus one for each part.
const VALUE_SIZE_MAX: usize = 4_096;

type Values = Vec<(Arc<str>, Value<'static>)>;

/// Whom a record is about, as Cofferdam knows them; a vendor may know one person under several ids.
type Who = (ProjectName, PersonNumber, Option<OrganizationNumber>);

/// What one vendor was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    known: HashMap<Who, Vec<(VendorSubject, Values)>>,
}

impl Told {
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// Something about them was withheld as a whole.
    pub(crate) fn forget(&mut self, record: &Record) {
        self.known.remove(&who(record));
    }

    /// These fields were withheld; paths with their prefix.
    pub(crate) fn forget_fields(&mut self, record: &Record, withheld: &[(Arc<str>, Refusal)]) {
        if withheld.is_empty() || self.known.is_empty() {
            return;
        }
        let Some(subjects) = self.known.get_mut(&who(record)) else {
            return;
        };
        for (path, _) in withheld {
            let path = path.split_once('.').map_or(&**path, |(_, rest)| rest);
            for (_, values) in subjects.iter_mut() {
                values.retain(|(name, _)| !is_in(path, name));
            }
        }
    }

    /// Notes what goes out. An operation that must not be doubled comes back as the setting of what it leads to, where all of
    /// that is known.
    pub(crate) fn note(&mut self, record: &Record, update: VendorUpdate) -> VendorUpdate {
        let operation = update.operation;
        if operation == Operation::Delete {
            self.forget(record);
            return update;
        }
        if self.known.len() >= SUBJECTS_MAX {
            self.clear();
        }
        let subjects = self.known.entry(who(record)).or_default();
        let at = subjects.iter().position(|(of, _)| *of == update.subject);
        let at = at.unwrap_or_else(|| {
            subjects.push((update.subject.clone(), Values::new()));
            subjects.len() - 1
        });
        let Some((_, values)) = subjects.get_mut(at) else {
            return update;
        };
        let absolute: Vec<_> = update
            .values
            .iter()
            .map(|(name, operand)| {
                let before = take(values, name);
                // Of what was never set nobody knows what the vendor has.
                let is_known = before.is_some() || operation == Operation::Set;
                let after = is_known
                    .then(|| operation.applied(before, operand.clone()))
                    .flatten()?;
                Some((Arc::clone(name), after))
            })
            .collect();
        // Where a part goes once, its outcome may stay unknown, so that nothing of the update is kept.
        let Some(absolute) = absolute.into_iter().collect::<Option<Values>>() else {
            return update;
        };
        let kept = absolute
            .iter()
            .filter(|(_, value)| size(value) <= VALUE_SIZE_MAX)
            .take(VALUES_MAX.saturating_sub(values.len()));
        values.extend(kept.cloned());
        if operation.doubles() {
            return VendorUpdate {
                operation: Operation::Set,
                values: absolute,
                ..update
            };
        }
        update
    }
}

fn who(record: &Record) -> Who {
    let organization = match record.person() {
        PersonNumber::ORGANIZATIONS => record.organization(),
        _ => None,
    };
    (record.project().clone(), record.person(), organization)
}

/// Whether a path is a name or in it.
fn is_in(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '?', '#', '@']))
}

fn take(values: &mut Values, name: &str) -> Option<Value<'static>> {
    let at = values.iter().position(|(known, _)| &**known == name)?;
    Some(values.swap_remove(at).1)
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len() + 1,
        Value::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(members) => {
            let member =
                |(key, value): &(std::borrow::Cow<'_, str>, Value<'_>)| key.len() + size(value);
            members.iter().map(member).sum::<usize>() + 1
        }
        _ => 1,
    }
}
