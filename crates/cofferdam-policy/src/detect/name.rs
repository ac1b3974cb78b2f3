//! Personal data in the name of a field: in the whole path and in each name of which it is made.
//!
//! A path may hold names that senders chose: below an object, in a query, in a fragment. Where one ends and the next begins
//! cannot be told from the path (`a.203.0.113.77`), so that runs of its parts are looked at.
//! Invariant: what would be found in a value that stands alone is found as a name within a path, and the work grows with the
//! path's length only.

use super::scan::{AT, ESCAPE, census};
use super::{Detections, inspect, is_quiet};
use crate::rules::{KeyContext, RuleSwitches};

/// Most parts that are looked at as one: an address has four, a phone number up to six.
const RUN_MAX: usize = 6;
/// Most brackets behind which JSON is looked for.
const BRACKETS_MAX: usize = 8;
/// Longest part that says something about the one below it, bytes.
const PARENT_BYTES_MAX: usize = 64;

/// Everything found in a field's path, in an event's name, or in a host with its labels.
pub(crate) fn inspect_name(path: &str, switches: &RuleSwitches) -> Detections {
    let mut found = inspect(path, KeyContext::NONE, switches);
    // Where an address ends, dots do not tell: `bob@example.org.1` may be an address with something below it.
    let is_open = census(path).has(AT | ESCAPE) || !path.is_ascii();
    let mut brackets = 0;
    let mut parent = "";
    let mut start = 0;
    while start < path.len() && !found.is_full() {
        let rest = path.get(start..).unwrap_or("");
        let mut ends = [rest.len(); RUN_MAX];
        for (end, mark) in ends.iter_mut().zip(rest.match_indices(is_mark)) {
            *end = mark.0;
        }
        let [one, between @ .., run] = ends;
        let json = match rest.as_bytes() {
            [b'[', b']', ..] => 0,
            [b'[' | b'{', ..] if brackets < BRACKETS_MAX => {
                brackets += 1;
                let close = if rest.starts_with('{') { '}' } else { ']' };
                rest.rfind(close).map_or(0, |end| end + 1)
            }
            _ => 0,
        };
        let between = if is_open { between.as_slice() } else { &[] };
        for end in [one, run, json].iter().chain(between) {
            let part = rest.get(..*end).unwrap_or("");
            if part.len() < 2 || part.len() == path.len() || is_quiet(part, &census(part)) {
                continue;
            }
            let context = if parent.len() > PARENT_BYTES_MAX {
                KeyContext::NONE
            } else {
                KeyContext::of(parent)
            };
            found.adopt(&inspect(part, context, switches), start);
        }
        if one > 0 {
            parent = rest.get(..one).unwrap_or("");
        }
        start += one + 1;
    }
    found
}

/// What stands between the names of a path.
fn is_mark(sign: char) -> bool {
    matches!(sign, '.' | '[' | ']' | '?' | '#')
}
