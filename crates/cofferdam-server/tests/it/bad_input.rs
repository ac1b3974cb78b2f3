//! Input that no SDK should send and somebody will: bounded, counted with a reason, the good events of a batch kept.
//!
//! Invariant: every answer has CORS headers and a status on which no SDK drops good events.

mod strangers;

use crate::support::{Folder, NOW, TestServer};
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Method;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io::Write;

const ORIGIN: &str = "https://app.example.com";

struct Answer {
    status: u16,
    body: String,
}

/// Sends as a page does and holds the answer to what a page needs.
async fn send(server: &TestServer, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let stream = tokio::net::TcpStream::connect(server.listeners.intake)
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let origin = headers
        .iter()
        .find(|(name, _)| *name == "origin")
        .map_or(ORIGIN, |(_, value)| value);
    let mut request = hyper::Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "t.example.com")
        .header("origin", origin);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "origin") {
        request = request.header(*name, *value);
    }
    let answer = sender
        .send_request(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let allowed = answer
        .headers()
        .get("access-control-allow-origin")
        .map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(
        allowed.as_deref(),
        Some(origin),
        "{path}: {} without CORS makes a browser drop the batch",
        answer.status()
    );
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Events as a batch; each gets the project's token.
fn batch(server: &TestServer, items: &[Value]) -> Vec<u8> {
    let all: Vec<Value> = items
        .iter()
        .cloned()
        .map(|mut item| {
            item["properties"]["token"] = json!(server.folder.token);
            item
        })
        .collect();
    json!(all).to_string().into_bytes()
}

fn good(id: &str) -> Value {
    json!({ "event": "Good", "properties": { "distinct_id": id, "$insert_id": id } })
}

/// How many items were refused for a reason, and how many accepted.
async fn counted(server: &TestServer, reason: &str) -> (u64, u64) {
    server.flush().await;
    let (_, overview) = server.api(Method::GET, "/api/v1/overview", None).await;
    let refused = overview["refused"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["reason"] == reason)
        .map(|line| line["count"].as_u64().unwrap())
        .sum();
    (refused, overview["accepted"].as_u64().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_item_never_costs_the_good_ones_of_its_batch() {
    let server = TestServer::start(Folder::new()).await;
    let many: serde_json::Map<String, Value> = (0..1_500)
        .map(|number| (format!("p{number}"), json!(number)))
        .collect();
    let mut wide = json!({ "event": "Wide", "properties": many });
    wide["properties"]["distinct_id"] = json!("wide");
    let cases = [
        ("a number", json!(7), "malformed"),
        (
            "a name that is an object",
            json!({ "event": {}, "properties": {} }),
            "missing_event_name",
        ),
        (
            "no name",
            json!({ "properties": { "distinct_id": "a" } }),
            "missing_event_name",
        ),
        (
            "an empty name",
            json!({ "event": "", "properties": {} }),
            "missing_event_name",
        ),
        (
            "properties that are a list",
            json!({ "event": "X", "properties": [1] }),
            "malformed",
        ),
        (
            "a refused id",
            json!({ "event": "X", "properties": { "distinct_id": "null" } }),
            "refused_id",
        ),
        (
            "another refused id",
            json!({ "event": "X", "properties": { "distinct_id": "00000000-0000-0000-0000-000000000000" } }),
            "refused_id",
        ),
        (
            "an id that is an object",
            json!({ "event": "X", "properties": { "distinct_id": {} } }),
            "refused_id",
        ),
        (
            "a long id",
            json!({ "event": "X", "properties": { "distinct_id": "x".repeat(300) } }),
            "too_large",
        ),
        (
            "a long name",
            json!({ "event": "x".repeat(300), "properties": { "distinct_id": "a" } }),
            "too_large",
        ),
        (
            "a long key",
            json!({ "event": "X", "properties": { "distinct_id": "a", "k".repeat(300): 1 } }),
            "too_large",
        ),
        ("1,500 properties", wide, "too_many_fields"),
        (
            "a deep value",
            json!({ "event": "X", "properties": { "distinct_id": "a", "deep": nested(200) } }),
            "too_deep",
        ),
        (
            "a large event",
            json!({ "event": "X", "properties": { "distinct_id": "a", "text": "x".repeat(2_000_000) } }),
            "too_large",
        ),
    ];
    let mut accepted = 0;
    for (number, (name, bad, reason)) in cases.into_iter().enumerate() {
        let (refused_before, accepted_before) = counted(&server, reason).await;
        assert_eq!(accepted_before, accepted);
        let items: Vec<Value> = [
            good(&format!("before-{number}")),
            bad,
            good(&format!("after-{number}")),
        ]
        .into();
        let body = if items[1].is_object() && items[1]["properties"].is_object() {
            batch(&server, &items)
        } else {
            let mut all: Vec<Value> =
                serde_json::from_slice(&batch(&server, &[items[0].clone(), items[2].clone()]))
                    .unwrap();
            all.insert(1, items[1].clone());
            json!(all).to_string().into_bytes()
        };
        let answer = send(&server, "/track?verbose=1", &[], body).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert!(
            answer.body.contains("\"status\":1"),
            "{name}: {}",
            answer.body
        );
        accepted += 2;
        assert_eq!(
            counted(&server, reason).await,
            (refused_before + 1, accepted),
            "{name}"
        );
    }
    server.stop().await;
}

/// Name, headers, body, expected status, expected reason.
type Unreadable = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Vec<u8>,
    u16,
    &'static str,
);

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_read_are_answered_and_counted() {
    let server = TestServer::start(Folder::new()).await;
    let text = String::from_utf8(batch(&server, &[good("a"), good("b")])).unwrap();
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let twice = gzip(&bomb);
    let cases: [Unreadable; 9] = [
        ("nothing", &[], Vec::new(), 400, "malformed"),
        ("no JSON", &[], b"hello".to_vec(), 400, "malformed"),
        ("no base64", &[], b"data=%%%!!".to_vec(), 400, "malformed"),
        (
            "base64 of no JSON",
            &[],
            b"data=aGVsbG8gd29ybGQ%3D".to_vec(),
            400,
            "malformed",
        ),
        (
            "cut gzip",
            &[("content-encoding", "gzip")],
            gzip(text.as_bytes())[..20].to_vec(),
            400,
            "malformed",
        ),
        (
            "an unknown encoding",
            &[("content-encoding", "br")],
            b"\x8b\x02\x80hello".to_vec(),
            400,
            "malformed",
        ),
        (
            "a gzip bomb",
            &[("content-encoding", "gzip")],
            bomb,
            413,
            "too_large",
        ),
        (
            "a gzip bomb in gzip",
            &[("content-encoding", "gzip")],
            twice,
            413,
            "too_large",
        ),
        ("11 MB", &[], vec![b'['; 11 * 1024 * 1024], 413, "too_large"),
    ];
    for (name, headers, body, status, reason) in cases {
        let (before, _) = counted(&server, reason).await;
        let answer = send(&server, "/track?verbose=1", headers, body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        assert_eq!(counted(&server, reason).await, (before + 1, 0), "{name}");
    }
    // Cut in the middle: what came before the cut is kept.
    let cut = &text[..text.len() - 5];
    let answer = send(&server, "/track?verbose=1", &[], cut.as_bytes().to_vec()).await;
    assert_eq!(
        (answer.status, counted(&server, "malformed").await.1),
        (200, 1),
        "{}",
        answer.body
    );
    // More items than a batch may have: the SDK halves it and sends again.
    let items: Vec<Value> = (0..2_001)
        .map(|number| good(&format!("n{number}")))
        .collect();
    let answer = send(&server, "/track?verbose=1", &[], batch(&server, &items)).await;
    assert_eq!(
        (answer.status, counted(&server, "too_many_items").await),
        (413, (1, 1))
    );
    // A depth bomb must not take the stack.
    let deep = [
        b"[{\"event\":\"X\",\"properties\":".to_vec(),
        vec![b'['; 200_000],
    ]
    .concat();
    let answer = send(&server, "/track?verbose=1", &[], deep).await;
    assert!(matches!(answer.status, 200 | 400), "{}", answer.body);
    let answer = send(
        &server,
        "/track?verbose=1",
        &[],
        batch(&server, &[good("still here")]),
    )
    .await;
    assert_eq!(answer.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_mended_is_kept() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let event = |rest: &str| {
        format!(r#"[{{"event":"Mended","properties":{{"token":"{token}",{rest}}}}}]"#).into_bytes()
    };
    let mut invalid = event(r#""distinct_id":"a1","plan":"x?y""#);
    let at = invalid.iter().position(|byte| *byte == b'?').unwrap();
    invalid[at] = 0xFF;
    for body in [
        event(r#""distinct_id":"a0","plan":"one","plan":"two","plan":"three""#),
        invalid,
        event(r#""distinct_id":"a2","n":NaN"#),
        event(r#""distinct_id":"a3","plan":"\ud83d""#),
        event(r#""distinct_id":"a4","time":"yesterday""#),
        event(r#""distinct_id":5,"$insert_id":{"x":1}"#),
    ] {
        let answer = send(&server, "/track?verbose=1", &[], body).await;
        assert!(
            answer.status == 200 && answer.body.contains("\"status\":1"),
            "{}",
            answer.body
        );
    }
    server.flush().await;
    let (_, live) = server.api(Method::GET, "/api/v1/live", None).await;
    let events = live["events"].as_array().unwrap();
    assert_eq!(events.len(), 6);
    let plans: Vec<&Value> = events
        .iter()
        .flat_map(|event| event["fields"].as_array().unwrap())
        .filter(|field| field["path"] == "properties.plan")
        .map(|field| &field["value"])
        .collect();
    assert!(
        plans.contains(&&json!("three")),
        "the last of a duplicate key stays: {plans:?}"
    );
    let metrics = server.metrics().await;
    for note in [
        "duplicate_keys",
        "invalid_utf8",
        "non_finite_numbers",
        "lone_surrogates",
        "unusable_times",
    ] {
        assert!(
            metrics.contains(&format!("cofferdam_wire_repairs_total{{kind=\"{note}\"}}")),
            "{note} is not counted: {metrics}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_cannot_be_true_are_those_of_arrival() {
    let server = TestServer::start(Folder::new()).await;
    let at = |id: &str, seconds: i64| json!({ "event": "When", "properties": { "distinct_id": id, "time": seconds } });
    let now = NOW / 1000;
    let items = [
        at("1970", 5),
        at("2099", 4_070_908_800),
        at("ok", now - 3600),
        at("negative", -1),
    ];
    let answer = send(&server, "/track?verbose=1", &[], batch(&server, &items)).await;
    assert_eq!(answer.status, 200);
    server.flush().await;
    let (_, live) = server.api(Method::GET, "/api/v1/live", None).await;
    let mut times: Vec<i64> = live["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["time"].as_i64().unwrap())
        .collect();
    times.sort_unstable();
    assert_eq!(times, [NOW - 3_600_000, NOW, NOW, NOW]);
    let metrics = server.metrics().await;
    assert!(metrics.contains("unusable_times\"} 3"), "{metrics}");
    server.stop().await;
}
