//! A vendor that misbehaves: everything arrives after it recovers, byte-identical, and nobody else notices.

use crate::bench::{Bench, Setup};
use crate::vendor::{Behaviour, Received, Vendor, marker};
use cofferdam_egress::{EgressLimits, Reason, SendState};
use cofferdam_model::Operation;
use std::collections::HashMap;
use std::time::Duration;

/// Requests that carry the same item carry the same bytes.
pub(crate) fn assert_identical_retries(received: &[Received]) {
    let mut bodies: HashMap<i64, &[u8]> = HashMap::new();
    for request in received.iter().filter(|request| request.is_whole) {
        for item in request.items() {
            let first = bodies.entry(marker(&item)).or_insert(&request.body);
            assert_eq!(*first, &request.body[..], "a retry differs");
        }
    }
}

async fn recovers(behaviour: Behaviour, code: &str, state: SendState) {
    let (bad, good) = (Vendor::start(None).await, Vendor::start(None).await);
    bad.behave(behaviour.clone());
    let mut setup = Setup::default();
    if matches!(behaviour, Behaviour::Hang) {
        // Any other vendor answers; on a busy machine not always so soon.
        setup.total_timeout = Duration::from_millis(150);
    }
    let bench = Bench::new(&[("bad", &bad), ("good", &good)], setup).await;
    bench.events(0..40, 9).await;
    let status = bench
        .until("bad", "two failures", |status| {
            status.failures >= 2 && status.state == state
        })
        .await;
    assert_eq!(status.last_error, Some(code), "{behaviour:?}");
    assert_eq!(status.state, state, "{behaviour:?}");
    let other = bench.drained("good").await;
    assert_eq!(
        (other.totals.delivered, other.failures),
        (40, 0),
        "the other vendor is unaffected"
    );
    bench.events(40..60, 9).await;
    bad.behave(Behaviour::Ok);
    let status = bench.drained("bad").await;
    assert_eq!(
        (
            status.totals.delivered,
            status.totals.announced,
            status.failures
        ),
        (60, 60, 0),
        "{behaviour:?}"
    );
    let mut taken = bad.taken();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken, (0..60).collect::<Vec<_>>(), "{behaviour:?}");
    assert_identical_retries(&bad.received());
    let radius = bench.radius("bad").await;
    assert_eq!(
        (radius.people, radius.people_possible, radius.events),
        (9, 0, 60),
        "{behaviour:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_hangs() {
    recovers(Behaviour::Hang, "timeout", SendState::BackingOff).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_resets() {
    recovers(Behaviour::Reset, "broken", SendState::BackingOff).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_answers_500() {
    recovers(
        Behaviour::Answer(500, "oops", ""),
        "server_error",
        SendState::BackingOff,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_takes_it_and_answers_500() {
    recovers(
        Behaviour::FailAndKeep,
        "server_error",
        SendState::BackingOff,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_answers_429() {
    recovers(
        Behaviour::Answer(429, "", "retry-after: 3\r\n"),
        "rate_limited",
        SendState::BackingOff,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_refuses_the_credentials() {
    recovers(
        Behaviour::Answer(401, "{}", ""),
        "unauthorized",
        SendState::Refused,
    )
    .await;
    recovers(
        Behaviour::Answer(403, "{}", ""),
        "unauthorized",
        SendState::Refused,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_answers_garbage() {
    recovers(
        Behaviour::Answer(200, "<html>fine</html>", ""),
        "unreadable_answer",
        SendState::BackingOff,
    )
    .await;
    recovers(
        Behaviour::Answer(
            200,
            r#"{"code":200,"num_records_imported":1,"status":"OK"}"#,
            "",
        ),
        "unreadable_answer",
        SendState::BackingOff,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_redirects() {
    recovers(
        Behaviour::Answer(307, "", "location: http://127.0.0.1:9/\r\n"),
        "redirect",
        SendState::BackingOff,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_and_the_slow_retry_hold_the_next_attempt_back() {
    for (behaviour, least) in [
        (Behaviour::Answer(429, "", "retry-after: 1800\r\n"), 1_800),
        (Behaviour::Answer(401, "", ""), 300),
    ] {
        let vendor = Vendor::start(None).await;
        vendor.behave(behaviour);
        let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
        let before = cofferdam_model::Clock::now(&*bench.clock).0;
        bench.events(0..1, 1).await;
        vendor.requests(2).await;
        let after = cofferdam_model::Clock::now(&*bench.clock).0;
        assert!(
            after - before >= least * 1_000,
            "the timer was asked to wait"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_halved_until_it_fits() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Limit(7));
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..100, 9).await;
    let status = bench.drained("a").await;
    assert_eq!((status.totals.delivered, status.dead_letters), (100, 0));
    let mut taken = vendor.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..100).collect::<Vec<_>>());
    // Nothing fits: one after the other becomes a dead letter, and the way is free again.
    vendor.behave(Behaviour::Limit(0));
    bench.events(100..104, 9).await;
    let status = bench.drained("a").await;
    assert_eq!(status.totals.refused.get(&Reason::TooLarge), Some(&4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_success_is_settled_item_by_item() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Partial(10));
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..100, 100).await;
    let status = bench.drained("a").await;
    assert_eq!(
        (
            status.totals.delivered,
            status.totals.refused.get(&Reason::Time)
        ),
        (90, Some(&10))
    );
    assert_eq!(
        vendor.received().len(),
        1,
        "what was refused for good is not sent again"
    );
    let letters = bench
        .egress
        .dead_letters(&crate::bench::id("a"))
        .await
        .unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.item).collect::<Vec<_>>(),
        (0..100).step_by(10).collect::<Vec<u32>>()
    );
    let radius = bench.radius("a").await;
    assert_eq!(
        (radius.people, radius.people_possible),
        (100, 10),
        "refused ones left the house all the same"
    );
    let shown = format!("{status:?}{letters:?}");
    assert!(
        !shown.contains("secret echo"),
        "the vendor's text is nowhere"
    );
    // Dead letters survive a restart.
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(bench.status("a").await.dead_letters, 10);
    assert_eq!(bench.status("a").await.totals, status.totals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_update_does_not_hold_up_the_others() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::RefuseUpdate(13));
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    vendor.behave(Behaviour::RefuseUpdate(13));
    for person in 0..20 {
        bench.update(person, Operation::Set, person).await;
    }
    let status = bench.drained("a").await;
    assert_eq!(
        (status.totals.delivered, status.totals.refused_sum()),
        (19, 1)
    );
    let mut taken = vendor.taken();
    taken.sort_unstable();
    assert_eq!(
        taken,
        (0..20).filter(|marker| *marker != 13).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_is_not_there_is_waited_for() {
    let vendor = Vendor::start(None).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut gone = Vendor::start(None).await;
    gone.url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bench = Bench::new(&[("gone", &gone), ("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    let status = bench
        .until("gone", "failures", |status| status.failures >= 3)
        .await;
    assert_eq!(status.last_error, Some("connect"));
    assert_eq!(bench.drained("a").await.totals.delivered, 10);
    let limits = EgressLimits::default();
    assert!(limits.backoff_max >= Duration::from_secs(60));
}
