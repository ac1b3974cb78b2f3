//! What goes in and what comes out: appends, their answers, entries as readers see them, the report of a recovery.
//!
//! Invariant: record `i` of an entry has seq `first_seq + i`, whether it is a duplicate or not.

use bytes::Bytes;
use std::path::PathBuf;

/// An opaque key by which records are deduplicated. All zero means: never a duplicate.
pub type Key = [u8; 16];

/// The key that is never a duplicate.
pub const NO_KEY: Key = [0; 16];

/// One entry to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// One key per record of the entry, in order; at least one.
    pub keys: Vec<Key>,
    /// Opaque; the vault's id of the key under which the payload is encrypted.
    pub tag: u32,
    /// Opaque bytes.
    pub payload: Bytes,
}

/// The answer to an append: the entry is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Seq of the first record. When every record was a duplicate nothing was written and this is the seq of the next entry.
    pub first_seq: u64,
    /// Indices of the records that were duplicates; readers skip them.
    pub duplicates: Vec<u32>,
}

/// One durable entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Seq of the first record.
    pub first_seq: u64,
    /// How many seqs the entry takes, duplicates included.
    pub records: u32,
    /// Which of the records are duplicates.
    pub duplicates: Duplicates,
    /// As given to `append`.
    pub tag: u32,
    /// As given to `append`.
    pub payload: Bytes,
    /// The caller's clock when the entry was written, milliseconds.
    pub appended_ms: u64,
}

impl Entry {
    /// The seq after the last record: a reader's next cursor.
    pub fn next_seq(&self) -> u64 {
        self.first_seq + u64::from(self.records)
    }
}

/// A set of record indices. Empty (no bytes) when no record is a duplicate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    pub(crate) bits: Bytes,
}

impl Duplicates {
    /// Is record `index` a duplicate?
    pub fn contains(&self, index: u32) -> bool {
        self.bits
            .get((index / 8) as usize)
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// Is no record a duplicate?
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.bits.len() as u32 * 8).filter(|index| self.contains(*index))
    }
}

/// What opening a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments with entries that are still held.
    pub segments: usize,
    /// Whole entries in them.
    pub entries: u64,
    /// Lowest seq that can be read; equals `next_seq` when there is none.
    pub first_seq: u64,
    /// Seq of the next record.
    pub next_seq: u64,
    /// The unfinished group at the end that was cut off.
    pub cut: Option<Cut>,
    /// Keys in the dedupe window.
    pub window_keys: u64,
    /// Runs of the dedupe window that could not be used; repeats of their keys are left to the store's exact check.
    pub window_runs_lost: usize,
}

/// The end of the last segment that is not a whole group. It was never acknowledged, unless something else than a crash
/// has shortened or changed the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub segment: PathBuf,
    /// The first byte that does not count.
    pub offset: u64,
    /// How many bytes do not count.
    pub bytes: u64,
    /// How many records the unfinished group announced, when its start can be read.
    pub records: Option<u32>,
}
