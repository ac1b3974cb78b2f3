//! The state of one scan, the byte classes behind the prefilter, and the words around a candidate.
//!
//! Invariant: reading outside the text yields 0, never a panic.

use super::found::{Confidence, Detections};
use crate::rules::{KeyContext, RuleId, RuleSwitches};
use std::cell::Cell;

/// One text under examination.
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) context: KeyContext,
    pub(super) switches: &'a RuleSwitches,
    /// Whether the text can hold words beside a value: it has a space, `:` or `=`.
    has_words: bool,
    /// Which bytes words of the text begin with, by [`letter`]; [`UNKNOWN`] until somebody asks.
    starts: Cell<u64>,
    pub(super) found: Detections,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        text: &'a str,
        context: KeyContext,
        switches: &'a RuleSwitches,
        flags: u8,
    ) -> Self {
        Self {
            text,
            context,
            switches,
            has_words: flags & (SPACE | ASSIGN) != 0,
            starts: Cell::new(UNKNOWN),
            found: Detections::default(),
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The byte at a position, 0 outside the text.
    #[inline]
    pub(super) fn at(&self, position: usize) -> u8 {
        at(self.text.as_bytes(), position)
    }

    /// The byte before a position, 0 at the start.
    #[inline]
    pub(super) fn before(&self, position: usize) -> u8 {
        position.checked_sub(1).map_or(0, |before| self.at(before))
    }

    pub(super) fn certain(&mut self, rule: RuleId, start: usize, end: usize) {
        self.report(rule, start, end, Confidence::Certain);
    }

    pub(super) fn likely(&mut self, rule: RuleId, start: usize, end: usize) {
        self.report(rule, start, end, Confidence::Likely);
    }

    fn report(&mut self, rule: RuleId, start: usize, end: usize, confidence: Confidence) {
        if self.switches.is_on(rule) {
            self.found.push(rule, start, end, confidence);
        }
    }

    /// Whether the key says so, or one of the words stands in the text (at the start of a word, any case).
    pub(super) fn says(&self, hints: KeyContext, words: &[&str]) -> bool {
        self.context.any(hints) || self.has_word(words)
    }

    pub(super) fn has_word(&self, words: &[&str]) -> bool {
        if !self.has_words {
            return false;
        }
        let bytes = self.text.as_bytes();
        if self.starts.get() == UNKNOWN {
            self.starts.set(starts(bytes));
        }
        let wanted = words
            .iter()
            .fold(0, |all, word| all | letter(at(word.as_bytes(), 0)));
        // Most lists have no word that begins like one of the text's.
        self.starts.get() & wanted != 0
            && (0..bytes.len()).any(|start| {
                letter(at(bytes, start)) & wanted != 0
                    && begins_word(bytes, start)
                    && words.iter().any(|word| stands_at(bytes, start, word))
            })
    }
}

/// The next `://` at or after a position.
pub(super) fn scheme_sign(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    while position + 2 < bytes.len() {
        if at(bytes, position) == b':'
            && at(bytes, position + 1) == b'/'
            && at(bytes, position + 2) == b'/'
        {
            return Some(position);
        }
        position += 1;
    }
    None
}

/// The byte at a position, 0 outside.
#[inline]
pub(super) fn at(bytes: &[u8], position: usize) -> u8 {
    bytes.get(position).copied().unwrap_or(0)
}

/// No text begins its words with all 64.
const UNKNOWN: u64 = u64::MAX;

/// A bit for a byte, the same for both cases of a letter; some bytes share one.
#[inline]
fn letter(byte: u8) -> u64 {
    1 << ((byte | 0x20) & 31)
}

/// The bits of all bytes that words begin with.
fn starts(bytes: &[u8]) -> u64 {
    let mut before = 0_u8;
    let mut found = 0;
    for byte in bytes {
        if !before.is_ascii_alphabetic() || byte.is_ascii_uppercase() {
            found |= letter(*byte);
        }
        before = *byte;
    }
    found
}

/// Whether a word may begin here: not inside another, but for a capital.
#[inline]
fn begins_word(bytes: &[u8], start: usize) -> bool {
    at(bytes, start).is_ascii_uppercase()
        || start
            .checked_sub(1)
            .is_none_or(|before| !at(bytes, before).is_ascii_alphabetic())
}

/// Whether `word` (lower case) stands at a position, in any case.
#[inline]
fn stands_at(bytes: &[u8], start: usize, word: &str) -> bool {
    bytes
        .get(start..start + word.len())
        .is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// What one pass over the bytes tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    pub(super) digits: u32,
    pub(super) dots: u32,
    pub(super) colons: u32,
    pub(super) dashes: u32,
    pub(super) flags: u8,
}

pub(super) const AT: u8 = 1;
pub(super) const ESCAPE: u8 = 2;
pub(super) const PLUS: u8 = 4;
pub(super) const SPACE: u8 = 8;
pub(super) const ASSIGN: u8 = 16;
pub(super) const PAREN: u8 = 32;
pub(super) const UPPER: u8 = 64;
pub(super) const LETTER: u8 = 128;

/// Per byte: counts packed into fields of 14 bits, and the flags in the top 8.
const CLASSES: [u64; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at build time over a fixed range"
)]
const fn classes() -> [u64; 256] {
    let mut table = [0_u64; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let counted = match byte as u8 {
            b'0'..=b'9' => 1,
            b'.' => 1 << 14,
            b':' => 1 << 28,
            b'-' => 1 << 42,
            _ => 0,
        };
        let flags = match byte as u8 {
            b'@' => AT,
            b'%' | b'&' => ESCAPE,
            b'+' => PLUS,
            b' ' | b'\t' | b'\n' | b'\r' => SPACE,
            b'=' | b':' => ASSIGN,
            b'(' => PAREN,
            b'A'..=b'Z' => UPPER | LETTER,
            b'a'..=b'z' => LETTER,
            _ => 0,
        };
        table[byte] = counted | (flags as u64) << 56;
        byte += 1;
    }
    table
}

/// Counts in one pass.
#[inline]
pub(super) fn census(text: &str) -> Census {
    let mut census = Census::default();
    // A field of 14 bits cannot overflow within a chunk.
    for chunk in text.as_bytes().chunks(8 * 1024) {
        let (mut counts, mut flags) = (0_u64, 0_u64);
        for byte in chunk {
            #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
            let class = CLASSES[usize::from(*byte)];
            counts += class & ((1 << 56) - 1);
            flags |= class;
        }
        census.digits += (counts & 0x3fff) as u32;
        census.dots += (counts >> 14 & 0x3fff) as u32;
        census.colons += (counts >> 28 & 0x3fff) as u32;
        census.dashes += (counts >> 42 & 0x3fff) as u32;
        census.flags |= (flags >> 56) as u8;
    }
    census
}
