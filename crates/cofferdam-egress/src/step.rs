//! The steps of a batch's life, as places where a test can end the process.
//!
//! Invariant: what lies between two steps has at most one durable effect, so that ending at every step covers every crash.

use std::sync::Arc;

/// A place in a batch's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Events were minimized and encoded; nothing is durable.
    Collected,
    /// The batch is durable in the outbox.
    Queued,
    /// The ledger holds the exposure; the first byte may leave now.
    Announced,
    /// The attempt at a part that must not be repeated is durable.
    Marked,
    /// An answer, or the lack of one, is known; nothing is recorded.
    Answered,
    /// The ledger holds the outcome.
    Settled,
    /// The outbox holds the outcome.
    Done,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 7] = [
        Self::Collected,
        Self::Queued,
        Self::Announced,
        Self::Marked,
        Self::Answered,
        Self::Settled,
        Self::Done,
    ];
}

/// Called at every step; `false` ends the worker on the spot, as a kill would.
pub type Hook = Arc<dyn Fn(Step) -> bool + Send + Sync>;
