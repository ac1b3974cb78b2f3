//! The real Mixpanel SDKs' requests, byte for byte as they were recorded, sent to the intake listener over sockets.
//!
//! The recordings lie in `shared/fixtures` beside the checkout; without them the test says what was not run and passes.
//! Invariant: every recording is answered with 200 in the form that its SDK accepts, and what it holds is stored exactly once.

use crate::support::{Folder, TestServer, call, shared};
use base64::Engine;
use cofferdam_model::TimestampMs;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// What the recorded Node SDK shows as its secret.
const SECRET: &str = "fakeapisecret0123456789abcdef";

/// One recorded request.
struct Recording {
    name: String,
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    received_ms: i64,
    items: Vec<Value>,
}

/// How an answer reads to the SDK.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    One,
    Zero,
    Status(u64),
    Pixel,
    Flags,
    Settings,
    Recorded,
    Empty,
    Other(String),
}

impl Class {
    fn of(status: u16, body: &[u8]) -> Self {
        match body {
            b"1" => return Self::One,
            b"0" => return Self::Zero,
            b"" if status == 204 => return Self::Empty,
            body if body.starts_with(b"GIF89a") => return Self::Pixel,
            _ => {}
        }
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut keys: Vec<&str> = parsed
            .as_object()
            .map(|object| object.keys().map(String::as_str).collect())
            .unwrap_or_default();
        keys.sort_unstable();
        match keys.as_slice() {
            ["error", "status"] => parsed["status"].as_u64().map_or_else(
                || Self::Other(parsed.to_string()),
                |status| {
                    assert_eq!(parsed["error"].is_null(), status == 1, "{parsed}");
                    Self::Status(status)
                },
            ),
            keys if keys.contains(&"flags") && parsed["flags"] == json!({}) => Self::Flags,
            keys if keys.contains(&"sdk_config") => {
                assert_eq!(parsed["recording"]["is_enabled"], json!(false), "{parsed}");
                Self::Settings
            }
            keys if keys.contains(&"code") => Self::Recorded,
            _ => Self::Other(String::from_utf8_lossy(body).into_owned()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_mixpanel_request_is_taken_and_stored_exactly_once() {
    let Some(shared) = shared() else {
        println!(
            "not run: replay of the recorded Mixpanel requests; shared/fixtures is not beside this checkout"
        );
        return;
    };
    let folder = Folder::new();
    let token = folder.token.clone();
    folder.replace("cofferdam.toml", &token, TOKEN);
    folder.write("secrets/console.import", SECRET);
    let server = TestServer::start(folder).await;
    let recordings = recordings(&shared.join("fixtures/sdk-requests"));
    assert!(recordings.len() > 150, "only {}", recordings.len());
    let mut expected = Expected::default();
    let mut differing = Vec::new();
    for recording in &recordings {
        server.clock.set(TimestampMs(recording.received_ms));
        let headers: Vec<(&str, &str)> = recording
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (status, body) = call(
            server.listeners.intake,
            recording.method.clone(),
            &recording.target,
            &headers,
            recording.body.clone().into(),
        )
        .await;
        let wanted = if recording.method == Method::OPTIONS {
            204
        } else {
            200
        };
        assert_eq!(status, wanted, "{}", recording.name);
        let (found, wanted) = (Class::of(status, &body), wanted_class(recording));
        if found != wanted {
            differing.push(format!("{}: {found:?}, not {wanted:?}", recording.name));
        }
        expected.add(recording);
    }
    assert_eq!(differing, [] as [String; 0]);
    server.flush().await;
    let stored = stored(&server, &expected).await;
    let wanted = expected.counts();
    let all: BTreeSet<&String> = stored.keys().chain(wanted.keys()).collect();
    let other: Vec<_> = all
        .into_iter()
        .filter(|name| stored.get(*name) != wanted.get(*name))
        .map(|name| (name, stored.get(name), wanted.get(name)))
        .collect();
    assert!(other.is_empty(), "event, stored, recorded: {other:?}");
    let (_, overview) = server.api(Method::GET, "/api/v1/overview", None).await;
    let refused = overview["refused"].as_array().unwrap().iter();
    let nobody: u64 = refused
        .filter(|line| line["reason"] == "refused_id")
        .map(|line| line["count"].as_u64().unwrap())
        .sum();
    assert_eq!(nobody, expected.without_person, "{overview}");
    let total: u64 = stored.values().sum();
    println!(
        "{} recorded requests, {} items, {total} distinct events stored",
        recordings.len(),
        expected.items
    );
    server.stop().await;
}

/// The answer that the SDK of a recording accepts: `verbose` in query or body decides, an image asks for an image.
fn wanted_class(recording: &Recording) -> Class {
    let path = recording.target.split('?').next().unwrap();
    let text = format!(
        "{}&{}",
        recording
            .target
            .split_once('?')
            .map_or("", |(_, query)| query),
        String::from_utf8_lossy(&recording.body)
    );
    let asked = |flag: &str| text.split('&').any(|part| part == flag);
    if recording.method == Method::OPTIONS {
        return Class::Empty;
    }
    if path.starts_with("/flags") {
        return Class::Flags;
    }
    if path.starts_with("/settings") {
        return Class::Settings;
    }
    if path.starts_with("/record") {
        return Class::Recorded;
    }
    if asked("img=1") {
        return Class::Pixel;
    }
    match (asked("verbose=1"), is_refused(recording)) {
        (true, false) => Class::Status(1),
        (true, true) => Class::Status(0),
        (false, false) => Class::One,
        (false, true) => Class::Zero,
    }
}

/// Whether nothing of a request can be taken: nobody proved to be the project's server, so a deletion, and a merge of two people
/// who are both known, is refused, and the sender is told.
fn is_refused(recording: &Recording) -> bool {
    recording.items.iter().all(|item| {
        let event = item["event"].as_str();
        item.get("$delete").is_some() || matches!(event, Some("$merge" | "$create_alias"))
    })
}

/// What the recordings hold: per event name the distinct identities, and how many have none.
#[derive(Default)]
struct Expected {
    with_id: BTreeMap<String, BTreeSet<String>>,
    without_id: BTreeMap<String, u64>,
    /// Events about nobody: refused, counted, and no error to the SDK.
    without_person: u64,
    items: usize,
}

impl Expected {
    fn add(&mut self, recording: &Recording) {
        self.items += recording.items.len();
        if is_refused(recording) {
            return;
        }
        for item in &recording.items {
            let Some(name) = item["event"].as_str() else {
                continue;
            };
            let properties = &item["properties"];
            if !has_id(properties) {
                self.without_person += 1;
                continue;
            }
            match properties["$insert_id"].as_str() {
                Some(insert_id) => {
                    let identity = json!([
                        properties["distinct_id"],
                        insert_id,
                        day(properties, recording.received_ms)
                    ]);
                    self.with_id
                        .entry(name.to_owned())
                        .or_default()
                        .insert(identity.to_string());
                }
                None => *self.without_id.entry(name.to_owned()).or_default() += 1,
            }
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.without_id.clone();
        for (name, identities) in &self.with_id {
            *counts.entry(name.clone()).or_default() += identities.len() as u64;
        }
        counts
    }
}

fn has_id(properties: &Value) -> bool {
    let keys = ["distinct_id", "$user_id", "$device_id", "$distinct_ids"];
    keys.iter().any(|key| match &properties[*key] {
        Value::String(text) => !text.is_empty(),
        other => !other.is_null(),
    })
}

/// The UTC day of an event: of its time where that can be believed, else of its arrival.
fn day(properties: &Value, received_ms: i64) -> i64 {
    let sent = properties["time"].as_f64().unwrap_or(0.0);
    let ms = if sent > 1e11 { sent } else { sent * 1000.0 };
    let believed = ms >= 31_536_000_000.0 && ms <= (received_ms + 3_600_000) as f64;
    (if believed { ms as i64 } else { received_ms }).div_euclid(86_400_000)
}

/// The stored events by name, asked of the report.
async fn stored(server: &TestServer, expected: &Expected) -> BTreeMap<String, u64> {
    let names: Vec<String> = expected.counts().into_keys().collect();
    let events: Vec<Value> = names
        .iter()
        .map(|name| json!({ "event": name, "filters": [] }))
        .collect();
    let mut counts = BTreeMap::new();
    for (names, events) in names.chunks(20).zip(events.chunks(20)) {
        let request = json!({ "project": "console", "events": events, "measure": "total", "breakdown": [],
            "unit": "month", "from": "1990-01-01", "to": "2030-12-31" });
        let (status, report) = server
            .api(Method::POST, "/api/v1/reports/segmentation", Some(request))
            .await;
        assert_eq!(status, 200, "{report}");
        for (name, series) in names.iter().zip(report["series"].as_array().unwrap()) {
            let values = series["values"].as_array().unwrap();
            let total: u64 = values.iter().map(|value| value.as_u64().unwrap()).sum();
            counts.insert(name.clone(), total);
        }
    }
    counts
}

fn recordings(folder: &Path) -> Vec<Recording> {
    let mut all = Vec::new();
    for sdk in ["mixpanel-browser", "mixpanel-node", "mixpanel-python"] {
        let mut files: Vec<_> = std::fs::read_dir(folder.join(sdk))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let record: Value =
                serde_json::from_str(&mend(&std::fs::read_to_string(&file).unwrap())).unwrap();
            all.push(recording(file.display().to_string(), &record));
        }
    }
    all
}

fn recording(name: String, record: &Value) -> Recording {
    let target = record["target"].as_str().unwrap();
    // One scenario renames the SDK's paths; the operator's proxy would map them back.
    let target = target
        .strip_prefix("/mp")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(target);
    let hop = ["host", "connection", "content-length", "transfer-encoding"];
    let headers = record["headers"].as_array().unwrap().iter();
    let headers = headers
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .filter(|(name, _)| !hop.contains(&name.to_lowercase().as_str()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let body = base64::engine::general_purpose::STANDARD
        .decode(record["body_base64"].as_str().unwrap_or_default())
        .unwrap();
    let received = record["received_at"].as_f64().unwrap();
    Recording {
        name,
        method: record["method"].as_str().unwrap().parse().unwrap(),
        target: target.to_owned(),
        headers,
        body,
        received_ms: (received * 1000.0) as i64,
        items: items(target, &record["decoded"]),
    }
}

/// The items as the recorder's own decoder read them; it left base64 that is no UTF-8 inside as it was.
fn items(target: &str, decoded: &Value) -> Vec<Value> {
    let takes_items = ["/track", "/engage", "/groups", "/import"]
        .iter()
        .any(|path| target.starts_with(path));
    if !takes_items || decoded.is_null() {
        return Vec::new();
    }
    let data = decoded.get("data").unwrap_or(decoded);
    let data = match data.as_str() {
        Some(text) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap();
            serde_json::from_str(&mend(&escaped(&bytes))).unwrap()
        }
        None => data.clone(),
    };
    match data {
        Value::Array(items) => items,
        item => vec![item],
    }
}

/// The browser's encoder writes emoji as two surrogates of three bytes each (CESU-8); as escapes they are JSON.
fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let [0xED, high @ 0xA0..=0xBF, low, tail @ ..] = rest {
            let unit = 0xD000 | (u32::from(high & 0x3F) << 6) | u32::from(low & 0x3F);
            out.extend(format!("\\u{unit:04x}").bytes());
            rest = tail;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Makes strict JSON of what SDKs really write: lone surrogates become U+FFFD, `NaN` and infinities become null.
fn mend(text: &str) -> String {
    let mut text = text.to_owned();
    for number in ["NaN", "-Infinity", "Infinity"] {
        text = text.replace(&format!(":{number}"), ":null");
        text = text.replace(&format!(": {number}"), ": null");
    }
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let step = match (character, unit(at), unit(at + 6)) {
            ('\\', Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            ('\\', Some(0xD800..=0xDFFF), _) => {
                out.push_str("\\ufffd");
                at += 6;
                continue;
            }
            ('\\', Some(_), _) => 6,
            ('\\', None, _) => 2,
            _ => character.len_utf8(),
        };
        out.push_str(text.get(at..at + step).unwrap_or_default());
        at += step;
    }
    out
}
