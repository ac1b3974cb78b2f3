//! Sets of canonical persons, dense by number and allocated by page.
//!
//! The kernel keeps one per series and open bucket.

const PAGE_WORDS: usize = 1024;
/// Bytes of a page.
pub(crate) const PAGE_BYTES: usize = PAGE_WORDS * 8;

/// A set of person numbers.
#[derive(Debug, Default)]
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
}
