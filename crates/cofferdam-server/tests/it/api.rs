//! The admin API from outside: who may, what it says, that acts have effects.

use crate::support::{FakeVendor, Folder, TestServer, call};
use hyper::Method;
use serde_json::json;

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
            let path = path.replace("{id}", "acme").replace("{project}", "console");
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
            let refused = matches!(status, 401 | 404 | 422);
            assert!(
                refused,
                "{method} {path} answered {status} {}",
                String::from_utf8_lossy(&body)
            );
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
