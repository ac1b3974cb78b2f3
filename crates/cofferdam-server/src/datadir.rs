//! The data directory: its lock, its format version, its layout.
//!
//! Invariant: one process works on a directory; a newer format is refused and nothing is overwritten.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Format version of the data directory that this program writes.
pub const FORMAT: u32 = 1;

/// Why the directory cannot be worked on.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Another process holds the lock.
    #[error("another process works on `{path}`; stop it, or use its control socket")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error("`{path}` has format {found}, this program knows up to {FORMAT}; use a newer program")]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Not a data directory of ours.
    #[error(
        "`{path}` is not empty and has no readable format file; it is not a data directory of Cofferdam"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Cannot be made, read or locked.
    #[error("`{path}` cannot be used")]
    Io {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A locked data directory; the lock ends with this value.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    was_empty: bool,
    _lock: File,
}

impl DataDir {
    /// Makes the directory (owner-only) where it is absent, checks its format and takes its lock.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing was changed where the format is newer or the directory is someone else's.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io {
            path: path.to_owned(),
            source,
        };
        crate::config::init::make_private_dir(path).map_err(io)?;
        let format_file = path.join("format");
        let format = match std::fs::read_to_string(&format_file) {
            Ok(text) => text.trim().parse::<u32>().ok(),
            Err(_) => None,
        };
        let is_empty = std::fs::read_dir(path)
            .map_err(io)?
            .filter_map(Result::ok)
            .all(|entry| {
                // A first start that was cut short leaves no more than these, the format without content.
                let is_cut_format = entry.file_name() == "format"
                    && entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
                entry.file_name() == "lock" || is_cut_format
            });
        match format {
            Some(found) if found > FORMAT => {
                return Err(DataDirError::Newer {
                    path: path.to_owned(),
                    found,
                });
            }
            None if !is_empty => {
                return Err(DataDirError::Foreign {
                    path: path.to_owned(),
                });
            }
            _ => {}
        }
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if format.is_none() {
            let mut file = File::create(&format_file).map_err(io)?;
            file.write_all(format!("{FORMAT}\n").as_bytes())
                .map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        Ok(Self {
            path: path.to_owned(),
            was_empty: format.is_none(),
            _lock: lock,
        })
    }

    /// Whether nothing had been written here before.
    #[must_use]
    pub fn was_empty(&self) -> bool {
        self.was_empty
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Whether another process holds the lock of that directory.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    OpenOptions::new()
        .append(true)
        .open(path.join("lock"))
        .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::{DataDir, DataDirError, FORMAT};

    #[test]
    fn a_second_process_a_newer_format_and_a_foreign_directory_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();
        assert!(first.was_empty());
        assert!(matches!(
            DataDir::open(&path),
            Err(DataDirError::Locked { .. })
        ));
        assert!(super::is_locked(&path));
        drop(first);
        assert!(!DataDir::open(&path).unwrap().was_empty());
        std::fs::write(path.join("format"), format!("{}\n", FORMAT + 1)).unwrap();
        assert!(matches!(
            DataDir::open(&path),
            Err(DataDirError::Newer { .. })
        ));
        let foreign = dir.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("thesis.txt"), "mine").unwrap();
        assert!(matches!(
            DataDir::open(&foreign),
            Err(DataDirError::Foreign { .. })
        ));
        assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
    }
}
