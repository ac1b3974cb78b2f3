//! Query strings and form bodies as name and value, still percent-encoded.
//!
//! Invariant: borrows only; a value is decoded by who needs it, so that a megabyte of base64 is copied once.

use crate::layers::percent_decode;

/// The pairs of `a=1&b=2`; a name without `=` has an empty value.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (pair, after) = match memchr::memchr(b'&', current) {
            Some(at) => (current.get(..at)?, current.get(at + 1..)),
            None => (current, None),
        };
        rest = after;
        Some(match memchr::memchr(b'=', pair) {
            Some(at) => (pair.get(..at)?, pair.get(at + 1..).unwrap_or_default()),
            None => (pair, [].as_slice()),
        })
    })
}

/// A short parameter's value as text, e.g. `token` or `verbose`.
pub(crate) fn short_text(value: &[u8]) -> String {
    const SHORT_BYTES_MAX: usize = 1024;
    let value = value.get(..SHORT_BYTES_MAX).unwrap_or(value);
    String::from_utf8_lossy(&percent_decode(value, true)).into_owned()
}

/// Whether the bytes look like a form with this field, whatever their label says.
pub(crate) fn has_field(body: &[u8], name: &[u8]) -> bool {
    pairs(body).any(|(found, _)| found == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_once() {
        let found: Vec<_> = pairs(b"data=a=b&verbose=1&&x").collect();
        let expected: Vec<(&[u8], &[u8])> = vec![
            (b"data", b"a=b"),
            (b"verbose", b"1"),
            (b"", b""),
            (b"x", b""),
        ];
        assert_eq!(found, expected);
        assert!(has_field(b"ip=1&data=W10%3D", b"data"));
        assert!(!has_field(b"{\"data\":1}", b"data"));
    }
}
