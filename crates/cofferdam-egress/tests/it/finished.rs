//! What an outbox holds of finished batches goes: after a while, and at once when a new entry key has begun. What still counts
//! stays, wherever the process ends meanwhile.

use crate::bench::{Bench, Setup, id};
use crate::faults::assert_identical_retries;
use crate::vendor::{Behaviour, Vendor};
use cofferdam_egress::VendorStatus;
use cofferdam_journal::{File, FileLayer, StdFiles};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const DOWN: Behaviour = Behaviour::Answer(500, "", "");

/// The segments of the outbox, oldest first.
fn segments(bench: &Bench) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.dir.path().join("egress/a")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    segments.sort();
    segments
}

/// What must outlive the lines.
fn counted(status: &VendorStatus) -> impl PartialEq + std::fmt::Debug + use<> {
    let totals = status.totals.clone();
    (status.cursor, status.dead_letters, totals)
}

/// A hundred events were sent, ten of them refused for good.
async fn sent(vendor: &Vendor, setup: Setup) -> Bench {
    vendor.behave(Behaviour::Partial(10));
    let bench = Bench::new(&[("a", vendor)], setup).await;
    bench.events(0..100, 9).await;
    bench.drained("a").await;
    bench
}

async fn sent_records(bench: &Bench) -> usize {
    let proof = bench.egress.sent_records(&id("a")).await.unwrap();
    proof.records.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_finished_batches_go_after_an_hour_and_what_counts_stays() {
    let vendor = Vendor::start(None).await;
    let bench = sent(&vendor, Setup::default()).await;
    let (before, old) = (bench.status("a").await, segments(&bench));
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(sent_records(&bench).await, 100, "they are young");
    bench.clock.advance(Duration::from_secs(3_600));
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(sent_records(&bench).await, 0);
    assert!(
        old.iter().all(|path| !path.try_exists().unwrap()),
        "{old:?}"
    );
    let once = segments(&bench);
    bench.clock.advance(Duration::from_secs(36_000));
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(segments(&bench), once, "there is nothing to drop");
    assert_eq!(counted(&bench.status("a").await), counted(&before));
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(counted(&bench.status("a").await), counted(&before));
    bench.events(100..101, 9).await;
    bench.drained("a").await;
    assert_eq!(vendor.received().len(), 2, "nothing is sent again");
    assert_eq!(bench.radius("a").await.events, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_entry_key_drops_them_at_once_and_lets_the_old_key_go() {
    let vendor = Vendor::start(None).await;
    let bench = sent(&vendor, Setup::default()).await;
    let (before, old) = (bench.status("a").await, segments(&bench));
    let present = bench.vault.rotate_entry_key().await.unwrap();
    bench.egress.drop_finished().await.unwrap();
    assert!(
        old.iter().all(|path| !path.try_exists().unwrap()),
        "{old:?}"
    );
    assert_eq!(bench.egress.tags().await.unwrap(), [present]);
    bench.vault.destroy_entry_keys(&[present]).await.unwrap();
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(counted(&bench.status("a").await), counted(&before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_without_a_vendor_drops_them_too() {
    let vendor = Vendor::start(None).await;
    let bench = sent(&vendor, Setup::default()).await;
    let (before, old) = (bench.status("a").await, segments(&bench));
    bench.egress.configure(Vec::new()).await.unwrap();
    bench.egress.drop_finished().await.unwrap();
    assert!(
        old.iter().all(|path| !path.try_exists().unwrap()),
        "{old:?}"
    );
    let present = bench.vault.rotate_entry_key().await.unwrap();
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(bench.egress.tags().await.unwrap(), [present]);
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(counted(&bench.status("a").await), counted(&before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_batch_stays_byte_for_byte() {
    let vendor = Vendor::start(None).await;
    let bench = sent(&vendor, Setup::default()).await;
    vendor.behave(DOWN);
    bench.events(100..140, 9).await;
    vendor.requests(3).await;
    let present = bench.vault.rotate_entry_key().await.unwrap();
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(sent_records(&bench).await, 40, "what is open is still told");
    assert_eq!(bench.egress.tags().await.unwrap(), [present]);
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    let came = vendor.received().len() as u64;
    vendor.requests(came + 1).await;
    vendor.behave(Behaviour::Ok);
    let status = bench.drained("a").await;
    assert_eq!((status.totals.delivered, status.totals.unknown), (130, 0));
    assert_identical_retries(&vendor.received());
    let radius = bench.radius("a").await;
    assert_eq!((radius.people, radius.events), (9, 140));
}

/// A disk on which nothing can be removed.
#[derive(Debug)]
struct Sticky;

impl FileLayer for Sticky {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        StdFiles.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        StdFiles.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        StdFiles.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        StdFiles.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        StdFiles.rename(from, to)
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::Error::other("it sticks"))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdFiles.sync_dir(dir)
    }
}

/// The process ends while the one line is written, or before the others are deleted: cut at any byte, the outbox says the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_ends_nothing_that_counts_is_lost() {
    let vendor = Vendor::start(None).await;
    let sticky = || Setup {
        files: Arc::new(Sticky),
        ..Setup::default()
    };
    let mut bench = sent(&vendor, sticky()).await;
    let before = bench.status("a").await;
    bench.clock.advance(Duration::from_secs(3_600));
    let failed = bench.egress.drop_finished().await;
    assert_eq!(failed.unwrap_err().code(), "outbox");
    let all = segments(&bench);
    let last = all.last().unwrap().clone();
    let whole = std::fs::read(&last).unwrap();
    assert!(all.len() > 1 && whole.len() > 500);
    for cut in (0..=whole.len()).rev().step_by(whole.len() / 12) {
        bench.egress.shutdown().await;
        for path in segments(&bench) {
            if !all.contains(&path) {
                std::fs::remove_file(path).unwrap();
            }
        }
        std::fs::write(&last, &whole[..cut]).unwrap();
        bench = bench.restart(&[("a", &vendor)], sticky()).await;
        let status = bench.status("a").await;
        assert_eq!(counted(&status), counted(&before), "cut at {cut}");
        assert_eq!(sent_records(&bench).await, 100, "cut at {cut}");
    }
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    bench.egress.drop_finished().await.unwrap();
    assert_eq!(sent_records(&bench).await, 0);
    assert_eq!(counted(&bench.status("a").await), counted(&before));
    assert_eq!(vendor.received().len(), 1);
}
