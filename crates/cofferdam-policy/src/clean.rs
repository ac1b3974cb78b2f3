//! Texts in which the detectors found nothing, so that what every event repeats (`Windows`, `https:`) is looked at once.
//!
//! One per project of a compiled policy, shared by all threads; asked by admit before the detectors. Only short texts that come
//! again are kept: what is new in each event would push them out. Reading takes no lock.
//! Invariant: a text counts as clean only if path and the whole text are equal; a full memory costs looks, never a finding.

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

/// A path and a text of it that is clean.
type Clean = (u32, Box<str>);

/// The memory.
pub(crate) struct CleanTexts {
    slots: Box<[OnceLock<Clean>]>,
    /// What was last seen clean at each place: only the second time is it worth keeping.
    once: Box<[AtomicU32]>,
    hasher: RandomState,
}

/// Where a text would stand.
#[derive(Clone, Copy)]
pub(crate) struct Place(u64);

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

    /// `None` if the text of this path is known to be clean, else where to remember it.
    pub(crate) fn look(&self, path: u32, text: &str) -> Option<Place> {
        if text.len() > TEXT_BYTES_MAX {
            return Some(Place(u64::MAX));
        }
        let hash = self.hasher.hash_one((path, text)) >> 1;
        for slot in self.ways(hash) {
            match slot.get() {
                Some((known, clean)) if *known == path && **clean == *text => return None,
                Some(_) => {}
                None => break,
            }
        }
        Some(Place(hash))
    }

    /// Remembers that the text is clean.
    pub(crate) fn remember(&self, place: Place, path: u32, text: &str) {
        let Place(hash) = place;
        if hash == u64::MAX {
            return;
        }
        let seen = (hash >> 32) as u32;
        let once = usize::try_from(hash)
            .ok()
            .and_then(|hash| self.once.get(hash % TEXTS_MAX));
        if once.is_some_and(|once| once.swap(seen, Ordering::Relaxed) == seen) {
            // Another thread may be faster: then the next slot takes it, or none.
            let _ = self
                .ways(hash)
                .find(|slot| slot.get().is_none())
                .map(|slot| slot.set((path, text.into())));
        }
    }

    fn ways(&self, hash: u64) -> impl Iterator<Item = &OnceLock<Clean>> {
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

    #[test]
    fn a_text_is_known_from_its_second_time_on_and_only_for_its_path() {
        let texts = CleanTexts::new();
        for _ in 0..2 {
            let place = texts.look(1, "Windows").unwrap();
            texts.remember(place, 1, "Windows");
        }
        assert!(texts.look(1, "Windows").is_none());
        assert!(texts.look(2, "Windows").is_some());
        assert!(texts.look(1, "windows").is_some());
    }

    #[test]
    fn a_flood_of_texts_is_bounded_and_none_is_taken_for_another() {
        let texts = CleanTexts::new();
        for number in 0..TEXTS_MAX * 3 {
            let text = format!("clean {number}");
            for _ in 0..2 {
                if let Some(place) = texts.look(7, &text) {
                    texts.remember(place, 7, &text);
                }
            }
        }
        for number in 0..TEXTS_MAX * 3 {
            assert!(texts.look(7, &format!("other {number}")).is_some());
        }
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        for _ in 0..3 {
            let place = texts.look(1, &long).unwrap();
            texts.remember(place, 1, &long);
        }
    }
}
