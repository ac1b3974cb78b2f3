//! How a store is opened: where it lives, its clock and file layer, its limits with units.

use crate::{Files, LocalFiles};
use cofferdam_model::Clock;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the store lives and what it is given.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Directory of the Parquet files, `store/` of the data directory; made if absent.
    pub dir: PathBuf,
    /// The catalog database, `catalog.db` of the data directory; made if absent.
    pub catalog: PathBuf,
    /// The current time, for snapshot times only.
    pub clock: Arc<dyn Clock>,
    /// The file layer.
    pub files: Arc<dyn Files>,
    /// Limits.
    pub limits: StoreLimits,
}

impl StoreOptions {
    /// Options with the local file layer and default limits.
    #[must_use]
    pub fn new(dir: PathBuf, catalog: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            dir,
            catalog,
            clock,
            files: Arc::new(LocalFiles),
            limits: StoreLimits::default(),
        }
    }
}

/// Limits of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Events in the tail after which a flush is due.
    pub tail_events_max: usize,
    /// Age of the tail's oldest event after which a flush is due, milliseconds.
    pub tail_ms_max: i64,
    /// Deduplication keys held in memory over all days; the least recently used day goes first.
    pub keys_max: usize,
    /// Events kept for the live feed.
    pub recent_max: usize,
    /// Properties of a project that get a column of their own.
    pub columns_max: usize,
    /// Properties of a project that are listed by name; further ones are stored, not listed.
    pub properties_max: usize,
    /// Events of one file; compaction leaves a file of at least half of this alone.
    pub file_events_max: usize,
    /// Files of one day from which compaction merges.
    pub compact_files_min: usize,
    /// Decoded columns kept in memory for reports, bytes; the least recently used file's go first, 0 keeps none.
    pub hot_bytes_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            tail_events_max: 50_000,
            tail_ms_max: 30_000,
            keys_max: 8_000_000,
            recent_max: 1_000,
            columns_max: 400,
            properties_max: 10_000,
            file_events_max: 1_000_000,
            compact_files_min: 4,
            hot_bytes_max: 256 << 20,
        }
    }
}
