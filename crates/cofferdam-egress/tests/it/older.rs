//! One of ledger and outbox is an older copy: what is unknown is a gap, and no batch number is given twice.

use crate::bench::{Bench, Setup};
use crate::vendor::Vendor;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Ten events are delivered, a folder is copied, ten more are delivered, and the folder is put back.
async fn put_back(folder: &str) -> (Vendor, Bench) {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    bench.drained("a").await;
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    let (data, aside) = (
        bench.dir.path().join(folder),
        bench.dir.path().join("aside"),
    );
    copy(&data, &aside);
    bench.events(10..20, 5).await;
    bench.drained("a").await;
    bench.egress.shutdown().await;
    std::fs::remove_dir_all(&data).unwrap();
    copy(&aside, &data);
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    bench.drained("a").await;
    (vendor, bench)
}

fn lost(radius: &cofferdam_ledger::Radius) -> usize {
    let gaps = radius.gaps.iter();
    gaps.filter(|gap| gap.reason == "the ledger has lost what was sent")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_older_than_the_outbox_has_a_gap() {
    let (vendor, bench) = put_back("ledger").await;
    let radius = bench.radius("a").await;
    assert_eq!(
        (radius.people, lost(&radius)),
        (3, 1),
        "u-3 and u-4 are not known any more"
    );
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    bench.events(20..21, 1).await;
    bench.drained("a").await;
    assert_eq!(lost(&bench.radius("a").await), 1, "it is found once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_that_is_older_than_the_ledger_counts_what_it_sends_again() {
    let (vendor, bench) = put_back("egress").await;
    let radius = bench.radius("a").await;
    assert_eq!((radius.people, lost(&radius)), (5, 0));
    assert_eq!(radius.events, vendor.taken().len() as u64);
    assert_eq!(radius.events, 30);
}
