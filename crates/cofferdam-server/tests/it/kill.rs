//! Show 5: the real binary is killed at random moments under load, with vendors that fail as they please.
//!
//! Invariant under test: an acknowledged event is stored exactly once (P4), what a vendor got is in the ledger (P3), and an
//! attempted batch is only ever repeated byte for byte.

use crate::load::{Client, Memory};
use crate::process::{Place, terminate};
use crate::sink::{Dice, Mood, Noon, Sink, is_prove};
use cofferdam_model::{Clock, ProjectName, TimestampMs};
use cofferdam_server::clock::SystemClock;
use cofferdam_server::config;
use cofferdam_server::system::{Seams, System};
use cofferdam_store::{Column, ColumnData, ScanRequest};
use hyper::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const FIELDS: &str = "\"properties.marker\" = \"user.behavior\"\n\"properties.person\" = \"user.behavior\"\n\
    \"properties.plan\" = \"user.behavior\"\n\"profile.marker\" = \"user.behavior\"\n\"profile.plan\" = \"user.behavior\"\n";
const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";
const CLIENTS: u64 = 4;

/// Names of the test's fields, and vendors that flap.
pub(crate) async fn flapping(place: &Place, seed: u64) -> Vec<Sink> {
    place.folder.write("fields.toml", FIELDS);
    let mut sinks = Vec::new();
    for (id, offset) in [("acme", 1), ("zenith", 2)] {
        let sink = Sink::start(Mood::Flapping, seed + offset, Arc::new(Noon)).await;
        place.folder.vendor(id, sink.address, RECEIVES);
        sinks.push(sink);
    }
    sinks
}

#[tokio::test(flavor = "multi_thread")]
async fn sigkill_at_random_moments_loses_and_doubles_nothing() {
    let seed = Dice::seed("kill");
    let mut dice = Dice::new(seed);
    let kills = if is_prove() { 300 } else { 15 };
    let place = Place::new();
    let sinks = flapping(&place, seed).await;
    let memory = Arc::new(Mutex::new(Memory::default()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|lane| {
            let client = Client {
                address: place.intake,
                token: place.folder.token.clone(),
                lane: format!("m{lane}x"),
                dice: Dice::new(seed ^ (lane + 77)),
                memory: Arc::clone(&memory),
                gives_up: true,
                reconnects: false,
            };
            tokio::spawn(client.run(stopped.clone()))
        })
        .collect();
    let mut recoveries = Vec::new();
    for _ in 0..kills {
        let mut child = place.command().spawn().unwrap();
        if dice.below(6) == 0 {
            // Killed while it is still coming up.
            tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
        } else {
            recoveries.push(place.ready(&mut child).await);
            tokio::time::sleep(Duration::from_millis(30 + dice.below(900))).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for sink in &sinks {
        sink.set(Mood::Good);
    }
    let mut child = place.command().spawn().unwrap();
    recoveries.push(place.ready(&mut child).await);
    stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    let memory = std::mem::take(&mut *memory.lock().unwrap());
    let wanted: BTreeSet<String> = memory
        .acknowledged
        .union(&memory.updates)
        .cloned()
        .collect();
    for sink in &sinks {
        sink.wait_for(&wanted).await;
    }
    place.api(Method::POST, "/api/v1/store/flush", "{}").await;
    for (id, sink) in ["acme", "zenith"].iter().zip(&sinks) {
        let radius = place
            .api(Method::GET, &format!("/api/v1/vendors/{id}/radius"), "")
            .await;
        assert_ledger_covers(&radius, sink);
        println!(
            "figure: kill: vendor {id}: {} requests, {} of them repeats, byte-identical",
            sink.kept().len(),
            sink.assert_repeats_identical(false)
        );
    }
    let overview = place.api(Method::GET, "/api/v1/overview", "").await;
    assert!(terminate(&mut child).success(), "{}", place.log());
    let stored = assert_stored_once(&place, &memory).await;
    let counted = |name: &str| usize::try_from(overview[name].as_u64().unwrap()).unwrap();
    assert_eq!(counted("stored"), stored);
    // Of the updates that got no answer nobody knows how many were accepted.
    let accepted = counted("accepted") - counted("duplicates");
    assert!(
        accepted >= stored + memory.updates.len(),
        "{accepted} counted as accepted, {stored} events and {} updates were",
        memory.updates.len()
    );
    let worst = recoveries.iter().max().copied().unwrap_or_default();
    println!(
        "figure: kill: {kills} x SIGKILL, {} events acknowledged, {} sent without an answer, 0 lost, 0 doubled; recovery at worst {} ms",
        memory.acknowledged.len(),
        memory.sent.len() - memory.acknowledged.len(),
        worst.as_millis(),
    );
    assert!(memory.acknowledged.len() > 20 * kills, "hardly any load");
    assert!(
        !is_prove() || worst <= Duration::from_secs(5),
        "recovery took {worst:?}"
    );
}

/// The ledger has every event, person and field that the vendor has seen.
fn assert_ledger_covers(radius: &Value, sink: &Sink) {
    let (mut events, mut people, mut fields) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let kept = sink.kept();
    for request in &kept {
        for item in &request.items {
            if request.path == "/import" {
                events.insert(crate::sink::marker(item));
                people.insert(item["properties"]["person"].as_str().unwrap());
            }
            let (prefix, values) = match request.path.as_str() {
                "/import" => ("properties", &item["properties"]),
                _ => ("profile", &item["$set"]),
            };
            fields.extend(
                values
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(|name| format!("{prefix}.{name}")),
            );
        }
    }
    let listed: BTreeSet<&str> = radius["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["field"].as_str())
        .collect();
    for field in fields
        .iter()
        .filter(|field| field.ends_with(".plan") || field.ends_with(".marker"))
    {
        assert!(
            listed.contains(field.as_str()),
            "{field} went out and is not in the ledger: {listed:?}"
        );
    }
    let said = |name: &str| usize::try_from(radius[name].as_u64().unwrap()).unwrap();
    assert!(
        said("people") >= people.len(),
        "{} people in the ledger, {} at the vendor",
        said("people"),
        people.len()
    );
    assert!(
        said("events") >= events.len(),
        "{} events in the ledger, {} at the vendor",
        said("events"),
        events.len()
    );
    println!(
        "figure: kill: ledger {} events, {} people; vendor saw {} events, {} people",
        said("events"),
        said("people"),
        events.len(),
        people.len()
    );
}

/// Every acknowledged event is in the store exactly once, no other more than once, and nothing that was not sent.
/// Returns how many are stored.
pub(crate) async fn assert_stored_once(place: &Place, memory: &Memory) -> usize {
    let started = Instant::now();
    let stored = stored(place).await;
    for marker in &memory.acknowledged {
        assert_eq!(stored.get(marker), Some(&1), "{marker} was acknowledged");
    }
    for (marker, count) in &stored {
        assert!(memory.sent.contains(marker), "{marker} was never sent");
        assert_eq!(*count, 1, "{marker} is doubled");
    }
    println!(
        "figure: {} events in the store, read back in {} ms",
        stored.len(),
        started.elapsed().as_millis()
    );
    stored.len()
}

/// How often each marker is in the store of a stopped server.
pub(crate) async fn stored(place: &Place) -> BTreeMap<String, usize> {
    let loaded = config::load(
        &place.folder.config,
        &BTreeMap::new(),
        SystemClock.now().day(),
    );
    let config = loaded
        .into_result()
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let system = System::open(config, Seams::default()).await.unwrap();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let request = ScanRequest {
        from: TimestampMs(0),
        to: TimestampMs(i64::MAX / 2),
        columns: vec![Column::Property(Arc::from("marker"))],
        events: None,
    };
    let mut collect = |batch: cofferdam_store::ColumnBatch| {
        let ColumnData::Text(markers) = &batch.columns[0] else {
            panic!("an event without its marker");
        };
        for row in 0..batch.len() {
            let marker = markers.text(row).expect("each event has a marker");
            *found.entry(marker.to_string()).or_default() += 1;
        }
        ControlFlow::Continue(())
    };
    system
        .store
        .scan(&ProjectName(Arc::from("console")), &request, &mut collect)
        .unwrap();
    system.close().await;
    found
}
