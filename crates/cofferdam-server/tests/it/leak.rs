//! Show 3: values that nobody may have are sent in every carrier and encoding, and then looked for everywhere.
//!
//! At least 500 events and updates in CI, 10,000 with `COFFERDAM_PROVE=1`; `COFFERDAM_SEED` repeats a run.
//! Invariant: nothing is found but what a contract or the home table lists; a planted value is found in every kind of place.

mod canary;
mod fakes;
mod finder;
mod generator;
mod places;
mod rules;
mod sink;

use crate::support::{Folder, TestServer, stopped};
use axum::body::Body;
use canary::{Allowed, Canaries};
use cofferdam_model::Refusal;
use cofferdam_server::counters::Count;
use generator::Request;
use hyper_util::rt::TokioIo;
use places::Place;
use serde_json::{Value, json};
use sink::Sink;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

const BATCH: usize = 25;
const COMMON: &str = "\"user.unique_id\" = \"token\"\n\"user.contact.organization.id\" = \"token\"\n\"user.device.device_id\" = \"token\"\n\
    \"user.behavior\" = \"clear\"\n\"user.behavior.browsing_history\" = \"path\"\n\"user.behavior.referrer\" = \"origin\"\n";
/// What each vendor's contract lists besides.
const VENDORS: [(&str, &str); 4] = [
    (
        "analytics",
        "\"user.device\" = \"family\"\n\"user.location\" = \"country\"\n",
    ),
    ("crm", "\"user.contact.email\" = \"clear\"\n"),
    ("support", "\"user.content\" = \"clear\"\n"),
    (
        "down",
        "\"user.contact.email\" = \"clear\"\n\"user.content\" = \"clear\"\n",
    ),
];

/// Whether a canary may be in a place.
fn is_allowed(allowed: Allowed, place: &str) -> bool {
    let is_home = [
        "column ",
        "file store/",
        "file catalog.db",
        "cells catalog.db",
        "journal",
        "answer /api/v1/live",
    ];
    match allowed {
        Allowed::Nobody => false,
        Allowed::Crm => matches!(place, "sink crm" | "sink down"),
        Allowed::Support => matches!(place, "sink support" | "sink down"),
        Allowed::Everybody => {
            place.starts_with("sink ") || is_home.iter().any(|home| place.starts_with(home))
        }
        Allowed::Planted => true,
    }
}

async fn start() -> (TestServer, Vec<(&'static str, Sink)>) {
    let folder = Folder::new();
    let mut sinks = Vec::new();
    for (id, receives) in VENDORS {
        let sink = Sink::start(id == "down").await;
        folder.vendor(id, sink.address, &format!("{COMMON}{receives}"));
        sinks.push((id, sink));
    }
    let fields = generator::DECLARED.map(|name| {
        format!(
            "\"properties.{name}\" = \"user.behavior\"\n\"profile.{name}\" = \"user.behavior\"\n"
        )
    });
    folder.write("fields.toml", &fields.concat());
    let main = std::fs::read_to_string(&folder.config).unwrap();
    // Everybody is new here, and all in the same minute.
    let more = "\"user.device.user_agent\" = \"family\"\n[limits]\nnew_people_per_minute_max = 0\n";
    folder.write("cofferdam.toml", &format!("{main}{more}"));
    (TestServer::start(folder).await, sinks)
}

/// Sends a request and gives back status and body.
async fn send(address: SocketAddr, request: &Request) -> (u16, Vec<u8>) {
    use http_body_util::BodyExt;
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut built = hyper::Request::builder()
        .method(request.method)
        .uri(&request.path)
        .header("host", "t.example.com");
    for (name, value) in &request.headers {
        built = built.header(*name, value);
    }
    let answer = sender
        .send_request(built.body(Body::from(request.body.clone())).unwrap())
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (
        status,
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
}

/// All requests: events, updates, asides and what cannot be read; how many items they hold.
fn requests(made: &mut Canaries, server: &TestServer, items: usize) -> (Vec<Request>, usize) {
    use base64::Engine as _;
    let token = &server.folder.token;
    let secret = std::fs::read_to_string(server.folder.path("secrets/console.import")).unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:", secret.trim()));
    let (mut all, mut sent) = (Vec::new(), 0);
    for batch in 0.. {
        if sent >= items {
            break;
        }
        let shape = batch / 5;
        let count = if shape % 6 == 3 { 1 } else { BATCH };
        let numbers = sent..sent + count;
        let (endpoint, values): (_, Vec<Value>) = match batch % 5 {
            0 => (
                "/engage",
                numbers
                    .map(|number| generator::profile(made, token, number))
                    .collect(),
            ),
            1 => (
                "/groups",
                numbers
                    .map(|number| generator::group(made, token, number))
                    .collect(),
            ),
            2 => (
                "/import",
                numbers
                    .map(|number| generator::event(made, token, number))
                    .collect(),
            ),
            _ => (
                "/track",
                numbers
                    .map(|number| generator::event(made, token, number))
                    .collect(),
            ),
        };
        let mut request = generator::request(
            made,
            endpoint,
            &values,
            if endpoint == "/import" { 0 } else { shape },
        );
        if endpoint == "/import" {
            request
                .headers
                .push(("authorization", format!("Basic {basic}")));
        }
        all.push(request);
        sent += count;
    }
    all.extend(generator::asides(made, token));
    all.extend(generator::broken(made, token));
    (all, sent)
}

/// What comes last: when a vendor has these, it has had everything.
async fn send_last(server: &TestServer, sinks: &[(&str, Sink)]) {
    let token = &server.folder.token;
    let last = [
        (
            "/track",
            json!([{ "event": "Used", "properties": { "token": token, "distinct_id": "last", "$insert_id": "last-1", "plan": "last-event" } }]),
        ),
        (
            "/engage",
            json!([{ "$token": token, "$distinct_id": "last", "$set": { "plan": "last-profile" } }]),
        ),
        (
            "/groups",
            json!([{ "$token": token, "$group_key": "org_id", "$group_id": "last", "$set": { "plan": "last-group" } }]),
        ),
    ];
    for (path, items) in last {
        let request = Request {
            method: "POST",
            path: format!("{path}?verbose=1"),
            headers: Vec::new(),
            body: items.to_string().into_bytes(),
        };
        assert_eq!(send(server.listeners.intake, &request).await.0, 200);
    }
    for (_, sink) in sinks.iter().filter(|(id, _)| *id != "down") {
        sink.wait_for(&["last-event", "last-profile", "last-group"])
            .await;
    }
}

/// Puts a value where it must be found: a log line, a counter's label (metrics, overview, control.db).
fn plant(server: &TestServer, made: &mut Canaries) {
    let word = made.word("planted", Allowed::Planted);
    tracing::error!("planted {word}");
    server.system.counters.add(
        Count::Refused(Arc::from(word.as_str()), Refusal::Ignored),
        1,
    );
}

/// A copy of a database and a file of ours, each with a planted value.
async fn planted_copies(data: &std::path::Path, made: &mut Canaries) -> Vec<Place> {
    let dir = tempfile::tempdir().unwrap();
    let word = made.word("planted", Allowed::Planted);
    let mut places = Vec::new();
    let copy = dir.path().join("vault.db");
    std::fs::copy(data.join("vault.db"), &copy).unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", copy.display()))
        .await
        .unwrap();
    sqlx::query("CREATE TABLE planted AS SELECT ? AS cell")
        .bind(format!("x {word}").into_bytes())
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    places.push((
        "planted in vault.db".to_owned(),
        places::sqlite(&copy).await,
    ));
    std::fs::write(dir.path().join("blob"), generator::gzip(word.as_bytes())).unwrap();
    places.extend(
        places::raw(dir.path())
            .into_iter()
            .filter(|(name, _)| name == "file blob")
            .map(|(_, bytes)| ("planted in a file".to_owned(), bytes)),
    );
    places
}

/// Where the search must have found something, or it proves nothing.
const MUST_FIND: [(&str, Allowed); 14] = [
    ("sink analytics", Allowed::Everybody),
    ("sink crm", Allowed::Everybody),
    ("sink crm", Allowed::Crm),
    ("sink support", Allowed::Support),
    ("sink down", Allowed::Crm),
    ("column ", Allowed::Everybody),
    ("journal", Allowed::Everybody),
    ("answer /api/v1/live", Allowed::Everybody),
    ("answer /metrics", Allowed::Planted),
    ("answer /api/v1/overview", Allowed::Planted),
    ("cells control.db", Allowed::Planted),
    ("log", Allowed::Planted),
    ("planted in vault.db", Allowed::Planted),
    ("planted in a file", Allowed::Planted),
];

#[tokio::test(flavor = "multi_thread")]
async fn leak_no_canary_is_found_but_where_a_contract_lists_it() {
    let items = if std::env::var_os("COFFERDAM_PROVE").is_some() {
        10_000
    } else {
        600
    };
    let seed = std::env::var("COFFERDAM_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let begun = std::time::Instant::now();
    let log = places::log();
    let (server, sinks) = start().await;
    let mut made = Canaries::new(seed);
    let (requests, sent) = requests(&mut made, &server, items);
    let mut places: Vec<Place> = Vec::new();
    let mut answers = Vec::new();
    for request in &requests {
        let (_, body) = send(server.listeners.intake, request).await;
        answers.extend(body);
    }
    println!("sent {:?}", begun.elapsed());
    send_last(&server, &sinks).await;
    println!("delivered {:?}", begun.elapsed());
    plant(&server, &mut made);
    server.flush().await;
    places.push(("intake's answers".to_owned(), answers));
    let (journal, records) = places::journal(&server);
    places.push(("journal".to_owned(), journal));
    places.extend(places::answers(&server).await);
    // Closed databases: a log that goes while it is read would be an error.
    let folder = stopped(server).await;
    let data = folder.path("data");
    places.extend(planted_copies(&data, &mut made).await);
    places.extend(places::raw(&data));
    for path in places::files(&data) {
        let name = path.strip_prefix(&data).unwrap().display().to_string();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => places.push((format!("column {name}"), places::parquet(&path))),
            Some("db") => places.push((format!("cells {name}"), places::sqlite(&path).await)),
            _ => {}
        }
    }
    places.extend(
        sinks
            .iter()
            .map(|(id, sink)| (format!("sink {id}"), sink.bytes())),
    );
    places.push(("log".to_owned(), log.lock().unwrap().clone()));
    let bytes: usize = places.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(
        records as usize >= items * 9 / 10,
        "only {records} of {sent} items were admitted"
    );
    println!("gathered {:?}", begun.elapsed());
    judge(&made, &places);
    println!("judged {:?}", begun.elapsed());
    println!(
        "figure: leak: {sent} items, {records} records, {} canaries, {} places, {bytes} bytes: none outside a contract (seed {seed})",
        made.all.len(),
        places.len()
    );
}

/// Searches every place and fails with every carrier that leaked.
fn judge(made: &Canaries, places: &[Place]) {
    let mut leaked: BTreeMap<(&str, String), (usize, &str)> = BTreeMap::new();
    let mut found_in: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (place, bytes) in places {
        for number in made.finder.find(bytes) {
            let canary = &made.all[number];
            for (must, allowed) in MUST_FIND {
                if place.starts_with(must) && canary.allowed == allowed {
                    found_in.insert((must, allowed_name(allowed)));
                }
            }
            if !is_allowed(canary.allowed, place) {
                let entry = leaked
                    .entry((canary.what, place.clone()))
                    .or_insert((0, &canary.needle));
                entry.0 += 1;
            }
        }
    }
    for (must, allowed) in MUST_FIND {
        assert!(
            found_in.contains(&(must, allowed_name(allowed))),
            "the search found nothing in `{must}` for {allowed:?}"
        );
    }
    let lines: Vec<String> = leaked
        .iter()
        .map(|((what, place), (count, needle))| {
            format!("{what}: {count} in {place}, e.g. {needle}")
        })
        .collect();
    assert!(
        lines.is_empty(),
        "{} leaks:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

fn allowed_name(allowed: Allowed) -> &'static str {
    match allowed {
        Allowed::Nobody => "nobody",
        Allowed::Crm => "crm",
        Allowed::Support => "support",
        Allowed::Everybody => "everybody",
        Allowed::Planted => "planted",
    }
}
