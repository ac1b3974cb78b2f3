//! What teams keep: saved reports, dashboards, annotations; who changes what, and what runs.

use crate::support::{Folder, NOW, TestServer, call};
use hyper::Method;
use serde_json::{Value, json};

/// An event of a person, so many days before now.
fn event(token: &str, id: &str, days: i64, plan: &str) -> Value {
    let time = NOW / 1000 - days * 86_400;
    json!({ "event": "Called", "properties": { "token": token, "distinct_id": id, "time": time, "plan": plan,
        "$insert_id": format!("{id}-{days}") } })
}

fn trends() -> Value {
    json!({ "project": "console", "name": "Calls", "kind": "segmentation",
        "request": { "events": [{ "event": "Called" }], "unit": "day" },
        "range": { "last": 2, "unit": "day" } })
}

async fn post(server: &TestServer, path: &str, body: Value) -> Value {
    let (status, answer) = server.api(Method::POST, path, Some(body)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn get(server: &TestServer, path: &str) -> Value {
    let (status, answer) = server.api(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
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

fn with(mut base: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_report_keeps_its_history_and_refuses_a_stale_change() {
    let server = TestServer::start(Folder::new()).await;
    let saved = post(&server, "/api/v1/saved-reports", trends()).await;
    let id = saved["id"].as_u64().unwrap();
    let path = format!("/api/v1/saved-reports/{id}");
    assert_eq!(saved["version"], 1);
    assert_eq!(saved["created"], "2026-06-01T12:00:00Z");
    assert_eq!(saved["created_by"], "admin");
    assert_eq!(get(&server, &path).await, saved);
    let renamed = with(trends(), &json!({ "name": " All calls ", "version": 1 }));
    let (status, changed) = server.api(Method::PUT, &path, Some(renamed.clone())).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["version"], &changed["name"]),
        (&json!(2), &json!("All calls"))
    );
    // Somebody else still has the first version before them.
    let stale = refused(&server, Method::PUT, &path, Some(renamed)).await;
    assert_eq!(stale, (409, "stale".into(), String::new()));
    let unversioned = refused(&server, Method::PUT, &path, Some(trends())).await;
    assert_eq!(
        unversioned,
        (422, "invalid_request".into(), "version".into())
    );
    let history = get(&server, &format!("{path}/history")).await;
    let names: Vec<_> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["version"], &v["name"]))
        .collect();
    assert_eq!(
        names,
        [
            (&json!(2), &json!("All calls")),
            (&json!(1), &json!("Calls"))
        ]
    );
    let restored = post(
        &server,
        &format!("{path}/restore"),
        json!({ "restore": 1, "version": 2 }),
    )
    .await;
    assert_eq!(
        (&restored["version"], &restored["name"]),
        (&json!(3), &json!("Calls"))
    );
    let gone = refused(
        &server,
        Method::POST,
        &format!("{path}/restore"),
        Some(json!({ "restore": 9, "version": 3 })),
    )
    .await;
    assert_eq!(gone, (422, "invalid_request".into(), "restore".into()));
    // What is kept outlives the process.
    let folder = server.stop().await;
    let server = TestServer::start(folder).await;
    assert_eq!(get(&server, &path).await, restored);
    let listed = get(&server, "/api/v1/saved-reports?project=console").await;
    assert_eq!(listed["reports"], json!([restored]));
    let (status, _) = server.api(Method::DELETE, &path, None).await;
    assert_eq!(status, 200);
    let gone = refused(&server, Method::GET, &path, None).await;
    assert_eq!(gone.0, 404);
    // A number is never given twice.
    let next = post(&server, "/api/v1/saved-reports", trends()).await;
    assert_eq!(next["id"], id + 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_report_that_makes_no_sense_is_refused_with_its_path() {
    let server = TestServer::start(Folder::new()).await;
    let long = "x".repeat(121);
    for (changes, path) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": long }), "name"),
        (json!({ "name": "two\nlines" }), "name"),
        (json!({ "project": "consol" }), "project"),
        (json!({ "kind": "pie" }), "kind"),
        (json!({ "request": [] }), "request"),
        (json!({ "request": { "events": "x" } }), "request.events"),
        (
            json!({ "request": { "events": [{ "event": "Called", "filters": [{ "property": "plan", "op": "like" }] }] } }),
            "request.events[0].filters[0].op",
        ),
        (
            json!({ "request": { "events": [], "project": "other" } }),
            "request.project",
        ),
        (json!({ "range": null }), "request"),
        (
            json!({ "range": { "last": 0, "unit": "day" } }),
            "range.last",
        ),
        (
            json!({ "range": { "last": 1, "unit": "decade" } }),
            "range.unit",
        ),
        (
            json!({ "request": { "events": [], "note": "x".repeat(70_000) } }),
            "request",
        ),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let draft = with(trends(), &changes);
        let (status, _, named) =
            refused(&server, Method::POST, "/api/v1/saved-reports", Some(draft)).await;
        assert_eq!((status, named.as_str()), (422, path), "{changes}");
    }
    let listed = get(&server, "/api/v1/saved-reports").await;
    assert_eq!(listed["reports"], json!([]), "nothing of that was kept");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_runs_its_report_with_the_boards_filters_and_days() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server
        .track(json!([
            event(&token, "u-1", 0, "pro"),
            event(&token, "u-1", 1, "pro"),
            event(&token, "u-2", 1, "free"),
            event(&token, "u-3", 2, "pro"),
        ]))
        .await;
    server.flush().await;
    let saved = post(&server, "/api/v1/saved-reports", trends()).await;
    let id = saved["id"].as_u64().unwrap();
    let path = format!("/api/v1/saved-reports/{id}/run");
    let values = |run: &Value| run["answer"]["series"][0]["values"].clone();
    let run = post(&server, &path, json!({})).await;
    assert_eq!(values(&run), json!([2, 1]), "{run}");
    assert_eq!(run["kind"], "segmentation");
    assert_eq!(
        (&run["request"]["from"], &run["request"]["to"]),
        (&json!("2026-05-31"), &json!("2026-06-01"))
    );
    let days = json!({ "from": "2026-05-30", "to": "2026-05-31" });
    assert_eq!(values(&post(&server, &path, days).await), json!([1, 2]));
    let board = json!({ "project": "console", "name": "Wall",
        "filters": [{ "property": "plan", "op": "equals", "value": "pro" }],
        "range": { "last": 3, "unit": "day" }, "refresh_seconds": 60,
        "tiles": [
            { "id": 1, "kind": "report", "report": id, "x": 0, "y": 0, "width": 6, "height": 4 },
            { "id": 2, "kind": "text", "text": "How it goes.", "x": 6, "y": 0, "width": 6, "height": 4 },
        ] });
    let kept = post(&server, "/api/v1/dashboards", board.clone()).await;
    let board_id = kept["id"].as_u64().unwrap();
    let tile = format!("/api/v1/dashboards/{board_id}/tiles/1/run");
    let run = post(&server, &tile, json!({})).await;
    assert_eq!(
        values(&run),
        json!([1, 1, 1]),
        "the board's days and filters: {run}"
    );
    // Whoever looks at it may ask for others without changing it.
    let other = json!({ "filters": [{ "property": "plan", "op": "equals", "value": "free" }], "range": { "last": 1, "unit": "day", "complete": true } });
    assert_eq!(values(&post(&server, &tile, other).await), json!([1]));
    let text = format!("/api/v1/dashboards/{board_id}/tiles/2/run");
    assert_eq!(
        refused(&server, Method::POST, &text, Some(json!({})))
            .await
            .0,
        404
    );
    // An error of the report is told in the terms of the run.
    let bad = json!({ "filters": [{ "property": "paln", "op": "equals", "value": "pro" }] });
    let (status, _, at) = refused(&server, Method::POST, &tile, Some(bad)).await;
    assert_eq!(
        (status, at.as_str()),
        (422, "request.events[0].filters[0].property")
    );
    // A report that is shown does not go by the way.
    let path = format!("/api/v1/saved-reports/{id}");
    let in_use = refused(&server, Method::DELETE, &path, None).await;
    assert_eq!((in_use.0, in_use.1.as_str()), (409, "in_use"));
    let (status, _) = server
        .api(Method::DELETE, &format!("{path}?force=true"), None)
        .await;
    assert_eq!(status, 200);
    let left = get(&server, &format!("/api/v1/dashboards/{board_id}")).await;
    assert_eq!(left["version"], 2);
    assert_eq!(left["tiles"].as_array().unwrap().len(), 1, "{left}");
    // The version with the tile cannot come back: its report is gone.
    let restore = format!("/api/v1/dashboards/{board_id}/restore");
    let (status, _, at) = refused(
        &server,
        Method::POST,
        &restore,
        Some(json!({ "restore": 1, "version": 2 })),
    )
    .await;
    assert_eq!((status, at.as_str()), (422, "tiles[0].report"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_report_runs_and_takes_the_filters() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server
        .track(json!([
            event(&token, "u-1", 0, "pro"),
            event(&token, "u-2", 0, "free")
        ]))
        .await;
    server.flush().await;
    let called = json!({ "event": "Called" });
    for (kind, request, count) in [
        (
            "funnel",
            json!({ "steps": [called, called] }),
            "/steps/0/count",
        ),
        (
            "retention",
            json!({ "born": called, "returned": called }),
            "/cohorts/0/size",
        ),
        ("flows", json!({ "anchor": called }), "/paths"),
    ] {
        let draft = with(
            trends(),
            &json!({ "kind": kind, "request": request, "range": { "last": 1, "unit": "day" } }),
        );
        let saved = post(&server, "/api/v1/saved-reports", draft).await;
        let path = format!("/api/v1/saved-reports/{}/run", saved["id"]);
        let all = post(&server, &path, json!({})).await;
        assert_eq!(all["answer"].pointer(count), Some(&json!(2)), "{all}");
        let pro = json!({ "filters": [{ "property": "plan", "op": "equals", "value": "pro" }] });
        let pro = post(&server, &path, pro).await;
        assert_eq!(pro["answer"].pointer(count), Some(&json!(1)), "{pro}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_does_not_fit_is_refused_with_its_path() {
    let server = TestServer::start(Folder::new()).await;
    let tile =
        json!({ "id": 1, "kind": "text", "text": "x", "x": 0, "y": 0, "width": 6, "height": 4 });
    let board = json!({ "project": "console", "name": "Wall", "tiles": [tile] });
    post(&server, "/api/v1/dashboards", board.clone()).await;
    for (change, path) in [
        (json!({ "width": 0 }), "tiles[0].width"),
        (json!({ "width": 13 }), "tiles[0].width"),
        (json!({ "x": 7 }), "tiles[0].x"),
        (json!({ "height": 101 }), "tiles[0].height"),
        (json!({ "report": 1 }), "tiles[0].report"),
        (json!({ "text": null }), "tiles[0].text"),
        (
            json!({ "kind": "report", "text": null, "report": 77 }),
            "tiles[0].report",
        ),
    ] {
        let draft = with(
            board.clone(),
            &json!({ "tiles": [with(tile.clone(), &change)] }),
        );
        let (status, _, named) =
            refused(&server, Method::POST, "/api/v1/dashboards", Some(draft)).await;
        assert_eq!((status, named.as_str()), (422, path), "{change}");
    }
    for (change, path) in [
        (json!({ "tiles": [tile, tile] }), "tiles[1].id"),
        (json!({ "refresh_seconds": 1 }), "refresh_seconds"),
        (
            json!({ "filters": vec![json!({ "property": "plan", "op": "is_set" }); 11] }),
            "filters",
        ),
    ] {
        let draft = with(board.clone(), &change);
        let (status, _, named) =
            refused(&server, Method::POST, "/api/v1/dashboards", Some(draft)).await;
        assert_eq!((status, named.as_str()), (422, path));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_found_by_time_and_every_change_is_in_the_audit_log() {
    let server = TestServer::start(Folder::new()).await;
    for (time, text) in [
        ("2026-06-01T12:00:00+02:00", "noon in Berlin"),
        ("2026-05-30T00:00:00Z", "release 2"),
    ] {
        let draft = json!({ "project": "console", "time": time, "text": text });
        post(&server, "/api/v1/annotations", draft).await;
    }
    let all = get(&server, "/api/v1/annotations?project=console").await;
    let texts = |list: &Value| -> Vec<String> {
        let list = list["annotations"].as_array().unwrap().iter();
        list.map(|one| one["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&all), ["release 2", "noon in Berlin"]);
    assert_eq!(all["annotations"][1]["time"], "2026-06-01T10:00:00Z");
    let path =
        "/api/v1/annotations?project=console&from=2026-06-01T10:00:00Z&to=2026-06-01T10:00:01Z";
    assert_eq!(texts(&get(&server, path).await), ["noon in Berlin"]);
    let path = "/api/v1/annotations?project=console&to=2026-06-01T10:00:00Z";
    assert_eq!(texts(&get(&server, path).await), ["release 2"]);
    let id = all["annotations"][0]["id"].as_u64().unwrap();
    let change = json!({ "project": "console", "time": "2026-05-30T00:00:00Z", "text": "release 2.0", "version": 1 });
    let (status, _) = server
        .api(
            Method::PUT,
            &format!("/api/v1/annotations/{id}"),
            Some(change),
        )
        .await;
    assert_eq!(status, 200);
    let bad = json!({ "project": "console", "time": "2026-05-30", "text": "x" });
    let (status, _, at) = refused(&server, Method::POST, "/api/v1/annotations", Some(bad)).await;
    assert_eq!((status, at.as_str()), (422, "time"));
    let (status, _) = server
        .api(Method::DELETE, &format!("/api/v1/annotations/{id}"), None)
        .await;
    assert_eq!(status, 200);
    let told = get(&server, "/api/v1/audit?limit=100").await;
    let leaves = told["leaves"].as_array().unwrap().iter();
    let writes = leaves.filter(|leaf| leaf["action"] == "report.write");
    let resources: Vec<_> = writes
        .map(|leaf| leaf["resource"].as_str().unwrap())
        .collect();
    let one = format!("annotation/{id}");
    assert_eq!(resources, ["annotations", "annotations", &one, &one]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_comes_as_a_table_with_the_figures_of_its_json() {
    let server = TestServer::start(Folder::new()).await;
    let token = server.folder.token.clone();
    server
        .track(json!([
            event(&token, "u-1", 0, "=pro"),
            event(&token, "u-2", 1, "free")
        ]))
        .await;
    server.flush().await;
    let draft = with(
        trends(),
        &json!({ "request": { "events": [{ "event": "Called" }], "breakdown": ["plan"] } }),
    );
    let saved = post(&server, "/api/v1/saved-reports", draft).await;
    let bearer = format!("Bearer {}", server.admin_token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let table = async |path: String, body: Value| {
        let (status, text) = call(
            server.listeners.admin,
            Method::POST,
            &path,
            &headers,
            body.to_string().into(),
        )
        .await;
        (status, String::from_utf8(text.to_vec()).unwrap())
    };
    let expected = "range,series,plan,bucket,incomplete,value\r\n\
        now,Called,'=pro,2026-05-31,false,0\r\nnow,Called,'=pro,2026-06-01,true,1\r\n\
        now,Called,free,2026-05-31,false,1\r\nnow,Called,free,2026-06-01,true,0\r\n";
    let path = format!("/api/v1/saved-reports/{}/run?format=csv", saved["id"]);
    assert_eq!(table(path, json!({})).await, (200, expected.to_owned()));
    let once = json!({ "project": "console", "kind": "segmentation", "request": saved["request"], "range": saved["range"] });
    assert_eq!(
        table("/api/v1/reports/csv".to_owned(), once).await,
        (200, expected.to_owned())
    );
    let path = format!("/api/v1/saved-reports/{}/run?format=xls", saved["id"]);
    assert_eq!(table(path, json!({})).await.0, 422);
    server.stop().await;
}
