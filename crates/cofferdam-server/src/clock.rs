//! Time and randomness from outside: the system's for `serve`, a clock moved by hand for the demo and tests.
//!
//! Invariant: nothing else in the product reads the system's clock or randomness.

use cofferdam_model::{Clock, Entropy, TimestampMs};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    fn now(&self) -> TimestampMs {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands where it was put, until it is released into real time.
#[derive(Debug)]
pub struct HandClock {
    at_ms: AtomicI64,
    /// Offset to the system's clock once released; `i64::MIN` while it stands.
    offset_ms: AtomicI64,
}

impl HandClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: TimestampMs) -> Self {
        Self {
            at_ms: AtomicI64::new(start.0),
            offset_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Moves the standing clock; it never goes back.
    pub fn set(&self, now: TimestampMs) {
        self.at_ms.fetch_max(now.0, Ordering::SeqCst);
    }

    /// Lets it run on from where it stands, in real time.
    pub fn release(&self) {
        let offset = self.at_ms.load(Ordering::SeqCst) - SystemClock.now().0;
        self.offset_ms.store(offset, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> TimestampMs {
        match self.offset_ms.load(Ordering::SeqCst) {
            i64::MIN => TimestampMs(self.at_ms.load(Ordering::SeqCst)),
            offset => TimestampMs(SystemClock.now().0 + offset),
        }
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "without randomness no key may be made; there is nothing to fall back to"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
