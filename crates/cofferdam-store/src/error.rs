//! What can go wrong in the store. Messages carry ids and paths, never a stored value.

use std::path::PathBuf;
use thiserror::Error;

/// Why the store could not do what was asked. Nothing acknowledged is lost by any of these: the journal replays from the cursor.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The catalog database failed.
    #[error("the catalog database failed while {doing}")]
    Catalog {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// A file or directory could not be read or written.
    #[error("input or output failed on `{}`", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A Parquet file could not be written or read.
    #[error("the parquet file `{}` failed", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The catalog or a file is not as this version writes it.
    #[error("the event store is damaged: {what}")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The catalog was written by a newer version.
    #[error("the event store has format {found}, newer than {known}")]
    NewerFormat {
        /// The format found.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },
    /// The target of a snapshot is in use.
    #[error("the directory `{}` is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A background task of the runtime died.
    #[error("a background task of the store died")]
    Task,
}

impl StoreError {
    pub(crate) fn catalog(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Catalog { doing, source }
    }

    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn parquet(
        path: &std::path::Path,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Parquet { path, source }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
