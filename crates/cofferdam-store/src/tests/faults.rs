//! Crashes between any two file operations and steps of a flush, a compaction and an erasure; then replay: exactly once.

use super::support::{event, items, options, profile_value, request, rows, store, text};
use crate::{FileSink, Files, LocalFiles, Step, Store, StoreError};
use cofferdam_model::{Operation, PersonNumber, Provenance, TimestampMs, Value};
use cofferdam_policy::{HomeItem, HomeSubject, HomeUpdate};
use proptest::prelude::*;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails every operation from the n-th on, as if the process had died there.
#[derive(Debug)]
struct Dying {
    left: AtomicI64,
}

impl Dying {
    fn step(&self) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::AcqRel) <= 0 {
            return Err(io::Error::other("dead"));
        }
        Ok(())
    }
}

impl Files for Dying {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileSink>> {
        self.step()?;
        LocalFiles.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        LocalFiles.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        LocalFiles.sync_dir(dir)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        LocalFiles.remove(path)
    }
    fn step(&self, _: Step) -> io::Result<()> {
        Dying::step(self)
    }
}

async fn dying(dir: &Path, operations: i64) -> Result<Store, StoreError> {
    let mut options = options(dir);
    options.files = Arc::new(Dying {
        left: AtomicI64::new(operations),
    });
    Store::open(options).await
}

/// The journal: 40 events over 3 days, some twice, and an update that adds 1 after every fourth.
fn journal() -> Vec<(u64, HomeItem)> {
    let mut out = Vec::new();
    for n in 0..40u64 {
        let key = if n % 5 == 4 { n - 1 } else { n };
        let day = (key as i64 % 3) * 86_400_000;
        let plan = [("plan", text("free")), ("n", Value::Int(key as i64))];
        let event = event(key as u32 % 7, day + key as i64, "e", key, &plan);
        out.push((out.len() as u64, HomeItem::Event(event)));
        if n % 4 == 0 {
            let update = HomeUpdate {
                project: super::support::project(),
                subject: HomeSubject::Person(PersonNumber(1)),
                operation: Operation::Add,
                received: TimestampMs(0),
                provenance: Provenance::Claimed,
                values: vec![(Arc::from("count"), Value::Int(1))],
                sealed: vec![],
                withheld: vec![],
            };
            out.push((out.len() as u64, HomeItem::Update(update)));
        }
    }
    out
}

/// Replays from the store's cursor in batches, flushing after each; stops where the store dies.
async fn work(store: &Store, batch: usize) -> Result<(), StoreError> {
    let journal = journal();
    let from = usize::try_from(store.cursor()).unwrap();
    for chunk in journal[from..].chunks(batch) {
        let next = chunk.last().unwrap().0 + 1;
        store.ingest_items(chunk.to_vec(), next).await?;
        store.flush().await?;
        store.compact().await?;
    }
    Ok(())
}

async fn check(store: &Store) {
    let found = rows(store, &request(&["n"]));
    let keys: Vec<i64> = found.iter().map(|row| row.1 % 86_400_000).collect();
    let expected: Vec<i64> = (0..40).filter(|n| n % 5 != 4).collect();
    assert_eq!(keys, expected, "every event exactly once, in order of seq");
    let count = profile_value(store, 1, "count").await;
    assert_eq!(count, Some(serde_json::json!(10)));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Files below the project's directory that the catalog does not name.
async fn no_orphans(dir: &Path) {
    let store = store(dir).await;
    let version = store.inner.version();
    let listed = std::fs::read_dir(dir.join("store/console/events")).unwrap();
    assert_eq!(listed.count(), version.files().count());
    check(&store).await;
}

#[test]
fn a_crash_at_any_operation_loses_nothing_and_doubles_nothing() {
    let mut died = 0;
    for operations in 0..400 {
        let dir = tempfile::tempdir().unwrap();
        let done = runtime().block_on(async {
            let done = match dying(dir.path(), operations).await {
                Ok(store) => work(&store, 25).await.is_ok(),
                Err(_) => false,
            };
            let again = store(dir.path()).await;
            work(&again, 25).await.unwrap();
            check(&again).await;
            drop(again);
            no_orphans(dir.path()).await;
            done
        });
        died += u32::from(!done);
        if done {
            break;
        }
    }
    assert!(died > 25, "the crashes covered {died} operations");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn repeated_crashes_end_in_the_same_store(crashes in prop::collection::vec(0..90i64, 1..5), batch in 3..30usize) {
        let dir = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            for operations in crashes {
                if let Ok(store) = dying(dir.path(), operations).await {
                    let _ = work(&store, batch).await;
                }
            }
            let last = store(dir.path()).await;
            work(&last, batch).await.unwrap();
            check(&last).await;
        });
    }
}

#[tokio::test]
async fn a_failed_flush_keeps_the_tail_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let store = dying(dir.path(), 3).await.unwrap();
    let (batch, next) = items(0, vec![event(1, 1, "e", 1, &[])]);
    store.ingest_items(batch.clone(), next).await.unwrap();
    assert!(store.flush().await.is_err());
    assert_eq!(store.cursor(), 0);
    assert_eq!(rows(&store, &request(&[])).len(), 1, "still visible");
    let report = store.ingest_items(batch, next).await.unwrap();
    assert_eq!(report.events, 0, "a replay changes nothing");
}
