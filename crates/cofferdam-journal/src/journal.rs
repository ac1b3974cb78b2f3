//! The handle: open, append, read, release, close; and what its threads share.
//!
//! Invariant: the list of segments only grows at its end (by the writer) and shrinks at its beginning (by `release`).

use crate::{
    Append, Appended, Entry, FileLayer, JournalError, JournalOptions, NO_KEY, Recovery, Stats,
    format,
    queue::{Pending, Queue},
    read::{self, Places},
    recover,
    segment::Segment,
    stats::Counters,
    window::{Keeper, Window},
    writer::Writer,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    thread::{self, JoinHandle},
};
use tokio::sync::{oneshot, watch};

/// The longest queue, bytes: a group's length has 32 bits.
const QUEUE_BYTES_MAX: usize = 1 << 30;

/// A journal. Clones share it; it closes when the last one is dropped, which waits for the entries in the queue.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// What a release gave back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Segments deleted.
    pub segments: usize,
    /// Their size.
    pub bytes: u64,
}

/// What callers, readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layer: Arc<dyn FileLayer>,
    pub(crate) dir: PathBuf,
    pub(crate) options: JournalOptions,
    pub(crate) counters: Arc<Counters>,
    pub(crate) queue: Queue,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) places: Places,
    segments: RwLock<Vec<Arc<Segment>>>,
    keeper: Arc<Keeper>,
    release: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    fn close(&self) {
        self.shared.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer first: it hands its last work to the keeper.
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
            self.shared.keeper.stop();
        }
    }
}

impl Journal {
    /// Opens the journal in `dir` (created when it is not there) and starts its threads. Blocking.
    ///
    /// # Errors
    /// `Damaged`, `Missing`, `Newer` when what is there cannot be trusted or understood (nothing is changed then), `Io`.
    pub fn open(
        dir: impl AsRef<Path>,
        mut options: JournalOptions,
        layer: Arc<dyn FileLayer>,
    ) -> Result<(Self, Recovery), JournalError> {
        let dir = dir.as_ref();
        options.queue_bytes_max = options.queue_bytes_max.min(QUEUE_BYTES_MAX);
        layer
            .create_dir(dir)
            .map_err(JournalError::io("creating", dir))?;
        let counters = Arc::new(Counters::default());
        let (mut window, runs_lost) = Window::open(
            Arc::clone(&layer),
            &dir.join("window"),
            options.window_ms,
            Arc::clone(&counters),
        )?;
        let found = fill(layer.as_ref(), dir, &options, &mut window)?;
        let mut report = found.report();
        let next_seq = found
            .next_seq
            .max(options.min_next_seq)
            .max(window.covered_seq());
        let last = found.segments.last().cloned();
        let created = Segment::create(
            layer.as_ref(),
            dir,
            next_seq,
            &options.now_ms,
            last.as_deref().map(Segment::as_previous),
        );
        // A full disk stops neither readers nor the process: the writer goes on trying.
        let (active, failed) = match (created, last) {
            (Ok(segment), _) => (Arc::new(segment), None),
            (Err(error), Some(last)) => (last, Some(error)),
            (Err(error), None) => return Err(error),
        };
        for path in &found.junk {
            // What stays is found again at the next opening.
            let _unused = layer.remove(path);
        }
        report.next_seq = next_seq;
        if report.segments == 0 {
            report.first_seq = next_seq;
        }
        report.window_keys = window.keys();
        report.window_runs_lost = runs_lost;
        let mut segments = found.segments;
        if failed.is_none() {
            segments.push(Arc::clone(&active));
        }
        let shared = Arc::new(Shared {
            layer,
            dir: dir.to_path_buf(),
            queue: Queue::new(options.queue_bytes_max, options.queue_entries_max),
            options,
            counters,
            durable: watch::Sender::new(active.end_seq()),
            places: Places::default(),
            segments: RwLock::new(segments),
            keeper: window.keeper(),
            release: Mutex::default(),
        });
        let writer = Writer::new(Arc::clone(&shared), active, next_seq, window, failed);
        Ok((Self::start(shared, writer)?, report))
    }

    fn start(shared: Arc<Shared>, writer: Writer) -> Result<Self, JournalError> {
        let keeper = Arc::clone(&shared.keeper);
        let inner = Inner {
            shared,
            threads: Mutex::default(),
        };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(JournalError::Thread)
        };
        let threads = vec![
            spawn("journal", Box::new(move || writer.work()))?,
            spawn("journal-window", Box::new(move || keeper.work()))?,
        ];
        *inner.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Appends an entry; resolves after the fdatasync that made it durable. When the future is dropped, the entry may still
    /// be written.
    ///
    /// # Errors
    /// `Busy`, `Unavailable` (nothing was written), `NotDurable` (append it again with the same keys), `Refused`, `Closed`.
    pub async fn append(&self, append: Append) -> Result<Appended, JournalError> {
        if append.keys.is_empty() {
            return Err(JournalError::Refused {
                reason: "it has none",
            });
        }
        let body_crc = format::body_crc(&append.keys, &append.payload);
        let bytes = 128 + append.payload.len() + append.keys.len() * size_of_val(&NO_KEY);
        let (reply, answer) = oneshot::channel();
        self.inner.shared.queue.push(Pending {
            append,
            body_crc,
            bytes,
            reply,
        })?;
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Seals the segment that is written to where it holds anything, so that whatever is appended from now on is in later ones, and
    /// [`Journal::release`] can delete all that is there.
    ///
    /// # Errors
    /// `Unavailable` where no segment can be begun, `Closed`.
    pub async fn seal(&self) -> Result<(), JournalError> {
        let (reply, answer) = oneshot::channel();
        self.inner.shared.queue.seal(reply)?;
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Durable entries from the one that holds `from_seq` (or the next there is) on: up to `bytes_max` of payload, but at
    /// least one if there is any. An entry that begins before `from_seq` is returned whole. Blocking.
    ///
    /// # Errors
    /// `Damaged` when the disk gives back something else than was written, `Io`.
    pub fn read(&self, from_seq: u64, bytes_max: usize) -> Result<Vec<Entry>, JournalError> {
        read::read(&self.inner.shared, from_seq, bytes_max)
    }

    /// The seq after the last durable record; changes with every group. Seqs may have gaps: a reader's next cursor is the
    /// `next_seq` of the last entry it got.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.inner.shared.durable.subscribe()
    }

    /// The first seq that is still held, or would be: what comes before it was released.
    pub fn first_seq(&self) -> u64 {
        let segments = self.inner.shared.segments();
        segments
            .first()
            .map_or(0, |segment| segment.header.first_seq)
    }

    /// A seq before which every record was appended before that time, milliseconds since 1970: where the last segment begins
    /// that is at least as old.
    pub fn begun_before(&self, ms: u64) -> u64 {
        let segments = self.inner.shared.segments();
        let old = segments
            .iter()
            .rev()
            .find(|segment| segment.header.created_ms <= ms);
        old.map_or(0, |segment| segment.header.first_seq)
    }

    /// Deletes whole segments whose records all have a seq below `min_next_seq`, the lowest cursor of all consumers. Segments
    /// whose keys are not yet in the files of the dedupe window stay until the next call. Blocking.
    ///
    /// # Errors
    /// `Io`; what was not deleted stays readable.
    pub fn release(&self, min_next_seq: u64) -> Result<Released, JournalError> {
        let shared = &self.inner.shared;
        let _one_at_a_time = shared
            .release
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut released = Released::default();
        loop {
            let segments = shared.segments();
            let [first, _, ..] = segments.as_slice() else {
                let old = segments.last().is_some_and(|active| {
                    let age_ms = (shared.options.now_ms)().saturating_sub(active.header.created_ms);
                    active.has_records()
                        && active.end_seq() <= min_next_seq
                        && age_ms >= shared.options.segment_age_ms
                });
                if old {
                    shared.queue.tidy();
                }
                break;
            };
            if first.end_seq() > min_next_seq {
                break;
            }
            if shared.options.window_ms > 0 && first.end_seq() > shared.keeper.covered_seq() {
                shared.queue.tidy();
                break;
            }
            let first = Arc::clone(first);
            drop(segments);
            released.bytes += first.durable();
            released.segments += 1;
            shared.remove_first(&first)?;
        }
        Ok(released)
    }

    /// The tags of all entries that are still held, ascending.
    pub fn tags(&self) -> Vec<u32> {
        let segments = self.inner.shared.segments();
        let tags: BTreeSet<u32> = segments.iter().flat_map(|segment| segment.tags()).collect();
        tags.into_iter().collect()
    }

    /// Are appends accepted at the moment?
    pub fn is_healthy(&self) -> bool {
        self.inner.shared.queue.is_open()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let (entries, bytes) = self.inner.shared.queue.depth();
        self.inner.shared.counters.snapshot(entries, bytes)
    }

    /// Waits until the dedupe window has written and merged what it can; for measurements and tests. Blocking.
    pub fn settle(&self) {
        self.inner.shared.keeper.settle();
    }

    /// Refuses new appends, finishes those that wait, stops the threads. Blocking.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// Recovers the segments, and fills the window from the entries that no run covers.
fn fill(
    layer: &dyn FileLayer,
    dir: &Path,
    options: &JournalOptions,
    window: &mut Window,
) -> Result<recover::Found, JournalError> {
    let now_ms = (options.now_ms)();
    let covered_seq = window.covered_seq();
    let found = recover::recover(layer, dir, &mut |head, bitmap, keys| {
        let end_seq = head.first_seq + u64::from(head.records);
        if end_seq <= covered_seq {
            return;
        }
        window.refresh();
        window.turn(head.appended_ms);
        if head.appended_ms.saturating_add(options.window_ms) >= now_ms {
            let duplicates = format::duplicates(bitmap);
            for (index, key) in keys.as_chunks().0.iter().enumerate() {
                if !duplicates.contains(index as u32) {
                    window.insert(key);
                }
            }
        }
        window.commit(head.first_seq, end_seq, head.appended_ms);
    })?;
    window.turn(now_ms);
    Ok(found)
}

impl Shared {
    fn segments(&self) -> RwLockReadGuard<'_, Vec<Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_segment(&self, segment: Arc<Segment>) {
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        segments.push(segment);
    }

    /// The segment that holds `seq`, or the first one.
    pub(crate) fn segment_of(&self, seq: u64) -> Option<Arc<Segment>> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.header.first_seq <= seq);
        segments.get(after.saturating_sub(1)).cloned()
    }

    pub(crate) fn segment_after(&self, segment: &Segment) -> Option<Arc<Segment>> {
        let first_seq = segment.header.first_seq;
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.header.first_seq <= first_seq);
        segments.get(after).cloned()
    }

    /// Durably, one after the other, so that a crash never leaves a hole. A segment whose removal could not be synced stays
    /// in the list, and is the first one again.
    fn remove_first(&self, first: &Arc<Segment>) -> Result<(), JournalError> {
        match self.layer.remove(&first.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(JournalError::io("removing", &first.path)(error));
            }
            _ => {}
        }
        self.layer
            .sync_dir(&self.dir)
            .map_err(JournalError::io("syncing", &self.dir))?;
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        segments.retain(|segment| !Arc::ptr_eq(segment, first));
        Ok(())
    }
}
