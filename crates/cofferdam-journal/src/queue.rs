//! The bounded queue between the callers and the writer, and the door that is shut while the journal cannot write.
//!
//! Invariant: what `push` accepted is taken by the writer or answered with an error; never forgotten.

use crate::{Append, Appended, JournalError};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Where the answer to an append goes.
pub(crate) type Reply = oneshot::Sender<Result<Appended, JournalError>>;

/// Where the answer to a seal goes.
pub(crate) type SealReply = oneshot::Sender<Result<(), JournalError>>;

/// An append that waits.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) append: Append,
    pub(crate) body_crc: u32,
    /// Bytes that it counts for.
    pub(crate) bytes: usize,
    pub(crate) reply: Reply,
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Everything that waited.
    Group(Vec<Pending>),
    /// These callers want a segment that holds nothing yet.
    Seal(Vec<SealReply>),
    /// A release wants the window frozen, and an old segment sealed.
    Tidy,
    /// Nothing waits and nothing will.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    bytes_max: usize,
    entries_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Pending>,
    bytes: usize,
    seals: Vec<SealReply>,
    shut: Option<Duration>,
    tidy: bool,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, entries_max: usize) -> Self {
        Self {
            bytes_max,
            entries_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, pending: Pending) -> Result<(), JournalError> {
        let mut state = self.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        if let Some(retry_after) = state.shut {
            return Err(JournalError::Unavailable { retry_after });
        }
        if pending.bytes > self.bytes_max {
            return Err(JournalError::Refused {
                reason: "it has too many bytes",
            });
        }
        if state.waiting.len() >= self.entries_max || state.bytes + pending.bytes > self.bytes_max {
            return Err(JournalError::Busy);
        }
        state.bytes += pending.bytes;
        state.waiting.push(pending);
        let first = state.waiting.len() == 1;
        drop(state);
        if first {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Asks for a segment that holds nothing yet.
    pub(crate) fn seal(&self, reply: SealReply) -> Result<(), JournalError> {
        let mut state = self.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        state.seals.push(reply);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for work.
    pub(crate) fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            if !state.seals.is_empty() {
                return Work::Seal(std::mem::take(&mut state.seals));
            }
            if !state.waiting.is_empty() {
                state.bytes = 0;
                let room = state.waiting.len();
                let waiting = std::mem::replace(&mut state.waiting, Vec::with_capacity(room));
                return Work::Group(waiting);
            }
            if state.closed {
                return Work::Closed;
            }
            if std::mem::take(&mut state.tidy) {
                return Work::Tidy;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Shuts the door; returns what waited.
    pub(crate) fn shut(&self, retry_after: Duration) -> Vec<Pending> {
        let mut state = self.lock();
        state.shut = Some(retry_after);
        state.bytes = 0;
        std::mem::take(&mut state.waiting)
    }

    /// Opens the door again.
    pub(crate) fn reopen(&self) {
        self.lock().shut = None;
    }

    /// Is the door open?
    pub(crate) fn is_open(&self) -> bool {
        let state = self.lock();
        state.shut.is_none() && !state.closed
    }

    /// Waits out `pause`; true when the journal was closed meanwhile.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, pause, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.closed
    }

    pub(crate) fn tidy(&self) {
        self.lock().tidy = true;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Closes and forgets what waits: its callers learn that the journal is closed.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        state.seals.clear();
        state.bytes = 0;
    }

    /// Entries and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.waiting.len(), state.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
