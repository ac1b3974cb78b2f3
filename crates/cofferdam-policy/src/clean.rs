//! Texts in which the detectors found nothing, so that what every event repeats (`Windows`, `https:`) is looked at once.
//!
//! One per project of a compiled policy, shared by all threads; asked by admit before the detectors. Only short texts that come
//! again are kept: what is new in each event would push them out. Reading takes no lock.
//! Invariant: a text counts as clean only if path and the whole text are equal; a full memory costs looks, never a finding.

use crate::admitted::{EXTRA, Node};
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most texts kept.
const TEXTS_MAX: usize = 1 << 14;
/// Longest text kept, bytes.
const TEXT_BYTES_MAX: usize = 128;
/// Slots in which a text may stand.
const WAYS: usize = 4;

/// The memory.
pub(crate) struct CleanTexts {
    slots: Box<[OnceLock<Known>]>,
    /// What was last seen clean at each place: only the second time is it worth keeping.
    once: Box<[AtomicU32]>,
    hasher: RandomState,
}

struct Known {
    path: u32,
    clean: Clean,
    text: Box<str>,
}

/// As what a clean text of a path is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clean {
    /// Which of the path's classes.
    pub(crate) class: u16,
    pub(crate) node: Node,
}

/// Where a text would stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    path: u32,
    /// [`NOWHERE`], or less.
    hash: u64,
}

const NOWHERE: u64 = u64::MAX;

impl Place {
    /// Where nothing is remembered.
    pub(crate) const NOWHERE: Self = Self {
        path: 0,
        hash: NOWHERE,
    };
}

impl CleanTexts {
    pub(crate) fn new() -> Self {
        Self {
            slots: (0..TEXTS_MAX).map(|_| OnceLock::new()).collect(),
            once: (0..TEXTS_MAX).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }

    /// Remembers nothing.
    pub(crate) fn none() -> Self {
        Self {
            slots: Box::default(),
            once: Box::default(),
            hasher: RandomState::default(),
        }
    }

    /// What the text of this path is known to be, else where to remember it.
    #[inline]
    pub(crate) fn look(&self, path: u32, text: &str) -> Result<Clean, Place> {
        // Numbers beyond the table of paths mean another path in each record.
        if text.len() > TEXT_BYTES_MAX || path >= EXTRA {
            return Err(Place::NOWHERE);
        }
        let hash = self.hasher.hash_one((path, text)) >> 1;
        for slot in self.ways(hash) {
            match slot.get() {
                Some(known) if known.path == path && *known.text == *text => {
                    return Ok(known.clean);
                }
                Some(_) => {}
                None => break,
            }
        }
        Err(Place { path, hash })
    }

    /// Remembers that the text is clean.
    pub(crate) fn remember(&self, place: Place, text: &str, clean: Clean) {
        let Place { path, hash } = place;
        if hash == NOWHERE {
            return;
        }
        let seen = (hash >> 32) as u32;
        let at = usize::try_from(hash % TEXTS_MAX as u64).unwrap_or(0);
        let Some(once) = self.once.get(at) else {
            return;
        };
        if once.load(Ordering::Relaxed) != seen {
            return once.store(seen, Ordering::Relaxed);
        }
        // Another thread may be faster: then the next slot takes it, or none.
        let _ = self
            .ways(hash)
            .find(|slot| slot.get().is_none())
            .map(|slot| {
                slot.set(Known {
                    path,
                    clean,
                    text: text.into(),
                })
            });
    }

    #[inline]
    fn ways(&self, hash: u64) -> impl Iterator<Item = &OnceLock<Known>> {
        let first = usize::try_from(hash % TEXTS_MAX as u64).unwrap_or(0) & !(WAYS - 1);
        self.slots
            .get(first..first + WAYS)
            .unwrap_or_default()
            .iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: Clean = Clean {
        class: 2,
        node: Node::Text,
    };

    #[test]
    fn a_text_is_known_from_its_second_time_on_and_only_for_its_path() {
        let texts = CleanTexts::new();
        for _ in 0..2 {
            let place = texts.look(1, "Windows").unwrap_err();
            texts.remember(place, "Windows", CLEAN);
        }
        assert_eq!(texts.look(1, "Windows").unwrap(), CLEAN);
        assert!(texts.look(2, "Windows").is_err());
        assert!(texts.look(1, "windows").is_err());
    }

    #[test]
    fn a_path_that_is_another_in_each_record_is_never_known() {
        let texts = CleanTexts::new();
        for _ in 0..3 {
            let place = texts.look(EXTRA + 1, "Windows").unwrap_err();
            texts.remember(place, "Windows", CLEAN);
        }
    }

    #[test]
    fn a_flood_of_texts_is_bounded_and_none_is_taken_for_another() {
        let texts = CleanTexts::new();
        for number in 0..TEXTS_MAX * 3 {
            let text = format!("clean {number}");
            for _ in 0..2 {
                if let Err(place) = texts.look(7, &text) {
                    texts.remember(place, &text, CLEAN);
                }
            }
        }
        for number in 0..TEXTS_MAX * 3 {
            assert!(texts.look(7, &format!("other {number}")).is_err());
        }
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        for _ in 0..3 {
            let place = texts.look(1, &long).unwrap_err();
            texts.remember(place, &long, CLEAN);
        }
    }
}
