//! Reports that follow people, from the SDK's request to the answer: merged people, one version, errors in words.

use crate::support::{Folder, NOW, TestServer, until};
use cofferdam_model::ProjectName;
use hyper::Method;
use serde_json::{Value, json};

/// An event `minutes` before now.
fn event(token: &str, name: &str, id: &str, minutes: i64) -> Value {
    let time = (NOW - minutes * 60_000) / 1000;
    json!({ "event": name, "properties": { "token": token, "distinct_id": id, "time": time, "plan": "pro",
        "$insert_id": format!("{name}-{id}-{minutes}") } })
}

async fn ask(server: &TestServer, report: &str, more: &Value) -> Value {
    let mut request = json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01", "timezone": "UTC" });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    let path = format!("/api/v1/reports/{report}");
    let (status, answer) = server.api(Method::POST, &path, Some(request)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_began_anonymous_is_one_in_every_report() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let device = "$device:7c9e6679-7425-40de-944b-e07fc1f90ae7";
    // A visit before the sign-up, then the same person under its own id; and somebody who only looks.
    let mut signed_up = event(&token, "Signed Up", "user-1", 50);
    signed_up["properties"]["$device_id"] = json!("7c9e6679-7425-40de-944b-e07fc1f90ae7");
    signed_up["properties"]["$user_id"] = json!("user-1");
    server
        .track(json!([
            event(&token, "Visited", device, 60),
            signed_up,
            event(&token, "Called", "user-1", 40),
            event(&token, "Visited", "user-2", 30),
        ]))
        .await;
    let steps = json!([{ "event": "Visited" }, { "event": "Signed Up" }, { "event": "Called" }]);
    let project = ProjectName::from("console");
    until("all four are in the tail", async || {
        server.system.store.catalog(&project).rows == 4
    })
    .await;
    // In the tail, then in files: the same answer.
    for stored in [false, true] {
        if stored {
            server.flush().await;
        }
        let funnel = ask(
            &server,
            "funnel",
            &json!({ "steps": steps, "breakdown": ["plan"] }),
        )
        .await;
        let counts: Vec<&Value> = funnel["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| &step["count"])
            .collect();
        assert_eq!(counts, [2, 1, 1], "{funnel}");
        assert_eq!(funnel["steps"][2]["from_first"]["median"], 1200.0);
        assert_eq!(funnel["segments"][0]["segment"], json!(["pro"]));
        let born = json!({ "born": { "event": "Visited" }, "returned": { "event": "Called" }, "counted": "on" });
        let retention = ask(&server, "retention", &born).await;
        assert_eq!(
            (
                &retention["cohorts"][0]["size"],
                &retention["cohorts"][0]["counts"][0]
            ),
            (&json!(2), &json!(1)),
            "{retention}"
        );
        let flows = ask(
            &server,
            "flows",
            &json!({ "anchor": { "event": "Visited" }, "after": 2 }),
        )
        .await;
        let paths: Vec<&Value> = flows["top"]
            .as_array()
            .unwrap()
            .iter()
            .map(|path| &path["events"])
            .collect();
        assert_eq!(
            paths,
            [
                &json!(["Visited"]),
                &json!(["Visited", "Signed Up", "Called"])
            ],
            "{flows}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_makes_no_sense_is_told_where_and_what_is_near() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server
        .track(json!([event(&token, "Visited", "user-1", 5)]))
        .await;
    server.flush().await;
    let base = json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01" });
    for (report, key, value, path, near) in [
        (
            "funnel",
            "steps",
            json!([{ "event": "Visited" }, { "event": "Visitd" }]),
            "steps[1].event",
            Some("Visited"),
        ),
        (
            "retention",
            "born",
            json!({ "event": "Visitd" }),
            "born.event",
            Some("Visited"),
        ),
        (
            "flows",
            "anchor",
            json!({ "event": "Visited", "filters": [{ "property": "pln", "op": "is_set" }] }),
            "anchor.filters[0].property",
            Some("plan"),
        ),
    ] {
        let mut request = base.clone();
        request["returned"] = json!({ "event": "Visited" });
        if report != "retention" {
            request.as_object_mut().unwrap().remove("returned");
        }
        request[key] = value;
        let url = format!("/api/v1/reports/{report}");
        let (status, answer) = server.api(Method::POST, &url, Some(request)).await;
        assert_eq!(
            (status, answer["error"]["path"].as_str()),
            (422, Some(path)),
            "{answer}"
        );
        assert_eq!(answer["error"]["suggestions"][0].as_str(), near, "{answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trends_takes_measures_formulas_and_expressions_and_says_where_one_is_wrong() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let called = |id: &str, minutes: i64, size: Value| {
        let mut event = event(&token, "Called", id, minutes);
        event["properties"]["size"] = size;
        event
    };
    server
        .track(json!([
            event(&token, "Visited", "user-1", 50),
            event(&token, "Visited", "user-2", 40),
            called("user-1", 30, json!(1)),
            called("user-1", 20, json!(2.5)),
            called("user-1", 10, json!("large")),
        ]))
        .await;
    let project = ProjectName::from("console");
    until("all five are in the tail", async || {
        server.system.store.catalog(&project).rows == 5
    })
    .await;
    // In the tail, then in files: the same answer.
    for stored in [false, true] {
        if stored {
            server.flush().await;
        }
        let values = async |more: Value| {
            let mut more = more;
            if more["events"].is_null() {
                more["events"] = json!([{ "event": "Called" }]);
            }
            let answer = ask(&server, "segmentation", &more).await;
            let lines = if more["formulas"].is_null() {
                "series"
            } else {
                "formulas"
            };
            answer[lines][0]["values"].to_string()
        };
        let of =
            |aggregate: &str| json!({ "measure": { "aggregate": aggregate, "property": "size" } });
        assert_eq!(values(json!({ "measure": "per_person" })).await, "[3.0]");
        assert_eq!(values(of("sum")).await, "[3.5]");
        assert_eq!(values(of("median")).await, "[1.75]");
        assert_eq!(values(of("distinct")).await, "[3]");
        let condition = r#"number(properties["size"]) > 2 or properties["size"] == "large""#;
        let narrowed = json!({ "events": [{ "event": "Called", "where": condition }] });
        assert_eq!(values(narrowed).await, "[2]");
        let share = json!({ "measure": "unique", "events": [{ "event": "Called" }, { "event": "Visited" }],
            "formulas": [{ "name": "share", "expression": "A / B * 100" }] });
        assert_eq!(values(share).await, "[50.0]");
    }
    let wrong = json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01",
        "events": [{ "event": "Called", "where": "properties[\"size\"] > flor(1)" }] });
    let path = "/api/v1/reports/segmentation";
    let (status, answer) = server.api(Method::POST, path, Some(wrong)).await;
    let error = &answer["error"];
    assert_eq!((status, &error["path"]), (422, &json!("events[0].where")));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("column 22: "), "{message}");
    assert_eq!(error["suggestions"], json!(["floor"]));
    server.stop().await;
}
