//! What the caller decides about a journal: sizes, bounds, the clock.
//!
//! Invariant: the defaults are those of production.

use std::{fmt, sync::Arc, time::Duration};

/// The caller's clock: milliseconds since 1970. It may jump, also backwards.
pub type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a journal is opened.
#[derive(Clone)]
pub struct JournalOptions {
    /// Gives each entry its time and ages the dedupe window.
    pub now_ms: NowMs,
    /// A segment that has grown beyond this many bytes is sealed; one group more may fit. Default 64 MiB.
    pub segment_bytes: u64,
    /// `release` seals a segment that is older than this, so that keys of quiet times can be destroyed. Default 1 hour.
    pub segment_age_ms: u64,
    /// Bytes of entries that may wait for the writer. Default 32 MiB.
    pub queue_bytes_max: usize,
    /// Entries that may wait for the writer. Default 65,536.
    pub queue_entries_max: usize,
    /// A key is known as a duplicate for at least this long. Default 7 days; 0 switches the window off.
    pub window_ms: u64,
    /// First wait before the writer tries a new segment after a failure; doubles up to `resume_max`. Default 100 ms.
    pub resume_min: Duration,
    /// Longest wait between two tries. Default 5 s.
    pub resume_max: Duration,
    /// The highest cursor of any consumer: no entry gets a lower seq, even when the journal's files have lost their end.
    pub min_next_seq: u64,
}

impl JournalOptions {
    /// The defaults with this clock.
    pub fn new(now_ms: NowMs) -> Self {
        Self {
            now_ms,
            segment_bytes: 64 << 20,
            segment_age_ms: 3_600_000,
            queue_bytes_max: 32 << 20,
            queue_entries_max: 1 << 16,
            window_ms: 7 * 86_400_000,
            resume_min: Duration::from_millis(100),
            resume_max: Duration::from_secs(5),
            min_next_seq: 0,
        }
    }
}

impl fmt::Debug for JournalOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JournalOptions")
            .field("segment_bytes", &self.segment_bytes)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("queue_entries_max", &self.queue_entries_max)
            .field("window_ms", &self.window_ms)
            .finish_non_exhaustive()
    }
}
