//! What can go wrong in the ledger: broken files, broken disks and calls that make no sense.
//!
//! Invariant: no message carries a payload value, token or id of a person; numbers, paths and days only.

use cofferdam_model::Day;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a ledger operation failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Reading or writing a file failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, e.g. `sync`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A file is not what was written; the ledger refuses to guess.
    #[error("`{}` is damaged at byte {at}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, bytes from its start.
        at: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// A file was written by a newer version.
    #[error("`{}` has format {found}, this version reads up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The log could not be synced; nothing is promised until a checkpoint onto a fresh log succeeds.
    #[error("the exposure log is out of service after a failed sync")]
    Poisoned,
    /// The field set was not made by this ledger.
    #[error("field set {0} is unknown")]
    UnknownFieldSet(u32),
    /// The batch was never given out.
    #[error("batch {0} is unknown")]
    UnknownBatch(u64),
    /// An outcome names an item that the batch does not have.
    #[error("batch {batch} has no item {item}")]
    UnknownItem {
        /// The batch.
        batch: u64,
        /// The position named.
        item: u32,
    },
    /// The window ends before it begins.
    #[error("the window from {since} to {until} is empty")]
    Window {
        /// First day.
        since: Day,
        /// Last day.
        until: Day,
    },
    /// A lock was poisoned by a panic in another thread.
    #[error("another thread failed while it held the ledger")]
    Lock,
}

impl LedgerError {
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
