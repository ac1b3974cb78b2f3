//! A line of PostHog's event export as the event, and the profile updates, that it was.
//!
//! Invariant: `uuid` is the event's id and `timestamp` its time; `$set` and `$set_once` become updates of the same line, after it.

use crate::batch::{Batch, Rejected};
use crate::json::Member;
use crate::mixpanel;
use crate::notes::bump;
use cofferdam_model::{Limits, Refusal, Value};
use std::borrow::Cow;

/// Reads one line's object into the batch.
pub(super) fn event<'a>(
    index: u32,
    value: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    let reject = |field, message| Rejected {
        index,
        refusal: Refusal::Malformed,
        field,
        message,
    };
    let Value::Object(members) = value else {
        return Err(reject("", "an event is an object"));
    };
    let (mut name, mut id, mut time, mut uuid) =
        (Value::Null, Value::Null, Value::Null, Value::Null);
    let mut properties: Vec<Member<'a>> = Vec::new();
    for (key, value) in members {
        match (key.as_ref(), value) {
            ("event", value) => name = value,
            ("distinct_id", value) => id = value,
            ("timestamp", value) => time = value,
            ("uuid", value) => uuid = value,
            ("properties", Value::Object(members)) => properties = members,
            ("properties", Value::Null) => {}
            ("properties", _) => return Err(reject("properties", "properties are an object")),
            _ => bump(&mut batch.notes.ignored_members),
        }
    }
    let updates = take_own(&mut properties, &mut id);
    for (key, value) in [
        ("time", time.clone()),
        ("distinct_id", id.clone()),
        ("$insert_id", uuid),
    ] {
        properties.push((Cow::Borrowed(key), value));
    }
    let event = vec![
        (Cow::Borrowed("event"), name),
        (Cow::Borrowed("properties"), Value::Object(properties)),
    ];
    super::event(index, Value::Object(event), limits, batch)?;
    if updates.is_empty() {
        return Ok(());
    }
    let mut update = updates;
    update.push((Cow::Borrowed("$distinct_id"), id));
    update.push((Cow::Borrowed("$time"), time));
    mixpanel::person(index, Value::Object(update), limits, batch)
}

/// Takes out what stands beside the properties as well, and the profile operations; the id where only the properties have it.
fn take_own<'a>(properties: &mut Vec<Member<'a>>, id: &mut Value<'a>) -> Vec<Member<'a>> {
    let mut updates = Vec::new();
    properties.retain_mut(|(key, value)| {
        match key.as_ref() {
            "$set" | "$set_once" => {
                let value = std::mem::replace(value, Value::Null);
                if matches!(&value, Value::Object(members) if !members.is_empty()) {
                    updates.push((key.clone(), value));
                }
            }
            "distinct_id" => {
                let value = std::mem::replace(value, Value::Null);
                if *id == Value::Null {
                    *id = value;
                }
            }
            "time" | "$insert_id" | "token" => {}
            _ => return true,
        }
        false
    });
    updates
}
