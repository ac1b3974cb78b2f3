//! What detectors report: a short list of spans.
//!
//! Invariant: spans lie on character boundaries of the text that was scanned, and the list is bounded.

use crate::rules::RuleId;
use cofferdam_model::Category;

/// How sure a detector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// The shape is right and the key or the text around it says what it is.
    Likely,
    /// The shape alone is proof enough: check digits, issuer prefix, fixed marker.
    Certain,
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub category: Category,
    /// The rule that found it.
    pub rule: RuleId,
    /// How sure it is.
    pub confidence: Confidence,
}

/// Findings in one text, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detections {
    found: Vec<Detection>,
}

/// Most findings kept per text: beyond that the text as a whole is personal data anyway.
const FOUND_MAX: usize = 64;

impl Detections {
    /// Whether nothing was found.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether there may be more than could be kept: then nothing of the text may pass.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }

    /// Adds what was found in a part of the text that begins at `offset`, unless it is covered.
    pub(crate) fn adopt(&mut self, inner: &Self, offset: usize) {
        for one in &inner.found {
            let (start, end) = (offset + one.start, offset + one.end);
            let mut known = self.found.iter();
            if !known.any(|known| known.start <= start && end <= known.end) {
                self.push(one.rule, start, end, one.confidence);
            }
        }
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Detection> {
        self.found.iter()
    }

    /// The finding that weighs most: secrets first, then the most sensitive category, then the surest. That there is a URL says
    /// less than anything that stands in it.
    #[must_use]
    pub fn worst(&self) -> Option<&Detection> {
        self.worst_of(|_| true)
    }

    /// The one that weighs most of those that count.
    pub(crate) fn worst_of(&self, counts: impl Fn(&Detection) -> bool) -> Option<&Detection> {
        const URL: RuleId = RuleId::value("value.url");
        let counted = self.found.iter().filter(|one| counts(one));
        counted.max_by_key(|detection| {
            (
                crate::rules::is_secret(detection.category),
                detection.rule != URL,
                detection.category.sensitivity(),
                detection.category.is_protected(),
                detection.confidence,
                std::cmp::Reverse(detection.start),
            )
        })
    }

    /// Whether a finding overlaps the span.
    pub(super) fn overlaps(&self, start: usize, end: usize) -> bool {
        self.found
            .iter()
            .any(|found| found.start < end && start < found.end)
    }

    /// Adds a finding of a rule, unless the list is full. Empty spans are ignored.
    pub(crate) fn push(&mut self, rule: RuleId, start: usize, end: usize, confidence: Confidence) {
        if start < end && self.found.len() < FOUND_MAX {
            self.found.push(Detection {
                start,
                end,
                category: rule.rule().category,
                rule,
                confidence,
            });
        }
    }
}
