//! Exports that vendors hand out, a line at a time: Mixpanel's raw export and profiles, PostHog's events.
//!
//! The server's imports hand over a stretch of lines and get the same [`Incoming`] items as from an SDK, each with the line as its
//! index. What is a line in CSV is turned into one of Mixpanel's first ([`csv`]).
//! Invariant: a line that cannot be read is rejected by its number and takes no other with it; an event without a time is
//! rejected, because an old event must not become one of today.

pub mod csv;
mod posthog;

use crate::batch::{Batch, Rejected};
use crate::json::{self, Caps};
use crate::mixpanel;
use crate::notes::Notes;
use cofferdam_model::{Incoming, Limits, Refusal, Value};
use std::borrow::Cow;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Mixpanel's raw event export: `{"event", "properties": {"time", "distinct_id", "$insert_id", …}}` a line.
    MixpanelEvents,
    /// Mixpanel's profiles: `{"$distinct_id", "$properties"}` a line, or pages of them with `results`.
    MixpanelPeople,
    /// PostHog's events: `{"uuid", "event", "distinct_id", "timestamp", "properties"}` a line.
    PosthogEvents,
}

/// Longest line, bytes: a page of a thousand profiles is one.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Levels of a page and of an item above the properties.
const PAYLOAD_DEPTH: usize = 4;
/// Most fields of a page.
const PAGE_FIELDS_MAX: usize = 500_000;

/// Makes text of a stretch of a file; what was repaired is counted.
#[must_use]
pub fn text(bytes: Vec<u8>, notes: &mut Notes) -> String {
    crate::utf8::to_text(bytes, notes)
}

/// Reads lines; the index of every item and rejection is its line, from 0. Empty lines are passed over.
#[must_use]
pub fn read<'a>(format: ExportFormat, text: &'a str, limits: &Limits) -> Batch<'a> {
    let mut caps = Caps::new(limits, PAYLOAD_DEPTH, mixpanel::is_id_key);
    if format == ExportFormat::MixpanelPeople {
        caps.item_bytes_max = LINE_BYTES_MAX;
        caps.item_fields_max = PAGE_FIELDS_MAX;
    }
    let mut batch = Batch::default();
    for (index, line) in (0_u32..).zip(text.split('\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let values = match json::parse(line, &caps, &mut batch.notes) {
            Ok(values) => values,
            Err(problem) => {
                batch.rejected.push(Rejected {
                    index,
                    refusal: problem.refusal(),
                    field: "",
                    message: "the line is not a JSON object",
                });
                continue;
            }
        };
        for value in values {
            let read = match value {
                Ok(value) => item(format, index, value, limits, &mut batch),
                Err(refused) => Err(Rejected {
                    index,
                    refusal: refused.refusal,
                    field: "",
                    message: refused.message,
                }),
            };
            batch.rejected.extend(read.err());
        }
    }
    batch
}

fn item<'a>(
    format: ExportFormat,
    index: u32,
    value: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    match format {
        ExportFormat::MixpanelEvents => event(index, value, limits, batch),
        ExportFormat::PosthogEvents => posthog::event(index, value, limits, batch),
        ExportFormat::MixpanelPeople => profiles(index, value, limits, batch),
    }
}

/// One event in Mixpanel's shape, with a time.
fn event<'a>(
    index: u32,
    value: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    mixpanel::event(index, value, limits, batch)?;
    let has_time =
        matches!(batch.items.last(), Some(Incoming::Event(event)) if event.time.is_some());
    if has_time {
        return Ok(());
    }
    batch.items.pop();
    Err(Rejected {
        index,
        refusal: Refusal::Malformed,
        field: "properties.time",
        message: "an exported event has a time, in seconds, milliseconds or ISO 8601",
    })
}

/// A profile, or a page of them. One that cannot be read does not take its page with it.
fn profiles<'a>(
    index: u32,
    value: Value<'a>,
    limits: &Limits,
    batch: &mut Batch<'a>,
) -> Result<(), Rejected> {
    let mut members = match value {
        Value::Object(members) => members,
        value => return profile(index, value, limits, batch),
    };
    let results = members.iter().position(|(key, _)| key == "results");
    let Some(at) = results else {
        return profile(index, Value::Object(members), limits, batch);
    };
    let (_, Value::List(results)) = members.swap_remove(at) else {
        return Err(Rejected {
            index,
            refusal: Refusal::Malformed,
            field: "results",
            message: "the results of a page are a list",
        });
    };
    for result in results {
        let read = profile(index, result, limits, batch);
        batch.rejected.extend(read.err());
    }
    Ok(())
}

/// `{"$distinct_id", "$properties"}` as the `$set` that it came of; `$last_seen` is when.
fn profile<'a>(
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
        return Err(reject("", "a profile is an object"));
    };
    let mut distinct_id = Value::Null;
    let mut properties = None;
    for (key, value) in members {
        match (key.as_ref(), value) {
            ("$distinct_id", value) => distinct_id = value,
            ("$properties", Value::Object(members)) => properties = Some(members),
            ("$properties", _) => {
                return Err(reject("$properties", "the properties are an object"));
            }
            _ => {}
        }
    }
    let properties = properties.ok_or_else(|| reject("$properties", "a profile has properties"))?;
    let last_seen = properties.iter().find(|(key, _)| key == "$last_seen");
    let time = last_seen.map_or(Value::Null, |(_, value)| value.clone());
    let update = vec![
        (Cow::Borrowed("$distinct_id"), distinct_id),
        (Cow::Borrowed("$time"), time),
        (Cow::Borrowed("$set"), Value::Object(properties)),
    ];
    mixpanel::person(index, Value::Object(update), limits, batch)
}

#[cfg(test)]
mod tests;
