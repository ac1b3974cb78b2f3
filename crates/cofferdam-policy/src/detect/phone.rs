//! Phone numbers: international with +, national by punctuation, anything that key or text call a phone.
//!
//! Invariant: dates, times and IP addresses are not phones, even where a phone is announced.

use super::scan::{Scan, Words, at};
use crate::rules::{KeyContext, RuleId};

const INTERNATIONAL: RuleId = RuleId::value("value.phone_international");
const NATIONAL: RuleId = RuleId::value("value.phone_national");

/// Words that announce a phone number.
const WORDS: Words = Words::of(&[
    "phone",
    "tel",
    "mobile",
    "cell",
    "call",
    "dial",
    "fax",
    "sms",
    "whatsapp",
    "ring ",
    "reach me",
    "contact number",
    "telefon",
    "handy",
    "numero",
    "text me",
    "hotline",
    "number is",
    "my number",
    "voicemail",
    "answering at",
    "messages to",
    "ext.",
]);

#[derive(Default)]
struct Number {
    end: usize,
    digits: usize,
    shape: u64,
    dashes: bool,
    dots: bool,
    spaces: bool,
    parens: bool,
    colons: bool,
}

/// Every phone number in the text.
pub(super) fn scan(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut announced = None;
    let mut position = 0;
    while position < bytes.len() {
        let byte = at(bytes, position);
        let before = scan.before(position);
        let starts = byte.is_ascii_digit() || byte == b'+' || byte == b'(';
        let word_runs_in = before.is_ascii_alphabetic()
            && bytes.get(position.saturating_sub(3)..position) != Some(b" is".as_slice());
        if !starts || word_runs_in || before.is_ascii_digit() || matches!(before, b'_' | b'.') {
            position += 1;
            continue;
        }
        let number = number(bytes, position);
        let next = at(bytes, number.end);
        if number.digits < 7
            || number.digits > 15
            || next.is_ascii_alphanumeric() && next != b'x'
            || next == b'_'
        {
            position = number.end.max(position + 1);
            continue;
        }
        let (start, end) = (position, number.end);
        position = end;
        if byte == b'+' && matches!(at(bytes, start + 1), b'1'..=b'9' | b'(') && number.digits >= 8
        {
            scan.certain(INTERNATIONAL, start, end);
        } else if is_north_american(bytes, start, &number) {
            scan.certain(NATIONAL, start, end);
        } else if !is_date_or_address(&number, bytes, start)
            && !scan.found.overlaps(start, end)
            && *announced
                .get_or_insert_with(|| scan.context.any(KeyContext::PHONE) || scan.has_word(WORDS))
        {
            scan.likely(NATIONAL, start, end);
        }
    }
}

/// Reads digits with single separators, parentheses and a leading plus.
fn number(bytes: &[u8], start: usize) -> Number {
    let mut number = Number {
        end: start,
        ..Number::default()
    };
    let mut position = start;
    let mut separators = 0;
    loop {
        let byte = at(bytes, position);
        match byte {
            b'0'..=b'9' => {
                number.shape = if separators > 0 && number.digits > 0 {
                    number.shape.saturating_mul(10) + 1
                } else {
                    number.shape + 1
                };
                number.digits += 1;
                separators = 0;
                number.end = position + 1;
            }
            b'+' if position == start => {}
            b'(' | b')' => {
                number.parens = true;
                separators += 1;
            }
            b' ' => {
                number.spaces |= number.digits > 0;
                separators += 1;
            }
            b'-' | 0x96 => {
                number.dashes = true;
                separators += 1;
            }
            b'.' => {
                number.dots = true;
                separators += 1;
            }
            b'/' => separators += 1,
            b':' if number.digits > 0 && at(bytes, position + 1).is_ascii_digit() => {
                number.colons = true;
                separators += 1;
            }
            _ => break,
        }
        if separators > 2 || position > start + 32 {
            break;
        }
        position += 1;
    }
    if number.end == start {
        number.end = start + 1;
    }
    number
}

/// `(415) 555-0132`, `415-555-0132`, `415.555.0132`, with or without 1 or +1.
fn is_north_american(bytes: &[u8], start: usize, number: &Number) -> bool {
    if number.colons || !(number.dashes || number.dots || number.parens) {
        return false;
    }
    let shaped = number.shape == 334
        || number.shape == 1334
        || number.parens && matches!(number.shape, 37 | 334);
    let mut digits = bytes
        .get(start..number.end)
        .unwrap_or(&[])
        .iter()
        .filter(|byte| byte.is_ascii_digit());
    if number.digits == 11 && digits.next() != Some(&b'1') {
        return false;
    }
    let area = digits.next().copied().unwrap_or(0);
    let exchange = digits.nth(2).copied().unwrap_or(0);
    shaped && area >= b'2' && exchange >= b'2'
}

/// Shapes that are something else: dates and times (4-2-2…, 2-2-4), IPv4 addresses, decimals.
fn is_date_or_address(number: &Number, bytes: &[u8], start: usize) -> bool {
    let leading = number
        .shape
        .checked_ilog10()
        .map_or(0, |log| number.shape / 10_u64.pow(log));
    let century = matches!(bytes.get(start..start + 2), Some(b"19" | b"20"));
    let date = leading == 4 && century && (number.dashes || number.colons || number.dots)
        || matches!(number.shape, 224 | 124 | 114 | 214) && !number.parens;
    let decimal = number.dots && !number.dashes && !number.spaces && number.shape < 100;
    date || number.colons
        || decimal
        || number.dots
            && number.shape > 1000
            && number.shape.to_string().bytes().all(|group| group <= b'3')
            && number.shape < 10_000
}
