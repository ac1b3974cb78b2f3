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
    /// Where words of the text begin, once somebody asked.
    starts: Cell<Option<Starts>>,
    pub(super) found: Detections,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        text: &'a str,
        context: KeyContext,
        switches: &'a RuleSwitches,
        flags: u16,
    ) -> Self {
        Self {
            text,
            context,
            switches,
            has_words: flags & (SPACE | ASSIGN) != 0,
            starts: Cell::new(None),
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
    pub(super) fn says(&self, hints: KeyContext, words: Words) -> bool {
        self.context.any(hints) || self.has_word(words)
    }

    pub(super) fn has_word(&self, words: Words) -> bool {
        if !self.has_words {
            return false;
        }
        let bytes = self.text.as_bytes();
        let starts = self.starts.get().unwrap_or_else(|| {
            let starts = Starts::of(bytes);
            self.starts.set(Some(starts));
            starts
        });
        // Most lists have no word that begins like one of the text's.
        if starts.letters & words.letters == 0 {
            return false;
        }
        let mut places = starts.places;
        while places != 0 {
            if words.stand_at(bytes, places.trailing_zeros() as usize) {
                return true;
            }
            places &= places - 1;
        }
        (PLACES..bytes.len()).any(|start| begins_word(bytes, start) && words.stand_at(bytes, start))
    }
}

/// Words to look for, in lower case; each begins with a letter.
#[derive(Clone, Copy)]
pub(super) struct Words {
    words: &'static [&'static str],
    /// What they begin with, by [`letter`].
    letters: u64,
}

impl Words {
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated at build time over fixed lists of words"
    )]
    pub(super) const fn of(words: &'static [&'static str]) -> Self {
        let (mut letters, mut at) = (0, 0);
        while at < words.len() {
            letters |= letter(words[at].as_bytes()[0]);
            at += 1;
        }
        Self { words, letters }
    }

    fn stand_at(self, bytes: &[u8], start: usize) -> bool {
        letter(at(bytes, start)) & self.letters != 0
            && self.words.iter().any(|word| stands_at(bytes, start, word))
    }
}

/// Where words of a text begin.
#[derive(Clone, Copy)]
struct Starts {
    /// With what, by [`letter`].
    letters: u64,
    /// A bit for each of the first bytes.
    places: u64,
}

/// How many bytes of a text [`Starts::places`] is about.
const PLACES: usize = 64;

impl Starts {
    fn of(bytes: &[u8]) -> Self {
        let mut starts = Self {
            letters: 0,
            places: 0,
        };
        let mut before = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if is_start(before, *byte) {
                starts.letters |= letter(*byte);
                if at < PLACES {
                    starts.places |= 1 << at;
                }
            }
            before = *byte;
        }
        starts
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

/// A bit for a byte, the same for both cases of a letter; some bytes share one.
#[inline]
const fn letter(byte: u8) -> u64 {
    1 << ((byte | 0x20) & 31)
}

/// Whether a word may begin with a byte: it is a letter, and not inside another word, but for a capital.
#[inline]
fn is_start(before: u8, byte: u8) -> bool {
    byte.is_ascii_uppercase()
        || !before.is_ascii_alphabetic() && (byte.is_ascii_lowercase() || !byte.is_ascii())
}

#[inline]
fn begins_word(bytes: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).map_or(0, |before| at(bytes, before));
    is_start(before, at(bytes, start))
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
pub(crate) struct Census {
    pub(crate) digits: u32,
    pub(super) dots: u32,
    pub(super) colons: u32,
    pub(super) dashes: u32,
    flags: u16,
}

impl Census {
    /// Whether a byte of one of these kinds is there.
    #[inline]
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub(super) fn flags(&self) -> u16 {
        self.flags
    }
}

pub(super) const AT: u16 = 1;
pub(crate) const ESCAPE: u16 = 2;
pub(super) const PLUS: u16 = 4;
pub(super) const SPACE: u16 = 8;
pub(super) const ASSIGN: u16 = 16;
pub(super) const PAREN: u16 = 32;
pub(crate) const UPPER: u16 = 64;
pub(super) const LETTER: u16 = 128;
/// Neither a letter nor a digit of ASCII.
pub(super) const OTHER: u16 = 256;

const COUNT_BITS: u32 = 13;
const FLAGS_AT: u32 = 4 * COUNT_BITS;

/// Per byte: counts packed into fields of 13 bits, and the flags in the top 12.
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
            b'.' => 1 << COUNT_BITS,
            b':' => 1 << (2 * COUNT_BITS),
            b'-' => 1 << (3 * COUNT_BITS),
            _ => 0,
        };
        let flags = match byte as u8 {
            b'@' => AT | OTHER,
            b'%' | b'&' => ESCAPE | OTHER,
            b'+' => PLUS | OTHER,
            b' ' | b'\t' | b'\n' | b'\r' => SPACE | OTHER,
            b'=' | b':' => ASSIGN | OTHER,
            b'(' => PAREN | OTHER,
            b'A'..=b'Z' => UPPER | LETTER,
            b'a'..=b'z' => LETTER,
            b'0'..=b'9' => 0,
            _ => OTHER,
        };
        table[byte] = counted | (flags as u64) << FLAGS_AT;
        byte += 1;
    }
    table
}

/// Counts in one pass.
#[inline]
pub(crate) fn census(text: &str) -> Census {
    const COUNT: u64 = (1 << COUNT_BITS) - 1;
    let mut census = Census::default();
    // A field cannot overflow within a chunk.
    for chunk in text.as_bytes().chunks(4 * 1024) {
        let (mut counts, mut flags) = (0_u64, 0_u64);
        for byte in chunk {
            #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
            let class = CLASSES[usize::from(*byte)];
            counts += class & ((1 << FLAGS_AT) - 1);
            flags |= class;
        }
        census.digits += (counts & COUNT) as u32;
        census.dots += (counts >> COUNT_BITS & COUNT) as u32;
        census.colons += (counts >> (2 * COUNT_BITS) & COUNT) as u32;
        census.dashes += (counts >> (3 * COUNT_BITS) & COUNT) as u32;
        census.flags |= (flags >> FLAGS_AT) as u16;
    }
    census
}

/// Kinds of bytes, to be joined.
pub(super) const DIGIT: u8 = 1;
pub(super) const ALPHABETIC: u8 = 2;
pub(super) const ALNUM: u8 = DIGIT | ALPHABETIC;
/// What tokens are made of besides letters and digits: `_`, `-`, `.` and `:`.
pub(super) const JOINT: u8 = 4;

/// The kind of each byte: one load instead of several comparisons.
const KINDS: [u8; 256] = kinds();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at build time over a fixed range"
)]
const fn kinds() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'A'..=b'Z' | b'a'..=b'z' => ALPHABETIC,
            b'_' | b'-' | b'.' | b':' => JOINT,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// The kind of a byte; 0 where it is none of them.
#[inline]
pub(super) fn kind(byte: u8) -> u8 {
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    KINDS[usize::from(byte)]
}

/// How many bytes from a position on are of one of these kinds.
#[inline]
pub(super) fn run(bytes: &[u8], from: usize, kinds: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let end = rest.iter().position(|byte| kind(*byte) & kinds == 0);
    end.unwrap_or(rest.len())
}
