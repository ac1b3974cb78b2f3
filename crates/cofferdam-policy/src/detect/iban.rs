//! IBANs: country, length and check digits (ISO 13616, mod 97), compact or in groups.
//!
//! Invariant: the letters of one IBAN are all upper or all lower case.

use super::scan::{ALNUM, Scan, at, run};
use crate::rules::RuleId;

const IBAN: RuleId = RuleId::value("value.iban");

/// Country code and length, in the order of the code.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Every IBAN in the text.
pub(super) fn scan(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut position = 0;
    while position + 15 <= bytes.len() {
        if at(bytes, position).is_ascii_alphabetic()
            && at(bytes, position + 1).is_ascii_alphabetic()
            && at(bytes, position + 2).is_ascii_digit()
            && at(bytes, position + 3).is_ascii_digit()
            && !scan.before(position).is_ascii_alphanumeric()
            && let Some(end) = valid(bytes, position)
        {
            scan.certain(IBAN, position, end);
            position = end;
        } else {
            // None begins inside a word.
            position += run(bytes, position, ALNUM).max(1);
        }
    }
}

fn valid(bytes: &[u8], start: usize) -> Option<usize> {
    let country = [
        at(bytes, start).to_ascii_uppercase(),
        at(bytes, start + 1).to_ascii_uppercase(),
    ];
    let row = LENGTHS.binary_search_by_key(&country, |row| *row.0).ok()?;
    let (_, length) = LENGTHS.get(row)?;
    let upper = at(bytes, start).is_ascii_uppercase();
    let mut remainder = 0_u32;
    let mut head = 0_u32;
    let (mut taken, mut position) = (0, start);
    while taken < *length {
        let byte = at(bytes, position);
        position += 1;
        if matches!(byte, b' ' | b'-') && taken > 0 && at(bytes, position).is_ascii_alphanumeric() {
            continue;
        }
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' if upper => u32::from(byte - b'A') + 10,
            b'a'..=b'z' if !upper => u32::from(byte - b'a') + 10,
            _ => return None,
        };
        // The first four characters move to the end.
        let target = if taken < 4 { &mut head } else { &mut remainder };
        *target = (*target * if value > 9 { 100 } else { 10 } + value) % 9_700_000;
        if taken >= 4 {
            remainder %= 97;
        }
        taken += 1;
    }
    let digits = 1_000_000; // Two letters and two digits are six digits.
    let whole = (u64::from(remainder) * digits + u64::from(head)) % 97;
    (whole == 1 && !at(bytes, position).is_ascii_alphanumeric()).then_some(position)
}
