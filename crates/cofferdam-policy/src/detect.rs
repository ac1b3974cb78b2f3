//! Finds personal data and secrets in values, whatever their keys are called.
//!
//! Texts come from admit; findings go back as spans with category, rule and confidence. One pass over the bytes decides
//! which scanners run at all, so that ordinary analytics strings cost next to nothing.
//! Invariant: never panics, never allocates for a clean text, and a switched-off rule finds nothing.

mod found;

pub use found::{Confidence, Detection, Detections};

use crate::rules::{KeyContext, RuleSwitches};

/// Everything found in a text as it stands. See [`inspect`] for what hides in encodings.
#[must_use]
pub fn detect(_text: &str, _context: KeyContext, _switches: &RuleSwitches) -> Detections {
    Detections::default()
}

/// Everything found in a text, in the JSON, base64, percent-encoding or HTML escapes in it, and in what those hold.
/// A finding inside a layer has the span of the whole text.
#[must_use]
pub fn inspect(text: &str, context: KeyContext, switches: &RuleSwitches) -> Detections {
    detect(text, context, switches)
}

/// What a number is, by its size, check digits and key: cards, phones and national ids sent as numbers.
#[must_use]
pub fn detect_number(_number: i64, _context: KeyContext, _switches: &RuleSwitches) -> Detections {
    Detections::default()
}

/// The text with every finding replaced by the last word of its category in brackets, e.g. `[email]`.
#[must_use]
pub fn mask(text: &str, _detections: &Detections) -> String {
    text.to_owned()
}
