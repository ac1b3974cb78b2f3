//! The real SDKs' requests, byte for byte as they were recorded, where the recordings lie beside the workspace.
//!
//! Set `COFFERDAM_SHARED` to their folder, or have a `shared` folder above; without them the test says so and passes.

use cofferdam_model::{Incoming, Limits};
use cofferdam_wire::mixpanel::{Endpoint, Method, Outcome, Request, answer, decode, endpoint};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn recordings() -> Option<PathBuf> {
    let inside = |folder: &Path| {
        let folder = folder.join("fixtures/sdk-requests");
        folder.is_dir().then_some(folder)
    };
    if let Some(shared) = std::env::var_os("COFFERDAM_SHARED") {
        return inside(Path::new(&shared));
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find_map(|folder| inside(&folder.join("shared")))
}

#[test]
fn every_recorded_request_of_mixpanels_sdks_is_read_whole() {
    let Some(folder) = recordings() else {
        println!(
            "not run: no recorded SDK requests; set COFFERDAM_SHARED to the folder that has fixtures/sdk-requests"
        );
        return;
    };
    let mut seen = 0;
    for sdk in ["mixpanel-browser", "mixpanel-node", "mixpanel-python"] {
        let mut files: Vec<_> = std::fs::read_dir(folder.join(sdk))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let record = record(&std::fs::read_to_string(&file).unwrap());
            replay(&record, &format!("{}", file.display()));
            seen += 1;
        }
    }
    assert!(seen > 150, "only {seen} recordings");
}

/// Some recordings are no strict JSON themselves: what the recorder decoded holds lone surrogates and `NaN`.
fn record(text: &str) -> Json {
    let mut text = text.to_owned();
    for number in ["NaN", "Infinity"] {
        text = text.replace(&format!(":{number}"), ":null");
        text = text.replace(&format!(": {number}"), ":null");
    }
    let mut deserializer = sonic_rs::Deserializer::from_str(&text).utf8_lossy();
    deserializer.deserialize().unwrap()
}

fn replay(record: &Json, name: &str) {
    let header = |wanted: &str| {
        let headers = record["headers"].as_array().unwrap();
        let found = headers
            .iter()
            .find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(wanted));
        found.map(|pair| pair[1].as_str().unwrap())
    };
    let body = base64_simd::STANDARD
        .decode_to_vec(record["body_base64"].as_str().unwrap())
        .unwrap();
    let target = record["target"].as_str().unwrap();
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    // One scenario renames the SDK's paths; the operator's proxy would map them back.
    let path = path
        .strip_prefix("/mp")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let method = Method::from(record["method"].as_str().unwrap());
    let request = Request {
        method,
        path,
        query,
        content_type: header("content-type"),
        content_encoding: header("content-encoding"),
        authorization: header("authorization"),
        body: &body,
    };
    let endpoint = endpoint(path).unwrap_or_else(|| panic!("no endpoint: {name}"));
    if method == Method::Options {
        return;
    }
    let limits = Limits::default();
    let decoded =
        decode(endpoint, &request, &limits).unwrap_or_else(|error| panic!("{error}: {name}"));
    let batch = decoded
        .parse(&limits)
        .unwrap_or_else(|error| panic!("{error}: {name}"));
    assert_eq!(batch.rejected, [], "{name}");
    if let Some(data) = expected_items(record, endpoint) {
        compare(&data, &batch.items, name);
        let outcome = Outcome::Kept {
            items: 1,
            rejected: &[],
        };
        let wanted = record["response"]["body"].as_str().unwrap_or_default();
        compare_answer(
            wanted,
            &answer(&decoded.style(), endpoint, &outcome).body,
            name,
        );
    }
}

/// The items as the recorder's own plain decoder read them; `None` where it could not, or where there are none.
fn expected_items(record: &Json, endpoint: Endpoint) -> Option<Vec<Json>> {
    if !endpoint.takes_items() {
        return None;
    }
    let decoded = &record["decoded"];
    let data = decoded.get("data").unwrap_or(decoded);
    match data {
        Json::Array(items) => Some(items.clone()),
        Json::Object(_) => Some(vec![data.clone()]),
        _ => None,
    }
}

fn compare(expected: &[Json], items: &[Incoming<'_>], name: &str) {
    assert_eq!(items.len(), expected.len(), "{name}");
    for (expected, item) in expected.iter().zip(items) {
        match item {
            Incoming::Event(event) => {
                assert_eq!(expected["event"], *event.name, "{name}");
                let properties = expected["properties"].as_object().unwrap();
                assert_eq!(
                    properties.get("token").and_then(Json::as_str),
                    event.token.as_deref(),
                    "{name}"
                );
                let own = ["token", "time", "$insert_id", "distinct_id"];
                let kept = properties
                    .iter()
                    .filter(|(key, _)| !own.contains(&key.as_str()));
                let expected: Vec<(String, Json)> = kept
                    .map(|(key, value)| (key.clone(), as_double(value)))
                    .collect();
                let found: Vec<(String, Json)> = event
                    .properties
                    .iter()
                    .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap()))
                    .collect();
                assert_eq!(found, expected, "{name}");
                assert_eq!(
                    event.time.is_some(),
                    properties.contains_key("time"),
                    "{name}"
                );
            }
            Incoming::Update(update) => {
                assert_eq!(
                    expected["$token"].as_str(),
                    update.token.as_deref(),
                    "{name}"
                );
                let id = expected.get("$distinct_id").and_then(Json::as_str);
                assert_eq!(id, update.identity.distinct_id.as_deref(), "{name}");
                let operation = format!(
                    "${}",
                    serde_json::to_value(update.operation)
                        .unwrap()
                        .as_str()
                        .unwrap()
                );
                assert!(expected.get(&operation).is_some(), "{operation}: {name}");
            }
        }
    }
}

/// The recording server answered what the SDK accepted; errors were scripted and are not ours to give.
fn compare_answer(recorded: &str, ours: &[u8], name: &str) {
    let ours = String::from_utf8_lossy(ours);
    match recorded {
        "1" if ours.starts_with("GIF") => {}
        "1" => assert_eq!(ours, "1", "{name}"),
        recorded if recorded.contains("\"status\": 1") => {
            let recorded: Json = serde_json::from_str(recorded).unwrap();
            assert_eq!(
                serde_json::from_str::<Json>(&ours).unwrap(),
                recorded,
                "{name}"
            );
        }
        _ => {}
    }
}

/// Whole numbers beyond 63 bits are doubles to the model.
fn as_double(value: &Json) -> Json {
    match value.as_u64() {
        Some(number) if i64::try_from(number).is_err() => Json::from(number as f64),
        _ => value.clone(),
    }
}
