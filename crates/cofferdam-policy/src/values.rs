//! Kept values as bytes: one self-describing leaf after another, short ones in very few bytes.
//!
//! Written by admit, copied by the record encoder, read by minimize. Layout of the first byte: `00..=1F` kinds below, `20..=3F`
//! small integers, `40..=FF` text of 0 to 191 bytes. Invariant: reading never panics and never reads past the end.

use cofferdam_model::{DEVICE_PREFIX, Form, Value};
use std::borrow::Cow;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const LONG_TEXT: u8 = 5;
const UUID: u8 = 6;
const DEVICE_UUID: u8 = 7;
const HEX: u8 = 8;
const COARSE: u8 = 9;
const EMPTY_LIST: u8 = 10;
const EMPTY_OBJECT: u8 = 11;
const SMALL_INT: u8 = 0x20;
const SHORT_TEXT: u8 = 0x40;
const SHORT_TEXT_MAX: usize = (0xFF - SHORT_TEXT) as usize;

/// A leaf as kept: its value, and the form in which it was kept where that is not the original.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) coarse: Option<Form>,
}

/// A text or number as text: one id has one spelling, also where somebody sent it as a number.
pub(crate) fn scalar_text<'v>(value: &'v Value<'_>) -> Option<Cow<'v, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Float(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
    }
}

/// Appends an unsigned number, seven bits a byte, low ones first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number, zigzag.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends length and bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a leaf that is not text; arrays and objects must be empty.
pub(crate) fn put_plain(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(number @ 0..=31) => out.push(SMALL_INT | *number as u8),
        Value::Int(number) => {
            out.push(INT);
            put_signed(out, *number);
        }
        Value::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Text(text) => put_text(out, text),
        Value::List(_) => out.push(EMPTY_LIST),
        Value::Object(_) => out.push(EMPTY_OBJECT),
    }
}

/// Appends a text, packed where it is an id in hex.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    match bytes.len() {
        36 => {
            if let Some(packed) = pack_uuid(bytes) {
                out.push(UUID);
                return out.extend_from_slice(&packed);
            }
        }
        44 => {
            if let Some(packed) = text
                .strip_prefix(DEVICE_PREFIX)
                .and_then(|id| pack_uuid(id.as_bytes()))
            {
                out.push(DEVICE_UUID);
                return out.extend_from_slice(&packed);
            }
        }
        16 | 32 | 40 | 64 => {
            let start = out.len();
            out.push(HEX);
            put_number(out, (bytes.len() / 2) as u64);
            if pack_hex(bytes, out) {
                return;
            }
            out.truncate(start);
        }
        _ => {}
    }
    if bytes.len() <= SHORT_TEXT_MAX {
        out.push(SHORT_TEXT + bytes.len() as u8);
        out.extend_from_slice(bytes);
    } else {
        out.push(LONG_TEXT);
        put_bytes(out, bytes);
    }
}

/// Appends a value that is kept in a coarse form already.
pub(crate) fn put_coarse(out: &mut Vec<u8>, form: Form, value: &Value<'_>) {
    out.push(COARSE);
    out.push(form as u8);
    put_plain(out, value);
}

/// The value of a lower-case hex digit; 255 for any other byte.
fn digit(byte: u8) -> u8 {
    const DIGITS: [u8; 256] = digits();
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    DIGITS[usize::from(byte)]
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at build time over a fixed range"
)]
const fn digits() -> [u8; 256] {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// The bytes that pairs of lower-case hex digits stand for; false, and bytes of no meaning, where one is no such digit.
/// All digits are looked at before the answer is: that is cheaper than a branch for each.
fn unhex(pairs: &[[u8; 2]], bytes: &mut [u8]) -> bool {
    let mut all = 0;
    for ([high, low], byte) in pairs.iter().zip(bytes) {
        let (high, low) = (digit(*high), digit(*low));
        all |= high | low;
        *byte = high << 4 | low;
    }
    all < 16
}

fn pack_hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut packed = [0; 32];
    let (pairs, _) = text.as_chunks::<2>();
    let fits = unhex(pairs, &mut packed);
    out.extend_from_slice(packed.get(..pairs.len()).unwrap_or(&[]));
    fits
}

/// A lower-case UUID's sixteen bytes.
fn pack_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut digits = [0; 32];
    let (mut at, mut rest) = (0, text);
    for (number, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if number > 0 {
            rest = rest.strip_prefix(b"-")?;
        }
        let (group, tail) = rest.split_at_checked(length)?;
        digits.get_mut(at..at + length)?.copy_from_slice(group);
        at += length;
        rest = tail;
    }
    let mut packed = [0; 16];
    let (pairs, _) = digits.as_chunks::<2>();
    (rest.is_empty() && unhex(pairs, &mut packed)).then_some(packed)
}

/// Appends bytes as lower-case hex.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from(
                DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'),
            ));
        }
    }
}

/// Sixteen bytes in the shape of a UUID.
pub(crate) fn uuid_text(bytes: &[u8; 16], prefix: &str) -> String {
    let mut text = String::with_capacity(prefix.len() + 36);
    text.push_str(prefix);
    let mut rest: &[u8] = bytes;
    for (at, length) in [4, 2, 2, 2, 6].into_iter().enumerate() {
        if at > 0 {
            text.push('-');
        }
        let (part, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        push_hex(&mut text, part);
        rest = tail;
    }
    text
}

/// Reads bytes from the front, never past the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// How far reading came.
    pub(crate) fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left: a bound for every count read.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(length)?;
        self.rest = tail;
        Some(head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk()?;
        self.rest = tail;
        Some(*head)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The next leaf.
    pub(crate) fn leaf(&mut self) -> Option<Leaf<'a>> {
        let tag = self.byte()?;
        if tag == COARSE {
            let form = usize::from(self.byte()?);
            let form = Form::ALL
                .into_iter()
                .find(|candidate| *candidate as usize == form)?;
            let tag = self.byte()?;
            let value = self.value(tag)?;
            return Some(Leaf {
                value,
                coarse: Some(form),
            });
        }
        Some(Leaf {
            value: self.value(tag)?,
            coarse: None,
        })
    }

    fn value(&mut self, tag: u8) -> Option<Value<'a>> {
        Some(match tag {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(self.signed()?),
            FLOAT => {
                let number = f64::from_le_bytes(self.array()?);
                if !number.is_finite() {
                    return None;
                }
                Value::Float(number)
            }
            LONG_TEXT => Value::Text(Cow::Borrowed(self.text()?)),
            UUID => Value::Text(Cow::Owned(uuid_text(&self.array()?, ""))),
            DEVICE_UUID => Value::Text(Cow::Owned(uuid_text(&self.array()?, DEVICE_PREFIX))),
            HEX => {
                let packed = self.bytes()?;
                let mut text = String::with_capacity(packed.len() * 2);
                push_hex(&mut text, packed);
                Value::Text(Cow::Owned(text))
            }
            EMPTY_LIST => Value::List(Vec::new()),
            EMPTY_OBJECT => Value::Object(Vec::new()),
            SMALL_INT..SHORT_TEXT => Value::Int(i64::from(tag - SMALL_INT)),
            SHORT_TEXT.. => {
                let bytes = self.take(usize::from(tag - SHORT_TEXT))?;
                Value::Text(Cow::Borrowed(std::str::from_utf8(bytes).ok()?))
            }
            COARSE..=0x1F => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (0_i64..64).prop_map(Value::Int),
            any::<f64>()
                .prop_filter("finite", |n| n.is_finite())
                .prop_map(Value::Float),
            ".{0,300}".prop_map(|text| Value::Text(Cow::Owned(text))),
            "[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64}".prop_map(|text| Value::Text(Cow::Owned(text))),
            "(\\$device:)?[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
                .prop_map(|text| Value::Text(Cow::Owned(text))),
            "[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[0-9A-F]{4}-[0-9A-F]{12}"
                .prop_map(|text| Value::Text(Cow::Owned(text))),
        ]
    }

    proptest! {
        #[test]
        fn leaves_come_back(values in prop::collection::vec(leaves(), 0..8)) {
            let mut bytes = Vec::new();
            for value in &values {
                put_plain(&mut bytes, value);
            }
            let mut read = Bytes::new(&bytes);
            for value in values {
                prop_assert_eq!(read.leaf(), Some(Leaf { value, coarse: None }));
            }
            prop_assert!(read.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut read = Bytes::new(&bytes);
            while read.leaf().is_some() {}
        }
    }

    #[test]
    fn ids_are_packed() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "$device:0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a11");
        assert_eq!(bytes.len(), 17);
    }
}
