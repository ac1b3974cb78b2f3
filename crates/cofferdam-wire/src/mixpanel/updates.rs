//! `/engage` and `/groups` items to updates, one per operation.
//!
//! Values come from [`crate::json`]; the updates go to policy.
//! Invariant: an object is kept whole or rejected whole; `$ip`, `$latitude` and `$longitude`, which say where the person is, travel
//! among the values of `$set`, where policy classifies them, and are counted and dropped beside other operations.

use super::ids::{Id, text_of, without_device_prefix};
use super::when::time_of;
use crate::batch::{Batch, Rejected};
use crate::json::Member;
use crate::notes::bump;
use cofferdam_model::{
    IdentityClaim, Incoming, IncomingUpdate, Limits, Operation, Refusal, Subject, TimestampMs,
    Value,
};
use std::borrow::Cow;

type Reason = (Refusal, &'static str, &'static str);

/// Reads one `/engage` object into the batch.
pub(crate) fn person<'a>(
    index: u32,
    item: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    let read = |batch: &mut Batch<'a>| {
        let parts = Parts::read(item, limits, batch)?;
        let distinct_id = match parts.distinct_id {
            Id::Refused => return Err((Refusal::RefusedId, "$distinct_id", "the id names nobody")),
            Id::Absent => None,
            Id::Text(text) => Some(text),
        };
        let identity = IdentityClaim {
            distinct_id,
            device_id: parts.device_id.usable().map(without_device_prefix),
            user_id: parts.user_id.usable(),
            link: None,
        };
        for (field, id) in [
            ("$distinct_id", &identity.distinct_id),
            ("$device_id", &identity.device_id),
            ("$user_id", &identity.user_id),
        ] {
            check_length(field, id.as_deref(), limits)?;
        }
        let to = To {
            index,
            token: parts.token,
            subject: Subject::Person,
            time: parts.time,
            identity,
        };
        push(&to, parts.operations, batch);
        Ok(())
    };
    read(batch).map_err(|reason| rejected(index, reason))
}

/// Reads one `/groups` object into the batch.
pub(super) fn group<'a>(
    index: u32,
    item: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    let read = |batch: &mut Batch<'a>| {
        let parts = Parts::read(item, limits, batch)?;
        let key = text_of(&parts.group_key)
            .filter(|key| !key.is_empty())
            .ok_or((
                Refusal::Malformed,
                "$group_key",
                "a group update names its key",
            ))?;
        let id = text_of(&parts.group_id)
            .filter(|id| !id.is_empty())
            .ok_or((
                Refusal::RefusedId,
                "$group_id",
                "a group update names its group",
            ))?;
        check_length("$group_key", Some(&key), limits)?;
        check_length("$group_id", Some(&id), limits)?;
        let to = To {
            index,
            token: parts.token,
            subject: Subject::Group { key, id },
            time: parts.time,
            identity: IdentityClaim::default(),
        };
        push(&to, parts.operations, batch);
        Ok(())
    };
    read(batch).map_err(|reason| rejected(index, reason))
}

fn rejected(index: u32, (refusal, field, message): Reason) -> Rejected {
    Rejected {
        index,
        refusal,
        field,
        message,
    }
}

fn check_length(field: &'static str, id: Option<&str>, limits: &Limits) -> Result<(), Reason> {
    if id.is_some_and(|id| id.len() > limits.name_bytes_max) {
        Err((Refusal::TooLarge, field, "the id or name is too long"))
    } else {
        Ok(())
    }
}

/// The members of an update object.
struct Parts<'a> {
    token: Option<Cow<'a, str>>,
    time: Option<TimestampMs>,
    distinct_id: Id<'a>,
    device_id: Id<'a>,
    user_id: Id<'a>,
    group_key: Value<'a>,
    group_id: Value<'a>,
    operations: Vec<(Operation, Vec<Member<'a>>)>,
}

impl<'a> Parts<'a> {
    fn read(item: Value<'a>, limits: &Limits, batch: &mut Batch<'a>) -> Result<Self, Reason> {
        let Value::Object(members) = item else {
            return Err((Refusal::Malformed, "", "an update is an object"));
        };
        let mut parts = Self {
            token: None,
            time: None,
            distinct_id: Id::Absent,
            device_id: Id::Absent,
            user_id: Id::Absent,
            group_key: Value::Null,
            group_id: Value::Null,
            operations: Vec::new(),
        };
        let mut place = Vec::new();
        for (key, value) in members {
            match key.as_ref() {
                "$token" => parts.token = text_of(&value).filter(|token| !token.is_empty()),
                "$time" => {
                    parts.time = time_of(&value);
                    if parts.time.is_none() && value != Value::Null {
                        bump(&mut batch.notes.unusable_times);
                    }
                }
                "$distinct_id" => parts.distinct_id = Id::of(&value),
                "$device_id" => parts.device_id = counted(Id::of(&value), batch),
                "$user_id" => parts.user_id = counted(Id::of(&value), batch),
                "$group_key" => parts.group_key = value,
                "$group_id" => parts.group_id = value,
                "$ip" | "$latitude" | "$longitude" => place.push((key, value)),
                "$ignore_time" | "$ignore_alias" | "$had_persisted_distinct_id" => {}
                other => match operation(other) {
                    Some((operation, field)) => {
                        parts
                            .operations
                            .push((operation, operands(operation, field, value)?));
                    }
                    None => bump(&mut batch.notes.ignored_members),
                },
            }
        }
        parts.place(place, batch);
        parts.check(limits)?;
        Ok(parts)
    }

    /// Puts what says where the person is among the values of `$set`.
    fn place(&mut self, place: Vec<Member<'a>>, batch: &mut Batch<'a>) {
        let set = self
            .operations
            .iter_mut()
            .find(|(operation, _)| *operation == Operation::Set);
        let Some((_, values)) = set else {
            batch.notes.ignored_members += u32::try_from(place.len()).unwrap_or(u32::MAX);
            return;
        };
        for (key, value) in place {
            if values.iter().any(|(other, _)| *other == key) {
                bump(&mut batch.notes.ignored_members);
            } else {
                values.push((key, value));
            }
        }
    }

    fn check(&self, limits: &Limits) -> Result<(), Reason> {
        if self.operations.is_empty() {
            return Err((Refusal::Malformed, "", "an update has an operation"));
        }
        let values: usize = self.operations.iter().map(|(_, values)| values.len()).sum();
        if values > limits.properties_max {
            return Err((Refusal::TooManyFields, "", "there are too many properties"));
        }
        let names = self.operations.iter().flat_map(|(_, values)| values);
        for (name, _) in names {
            check_length("", Some(name), limits)?;
        }
        Ok(())
    }
}

fn counted<'a>(id: Id<'a>, batch: &mut Batch<'a>) -> Id<'a> {
    if id == Id::Refused {
        bump(&mut batch.notes.refused_ids);
    }
    id
}

fn operation(key: &str) -> Option<(Operation, &'static str)> {
    Some(match key {
        "$set" => (Operation::Set, "$set"),
        "$set_once" => (Operation::SetOnce, "$set_once"),
        "$unset" => (Operation::Unset, "$unset"),
        "$add" => (Operation::Add, "$add"),
        "$append" => (Operation::Append, "$append"),
        "$union" => (Operation::Union, "$union"),
        "$remove" => (Operation::Remove, "$remove"),
        "$delete" => (Operation::Delete, "$delete"),
        _ => return None,
    })
}

/// Names and operands; `$unset` lists names, `$delete` has none.
fn operands<'a>(
    operation: Operation,
    field: &'static str,
    value: Value<'a>,
) -> Result<Vec<Member<'a>>, Reason> {
    match (operation, value) {
        (Operation::Delete, _) => Ok(Vec::new()),
        (Operation::Unset, Value::Text(name)) => Ok(vec![(name, Value::Null)]),
        (Operation::Unset, Value::List(names)) => names
            .into_iter()
            .map(|name| match name {
                Value::Text(name) => Ok((name, Value::Null)),
                _ => Err((Refusal::Malformed, field, "it lists names")),
            })
            .collect(),
        (Operation::Unset, _) => Err((Refusal::Malformed, field, "it lists names")),
        (_, Value::Object(members)) => Ok(members),
        _ => Err((Refusal::Malformed, field, "it is an object")),
    }
}

/// What the updates of one object have in common.
struct To<'a> {
    index: u32,
    token: Option<Cow<'a, str>>,
    subject: Subject<'a>,
    time: Option<TimestampMs>,
    identity: IdentityClaim<'a>,
}

fn push<'a>(to: &To<'a>, operations: Vec<(Operation, Vec<Member<'a>>)>, batch: &mut Batch<'a>) {
    for (operation, values) in operations {
        batch.items.push(Incoming::Update(IncomingUpdate {
            index: to.index,
            token: to.token.clone(),
            subject: to.subject.clone(),
            operation,
            time: to.time,
            identity: to.identity.clone(),
            values,
        }));
    }
}

#[cfg(test)]
mod tests;
