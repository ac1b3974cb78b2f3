//! Mixpanel's Query and Export API as a script meets it: the secret, the shapes of answers, exact figures, errors in its words; what
//! the query secret does not see.

use crate::support::{Folder, NOW, TestServer, call, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::ProjectName;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SECRET: &str = "query-secret-0123456789";
const DAYS: &str = "from_date=2026-05-31&to_date=2026-06-01";

/// An event `minutes` before now.
fn event(token: &str, name: &str, id: &str, minutes: i64, more: &Value) -> Value {
    let time = (NOW - minutes * 60_000) / 1000;
    let mut properties = json!({ "token": token, "distinct_id": id, "time": time, "$browser": "Firefox", "word": "canaryword",
        "email": "ada@example.com", "org_id": "acme-corp", "$insert_id": format!("{name}-{id}-{minutes}") });
    for (name, value) in more.as_object().unwrap() {
        properties[name] = value.clone();
    }
    json!({ "event": name, "properties": properties })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn send(
    server: &TestServer,
    method: Method,
    path: &str,
    auth: &str,
    form: &str,
) -> (u16, String) {
    let headers = [
        ("authorization", auth),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = form.to_owned().into();
    let (status, bytes) = call(server.listeners.admin, method, path, &headers, body).await;
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// What the query secret gets.
async fn asked(server: &TestServer, path: &str) -> (u16, Value) {
    let (status, text) = send(server, Method::GET, path, &basic(SECRET, ""), "").await;
    (status, serde_json::from_str(&text).unwrap_or(json!(text)))
}

async fn answered(server: &TestServer, path: &str) -> Value {
    let (status, answer) = asked(server, path).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn lines(server: &TestServer, more: &str, auth: &str) -> Vec<Value> {
    let path = format!("/api/2.0/export?{DAYS}{more}");
    let (status, text) = send(server, Method::GET, &path, auth, "").await;
    assert_eq!(status, 200, "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Seven events of two people on two days, one of whom began anonymous; one profile. In files where `stored`.
async fn started(stored: bool) -> TestServer {
    let folder = Folder::new();
    folder.write("secrets/console.query", SECRET);
    folder.replace(
        "cofferdam.toml",
        "region = \"EU\"\ntimezone",
        "query_secret_file = \"secrets/console.query\"\nregion = \"EU\"\ntimezone",
    );
    let server = TestServer::start(folder).await;
    let token = server.folder.token.clone();
    let device = "$device:7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let mut signed_up = event(&token, "Signed Up", "user-1", 50, &json!({}));
    signed_up["properties"]["$device_id"] = json!("7c9e6679-7425-40de-944b-e07fc1f90ae7");
    signed_up["properties"]["$user_id"] = json!("user-1");
    server
        .track(json!([
            event(&token, "Visited", device, 1_440, &json!({ "size": 10 })),
            signed_up,
            event(&token, "Visited", "user-1", 40, &json!({ "size": 20 })),
            event(
                &token,
                "Visited",
                "user-2",
                30,
                &json!({ "size": 30, "$browser": "Chrome" })
            ),
            event(
                &token,
                "Visited",
                "user-2",
                20,
                &json!({ "size": 40, "$browser": "Chrome" })
            ),
            event(&token, "Called", "user-1", 10, &json!({})),
            event(&token, "Called", "user-2", 5, &json!({})),
        ]))
        .await;
    let update = json!([
        { "$token": token, "$distinct_id": "user-1", "$set": { "$email": "ada@example.com", "seats": 3, "word": "canaryword" } },
        { "$token": token, "$distinct_id": "user-2", "$set": { "seats": 8 } },
    ]);
    let headers = [("content-type", "application/json")];
    let (intake, body) = (server.listeners.intake, update.to_string().into());
    let (status, _) = call(intake, Method::POST, "/engage", &headers, body).await;
    assert_eq!(status, 200);
    let project = ProjectName::from("console");
    until("all rows and profiles are there", async || {
        let profiles = server.system.store.profiles(&project, None, 9).await;
        server.system.store.catalog(&project).rows == 7 && profiles.unwrap().len() == 2
    })
    .await;
    if stored {
        server.flush().await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_event_once_and_names_nobody_to_a_script() {
    for stored in [false, true] {
        let server = started(stored).await;
        let script = basic(SECRET, "");
        let all = lines(&server, "", &script).await;
        assert_eq!(all.len(), 7, "{all:?}");
        let times: Vec<i64> = all
            .iter()
            .map(|line| line["properties"]["time"].as_i64().unwrap())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[6], (NOW - 5 * 60_000) / 1000);
        let people: BTreeSet<&str> = all
            .iter()
            .map(|line| line["properties"]["distinct_id"].as_str().unwrap())
            .collect();
        assert_eq!(people.len(), 2, "canonical people: {people:?}");
        let inserts: BTreeSet<String> = all
            .iter()
            .map(|line| line["properties"]["$insert_id"].to_string())
            .collect();
        assert_eq!(inserts.len(), 7);
        assert_eq!(all[2]["properties"]["size"], 20);
        let text = json!(all).to_string();
        for hidden in [
            "user-",
            "$device:",
            "ada@example.com",
            "canaryword",
            "acme-corp",
        ] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        // The administrator sees ids as sent, as a service account's password too; nobody a text that no rule knows.
        let admin = basic("robot", &server.admin_token());
        let named = lines(&server, "&time_in_ms=true&project_id=console", &admin).await;
        assert_eq!(
            named[0]["properties"]["distinct_id"], "user-1",
            "{}",
            named[0]
        );
        assert_eq!(named[6]["properties"]["time"], NOW - 5 * 60_000);
        assert_eq!(named[6]["properties"]["email"], "ada@example.com");
        assert_eq!(named[6]["properties"]["org_id"], "acme-corp");
        assert!(!json!(named).to_string().contains("canaryword"));
        // Of some events, under a condition, and so many.
        let two = format!("&event={}", percent(r#"["Called","Signed Up"]"#));
        assert_eq!(lines(&server, &two, &script).await.len(), 3);
        let big = format!("&where={}", percent(r#"properties["size"] > 15"#));
        assert_eq!(lines(&server, &big, &script).await.len(), 3);
        assert_eq!(lines(&server, "&limit=2", &script).await[..], all[..2]);
        let never = format!("&event={}", percent(r#"["Never"]"#));
        assert_eq!(lines(&server, &never, &script).await, Vec::<Value>::new());
        let hidden = format!(
            "/api/2.0/export?{DAYS}&where={}",
            percent(r#"properties["word"] == "x""#)
        );
        let (status, refused) = asked(&server, &hidden).await;
        assert_eq!(status, 400, "{refused}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_those_of_the_api_in_mixpanels_shape() {
    let server = started(true).await;
    let trend = answered(
        &server,
        &format!("/api/query/segmentation?event=Visited&{DAYS}"),
    )
    .await;
    let expected = json!({ "data": { "series": ["2026-05-31", "2026-06-01"],
        "values": { "Visited": { "2026-05-31": 1, "2026-06-01": 3 } } }, "legend_size": 1 });
    assert_eq!(trend, expected);
    let on = percent(r#"properties["$browser"]"#);
    let path = format!("/api/query/segmentation?event=Visited&{DAYS}&on={on}&type=unique");
    let values = answered(&server, &path).await["data"]["values"].clone();
    assert_eq!(
        values["Chrome"],
        json!({ "2026-05-31": 0, "2026-06-01": 1 })
    );
    assert_eq!(
        values["Firefox"],
        json!({ "2026-05-31": 1, "2026-06-01": 1 })
    );
    let size = percent(r#"properties["size"]"#);
    let path =
        |what: &str| format!("/api/query/segmentation/{what}?event=Visited&{DAYS}&on={size}");
    let sum = answered(&server, &path("sum")).await;
    assert_eq!(
        sum["results"],
        json!({ "2026-05-31": 10.0, "2026-06-01": 90.0 })
    );
    let average = answered(&server, &path("average")).await;
    assert_eq!(average["results"]["2026-06-01"], 30.0);
    let numeric = answered(&server, &path("numeric")).await;
    let ranges = numeric["data"]["values"].as_object().unwrap();
    assert_eq!(ranges.len(), 4, "{numeric}");
    assert_eq!(ranges["37 - 40"]["2026-06-01"], 1, "{numeric}");

    let both = percent(r#"["Visited","Called"]"#);
    let events = answered(
        &server,
        &format!("/api/query/events?event={both}&type=unique&unit=day&interval=2"),
    )
    .await;
    assert_eq!(events["data"]["values"]["Called"]["2026-06-01"], 2);
    assert_eq!(events["legend_size"], 2);
    let names = answered(&server, "/api/2.0/events/names").await;
    assert_eq!(names, json!(["Visited", "Called", "Signed Up"]));
    let top = answered(&server, "/api/query/events/top?type=general&limit=1").await;
    let change = json!({ "events": [{ "amount": 3, "event": "Visited", "percent_change": 2.0 }], "type": "general" });
    assert_eq!(top, change);
    let tops = answered(&server, "/api/query/events/properties/top?event=Visited").await;
    assert_eq!(tops["size"]["count"], 4, "{tops}");
    let values = answered(
        &server,
        "/api/query/events/properties/values?event=Visited&name=%24browser",
    )
    .await;
    assert_eq!(values, json!(["Chrome", "Firefox"]));
    let chosen = percent(r#"["Chrome"]"#);
    let path = format!(
        "/api/query/events/properties?event=Visited&name=%24browser&values={chosen}&unit=day&{DAYS}"
    );
    let series = answered(&server, &path).await;
    assert_eq!(
        series["data"]["values"],
        json!({ "Chrome": { "2026-05-31": 0, "2026-06-01": 2 } })
    );

    let path = format!(
        "/api/query/retention?{DAYS}&born_event=Visited&event=Called&unit=day&interval_count=2"
    );
    let retention = answered(&server, &path).await;
    assert_eq!(
        retention["2026-06-01"],
        json!({ "counts": [1, 0], "first": 1 }),
        "{retention}"
    );
    let request = json!({ "steps": [{ "event": "Visited" }, { "event": "Called" }], "from": "2026-05-31", "to": "2026-06-01" });
    let draft =
        json!({ "project": "console", "name": "Calls", "kind": "funnel", "request": request });
    let saved = server
        .api(Method::POST, "/api/v1/saved-reports", Some(draft))
        .await;
    assert!(saved.0 < 300, "{saved:?}");
    let list = answered(&server, "/api/query/funnels/list").await;
    assert_eq!(
        list,
        json!([{ "funnel_id": saved.1["id"], "name": "Calls" }])
    );
    let path = format!("/api/query/funnels?funnel_id={}&{DAYS}", saved.1["id"]);
    let funnel = answered(&server, &path).await;
    assert_eq!(funnel["meta"]["dates"], json!(["2026-05-31", "2026-06-01"]));
    let steps = &funnel["data"]["2026-06-01"]["steps"];
    assert_eq!(
        (&steps[0]["count"], &steps[1]["count"]),
        (&json!(2), &json!(2)),
        "{funnel}"
    );
    assert_eq!(steps[1]["overall_conv_ratio"], 1.0);
    assert_eq!(funnel["data"]["2026-06-01"]["analysis"]["completion"], 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_come_in_pages_under_a_condition_and_nameless_to_a_script() {
    let server = started(false).await;
    let all = answered(&server, "/api/2.0/engage").await;
    assert_eq!(
        (&all["total"], &all["page_size"]),
        (&json!(2), &json!(1000)),
        "{all}"
    );
    assert_eq!(
        all["results"][0]["$properties"],
        json!({ "seats": 3 }),
        "{all}"
    );
    let number = all["results"][0]["$distinct_id"].as_str().unwrap();
    let session = all["session_id"].as_str().unwrap();
    let next = answered(
        &server,
        &format!("/api/2.0/engage?session_id={session}&page=1"),
    )
    .await;
    assert_eq!((&next["results"], &next["page"]), (&json!([]), &json!(1)));
    let condition = percent(r#"properties["seats"] > 5"#);
    let (status, text) = send(
        &server,
        Method::POST,
        "/api/query/engage",
        &basic(SECRET, ""),
        &format!("where={condition}"),
    )
    .await;
    let some: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &some["total"]), (200, &json!(1)), "{some}");
    assert_eq!(some["results"][0]["$properties"]["seats"], 8);
    let ids = percent(&json!([number]).to_string());
    let one = answered(
        &server,
        &format!("/api/query/engage?distinct_ids={ids}&output_properties=%5B%22seats%22%5D"),
    )
    .await;
    assert_eq!(
        (&one["total"], &one["results"][0]["$properties"]),
        (&json!(1), &json!({ "seats": 3 }))
    );
    let draft = json!({ "project": "console", "name": "Chrome", "definition": { "conditions": [{ "kind": "did",
        "selection": { "event": "Visited", "where": "properties[\"$browser\"] == \"Chrome\"" } }] } });
    let (status, cohort) = server
        .api(Method::POST, "/api/v1/cohorts", Some(draft))
        .await;
    assert_eq!(status, 200, "{cohort}");
    let listed = answered(&server, "/api/2.0/cohorts/list").await;
    assert_eq!(
        (&listed[0]["name"], &listed[0]["count"]),
        (&json!("Chrome"), &json!(1)),
        "{listed}"
    );
    let filter = percent(&json!({ "id": cohort["id"] }).to_string());
    let members = answered(
        &server,
        &format!("/api/query/engage?filter_by_cohort={filter}"),
    )
    .await;
    assert_eq!(members["total"], 1);
    assert_eq!(members["results"][0]["$properties"]["seats"], 8);
    // A script cannot ask which number an id has, nor filter by what it may not see.
    for secret in [
        format!("distinct_id={}", percent("user-1")),
        format!(
            "where={}",
            percent(r#"properties["$email"] == "ada@example.com""#)
        ),
        format!("where={}", percent(r#"properties["word"] == "canaryword""#)),
    ] {
        let none = answered(&server, &format!("/api/query/engage?{secret}")).await;
        assert_eq!(none["total"], 0, "{secret}");
    }
    let admin = basic(&server.admin_token(), "");
    let (_, text) = send(
        &server,
        Method::GET,
        "/api/query/engage?distinct_id=user-1",
        &admin,
        "",
    )
    .await;
    let named: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(named["results"][0]["$distinct_id"], "user-1", "{named}");
    assert_eq!(
        named["results"][0]["$properties"]["$email"],
        "ada@example.com"
    );
    let (status, over) = asked(&server, &format!("/api/query/engage?session_id={session}9")).await;
    assert_eq!(status, 400, "{over}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_mistakes_are_told_in_mixpanels_words() {
    let server = started(true).await;
    let import = std::fs::read_to_string(server.folder.path("secrets/console.import")).unwrap();
    for auth in [
        String::new(),
        basic("wrong", ""),
        basic(SECRET, "wrong"),
        basic(import.trim(), ""),
        basic(&server.folder.token, ""),
    ] {
        for path in [
            "/api/2.0/export",
            "/api/query/segmentation",
            "/api/2.0/engage",
        ] {
            let (status, text) = send(&server, Method::GET, path, &auth, "").await;
            let body: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((status, &body["request"]), (401, &json!(path)), "{body}");
            assert!(body["error"].is_string(), "{body}");
        }
    }
    // The query secret is none of the administrator's, and does not send.
    let bearer = format!("Bearer {SECRET}");
    let (status, _) = send(&server, Method::GET, "/api/v1/status", &bearer, "").await;
    assert_eq!(status, 401);
    for (path, told) in [
        ("/api/2.0/export", "from_date: "),
        ("/api/2.0/export?from_date=1&to_date=2", "not a day"),
        (
            "/api/query/segmentation?event=Visitd&from_date=2026-06-01&to_date=2026-06-01",
            "did you mean Visited",
        ),
        (
            "/api/query/segmentation?event=Visited&from_date=2026-06-01&to_date=2026-06-01&where=1%2B",
            "where: column",
        ),
        (
            "/api/query/segmentation?event=Visited&from_date=2026-06-01&to_date=2026-06-01&unit=year",
            "allowed: day",
        ),
        ("/api/query/engage?where=1%2B", "where: column"),
        (
            "/api/query/retention?from_date=2026-06-01&to_date=2026-06-01",
            "born_event: ",
        ),
        ("/api/query/engage?behaviors=1", "behaviors: "),
    ] {
        let (status, body) = asked(&server, path).await;
        let error = body["error"].as_str().unwrap();
        assert_eq!(status, 400, "{path} {body}");
        assert!(error.contains(told), "{path} {error}");
    }
    let path = "/api/query/funnels?funnel_id=77&from_date=2026-06-01&to_date=2026-06-01";
    assert_eq!(asked(&server, path).await.0, 404);
    let (_, audit) = server.api(Method::GET, "/api/v1/audit", None).await;
    assert!(audit.to_string().contains("\"script\""), "{audit}");
    server.stop().await;
}
