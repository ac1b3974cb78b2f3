//! SQL from the SDK's request to the rows: tail and files, merged people, sealed values, leaves, CSV, the verb, askers that go away.

use crate::support::{Folder, NOW, TestServer, call, until, verb};
use cofferdam_model::ProjectName;
use hyper::Method;
use serde_json::{Value, json};

const DEVICE: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// An event `hours` before now.
fn event(token: &str, name: &str, id: &str, hours: i64) -> Value {
    let time = NOW / 1000 - hours * 3600;
    json!({ "event": name, "properties": { "token": token, "distinct_id": id, "time": time, "plan": "pro", "Seats": hours,
        "tags": ["a", "b"], "$email": "bob@example.org", "$insert_id": format!("{name}-{id}-{hours}") } })
}

/// Two people, one of whom began anonymous, on three days.
async fn story(server: &TestServer) {
    let token = server.folder.token.clone();
    let mut signed_up = event(&token, "Signed Up", "user-1", 30);
    signed_up["properties"]["$device_id"] = json!(DEVICE);
    signed_up["properties"]["$user_id"] = json!("user-1");
    let events = json!([
        event(&token, "Visited", &format!("$device:{DEVICE}"), 60),
        signed_up,
        event(&token, "Called", "user-1", 2),
        event(&token, "Visited", "user-2", 1),
    ]);
    server.track(events).await;
    let project = ProjectName::from("console");
    until("all four are in the tail", async || {
        server.system.store.catalog(&project).rows == 4
    })
    .await;
}

async fn ask(server: &TestServer, query: &str) -> (u16, Value) {
    let body = json!({ "project": "console", "query": query });
    server.api(Method::POST, "/api/v1/sql", Some(body)).await
}

async fn rows(server: &TestServer, query: &str) -> Value {
    let (status, answer) = ask(server, query).await;
    assert_eq!(status, 200, "{query}: {answer}");
    answer["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_the_same_from_tail_and_files_and_people_are_merged() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    // In the tail; half in files, half in the tail; all in files.
    for state in ["tail", "both", "files"] {
        if state == "both" {
            server.flush().await;
            let token = server.folder.token.clone();
            server
                .track(json!([event(&token, "Late", "user-2", 0)]))
                .await;
            let project = ProjectName::from("console");
            until("the late one is there", async || {
                server.system.store.catalog(&project).rows == 5
            })
            .await;
        }
        if state == "files" {
            server.flush().await;
        }
        let people = rows(
            &server,
            "SELECT person, count(*) AS n, min(event), max(\"Seats\") FROM events WHERE event <> 'Late' GROUP BY person ORDER BY n DESC",
        )
        .await;
        assert_eq!(people.as_array().unwrap().len(), 2, "{state}: {people}");
        assert_eq!(
            people[0].as_array().unwrap()[1..].to_vec(),
            [json!(3), json!("Called"), json!(60)],
            "{state}"
        );
        assert_eq!(
            people[1].as_array().unwrap()[1..].to_vec(),
            [json!(1), json!("Visited"), json!(1)],
            "{state}"
        );
        for (query, expected) in [
            (
                "SELECT count(*) FROM events WHERE event IN ('Visited', 'Signed Up')",
                json!([[3]]),
            ),
            (
                "SELECT event FROM events WHERE time >= '2026-06-01' AND event <> 'Late' ORDER BY time",
                json!([["Called"], ["Visited"]]),
            ),
            (
                "SELECT DISTINCT json_text(properties_rest, 'tags') FROM events",
                json!([["[\"a\",\"b\"]"]]),
            ),
            (
                "SELECT event, lag(event) OVER (PARTITION BY person ORDER BY time) FROM events WHERE event <> 'Late' ORDER BY time LIMIT 3",
                json!([
                    ["Visited", null],
                    ["Signed Up", "Visited"],
                    ["Called", "Signed Up"]
                ]),
            ),
            (
                "SELECT DISTINCT time FROM events WHERE event = 'Called'",
                json!([["2026-06-01T10:00:00"]]),
            ),
            (
                "SELECT plan, verified FROM events WHERE \"Seats\" = 60",
                json!([["pro", false]]),
            ),
        ] {
            assert_eq!(rows(&server, query).await, expected, "{state}: {query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_values_are_no_column_and_a_leaf_holds_no_value_of_a_query() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    server.flush().await;
    let all = rows(&server, "SELECT * FROM events").await.to_string();
    assert!(
        !all.contains("example.org") && !all.contains("user-1"),
        "{all}"
    );
    let secret = "SELECT count(*) FROM events WHERE plan = 'bob@example.org'";
    assert_eq!(rows(&server, secret).await, json!([[0]]));
    assert_eq!(
        ask(&server, "DROP TABLE events -- bob@example.org").await.0,
        422
    );
    let leaves = cofferdam_audit::tail(&server.system.data_path("audit"), 1_000).unwrap();
    let run: Vec<_> = leaves
        .iter()
        .filter(|leaf| leaf.action == "sql.run")
        .collect();
    assert_eq!(run.len(), 3, "the refused one too");
    assert!(
        run.iter()
            .all(|leaf| leaf.resource == "project/console/sql")
    );
    let server = server.stop().await;
    for entry in std::fs::read_dir(server.path("data/audit")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("bob@") && !text.contains("SELECT"),
            "{path:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_is_told_where_and_what_is_near() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    let (status, answer) = ask(&server, "SELECT count(*)\nFROM events WHERE seats > 5").await;
    let error = &answer["error"];
    assert_eq!(status, 422, "{answer}");
    assert_eq!(
        (&error["path"], &error["line"], &error["column"]),
        (&json!("query"), &json!(2), &json!(19)),
        "{answer}"
    );
    assert_eq!(error["suggestions"][0], "\"Seats\"", "{answer}");
    let dir = server.folder.dir.path().to_string_lossy().into_owned();
    for query in [
        "SELECT * FROM '/etc/passwd'",
        "COPY events TO 'x.csv'",
        "SELECT * FROM information_schema.tables",
    ] {
        let (status, answer) = ask(&server, query).await;
        assert_eq!(status, 422, "{query}: {answer}");
        assert!(!answer.to_string().contains(&dir), "{answer}");
    }
    let body = json!({ "project": "nothing", "query": "SELECT 1" });
    let (status, answer) = server.api(Method::POST, "/api/v1/sql", Some(body)).await;
    assert_eq!(
        (status, &answer["error"]["allowed"]),
        (404, &json!(["console"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_lists_what_a_query_may_name() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    let (status, schema) = server
        .api(Method::GET, "/api/v1/sql/schema?project=console", None)
        .await;
    assert_eq!(status, 200, "{schema}");
    let columns = schema["tables"][0]["columns"].as_array().unwrap();
    let quoted: Vec<&str> = columns
        .iter()
        .map(|column| column["quoted"].as_str().unwrap())
        .collect();
    let all = format!("SELECT {} FROM events", quoted.join(", "));
    assert_eq!(rows(&server, &all).await.as_array().unwrap().len(), 4);
    let seats = columns
        .iter()
        .find(|column| column["name"] == "Seats")
        .unwrap();
    assert_eq!(
        (&seats["property"], &seats["type"]),
        (&json!("Seats"), &json!("integer"))
    );
    let functions = schema["functions"].as_array().unwrap();
    let has = |name: &str, kind: &str| {
        functions
            .iter()
            .any(|function| function["name"] == name && function["kind"] == kind)
    };
    assert!(
        has("date_trunc", "scalar")
            && has("count", "aggregate")
            && has("lag", "window")
            && has("json_text", "scalar")
    );
    assert!(!has("repeat", "scalar"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_as_csv_and_by_the_verb_with_and_without_a_server() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    server.flush().await;
    let query = "SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC, event";
    let token = format!("Bearer {}", server.admin_token());
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
        ("accept", "text/csv"),
    ];
    let body = json!({ "project": "console", "query": query, "limit": 2 }).to_string();
    let (status, csv) = call(
        server.listeners.admin,
        Method::POST,
        "/api/v1/sql",
        &headers,
        body.into(),
    )
    .await;
    assert_eq!(
        (status, &*csv),
        (200, &b"event,n\r\nVisited,2\r\nCalled,1\r\n"[..])
    );
    let config = server.folder.config.clone();
    let asked = move |arguments: Vec<&'static str>| {
        let config = config.clone();
        tokio::task::spawn_blocking(move || verb(&config, &arguments))
    };
    let table = asked(vec![
        "query",
        "SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC, event",
    ])
    .await
    .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&table.stdout),
        "event      n\nVisited    2\nCalled     1\nSigned Up  1\n"
    );
    let folder = server.stop().await;
    let csv = asked(vec![
        "query",
        "--csv",
        "--project",
        "console",
        "SELECT event FROM events ORDER BY time LIMIT 1",
    ])
    .await
    .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&csv.stdout),
        "event\r\nVisited\r\n",
        "{csv:?}"
    );
    let wrong = asked(vec!["query", "SELECT evnt FROM events"])
        .await
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        told.contains("line 1, column 8") && told.contains("event"),
        "{told}"
    );
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_asker_has_gone_makes_room() {
    let server = TestServer::start(Folder::new()).await;
    story(&server).await;
    let endless = json!({ "project": "console", "timeout_ms": 300_000,
        "query": "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b WHERE a.value + b.value = -1" });
    let token = format!("Bearer {}", server.admin_token());
    let admin = server.listeners.admin;
    let begun = || {
        let runs = cofferdam_audit::tail(&server.system.data_path("audit"), 1_000).unwrap();
        runs.iter().filter(|leaf| leaf.action == "sql.run").count()
    };
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let (token, body) = (token.clone(), endless.to_string());
            tokio::spawn(async move {
                let headers = [
                    ("authorization", token.as_str()),
                    ("content-type", "application/json"),
                ];
                call(admin, Method::POST, "/api/v1/sql", &headers, body.into()).await
            })
        })
        .collect();
    until("both run", async || begun() == 2).await;
    for asker in askers {
        asker.abort();
    }
    // There is room for two; without the others' end this one would be told to come back.
    assert_eq!(rows(&server, "SELECT 1").await, json!([[1]]));
}
