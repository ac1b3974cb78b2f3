//! Sets of people or values per series and bucket, and how many are in each window's union.
//!
//! A window that slides is kept as two parts, so that each bucket costs the same whatever the window's length: the unions of its older
//! buckets from each of them on, made at once when they are needed, and the union of the newer ones.
//! Invariant: a set lives only while a window that is still open needs it; `pages` counts what all of them hold.

use crate::measure::Window;
use crate::people::People;

/// Sets of numbers: series by series, each with all buckets.
#[derive(Debug)]
pub(crate) struct Sets {
    buckets: usize,
    cells: Vec<Option<Box<People>>>,
    slides: Vec<Slide>,
    sizes: Vec<u64>,
    pages: usize,
}

/// A series' open window.
#[derive(Debug, Default)]
struct Slide {
    /// Older buckets: from which one on, and the union from there up to the newer ones; the longest is the last.
    older: Vec<(usize, People)>,
    /// The union of the newer buckets, and the first of them. Their cells are kept.
    newer: People,
    first_newer: usize,
}

impl Sets {
    pub(crate) fn new(series: usize, buckets: usize) -> Self {
        Self {
            buckets,
            cells: std::iter::repeat_with(|| None)
                .take(series * buckets)
                .collect(),
            slides: std::iter::repeat_with(Slide::default)
                .take(series)
                .collect(),
            sizes: vec![0; series * buckets],
            pages: 0,
        }
    }

    /// Adds a number to a cell.
    pub(crate) fn insert(&mut self, cell: usize, number: u32) {
        if let Some(cell) = self.cells.get_mut(cell) {
            self.pages += cell.get_or_insert_default().insert(number);
        }
    }

    /// How many pages all sets hold.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Per cell how many numbers its window has, once closed.
    pub(crate) fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// Counts the window that ends with a series' bucket; buckets come in order.
    pub(crate) fn close(&mut self, series: usize, bucket: usize, window: Window) {
        let cell = series * self.buckets + bucket;
        let size = match window {
            Window::Trailing(1) => self.take(cell).map_or(0, |people| people.len()),
            Window::Trailing(_) => self.slide(series, bucket, window.first(bucket)),
            Window::Cumulative => {
                let people = self.take(cell);
                let Some(slide) = self.slides.get_mut(series) else {
                    return;
                };
                if let Some(people) = people {
                    self.pages += slide.newer.absorb(&people);
                }
                slide.newer.len()
            }
        };
        if let Some(slot) = self.sizes.get_mut(cell) {
            *slot = size;
        }
    }

    fn take(&mut self, cell: usize) -> Option<Box<People>> {
        let people = self.cells.get_mut(cell)?.take()?;
        self.pages -= people.pages();
        Some(people)
    }

    /// Moves a series' window on to `first..=bucket`.
    fn slide(&mut self, series: usize, bucket: usize, first: usize) -> u64 {
        let start = series * self.buckets;
        let Some(slide) = self.slides.get_mut(series) else {
            return 0;
        };
        if let Some(Some(people)) = self.cells.get(start + bucket) {
            self.pages += slide.newer.absorb(people);
        }
        while let Some((_, people)) = slide.older.pop_if(|(from, _)| *from < first) {
            self.pages -= people.pages();
        }
        if slide.older.is_empty() && slide.first_newer < first {
            self.rebuild(series, bucket, first);
        }
        let Some(slide) = self.slides.get(series) else {
            return 0;
        };
        match slide.older.last() {
            Some((_, older)) => People::union_len(&[older, &slide.newer]),
            None => slide.newer.len(),
        }
    }

    /// Makes the newer buckets older ones; those before `first` are dropped.
    fn rebuild(&mut self, series: usize, bucket: usize, first: usize) {
        let start = series * self.buckets;
        let mut all = People::default();
        let mut older = Vec::new();
        let from = self
            .slides
            .get(series)
            .map_or(first, |slide| slide.first_newer);
        for at in (from..=bucket).rev() {
            let people = self.take(start + at);
            if at < first {
                continue;
            }
            if let Some(people) = people {
                all.absorb(&people);
            }
            self.pages += all.pages();
            older.push((at, all.clone()));
        }
        if let Some(slide) = self.slides.get_mut(series) {
            self.pages -= slide.newer.pages();
            slide.newer = People::default();
            slide.first_newer = bucket + 1;
            slide.older = older;
        }
    }
}
