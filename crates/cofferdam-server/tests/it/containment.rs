//! A stop does not wait for a disk: what cannot be written down is stopped all the same, and written down later.
//!
//! Invariant under test: once `contain` answers, whatever it answers, nothing goes to the vendor (P9); no act without a leaf in
//! the end (P5).

use crate::support::{FakeVendor, Folder, NOW, RECEIVES, TestServer, event};
use cofferdam_audit::Faults;
use cofferdam_model::TimestampMs;
use cofferdam_server::clock::HandClock;
use cofferdam_server::system::Seams;
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;

async fn post(server: &TestServer, act: &str) -> (u16, Value) {
    let path = format!("/api/v1/vendors/acme/{act}");
    let body = json!({ "reason": "breached" });
    server.api(Method::POST, &path, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_stopped_while_the_audit_log_cannot_be_written() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    let audit_faults = Faults::default();
    let seams = Seams {
        audit_faults: audit_faults.clone(),
        ..Seams::default()
    };
    let clock = Arc::new(HandClock::new(TimestampMs(NOW)));
    let server = TestServer::start_at(folder, clock, seams).await;
    let token = server.folder.token.clone();
    server.track(event(&token, "before")).await;
    vendor.wait_for(1).await;

    audit_faults.set(Faults::WRITE);
    let (status, body) = post(&server, "contain").await;
    assert_eq!(
        (status, body["error"]["code"].as_str()),
        (503, Some("not_durable")),
        "{body}"
    );
    server.track(event(&token, "during")).await;
    server.flush().await;
    // Another worker takes over, and nothing is resumed that was not written down.
    server.system.reload().await.unwrap();
    let shown = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    for (status, body) in [post(&server, "resume").await, shown] {
        let code = body["error"]["code"].as_str();
        assert_eq!((status, code), (503, Some("not_recorded")), "{body}");
    }

    audit_faults.set(Faults::NONE);
    // A resume comes after the containment that was owed.
    assert_eq!(post(&server, "resume").await.0, 200);
    server.track(event(&token, "after")).await;
    // "Before" and "after", and nothing that came while it was stopped: each worker sends in the order of arrival.
    assert_eq!(vendor.wait_for(2).await.len(), 2);
    server.flush().await;
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    let leaves = audit["leaves"].as_array().unwrap().iter();
    let acts: Vec<&str> = leaves
        .filter(|leaf| leaf["resource"] == "vendor/acme")
        .filter_map(|leaf| leaf["action"].as_str())
        .filter(|act| act.starts_with("vendor."))
        .collect();
    assert_eq!(acts, ["vendor.contain", "vendor.resume"], "{audit}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containment_that_was_owed_outlives_a_restart_once_it_is_written_down() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    let audit_faults = Faults::default();
    let seams = Seams {
        audit_faults: audit_faults.clone(),
        ..Seams::default()
    };
    let clock = Arc::new(HandClock::new(TimestampMs(NOW)));
    let server = TestServer::start_at(folder, clock, seams).await;
    audit_faults.set(Faults::SYNC);
    assert_eq!(post(&server, "contain").await.0, 503);
    audit_faults.set(Faults::NONE);
    // The end of the process is the last moment to write it down.
    let server = TestServer::start(server.stop().await).await;
    let (_, shown) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    assert_eq!(shown["delivery"]["state"], "contained", "{shown}");
    server.stop().await;
}
