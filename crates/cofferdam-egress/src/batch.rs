//! Items into requests: one lane per endpoint, order kept per subject, what must not be repeated apart from the rest.
//!
//! Invariant: two updates of one subject keep their order; a part that must not be repeated holds nothing else.

use crate::dialect::{Builder, Lane};
use cofferdam_ledger::FieldKey;
use cofferdam_model::{OrganizationNumber, PersonNumber, Refusal, TimestampMs};
use cofferdam_policy::VendorItem;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// What the ledger needs to know of an item. Person and organization are never sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ItemMeta {
    /// The journal record that it came from.
    #[serde(rename = "s")]
    pub(crate) seq: u64,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<PersonNumber>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) organization: Option<OrganizationNumber>,
    /// Position in the batch's table of field sets.
    #[serde(rename = "f")]
    pub(crate) fields: u32,
    #[serde(rename = "e")]
    pub(crate) is_event: bool,
}

/// An item, minimized, that is about to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// The journal record that it came from.
    pub(crate) seq: u64,
    pub(crate) item: VendorItem,
    pub(crate) lane: Lane,
    pub(crate) repeatable: bool,
    pub(crate) person: Option<PersonNumber>,
    pub(crate) organization: Option<OrganizationNumber>,
    pub(crate) fields: Arc<[FieldKey]>,
}

/// One request: its lane, its items by position in the batch, and the body as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lane: Lane,
    pub(crate) repeatable: bool,
    pub(crate) items: Vec<u32>,
    pub(crate) body: Vec<u8>,
}

/// A batch before it has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub(crate) metas: Vec<ItemMeta>,
    pub(crate) field_sets: Vec<Vec<FieldKey>>,
    pub(crate) plans: Vec<Plan>,
    /// Why items were left out: the vendor would never take them.
    pub(crate) unsendable: Vec<Refusal>,
}

struct Open {
    builder: Builder,
    lane: Lane,
    repeatable: bool,
    items: Vec<u32>,
}

/// Arranges items, in journal order, into requests of at most `items_max` items.
pub(crate) fn assemble(
    items: &[Ready],
    token: &str,
    now: TimestampMs,
    items_max: usize,
) -> Assembled {
    let mut out = Assembled::default();
    let mut sets: HashMap<&[FieldKey], u32> = HashMap::new();
    // By their place in memory first: records of one fate share theirs.
    let mut places: HashMap<usize, u32> = HashMap::new();
    let mut open: Option<Open> = None;
    for (lane, repeatable, item) in ordered(items) {
        let position = u32::try_from(out.metas.len()).unwrap_or(u32::MAX);
        let fresh = || Open {
            builder: Builder::new(lane, token, now),
            lane,
            repeatable,
            items: Vec::new(),
        };
        match place(&mut open, &mut out.plans, token, items_max, item, fresh) {
            Ok(request) => request.items.push(position),
            Err(refusal) => {
                out.unsendable.push(refusal);
                continue;
            }
        }
        let place = places.entry(Arc::as_ptr(&item.fields).addr());
        let fields = *place.or_insert_with(|| {
            let next = u32::try_from(sets.len()).unwrap_or(u32::MAX);
            *sets.entry(&item.fields).or_insert_with(|| {
                out.field_sets.push(item.fields.to_vec());
                next
            })
        });
        let is_event = lane == Lane::Events;
        out.metas.push(ItemMeta {
            seq: item.seq,
            person: item.person,
            organization: item.organization,
            fields,
            is_event,
        });
    }
    close(open, &mut out.plans, token);
    out
}

/// The items by lane and level. Even levels may be repeated, odd ones must not; a subject's level only grows, so that its order
/// is kept.
fn ordered(items: &[Ready]) -> Vec<(Lane, bool, &Ready)> {
    let mut levels: HashMap<(Lane, Option<PersonNumber>, Option<OrganizationNumber>), u32> =
        HashMap::new();
    let mut order = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let subject = match item.lane {
            Lane::Events => (item.lane, None, None),
            Lane::People => (item.lane, item.person, None),
            Lane::Groups => (item.lane, None, item.organization),
        };
        let level = levels.entry(subject).or_insert(0);
        if level.is_multiple_of(2) != item.repeatable {
            *level += 1;
        }
        order.push((item.lane, *level, position, item));
    }
    order.sort_by_key(|(lane, level, position, _)| (*lane, *level, *position));
    order
        .into_iter()
        .map(|(lane, level, _, item)| (lane, level.is_multiple_of(2), item))
        .collect()
}

/// Puts an item into the open request, or into a new one where it does not fit or belong.
fn place<'o>(
    open: &'o mut Option<Open>,
    plans: &mut Vec<Plan>,
    token: &str,
    items_max: usize,
    item: &Ready,
    fresh: impl Fn() -> Open,
) -> Result<&'o mut Open, Refusal> {
    let empty = fresh();
    let belongs = open.as_ref().is_some_and(|open| {
        open.lane == empty.lane
            && open.repeatable == empty.repeatable
            && open.items.len() < items_max
    });
    let added = match open {
        Some(open) if belongs => open.builder.push(&item.item)?,
        _ => false,
    };
    if !added {
        // Tried before the open request is closed, so that what cannot be sent at all closes nothing.
        let mut next = empty;
        if !next.builder.push(&item.item)? {
            return Err(Refusal::TooLarge);
        }
        close(open.replace(next), plans, token);
    }
    open.as_mut().ok_or(Refusal::TooLarge)
}

fn close(open: Option<Open>, plans: &mut Vec<Plan>, token: &str) {
    if let Some(Open {
        builder,
        lane,
        repeatable,
        items,
    }) = open
    {
        plans.push(Plan {
            lane,
            repeatable,
            items,
            body: builder.body(token),
        });
    }
}

#[cfg(test)]
mod tests;
