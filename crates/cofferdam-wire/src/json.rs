//! JSON text to values, capped: a strict SIMD pass for what is clean, a tolerant one for what is not.
//!
//! Text comes from [`crate::utf8`]; the items go to a dialect that reads its own members out of them.
//! Invariant: both passes agree on valid JSON within the caps (a property test holds them to it); neither recurses deeper than
//! the cap, and all values of one request together stay within [`Caps::request_fields_max`].

use crate::error::Malformed;
use crate::notes::{Notes, bump};
use cofferdam_model::{Limits, Refusal, Value};

mod members;
mod strict;
mod tolerant;

pub(crate) use members::Member;

/// The part of [`Limits`] that concerns JSON, and what the dialect adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Most items of a batch.
    pub(crate) items_max: usize,
    /// Largest item, bytes of JSON.
    pub(crate) item_bytes_max: usize,
    /// Most members and elements of one item, all levels together.
    pub(crate) item_fields_max: usize,
    /// Most members and elements of a whole request: bounds the memory that values take.
    pub(crate) request_fields_max: usize,
    /// Deepest nesting, the item itself being 1.
    pub(crate) depth_max: usize,
    /// Longest key, bytes.
    pub(crate) key_bytes_max: usize,
    /// Which keys hold ids: a whole number too large for [`Value::Int`] stays exact there, as text.
    pub(crate) is_id: fn(&str) -> bool,
}

/// Members of one item on average that a full batch may have: more than any SDK sends, and what bounds memory.
const FIELDS_PER_ITEM: usize = 256;

impl Caps {
    /// The caps that follow from the limits, for items whose payload lies `payload_depth` levels below the item.
    pub(crate) fn new(limits: &Limits, payload_depth: usize, is_id: fn(&str) -> bool) -> Self {
        Self {
            items_max: limits.batch_items_max,
            item_bytes_max: limits.event_bytes_max,
            item_fields_max: limits.fields_max,
            request_fields_max: limits.batch_items_max.saturating_mul(FIELDS_PER_ITEM),
            depth_max: limits.depth_max.saturating_add(payload_depth),
            key_bytes_max: limits.name_bytes_max,
            is_id,
        }
    }
}

/// One element of a batch: its value, or why it is not kept.
pub(crate) type Item<'a> = Result<Value<'a>, Refused>;

/// Why an element is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) message: &'static str,
}

pub(crate) const UNREADABLE: Refused = Refused {
    refusal: Refusal::Malformed,
    message: "it is not JSON; the rest of its line or array cannot be read either",
};

/// Reads an array, one object, or lines of objects.
pub(crate) fn parse<'a>(
    text: &'a str,
    caps: &Caps,
    notes: &mut Notes,
) -> Result<Vec<Item<'a>>, Malformed> {
    let text = text.trim_start_matches('\u{FEFF}').trim_ascii();
    let items = match text.as_bytes().first() {
        Some(b'[') => array(text, caps, notes),
        Some(b'{') => objects(text, caps, notes),
        Some(_) => return Err(Malformed::Json),
        None => return Err(Malformed::NoData),
    };
    if items.len() > caps.items_max {
        return Err(Malformed::TooManyItems {
            limit: caps.items_max,
        });
    }
    if !items.is_empty() && items.iter().all(|item| *item == Err(UNREADABLE)) {
        return Err(Malformed::Json);
    }
    Ok(items)
}

fn array<'a>(text: &'a str, caps: &Caps, notes: &mut Notes) -> Vec<Item<'a>> {
    let mut clean = Notes::default();
    if let Some(values) = strict::array(text, caps, &mut clean) {
        notes.add(&clean);
        return values.into_iter().map(Ok).collect();
    }
    tolerant::Reader::new(text, caps, notes).arrays()
}

/// One object, or one per line: pretty-printed single objects contain newlines too, so the whole is tried first.
fn objects<'a>(text: &'a str, caps: &Caps, notes: &mut Notes) -> Vec<Item<'a>> {
    let mut clean = Notes::default();
    if let Some(value) =
        strict::object(text, caps, &mut caps.request_fields_max.clone(), &mut clean)
    {
        notes.add(&clean);
        return vec![Ok(value)];
    }
    let mut fields_left = caps.request_fields_max;
    let mut in_lines = Notes::default();
    let mut items = Vec::new();
    for line in text
        .lines()
        .map(str::trim_ascii)
        .filter(|line| !line.is_empty())
    {
        if items.len() > caps.items_max {
            break;
        }
        let mut clean = Notes::default();
        if let Some(value) = strict::object(line, caps, &mut fields_left, &mut clean) {
            in_lines.add(&clean);
            items.push(Ok(value));
        } else {
            let mut reader = tolerant::Reader::new(line, caps, &mut in_lines);
            reader.fields_left = fields_left;
            items.extend(reader.objects());
            fields_left = reader.fields_left;
        }
    }
    if items.contains(&Err(UNREADABLE)) {
        let mut whole = Notes::default();
        let single = tolerant::Reader::new(text, caps, &mut whole).objects();
        if single.len() == 1 && single.first() != Some(&Err(UNREADABLE)) {
            notes.add(&whole);
            return single;
        }
    }
    notes.add(&in_lines);
    items
}

/// Counts a number that no double holds and gives what stands for it.
fn non_finite<'a>(notes: &mut Notes) -> Value<'a> {
    bump(&mut notes.non_finite_numbers);
    Value::Null
}

#[cfg(test)]
mod tests;
