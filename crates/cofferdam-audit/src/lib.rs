//! The tamper-evident log of management acts.
//!
//! Access appends a leaf here before any act takes effect; operators read and verify it. Leaves are canonical JSON, each naming
//! the hash of the one before it, written by one thread in group commits.
//! Invariant: `append` returns only after the leaf is on disk; an error means that the act must not happen.

mod error;
mod file;
mod leaf;
mod writer;

#[cfg(test)]
mod tests;

pub use error::AuditError;
pub use file::Faults;
pub use leaf::{Decision, Leaf, NewLeaf, Verified};

use cofferdam_model::{Clock, Entropy};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use writer::{Job, Writer};

/// A leaf that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Position in the log, from 0.
    pub seq: u64,
    /// SHA-256 of the leaf's canonical bytes.
    pub hash: [u8; 32],
}

/// The open log; appends go through its one writer thread.
#[derive(Debug)]
pub struct Audit {
    dir: PathBuf,
    /// Leaves that are on disk for sure; the writer counts. A reader goes no further, so an append beside it is not its matter.
    acknowledged: Arc<AtomicU64>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Opens or creates the log in `dir`, checks all of it, and cuts what the last, never acknowledged write may have left behind.
    ///
    /// # Errors
    /// [`AuditError`] where a leaf is damaged or missing, or the files cannot be read or written. Nothing is changed then.
    pub fn open(
        dir: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AuditError> {
        Self::open_with(dir, clock, entropy, file::Faults::default())
    }

    /// As [`Audit::open`], with faults that tests set.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        faults: file::Faults,
    ) -> Result<Self, AuditError> {
        let writer = Writer::open(dir, clock, entropy, faults)?;
        let acknowledged = writer.acknowledged();
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| AuditError::io("start the writer of", source))?;
        Ok(Self {
            dir: dir.to_owned(),
            acknowledged,
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Appends a leaf; resolves once it is durable.
    ///
    /// # Errors
    /// [`AuditError`] where the leaf is not known to be durable: the act must not happen.
    pub async fn append(&self, leaf: NewLeaf) -> Result<Recorded, AuditError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = jobs.as_ref().ok_or(AuditError::Closed)?;
            sender
                .send(Job { leaf, reply })
                .map_err(|_| AuditError::Closed)?;
        }
        answer.await.map_err(|_| AuditError::Closed)?
    }

    /// Checks every acknowledged leaf, hash and frame again.
    ///
    /// # Errors
    /// [`AuditError`] naming the first file and place that is wrong.
    pub fn verify(&self) -> Result<Verified, AuditError> {
        verified(&self.dir, Some(self.acknowledged.load(Ordering::Acquire)))
    }

    /// The last `count` acknowledged leaves, oldest first.
    ///
    /// # Errors
    /// [`AuditError`] where the files cannot be read or are damaged.
    pub fn tail(&self, count: usize) -> Result<Vec<Leaf>, AuditError> {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        last(&self.dir, Some(acknowledged), count)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the audit writer panicked");
        }
    }
}

/// Checks the log in `dir` without opening it for writing.
///
/// # Errors
/// [`AuditError`] naming the first file and place that is wrong.
pub fn verify(dir: &Path) -> Result<Verified, AuditError> {
    verified(dir, None)
}

/// The last `count` leaves of the log in `dir`, oldest first.
///
/// # Errors
/// [`AuditError`] where the files cannot be read or are damaged.
pub fn tail(dir: &Path, count: usize) -> Result<Vec<Leaf>, AuditError> {
    last(dir, None, count)
}

fn verified(dir: &Path, acknowledged: Option<u64>) -> Result<Verified, AuditError> {
    let state = file::read(dir, acknowledged, &mut |_| ())?;
    Ok(Verified {
        leaves: state.next_seq,
        head: state.previous,
    })
}

fn last(dir: &Path, acknowledged: Option<u64>, count: usize) -> Result<Vec<Leaf>, AuditError> {
    let mut leaves = VecDeque::new();
    file::read(dir, acknowledged, &mut |leaf| {
        if leaves.len() == count {
            leaves.pop_front();
        }
        if count > 0 {
            leaves.push_back(leaf);
        }
    })?;
    Ok(leaves.into())
}
