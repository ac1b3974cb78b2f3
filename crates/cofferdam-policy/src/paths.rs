//! Paths seen so far, each with what it is: the memory that makes a known field cost one hash.
//!
//! One per project of a compiled policy, shared by all threads; a decoded entry has a fixed one of its own.
//! Invariant: bounded; reading takes no lock; a path beyond the bound is classified afresh each time, with the same result.

use crate::classify::{Basis, Carrier, Class, Classifier, RuleName, WORDS};
use crate::clean::CleanTexts;
use crate::names;
use crate::rules::{KeyContext, ValueType};
use cofferdam_model::Category;
use foldhash::fast::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const CHUNK: usize = 128;
const CHUNKS: usize = 64;
/// Most paths remembered per project.
pub(crate) const PATHS_MAX: usize = CHUNK * CHUNKS;
const SLOTS: usize = PATHS_MAX * 2;
/// Longest path of a field, bytes.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// How many classes a path has.
pub(crate) const VARIANTS: usize = 6;
pub(crate) const BOOL: u16 = 0;
pub(crate) const NUMBER: u16 = 1;
pub(crate) const TEXT: u16 = 2;
pub(crate) const NESTED: u16 = 3;
pub(crate) const DERIVED: u16 = 4;
pub(crate) const WORDY: u16 = 5;

/// A path and what it is.
#[derive(Debug)]
pub(crate) struct PathInfo {
    /// As looked up, without prefix, [`names::STEP`] between its names: may hold what the path hides.
    key: Box<str>,
    pub(crate) carrier: Carrier,
    /// With prefix; personal data in a key's name is masked.
    pub(crate) path: Arc<str>,
    /// Without prefix.
    pub(crate) name: Arc<str>,
    pub(crate) context: KeyContext,
    /// By the constants above.
    classes: [Class; VARIANTS],
    /// What was found in the key's own name.
    pub(crate) found: Option<(Category, RuleName)>,
    /// The path that came after this one in the record before: see [`Paths::after`].
    next: AtomicU32,
}

impl PathInfo {
    pub(crate) fn new(classifier: &Classifier, carrier: Carrier, key: &str) -> Self {
        // An event's name and a group's key are one name each.
        let (name, detections) = if carrier == Carrier::Name {
            names::shown(&names::plain(key), &classifier.switches)
        } else {
            names::shown(key, &classifier.switches)
        };
        let found = detections
            .worst()
            .map(|worst| (worst.category, RuleName::Known(worst.rule.as_str())));
        let name: Arc<str> = Arc::from(name);
        let class = |value_type| {
            let class = classifier.class(carrier, &name, value_type);
            match &found {
                Some((category, rule)) if carrier != Carrier::Name => Class {
                    category: *category,
                    rule: rule.clone(),
                    basis: Basis::Detected,
                    ..class
                },
                _ => class,
            }
        };
        let text = class(ValueType::Text);
        let derived = Class {
            basis: Basis::Derived,
            ..text.clone()
        };
        let classes = [
            class(ValueType::Bool),
            class(ValueType::Number),
            text,
            class(ValueType::Nested),
            derived,
            WORDS,
        ];
        let path = if carrier.prefix().is_empty() {
            Arc::clone(&name)
        } else {
            Arc::from([carrier.prefix(), &name].concat())
        };
        Self {
            context: Classifier::context(&name),
            key: key.into(),
            carrier,
            path,
            name,
            classes,
            found,
            next: AtomicU32::new(0),
        }
    }

    /// A path as read from a record, with the one class that it had there.
    pub(crate) fn read(carrier: Carrier, path: Arc<str>, name: Arc<str>, class: &Class) -> Self {
        Self {
            key: Box::default(),
            carrier,
            path,
            name,
            context: KeyContext::NONE,
            classes: std::array::from_fn(|_| class.clone()),
            found: None,
            next: AtomicU32::new(0),
        }
    }

    fn is(&self, carrier: Carrier, key: &str) -> bool {
        self.carrier == carrier && *self.key == *key
    }

    pub(crate) fn class(&self, variant: u16) -> &Class {
        let [first, ..] = &self.classes;
        self.classes.get(usize::from(variant)).unwrap_or(first)
    }
}

/// Places for paths, made when the first of them is needed.
type Chunk = Box<[OnceLock<PathInfo>]>;

/// A set of paths with small numbers.
pub(crate) struct Paths {
    chunks: Box<[OnceLock<Chunk>]>,
    slots: Box<[AtomicU32]>,
    /// Texts of these paths in which the detectors found nothing.
    pub(crate) clean: CleanTexts,
    hasher: RandomState,
    writer: Mutex<u32>,
    fixed: Vec<PathInfo>,
}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paths").field("len", &self.len()).finish()
    }
}

impl Paths {
    /// An empty, growing set.
    pub(crate) fn growing() -> Self {
        Self {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            clean: CleanTexts::new(),
            hasher: RandomState::default(),
            writer: Mutex::new(0),
            fixed: Vec::new(),
        }
    }

    /// The paths of a decoded entry.
    pub(crate) fn fixed(paths: Vec<PathInfo>) -> Self {
        Self {
            chunks: Box::default(),
            slots: Box::default(),
            clean: CleanTexts::none(),
            hasher: RandomState::default(),
            writer: Mutex::new(0),
            fixed: paths,
        }
    }

    /// How many numbers have been given; all are below.
    pub(crate) fn len(&self) -> usize {
        let grown = *self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.fixed.len() + grown as usize
    }

    /// The path of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&PathInfo> {
        let number = number as usize;
        if !self.fixed.is_empty() {
            return self.fixed.get(number);
        }
        self.chunks
            .get(number / CHUNK)?
            .get()?
            .get(number % CHUNK)?
            .get()
    }

    /// The number of a path, known or new; `None` where the set is full or the path too long.
    pub(crate) fn number(
        &self,
        classifier: &Classifier,
        carrier: Carrier,
        key: &str,
    ) -> Option<u32> {
        if key.len() > PATH_BYTES_MAX {
            return None;
        }
        let hash = self.hash(carrier, key);
        match self.find(hash, carrier, key) {
            Ok(number) => Some(number),
            Err(_) => self.add(classifier, hash, carrier, key),
        }
    }

    /// The path that comes after the path `before` in a record; `None` where the set is full.
    ///
    /// Records of a project have mostly the same fields in the same order, so that the one that followed last time is compared
    /// before anything is hashed. A wrong guess costs that comparison, never a wrong path.
    #[inline]
    pub(crate) fn after(
        &self,
        before: Option<&PathInfo>,
        classifier: &Classifier,
        carrier: Carrier,
        key: &str,
    ) -> Option<(u32, &PathInfo)> {
        if let Some(before) = before {
            let guess = before.next.load(Ordering::Relaxed);
            if let Some(info) = self.get(guess)
                && info.is(carrier, key)
            {
                return Some((guess, info));
            }
        }
        let number = self.number(classifier, carrier, key)?;
        if let Some(before) = before {
            before.next.store(number, Ordering::Relaxed);
        }
        Some((number, self.get(number)?))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of the hash will do"
    )]
    fn hash(&self, carrier: Carrier, key: &str) -> usize {
        (self.hasher.hash_one(key) as usize).wrapping_add(carrier as usize)
    }

    /// The number, or the free slot where it belongs.
    fn find(&self, hash: usize, carrier: Carrier, key: &str) -> Result<u32, usize> {
        for step in 0..SLOTS {
            let slot = hash.wrapping_add(step) % SLOTS;
            let number = match self
                .slots
                .get(slot)
                .map(|slot| slot.load(Ordering::Acquire))
            {
                None | Some(0) => return Err(slot),
                Some(taken) => taken - 1,
            };
            if let Some(info) = self.get(number)
                && info.is(carrier, key)
            {
                return Ok(number);
            }
        }
        Err(0)
    }

    #[cold]
    fn add(
        &self,
        classifier: &Classifier,
        hash: usize,
        carrier: Carrier,
        key: &str,
    ) -> Option<u32> {
        let mut count = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match self.find(hash, carrier, key) {
            Ok(number) => return Some(number),
            Err(slot) => slot,
        };
        let number = *count;
        if number as usize >= PATHS_MAX {
            return None;
        }
        let chunk = self.chunks.get(number as usize / CHUNK)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        let info = PathInfo::new(classifier, carrier, key);
        chunk.get(number as usize % CHUNK)?.set(info).ok()?;
        self.slots.get(slot)?.store(number + 1, Ordering::Release);
        *count = number + 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_is_bounded_and_known_paths_stay_known() {
        let classifier = Classifier::default();
        let paths = Paths::growing();
        let first = paths
            .number(&classifier, Carrier::Property, "plan")
            .unwrap();
        for i in 0..PATHS_MAX + 50 {
            let number = paths.number(&classifier, Carrier::Property, &format!("made_up_{i}"));
            assert_eq!(number.is_some(), i + 1 < PATHS_MAX);
        }
        assert_eq!(paths.len(), PATHS_MAX);
        assert_eq!(
            paths.number(&classifier, Carrier::Property, "plan"),
            Some(first)
        );
        assert_eq!(&*paths.get(first).unwrap().path, "properties.plan");
    }

    #[test]
    fn a_wrong_guess_of_the_next_path_costs_only_a_look() {
        let classifier = Classifier::default();
        let paths = Paths::growing();
        let after = |before, carrier, key| paths.after(before, &classifier, carrier, key).unwrap();
        let (_, first) = after(None, Carrier::Property, "plan");
        for (carrier, key) in [
            (Carrier::Property, "seats"),
            (Carrier::Profile, "seats"),
            (Carrier::Property, "seat"),
            (Carrier::Property, "seats"),
            (Carrier::Property, "plan"),
        ] {
            for _ in 0..2 {
                let (number, info) = after(Some(first), carrier, key);
                assert_eq!(Some(number), paths.number(&classifier, carrier, key));
                assert_eq!((info.carrier, &*info.name), (carrier, key));
            }
        }
    }

    #[test]
    fn carriers_do_not_share_a_path() {
        let classifier = Classifier::default();
        let paths = Paths::growing();
        let one = paths.number(&classifier, Carrier::Property, "x").unwrap();
        let other = paths.number(&classifier, Carrier::Profile, "x").unwrap();
        assert_ne!(one, other);
        assert_eq!(&*paths.get(other).unwrap().path, "profile.x");
    }
}
