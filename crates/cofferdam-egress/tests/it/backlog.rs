//! The backlog: bounded, the oldest goes first and is counted; what it waits for is released afterwards.

use crate::bench::{Bench, Setup};
use crate::vendor::{Behaviour, Vendor};
use cofferdam_egress::EgressLimits;
use cofferdam_model::Refusal;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_the_quota_leaves_oldest_first_and_counted() {
    let (slow, good) = (Vendor::start(None).await, Vendor::start(None).await);
    slow.behave(Behaviour::Answer(503, "", ""));
    let limits = EgressLimits {
        linger: Duration::ZERO,
        backlog_records_max: 100,
        ..EgressLimits::default()
    };
    let vendors = [("slow", &slow), ("good", &good)];
    let bench = Bench::new(
        &vendors,
        Setup {
            limits: limits.clone(),
            ..Setup::default()
        },
    )
    .await;
    bench.events(0..10, 3).await;
    slow.requests(1).await;
    for start in (10..1_010).step_by(50) {
        bench.events(start..start + 50, 3).await;
        bench.drained("good").await;
    }
    let status = bench
        .until("slow", "the quota", |status| status.backlog_records <= 110)
        .await;
    let lost = status.totals.withheld[&Refusal::BacklogFull];
    assert_eq!((lost, status.totals.announced), (900, 10));
    assert_eq!(
        status
            .totals
            .lost
            .iter()
            .map(|(_, _, count)| count)
            .sum::<u64>(),
        900
    );
    assert_eq!(
        bench.status("good").await.totals.delivered,
        1_010,
        "the other vendor lost nothing"
    );
    assert!(
        bench.egress.cursor().unwrap() >= 900,
        "the journal may be released up to there"
    );
    slow.behave(Behaviour::Ok);
    let bench = bench
        .restart(
            &vendors,
            Setup {
                limits,
                ..Setup::default()
            },
        )
        .await;
    assert_eq!(bench.drained("slow").await.totals.delivered, 110);
    let mut taken = slow.taken();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken, (0..10).chain(910..1_010).collect::<Vec<_>>());
    assert_eq!(bench.radius("slow").await.events, 110);
    assert!(!bench.egress.tags().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_outbox_lines_are_released_beyond_the_quota() {
    let vendor = Vendor::start(None).await;
    let limits = EgressLimits {
        linger: Duration::ZERO,
        outbox_bytes_max: 200_000,
        ..EgressLimits::default()
    };
    let vendors = [("a", &vendor)];
    let bench = Bench::new(
        &vendors,
        Setup {
            limits: limits.clone(),
            ..Setup::default()
        },
    )
    .await;
    for start in (0..20_000).step_by(1_000) {
        bench.events(start..start + 1_000, 500).await;
    }
    bench.drained("a").await;
    let size: u64 = std::fs::read_dir(bench.dir.path().join("egress/a"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 600_000, "{size} bytes of outbox");
    let totals = bench.status("a").await.totals;
    let bench = bench
        .restart(
            &vendors,
            Setup {
                limits,
                ..Setup::default()
            },
        )
        .await;
    assert_eq!(
        bench.status("a").await.totals,
        totals,
        "what is left carries all counts"
    );
    assert!(
        !bench
            .egress
            .sent_records(&crate::bench::id("a"))
            .await
            .unwrap()
            .is_complete
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_too_long_leaves_counted_and_an_open_batch_with_it() {
    const DAY: Duration = Duration::from_secs(86_400);
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Answer(503, "", ""));
    let limits = EgressLimits {
        linger: Duration::ZERO,
        backlog_age_max: 7 * DAY,
        ..EgressLimits::default()
    };
    let bench = Bench::new(
        &[("a", &vendor)],
        Setup {
            limits,
            ..Setup::default()
        },
    )
    .await;
    bench.events(0..10, 3).await;
    vendor.requests(1).await;
    bench.events(10..30, 3).await;
    bench.clock.advance(5 * DAY);
    bench.events(30..35, 3).await;
    bench.clock.advance(3 * DAY);
    let status = bench
        .until("a", "the end of what is old", |status| {
            status.totals.withheld.get(&Refusal::BacklogExpired) == Some(&30)
        })
        .await;
    let lost = status.totals.lost.iter().map(|(.., count)| *count);
    assert_eq!((lost.sum::<u64>(), status.totals.unknown), (20, 10));
    vendor.behave(Behaviour::Ok);
    bench.drained("a").await;
    assert_eq!(vendor.taken(), [30, 31, 32, 33, 34]);
    assert_eq!(
        bench.radius("a").await.events,
        15,
        "the ten that may have left are not forgotten"
    );
}
