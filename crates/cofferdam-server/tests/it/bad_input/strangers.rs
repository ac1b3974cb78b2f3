//! Strangers, floods and connections that misbehave.

use super::{ORIGIN, batch, counted, good, send};
use crate::support::{Folder, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_item_by_item() {
    let folder = Folder::new();
    folder.replace(
        "cofferdam.toml",
        "origins = []",
        &format!("origins = [\"{ORIGIN}\"]"),
    );
    let server = TestServer::start(folder).await;
    let mut items: Vec<Value> =
        serde_json::from_slice(&batch(&server, &[good("a"), good("b")])).unwrap();
    items[0]["properties"]["token"] = json!("ffffffffffffffffffffffffffffffff");
    let mut tokenless = good("c");
    tokenless["properties"]
        .as_object_mut()
        .unwrap()
        .remove("token");
    items.push(tokenless);
    let answer = send(
        &server,
        "/track?verbose=1",
        &[],
        json!(items).to_string().into_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(counted(&server, "unknown_token").await, (2, 1));
    let answer = send(
        &server,
        "/track?verbose=1",
        &[("origin", "https://evil.example.net")],
        batch(&server, &[good("d")]),
    )
    .await;
    assert!(
        answer.status == 200 && answer.body.contains("\"status\":0"),
        "{} {}",
        answer.status,
        answer.body
    );
    assert_eq!(counted(&server, "origin_not_allowed").await, (1, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_new_people_is_bounded_and_those_who_are_known_go_on() {
    let folder = Folder::new();
    let main = std::fs::read_to_string(&folder.config).unwrap();
    folder.write(
        "cofferdam.toml",
        &format!("{main}\n[limits]\nnew_people_per_minute_max = 50\nevents_per_minute_max = 300\n"),
    );
    let server = TestServer::start(folder).await;
    // A request that passed a limit is to be sent again (429), so that no SDK drops what was refused.
    let send_many = async |ids: &mut dyn Iterator<Item = String>, status: u16| {
        let items: Vec<Value> = ids
            .map(|id| json!({ "event": "Good", "properties": { "distinct_id": id } }))
            .collect();
        let answer = send(&server, "/track?verbose=1", &[], batch(&server, &items)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    send_many(&mut (0..120).map(|number| format!("new-{number}")), 429).await;
    assert_eq!(counted(&server, "new_people_limit").await, (70, 50));
    send_many(&mut (0..50).map(|number| format!("new-{number}")), 200).await;
    assert_eq!(
        counted(&server, "new_people_limit").await,
        (70, 100),
        "people who are known are no flood"
    );
    send_many(&mut (0..200).map(|_| "new-1".to_owned()), 429).await;
    assert_eq!(counted(&server, "rate_limited").await, (70, 230));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_headers_and_garbage_end_the_connection_and_nothing_else() {
    let server = TestServer::start(Folder::new()).await;
    let long = format!(
        "GET /track?data={} HTTP/1.1\r\nhost: x\r\n\r\n",
        "a".repeat(200_000)
    );
    let headers: String = (0..300)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let many = format!("GET /track HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    for (name, bytes, expected) in [
        ("a long target", long, "431 414 400"),
        ("300 headers", many, "431 400"),
        ("garbage", "\0\x01nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.listeners.intake)
            .await
            .unwrap();
        let _ = stream.write_all(bytes.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(
            answer.is_empty() || expected.contains(status),
            "{name}: {answer}"
        );
    }
    assert_eq!(
        cofferdam_server::listen::HEADERS_TIMEOUT.as_secs(),
        20,
        "a client gets 20 s for its headers"
    );
    let answer = send(
        &server,
        "/track?verbose=1",
        &[],
        batch(&server, &[good("a")]),
    )
    .await;
    assert_eq!(answer.status, 200);
    server.stop().await;
}
