//! Which month files count, and a bounded number of them open with their index.
//!
//! The checkpoint decides which files there are; queries open them lazily.
//! Invariant: at most [`OPEN_MAX`] files stay open here; the one used longest ago is closed first.

use crate::LedgerError;
use crate::month::{self, MonthFile};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Most files kept open.
const OPEN_MAX: usize = 256;

/// One month file that counts.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) number: u64,
    open: Option<Arc<MonthFile>>,
    used: u64,
}

/// All month files that count, by stream and month.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    dir: PathBuf,
    slots: BTreeMap<(Arc<str>, i32), Slot>,
    open: usize,
    tick: u64,
}

impl Files {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            ..Self::default()
        }
    }

    pub(crate) fn put(&mut self, stream: &Arc<str>, month: i32, number: u64) {
        let slot = Slot {
            number,
            open: None,
            used: 0,
        };
        let old = self.slots.insert((Arc::clone(stream), month), slot);
        self.open -= usize::from(old.is_some_and(|old| old.open.is_some()));
    }

    /// Stream, month and file number of every file, ascending.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&Arc<str>, i32, u64)> {
        self.slots
            .iter()
            .map(|((stream, month), slot)| (stream, *month, slot.number))
    }

    /// Every stream that has a file, ascending.
    pub(crate) fn streams(&self) -> Vec<Arc<str>> {
        let mut streams: Vec<_> = self.slots.keys().map(|(s, _)| Arc::clone(s)).collect();
        streams.dedup();
        streams
    }

    /// The files of a stream for months from..=to, opened, ascending.
    pub(crate) fn of(
        &mut self,
        stream: &Arc<str>,
        months: std::ops::RangeInclusive<i32>,
    ) -> Result<Vec<Arc<MonthFile>>, LedgerError> {
        if months.is_empty() {
            return Ok(Vec::new());
        }
        let from = (Arc::clone(stream), *months.start());
        let to = (Arc::clone(stream), *months.end());
        let wanted: Vec<i32> = self.slots.range(from..=to).map(|((_, m), _)| *m).collect();
        let mut files = Vec::with_capacity(wanted.len());
        for month in wanted {
            files.extend(self.one(stream, month)?);
        }
        Ok(files)
    }

    /// The first and the last file of a stream, opened.
    pub(crate) fn ends(&mut self, stream: &Arc<str>) -> Result<Vec<Arc<MonthFile>>, LedgerError> {
        let from = (Arc::clone(stream), i32::MIN);
        let to = (Arc::clone(stream), i32::MAX);
        let mut months = self.slots.range(from..=to).map(|((_, month), _)| *month);
        let (first, last) = (months.next(), months.next_back());
        let mut files = Vec::new();
        for month in first.into_iter().chain(last) {
            files.extend(self.one(stream, month)?);
        }
        Ok(files)
    }

    /// The file of a stream and month, opened.
    pub(crate) fn one(
        &mut self,
        stream: &Arc<str>,
        month: i32,
    ) -> Result<Option<Arc<MonthFile>>, LedgerError> {
        self.tick += 1;
        let tick = self.tick;
        let Some(slot) = self.slots.get_mut(&(Arc::clone(stream), month)) else {
            return Ok(None);
        };
        slot.used = tick;
        if let Some(file) = &slot.open {
            return Ok(Some(Arc::clone(file)));
        }
        let path = month::path_of(&self.dir, slot.number);
        let file = Arc::new(MonthFile::open(&path)?);
        if file.stream != *stream || file.month != month {
            return Err(LedgerError::Damaged {
                path,
                at: 0,
                what: "it belongs to another vendor or month",
            });
        }
        slot.open = Some(Arc::clone(&file));
        self.open += 1;
        if self.open > OPEN_MAX {
            self.close_oldest();
        }
        Ok(Some(file))
    }

    fn close_oldest(&mut self) {
        let open = self.slots.values_mut().filter(|slot| slot.open.is_some());
        if let Some(oldest) = open.min_by_key(|slot| slot.used) {
            oldest.open = None;
            self.open -= 1;
        }
    }
}
