//! The handle: open, append, read, release.

use crate::{Append, Appended, Entry, FileLayer, JournalError, JournalOptions, Recovery, Stats};
use std::{path::Path, sync::Arc};
use tokio::sync::watch;

/// A journal. Clones share it; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Journal {
    durable: watch::Receiver<u64>,
}

/// What a release gave back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Segments deleted.
    pub segments: usize,
    /// Their size.
    pub bytes: u64,
}

impl Journal {
    /// Opens the journal in `dir` (created when it is not there) and starts its writer. Blocking.
    pub fn open(
        _dir: impl AsRef<Path>,
        _options: JournalOptions,
        _files: Arc<dyn FileLayer>,
    ) -> Result<(Self, Recovery), JournalError> {
        Err(JournalError::Closed)
    }

    /// Appends an entry; resolves after the fdatasync that made it durable.
    pub async fn append(&self, _append: Append) -> Result<Appended, JournalError> {
        Err(JournalError::Closed)
    }

    /// Durable entries from the one that holds `from_seq` (or the next one) on, up to `max_bytes` of payload but at least one. Blocking.
    pub fn read(&self, _from_seq: u64, _max_bytes: usize) -> Result<Vec<Entry>, JournalError> {
        Err(JournalError::Closed)
    }

    /// The seq after the last durable record; changes with every group.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    /// Deletes whole segments whose records all have a seq below `min_next_seq`. Blocking.
    pub fn release(&self, _min_next_seq: u64) -> Result<Released, JournalError> {
        Err(JournalError::Closed)
    }

    /// The tags of all entries that are still held, ascending.
    pub fn tags(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Are appends accepted at the moment?
    pub fn is_healthy(&self) -> bool {
        false
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Refuses new appends, finishes those that wait, stops the writer. Blocking.
    pub fn close(&self) {}
}
