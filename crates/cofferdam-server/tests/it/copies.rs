//! Copies of data and keys: over HTTP they stay in their places, the local operator may name others, nothing is overwritten.

use crate::support::{Folder, TestServer};
use cofferdam_server::client::AdminApi;
use cofferdam_server::http;
use hyper::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const SNAPSHOT: &str = "/api/v1/snapshot";
const ROTATE: &str = "/api/v1/keys/rotate-master";

/// Asks over the control socket's router.
async fn locally(server: &TestServer, path: &str, body: Value) -> (u16, Value) {
    let api = AdminApi::Local {
        router: http::control(&server.system),
        system: Arc::clone(&server.system),
    };
    let answer = api.call(Method::POST, path, Some(body)).await.unwrap();
    (answer.status.as_u16(), answer.body)
}

fn said(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_snapshot_goes_below_the_exports_only() {
    let server = TestServer::start(Folder::new()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let data = server.system.data_path("");
    let (status, made) = server
        .api(Method::POST, SNAPSHOT, Some(json!({ "dir": "first" })))
        .await;
    assert_eq!(status, 200, "{made}");
    let first = data.join("exports/first");
    assert_eq!(made["dir"], json!(first.canonicalize().unwrap()));
    assert!(first.join("catalog.db").is_file());
    let mode = std::fs::metadata(&first).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    std::os::unix::fs::symlink(elsewhere.path(), data.join("exports/link")).unwrap();
    let outside = elsewhere.path().join("copy");
    let refused = [
        ("first", "not empty"),
        ("../copy", "`..`"),
        ("link", "symbolic link"),
        ("link/copy", "below"),
        (outside.to_str().unwrap(), "below"),
        (data.join("store/copy").to_str().unwrap(), "below"),
    ]
    .map(|(dir, why)| (dir.to_owned(), why));
    for (dir, why) in refused {
        let (status, answer) = server
            .api(Method::POST, SNAPSHOT, Some(json!({ "dir": dir })))
            .await;
        assert_eq!((status, &answer["error"]["path"]), (422, &json!("dir")));
        assert!(said(&answer).contains(why), "{dir}: {answer}");
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_operator_names_any_empty_place_but_the_servers_own() {
    let server = TestServer::start(Folder::new()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let (status, answer) = locally(&server, SNAPSHOT, json!({ "dir": copy })).await;
    assert_eq!(status, 200, "{answer}");
    assert!(copy.join("catalog.db").is_file());
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "an empty one becomes owner-only too");

    let (status, answer) = locally(&server, SNAPSHOT, json!({ "dir": copy })).await;
    assert!(said(&answer).contains("not empty"), "{status} {answer}");
    let own = server.system.data_path("ledger/copy");
    let (status, answer) = locally(&server, SNAPSHOT, json!({ "dir": own })).await;
    assert_eq!(status, 422);
    assert!(said(&answer).contains("own files"), "{answer}");
    assert!(!own.try_exists().unwrap());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_new_master_key_stands_beside_the_one_in_use() {
    let server = TestServer::start(Folder::new()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    for place in [
        elsewhere.path().join("new.key"),
        server.system.data_path("new.key"),
    ] {
        let (status, answer) = server
            .api(Method::POST, ROTATE, Some(json!({ "new_key_file": place })))
            .await;
        assert_eq!(status, 422, "{answer}");
        assert!(!place.try_exists().unwrap());
    }
    let own = server.system.data_path("new.key");
    let (status, answer) = locally(&server, ROTATE, json!({ "new_key_file": own })).await;
    assert_eq!(status, 422, "{answer}");
    let (status, answer) = server
        .api(
            Method::POST,
            ROTATE,
            Some(json!({ "new_key_file": "next.key" })),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    assert!(server.folder.path("secrets/next.key").is_file());
    server.stop().await;
}
