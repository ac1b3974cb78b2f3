//! What the ledger cannot know is a gap: removed vendors, restored copies, days that operators declare.

use crate::support::{TestServer, again, event, server_with_vendor, stopped};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

async fn radius(server: &TestServer, query: &str) -> Value {
    let path = format!("/api/v1/vendors/acme/radius?{query}");
    let (status, body) = server.api(Method::GET, &path, None).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn gaps(radius: &Value) -> Vec<(String, String, String)> {
    let gaps = radius["gaps"].as_array().unwrap();
    let text = |gap: &Value, key: &str| gap[key].as_str().unwrap().to_owned();
    gaps.iter()
        .map(|gap| (text(gap, "since"), text(gap, "until"), text(gap, "reason")))
        .collect()
}

fn gap(since: &str, until: &str, reason: &str) -> (String, String, String) {
    (since.to_owned(), until.to_owned(), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_whose_file_is_gone_still_has_its_radius() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    let file = server.folder.path("vendors/acme.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    server.system.reload().await.unwrap();
    let found = radius(&server, "").await;
    assert_eq!(
        (&found["people"], &found["configured"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        gaps(&found),
        [],
        "up to the day on which it was removed all is known"
    );
    let (_, listed) = server.api(Method::GET, "/api/v1/vendors", None).await;
    assert_eq!(
        listed["past"],
        json!([{ "id": "acme", "name": "acme", "last_day": "2026-06-01" }])
    );
    let (status, missing) = server
        .api(Method::GET, "/api/v1/vendors/nobody/radius", None)
        .await;
    assert_eq!(status, 404, "{missing}");
    for (method, path) in [
        (Method::GET, "/api/v1/vendors/acme"),
        (Method::POST, "/api/v1/vendors/acme/contain"),
        (Method::POST, "/api/v1/vendors/acme/resume"),
    ] {
        let body = (method == Method::POST).then(|| json!({}));
        let (status, refused) = server.api(method, path, body).await;
        let error = &refused["error"];
        assert_eq!((status, &error["code"]), (404, &json!("not_configured")));
        let said = error["message"].as_str().unwrap();
        assert!(said.contains("since 2026-06-01: it gets nothing"), "{said}");
    }

    let server = again(server.stop().await, 3).await;
    let found = radius(&server, "").await;
    assert_eq!(found["people"], 1);
    assert_eq!(
        gaps(&found),
        [gap("2026-06-02", "2026-06-04", "after coverage")],
        "what it got since, nobody here can say"
    );
    // It comes back: the days without it stay unknown.
    std::fs::write(&file, text).unwrap();
    let server = again(server.stop().await, 5).await;
    let found = radius(&server, "").await;
    assert_eq!(found["configured"], true);
    let reason = "it was not configured to pass here";
    assert_eq!(gaps(&found), [gap("2026-06-01", "2026-06-06", reason)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_an_operator_declares_is_recorded_and_in_force() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    assert_ne!(radius(&server, "").await["not_exposed"], json!([]));
    let declared = json!({ "vendor": "acme", "since": "2026-06-01", "until": "2026-06-01", "reason": "  restored " });
    let (status, body) = server
        .api(Method::POST, "/api/v1/gaps", Some(declared))
        .await;
    assert_eq!(status, 200, "{body}");
    let found = radius(&server, "").await;
    assert_eq!(gaps(&found), [gap("2026-06-01", "2026-06-01", "restored")]);
    assert_eq!(found["not_exposed"], json!([]));
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    assert!(audit.to_string().contains("vendor/acme/gap"), "{audit}");
    for (field, wrong) in [
        ("vendor", json!("nobody")),
        ("since", json!("yesterday")),
        ("until", json!("2026-05-01")),
        ("until", json!("2026-06-02")),
        ("until", json!("2099-01-01")),
        ("reason", json!(" ")),
    ] {
        let mut wrongly =
            json!({ "vendor": null, "since": "2026-06-01", "until": "2026-06-01", "reason": "x" });
        wrongly[field] = wrong;
        let (status, body) = server
            .api(Method::POST, "/api/v1/gaps", Some(wrongly))
            .await;
        assert!(
            matches!(status, 400 | 404 | 422),
            "{field}: {status} {body}"
        );
    }
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(gaps(&radius(&server, "").await).len(), 1);
    server.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    copy_into(from, to);
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_does_not_know_what_was_sent_since() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    let folder = stopped(server).await;
    copy(&folder.path("data"), &folder.path("backup"));
    let server = again(folder, 1).await;
    server.track(event(&token, "b")).await;
    vendor.wait_for(2).await;
    assert_eq!(
        gaps(&radius(&server, "").await),
        [],
        "a restart is no restore"
    );
    let folder = stopped(server).await;
    std::fs::remove_dir_all(folder.path("data")).unwrap();
    copy(&folder.path("backup"), &folder.path("data"));
    let server = again(folder, 2).await;
    let found = radius(&server, "").await;
    let reason = "the data directory was restored or copied";
    assert_eq!(gaps(&found), [gap("2026-06-01", "2026-06-03", reason)]);
    assert_eq!(found["not_exposed"], json!([]));
    let server = again(server.stop().await, 3).await;
    assert_eq!(
        gaps(&radius(&server, "").await).len(),
        1,
        "it is found once"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_ledger_in_the_same_folder_is_found_by_the_outbox() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    server.flush().await;
    let folder = server.stop().await;
    copy(&folder.path("data/ledger"), &folder.path("older"));
    let server = again(folder, 3).await;
    server.track(event(&token, "b")).await;
    vendor.wait_for(2).await;
    let folder = server.stop().await;
    // The folder itself stays: another one would be known for a copy without the outbox.
    let ledger = folder.path("data/ledger");
    for entry in std::fs::read_dir(&ledger).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
    copy_into(&folder.path("older"), &ledger);
    let server = again(folder, 4).await;
    let reason = "the ledger has lost what was sent";
    assert_eq!(
        gaps(&radius(&server, "").await),
        [gap("2026-06-01", "2026-06-05", reason)]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_wrong_hides_no_exposure() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    let server = again(server.stop().await, 42).await;
    server.track(event(&token, "b")).await;
    vendor.wait_for(2).await;
    // Right again: what was filed ahead is shown, and the days ahead are a gap.
    let server = again(server.stop().await, 1).await;
    let found = radius(&server, "").await;
    assert_eq!(
        (&found["people"], &found["until"]),
        (&json!(2), &json!("2026-07-13"))
    );
    assert_eq!(
        gaps(&found),
        [gap("2026-06-03", "2026-07-13", "after coverage")]
    );
    assert_eq!(found["not_exposed"], json!([]));
    let asked = radius(&server, "since=2026-06-01&until=2026-06-02").await;
    assert_eq!(asked["people"], 1);
    // Before the first day of coverage: what is asked without days is answered, and days on record count.
    let server = again(server.stop().await, -3).await;
    assert_eq!(radius(&server, "").await["people"], 2);
    for half in ["since=2026-06-20", "until=2026-05-20"] {
        radius(&server, half).await;
    }
    let path = "/api/v1/vendors/acme/radius?since=2026-06-02&until=2026-06-01";
    assert_eq!(server.api(Method::GET, path, None).await.0, 422);
    server.stop().await;
}
