//! The admin API from outside: who may, what it says, that acts have effects.

use crate::support::{FakeVendor, Folder, TestServer, call, verb};
use cofferdam_server::routes;
use hyper::Method;
use serde_json::json;
use std::collections::BTreeSet;

const RECEIVES: &str = "\"user.unique_id\" = \"token\"\n\"user.behavior\" = \"clear\"";

async fn server_with_vendor() -> (TestServer, FakeVendor) {
    let vendor = FakeVendor::start().await;
    let folder = Folder::new();
    folder.vendor("acme", vendor.address, RECEIVES);
    (TestServer::start(folder).await, vendor)
}

fn event(token: &str, id: &str) -> serde_json::Value {
    json!([{ "event": "Signed Up", "properties": {
        "token": token, "distinct_id": id, "$insert_id": format!("insert-{id}"), "plan": "pro", "email": "ada@example.com" } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_api_route_refuses_a_stranger_and_only_the_listed_routes_are_public() {
    let server = TestServer::start(Folder::new()).await;
    let (_, description) = server.api(Method::GET, "/api/v1/openapi.json", None).await;
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{}", paths.len());
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let path = path
                .replace("{id}", "acme")
                .replace("{project}", "console")
                .replace("{person}", "1");
            let method: Method = method.to_uppercase().parse().unwrap();
            let headers = [
                ("content-type", "application/json"),
                ("authorization", "Bearer 00"),
            ];
            let (status, body) = call(
                server.listeners.admin,
                method.clone(),
                &path,
                &headers,
                "{}".into(),
            )
            .await;
            // Nothing of the request is looked at: neither an error in it nor what exists is for strangers.
            let body = String::from_utf8_lossy(&body);
            assert_eq!(status, 401, "{method} {path} answered {body}");
            assert!(!body.contains("allowed"), "{body}");
        }
    }
    for public in ["/healthz", "/readyz", "/api/v1/openapi.json"] {
        let (status, _) = call(server.listeners.admin, Method::GET, public, &[], "".into()).await;
        assert_eq!(status, 200, "{public}");
    }
    let (status, _) = call(
        server.listeners.admin,
        Method::GET,
        "/metrics",
        &[],
        "".into(),
    )
    .await;
    assert_eq!(status, 401);
    // Intake has no admin routes.
    let (status, _) = call(
        server.listeners.intake,
        Method::GET,
        "/api/v1/status",
        &[],
        "".into(),
    )
    .await;
    assert_eq!(status, 404);
    server.stop().await;
}

/// Objects of which the description does not say what is in them.
fn find_untyped(schema: &serde_json::Value, at: &str, untyped: &mut Vec<String>) {
    if let Some(members) = schema.as_object() {
        let says = ["properties", "additionalProperties"]
            .iter()
            .any(|key| members.contains_key(*key));
        if schema["type"] == "object" && !says {
            untyped.push(at.to_owned());
        }
        for (key, member) in members {
            find_untyped(member, &format!("{at}/{key}"), untyped);
        }
    }
    for member in schema.as_array().into_iter().flatten() {
        find_untyped(member, &format!("{at}/*"), untyped);
    }
}

#[test]
fn the_description_is_the_one_that_the_web_app_was_generated_from() {
    let (_, description) = routes::api::routes().split_for_parts();
    let mut text = description.to_pretty_json().unwrap();
    text.push('\n');
    let described: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids = described["paths"].as_object().unwrap().values();
    let ids = ids.flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<_> = ids.map(|operation| &operation["operationId"]).collect();
    ids.sort_by_key(|id| id.as_str());
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an operation id is there twice: {ids:?}");
    let mut untyped = Vec::new();
    find_untyped(&described, "", &mut untyped);
    assert_eq!(untyped, Vec::<String>::new(), "an answer has no type");
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_binary_snapshot!("openapi.json", text.into_bytes());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_and_scrapes_leaves_few_leaves() {
    let server = TestServer::start(Folder::new()).await;
    for _ in 0..60 {
        let (status, _) = call(
            server.listeners.admin,
            Method::GET,
            "/api/v1/vendors/acme",
            &[],
            "".into(),
        )
        .await;
        assert_eq!(status, 401);
        assert!(server.metrics().await.contains("cofferdam_accepted_total"));
    }
    let (_, told) = server
        .api(Method::GET, "/api/v1/audit?limit=1000", None)
        .await;
    let leaves = told["leaves"].as_array().unwrap();
    let of = |actor: &str, action: &str, resource: &str| {
        let is = |leaf: &&serde_json::Value| {
            leaf["actor"] == actor && leaf["action"] == action && leaf["resource"] == resource
        };
        leaves.iter().filter(is).count()
    };
    assert_eq!(of("stranger", "sign_in", "vendors/*"), 20);
    assert_eq!(of("admin", "config.read", "metrics"), 1);
    let folder = server.stop().await;
    let leaves = cofferdam_audit::tail(&folder.path("data/audit"), 1_000).unwrap();
    let counted = leaves.iter().filter(|leaf| leaf.count > 1);
    let counted: Vec<_> = counted
        .map(|leaf| (leaf.actor.as_str(), leaf.count))
        .collect();
    assert_eq!(counted, [("stranger", 40), ("admin", 59)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_says_for_each_vendor_what_it_does_not_get_and_why() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server
        .track(json!([{ "event": "Signed Up", "properties": {
            "token": token, "distinct_id": "user-1", "$insert_id": "i-1", "plan": "pro", "email": "ada@example.com",
            "password": "hunter2", "gizmo": "blue" } }]))
        .await;
    server.flush().await;
    let (status, live) = server.api(Method::GET, "/api/v1/live", None).await;
    assert_eq!(status, 200, "{live}");
    let kept = |path: &str| {
        let fields = live["events"][0]["fields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["path"] == path).unwrap();
        (field["form"].clone(), field["value"].clone())
    };
    assert_eq!(kept("properties.plan"), (json!("clear"), json!("pro")));
    assert_eq!(
        kept("properties.gizmo"),
        (json!("clear"), json!(null)),
        "what nobody named is not shown beside a person"
    );
    let acme = &live["events"][0]["vendors"][0];
    assert_eq!(
        (&acme["id"], &acme["refused"]),
        (&json!("acme"), &json!(null))
    );
    let reason = |path: &str| {
        let withheld = acme["withheld"].as_array().unwrap();
        let field = withheld.iter().find(|field| field["path"] == path);
        field.map(|field| (field["reason"].clone(), field["because"].clone()))
    };
    let (why, because) = reason("properties.email").unwrap();
    assert_eq!(why, "not_listed");
    assert_eq!(because, "the contract does not list this category");
    assert_eq!(reason("properties.password").unwrap().0, "secret");
    assert_eq!(reason("properties.gizmo").unwrap().0, "unclassified");
    let given: Vec<_> = acme["given"].as_array().unwrap().iter().collect();
    assert!(
        given.contains(&&json!({ "path": "properties.plan", "form": "clear" })),
        "{given:?}"
    );
    assert!(
        given.contains(&&json!({ "path": "event", "form": "clear" })),
        "{given:?}"
    );
    assert!(
        given
            .iter()
            .all(|field| reason(field["path"].as_str().unwrap()).is_none()),
        "{acme}"
    );
    // The vendor's own page counts exactly these.
    vendor.wait_for(1).await;
    let (_, shown) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    let of = |list: &serde_json::Value| -> BTreeSet<(String, String)> {
        let text = |field: &serde_json::Value, name: &str| field[name].as_str().unwrap().to_owned();
        let fields = list.as_array().unwrap().iter();
        fields
            .map(|field| (text(field, "path"), text(field, "reason")))
            .collect()
    };
    assert_eq!(of(&shown["withheld"]), of(&acme["withheld"]));
    let counts = shown["withheld"].as_array().unwrap().iter();
    assert!(
        counts
            .map(|field| &field["values"])
            .all(|count| *count == json!(1)),
        "{shown}"
    );
    let config = server.folder.config.clone();
    let show = move || verb(&config, &["vendor", "show", "acme"]);
    let printed = tokio::task::spawn_blocking(show).await.unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("properties.password"), "{printed}");
    assert!(printed.contains("it is a secret"), "{printed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_the_whole_way_and_the_radius_knows_it() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "user-1")).await;
    server.track(event(&token, "user-1")).await;
    let received = vendor.wait_for(1).await;
    let properties = &received[0].1["properties"];
    assert_eq!(received[0].1["event"], "Signed Up");
    assert_ne!(properties["distinct_id"], "user-1");
    assert!(
        properties.get("email").is_none() && properties.get("plan").is_some(),
        "{properties}"
    );
    server.flush().await;
    let (status, report) = server
        .api(
            Method::POST,
            "/api/v1/reports/segmentation",
            Some(json!({ "project": "console", "events": [{ "event": "Signed Up", "filters": [] }], "measure": "total",
                "breakdown": [], "unit": "day", "from": "2026-06-01", "to": "2026-06-01" })),
        )
        .await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        report["series"][0]["values"],
        json!([1]),
        "stored exactly once"
    );
    let (status, radius) = server
        .api(Method::GET, "/api/v1/vendors/acme/radius", None)
        .await;
    assert_eq!(status, 200, "{radius}");
    assert_eq!(
        (radius["people"].as_u64(), radius["events"].as_u64()),
        (Some(1), Some(1)),
        "{radius}"
    );
    let exposed: Vec<&str> = radius["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["field"].as_str())
        .collect();
    assert!(
        exposed.contains(&"properties.plan") && !exposed.contains(&"properties.email"),
        "{exposed:?}"
    );
    assert!(
        radius["not_exposed"]
            .as_array()
            .unwrap()
            .contains(&json!("user.contact.email")),
        "{radius}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containment_stops_the_vendor_and_survives_a_restart() {
    let (server, vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server.track(event(&token, "user-1")).await;
    vendor.wait_for(1).await;
    let (status, body) = server
        .api(
            Method::POST,
            "/api/v1/vendors/acme/contain",
            Some(json!({ "reason": "breached" })),
        )
        .await;
    assert_eq!(
        (status, body["state"].as_str()),
        (200, Some("contained")),
        "{body}"
    );
    server.track(event(&token, "user-2")).await;
    server.flush().await;
    let folder = server.stop().await;
    let server = TestServer::start(folder).await;
    server.track(event(&token, "user-3")).await;
    server.flush().await;
    let (_, shown) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    assert_eq!(shown["delivery"]["state"], "contained");
    assert_eq!(vendor.received.lock().unwrap().len(), 1);
    let (status, _) = server
        .api(Method::POST, "/api/v1/vendors/acme/resume", Some(json!({})))
        .await;
    assert_eq!(status, 200);
    server.track(event(&token, "user-4")).await;
    let received = vendor.wait_for(2).await;
    assert_eq!(received.len(), 2, "resume starts at now");
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    let leaves = audit["leaves"].as_array().unwrap();
    let last = leaves
        .iter()
        .rfind(|leaf| leaf["resource"] == "vendor/acme" && leaf["action"] != "config.read");
    assert_eq!(last.unwrap()["action"], "vendor.resume", "{audit}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_a_field_changes_the_file_and_the_policy() {
    let (server, _vendor) = server_with_vendor().await;
    let token = server.folder.token.clone();
    server
        .track(json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "u", "$insert_id": "i1", "gizmo": "blue" } }]))
        .await;
    server.flush().await;
    let state = |fields: &serde_json::Value| {
        let all = fields["fields"].as_array().unwrap();
        all.iter()
            .find(|field| field["path"] == "properties.gizmo")
            .map(|field| field["state"].clone())
    };
    let (_, before) = server.api(Method::GET, "/api/v1/fields", None).await;
    assert_eq!(state(&before), Some(json!("new")));
    let set = json!({ "path": "properties.gizmo", "category": "user.behavior" });
    let (status, body) = server.api(Method::PUT, "/api/v1/fields", Some(set)).await;
    assert_eq!(status, 200, "{body}");
    let (_, after) = server.api(Method::GET, "/api/v1/fields", None).await;
    assert_eq!(state(&after), Some(json!("named")));
    assert!(
        std::fs::read_to_string(server.folder.path("fields.toml"))
            .unwrap()
            .contains("properties.gizmo")
    );
    let wrong = json!({ "path": "properties.gizmo", "category": "user.behaviour" });
    let (status, body) = server.api(Method::PUT, "/api/v1/fields", Some(wrong)).await;
    assert_eq!(status, 422);
    assert!(
        body["error"]["suggestions"][0]
            .as_str()
            .unwrap()
            .contains("user.behavior"),
        "{body}"
    );
    server.stop().await;
}
