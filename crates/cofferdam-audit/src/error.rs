//! What can go wrong with the log. Every one of these means: the act does not happen.

use std::sync::Arc;
use thiserror::Error;

/// The log cannot be read, written or trusted.
#[derive(Clone, Debug, Error)]
pub enum AuditError {
    /// The file system refused.
    #[error("cannot {action} the audit log")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A place before the last write does not hold what was written there.
    #[error("audit log `{file}` is damaged at byte {offset}: {problem}")]
    Damaged {
        /// File name inside the log's folder.
        file: String,
        /// Byte offset of the block.
        offset: u64,
        /// What does not fit.
        problem: &'static str,
    },
    /// Leaves that were acknowledged are missing at the end.
    #[error("the audit log ends at leaf {found}, but {wanted} leaves were acknowledged")]
    Truncated {
        /// Leaves found.
        found: u64,
        /// Leaves that were acknowledged.
        wanted: u64,
    },
    /// The writer has stopped.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    pub(crate) fn io(action: &'static str, source: std::io::Error) -> Self {
        Self::Io {
            action,
            source: Arc::new(source),
        }
    }
}
