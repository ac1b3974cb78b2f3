//! Pages about single people: merged numbers are one person, in tail and files; pages of a timeline have every event once; sealed
//! values open by permit; text that no rule knows does not come; of the forgotten nothing does.

use crate::support::{Folder, NOW, TestServer, call, until};
use cofferdam_model::ProjectName;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BASE: &str = "/api/v1/projects/console";

/// An event `minutes` before now.
fn event(token: &str, name: &str, id: &str, minutes: i64) -> Value {
    let time = (NOW - minutes * 60_000) / 1000;
    json!({ "event": name, "properties": { "token": token, "distinct_id": id, "time": time, "$browser": "Firefox", "clicks": minutes,
        "word": "canaryword", "email": "ada@example.com", "org_id": "acme-corp", "$insert_id": format!("{name}-{id}-{minutes}") } })
}

async fn get(server: &TestServer, path: &str) -> (u16, Value) {
    server
        .api(Method::GET, &format!("{BASE}{path}"), None)
        .await
}

async fn got(server: &TestServer, path: &str) -> Value {
    let (status, body) = get(server, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn in_tail(server: &TestServer, rows: u64) {
    let project = ProjectName::from("console");
    until("all rows are in the tail", async || {
        server.system.store.catalog(&project).rows == rows
    })
    .await;
}

/// All pages of a timeline.
async fn pages(server: &TestServer, person: &str, limit: usize, flush: bool) -> Vec<Value> {
    let mut events = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/people/{person}/timeline?limit={limit}&before={next}");
        let page = got(server, &path).await;
        let found = page["events"].as_array().unwrap();
        assert!(found.len() <= limit);
        events.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(text) => text.clone_into(&mut next),
            None => return events,
        }
        if flush {
            server.flush().await;
        }
    }
}

fn field<'a>(fields: &'a Value, path: &str) -> &'a Value {
    let mut fields = fields.as_array().unwrap().iter();
    fields
        .find(|field| field["path"] == path)
        .unwrap_or(&Value::Null)
}

/// Somebody who looked around on a device, then signed up: five events, the first two in files.
async fn merged() -> TestServer {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let device = "$device:7c9e6679-7425-40de-944b-e07fc1f90ae7";
    server
        .track(json!([
            event(&token, "Visited", device, 2_000),
            event(&token, "Visited", device, 60),
            event(&token, "Visited", "user-2", 55),
        ]))
        .await;
    in_tail(&server, 3).await;
    server.flush().await;
    let mut signed_up = event(&token, "Signed Up", "user-1", 50);
    signed_up["properties"]["$device_id"] = json!("7c9e6679-7425-40de-944b-e07fc1f90ae7");
    signed_up["properties"]["$user_id"] = json!("user-1");
    server
        .track(json!([
            signed_up,
            event(&token, "Called", "user-1", 40),
            event(&token, "Called", "user-1", 30),
        ]))
        .await;
    let update = json!([{ "$token": token, "$distinct_id": "user-1", "$set": { "$email": "ada@example.com", "$name": "Ada", "seats": 3 } }]);
    let (status, _) = call(
        server.listeners.intake,
        Method::POST,
        "/engage",
        &[("content-type", "application/json")],
        update.to_string().into(),
    )
    .await;
    assert_eq!(status, 200);
    in_tail(&server, 6).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_one_page_whatever_number_or_id_asks_for_it() {
    let server = merged().await;
    let page = got(&server, "/people/id:user-1").await;
    until("the profile is stored", async || {
        let page = got(&server, "/people/id:user-1").await;
        !page["profile"].as_array().unwrap().is_empty()
    })
    .await;
    let page_again = got(&server, &format!("/people/{}", page["numbers"][1])).await;
    assert_eq!(page_again["number"], page["numbers"][0]);
    for stored in [false, true] {
        if stored {
            server.flush().await;
        }
        let page = got(&server, "/people/id:user-1").await;
        assert_eq!(page["numbers"].as_array().unwrap().len(), 2, "{page}");
        let ids = page["ids"].to_string();
        assert!(ids.contains("user-1") && ids.contains("7c9e6679"), "{ids}");
        assert_eq!(page["events"], 5, "{page}");
        assert_eq!(page["first_seen"], NOW - 2_000 * 60_000);
        assert_eq!(page["last_seen"], NOW - 30 * 60_000);
        let counts: BTreeSet<String> = page["by_event"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| format!("{} {}", event["count"], event["event"].as_str().unwrap()))
            .collect();
        let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
        assert_eq!(counts, ["1 Signed Up", "2 Called", "2 Visited"]);
        assert_eq!(page["organizations"][0]["id"], "acme-corp", "{page}");
        assert_eq!(page["organizations"].as_array().unwrap().len(), 1);
        let email = field(&page["profile"], "$email");
        assert_eq!(
            (&email["form"], &email["value"]),
            (&json!("sealed"), &json!("ada@example.com"))
        );
        assert_eq!(field(&page["profile"], "seats")["value"], 3);
        let number = &page["organizations"][0]["number"];
        let organization = got(&server, &format!("/organizations/{number}")).await;
        assert_eq!(organization["id"], "acme-corp");
        assert_eq!(
            organization,
            got(&server, "/organizations/id:acme-corp").await
        );
    }
    let listed = got(&server, "/people").await;
    assert_eq!(listed["people"].as_array().unwrap().len(), 2, "{listed}");
    let first = got(&server, "/people?limit=1").await;
    assert_eq!(first["people"][0], listed["people"][0]);
    let second = got(&server, &format!("/people?limit=1&after={}", first["next"])).await;
    assert_eq!(second["people"][0], listed["people"][1]);
    let found = got(&server, "/people?search=id:user-1").await;
    assert_eq!(found["people"].as_array().unwrap().len(), 1);
    assert_eq!(found["people"][0]["number"], page["number"]);
    // What a browser claims about somebody opens no page.
    for claimed in ["ada@example.com", "Ada"] {
        let (status, _) = get(&server, &format!("/people?search={claimed}")).await;
        assert_eq!(status, 422, "{claimed}");
    }
    assert_eq!(get(&server, "/people/id:ada@example.com").await.0, 404);
    assert_eq!(get(&server, "/people/id:nobody").await.0, 404);
    assert_eq!(get(&server, "/people/999").await.0, 404);
    assert_eq!(get(&server, "/organizations/id:nobody").await.0, 404);
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    let audit = audit.to_string();
    let leaf = format!("project/console/person/{}", page["numbers"][1]);
    for what in ["people.read", "events.read", leaf.as_str()] {
        assert!(audit.contains(what), "{what} {audit}");
    }
    assert!(
        !audit.contains("user-1") && !audit.contains("nobody"),
        "{audit}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_has_every_event_once_and_shows_what_it_may() {
    let server = merged().await;
    let token = server.folder.token.clone();
    // Events of one instant on both sides of a page's end.
    let many: Vec<Value> = (0..9)
        .map(|n| {
            let mut event = event(&token, "Called", "user-1", 20);
            event["properties"]["$insert_id"] = json!(format!("same-{n}"));
            event
        })
        .collect();
    server.track(json!(many)).await;
    in_tail(&server, 15).await;
    let whole = pages(&server, "id:user-1", 100, false).await;
    assert_eq!(whole.len(), 14);
    let order: Vec<(i64, u64)> = whole
        .iter()
        .map(|event| {
            (
                event["time"].as_i64().unwrap(),
                event["seq"].as_u64().unwrap(),
            )
        })
        .collect();
    assert!(order.windows(2).all(|two| two[0] > two[1]), "{order:?}");
    let event = &whole[9];
    assert_eq!(
        (&event["event"], &event["verified"]),
        (&json!("Called"), &json!(false))
    );
    let shown = |path: &str| field(&event["fields"], path)["value"].clone();
    assert_eq!(
        (shown("$browser"), shown("clicks")),
        (json!("Firefox"), json!(30))
    );
    assert_eq!(shown("email"), "ada@example.com", "{event}");
    assert_eq!(field(&event["fields"], "email")["form"], "sealed");
    assert_eq!(field(&event["fields"], "word")["category"], "unclassified");
    assert_eq!(shown("word"), Value::Null, "only for groups of people");
    assert!(!json!(whole).to_string().contains("canaryword"));
    // Small pages, over tail and files, and while the tail becomes files.
    for (limit, flush) in [(1, false), (4, false), (4, true), (5, false)] {
        assert_eq!(
            pages(&server, "id:user-1", limit, flush).await,
            whole,
            "{limit} {flush}"
        );
    }
    assert_eq!(pages(&server, "id:user-2", 3, false).await.len(), 1);
    for wrong in ["limit=0", "limit=501", "before=yesterday"] {
        let (status, _) = get(&server, &format!("/people/id:user-1/timeline?{wrong}")).await;
        assert_eq!(status, 422, "{wrong}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_forgotten_person_there_is_no_page() {
    let server = merged().await;
    let page = got(&server, "/people/id:user-1").await;
    let body = json!({ "project": "console", "person": "id:user-1" });
    let (status, _) = server
        .api(Method::POST, "/api/v1/people/erase", Some(body))
        .await;
    assert_eq!(status, 200);
    for who in [
        page["number"].to_string(),
        page["numbers"][1].to_string(),
        "id:user-1".to_owned(),
    ] {
        for what in ["", "/timeline"] {
            let (status, body) = get(&server, &format!("/people/{who}{what}")).await;
            assert_eq!(
                (status, &body["error"]["code"]),
                (410, &json!("forgotten")),
                "{who}{what}"
            );
        }
        let found = got(&server, &format!("/people?search={who}")).await;
        assert_eq!(found["people"], json!([]), "{who}");
    }
    let listed = got(&server, "/people").await;
    assert_eq!(listed["people"][0]["ids"], json!(["user-2"]), "{listed}");
    assert_eq!(listed["people"].as_array().unwrap().len(), 1);
    server.stop().await;
}
