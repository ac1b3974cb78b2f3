//! Yes, no and never again: an SDK's opt-in; after an erasure the contact kept for notices, what vendors are asked and confirm,
//! and a restore that must not undo it.

use crate::support::{
    FakeVendor, Folder, RECEIVES, TestServer, again, event, server_with_vendor, stopped, until,
};
use cofferdam_access::{Erase, Permit, ReadPeople};
use cofferdam_model::ProjectName;
use cofferdam_vault::Who;
use hyper::Method;
use serde_json::{Value, json};

async fn erase(server: &TestServer, contact: Option<&str>) -> Value {
    let body = json!({ "project": "console", "person": "id:a", "contact": contact });
    let (status, body) = server
        .api(Method::POST, "/api/v1/people/erase", Some(body))
        .await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn held(server: &TestServer) -> Value {
    let path = "/api/v1/vendors/acme/radius?basis=held";
    let (_, body) = server.api(Method::GET, path, None).await;
    body["people"].clone()
}

async fn contact(server: &TestServer) -> Option<Vec<u8>> {
    let access = &server.system.access;
    let caller = cofferdam_access::Caller::LocalOperator;
    let permit: Permit<ReadPeople> = access.permit(&caller, "test").await.unwrap();
    server
        .system
        .vault
        .escrowed_contact(&permit, 1)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_confirmation_shrinks_what_is_held_and_ends_the_escrow() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    server.track(event(&token, "b")).await;
    let received = vendor.wait_for(2).await;
    let known_as: Vec<&str> = received
        .iter()
        .map(|(_, item)| item["properties"]["distinct_id"].as_str().unwrap())
        .collect();
    let server = again(server.stop().await, 1).await;
    let first = erase(&server, Some("ada@example.com")).await;
    assert_eq!(first["forgotten_before"], Value::Null, "{first}");
    assert_eq!(contact(&server).await.unwrap(), b"ada@example.com");
    assert_eq!(held(&server).await, 2);

    let (_, listed) = server.api(Method::GET, "/api/v1/deletions", None).await;
    let deletions = listed["deletions"].as_array().unwrap();
    assert_eq!(deletions.len(), 1, "{listed}");
    let asked: Vec<&str> = deletions[0]["distinct_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    assert!(
        asked.iter().any(|id| known_as.contains(id)),
        "{asked:?} {known_as:?}"
    );

    let settle = async |state: &str, id: &Value| {
        let body = json!({ "ids": [id], "state": state });
        server
            .api(Method::POST, "/api/v1/deletions", Some(body))
            .await
    };
    let id = &deletions[0]["id"];
    assert_eq!(settle("acknowledged", id).await.1["open"], 1);
    assert_eq!(held(&server).await, 2, "a promise is no confirmation");
    assert_eq!(
        settle("done", id).await,
        (200, json!({ "settled": 1, "open": 0 }))
    );
    assert_eq!(held(&server).await, 1);
    assert_eq!(contact(&server).await, None);
    assert_eq!(settle("done", id).await.0, 404, "it is not open any more");
    // Asked again, it says since when, and how far the vendors got.
    let repeated = erase(&server, None).await;
    assert_eq!(repeated["numbers"], first["numbers"]);
    assert!(repeated["forgotten_before"].is_i64(), "{repeated}");
    assert_eq!(
        repeated["deletion_requests"],
        json!([{ "vendor": "acme", "requests": 1, "state": "done" }])
    );
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    assert!(audit.to_string().contains("deletions"), "{audit}");
    let (_, sent) = server
        .api(Method::GET, "/api/v1/vendors/acme/radius", None)
        .await;
    assert_eq!(sent["people"], 2, "what was sent stays true");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_brings_a_forgotten_id_back_to_a_vendor() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    let receives = [RECEIVES, "\n\"user.device.device_id\" = \"token\""].concat();
    folder.vendor("acme", vendor.address, &receives);
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let said = |name: &str, mut properties: Value| {
        properties["token"] = json!(token);
        json!([{ "event": name, "properties": properties }])
    };
    let anonymous = json!({ "distinct_id": "$device:d4", "$device_id": "d4" });
    let known = json!({ "distinct_id": "a", "$user_id": "a", "$device_id": "d4" });
    server.track(said("Came", anonymous)).await;
    server.track(said("Signed in", known)).await;
    let before = vendor.wait_for(2).await;
    let tokens: Vec<String> = before
        .iter()
        .map(|(_, item)| item["properties"]["distinct_id"].as_str().unwrap())
        .map(|token| token.trim_start_matches("$device:").to_owned())
        .collect();
    erase(&server, None).await;
    let others = [
        said(
            "Looked",
            json!({ "distinct_id": "b", "$user_id": "b", "$device_id": "d4" }),
        ),
        said(
            "Looked",
            json!({ "distinct_id": "$device:d4", "$device_id": "d4" }),
        ),
        said("Looked", json!({ "distinct_id": "d4" })),
        said("$create_alias", json!({ "distinct_id": "b", "alias": "a" })),
        said(
            "$identify",
            json!({ "distinct_id": "b", "$identified_id": "b", "$anon_id": "d4" }),
        ),
        said(
            "$merge",
            json!({ "distinct_id": "b", "$distinct_ids": ["b", "a"] }),
        ),
        said(
            "Elsewhere",
            json!({ "distinct_id": "b", "user_id": "a", "device_id": "d4", "nested": { "user_id": "a" } }),
        ),
        said("Last", json!({ "distinct_id": "b" })),
    ];
    for other in others {
        server.track(other).await;
    }
    let is_last = |(_, item): &(String, Value)| item["event"] == "Last";
    let mut count = 3;
    let received = loop {
        let received = vendor.wait_for(count).await;
        if received.iter().any(is_last) {
            break received;
        }
        count = received.len() + 1;
    };
    let later = json!(
        received[before.len()..]
            .iter()
            .map(|(_, item)| item)
            .collect::<Vec<_>>()
    );
    let text = later.to_string();
    for token in tokens {
        assert!(!text.contains(&token), "{token} in {text}");
    }
    assert!(
        text.contains("Looked"),
        "the next user of the device is not refused"
    );
    let asked = json!({ "project": "console", "event": { "event": "Looked", "properties": { "distinct_id": "b", "user_id": "a" } } });
    let (_, explained) = server
        .api(Method::POST, "/api/v1/explain", Some(asked))
        .await;
    let mut fields = explained["fields"].as_array().unwrap().iter();
    let field = fields.find(|field| field["path"] == "properties.user_id");
    let field = field.unwrap();
    assert_eq!(field["home"]["withheld"], "forgotten", "{field}");
    assert_eq!(field["vendors"]["acme"]["withheld"], "forgotten", "{field}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_vault_forgets_again_whom_the_list_names() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "a")).await;
    vendor.wait_for(1).await;
    server.flush().await;
    let folder = stopped(server).await;
    let older = std::fs::read(folder.path("data/vault.db")).unwrap();
    let server = TestServer::start(folder).await;
    let project = ProjectName::from("console");
    assert!(server.system.vault.lookup(&project, "a").is_some());
    erase(&server, None).await;
    let folder = stopped(server).await;
    std::fs::write(folder.path("data/vault.db"), older).unwrap();
    let server = TestServer::start(folder).await;
    assert_eq!(server.system.vault.lookup(&project, "a"), None);
    let (_, listed) = server.api(Method::GET, "/api/v1/deletions", None).await;
    assert_eq!(listed["deletions"].as_array().unwrap().len(), 1);
    let answer = crate::support::call(
        server.listeners.intake,
        Method::POST,
        "/track?verbose=1",
        &[("content-type", "application/json")],
        event(&token, "a").to_string().into(),
    )
    .await;
    assert_eq!(answer.0, 200);
    let (_, overview) = server.api(Method::GET, "/api/v1/overview", None).await;
    assert!(overview.to_string().contains("\"forgotten\""), "{overview}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdks_opt_in_is_consent_and_an_objection_outweighs_it() {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    folder.replace(
        "vendors/acme.toml",
        "projects =",
        "consent = \"opt_in\"\nprojects =",
    );
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let named = |name: &str, id: &str| json!({ "event": name, "properties": { "token": token, "distinct_id": id, "$insert_id": format!("{name}-{id}") } });
    server.track(json!([named("Before", "a")])).await;
    let withheld = async || {
        let path = "/api/v1/vendors/acme";
        let (_, body) = server.api(Method::GET, path, None).await;
        body["delivery"]["withheld"].to_string()
    };
    until("the withheld event", async || {
        withheld().await.contains("consent_missing")
    })
    .await;
    server
        .track(json!([
            named("$opt_in", "a"),
            named("With it", "a"),
            named("Not of a", "b")
        ]))
        .await;
    let server = TestServer::start(server.stop().await).await;
    server.track(json!([named("After", "a")])).await;
    let names = |received: Vec<(String, Value)>| -> Vec<String> {
        let name = |(_, item): (String, Value)| item["event"].as_str().unwrap().to_owned();
        received.into_iter().map(name).collect()
    };
    assert_eq!(
        names(vendor.wait_for(3).await),
        ["$opt_in", "With it", "After"]
    );
    let objection = json!({ "project": "console", "person": "id:a", "state": "object" });
    let (status, _) = server
        .api(Method::POST, "/api/v1/consent", Some(objection))
        .await;
    assert_eq!(status, 200);
    server
        .track(json!([named("$opt_in", "a2"), named("Of another", "a2")]))
        .await;
    let mut again = named("$opt_in", "a");
    again["properties"]["$insert_id"] = json!("again");
    server.track(json!([again, named("Late", "a")])).await;
    server.track(json!([named("$opt_in", "c")])).await;
    assert_eq!(
        names(vendor.wait_for(6).await)[3..],
        ["$opt_in", "Of another", "$opt_in"],
        "nothing of who objected"
    );
    server.stop().await;
}

/// What home keeps of a word of an event of `a`, which no rule knows.
async fn word_at_home(server: &TestServer) -> Value {
    let asked = json!({ "project": "console", "events": [{ "event": "Asked", "filters": [] }], "measure": "total",
        "breakdown": ["word"], "unit": "day", "from": "2026-06-01", "to": "2026-06-01" });
    let path = "/api/v1/reports/segmentation";
    let (status, report) = server.api(Method::POST, path, Some(asked)).await;
    assert_eq!(status, 200, "{report}");
    report["series"][0]["segment"].clone()
}

async fn unfinished(server: &TestServer) -> Value {
    let (_, status) = server.api(Method::GET, "/api/v1/status", None).await;
    let metrics = server.metrics().await;
    let line = format!(
        "\ncofferdam_erasures_unfinished {}\n",
        status["erasures_unfinished"]
    );
    assert!(metrics.contains(&line), "{line} {metrics}");
    status["erasures_unfinished"].clone()
}

/// As a kill right after the vault's part leaves it: nothing outside the vault has heard of it.
async fn half_erased() -> TestServer {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    let properties = json!({ "token": token, "distinct_id": "a", "word": "canaryword" });
    server
        .track(json!([{ "event": "Asked", "properties": properties }]))
        .await;
    server.track(event(&token, "b")).await;
    vendor.wait_for(2).await;
    server.flush().await;
    assert_eq!(word_at_home(&server).await, json!(["canaryword"]));
    let caller = cofferdam_access::Caller::LocalOperator;
    let permit: Permit<Erase> = server.system.access.permit(&caller, "test").await.unwrap();
    let (vault, project) = (&server.system.vault, ProjectName::from("console"));
    let erased = vault.erase(&permit, &project, Who::Id("a"), None).await;
    erased.unwrap();
    assert_eq!(word_at_home(&server).await, json!(["canaryword"]));
    assert_eq!(unfinished(&server).await, 1);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_finishes_an_erasure_that_was_cut_short() {
    let server = again(half_erased().await.stop().await, 0).await;
    assert_eq!(unfinished(&server).await, 0);
    assert_ne!(word_at_home(&server).await, json!(["canaryword"]));
    let list = std::fs::read_to_string(server.folder.path("data/erasures")).unwrap();
    assert_eq!(list.lines().count(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_finishes_an_erasure_that_failed() {
    let server = half_erased().await;
    // An erasure keeps house at its end.
    let other = json!({ "project": "console", "person": "id:b" });
    let path = "/api/v1/people/erase";
    let (status, body) = server.api(Method::POST, path, Some(other)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(unfinished(&server).await, 0);
    assert_ne!(word_at_home(&server).await, json!(["canaryword"]));
    server.stop().await;
}
