//! Looks for many values at once in any bytes: as they are, without case, percent-decoded, unescaped, in base64, hex and gzip.
//!
//! Invariant: what it finds in a layer counts as found; layers are opened to a fixed depth, so that it ends.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;

/// Every needle is at least as long as that, bytes.
const HEAD: usize = 7;
const DEPTH_MAX: usize = 4;
const UNZIPPED_BYTES_MAX: u64 = 64 * 1024 * 1024;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The values to look for, each with the number of its canary.
#[derive(Default)]
pub(super) struct Finder {
    needles: Vec<(Vec<u8>, usize)>,
    by_head: HashMap<[u8; HEAD], Vec<usize>>,
    heads: Vec<u64>,
}

impl Finder {
    /// Adds a value; case does not matter.
    pub(super) fn add(&mut self, needle: &[u8], canary: usize) {
        assert!(
            needle.len() >= HEAD,
            "a canary of {} bytes is found by chance",
            needle.len()
        );
        if self.heads.is_empty() {
            self.heads = vec![0; 1 << 14];
        }
        let needle = needle.to_ascii_lowercase();
        let head: [u8; HEAD] = needle[..HEAD].try_into().unwrap();
        let (word, bit) = slot(head);
        self.heads[word] |= bit;
        self.by_head
            .entry(head)
            .or_default()
            .push(self.needles.len());
        self.needles.push((needle, canary));
    }

    /// The canaries in there, in any encoding.
    pub(super) fn find(&self, bytes: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.look(bytes, 0, &mut found);
        found
    }

    fn look(&self, bytes: &[u8], depth: usize, found: &mut BTreeSet<usize>) {
        self.inside(bytes, depth, found);
        // Escapes of a text within a text, then up to two percent-encodings, one after the other.
        let mut text = unescaped(bytes);
        if let Some(text) = &text {
            self.inside(text, depth, found);
        }
        for _ in 0..2 {
            let Some(decoded) = percent(text.as_deref().unwrap_or(bytes)) else {
                break;
            };
            self.inside(&decoded, depth, found);
            text = Some(decoded);
        }
    }

    /// Scans, and looks into what is wrapped.
    fn inside(&self, bytes: &[u8], depth: usize, found: &mut BTreeSet<usize>) {
        self.scan(bytes, found);
        if depth == DEPTH_MAX {
            return;
        }
        let base64s = runs(bytes, 12, is_base64).flat_map(base64);
        let hexes = runs(bytes, 14, |byte| byte.is_ascii_hexdigit()).flat_map(hex);
        for layer in base64s.chain(hexes) {
            // What a layer of noise holds is noise: only text and archives are opened further.
            let readable = layer
                .iter()
                .filter(|byte| (0x20..0x7F).contains(*byte))
                .count()
                * 10
                > layer.len() * 8;
            if readable || layer.starts_with(&[0x1f, 0x8b]) {
                self.look(&layer, depth + 1, found);
            } else {
                self.scan(&layer, found);
            }
        }
        let mut from = 0;
        while let Some(at) = bytes[from..].iter().position(|byte| *byte == 0x1f) {
            from += at + 1;
            if bytes[from..].starts_with(&[0x8b, 8]) {
                let mut unzipped = Vec::new();
                let _ = flate2::bufread::GzDecoder::new(&bytes[from - 1..])
                    .take(UNZIPPED_BYTES_MAX)
                    .read_to_end(&mut unzipped);
                self.look(&unzipped, depth + 1, found);
            }
        }
    }

    fn scan(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        let lower = bytes.to_ascii_lowercase();
        for (at, window) in lower.windows(HEAD).enumerate() {
            let head: [u8; HEAD] = window.try_into().unwrap();
            let (word, bit) = slot(head);
            if self.heads.get(word).is_none_or(|bits| bits & bit == 0) {
                continue;
            }
            for number in self.by_head.get(&head).into_iter().flatten() {
                let (needle, canary) = &self.needles[*number];
                if lower[at..].starts_with(needle) {
                    found.insert(*canary);
                }
            }
        }
    }
}

fn slot(head: [u8; HEAD]) -> (usize, u64) {
    let mut wide = [0; 8];
    wide[..HEAD].copy_from_slice(&head);
    let hash = u64::from_le_bytes(wide).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash >> 50) as usize, 1 << (hash >> 44 & 63))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn runs(
    bytes: &[u8],
    least: usize,
    belongs: impl Fn(u8) -> bool + Copy,
) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(move |byte| !belongs(*byte))
        .filter(move |run| run.len() >= least)
}

/// The run as base64 of either alphabet, from each of the four places where a quartet can begin.
fn base64(run: &[u8]) -> Vec<Vec<u8>> {
    let plain: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let decoded = (0..4).filter_map(|from| {
        let tail = &plain[from..];
        let whole = tail.len() - usize::from(tail.len() % 4 == 1);
        STANDARD.decode(&tail[..whole]).ok()
    });
    decoded.collect()
}

fn hex(run: &[u8]) -> Vec<Vec<u8>> {
    (0..2)
        .filter_map(|from| hex::decode(&run[from..run.len() - (run.len() - from) % 2]).ok())
        .collect()
}

fn percent(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                (at, changed) = (at + 3, true);
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    changed.then_some(decoded)
}

/// JSON's and Rust's escapes.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            decoded.push(bytes[at]);
            at += 1;
            continue;
        }
        changed = true;
        let code = bytes.get(at + 2..at + 6).filter(|_| bytes[at + 1] == b'u');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        decoded.push(code.unwrap_or(bytes[at + 1]));
        at += if code.is_some() { 6 } else { 2 };
    }
    changed.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::Finder;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn leak_finder_sees_through_every_encoding() {
        let mut finder = Finder::default();
        finder.add(b"Zqabcdefghij", 7);
        finder.add(b"zq other one", 8);
        let plain = "x {\"email\":\"zqABCdefghij@example.com\"} y";
        let once: String = plain.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let twice = once.replace('%', "%25");
        let base64 = STANDARD.encode(plain);
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("plain", plain.into()),
            ("percent", once.clone().into()),
            ("percent twice", twice.into()),
            (
                "escaped",
                serde_json::to_vec(&serde_json::to_string(plain).unwrap()).unwrap(),
            ),
            ("code points", b"\\u007a\\u0071abcdefghij".to_vec()),
            ("base64", base64.clone().into()),
            ("base64 in a sentence", format!("data={base64}&ip=1").into()),
            ("base64 without a beginning", base64[1..].into()),
            ("base64 twice", STANDARD.encode(&base64).into()),
            ("base64url of percent", URL_SAFE_NO_PAD.encode(&once).into()),
            ("hex", hex::encode(plain).into()),
            ("gzip", gzip(plain.as_bytes())),
            (
                "gzip within a file",
                [b"\0\x01head".to_vec(), gzip(plain.as_bytes())].concat(),
            ),
            (
                "base64 of gzip",
                STANDARD.encode(gzip(plain.as_bytes())).into(),
            ),
        ];
        for (name, bytes) in cases {
            assert_eq!(
                finder.find(&bytes).into_iter().collect::<Vec<_>>(),
                [7],
                "{name}"
            );
        }
        assert!(finder.find(b"zqabcdefgh ij, zq other-one").is_empty());
    }
}
