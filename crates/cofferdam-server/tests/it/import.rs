//! `cofferdam import`: what a file becomes in the store and in the ledger, with the real binary beside and without a server; Show 6:
//! killed on the way, exact at the end.

mod generator;

use crate::kill::{FIELDS, stored};
use crate::process::Place;
use crate::sink::{Dice, is_prove};
use crate::support::{FakeVendor, Folder, RECEIVES, TestServer, server_with_vendor, verb};
use generator::Generator;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn figures(output: &std::process::Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rejects(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn import(folder: &Folder, arguments: &[&str]) -> std::process::Output {
    let config = folder.config.clone();
    let mut all = vec!["--json".to_owned(), "import".to_owned()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let run = move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        verb(&config, &arguments)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

const EVENTS: &str = r#"{"event":"Signed Up","properties":{"time":1767225600,"distinct_id":"u-1","$insert_id":"i-1","$email":"bob@canary.example","api_key":"sk_live_4eC39HqLyjWDarjtT1zdp7dc","plan":"pro","mp_processing_time_ms":1767225601000}}
{"event":"Signed Up","properties":{"time":1767312000123,"distinct_id":"u-2","plan":"free"}}
{"event":"Signed Up","properties":{"time":1767312000123,"distinct_id":"u-2","plan":"free"}}
{"event":"Signed Up","properties":{"time":1767225600,"distinct_id":"u-1","$insert_id":"i-1","$email":"bob@canary.example","plan":"pro"}}
{"event":"Late","properties":{"distinct_id":"bob@canary.example"}}
{"event":"Future","properties":{"time":4102444800,"distinct_id":"bob@canary.example"}}
{"event":"Torn","properties":{"distinct_id":"bob@canary
"#;
const PEOPLE: &str = r#"{"results":[{"$distinct_id":"u-1","$properties":{"plan":"pro","$email":"bob@canary.example","$last_seen":"2026-01-03T00:00:00"}},{"$distinct_id":"u-3","$properties":{"plan":"free","$last_seen":"2026-01-03T00:00:00"}}]}
"#;

async fn daily(server: &TestServer, from: &str, to: &str) -> Value {
    server.flush().await;
    let asked = json!({ "project": "console", "events": [{ "event": "Signed Up", "filters": [] }], "measure": "total",
        "breakdown": [], "unit": "day", "from": from, "to": to, "timezone": "UTC" });
    let (status, report) = server
        .api(Method::POST, "/api/v1/reports/segmentation", Some(asked))
        .await;
    assert_eq!(status, 200, "{report}");
    report["series"][0]["values"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_kept_as_policy_says_told_to_the_ledger_and_sent_to_nobody() {
    let (server, vendor) = server_with_vendor().await;
    server.folder.write("events.jsonl", EVENTS);
    server.folder.write("people.jsonl", PEOPLE);
    let file = server.folder.path("events.jsonl");
    let arguments = ["mixpanel", file.to_str().unwrap(), "--as-sent-to", "acme"];
    let report = figures(&import(&server.folder, &arguments).await);
    assert_eq!(
        (
            &report["lines"],
            &report["events"],
            &report["already_there"]
        ),
        (&json!(7), &json!(4), &json!(1))
    );
    assert_eq!(report["refused"], json!({ "malformed": 3 }));
    assert_eq!(report["secrets_dropped"], 1);
    assert_eq!(report["in_ledger"], 4);
    assert_eq!(
        (&report["first_day"], &report["last_day"]),
        (&json!("2026-01-01"), &json!("2026-01-02"))
    );
    let fields = report["fields"].as_array().unwrap();
    let of = |path: &str| {
        let field = fields.iter().find(|field| field["path"] == path).unwrap();
        (
            field["category"].clone(),
            field["form"].clone(),
            field["count"].clone(),
        )
    };
    assert_eq!(
        of("properties.$email"),
        (json!("user.contact.email"), json!("sealed"), json!(2))
    );
    assert_eq!(
        of("properties.api_key"),
        (json!("secret"), json!("withheld"), json!(1))
    );
    let rejected = rejects(Path::new(report["rejects_file"].as_str().unwrap()));
    let told: Vec<_> = rejected
        .iter()
        .map(|reject| {
            (
                reject["line"].as_u64().unwrap(),
                reject["path"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(5, "properties.time"), (6, "properties.time"), (7, "")]
    );
    assert!(!format!("{rejected:?}").contains("canary"), "no value");
    // Two equal lines without an id are two events; one that comes twice with its id is one.
    assert_eq!(
        daily(&server, "2026-01-01", "2026-01-02").await,
        json!([1, 2])
    );
    // Again: nothing is left to do, and nothing changes.
    let again = figures(&import(&server.folder, &arguments).await);
    assert_eq!(
        (&again["events"], &again["lines_before_this_run"]),
        (&json!(4), &json!(7))
    );
    let people = server.folder.path("people.jsonl");
    let arguments = [
        "mixpanel",
        people.to_str().unwrap(),
        "--kind",
        "people",
        "--as-sent-to",
        "acme",
    ];
    let report = figures(&import(&server.folder, &arguments).await);
    assert_eq!(
        (&report["lines"], &report["updates"]),
        (&json!(1), &json!(2))
    );
    let (_, radius) = server
        .api(Method::GET, "/api/v1/vendors/acme/radius", None)
        .await;
    assert_eq!(
        (
            &radius["events"],
            &radius["people"],
            &radius["people_possible"]
        ),
        (&json!(4), &json!(3), &json!(0))
    );
    let exposed = |path: &str| {
        let fields = radius["fields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["field"] == path);
        field.map(|field| {
            (
                field["form"].clone(),
                field["people"].clone(),
                field["last"].clone(),
            )
        })
    };
    let clear = |people, last: &str| Some((json!("clear"), json!(people), json!(last)));
    assert_eq!(exposed("properties.$email"), clear(1, "2026-01-01"));
    assert_eq!(
        exposed("properties.api_key"),
        clear(1, "2026-01-01"),
        "withheld at home"
    );
    assert_eq!(exposed("profile.plan"), clear(2, "2026-01-03"));
    assert_eq!(exposed("event"), clear(2, "2026-01-02"));
    // Days from before this installation stay what they are: unknown beyond what the import says.
    assert_eq!(radius["since"], "2026-01-01");
    assert_eq!(radius["gaps"][0]["reason"], "before coverage");
    assert_eq!(radius["not_exposed"], json!([]));
    let (_, log) = server.api(Method::GET, "/api/v1/audit", None).await;
    let runs = log["leaves"].as_array().unwrap().iter();
    let runs = runs.filter(|leaf| leaf["action"] == "data.import").count();
    assert_eq!(runs, 3, "one leaf a run");
    // What is tracked goes out; what was imported before it does not.
    let token = server.folder.token.clone();
    server.track(crate::support::event(&token, "live")).await;
    let sent = vendor.wait_for(1).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1["event"], "Signed Up");
    let (_, shown) = server.api(Method::GET, "/api/v1/vendors/acme", None).await;
    assert!(
        shown.to_string().contains("not_kept"),
        "counted with its reason: {shown}"
    );
    // The policy of imports is archived beside the active one, once: a start finds both again.
    let server = crate::support::again(server.stop().await, 1).await;
    let people = server.folder.path("people.jsonl");
    let arguments = ["mixpanel", people.to_str().unwrap(), "--kind", "people"];
    figures(&import(&server.folder, &arguments).await);
    let archived = std::fs::read_dir(server.folder.path("data/policies")).unwrap();
    assert_eq!(archived.count(), 2);
    server.track(crate::support::event(&token, "again")).await;
    vendor.wait_for(2).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posthog_and_csv_come_in_without_a_server_and_mistakes_are_told() {
    let folder = Folder::new();
    folder.write("posthog.jsonl", r#"{"uuid":"0190-a","event":"Signed Up","distinct_id":"u-1","timestamp":"2026-01-02T03:04:05Z","properties":{"plan":"pro","$set":{"plan":"pro"}}}"#);
    folder.write("rows.csv", "what,when,who,plan\nSigned Up,2026-01-03,u-2,free\nSigned Up,,u-2,free\nSigned Up,2026-01-03\n");
    let posthog = folder.path("posthog.jsonl");
    let report = figures(&import(&folder, &["posthog", posthog.to_str().unwrap()]).await);
    assert_eq!(
        (&report["events"], &report["updates"]),
        (&json!(1), &json!(1))
    );
    let rows = folder.path("rows.csv");
    let csv = [
        "csv",
        rows.to_str().unwrap(),
        "--map",
        "event=what,time=when,distinct_id=who",
    ];
    let report = figures(&import(&folder, &csv).await);
    assert_eq!(
        (&report["events"], &report["refused"]),
        (&json!(1), &json!({ "malformed": 2 }))
    );
    let told: Vec<_> = rejects(&folder.path("rows.csv.rejects.jsonl"))
        .iter()
        .map(|reject| {
            (
                reject["row"].as_u64(),
                reject["path"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(2), "properties.time".to_owned()),
            (Some(3), String::new())
        ]
    );
    for (arguments, code) in [
        (&["csv", rows.to_str().unwrap()][..], 2),
        (&["mixpanel", "/nowhere/at/all"], 2),
        (
            &[
                "posthog",
                rows.to_str().unwrap(),
                "--rejects",
                posthog.to_str().unwrap(),
            ],
            2,
        ),
        (
            &["mixpanel", posthog.to_str().unwrap(), "--project", "nobody"],
            2,
        ),
        (
            &[
                "mixpanel",
                posthog.to_str().unwrap(),
                "--as-sent-to",
                "nobody",
            ],
            2,
        ),
    ] {
        let done = import(&folder, arguments).await;
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {done:?}");
    }
    let server = crate::support::again(folder, 0).await;
    assert_eq!(
        daily(&server, "2026-01-02", "2026-01-03").await,
        json!([1, 1])
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_counts_when_the_next_is_asked_for_and_a_run_that_was_taken_over_ends() {
    let server = TestServer::start(Folder::new()).await;
    let bearer = format!("Bearer {}", server.admin_token());
    let begin = async |format: &str| {
        let asked = json!({ "project": "console", "format": format, "fingerprint": "ab".repeat(32), "resumable": true });
        server
            .api(Method::POST, "/api/v1/imports", Some(asked))
            .await
    };
    let lines = async |run: &Value, from: u64, content_type: &str| {
        let path = format!(
            "/api/v1/imports/{}/lines?from={from}",
            run["run"].as_str().unwrap()
        );
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", content_type),
        ];
        let line = EVENTS.lines().nth(1).unwrap();
        let sent = crate::support::call(
            server.listeners.admin,
            Method::POST,
            &path,
            &headers,
            line.into(),
        );
        let (status, body) = sent.await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        (
            status,
            body["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    const NDJSON: &str = "application/x-ndjson";
    let refused = |code: u16, what: &str| (code, what.to_owned());
    let (status, unknown) = begin("tables").await;
    assert_eq!((status, &unknown["error"]["path"]), (422, &json!("format")));
    let (_, first) = begin("mixpanel_events").await;
    assert_eq!(
        lines(&first, 0, "application/json").await,
        refused(415, "not_ndjson")
    );
    assert_eq!(lines(&first, 0, NDJSON).await, refused(200, ""));
    // Its caller never came for the next line: the stretch is given again.
    let (_, second) = begin("mixpanel_events").await;
    assert_eq!(
        (&second["lines"], &second["is_done"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(lines(&first, 1, NDJSON).await, refused(409, "no_such_run"));
    assert_eq!(
        lines(&second, 5, NDJSON).await,
        refused(409, "not_the_next_line")
    );
    assert_eq!(lines(&second, 0, NDJSON).await, refused(200, ""));
    let end = format!("/api/v1/imports/{}/end", second["run"].as_str().unwrap());
    let (_, report) = server
        .api(Method::POST, &end, Some(json!({ "lines": 1 })))
        .await;
    assert_eq!(
        (&report["events"], &report["already_there"]),
        (&json!(1), &json!(1))
    );
    let (_, third) = begin("mixpanel_events").await;
    assert_eq!(
        (&third["lines"], &third["is_done"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        daily(&server, "2026-01-01", "2026-01-02").await,
        json!([0, 1])
    );
    server.stop().await;
}

/// Starts the verb on its own.
fn begin(place: &Place, file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .arg("--config")
        .arg(&place.folder.config)
        .args(["--json", "import", "mixpanel"])
        .arg(file)
        .args(["--as-sent-to", "acme"])
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the run has come behind this line: its rejects say how far it is.
async fn behind(run: &mut Child, rejects_file: &Path, line: u64) {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(rejects_file).unwrap_or_default();
        let mut told = text.lines().rev();
        let last = told.find_map(|line| serde_json::from_str::<Value>(line).ok());
        if last.is_some_and(|last| last["line"].as_u64().unwrap() > line) {
            return;
        }
        let ended = run.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before it was killed: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(1_800), "it hangs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_twice_is_exact_in_store_and_ledger() {
    let seed = Dice::seed("import");
    let mut dice = Dice::new(seed);
    let lines: u64 = if is_prove() { 1_000_000 } else { 50_000 };
    let vendor = FakeVendor::start().await;
    let place = Place::new();
    place.folder.write("fields.toml", FIELDS);
    place.folder.vendor("acme", vendor.address, RECEIVES);
    let file = place.folder.path("export.jsonl");
    let rejects_file: PathBuf = place.folder.path("export.jsonl.rejects.jsonl");
    let expected = Generator::new(seed).write(&file, lines);
    // First without a server: the verb itself is killed.
    let mut run = begin(&place, &file);
    behind(&mut run, &rejects_file, lines / 10 + dice.below(lines / 10)).await;
    run.kill().unwrap();
    run.wait().unwrap();
    // Then beside a server, which is killed.
    let mut server = place.command().spawn().unwrap();
    place.ready(&mut server).await;
    let mut run = begin(&place, &file);
    behind(&mut run, &rejects_file, lines / 2 + dice.below(lines / 4)).await;
    server.kill().unwrap();
    server.wait().unwrap();
    let ended = tokio::task::spawn_blocking(|| run.wait_with_output()).await;
    let ended = ended.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("run this again"), "{said}");
    // To the end.
    let mut server = place.command().spawn().unwrap();
    place.ready(&mut server).await;
    let started = Instant::now();
    let run = begin(&place, &file);
    let ended = tokio::task::spawn_blocking(|| run.wait_with_output()).await;
    let report = figures(&ended.unwrap().unwrap());
    let elapsed = started.elapsed();
    let before = report["lines_before_this_run"].as_u64().unwrap();
    // What was killed was given up to its last stretch.
    assert!(before >= lines / 4, "it went on where it was: {before}");
    assert_eq!(report["lines"], expected.lines);
    assert_eq!(report["events"], expected.good);
    assert_eq!(report["in_ledger"], expected.good);
    assert_eq!(report["refused"], json!(expected.refused));
    let told: Vec<u64> = rejects(&rejects_file)
        .iter()
        .map(|reject| reject["line"].as_u64().unwrap())
        .collect();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected.bad_lines, "each reject once");
    place.api(Method::POST, "/api/v1/store/flush", "{}").await;
    let radius = place
        .api(Method::GET, "/api/v1/vendors/acme/radius", "")
        .await;
    assert!(
        crate::process::terminate(&mut server).success(),
        "{}",
        place.log()
    );
    assert_eq!(
        radius["events"], expected.good,
        "each line once, also those that came twice"
    );
    assert_eq!(radius["people"], expected.people.len());
    assert_eq!(radius["people_possible"], 0);
    let fields: BTreeMap<String, u64> = radius["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            assert_eq!(field["form"], "clear");
            let path = field["field"].as_str().unwrap().to_owned();
            (path, field["people"].as_u64().unwrap())
        })
        .collect();
    for (path, people) in &expected.fields {
        assert_eq!(fields.get(path), Some(&(people.len() as u64)), "{path}");
    }
    let stored = stored(&place).await;
    let doubled = stored.iter().find(|(_, count)| **count != 1);
    assert_eq!(doubled, None);
    let stored: Vec<&String> = stored.keys().collect();
    let wanted: Vec<&String> = expected.markers.iter().collect();
    assert_eq!(stored.len(), wanted.len());
    assert_eq!(stored, wanted);
    assert!(
        vendor.received.lock().unwrap().is_empty(),
        "history goes to nobody"
    );
    println!(
        "figure: import: {lines} lines, killed twice (the verb, then the server): {} events in the store, {} in the ledger of {} people, {} lines rejected, 0 lost, 0 doubled; the last {} lines in {} ms",
        stored.len(),
        expected.good,
        expected.people.len(),
        told.len(),
        lines - before,
        elapsed.as_millis(),
    );
}
