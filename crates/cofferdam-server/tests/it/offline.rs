//! What must not send, and what must not stop: verbs without a server, vendors that cannot run, a reload by signal.

use crate::process::{Place, terminate};
use crate::support::{FakeVendor, Folder, TestServer, verb};
use cofferdam_server::clock::HandClock;
use cofferdam_server::system::Seams;
use hyper::Method;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";

fn event(token: &str, id: &str) -> Value {
    json!([{ "event": "Signed Up", "properties": { "token": token, "distinct_id": id, "$insert_id": format!("insert-{id}") } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_without_a_server_sends_nothing_and_its_containment_holds() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    let hand = Arc::new(HandClock::new(cofferdam_model::TimestampMs(0)));
    let silent = Seams {
        sends: false,
        ..Seams::default()
    };
    let server = TestServer::start_with(folder, Arc::clone(&hand), silent).await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    server.track(event(&token, "b")).await;
    let folder = server.stop().await;
    for arguments in [
        &["radius", "acme"][..],
        &["fields", "list"],
        &["erase", "id:b", "--yes"],
        &["vendor", "list"],
        &["deletions", "list"],
    ] {
        let done = verb(&folder.config, arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
    let shown = verb(&folder.config, &["--json", "vendor", "show", "acme"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["delivery"]["state"], "stopped");
    assert!(vendor.received.lock().unwrap().is_empty());
    // What waited is still there, for a server.
    let server = TestServer::start_with(folder, Arc::clone(&hand), Seams::default()).await;
    let received = vendor.wait_for(1).await;
    assert_eq!(received.len(), 1, "who was erased is not sent any more");
    let folder = server.stop().await;
    let contained = verb(&folder.config, &["vendor", "contain", "acme", "--yes"]);
    assert!(contained.status.success());
    let server = TestServer::start_with(folder, hand, Seams::default()).await;
    let (_, body) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    assert_eq!(body["delivery"]["state"], "contained");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_vendor_that_cannot_run_stops_neither_the_start_nor_the_others() {
    let (good, mute, broken) = (
        FakeVendor::start().await,
        FakeVendor::start().await,
        FakeVendor::start().await,
    );
    let folder = Folder::new();
    for (id, vendor) in [("good", &good), ("mute", &mute), ("broken", &broken)] {
        folder.vendor(id, vendor.address, RECEIVES);
    }
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let folder = server.stop().await;
    std::fs::remove_file(folder.path("secrets/mute.token")).unwrap();
    std::fs::remove_dir_all(folder.path("data/egress/broken")).unwrap();
    folder.write("data/egress/broken", "no folder at all");
    let server = TestServer::start(folder).await;
    server.track(event(&token, "a")).await;
    good.wait_for(1).await;
    let (_, body) = server.api(Method::GET, "/api/v1/vendors", None).await;
    let of = |id: &str| {
        let vendors = body["vendors"].as_array().unwrap();
        let vendor = vendors.iter().find(|vendor| vendor["id"] == id).unwrap();
        let delivery = &vendor["delivery"];
        (
            delivery["state"].as_str().unwrap().to_owned(),
            delivery["last_error"]["code"].as_str().map(str::to_owned),
        )
    };
    assert_eq!(of("mute"), ("faulty".into(), Some("no_token".into())));
    assert_eq!(of("broken"), ("faulty".into(), Some("outbox".into())));
    assert_eq!(of("good").1, None);
    server.system.close().await;
    assert!(mute.received.lock().unwrap().is_empty());
    assert!(broken.received.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signal_to_reload_brings_a_vendor_reports_a_broken_folder_and_ends_nothing() {
    let vendor = FakeVendor::start().await;
    let place = Place::new();
    let mut server = place.command().spawn().unwrap();
    place.ready(&mut server).await;
    let reload = |server: &std::process::Child| {
        let kill = Command::new("kill")
            .args(["-HUP", &server.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    };
    place.folder.vendor("acme", vendor.address, RECEIVES);
    reload(&server);
    until(&place, "/api/v1/vendors", |body| {
        body["vendors"][0]["id"] == "acme"
    })
    .await;
    let text = std::fs::read_to_string(place.folder.path("vendors/acme.toml")).unwrap();
    place.folder.write("vendors/acme.toml", "knid = 1\n");
    reload(&server);
    until(&place, "/api/v1/vendors", |body| {
        body["vendors"][0]["problems"] != json!([])
            && body["vendors"][0]["delivery"]["state"] != "idle"
    })
    .await;
    place.folder.write("vendors/acme.toml", &text);
    reload(&server);
    let token = place.folder.token.clone();
    let headers = [("content-type", "application/json")];
    let body = event(&token, "a").to_string();
    let (status, _) =
        crate::support::call(place.intake, Method::POST, "/track", &headers, body.into()).await;
    assert_eq!(status, 200);
    vendor.wait_for(1).await;
    assert!(server.try_wait().unwrap().is_none(), "{}", place.log());
    assert!(terminate(&mut server).success());
}

async fn until(place: &Place, path: &str, holds: impl Fn(&Value) -> bool) {
    let started = Instant::now();
    loop {
        let body = place.api(Method::GET, path, "").await;
        if holds(&body) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
