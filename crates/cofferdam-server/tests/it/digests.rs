//! Digests: once for each day of the time zone, whatever happens to the process; and nothing of small groups.

use crate::relay::Relay;
use crate::support::{Folder, NOW, TestServer, again};
use cofferdam_model::TimestampMs;
use hyper::Method;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

async fn post(server: &TestServer, path: &str, body: Value) -> Value {
    let (status, answer) = server.api(Method::POST, path, Some(body)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// A server with a relay, twelve callers of plan `pro` and three of `rare` yesterday, and a board of them.
async fn board(relay: &Relay) -> (TestServer, Value) {
    let folder = Folder::new();
    folder.replace(
        "cofferdam.toml",
        "[vault]",
        &format!("{}[vault]", relay.section()),
    );
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let events: Vec<Value> = (0..15)
        .map(|person| {
            let plan = if person < 12 { "pro" } else { "rare" };
            json!({ "event": "Called", "properties": { "token": token, "distinct_id": format!("u-{person}"),
                "time": NOW / 1000 - 86_400, "plan": plan, "$insert_id": format!("i-{person}") } })
        })
        .collect();
    server.track(json!(events)).await;
    server.flush().await;
    let draft = json!({ "project": "console", "name": "Calls by plan", "kind": "segmentation",
        "request": { "events": [{ "event": "Called" }], "breakdown": ["plan"] }, "range": { "last": 7, "unit": "day" } });
    let saved = post(&server, "/api/v1/saved-reports", draft).await;
    let tile = json!({ "id": 1, "kind": "report", "report": saved["id"], "x": 0, "y": 0, "width": 6, "height": 4 });
    let board = json!({ "project": "console", "name": "Our board", "tiles": [tile] });
    let board = post(&server, "/api/v1/dashboards", board).await["id"].clone();
    (server, board)
}

fn digest(board: &Value) -> Value {
    json!({ "project": "console", "name": "Every morning", "dashboard": board, "every": "daily", "hour": 7,
        "recipients": ["ops@example.com"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_comes_once_a_day_and_says_nothing_of_a_few() {
    let relay = Relay::start().await;
    let (server, board) = board(&relay).await;
    let made = post(&server, "/api/v1/digests", digest(&board)).await;
    let path = format!("/api/v1/digests/{}", made["id"]);
    server.system.tend().await.unwrap();
    let (_, shown) = server.api(Method::GET, &path, None).await;
    assert_eq!(
        (&shown["next"], &shown["last"]),
        (&json!("2026-06-02T05:00:00Z"), &json!(null)),
        "{shown}"
    );
    assert_eq!(relay.mails().len(), 0, "not before its time");
    server.clock.set(TimestampMs(NOW + 17 * HOUR_MS));
    server.system.tend().await.unwrap();
    server.system.tend().await.unwrap();
    // Nor once more by a process that begins again.
    let folder = server.stop().await;
    let server = again(folder, 0).await;
    server.clock.set(TimestampMs(NOW + 17 * HOUR_MS + 60_000));
    server.system.tend().await.unwrap();
    let [mail] = &relay.mails()[..] else {
        panic!("{:?}", relay.mails())
    };
    for said in [
        "Subject: Every morning",
        "multipart/alternative",
        "Our board",
        "Called: pro: 12",
        "left out",
    ] {
        assert!(mail.contains(said), "no `{said}` in {mail}");
    }
    assert!(!mail.contains("rare"), "three people: {mail}");
    // What was missed while nothing ran comes once.
    server.clock.set(TimestampMs(NOW + 4 * DAY_MS));
    server.system.tend().await.unwrap();
    server.system.tend().await.unwrap();
    assert_eq!(relay.mails().len(), 2);
    let (_, shown) = server.api(Method::GET, &path, None).await;
    assert_eq!(shown["next"], "2026-06-06T05:00:00Z");
    let sent = post(&server, &format!("{path}/send"), json!({})).await;
    assert_eq!(
        (sent["mails"].as_array().unwrap().len(), relay.mails().len()),
        (3, 3),
        "{sent}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_makes_no_sense_is_refused_and_its_board_does_not_go_by_the_way() {
    let relay = Relay::start().await;
    let (server, board) = board(&relay).await;
    for (key, value, path) in [
        ("hour", json!(24), "hour"),
        ("weekday", json!("monday"), "weekday"),
        ("every", json!("weekly"), "weekday"),
        ("timezone", json!("Europe/Berlinn"), "timezone"),
        ("recipients", json!([]), "recipients"),
        ("recipients", json!(["eve@example.net"]), "recipients[0]"),
        ("dashboard", json!(99), "dashboard"),
    ] {
        let mut draft = digest(&board);
        draft[key] = value.clone();
        let (status, answer) = server
            .api(Method::POST, "/api/v1/digests", Some(draft))
            .await;
        assert_eq!(
            (status, &answer["error"]["path"]),
            (422, &json!(path)),
            "{value}: {answer}"
        );
    }
    post(&server, "/api/v1/digests", digest(&board)).await;
    let path = format!("/api/v1/dashboards/{board}");
    assert_eq!(server.api(Method::DELETE, &path, None).await.0, 409);
    assert_eq!(
        server
            .api(Method::DELETE, &format!("{path}?force=true"), None)
            .await
            .0,
        200
    );
    let (_, left) = server.api(Method::GET, "/api/v1/digests", None).await;
    assert_eq!(left["digests"], json!([]));
    server.stop().await;
}
