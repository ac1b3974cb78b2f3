//! Where the parts meet: restarts, reloads, erasures and hostile requests that once lost, leaked or stalled something.

use crate::support::{FakeVendor, Folder, TestServer, call};
use cofferdam_model::Refusal;
use cofferdam_server::counters::Count;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";

#[expect(
    clippy::needless_pass_by_value,
    reason = "reads better with json! at the call"
)]
fn event(token: &str, properties: Value) -> Value {
    let mut event = json!([{ "event": "Signed Up", "properties": { "token": token } }]);
    for (name, value) in properties.as_object().unwrap() {
        event[0]["properties"][name] = value.clone();
    }
    event
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("it never ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_ends_on_a_server_that_has_nothing_new_since_its_start() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server
        .track(event(&token, json!({ "distinct_id": "a" })))
        .await;
    server.flush().await;
    let server = TestServer::start(server.stop().await).await;
    within(server.flush()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_first_seen_in_a_duplicate_is_known_after_a_restart() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    // No distinct_id: both have the same name, id as sent and insert id, and the second is all its entry has.
    for device in ["d1", "d2"] {
        let same = json!({ "$device_id": device, "$insert_id": "same-insert-id" });
        server.track(event(&token, same)).await;
    }
    server
        .track(event(&token, json!({ "$device_id": "d2" })))
        .await;
    let people = server.system.vault.people();
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(server.system.vault.people(), people);
    server
        .track(event(&token, json!({ "$device_id": "d3" })))
        .await;
    assert_eq!(
        server.system.vault.people(),
        people + 1,
        "nobody gets another's number"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_first_event_was_refused_is_known_after_a_restart() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let too_deep = "[".repeat(100) + &"]".repeat(100);
    let mut items = event(&token, json!({ "distinct_id": "a", "deep": too_deep }));
    for _ in 0..2 {
        let kept = event(&token, json!({ "distinct_id": "a" }));
        items.as_array_mut().unwrap().push(kept[0].clone());
    }
    server.track(items).await;
    let totals = server.system.counters.totals();
    let refused = |(count, amount): &(Count, u64)| {
        matches!(count, Count::Refused(_, Refusal::TooDeep)) && *amount == 1
    };
    assert!(totals.iter().any(refused), "{totals:?}");
    let people = server.system.vault.people();
    let server = TestServer::start(server.stop().await).await;
    assert_eq!(server.system.vault.people(), people);
    server
        .track(event(&token, json!({ "distinct_id": "b" })))
        .await;
    assert_eq!(server.system.vault.people(), people + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_key_is_gone_does_not_hold_up_what_comes_behind_it() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let lost = cofferdam_journal::Append {
        keys: vec![cofferdam_journal::NO_KEY],
        tag: 0,
        payload: vec![0; 64].into(),
    };
    server.system.journal.append(lost).await.unwrap();
    server
        .track(event(&token, json!({ "distinct_id": "a" })))
        .await;
    within(server.flush()).await;
    let stored = server.system.counters.totals();
    let stored = stored
        .iter()
        .find(|(count, _)| matches!(count, cofferdam_server::counters::Count::Stored(_)));
    assert_eq!(stored.map(|(_, count)| *count), Some(1));
    within(async { TestServer::start(server.stop().await).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_use_when_an_erasure_began_outlives_it() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let person = json!({ "distinct_id": "ada", "$insert_id": "insert-ada-1" });
    server.track(event(&token, person)).await;
    // Encrypted and not yet in the journal, as a request on its way is.
    server.system.vault.rotate_entry_key().await.unwrap();
    let (tag, sealed) = server.system.vault.encrypt_entry(b"on its way");
    let erase = json!({ "project": "console", "person": "id:ada" });
    let (status, body) = server
        .api(Method::POST, "/api/v1/people/erase", Some(erase))
        .await;
    assert_eq!(status, 200, "{body}");
    let opened = server.system.vault.decrypt_entry(tag, &sealed);
    assert_eq!(opened.unwrap(), b"on its way");
    assert!(
        server.system.live.newest(None, 100).is_empty(),
        "nobody sees a forgotten person's events on the Live page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_in_force_is_reported_and_stops_every_vendor() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    let server = TestServer::start(folder).await;
    std::fs::remove_file(server.folder.path("secrets/console.import")).unwrap();
    assert!(server.system.reload().await.is_err());
    let id = "acme".into();
    assert!(server.system.policies.sending().vendor(&id).is_none());
    server
        .folder
        .write("secrets/console.import", &"0f".repeat(16));
    server.system.reload().await.unwrap();
    assert!(server.system.policies.sending().vendor(&id).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_called_so_even_without_a_length() {
    let mut folder = Folder::new();
    let text = std::fs::read_to_string(&folder.config).unwrap();
    assert!(!text.contains("\n[limits]"));
    folder = {
        folder.write(
            "cofferdam.toml",
            &format!("{text}\n[limits]\nbody_bytes_max = 65536\n"),
        );
        folder
    };
    let server = TestServer::start(folder).await;
    let mut stream = tokio::net::TcpStream::connect(server.listeners.intake)
        .await
        .unwrap();
    let head = "POST /track HTTP/1.1\r\nhost: t.example.com\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..3 {
        let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
        // The server may have answered and gone already.
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_does_not_choose_its_address_behind_something_unreadable() {
    let folder = Folder::new();
    folder.replace(
        "cofferdam.toml",
        "trusted_proxies = []",
        "trusted_proxies = [\"127.0.0.0/8\"]",
    );
    let text = std::fs::read_to_string(&folder.config).unwrap();
    folder.write(
        "cofferdam.toml",
        &format!("{text}\n[limits]\nevents_per_minute_max = 1\n"),
    );
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let mut accepted = 0;
    for spoofed in ["198.51.100.1", "198.51.101.1", "198.51.102.1"] {
        let forwarded = format!("{spoofed}, 203.0.113.9:4711");
        let headers = [
            ("content-type", "application/json"),
            ("x-forwarded-for", forwarded.as_str()),
        ];
        let body = event(&token, json!({ "distinct_id": "a" })).to_string();
        let (_, answer) = call(
            server.listeners.intake,
            Method::POST,
            "/track?verbose=1",
            &headers,
            body.into(),
        )
        .await;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        accepted += i32::from(answer["status"] == 1 && answer["error"].is_null());
    }
    let refused = server.system.counters.totals();
    let refused = refused.iter().find(|(count, _)| {
        matches!(count, cofferdam_server::counters::Count::Refused(_, refusal)
            if *refusal == cofferdam_model::Refusal::RateLimited)
    });
    assert_eq!(
        refused.map(|(_, count)| *count),
        Some(2),
        "accepted {accepted}"
    );
}
