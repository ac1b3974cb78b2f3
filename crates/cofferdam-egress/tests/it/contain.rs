//! Containment: once it is acknowledged nothing more goes out, also after a restart, until somebody resumes.

use crate::bench::{Bench, PATIENCE, Setup, id, vendor_options};
use crate::vendor::{Behaviour, Vendor};
use crate::withdrawal::held_at;
use cofferdam_egress::{SendState, Step, VendorOptions};
use cofferdam_model::{Refusal, Region};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Lets the vendor read whatever had left before the cut, then gives the count.
async fn cut_bytes(vendor: &Vendor) -> u64 {
    vendor.closed().await;
    quiet_bytes(vendor).await
}

/// The count when nothing more has come for a while.
async fn quiet_bytes(vendor: &Vendor) -> u64 {
    let mut before = vendor.bytes();
    let mut same = 0;
    while same < 20 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = vendor.bytes();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_no_byte_follows_the_acknowledgement() {
    for round in 0..3 {
        let (vendor, other) = (Vendor::start(None).await, Vendor::start(None).await);
        let bench = Arc::new(Bench::new(&[("a", &vendor), ("b", &other)], Setup::default()).await);
        let running = Arc::new(AtomicBool::new(true));
        let load = tokio::spawn({
            let (bench, running) = (Arc::clone(&bench), Arc::clone(&running));
            async move {
                let mut marker = 0;
                while running.load(Ordering::SeqCst) {
                    bench.events(marker..marker + 20, 50).await;
                    marker += 20;
                    // Other tests need the processor as well.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                marker
            }
        });
        vendor.requests(1 + round).await;
        let permit = bench.permit().await;
        bench.egress.contain(&permit, &id("a")).await.unwrap();
        let (bytes, requests) = (cut_bytes(&vendor).await, vendor.received().len());
        let seen = other.received().len() as u64;
        other.requests(seen + 2).await;
        running.store(false, Ordering::SeqCst);
        let total = load.await.unwrap() as u64;
        let status = bench
            .until("a", "everything counted", |status| {
                let withheld = status
                    .totals
                    .withheld
                    .get(&Refusal::Contained)
                    .copied()
                    .unwrap_or(0);
                withheld + status.totals.announced == total
            })
            .await;
        assert_eq!(
            (vendor.bytes(), vendor.received().len()),
            (bytes, requests),
            "round {round}"
        );
        assert_eq!(
            (status.state, status.backlog_records),
            (SendState::Contained, 0)
        );
        assert_eq!(
            bench.drained("b").await.totals.delivered,
            total,
            "the other vendor is unaffected"
        );
        let (received, possible) = (vendor.taken().len() as u64, bench.radius("a").await.events);
        assert!(
            possible >= received,
            "the ledger has {possible}, {received} arrived"
        );
        // A batch that was queued and cut before the ledger heard of it never left.
        assert!(possible <= status.totals.announced);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_on_its_way_never_becomes_whole() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Stall);
    let bench = Bench::new(
        &[("a", &vendor)],
        Setup {
            total_timeout: Duration::from_secs(600),
            ..Setup::default()
        },
    )
    .await;
    bench.events(0..2_000, 50).await;
    vendor.requests(1).await;
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    vendor.behave(Behaviour::Ok);
    cut_bytes(&vendor).await;
    assert_eq!(
        bench.radius("a").await.people_possible,
        50,
        "what may have left counts"
    );
    let status = bench.status("a").await;
    assert_eq!(
        (status.state, status.totals.delivered, status.totals.unknown),
        (SendState::Contained, 0, 2_000)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_survives_a_restart_and_a_resume_starts_at_now() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Answer(500, "", ""));
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    vendor.requests(2).await;
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    let bytes = cut_bytes(&vendor).await;
    vendor.behave(Behaviour::Ok);
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(bench.status("a").await.state, SendState::Contained);
    bench.events(10..20, 3).await;
    bench
        .until("a", "the count", |status| {
            status.totals.withheld.get(&Refusal::Contained) == Some(&10)
        })
        .await;
    assert_eq!(cut_bytes(&vendor).await, bytes);
    bench.resume("a").await;
    bench.resume("a").await;
    bench.events(20..25, 3).await;
    let status = bench.drained("a").await;
    assert_eq!(
        vendor.taken(),
        [20, 21, 22, 23, 24],
        "the dropped batch and the backlog stay unsent"
    );
    assert_eq!((status.totals.unknown, status.totals.delivered), (10, 5));
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    bench.events(25..26, 3).await;
    assert_eq!(
        bench.drained("a").await.totals.delivered,
        6,
        "the resume survives as well"
    );
    assert!(
        bench
            .egress
            .contain(&bench.permit().await, &id("nobody"))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_survives_the_vendors_absence_and_the_death_of_unneeded_keys() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    bench.drained("a").await;
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    let bytes = cut_bytes(&vendor).await;
    // The vendor's file is taken away, time passes, keys that nobody names are destroyed.
    bench.egress.configure(Vec::new()).await.unwrap();
    bench.vault.rotate_entry_key().await.unwrap();
    let tags = bench.egress.tags().await.unwrap();
    bench.vault.destroy_entry_keys(&tags).await.unwrap();
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    assert_eq!(bench.status("a").await.state, SendState::Contained);
    bench.events(10..20, 3).await;
    assert_eq!(cut_bytes(&vendor).await, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_whose_last_line_cannot_be_read_sends_nothing() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    bench.drained("a").await;
    bench.egress.configure(Vec::new()).await.unwrap();
    bench.vault.rotate_entry_key().await.unwrap();
    bench.vault.destroy_entry_keys(&[]).await.unwrap();
    assert!(bench.egress.tags().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_does_not_parse_stops_what_waits_in_the_outbox_too() {
    let vendor = Vendor::start(None).await;
    vendor.behave(Behaviour::Answer(500, "", ""));
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    vendor.requests(2).await;
    let refuse_all = cofferdam_policy::Policy::refuse_all(cofferdam_policy::PolicyId(0));
    bench.policies.send_replace(Arc::new(refuse_all));
    // The worker holds only when the vendor has answered what was on its way.
    bench
        .until("a", "holding", |status| {
            status.last_error == Some("no_policy")
        })
        .await;
    let bytes = vendor.bytes();
    vendor.behave(Behaviour::Ok);
    assert_eq!(quiet_bytes(&vendor).await, bytes);
    assert!(vendor.taken().is_empty());
    bench.policies.send_replace(Arc::clone(&bench.policy));
    bench.drained("a").await;
    assert_eq!(vendor.taken().len(), 10, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_vendors_damaged_outbox_or_missing_token_stops_nobody_else() {
    let (bad, mute, good) = (
        Vendor::start(None).await,
        Vendor::start(None).await,
        Vendor::start(None).await,
    );
    let vendors = [("bad", &bad), ("good", &good), ("mute", &mute)];
    let bench = Bench::new(&vendors, Setup::default()).await;
    bench.events(0..10, 3).await;
    for vendor in ["bad", "good", "mute"] {
        bench.drained(vendor).await;
    }
    bench.egress.shutdown().await;
    damage(&bench.dir.path().join("egress/bad"));
    let token = |name| if name == "mute" { "" } else { "token" };
    let options = |(name, vendor)| vendor_options(name, vendor, token(name));
    let before = (bad.bytes(), mute.bytes());
    let configured = bench.egress.configure(vendors.map(options).into()).await;
    assert_eq!(configured.unwrap_err().code(), "outbox_damaged");
    bench.events(10..20, 3).await;
    assert_eq!(bench.drained("good").await.totals.delivered, 20);
    let status = bench.status("bad").await;
    assert_eq!(
        (status.state, status.last_error),
        (SendState::Faulty, Some("outbox_damaged"))
    );
    let status = bench.status("mute").await;
    assert_eq!(
        (status.state, status.last_error, status.backlog_records),
        (SendState::Faulty, Some("no_token"), 10)
    );
    assert_eq!((bad.bytes(), mute.bytes()), before);
    // Also one that sends nothing can be contained, for the time when it could again.
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("mute")).await.unwrap();
    let bench = bench.restart(&[("mute", &mute)], Setup::default()).await;
    assert_eq!(bench.status("mute").await.state, SendState::Contained);
}

/// Turns the payload of an outbox's last line into another one that its checksums agree with: what a fault above the disk does.
fn damage(dir: &std::path::Path) {
    let options = cofferdam_journal::JournalOptions {
        window_ms: 0,
        ..cofferdam_journal::JournalOptions::new(Arc::new(|| 0))
    };
    let files = Arc::new(cofferdam_journal::StdFiles);
    let (journal, _) = cofferdam_journal::Journal::open(dir, options, files).unwrap();
    let tag = journal.tags()[0];
    let append = cofferdam_journal::Append {
        keys: vec![cofferdam_journal::NO_KEY],
        tag,
        payload: vec![7; 100].into(),
    };
    let appended = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(journal.append(append))
    });
    appended.unwrap();
    journal.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_collected_before_it_does_not_go_after_it() {
    let vendor = Vendor::start(None).await;
    let (hook, arrived, go) = held_at(Step::Collected);
    let setup = Setup {
        hook: Some(hook),
        ..Setup::default()
    };
    let bench = Bench::new(&[("a", &vendor)], setup).await;
    bench.events(0..10, 3).await;
    tokio::task::block_in_place(|| arrived.recv_timeout(PATIENCE)).unwrap();
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    bench.events(10..20, 3).await;
    bench.resume("a").await;
    go.send(()).unwrap();
    bench
        .until("a", "the count", |status| {
            status.totals.withheld.get(&Refusal::Contained) == Some(&20)
        })
        .await;
    bench.events(20..25, 3).await;
    bench.drained("a").await;
    assert_eq!(vendor.taken(), [20, 21, 22, 23, 24]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offline_process_contains_and_sends_nothing() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[], Setup::default()).await;
    bench.events(0..10, 3).await;
    let offline = Setup {
        is_offline: true,
        ..Setup::default()
    };
    let bench = bench.restart(&[("a", &vendor)], offline).await;
    let status = bench.status("a").await;
    assert_eq!(
        (status.state, status.backlog_records),
        (SendState::Stopped, 10)
    );
    assert_eq!(cut_bytes(&vendor).await, 0);
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    let bench = bench.restart(&[("a", &vendor)], Setup::default()).await;
    let status = bench.drained("a").await;
    assert_eq!(status.state, SendState::Contained);
    assert_eq!(vendor.bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_or_spelling_for_the_same_account_does_not_end_it() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    bench.events(0..10, 3).await;
    bench.drained("a").await;
    let permit = bench.permit().await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    let before = vendor.received().len();
    let named = |name, token| vendor_options(name, &vendor, token);
    let spelled = |name, endpoint: String, region| VendorOptions {
        endpoint,
        region: Region::from(region),
        ..named(name, "token-a")
    };
    let renamed = || {
        vec![
            named("renamed", "token-a"),
            spelled("upper", vendor.url.replace("http://", "HTTP://"), "EU"),
            spelled("host", vendor.url.replace("127.0.0.1", "localhost"), "EU"),
            spelled("region", vendor.url.clone(), "US"),
            named("b", "token-b"),
        ]
    };
    let bench = bench.restart(&[], Setup::default()).await;
    bench.egress.configure(renamed()).await.unwrap();
    let states = bench.egress.status().await;
    let state = |name: &str| {
        let found = states.iter().find(|status| status.vendor == id(name));
        found.unwrap().state
    };
    for other_name in ["renamed", "upper", "host", "region"] {
        assert_eq!(state(other_name), SendState::Contained, "{other_name}");
    }
    assert_ne!(state("b"), SendState::Contained, "another project there");
    bench.events(10..20, 3).await;
    bench
        .until("renamed", "the journal's end", |status| {
            status.backlog_records == 0
        })
        .await;
    assert_eq!(vendor.received().len(), before);
    // A person may say that it is meant; that holds over a restart.
    bench.resume("renamed").await;
    let bench = bench.restart(&[], Setup::default()).await;
    bench.egress.configure(renamed()).await.unwrap();
    let status = bench.status("renamed").await;
    assert_ne!(status.state, SendState::Contained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_follows_the_account_through_other_tokens_and_to_other_files() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    let permit = bench.permit().await;
    let state = async |name| bench.status(name).await.state;
    let with = |named: &[(&str, &str)]| {
        let options = |(name, token): &(&str, &str)| vendor_options(name, &vendor, token);
        bench.egress.configure(named.iter().map(options).collect())
    };
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    // The token is rotated meanwhile, and the file renamed: neither the old nor the new one goes on.
    with(&[("a", "rotated")]).await.unwrap();
    with(&[("new", "rotated"), ("old", "token-a")])
        .await
        .unwrap();
    for name in ["new", "old"] {
        assert_eq!(state(name).await, SendState::Contained, "{name}");
    }
    // Once resumed, it is the new token that counts.
    with(&[("a", "rotated")]).await.unwrap();
    bench.resume("a").await;
    bench.egress.contain(&permit, &id("a")).await.unwrap();
    with(&[("again", "rotated")]).await.unwrap();
    assert_eq!(state("again").await, SendState::Contained);
    // Without a token nothing is known; the one before still counts.
    with(&[("first", "other")]).await.unwrap();
    with(&[("first", "")]).await.unwrap();
    bench.egress.contain(&permit, &id("first")).await.unwrap();
    with(&[("second", "other")]).await.unwrap();
    assert_eq!(state("second").await, SendState::Contained);
    // Two files with one token are one account.
    with(&[("x", "shared"), ("y", "shared"), ("z", "alone")])
        .await
        .unwrap();
    bench.egress.contain(&permit, &id("x")).await.unwrap();
    assert_eq!(state("y").await, SendState::Contained);
    assert_ne!(state("z").await, SendState::Contained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_reload_it_stops_all_the_same() {
    let vendor = Vendor::start(None).await;
    let bench = Bench::new(&[("a", &vendor)], Setup::default()).await;
    let permit = bench.permit().await;
    for token in ["one", "two", "three"] {
        let options = vec![vendor_options("a", &vendor, token)];
        let name = id("a");
        let (configured, contained) = tokio::join!(
            bench.egress.configure(options),
            bench.egress.contain(&permit, &name)
        );
        configured.unwrap();
        contained.unwrap();
        assert_eq!(bench.status("a").await.state, SendState::Contained);
        bench.resume("a").await;
    }
}
