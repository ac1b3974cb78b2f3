//! `/track` and `/import` items to events.
//!
//! Values come from [`crate::json`]; the event goes to policy, and its identity claim to the vault.
//! Invariant: every id in a property stays in the properties too, where policy sees it; only `token`, `time`, `$insert_id` and
//! `distinct_id` leave them. An id that names nobody never joins people.

use super::ids::{Id, text_of, without_device_prefix};
use super::when::time_of;
use crate::batch::{Batch, Rejected};
use crate::json::Member;
use crate::notes::{Notes, bump};
use cofferdam_model::{IdentityClaim, Incoming, IncomingEvent, Limits, LinkKind, Refusal, Value};
use std::borrow::Cow;

/// Reads one item into the batch.
pub(crate) fn event<'a>(
    index: u32,
    item: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    let reject = |refusal, field, message| Rejected {
        index,
        refusal,
        field,
        message,
    };
    let Value::Object(members) = item else {
        return Err(reject(Refusal::Malformed, "", "an event is an object"));
    };
    let mut name = Value::Null;
    let mut properties = Vec::new();
    for (key, value) in members {
        match (key.as_ref(), value) {
            ("event", value) => name = value,
            ("properties", Value::Object(members)) => properties = members,
            ("properties", Value::Null) => {}
            ("properties", _) => {
                return Err(reject(
                    Refusal::Malformed,
                    "properties",
                    "properties are an object",
                ));
            }
            _ => bump(&mut batch.notes.ignored_members),
        }
    }
    let name = text_of(&name)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| reject(Refusal::MissingEventName, "event", "an event has a name"))?;
    if name.len() > limits.name_bytes_max {
        return Err(reject(Refusal::TooLarge, "event", "the name is too long"));
    }
    if properties.len() > limits.properties_max {
        return Err(reject(
            Refusal::TooManyFields,
            "properties",
            "there are too many properties",
        ));
    }
    let own = take_own(&mut properties);
    let identity = identity(&name, &own, &properties, &mut batch.notes)
        .map_err(|field| reject(Refusal::RefusedId, field, "the id names nobody"))?;
    check_lengths(&identity, &own, limits)
        .map_err(|field| reject(Refusal::TooLarge, field, "the id is too long"))?;
    let time = own.time.as_ref().and_then(time_of);
    if time.is_none() && own.time.is_some_and(|value| value != Value::Null) {
        bump(&mut batch.notes.unusable_times);
    }
    let insert_id = match Id::of(&own.insert_id) {
        Id::Refused => {
            bump(&mut batch.notes.refused_ids);
            None
        }
        id => id.usable(),
    };
    batch.items.push(Incoming::Event(IncomingEvent {
        index,
        token: text_of(&own.token).filter(|token| !token.is_empty()),
        name,
        time,
        insert_id,
        identity,
        properties,
    }));
    Ok(())
}

/// The members that belong to the event itself and not to its properties.
struct Own<'a> {
    token: Value<'a>,
    time: Option<Value<'a>>,
    insert_id: Value<'a>,
    distinct_id: Value<'a>,
    device_id: Option<Id<'a>>,
    user_id: Option<Id<'a>>,
}

/// Lengths of the keys that [`take_own`] looks for, so that most keys are passed by at once.
const OWN_LENGTHS: [usize; 5] = [4, 5, 8, 10, 11];

fn take_own<'a>(properties: &mut Vec<Member<'a>>) -> Own<'a> {
    let mut own = Own {
        token: Value::Null,
        time: None,
        insert_id: Value::Null,
        distinct_id: Value::Null,
        device_id: None,
        user_id: None,
    };
    properties.retain_mut(|(key, value)| {
        if !(OWN_LENGTHS.contains(&key.len())) {
            return true;
        }
        let mut take = || std::mem::replace(value, Value::Null);
        match key.as_ref() {
            "token" => own.token = take(),
            "time" => own.time = Some(take()),
            "$insert_id" => own.insert_id = take(),
            "distinct_id" => own.distinct_id = take(),
            "$device_id" => {
                own.device_id = Some(Id::of(value));
                return true;
            }
            "$user_id" => {
                own.user_id = Some(Id::of(value));
                return true;
            }
            _ => return true,
        }
        false
    });
    own
}

/// The claim; the error is the field of an id that the vendor would refuse the event for.
fn identity<'a>(
    name: &str,
    own: &Own<'a>,
    properties: &[Member<'a>],
    notes: &mut Notes,
) -> Result<IdentityClaim<'a>, &'static str> {
    let distinct_id = match Id::of(&own.distinct_id) {
        Id::Refused => return Err("properties.distinct_id"),
        Id::Absent => None,
        Id::Text(text) => Some(text),
    };
    let mut claim = IdentityClaim {
        distinct_id,
        device_id: usable(own.device_id.clone(), notes).map(without_device_prefix),
        user_id: usable(own.user_id.clone(), notes),
        link: None,
    };
    match name {
        "$identify" => identify(&mut claim, properties, notes),
        "$create_alias" => create_alias(&mut claim, properties)?,
        "$merge" => merge(&mut claim, properties)?,
        _ => {}
    }
    Ok(claim)
}

fn usable<'a>(id: Option<Id<'a>>, notes: &mut Notes) -> Option<Cow<'a, str>> {
    let id = id?;
    if id == Id::Refused {
        bump(&mut notes.refused_ids);
    }
    id.usable()
}

fn property<'a>(properties: &[Member<'a>], key: &str) -> Option<Id<'a>> {
    properties
        .iter()
        .find(|(found, _)| found == key)
        .map(|(_, value)| Id::of(value))
}

/// `$identify`: SDKs say `$anon_distinct_id` and `distinct_id`, the HTTP documentation `$anon_id` and `$identified_id`.
fn identify<'a>(claim: &mut IdentityClaim<'a>, properties: &[Member<'a>], notes: &mut Notes) {
    let anonymous =
        property(properties, "$anon_distinct_id").or_else(|| property(properties, "$anon_id"));
    let anonymous = usable(anonymous, notes);
    let identified = usable(property(properties, "$identified_id"), notes)
        .or_else(|| claim.distinct_id.clone().filter(|id| !id.is_empty()))
        .or_else(|| claim.user_id.clone());
    if claim.distinct_id.is_none() {
        claim.distinct_id.clone_from(&identified);
    }
    if let (Some(anonymous), Some(identified)) = (anonymous, identified)
        && anonymous != identified
    {
        claim.link = Some((LinkKind::Identify, anonymous, identified));
    }
}

fn create_alias<'a>(
    claim: &mut IdentityClaim<'a>,
    properties: &[Member<'a>],
) -> Result<(), &'static str> {
    let alias = match property(properties, "alias") {
        Some(Id::Refused) => return Err("properties.alias"),
        id => id.and_then(Id::usable),
    };
    if let (Some(alias), Some(id)) = (alias, claim.distinct_id.clone().filter(|id| !id.is_empty()))
        && alias != id
    {
        claim.link = Some((LinkKind::Alias, alias, id));
    }
    Ok(())
}

fn merge<'a>(claim: &mut IdentityClaim<'a>, properties: &[Member<'a>]) -> Result<(), &'static str> {
    const FIELD: &str = "properties.$distinct_ids";
    let ids = properties.iter().find(|(key, _)| key == "$distinct_ids");
    let Some((_, Value::List(ids))) = ids else {
        return Err(FIELD);
    };
    let [first, second] = ids.as_slice() else {
        return Err(FIELD);
    };
    let (Some(first), Some(second)) = (Id::of(first).usable(), Id::of(second).usable()) else {
        return Err(FIELD);
    };
    if claim.distinct_id.is_none() {
        claim.distinct_id = Some(first.clone());
    }
    if first != second {
        claim.link = Some((LinkKind::Merge, first, second));
    }
    Ok(())
}

fn check_lengths(
    claim: &IdentityClaim<'_>,
    own: &Own<'_>,
    limits: &Limits,
) -> Result<(), &'static str> {
    let too_long = |id: &Option<Cow<'_, str>>| {
        id.as_ref()
            .is_some_and(|id| id.len() > limits.name_bytes_max)
    };
    let link = claim.link.as_ref();
    let long_link =
        link.is_some_and(|(_, one, other)| one.len().max(other.len()) > limits.name_bytes_max);
    let long_insert_id = own
        .insert_id
        .as_text()
        .is_some_and(|id| id.len() > limits.name_bytes_max);
    if too_long(&claim.distinct_id) {
        Err("properties.distinct_id")
    } else if too_long(&claim.device_id) {
        Err("properties.$device_id")
    } else if too_long(&claim.user_id) {
        Err("properties.$user_id")
    } else if long_link {
        Err("properties")
    } else if long_insert_id {
        Err("properties.$insert_id")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
