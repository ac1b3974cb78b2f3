//! Sets of canonical persons, dense by number and allocated by page.
//!
//! The kernel of trends keeps one per series and open bucket; a cohort is one, and so are the people behind a bar.

const PAGE_WORDS: usize = 1024;
const PAGE_WORDS_U32: u32 = 1024;
/// Bytes of a page.
pub(crate) const PAGE_BYTES: usize = PAGE_WORDS * 8;

/// A set of person numbers.
#[derive(Clone, Debug, Default)]
pub struct People {
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

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let (page, bit) = (
            number as usize / (PAGE_WORDS * 64),
            number as usize % (PAGE_WORDS * 64),
        );
        let page = self.pages.get(page).and_then(Option::as_ref);
        page.and_then(|words| words.get(bit / 64))
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// All numbers, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let pages = (0u32..).zip(&self.pages);
        let words = pages.flat_map(|(page, words)| {
            let words = words.iter().flat_map(|words| words.iter());
            (0u32..).zip(words).map(move |(at, word)| {
                let start = (page * PAGE_WORDS_U32 + at) * 64;
                (start, *word)
            })
        });
        words.flat_map(|(start, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.checked_sub(1)?;
                Some(start + bit)
            })
        })
    }

    /// Keeps those for which `is_kept`.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let kept = self.numbers().filter(|number| is_kept(*number)).collect();
        *self = kept;
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages() * PAGE_BYTES
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

impl FromIterator<u32> for People {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut people = Self::default();
        for number in numbers {
            people.insert(number);
        }
        people
    }
}
