//! What can go wrong in the journal. A caller that answers HTTP maps everything with a `retry_after` to 503.
//!
//! Invariant: no error carries a key or a byte of a payload.

use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// An error of the journal.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The queue is full (bytes or entries); nothing was accepted.
    #[error("the journal's queue is full")]
    Busy,
    /// The journal is waiting for its disk; nothing was accepted. It resumes by itself.
    #[error("the journal cannot write at the moment")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The entry was in a group whose write or fsync failed. It may or may not surface after a crash; append it again with
    /// the same keys.
    #[error("the entry could not be made durable")]
    NotDurable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The entry has no records, or more bytes than the queue may ever hold.
    #[error("an entry needs between one record and the queue's size, {reason}")]
    Refused {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The journal has been closed.
    #[error("the journal is closed")]
    Closed,
    /// A sealed segment, or a sealed part of the last one, does not read as it was written. Nothing was changed.
    #[error("segment `{segment}` is damaged at byte {offset}, {reason}")]
    Damaged {
        /// The file.
        segment: PathBuf,
        /// Where, in bytes from its start.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A segment is missing between two others. Nothing was changed.
    #[error("a segment before `{segment}` is missing")]
    Missing {
        /// The segment whose predecessor is not there.
        segment: PathBuf,
    },
    /// The file was written by a newer version of the program. Nothing was changed.
    #[error("`{segment}` has format version {found}, this program reads up to {supported}")]
    Newer {
        /// The file.
        segment: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that this program knows.
        supported: u32,
    },
    /// Input or output failed.
    #[error("{doing} `{path}` failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The writer's thread could not be started.
    #[error("the journal's thread could not be started")]
    Thread(#[source] io::Error),
}

impl JournalError {
    /// When the same call may succeed; `None` when trying again is useless.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy => Some(Duration::from_secs(1)),
            Self::Unavailable { retry_after } | Self::NotDurable { retry_after } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
