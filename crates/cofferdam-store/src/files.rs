//! The file layer: the few file operations of the store behind one seam, so that tests can crash between any two of them.
//!
//! Invariant: a file is visible under its final name only whole and synced, and its directory entry is synced before the catalog
//! names it.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A moment of a flush, a compaction or an erasure at which a test may crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Before anything was written.
    Begin,
    /// All files are in place, the catalog does not name them yet.
    FilesWritten,
    /// Everything is in the catalog transaction, which is not committed.
    BeforeCommit,
    /// The catalog transaction is committed, memory does not know yet.
    Committed,
}

/// A file being written.
pub trait FileSink: Write + Send {
    /// Makes the content durable.
    ///
    /// # Errors
    /// Where the operating system cannot promise it.
    fn sync(&mut self) -> io::Result<()>;
}

impl FileSink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// What the store does to files. Reading goes through [`File`] directly until files can live elsewhere.
pub trait Files: Send + Sync + Debug {
    /// Creates a file for writing, replacing what is there.
    ///
    /// # Errors
    /// As the operating system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileSink>>;
    /// Renames, replacing the target.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a directory's entries durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Called between the steps of a commit; an error is treated like a crash.
    ///
    /// # Errors
    /// Never in production.
    fn step(&self, step: Step) -> io::Result<()> {
        let _ = step;
        Ok(())
    }
}

/// The local file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFiles;

impl Files for LocalFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileSink>> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
