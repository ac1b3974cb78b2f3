//! The last records as they were stored, for the Live page.
//!
//! Fed by the projector; read by the API, which asks policy again what each vendor may have.
//! Invariant: bounded; values in here are those that home may keep.

use cofferdam_model::PersonNumber;
use cofferdam_policy::{HomeItem, Record};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Most records kept.
pub const RECORDS_MAX: usize = 500;

/// One record as stored.
#[derive(Clone, Debug)]
pub struct LiveRecord {
    /// Its journal sequence number.
    pub seq: u64,
    /// The record.
    pub record: Arc<Record>,
    /// What home keeps of it; `None` where home keeps nothing.
    pub home: Option<Arc<HomeItem>>,
}

/// The last records.
#[derive(Debug, Default)]
pub struct Live {
    records: Mutex<VecDeque<LiveRecord>>,
}

impl Live {
    /// Adds a record, dropping the oldest.
    pub fn push(&self, record: LiveRecord) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == RECORDS_MAX {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// Drops what there is of these people.
    pub fn forget(&self, numbers: &[PersonNumber]) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.retain(|record| !numbers.contains(&record.record.person()));
    }

    /// The newest records after `after_seq`, newest first.
    #[must_use]
    pub fn newest(&self, after_seq: Option<u64>, limit: usize) -> Vec<LiveRecord> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records
            .iter()
            .rev()
            .filter(|record| after_seq.is_none_or(|seq| record.seq > seq))
            .take(limit)
            .cloned()
            .collect()
    }
}
