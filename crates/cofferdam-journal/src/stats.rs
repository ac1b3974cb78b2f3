//! Counters of a journal, for metrics.
//!
//! Invariant: reading them never waits for the writer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The counters at one moment; all count from the journal's opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups made durable.
    pub groups: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Records made durable, duplicates not counted.
    pub records: u64,
    /// Bytes made durable.
    pub bytes: u64,
    /// Records that were duplicates.
    pub duplicates: u64,
    /// Calls of fdatasync on segments.
    pub fsyncs: u64,
    /// Their time, summed, nanoseconds.
    pub fsync_ns_sum: u64,
    /// The longest of them, nanoseconds.
    pub fsync_ns_max: u64,
    /// Groups that failed.
    pub failures: u64,
    /// Entries that wait for the writer.
    pub queue_entries: u64,
    /// Bytes that wait for the writer.
    pub queue_bytes: u64,
    /// Keys in the dedupe window.
    pub window_keys: u64,
    /// Memory that the dedupe window holds.
    pub window_ram_bytes: u64,
    /// Disk that the dedupe window holds.
    pub window_disk_bytes: u64,
    /// Runs of the dedupe window.
    pub window_runs: u64,
    /// Look-ups in the dedupe window that failed to read; their keys counted as new.
    pub window_errors: u64,
    /// Wall time of the writer outside of fdatasync, nanoseconds.
    pub writer_ns_sum: u64,
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) fsyncs: AtomicU64,
    pub(crate) fsync_ns_sum: AtomicU64,
    pub(crate) fsync_ns_max: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) window_keys: AtomicU64,
    pub(crate) window_ram_bytes: AtomicU64,
    pub(crate) window_disk_bytes: AtomicU64,
    pub(crate) window_runs: AtomicU64,
    pub(crate) window_errors: AtomicU64,
    pub(crate) writer_ns_sum: AtomicU64,
}

impl Counters {
    pub(crate) fn fsync(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&self.fsyncs, 1);
        add(&self.fsync_ns_sum, nanoseconds);
        self.fsync_ns_max.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, queue_entries: usize, queue_bytes: usize) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            groups: read(&self.groups),
            entries: read(&self.entries),
            records: read(&self.records),
            bytes: read(&self.bytes),
            duplicates: read(&self.duplicates),
            fsyncs: read(&self.fsyncs),
            fsync_ns_sum: read(&self.fsync_ns_sum),
            fsync_ns_max: read(&self.fsync_ns_max),
            failures: read(&self.failures),
            queue_entries: queue_entries as u64,
            queue_bytes: queue_bytes as u64,
            window_keys: read(&self.window_keys),
            window_ram_bytes: read(&self.window_ram_bytes),
            window_disk_bytes: read(&self.window_disk_bytes),
            window_runs: read(&self.window_runs),
            window_errors: read(&self.window_errors),
            writer_ns_sum: read(&self.writer_ns_sum),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

pub(crate) fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}
