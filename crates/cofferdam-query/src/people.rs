//! Sets of canonical persons, dense by number and allocated by page.
//!
//! The kernel keeps one per series and open bucket.

const PAGE_WORDS: usize = 1024;
/// Bytes of a page.
pub(crate) const PAGE_BYTES: usize = PAGE_WORDS * 8;

/// A set of person numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    pages: Vec<Option<Box<[u64; PAGE_WORDS]>>>,
    count: u64,
}

impl People {
    /// Adds a number; returns how many pages were allocated for it.
    pub(crate) fn insert(&mut self, number: u32) -> usize {
        let (page, bit) = (
            number as usize / (PAGE_WORDS * 64),
            number as usize % (PAGE_WORDS * 64),
        );
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let Some(slot) = self.pages.get_mut(page) else {
            return 0;
        };
        let fresh = usize::from(slot.is_none());
        let words = slot.get_or_insert_with(|| Box::new([0; PAGE_WORDS]));
        if let Some(word) = words.get_mut(bit / 64) {
            let mask = 1u64 << (bit % 64);
            self.count += u64::from(*word & mask == 0);
            *word |= mask;
        }
        fresh
    }

    /// How many numbers are in it.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// How many pages it holds.
    pub(crate) fn pages(&self) -> usize {
        self.pages.iter().flatten().count()
    }

    /// Adds all of another set; returns how many pages were allocated for it.
    pub(crate) fn absorb(&mut self, other: &Self) -> usize {
        if self.pages.len() < other.pages.len() {
            self.pages.resize_with(other.pages.len(), || None);
        }
        let mut fresh = 0;
        for (slot, page) in self.pages.iter_mut().zip(&other.pages) {
            let Some(page) = page else {
                continue;
            };
            fresh += usize::from(slot.is_none());
            let words = slot.get_or_insert_with(|| Box::new([0; PAGE_WORDS]));
            for (word, more) in words.iter_mut().zip(page.iter()) {
                self.count += u64::from((*more & !*word).count_ones());
                *word |= more;
            }
        }
        fresh
    }

    /// How many numbers are in at least one of the sets.
    pub(crate) fn union_len(sets: &[&Self]) -> u64 {
        if let [only] = sets {
            return only.count;
        }
        let pages = sets.iter().map(|set| set.pages.len()).max().unwrap_or(0);
        let mut count = 0;
        for page in 0..pages {
            let mut all = [0u64; PAGE_WORDS];
            for words in sets.iter().filter_map(|set| set.pages.get(page)?.as_ref()) {
                for (word, more) in all.iter_mut().zip(words.iter()) {
                    *word |= more;
                }
            }
            count += all
                .iter()
                .map(|word| u64::from(word.count_ones()))
                .sum::<u64>();
        }
        count
    }
}
