//! The process ends at every step of a batch's life: nothing is lost, nothing under-reported, nothing doubled that must not be.

use crate::bench::{Bench, Setup};
use crate::faults::assert_identical_retries;
use crate::vendor::Vendor;
use cofferdam_egress::{EgressLimits, Hook, SendState, Step};
use cofferdam_model::Operation;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Ends the worker when it comes to a step for the n-th time.
fn at(step: Step, time: u32) -> Hook {
    let count = AtomicU32::new(0);
    Arc::new(move |now| now != step || count.fetch_add(1, Ordering::SeqCst) + 1 != time)
}

fn limits() -> EgressLimits {
    EgressLimits {
        linger: Duration::ZERO,
        batch_items_max: 16,
        ..EgressLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_step() {
    for step in Step::ALL {
        for time in 1..=3 {
            killed_at(step, time).await;
        }
    }
}

async fn killed_at(step: Step, time: u32) {
    let vendor = Vendor::start(None).await;
    let vendors = [("a", &vendor)];
    let bench = Bench::new(&[], Setup::default()).await;
    for start in (0..60).step_by(10) {
        bench.events(start..start + 10, 9).await;
        bench
            .update(start / 10, Operation::Set, 1_000 + start)
            .await;
        // Of somebody whose value nobody has set yet: it goes as it is, once.
        bench
            .update(start / 10 + 3, Operation::Add, 2_000 + start)
            .await;
    }
    let bench = bench
        .restart(
            &vendors,
            Setup {
                limits: limits(),
                hook: Some(at(step, time)),
                ..Setup::default()
            },
        )
        .await;
    bench
        .until("a", "the end of the worker", |status| {
            status.state == SendState::Stopped
        })
        .await;
    let bench = bench
        .restart(
            &vendors,
            Setup {
                limits: limits(),
                ..Setup::default()
            },
        )
        .await;
    let status = bench.drained("a").await;
    let what = format!("{step:?} for the {time}. time");
    let taken = vendor.taken();
    for marker in (0..60).chain((1_000..1_060).step_by(10)) {
        assert!(taken.contains(&marker), "{marker} is lost at {what}");
    }
    let added: Vec<i64> = taken
        .iter()
        .copied()
        .filter(|marker| *marker >= 2_000)
        .collect();
    let mut once = added.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), added.len(), "doubled at {what}");
    assert_eq!(status.totals.announced, 72, "{what}");
    assert_eq!(
        status.totals.delivered + status.totals.unknown,
        72,
        "{what}"
    );
    assert!(added.len() as u64 + status.totals.unknown >= 6, "{what}");
    if !matches!(step, Step::Marked | Step::Answered | Step::Settled) {
        assert_eq!((added.len(), status.totals.unknown), (6, 0), "{what}");
    }
    assert_identical_retries(&vendor.received());
    let radius = bench.radius("a").await;
    assert_eq!((radius.people, radius.events), (9, 60), "{what}");
}
