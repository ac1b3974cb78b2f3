//! Cohorts, and who is behind a report's bars: from the SDK's request to the list of people.

use crate::support::{Folder, NOW, TestServer};
use hyper::Method;
use serde_json::{Value, json};

/// An event `minutes` before now.
fn event(token: &str, name: &str, id: &str, minutes: i64) -> Value {
    let time = (NOW - minutes * 60_000) / 1000;
    json!({ "event": name, "properties": { "token": token, "distinct_id": id, "time": time, "plan": "pro",
        "$insert_id": format!("{name}-{id}-{minutes}") } })
}

/// Three people who visited, of whom two signed up and one called.
async fn served() -> TestServer {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    let mut events = Vec::new();
    for (at, id) in ["ann", "ben", "cy"].into_iter().enumerate() {
        for name in ["Visited", "Signed Up", "Called"].into_iter().take(3 - at) {
            events.push(event(
                &token,
                name,
                id,
                50 - i64::try_from(events.len()).unwrap(),
            ));
        }
    }
    server.track(json!(events)).await;
    server.flush().await;
    server
}

async fn call(server: &TestServer, method: Method, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = server.api(method, path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn post(server: &TestServer, path: &str, body: Value) -> Value {
    call(server, Method::POST, path, Some(body)).await
}

/// Status, code and path of an error.
async fn refused(
    server: &TestServer,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, String, String) {
    let (status, answer) = server.api(method, path, body).await;
    let text = |key: &str| answer["error"][key].as_str().unwrap_or("").to_owned();
    assert!(!text("message").is_empty(), "{answer}");
    (status, text("code"), text("path"))
}

fn funnel() -> Value {
    let steps = ["Visited", "Signed Up", "Called"].map(|event| json!({ "event": event }));
    json!({ "project": "console", "from": "2026-06-01", "to": "2026-06-01", "steps": steps })
}

fn did(event: &str) -> Value {
    json!({ "conditions": [{ "kind": "did", "selection": { "event": event } }] })
}

async fn make(server: &TestServer, name: &str, definition: Value) -> u64 {
    let draft = json!({ "project": "console", "name": name, "definition": definition });
    post(server, "/api/v1/cohorts", draft).await["id"]
        .as_u64()
        .unwrap()
}

/// Distinct people with an event, narrowed or broken down.
async fn uniques(server: &TestServer, selection: Value, breakdown: Value) -> Value {
    let request = json!({ "project": "console", "events": [selection], "measure": "unique", "breakdown": breakdown,
        "from": "2026-06-01", "to": "2026-06-01" });
    let answer = post(server, "/api/v1/reports/segmentation", request).await;
    let series = answer["series"].as_array().unwrap().iter();
    series
        .map(|one| json!([one["segment"], one["values"][0]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_people_are_behind_a_bar_as_the_report_counts() {
    let server = served().await;
    let answer = post(&server, "/api/v1/reports/funnel", funnel()).await;
    let counts: Vec<&Value> = answer["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["count"])
        .collect();
    assert_eq!(counts, [3, 2, 1]);
    let behind = |bar: Value, more: Value| {
        let mut asked = json!({ "bar": { "kind": "funnel", "request": funnel(), "bar": bar } });
        for (key, value) in more.as_object().unwrap() {
            asked[key] = value.clone();
        }
        asked
    };
    let path = "/api/v1/reports/people";
    let dropped = post(
        &server,
        path,
        behind(json!({ "step": 2, "outcome": "dropped" }), json!({})),
    )
    .await;
    assert_eq!(
        (
            &dropped["people"],
            dropped["page"].as_array().unwrap().len()
        ),
        (&json!(1), 1)
    );
    // Page by page, everybody once.
    let mut seen: Vec<u64> = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = post(
            &server,
            path,
            behind(json!({ "step": 1 }), json!({ "limit": 2, "after": after })),
        )
        .await;
        assert_eq!(page["people"], 3);
        seen.extend(
            page["page"]
                .as_array()
                .unwrap()
                .iter()
                .map(|number| number.as_u64().unwrap()),
        );
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted_by(|one, other| one < other));
    let wrong = refused(
        &server,
        Method::POST,
        path,
        Some(behind(json!({ "step": 9 }), json!({}))),
    )
    .await;
    assert_eq!(
        wrong,
        (422, "invalid_request".into(), "bar.bar.step".into())
    );
    let mut unknown = behind(json!({ "step": 1 }), json!({}));
    unknown["bar"]["request"]["steps"][1]["event"] = json!("Signd Up");
    let unknown = refused(&server, Method::POST, path, Some(unknown)).await;
    assert_eq!(unknown.2, "bar.request.steps[1].event");
    // Whoever looked at people left a record of it.
    let audit = call(&server, Method::GET, "/api/v1/audit", None).await;
    let acts: Vec<&str> = audit["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|leaf| leaf["action"].as_str())
        .collect();
    assert!(acts.contains(&"people.read"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cohort_narrows_and_divides_reports_and_leads_to_others() {
    let server = served().await;
    let signed_up = make(&server, "Signed up", did("Signed Up")).await;
    let dropped = json!({ "conditions": [{ "kind": "bar",
        "bar": { "kind": "funnel", "request": funnel(), "bar": { "step": 3, "outcome": "dropped" } } },
        { "kind": "cohort", "cohort": signed_up.to_string() }] });
    let dropped = make(&server, "Never called", dropped).await;
    let all = json!({ "event": "Visited", "cohorts": [{ "cohort": signed_up.to_string() }] });
    assert_eq!(uniques(&server, all, json!([])).await, json!([[[], 2]]));
    let others =
        json!({ "event": "Visited", "cohorts": [{ "cohort": dropped.to_string(), "not": true }] });
    assert_eq!(uniques(&server, others, json!([])).await, json!([[[], 2]]));
    let parts = uniques(
        &server,
        json!({ "event": "Visited" }),
        json!([{ "cohort": signed_up.to_string() }]),
    )
    .await;
    assert_eq!(parts, json!([[["Signed up"], 2], [[null], 1]]));
    // A funnel by cohort, and by a computed value.
    let mut by = funnel();
    by["breakdown"] = json!([{ "cohort": signed_up.to_string() }, { "expression": "properties[\"plan\"] + \"!\"" }]);
    let answer = post(&server, "/api/v1/reports/funnel", by).await;
    let segments: Vec<Value> = answer["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| json!([segment["segment"], segment["steps"][0]["count"]]))
        .collect();
    assert_eq!(
        segments,
        [
            json!([["Signed up", "pro!"], 2]),
            json!([[null, "pro!"], 1])
        ]
    );
    let people = call(
        &server,
        Method::GET,
        &format!("/api/v1/cohorts/{dropped}/people"),
        None,
    )
    .await;
    assert_eq!(people["people"], 1);

    let path = format!("/api/v1/cohorts/{signed_up}");
    let in_use = refused(&server, Method::DELETE, &path, None).await;
    assert_eq!((in_use.0, in_use.1.as_str()), (409, "in_use"));
    let round = json!({ "project": "console", "name": "Round", "version": 1,
        "definition": { "conditions": [{ "kind": "cohort", "cohort": dropped.to_string() }] } });
    let round = refused(&server, Method::PUT, &path, Some(round)).await;
    assert_eq!(round, (422, "invalid_request".into(), "definition".into()));
    call(
        &server,
        Method::DELETE,
        &format!("/api/v1/cohorts/{dropped}"),
        None,
    )
    .await;
    call(&server, Method::DELETE, &path, None).await;
    let gone = json!({ "event": "Visited", "cohorts": [{ "cohort": signed_up.to_string() }] });
    let request =
        json!({ "project": "console", "events": [gone], "from": "2026-06-01", "to": "2026-06-01" });
    let gone = refused(
        &server,
        Method::POST,
        "/api/v1/reports/segmentation",
        Some(request),
    )
    .await;
    assert_eq!(
        gone,
        (
            422,
            "invalid_request".into(),
            "events[0].cohorts[0].cohort".into()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cohort_keeps_its_members_and_another_one_finds_new_ones() {
    let server = served().await;
    let token = server.folder.token.clone();
    let id = make(&server, "Callers", did("Called")).await;
    let path = format!("/api/v1/cohorts/{id}");
    let size = async || {
        call(&server, Method::GET, &format!("{path}/people"), None).await["people"].clone()
    };
    assert_eq!(size().await, 1);
    let frozen = post(&server, &format!("{path}/freeze"), json!({})).await;
    assert_eq!(frozen["frozen"], "2026-06-01T12:00:00Z");
    server
        .track(json!([event(&token, "Called", "ben", 5)]))
        .await;
    server.flush().await;
    assert_eq!(size().await, 1);
    let other = json!({ "project": "console", "name": "Callers", "definition": did("Visited"), "version": 1 });
    let stuck = refused(&server, Method::PUT, &path, Some(other)).await;
    assert_eq!((stuck.0, stuck.1.as_str()), (409, "frozen"));
    let thawed = post(&server, &format!("{path}/thaw"), json!({})).await;
    assert_eq!(thawed["frozen"], Value::Null);
    assert_eq!(size().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_tried_before_it_is_kept_and_a_wrong_one_is_told_where() {
    let server = served().await;
    let trial = |definition: Value| json!({ "project": "console", "definition": definition });
    let path = "/api/v1/cohorts/try";
    assert_eq!(
        post(&server, path, trial(did("Signed Up"))).await["people"],
        2
    );
    let wrong = refused(&server, Method::POST, path, Some(trial(did("Signd Up")))).await;
    assert_eq!(wrong.2, "definition.conditions[0].selection.event");
    let draft = json!({ "project": "console", "name": "Wrong", "definition": did("Signd Up") });
    let wrong = refused(&server, Method::POST, "/api/v1/cohorts", Some(draft)).await;
    assert_eq!(wrong.2, "definition.conditions[0].selection.event");
    assert_eq!(
        call(&server, Method::GET, "/api/v1/cohorts", None).await["cohorts"],
        json!([])
    );
    let missing = refused(
        &server,
        Method::DELETE,
        "/api/v1/reports/running/nothing",
        None,
    )
    .await;
    assert_eq!(missing.0, 404);
    assert_eq!(
        call(&server, Method::GET, "/api/v1/reports/running", None).await["reports"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_kept_is_not_given_for_other_events_or_people() {
    let server = served().await;
    let token = server.folder.token.clone();
    let visitors = json!({ "event": "Visited" });
    let first = uniques(&server, visitors.clone(), json!([])).await;
    assert_eq!(first, uniques(&server, visitors.clone(), json!([])).await);
    server
        .track(json!([event(&token, "Visited", "dee", 3)]))
        .await;
    server.flush().await;
    assert_eq!(
        uniques(&server, visitors.clone(), json!([])).await,
        json!([[[], 4]])
    );
    // Two of them become one: no event is stored, and still it is another answer.
    let mut merge = event(&token, "$identify", "dee", 2);
    merge["properties"]["$identified_id"] = json!("dee");
    merge["properties"]["$anon_id"] = json!("cy");
    let before = server.system.vault.merge_map().version();
    server.track(json!([merge])).await;
    if server.system.vault.merge_map().version() != before {
        assert_eq!(
            uniques(&server, visitors, json!([])).await,
            json!([[[], 3]])
        );
    }
}
