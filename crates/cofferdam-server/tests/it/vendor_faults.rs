//! Show 6: a vendor that hangs, resets, answers nonsense or is slow concerns nobody but itself.
//!
//! Invariant under test: intake keeps answering, the other vendor gets everything meanwhile, and after recovery the sick one has
//! everything too, at least once, repeated byte for byte.

use crate::hurry;
use crate::load::Connection;
use crate::sink::{Dice, Mood, Noon, Sink, is_prove};
use crate::support::{Folder, NOW, TestServer};
use cofferdam_model::TimestampMs;
use cofferdam_server::clock::HandClock;
use cofferdam_server::system::Seams;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FIELDS: &str = "\"properties.marker\" = \"user.behavior\"\n";
const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";
const FAULTS: [Mood; 9] = [
    Mood::Hang,
    Mood::Reset,
    Mood::Status(500, None),
    Mood::Status(503, Some(3)),
    Mood::Status(429, Some(2)),
    Mood::Limit(4),
    Mood::Status(401, None),
    Mood::Garbage,
    Mood::Slow(150),
];

async fn world(seams: Seams) -> (TestServer, Sink, Sink) {
    let folder = Folder::new();
    folder.write("fields.toml", FIELDS);
    let sick = Sink::start(Mood::Good, 1, Arc::new(Noon)).await;
    let well = Sink::start(Mood::Good, 2, Arc::new(Noon)).await;
    folder.vendor("sick", sick.address, RECEIVES);
    folder.vendor("well", well.address, RECEIVES);
    let clock = Arc::new(HandClock::new(TimestampMs(NOW)));
    (TestServer::start_at(folder, clock, seams).await, sick, well)
}

fn events(token: &str, prefix: &str, count: usize) -> (Value, BTreeSet<String>) {
    let markers: BTreeSet<String> = (0..count)
        .map(|serial| format!("{prefix}n{serial}"))
        .collect();
    let items = markers.iter().map(|marker| {
        json!({ "event": "Called", "properties": { "token": token, "distinct_id": format!("user-{}", marker.len()),
            "$insert_id": format!("insert-{marker}"), "marker": marker } })
    });
    (Value::from(items.collect::<Vec<_>>()), markers)
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_faults_concern_nobody_else_and_end_with_everything_delivered() {
    let (server, sick, well) = world(hurry::seams()).await;
    let token = server.folder.token.clone();
    let mut all = BTreeSet::new();
    for (round, fault) in FAULTS.into_iter().enumerate() {
        sick.set(fault);
        let before = sick.kept().len();
        let mut meanwhile = BTreeSet::new();
        for request in 0..6 {
            // `track` asserts a 200.
            let (items, markers) = events(&token, &format!("f{round}r{request}"), 9);
            server.track(items).await;
            meanwhile.extend(markers);
        }
        // The other one has it all before the sick one recovers, and the sick one was really tried.
        well.wait_for(&meanwhile).await;
        let tries = if matches!(fault, Mood::Hang | Mood::Slow(_)) {
            1
        } else {
            2
        };
        sick.wait_for_requests(before + tries).await;
        all.extend(meanwhile);
        if !matches!(fault, Mood::Limit(_)) {
            sick.set(Mood::Good);
        }
        sick.wait_for(&all).await;
        settled(&server).await;
        let repeats = sick.assert_repeats_identical(true);
        println!(
            "figure: vendor_faults: {fault:?}: delivered after recovery, {repeats} repeats so far, byte-identical"
        );
    }
    let (_, radius) = server
        .api(hyper::Method::GET, "/api/v1/vendors/sick/radius", None)
        .await;
    assert_eq!(radius["events"].as_u64(), Some(all.len() as u64));
    assert_eq!(radius["people_possible"], 0, "all was confirmed in the end");
    assert_eq!(well.assert_repeats_identical(false), 0);
    server.stop().await;
}

/// Waits until no vendor has a backlog.
async fn settled(server: &TestServer) {
    for _ in 0..6_000 {
        let status = server.system.egress.status().await;
        if status.iter().all(|vendor| vendor.backlog_records == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "a backlog does not end: {:?}",
        server.system.egress.status().await
    );
}

/// The whole bodies of a batch that came again are the same, where nothing was halved.
#[tokio::test(flavor = "multi_thread")]
async fn vendor_faults_repeat_whole_requests_byte_for_byte() {
    let (server, sick, _well) = world(hurry::seams()).await;
    sick.set(Mood::Flapping);
    let token = server.folder.token.clone();
    let mut all = BTreeSet::new();
    for request in 0..40 {
        let (items, markers) = events(&token, &format!("r{request}"), 5);
        server.track(items).await;
        sick.wait_for(&markers).await;
        all.extend(markers);
    }
    sick.set(Mood::Good);
    settled(&server).await;
    let repeats = sick.assert_repeats_identical(false);
    assert!(repeats > 0, "nothing was ever repeated");
    println!(
        "figure: vendor_faults: flapping: {repeats} of {} requests were repeats, byte-identical",
        sick.kept().len()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_faults_leave_the_latency_of_intake_alone() {
    let (pairs, length) = if is_prove() {
        (5, Duration::from_secs(60))
    } else {
        (1, Duration::from_secs(2))
    };
    let (server, sick, _well) = world(Seams::default()).await;
    let token = server.folder.token.clone();
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let calm = p99(&server, &token, &format!("c{pair}"), length).await;
        sick.set(
            [
                Mood::Hang,
                Mood::Reset,
                Mood::Status(500, None),
                Mood::Garbage,
                Mood::Slow(400),
            ][pair % 5],
        );
        let sore = p99(&server, &token, &format!("s{pair}"), length).await;
        // The next pair begins without what this one left.
        sick.set(Mood::Good);
        settled(&server).await;
        println!(
            "figure: vendor_faults: pair {pair}: intake p99 {calm:?} with a healthy vendor, {sore:?} with a sick one"
        );
        ratios.push(sore.as_secs_f64() / calm.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "figure: vendor_faults: median ratio of intake p99, sick to healthy, over {pairs} pairs of {length:?}: {median:.2}"
    );
    assert!(!is_prove() || median <= 1.3, "{ratios:?}");
    server.stop().await;
}

/// The p99 of an open loop of 100 requests a second with ten events each, counted from when each was due.
async fn p99(server: &TestServer, token: &str, prefix: &str, length: Duration) -> Duration {
    let every = Duration::from_millis(10);
    let (started, mut dice) = (Instant::now(), Dice::new(7));
    let mut tasks = Vec::new();
    for turn in 0..u32::try_from(length.as_millis() / every.as_millis()).unwrap() {
        let due = started + every * turn;
        tokio::time::sleep_until(due.into()).await;
        let (items, _) = events(token, &format!("{prefix}t{turn}x{}", dice.below(1_000)), 10);
        let address = server.listeners.intake;
        tasks.push(tokio::spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let answer = Connection::over(stream)
                .await
                .post("/track", &items.to_string())
                .await;
            assert_eq!(answer.unwrap().0, 200);
            due.elapsed()
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.push(task.await.unwrap());
    }
    latencies.sort();
    latencies[latencies.len() * 99 / 100]
}
