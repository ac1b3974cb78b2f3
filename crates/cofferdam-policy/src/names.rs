//! The names of which a path is made: what stands between them, and what may be shown of them.
//!
//! Asked once per path, when it is first seen. Senders choose names, so that each may hold anything, dots included.
//! Invariant: each name is looked at by itself and together with those around it; a path's shown text begins with that of the
//! path around it, unless personal data reaches from one name into the next: then it stands for all of them.

use crate::detect::{Detections, inspect_name, mask};
use crate::rules::RuleSwitches;
use std::borrow::Cow;

/// Stands between the names of a path while it is looked up, and is shown as `.`: no sender's name holds it ([`plain`]), so
/// that `{"a.b": {"c": 1}}` and `{"a": {"b.c": 1}}` stay apart.
pub(crate) const STEP: char = '\u{1f}';

/// A sender's name without the sign that parts names here. Nobody sees that sign.
#[inline]
pub(crate) fn plain(name: &str) -> Cow<'_, str> {
    if memchr::memchr(STEP as u8, name.as_bytes()).is_none() {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.replace(STEP, ""))
    }
}

/// The text of a path as it may be shown, and what was found in its names (where, the spans do not say).
pub(crate) fn shown(key: &str, switches: &RuleSwitches) -> (String, Detections) {
    let mut all = Detections::default();
    let mut steps = key.split(STEP);
    let mut shown = masked(steps.next().unwrap_or(""), switches, &mut all);
    for step in steps {
        // A list's mark is none of the sender's words.
        let name = step.trim_end_matches("[]");
        shown.push('.');
        shown.push_str(&masked(name, switches, &mut all));
        shown.push_str(step.get(name.len()..).unwrap_or(""));
        // What the names around it make of a name (`phone`), and what several names are together.
        shown = masked(&shown, switches, &mut all);
    }
    (shown, all)
}

fn masked(text: &str, switches: &RuleSwitches, all: &mut Detections) -> String {
    let found = inspect_name(text, switches);
    if found.is_empty() {
        return text.to_owned();
    }
    for one in found.iter() {
        all.push(one.rule, 0, 1, one.confidence);
    }
    mask(text, &found)
}
