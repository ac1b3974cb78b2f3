//! How far a report is, and whether it is still wanted.
//!
//! Shared between the thread that computes and those who look at it or end it. Invariant: a report that was ended, or that has
//! passed its deadline, stops before its next part of the store.

use crate::QueryError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The state of a running report.
#[derive(Debug, Default)]
pub struct Progress {
    cancelled: AtomicBool,
    parts: AtomicU64,
    done: AtomicU64,
    deadline: Option<Instant>,
    seconds_max: u64,
}

impl Progress {
    /// A report that ends by itself after `limit`.
    #[must_use]
    pub fn with_limit(limit: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(limit),
            seconds_max: limit.as_secs(),
            ..Self::default()
        }
    }

    /// Ends the report.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Parts of the store that were read, and that will be as far as is known. A report that reads them again adds to both.
    #[must_use]
    pub fn parts(&self) -> (u64, u64) {
        let done = self.done.load(Ordering::Relaxed);
        (done, self.parts.load(Ordering::Relaxed).max(done))
    }

    /// So many parts will be read.
    pub(crate) fn expect(&self, parts: usize) {
        self.parts.fetch_add(parts as u64, Ordering::Relaxed);
    }

    /// A part is read.
    pub(crate) fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// An error where nobody wants the report any more, or it takes too long.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.is_ended() {
            return Err(QueryError::Cancelled);
        }
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(QueryError::TooSlow {
                seconds: self.seconds_max,
            });
        }
        Ok(())
    }
}
