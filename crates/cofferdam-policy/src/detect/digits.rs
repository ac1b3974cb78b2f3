//! Groups of digits, bare or separated, and what their lengths and separators make them candidates for.
//!
//! Invariant: a bare number is a finding only with an issuer prefix and check digit, or where key or text announce it, because
//! every tenth id passes a check digit by chance.

use super::scan::{Scan, at};
use super::{card, national};

/// Longest list of groups kept at once, and most digits of a candidate.
const GROUPS_MAX: usize = 16;
/// Fewest digits of a candidate.
pub(super) const DIGITS_MIN: u32 = 9;
pub(super) const DIGITS_MAX: usize = 24;

/// A candidate: its digits as numbers, its shape and place.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    digits: [u8; DIGITS_MAX],
    length: usize,
    /// Lengths of the groups as decimal digits, e.g. 324 for 3-2-4.
    pub(super) shape: u32,
    /// The separator, 0 if bare; `?` where they differ.
    pub(super) separator: u8,
    /// Whether no further group stands next to it.
    pub(super) isolated: bool,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Candidate {
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or(&[])
    }

    pub(super) fn digit(&self, position: usize) -> u32 {
        self.digits().get(position).copied().map_or(0, u32::from)
    }

    pub(super) fn number(&self, from: usize, to: usize) -> u64 {
        self.digits()
            .get(from..to)
            .unwrap_or(&[])
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(*digit))
    }

    pub(super) fn is_bare(&self) -> bool {
        self.separator == 0
    }
}

#[derive(Clone, Copy, Default)]
struct Group {
    start: usize,
    end: usize,
}

/// Looks at every group and at every row of groups.
pub(super) fn scan(scan: &mut Scan<'_>) {
    let bytes = scan.bytes();
    let mut groups = [Group::default(); GROUPS_MAX];
    let mut count = 0;
    let mut position = 0;
    while position < bytes.len() {
        if !at(bytes, position).is_ascii_digit() {
            position += 1;
            continue;
        }
        let start = position;
        while at(bytes, position).is_ascii_digit() {
            position += 1;
        }
        let follows = count > 0
            && groups
                .get(count - 1)
                .is_some_and(|last| last.end + 1 == start && is_separator(at(bytes, last.end)));
        if !follows || count == GROUPS_MAX {
            row(scan, groups.get(..count).unwrap_or(&[]));
            count = 0;
        }
        if let Some(slot) = groups.get_mut(count) {
            *slot = Group {
                start,
                end: position,
            };
            count += 1;
        }
    }
    row(scan, groups.get(..count).unwrap_or(&[]));
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b':')
}

/// Every run of neighboring groups, longest first from each start.
fn row(scan: &mut Scan<'_>, groups: &[Group]) {
    let digits: usize = groups.iter().map(|group| group.end - group.start).sum();
    if digits < DIGITS_MIN as usize {
        return;
    }
    let mut first = 0;
    while first < groups.len() {
        let mut next = first + 1;
        for last in (first..groups.len().min(first + 7)).rev() {
            let Some(mut candidate) = groups
                .get(first..=last)
                .and_then(|groups| candidate(scan.bytes(), groups))
            else {
                continue;
            };
            candidate.isolated = first == 0 && last + 1 == groups.len();
            if card::digits(scan, &candidate) || national::digits(scan, &candidate) {
                next = last + 1;
                break;
            }
        }
        first = next;
    }
}

fn candidate(bytes: &[u8], groups: &[Group]) -> Option<Candidate> {
    let (first, last) = (groups.first()?, groups.last()?);
    let (before, next) = (
        first
            .start
            .checked_sub(1)
            .map_or(0, |before| at(bytes, before)),
        at(bytes, last.end),
    );
    // Part of a word, or the decimals of a number.
    if before.is_ascii_alphanumeric() && !is_announced(bytes, first.start)
        || next.is_ascii_alphanumeric()
    {
        return None;
    }
    let decimal = |sign: u8, digit: u8| sign == b'.' && digit.is_ascii_digit();
    let before_sign = first
        .start
        .checked_sub(2)
        .map_or(0, |before| at(bytes, before));
    if decimal(before, before_sign) || decimal(next, at(bytes, last.end + 1)) {
        return None;
    }
    let mut candidate = Candidate {
        digits: [0; DIGITS_MAX],
        length: 0,
        shape: 0,
        separator: 0,
        isolated: false,
        start: first.start,
        end: last.end,
    };
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            let separator = at(bytes, group.start - 1);
            candidate.separator = match candidate.separator {
                0 => separator,
                same if same == separator => same,
                _ => b'?',
            };
        }
        candidate.shape =
            candidate.shape * 10 + u32::try_from((group.end - group.start).min(9)).ok()?;
        for byte in bytes.get(group.start..group.end)? {
            *candidate.digits.get_mut(candidate.length)? = byte - b'0';
            candidate.length += 1;
        }
    }
    (candidate.length >= DIGITS_MIN as usize).then_some(candidate)
}

/// `is415-555-0132`, `code is199003052397`: a word that runs into its number.
fn is_announced(bytes: &[u8], start: usize) -> bool {
    start >= 3 && bytes.get(start - 2..start) == Some(b"is") && at(bytes, start - 3) == b' '
}
