//! The API board: lines of an access log in, figures out; once each, durable, and nothing of a key or an id on the disk.

use crate::support::{Folder, NOW, TestServer, again, call};
use hyper::Method;
use serde_json::{Value, json};

fn secret(server: &TestServer) -> String {
    let secret = std::fs::read_to_string(server.folder.path("secrets/console.import")).unwrap();
    format!("Bearer {}", secret.trim())
}

/// A request so many seconds before now.
fn line(seconds: i64, key: &str, endpoint: &str, status: u16, latency_ms: f64) -> Value {
    json!({ "time": NOW - seconds * 1000, "key": key, "organization": "org-secret-7", "endpoint": endpoint, "method": "POST",
        "status": status, "latency_ms": latency_ms, "bytes": 100 })
}

async fn send(server: &TestServer, lines: &str, id: &str) -> (u16, Value) {
    let secret = secret(server);
    let headers = [("authorization", secret.as_str()), ("x-batch-id", id)];
    let (status, answer) = call(
        server.listeners.intake,
        Method::POST,
        "/api/v1/usage",
        &headers,
        lines.to_owned().into(),
    )
    .await;
    (
        status,
        serde_json::from_slice(&answer).unwrap_or(Value::Null),
    )
}

async fn report(server: &TestServer, more: Value) -> Value {
    let mut request = json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01" });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    let (status, answer) = server
        .api(Method::POST, "/api/v1/usage/report", Some(request))
        .await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Ten requests to chat, of which one is refused and one fails; two to users; three lines that are none.
fn lines() -> String {
    let chat = (0..10).map(|n| {
        let status = [200, 429, 503].get(n).copied().unwrap_or(200);
        line(
            60 * i64::try_from(n).unwrap(),
            "sk-live-secret-1",
            "/v1/chat",
            status,
            10.0 * (n + 1) as f64,
        )
    });
    let users = ["17", "bob@example.org"]
        .map(|id| line(30, "sk-live-secret-2", &format!("/v1/users/{id}"), 200, 5.0));
    let bad = [
        json!({ "time": NOW, "key": "sk-live-secret-1" }),
        json!("no object"),
        line(
            10,
            "sk-live-secret-1",
            "/v1/chat?user=bob@example.org",
            200,
            1.0,
        ),
    ];
    let all = chat.chain(users).chain(bad);
    all.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_counted_once_and_bad_ones_are_named() {
    let server = TestServer::start(Folder::new()).await;
    let (status, answer) = send(&server, &lines(), "batch-1").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&json!(12), &json!(3))
    );
    assert_eq!(
        answer["lines"],
        json!([
            { "line": 13, "field": "method", "reason": "missing" },
            { "line": 14, "reason": "not_json" },
            { "line": 15, "field": "endpoint", "reason": "invalid" },
        ])
    );
    // The answer was lost, and the sender sends again; then it takes the id for something else.
    let (status, again) = send(&server, &lines(), "batch-1").await;
    assert_eq!(
        (status, &again["duplicate"], &again["accepted"]),
        (200, &json!(true), &json!(12))
    );
    assert_eq!(send(&server, "{}", "batch-1").await.0, 409);
    let all = report(&server, json!({ "unit": "day" })).await;
    let total = &all["series"][0]["total"];
    assert_eq!(
        (&total["requests"], &total["errors"], &total["bytes"]),
        (&json!(12), &json!(2), &json!(1200)),
        "{all}"
    );
    assert_eq!(
        (
            &total["classes"]["rate_limited"],
            &total["classes"]["server"]
        ),
        (&json!(1), &json!(1))
    );
    let (p50, error) = (
        total["p50"].as_f64().unwrap(),
        all["percentile_error"].as_f64().unwrap(),
    );
    // Sorted latencies: 5, 5, 10, …, 100: the sixth is 40.
    assert!((p50 - 40.0).abs() <= 40.0 * error, "{p50}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_by_endpoint_key_and_organization() {
    let server = TestServer::start(Folder::new()).await;
    send(&server, &lines(), "batch-1").await;
    let by_endpoint = report(&server, json!({ "by": ["endpoint"], "unit": "minute" })).await;
    let series = by_endpoint["series"].as_array().unwrap();
    let told: Vec<_> = series
        .iter()
        .map(|one| (&one["endpoint"], &one["total"]["requests"]))
        .collect();
    let (chat, users) = (json!("POST /v1/chat"), json!("POST /v1/users/{id}"));
    assert_eq!(told, [(&chat, &json!(10)), (&users, &json!(2))]);
    let noon = by_endpoint["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .position(|at| at == "2026-06-01T11:59:00Z")
        .unwrap();
    assert_eq!(
        (&series[0]["requests"][noon], &series[0]["errors"][noon]),
        (&json!(1), &json!(1)),
        "the 429 of a minute ago"
    );
    // By the key itself, and by the hash that an answer shows for it.
    let one = report(
        &server,
        json!({ "key": "sk-live-secret-2", "by": ["key", "organization"] }),
    )
    .await;
    let hash = one["series"][0]["key"].as_str().unwrap();
    assert_eq!(
        (one["series"][0]["total"]["requests"].as_u64(), hash.len()),
        (Some(2), 32),
        "{one}"
    );
    let same = report(
        &server,
        json!({ "key": hash, "by": ["key", "organization"] }),
    )
    .await;
    assert_eq!(same, one);
    assert_eq!(
        report(&server, json!({ "key": "never seen" })).await["series"],
        json!([])
    );
    // One series and the rest.
    let cut = report(&server, json!({ "by": ["endpoint"], "limit": 1 })).await;
    assert_eq!(
        (
            &cut["series"][1]["endpoint"],
            &cut["series"][1]["total"]["requests"]
        ),
        (&json!("$other"), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_outlive_a_restart_and_fold_into_hours_and_no_key_is_on_the_disk() {
    let server = TestServer::start(Folder::new()).await;
    send(&server, &lines(), "batch-1").await;
    let before = report(&server, json!({ "by": ["key", "endpoint"] })).await;
    let folder = server.stop().await;
    for entry in std::fs::read_dir(folder.path("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            for raw in ["sk-live", "org-secret", "bob@", "batch-1"] {
                assert!(!text.contains(raw), "{raw} in {}", path.display());
            }
        }
    }
    let server = again(folder, 3).await;
    let now = server.system.clock.now();
    server.system.usage.keep_house(now, 400).await.unwrap();
    assert_eq!(
        report(&server, json!({ "by": ["key", "endpoint"] })).await,
        before
    );
    let minutes =
        json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01", "unit": "minute" });
    let (status, answer) = server
        .api(Method::POST, "/api/v1/usage/report", Some(minutes))
        .await;
    assert_eq!(
        (status, &answer["error"]["path"]),
        (422, &json!("unit")),
        "minutes are hours by now"
    );
    server.system.usage.keep_house(now, 2).await.unwrap();
    assert_eq!(
        report(&server, json!({})).await["series"],
        json!([]),
        "past retention"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_import_secret_opens_it() {
    let server = TestServer::start(Folder::new()).await;
    let token = format!("Bearer {}", server.folder.token);
    let text = lines();
    for (headers, wanted) in [
        (vec![], 401),
        (vec![("authorization", token.as_str())], 401),
        (vec![("authorization", "Bearer wrong")], 401),
    ] {
        let (status, _) = call(
            server.listeners.intake,
            Method::POST,
            "/api/v1/usage",
            &headers,
            text.clone().into(),
        )
        .await;
        assert_eq!(status, wanted);
    }
    assert_eq!(send(&server, "nonsense", "b").await.0, 422);
    assert_eq!(send(&server, &"x\n".repeat(20_001), "c").await.0, 413);
    let (status, answer) = call(
        server.listeners.admin,
        Method::POST,
        "/api/v1/usage/report",
        &[],
        "{}".into(),
    )
    .await;
    assert_eq!(status, 401, "{}", String::from_utf8_lossy(&answer));
}
