//! What goes out again is at most what was announced: an item without the fields that the ledger was not told of.
//!
//! Called where a batch's requests are built anew after the ledger has heard of it. A contract that was narrowed and widened again
//! meanwhile would permit more than was announced. Invariant: every field of the result is one of `held`.

use crate::batch::Ready;
use cofferdam_ledger::FieldKey;
use cofferdam_model::Value;
use cofferdam_policy::{Exposure, VendorItem};
use std::sync::Arc;

/// Carriers of properties, as paths begin.
const PREFIXES: [&str; 3] = ["properties.", "profile.", "group."];

/// The item without properties that hold a field beyond `held`; `None` where such a field is no property, so that nothing of the
/// item may go.
pub(crate) fn within(mut ready: Ready, held: &[FieldKey]) -> Option<Ready> {
    let is_held = |field: &FieldKey| held.contains(field);
    if ready.fields.iter().all(is_held) {
        return Some(ready);
    }
    let extra: Vec<Arc<str>> = ready
        .fields
        .iter()
        .filter(|field| !is_held(field))
        .map(|field| Arc::clone(&field.path))
        .collect();
    let (fate, properties) = match &mut ready.item {
        VendorItem::Event(event) => {
            let fate = Arc::make_mut(&mut event.fate);
            if extra.iter().any(|path| **path == *"distinct_id") {
                event.distinct_id.clear();
                fate.exposures.retain(|one| *one.path != *"distinct_id");
            }
            (fate, &mut event.properties)
        }
        VendorItem::Update(update) => (Arc::make_mut(&mut update.fate), &mut update.values),
    };
    let exposures = &mut fate.exposures;
    drop_properties(properties, exposures, &extra);
    ready.fields = crate::feed::keys(exposures);
    ready.fields.iter().all(is_held).then_some(ready)
}

/// Drops every property whose name begins one of the paths, with all that is in it. A name with a dot may be taken for a nested
/// one: then more is dropped than need be.
fn drop_properties(
    properties: &mut Vec<(Arc<str>, Value<'static>)>,
    exposures: &mut Vec<Exposure>,
    extra: &[Arc<str>],
) {
    let is_of = |name: &str, path: &str| {
        PREFIXES
            .iter()
            .filter_map(|prefix| path.strip_prefix(prefix))
            .any(|rest| rest.starts_with(name))
    };
    properties.retain(|(name, _)| {
        let drops = extra.iter().any(|path| is_of(name, path));
        if drops {
            exposures.retain(|one| !is_of(name, &one.path));
        }
        !drops
    });
}
