//! Upgrades under load: the listening sockets outlive the process, as under systemd; also a clock that goes back and a full disk.
//!
//! Invariant under test: no connection is refused, nothing acknowledged is lost, and where durability cannot be promised the answer
//! is 503 with Retry-After while the process stays up.

use crate::hurry;
use crate::kill::{assert_stored_once, flapping};
use crate::load::{Client, Memory};
use crate::process::{Place, terminate};
use crate::sink::{Dice, Mood, Noon, Sink, is_prove};
use crate::support::{Folder, NOW, TestServer};
use cofferdam_model::{Clock, TimestampMs};
use cofferdam_server::clock::HandClock;
use cofferdam_server::system::Seams;
use serde_json::json;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts the server as systemd does: both sockets as descriptors 3 and 4, announced in the environment. The shell gets them as its
/// standard input and output, which is how the standard library passes descriptors on.
fn start(place: &Place, intake: &TcpListener, admin: &TcpListener) -> Child {
    let given = |listener: &TcpListener| Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
    Command::new("sh")
        .args([
            "-c",
            "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" \"$@\"",
        ])
        .arg(env!("CARGO_BIN_EXE_cofferdam"))
        .args([
            "--config".as_ref(),
            place.folder.config.as_os_str(),
            "serve".as_ref(),
        ])
        .env("RUST_LOG", "warn")
        .stdin(given(intake))
        .stdout(given(admin))
        .stderr(place.log_file())
        .spawn()
        .unwrap()
}

fn clients(
    place: &Place,
    seed: u64,
    memory: &Arc<Mutex<Memory>>,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let start = |lane: u64| {
        let client = Client {
            address: place.intake,
            token: place.folder.token.clone(),
            lane: format!("u{lane}x"),
            dice: Dice::new(seed ^ lane),
            memory: Arc::clone(memory),
            gives_up: false,
            // Some come anew with each request, some stay connected over the change.
            reconnects: lane.is_multiple_of(2),
        };
        tokio::spawn(client.run(stop.clone()))
    };
    (0..4).map(start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_under_load_refuse_no_connection_and_lose_nothing() {
    let seed = Dice::seed("upgrade");
    let upgrades = if is_prove() { 20 } else { 3 };
    let place = Place::new();
    let sinks = flapping(&place, seed).await;
    // Bound once and never closed, as by systemd.
    let (intake, admin) = (
        TcpListener::bind(place.intake).unwrap(),
        TcpListener::bind(place.admin).unwrap(),
    );
    let memory = Arc::new(Mutex::new(Memory::default()));
    let (stop, stopped) = watch::channel(false);
    let mut child = start(&place, &intake, &admin);
    place.ready(&mut child).await;
    let clients = clients(&place, seed, &memory, &stopped);
    for _ in 0..upgrades {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let ended = tokio::task::spawn_blocking(move || terminate(&mut child))
            .await
            .unwrap();
        assert!(ended.success(), "{}", place.log());
        child = start(&place, &intake, &admin);
        place.ready(&mut child).await;
    }
    stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    for sink in &sinks {
        sink.set(Mood::Good);
    }
    assert!(terminate(&mut child).success(), "{}", place.log());
    let memory = std::mem::take(&mut *memory.lock().unwrap());
    assert_eq!(memory.refused, 0, "connections were refused");
    assert_eq!(memory.broken_fresh, 0, "new connections broke");
    assert!(memory.acknowledged.len() > 100, "hardly any load");
    assert_stored_once(&place, &memory).await;
    println!(
        "figure: upgrade: {upgrades} upgrades under load, {} events acknowledged, 0 connections refused, {} kept-alive connections ended and resumed",
        memory.acknowledged.len(),
        memory.broken,
    );
}

/// A clock that can be set back.
#[derive(Debug)]
struct Loose(AtomicI64);

impl Clock for Loose {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_set_back_an_hour_loses_and_doubles_nothing() {
    let clock = Arc::new(Loose(AtomicI64::new(NOW)));
    let seams = || Seams {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..hurry::seams()
    };
    let hand = Arc::new(HandClock::new(TimestampMs(NOW)));
    let sink = Sink::start(Mood::Good, 1, Arc::new(Noon)).await;
    let folder = Folder::new();
    folder.write("fields.toml", "\"properties.marker\" = \"user.behavior\"\n");
    folder.vendor(
        "acme",
        sink.address,
        "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"",
    );
    let token = folder.token.clone();
    let event = |serial: u32| {
        json!([{ "event": "Called", "properties": { "token": token, "distinct_id": "u", "$insert_id": format!("i{serial}"),
            "marker": format!("m{serial}"), "time": NOW - 7_200_000 } }])
    };
    let mut server = TestServer::start_with(folder, Arc::clone(&hand), seams()).await;
    for serial in 0..40 {
        match serial {
            10 | 30 => clock.0.store(NOW - 3_600_000, Ordering::SeqCst),
            20 => {
                clock.0.store(NOW + 60_000, Ordering::SeqCst);
                let folder = server.stop().await;
                clock.0.store(NOW - 3_600_000, Ordering::SeqCst);
                server = TestServer::start_with(folder, Arc::clone(&hand), seams()).await;
            }
            _ => {}
        }
        // Each twice: the second one is a duplicate, also over the jump.
        server.track(event(serial)).await;
        server.track(event(serial)).await;
        server.track(event(serial / 2)).await;
    }
    let wanted = (0..40).map(|serial| format!("m{serial}")).collect();
    sink.wait_for(&wanted).await;
    server.flush().await;
    let report = json!({ "project": "console", "events": [{ "event": "Called", "filters": [] }], "measure": "total",
        "breakdown": [], "unit": "day", "from": "2026-06-01", "to": "2026-06-01" });
    let (status, answer) = server
        .api(
            hyper::Method::POST,
            "/api/v1/reports/segmentation",
            Some(report),
        )
        .await;
    assert_eq!(
        (status, &answer["series"][0]["values"]),
        (200, &json!([40])),
        "{answer}"
    );
    let (_, radius) = server
        .api(hyper::Method::GET, "/api/v1/vendors/acme/radius", None)
        .await;
    assert_eq!(radius["events"], 40, "{radius}");
    server.stop().await;
}

/// A limit on the size of files stands for a disk that has no room for the journal: the same error, without root.
#[tokio::test(flavor = "multi_thread")]
async fn disk_full_is_answered_with_503_and_nothing_acknowledged_is_lost() {
    let seed = Dice::seed("disk_full");
    let place = Place::new();
    let sinks = flapping(&place, seed).await;
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f \"$FILE_BLOCKS\"; exec \"$0\" \"$@\"",
        ])
        .arg(env!("CARGO_BIN_EXE_cofferdam"))
        .args([
            "--config".as_ref(),
            place.folder.config.as_os_str(),
            "serve".as_ref(),
        ])
        .env("FILE_BLOCKS", "1200")
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    place.ready(&mut child).await;
    let memory = Arc::new(Mutex::new(Memory::default()));
    let (stop, stopped) = watch::channel(false);
    let clients = clients(&place, seed, &memory, &stopped);
    for _ in 0..2_400 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if memory.lock().unwrap().unavailable > 0 {
            break;
        }
    }
    let is_up = child.try_wait().unwrap().is_none();
    for client in &clients {
        client.abort();
    }
    stop.send_replace(true);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_up, "the process ended");
    for sink in &sinks {
        sink.set(Mood::Good);
    }
    let memory = std::mem::take(&mut *memory.lock().unwrap());
    println!(
        "figure: disk full: {} events acknowledged, {} requests answered 503 with Retry-After, process up",
        memory.acknowledged.len(),
        memory.unavailable,
    );
    assert!(memory.unavailable > 0, "the limit was never reached");
    assert_stored_once(&place, &memory).await;
}
