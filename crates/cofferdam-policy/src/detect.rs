//! Finds personal data and secrets in values, whatever their keys are called.
//!
//! Texts come from admit; findings go back as spans with category, rule and confidence. One pass over the bytes decides
//! which scanners run at all, so that ordinary analytics strings cost next to nothing.
//! Invariant: never panics, never allocates for a clean text, and a switched-off rule finds nothing.

mod card;
mod digits;
mod email;
pub(crate) mod fold;
mod found;
mod iban;
pub(crate) mod layer;
mod name;
mod national;
mod network;
mod phone;
pub(crate) mod scan;
pub(crate) mod secret;

pub use found::{Confidence, Detection, Detections};
pub use layer::{Layer, LayerKind, unwrap_layers};
pub(crate) use name::inspect_name;

use crate::rules::{KeyContext, RuleSwitches};
use cofferdam_model::is_uuid;
use scan::{ASSIGN, AT, Census, ESCAPE, LETTER, OTHER, PAREN, PLUS, SPACE, Scan, UPPER, census};

/// Everything found in a text as it stands. See [`inspect`] for what hides in encodings.
#[must_use]
pub fn detect(text: &str, context: KeyContext, switches: &RuleSwitches) -> Detections {
    // Nothing personal fits into fewer characters, but for the shortest IPv6 addresses.
    if text.len() < 2 {
        return Detections::default();
    }
    surface(text, context, switches, census(text))
}

/// Everything found in a text, in the JSON, base64, percent-encoding or HTML escapes in it, and in what those hold; and in the same
/// text in plain signs, where it has others. A finding inside a layer has the span of the whole text.
#[must_use]
pub fn inspect(text: &str, context: KeyContext, switches: &RuleSwitches) -> Detections {
    if text.len() < 2 {
        return Detections::default();
    }
    let census = census(text);
    let mut found = surface(text, context, switches, census);
    if layer::may_be_wrapped(text, census.flags()) {
        layer::inspect(text, context, switches, 0, &mut found);
    }
    if let Some(plain) = fold::fold(text) {
        let plain = inspect(&plain, context, switches);
        for one in plain.iter() {
            if !found.iter().any(|known| known.rule == one.rule) {
                found.push(one.rule, 0, text.len(), one.confidence);
            }
        }
    }
    found
}

/// What a number is, by its size, check digits and key: cards, phones and national ids sent as numbers. The sign says nothing.
#[must_use]
pub fn detect_number(number: i64, context: KeyContext, switches: &RuleSwitches) -> Detections {
    digits_of(number.unsigned_abs(), context, switches)
}

/// [`detect_number`] for what came as a floating point number: its whole part is looked at.
#[must_use]
pub fn detect_float(number: f64, context: KeyContext, switches: &RuleSwitches) -> Detections {
    let whole = number.abs();
    // Beyond this are more digits than a card has; not a number compares as false.
    if !(0.0..1e19).contains(&whole) {
        return Detections::default();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10¹⁹, and the decimals are not wanted"
    )]
    digits_of(whole as u64, context, switches)
}

fn digits_of(number: u64, context: KeyContext, switches: &RuleSwitches) -> Detections {
    // Shorter numbers are nothing, and most numbers are short.
    if number < 100_000_000 && !context.any(KeyContext::PHONE) {
        return Detections::default();
    }
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    while rest > 0 && start > 0 {
        start -= 1;
        if let Some(slot) = digits.get_mut(start) {
            *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
    }
    let text = digits
        .get(start..)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    detect(text.unwrap_or(""), context, switches)
}

/// Stands for a text of which nothing may pass.
const WITHHELD: &str = "[withheld]";

/// The text with every finding replaced by the last word of its category in brackets, e.g. `[email]`.
#[must_use]
pub fn mask(text: &str, detections: &Detections) -> String {
    if detections.is_full() {
        return WITHHELD.to_owned();
    }
    let mut spans: Vec<&Detection> = detections.iter().collect();
    spans.sort_by_key(|detection| (detection.start, std::cmp::Reverse(detection.end)));
    let mut masked = String::with_capacity(text.len());
    let mut position = 0;
    for detection in spans {
        if detection.end <= position {
            continue;
        }
        let start = detection.start.max(position);
        // A span off the character boundaries cannot be cut out: nothing of the text may pass.
        let (Some(before), Some(_)) = (text.get(position..start), text.get(start..detection.end))
        else {
            return WITHHELD.to_owned();
        };
        masked.push_str(before);
        if detection.start >= position {
            let key = detection.category.key();
            masked.push('[');
            masked.push_str(key.rsplit('.').next().unwrap_or(key));
            masked.push(']');
        }
        position = detection.end;
    }
    masked.push_str(text.get(position..).unwrap_or(""));
    masked
}

/// Whether nothing can be found in a text with such a census, nor in anything that it wraps.
pub(crate) fn is_quiet(text: &str, census: &Census) -> bool {
    !may_speak(text, census) && !layer::may_be_wrapped(text, census.flags()) && text.is_ascii()
}

fn may_speak(text: &str, census: &Census) -> bool {
    let short = text.len() < 16 || !census.has(LETTER);
    census.digits >= 4 || census.colons >= 2 || !short || census.has(AT | ESCAPE)
}

/// Runs the scanners that the census allows.
fn surface(text: &str, context: KeyContext, switches: &RuleSwitches, census: Census) -> Detections {
    if !may_speak(text, &census) || census.dashes == 4 && is_uuid(text.as_bytes()) {
        return Detections::default();
    }
    let mut scan = Scan::new(text, context, switches, census.flags());
    if census.has(AT) {
        email::plain(&mut scan);
    }
    if census.has(ESCAPE) {
        email::encoded(&mut scan);
    }
    if census.dots >= 3 && census.digits >= 4 {
        network::ipv4(&mut scan);
    }
    if census.colons >= 2 {
        network::ipv6(&mut scan);
    }
    if text.len() >= 17 && (census.colons >= 5 || census.dashes >= 5) {
        network::mac(&mut scan);
    }
    if census.digits >= 4 {
        numbers(&mut scan, census);
    }
    if text.len() >= 16 && census.has(LETTER) {
        words(&mut scan, census);
    }
    scan.found
}

/// Scanners for texts with several digits.
fn numbers(scan: &mut Scan<'_>, census: Census) {
    let length = scan.text.len();
    let lettered = census.has(LETTER);
    // One word of letters and digits: most ids. No number of digits alone ends in it.
    let one_word = lettered && !census.has(OTHER);
    if census.digits >= digits::DIGITS_MIN && !one_word {
        digits::scan(scan);
    }
    if lettered {
        if length >= if one_word { 8 } else { 6 } {
            national::lettered(scan);
        }
        if census.digits >= 8 && length >= 15 {
            iban::scan(scan);
        }
        if matches!(length, 32 | 40 | 64) {
            email::hash(scan);
        }
    } else if census.dots >= 2 {
        network::coordinates(scan);
    }
    // Last: what is something else already is no phone.
    let punctuated = census.has(PLUS | PAREN | SPACE) || census.dashes > 0 || census.dots > 0;
    if census.digits >= 7 && (punctuated || scan.context.any(KeyContext::PHONE)) {
        phone::scan(scan);
    }
}

/// Scanners for texts of some length with letters.
fn words(scan: &mut Scan<'_>, census: Census) {
    if scan.text.len() >= 20 {
        secret::tokens(scan);
        secret::high_entropy(scan);
        if census.dashes >= 10 || census.dots >= 2 && scan.text.len() > 40 {
            secret::markers(scan);
        }
        if census.has(UPPER) && census.digits > 0 && census.has(OTHER) {
            network::user_agent(scan);
        }
    }
    if census.has(SPACE) && (census.has(UPPER) || census.digits > 0) {
        secret::credentials(scan);
    }
    if census.has(ASSIGN) {
        secret::key_value(scan);
        if census.colons > 0 {
            secret::user_info(scan);
            network::url(scan);
        }
    }
}

#[cfg(test)]
mod tests;
