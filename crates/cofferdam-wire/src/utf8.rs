//! Bytes to valid UTF-8: CESU-8 pairs joined, the rest replaced by U+FFFD.
//!
//! Data comes from base64, gzip or a form and goes to the JSON parser. mixpanel-browser's base64 encoder writes CESU-8 as soon
//! as an emoji appears, so this is not a rare path.
//! Invariant: valid input is returned as it is, without a copy.

use crate::notes::{Notes, bump};

/// Makes text of bytes; what was repaired is counted.
pub(crate) fn to_text(bytes: Vec<u8>, notes: &mut Notes) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => repair(error.as_bytes(), notes),
    }
}

fn repair(bytes: &[u8], notes: &mut Notes) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => error,
        };
        let (valid, after) = rest
            .split_at_checked(error.valid_up_to())
            .unwrap_or((rest, &[]));
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        let (char, used) = match (surrogate(after), after.get(3..).and_then(surrogate)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                bump(&mut notes.cesu8_pairs);
                (join(high, low), 6)
            }
            (Some(_), _) => {
                bump(&mut notes.lone_surrogates);
                (char::REPLACEMENT_CHARACTER, 3)
            }
            (None, _) => {
                bump(&mut notes.invalid_utf8);
                (
                    char::REPLACEMENT_CHARACTER,
                    error.error_len().unwrap_or(after.len()),
                )
            }
        };
        text.push(char);
        rest = after.get(used..).unwrap_or_default();
    }
}

/// The surrogate that a three-byte sequence at the start encodes (`ED A0..BF 80..BF`).
fn surrogate(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ..] => {
            Some(0xD000 | (u32::from(second & 0x3F) << 6) | u32::from(third & 0x3F))
        }
        _ => None,
    }
}

/// The character of a surrogate pair; U+FFFD where the two are no pair.
pub(crate) fn join(high: u32, low: u32) -> char {
    let joined =
        0x1_0000 + ((high.wrapping_sub(0xD800) & 0x3FF) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
    char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], text: &str, counts: (u32, u32, u32)) {
        let mut notes = Notes::default();
        assert_eq!(to_text(bytes.to_vec(), &mut notes), text);
        assert_eq!(
            (notes.cesu8_pairs, notes.lone_surrogates, notes.invalid_utf8),
            counts
        );
    }

    #[test]
    fn valid_text_is_untouched() {
        check("aß介🎉\0".as_bytes(), "aß介🎉\0", (0, 0, 0));
    }

    #[test]
    fn a_cesu8_pair_is_one_character() {
        check(b"x\xED\xA0\xBC\xED\xBE\x89y", "x🎉y", (1, 0, 0));
    }

    #[test]
    fn lone_surrogates_become_one_replacement_each() {
        check(b"\xED\xA0\xBCy\xED\xBE\x89", "\u{FFFD}y\u{FFFD}", (0, 2, 0));
        check(b"\xED\xBE\x89\xED\xA0\xBC", "\u{FFFD}\u{FFFD}", (0, 2, 0));
    }

    #[test]
    fn other_bytes_are_replaced_and_counted() {
        check(b"a\xFFb\xC3", "a\u{FFFD}b\u{FFFD}", (0, 0, 2));
        check(b"\xED\xA0", "\u{FFFD}\u{FFFD}", (0, 0, 2));
    }
}
