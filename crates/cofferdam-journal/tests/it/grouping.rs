//! Many appenders share one fdatasync; duplicates share the fate of what they repeat; the queue is bounded.

use crate::{
    fake::{Disk, Effect, Op},
    support::{DIR, Hands, all, entry, key, run},
};
use cofferdam_journal::{Append, Appended, File, FileLayer, Journal, JournalError};
use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
};
use tokio::task::JoinHandle;

/// A disk whose syncs wait at a gate.
#[derive(Debug)]
struct Gated {
    below: Arc<dyn FileLayer>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// (shut, syncs waiting)
    state: Mutex<(bool, u32)>,
    changed: Condvar,
}

#[derive(Debug)]
struct GatedFile {
    below: Arc<dyn File>,
    gate: Arc<Gate>,
}

impl Gate {
    fn shut(&self, shut: bool) {
        self.state.lock().unwrap().0 = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        while state.0 {
            state = self.changed.wait(state).unwrap();
        }
        state.1 -= 1;
    }

    /// Returns once a sync waits.
    fn wait_for_sync(&self) {
        let mut state = self.state.lock().unwrap();
        while state.1 == 0 {
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl FileLayer for Gated {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.below.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(GatedFile {
            below: self.below.create(path)?,
            gate: Arc::clone(&self.gate),
        }))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.below.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.below.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.sync_dir(dir)
    }
}

impl File for GatedFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.below.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.below.write_at(bytes, offset)
    }
    fn size(&self) -> io::Result<u64> {
        self.below.size()
    }
    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.below.sync_data()
    }
}

struct Held {
    disk: Disk,
    gate: Arc<Gate>,
    journal: Journal,
}

type Answer = JoinHandle<Result<Appended, JournalError>>;

impl Held {
    /// A journal whose writer hangs in the sync of a first entry.
    async fn new(change: impl FnOnce(&mut cofferdam_journal::JournalOptions)) -> (Self, Answer) {
        let disk = Disk::new(1);
        let gate = Arc::new(Gate::default());
        let layer = Gated {
            below: disk.layer(),
            gate: Arc::clone(&gate),
        };
        let mut options = Hands::new().options();
        change(&mut options);
        let (journal, _) = Journal::open(DIR, options, Arc::new(layer)).unwrap();
        gate.shut(true);
        let held = Self {
            disk,
            gate,
            journal,
        };
        let first = held.append(entry(vec![key(1_000_000)], "first"));
        tokio::task::yield_now().await;
        held.gate.wait_for_sync();
        (held, first)
    }

    fn append(&self, append: Append) -> Answer {
        let journal = self.journal.clone();
        tokio::spawn(async move { journal.append(append).await })
    }

    /// Lets the spawned appends reach the queue.
    async fn until_queued(&self, entries: u64) {
        while self.journal.stats().queue_entries < entries {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn what_queues_during_a_sync_shares_the_next_one() {
    run(async {
        let (held, first) = Held::new(|_| {}).await;
        let syncs = held.disk.ops(Op::Sync);
        let writes = held.disk.ops(Op::Write);
        let waiting: Vec<Answer> = (0..500)
            .map(|number| held.append(entry(vec![key(number)], "one of many")))
            .collect();
        held.until_queued(500).await;
        assert!(!first.is_finished(), "answered before its sync");
        assert_eq!(*held.journal.durable().borrow(), 0);
        assert!(all(&held.journal).is_empty(), "shown before its sync");
        held.gate.shut(false);
        first.await.unwrap().unwrap();
        let mut seqs = Vec::new();
        for wait in waiting {
            seqs.push(wait.await.unwrap().unwrap().first_seq);
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
        assert_eq!(
            held.disk.ops(Op::Sync) - syncs,
            2,
            "the held one and one for all others"
        );
        assert_eq!(
            held.disk.ops(Op::Write) - writes,
            1,
            "one write for all others"
        );
        let stats = held.journal.stats();
        assert_eq!((stats.groups, stats.entries, stats.fsyncs), (2, 501, 2));
    });
}

#[test]
fn a_duplicate_of_a_pending_record_shares_its_fate() {
    for fail in [false, true] {
        run(async {
            let (held, first) = Held::new(|_| {}).await;
            let one = held.append(entry(vec![key(1), key(2)], "one"));
            held.until_queued(1).await;
            let repeat = held.append(entry(vec![key(2), key(1)], "repeat"));
            held.until_queued(2).await;
            if fail {
                // The sync of `first` is still to come, then that of the group.
                held.disk.arm(Op::Sync, 1, Effect::Fail);
            }
            held.gate.shut(false);
            first.await.unwrap().unwrap();
            let (one, repeat) = (one.await.unwrap(), repeat.await.unwrap());
            if fail {
                assert!(matches!(one, Err(JournalError::NotDurable { .. })));
                assert!(matches!(repeat, Err(JournalError::NotDurable { .. })));
                let again = loop {
                    match held.journal.append(entry(vec![key(1)], "again")).await {
                        Ok(appended) => break appended,
                        Err(_) => tokio::task::yield_now().await,
                    }
                };
                assert!(
                    again.duplicates.is_empty(),
                    "the failed group's keys are new again"
                );
            } else {
                assert!(one.unwrap().duplicates.is_empty());
                assert_eq!(repeat.unwrap().duplicates, [0, 1]);
                assert_eq!(
                    all(&held.journal).len(),
                    2,
                    "a whole duplicate is not written"
                );
            }
        });
    }
}

#[test]
fn a_full_queue_says_busy() {
    run(async {
        let (held, first) = Held::new(|options| options.queue_entries_max = 3).await;
        let waiting: Vec<Answer> = (0..3)
            .map(|number| held.append(entry(vec![key(number)], "x")))
            .collect();
        held.until_queued(3).await;
        let error = held
            .journal
            .append(entry(vec![key(9)], "x"))
            .await
            .unwrap_err();
        assert!(matches!(error, JournalError::Busy), "{error}");
        assert!(error.retry_after().is_some());
        held.gate.shut(false);
        for wait in waiting.into_iter().chain([first]) {
            wait.await.unwrap().unwrap();
        }
        held.journal.append(entry(vec![key(9)], "x")).await.unwrap();
    });
    run(async {
        let (held, _first) = Held::new(|options| options.queue_bytes_max = 2_000).await;
        let _one = held.append(entry(vec![key(1)], vec![0; 1_500]));
        held.until_queued(1).await;
        let error = held
            .journal
            .append(entry(vec![key(2)], vec![0; 500]))
            .await
            .unwrap_err();
        assert!(matches!(error, JournalError::Busy), "{error}");
        held.gate.shut(false);
    });
}

#[test]
fn readers_follow_while_many_append_and_segments_are_released() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.segment_bytes = 20_000;
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    const APPENDERS: u64 = 8;
    const EACH: u64 = 200;
    let follower = {
        let journal = journal.clone();
        std::thread::spawn(move || {
            let mut durable = journal.durable();
            let (mut cursor, mut records) = (0, 0);
            while records < APPENDERS * EACH * 3 {
                let entries = journal.read(cursor, 3_000).unwrap();
                for entry in &entries {
                    assert_eq!(entry.first_seq, cursor, "no gap without a fault");
                    cursor = entry.next_seq();
                    records += u64::from(entry.records);
                    assert_eq!(entry.payload.len() as u32, entry.records * 50);
                }
                journal.release(cursor).unwrap();
                if entries.is_empty() {
                    run(async { drop(durable.wait_for(|next| *next > cursor).await.unwrap()) });
                }
            }
            cursor
        })
    };
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                for number in 0..EACH {
                    let base = (appender * EACH + number) * 3;
                    let keys = (base..base + 3).map(key).collect();
                    run(journal.append(entry(keys, vec![7; 150]))).unwrap();
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.join().unwrap();
    }
    assert_eq!(follower.join().unwrap(), APPENDERS * EACH * 3);
}
