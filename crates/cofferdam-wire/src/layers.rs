//! The wrappings around JSON: gzip by its magic bytes, percent-encoding, base64. Each undone within a limit.
//!
//! A body comes from the network; what leaves goes to [`crate::utf8`] and then to [`crate::json`].
//! Invariant: nothing here allocates more than its input or the limit, whichever applies; no label is believed where the bytes say otherwise.

use crate::error::Malformed;
use crate::notes::{Notes, bump};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;

const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
/// First guess of how much larger a text is than its gzip form.
const GZIP_RATIO_GUESS: usize = 4;

/// Undoes gzip where the bytes begin with its magic number; otherwise gives the bytes back.
pub(crate) fn gunzip<'a>(
    bytes: Cow<'a, [u8]>,
    limit_bytes: usize,
    notes: &mut Notes,
) -> Result<Cow<'a, [u8]>, Malformed> {
    if !bytes.starts_with(GZIP_MAGIC) {
        return Ok(bytes);
    }
    bump(&mut notes.gzip_layers);
    inflate(MultiGzDecoder::new(&*bytes), bytes.len(), limit_bytes).map(Cow::Owned)
}

/// Undoes a labelled `deflate`, which some send as zlib and some raw.
pub(crate) fn undeflate(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Malformed> {
    match inflate(ZlibDecoder::new(bytes), bytes.len(), limit_bytes) {
        Err(Malformed::Compression) => {
            inflate(DeflateDecoder::new(bytes), bytes.len(), limit_bytes)
        }
        other => other,
    }
}

fn inflate(
    reader: impl Read,
    packed_bytes: usize,
    limit_bytes: usize,
) -> Result<Vec<u8>, Malformed> {
    let guess = packed_bytes
        .saturating_mul(GZIP_RATIO_GUESS)
        .min(limit_bytes);
    let mut unpacked = Vec::with_capacity(guess);
    let cap = u64::try_from(limit_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    reader
        .take(cap)
        .read_to_end(&mut unpacked)
        .map_err(|_| Malformed::Compression)?;
    if unpacked.len() > limit_bytes {
        return Err(Malformed::TooLarge { limit_bytes });
    }
    Ok(unpacked)
}

/// Undoes percent-encoding; `plus_is_space` as in forms. Broken escapes stay as they are.
pub(crate) fn percent_decode(encoded: &[u8], plus_is_space: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    loop {
        let found = if plus_is_space {
            memchr::memchr2(b'%', b'+', rest)
        } else {
            memchr::memchr(b'%', rest)
        };
        let Some((plain, escape)) = found.and_then(|at| rest.split_at_checked(at)) else {
            decoded.extend_from_slice(rest);
            return decoded;
        };
        decoded.extend_from_slice(plain);
        let (byte, used) = match escape {
            [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [b'+', ..] => (b' ', 1),
            _ => (b'%', 1),
        };
        decoded.push(byte);
        rest = escape.get(used..).unwrap_or_default();
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Decodes base64 in place: standard or URL alphabet, with or without padding, spaces taken for the `+` that they once were.
pub(crate) fn base64_decode(mut text: Vec<u8>, notes: &mut Notes) -> Result<Vec<u8>, Malformed> {
    if memchr::memchr(b' ', &text).is_some() {
        bump(&mut notes.base64_spaces);
        replace(&mut text, b' ', b'+');
    }
    if memchr::memchr2(b'-', b'_', &text).is_some() {
        replace(&mut text, b'-', b'+');
        replace(&mut text, b'_', b'/');
    }
    let decoded_bytes = base64_simd::forgiving_decode_inplace(&mut text)
        .map_err(|_| Malformed::Base64)?
        .len();
    text.truncate(decoded_bytes);
    Ok(text)
}

fn replace(text: &mut [u8], from: u8, to: u8) {
    for byte in text.iter_mut().filter(|byte| **byte == from) {
        *byte = to;
    }
}

#[cfg(test)]
mod tests;
