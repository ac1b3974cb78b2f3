//! The one thread that writes: it takes whatever is waiting, writes it as one block, syncs once, then answers all.
//!
//! After a failed write or sync the segment is given up (a failed sync is never repeated) and the next leaf opens a new one.
//! Invariant: nobody gets an answer other than an error for a leaf that is not on disk.

use crate::Recorded;
use crate::error::AuditError;
use crate::file::{self, Faults};
use crate::leaf::{self, NewLeaf};
use cofferdam_model::{Clock, Entropy};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

/// Most leaves in one block.
const GROUP_MAX: usize = 1024;
/// A segment is closed once it is this long, bytes.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) struct Job {
    pub(crate) leaf: NewLeaf,
    pub(crate) reply: tokio::sync::oneshot::Sender<Result<Recorded, AuditError>>,
}

pub(crate) struct Writer {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    faults: Faults,
    next_seq: u64,
    /// `next_seq`, for readers of the open log.
    acknowledged: Arc<AtomicU64>,
    previous: [u8; 32],
    segment: Option<(File, u64)>,
    salts: File,
}

impl Writer {
    pub(crate) fn open(
        dir: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        faults: Faults,
    ) -> Result<Self, AuditError> {
        let opening = |source| AuditError::io("open", source);
        file::create_dir(dir).map_err(opening)?;
        let state = file::read(dir, None, &mut |_| ())?;
        let segment = match &state.last {
            Some((path, length, rest)) => {
                if *rest > 0 {
                    tracing::warn!(
                        cut_bytes = rest,
                        "cut an unacknowledged write from the audit log"
                    );
                }
                let file = file::reopen_segment(path, *length, *rest).map_err(opening)?;
                Some((file, *length))
            }
            None => None,
        };
        Ok(Self {
            salts: file::salts(dir).map_err(opening)?,
            dir: dir.to_owned(),
            clock,
            entropy,
            faults,
            next_seq: state.next_seq,
            acknowledged: Arc::new(AtomicU64::new(state.next_seq)),
            previous: state.previous,
            segment,
        })
    }

    /// How many leaves are on disk for sure, from now on.
    pub(crate) fn acknowledged(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.acknowledged)
    }

    pub(crate) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Job>) {
        let time = self.clock.now().0;
        let (mut payload, mut salts) = (Vec::new(), String::new());
        let (mut seq, mut previous) = (self.next_seq, self.previous);
        let mut replies = Vec::with_capacity(group.len());
        for job in group {
            let mut salt = [0; 32];
            self.entropy.fill(&mut salt);
            let bytes = job.leaf.at(seq, time, &previous, &salt).bytes();
            previous = leaf::hash(&bytes);
            if !payload.is_empty() {
                payload.push(b'\n');
            }
            payload.extend_from_slice(&bytes);
            let _ = writeln!(salts, "{seq} {}", hex::encode(salt));
            replies.push((
                job.reply,
                Recorded {
                    seq,
                    hash: previous,
                },
            ));
            seq += 1;
        }
        match self.write(&file::frame(&payload), &salts) {
            Ok(()) => {
                (self.next_seq, self.previous) = (seq, previous);
                self.acknowledged.store(seq, Ordering::Release);
                if let Err(error) = file::acknowledge(&self.dir, seq) {
                    tracing::warn!(%error, "cannot mark the acknowledged audit leaves");
                }
                for (reply, recorded) in replies {
                    let _ = reply.send(Ok(recorded));
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot write the audit log; no act is permitted");
                self.segment = None;
                let error = AuditError::io("write", error);
                for (reply, _) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn write(&mut self, block: &[u8], salts: &str) -> std::io::Result<()> {
        self.salts.write_all(salts.as_bytes())?;
        self.salts.sync_data()?;
        let (mut file, length) = match self.segment.take() {
            Some((file, length)) if length < SEGMENT_BYTES => (file, length),
            _ => (file::create_segment(&self.dir, self.next_seq)?.1, 0),
        };
        file::commit(&mut file, block, &self.faults)?;
        self.segment = Some((file, length + block.len() as u64));
        Ok(())
    }
}
