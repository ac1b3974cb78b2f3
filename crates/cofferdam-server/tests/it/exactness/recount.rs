//! The recount: from the bytes that the vendors received, grouped by marker. It asks nothing of Cofferdam.
//!
//! Invariant: only bodies and the day on which they came are looked at; an item that came again counts on its first day.

use crate::sink::{Sink, marker};
use base64::Engine;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// One item, on the day on which it first came.
struct Item {
    day: String,
    person: String,
    organization: String,
    is_event: bool,
    fields: BTreeSet<String>,
    raw: Value,
}

/// What each vendor received.
pub(super) struct Received(BTreeMap<String, BTreeMap<String, Item>>);

#[derive(Debug, PartialEq, Eq)]
struct Field {
    people: usize,
    first: String,
    last: String,
}

impl Received {
    pub(super) fn of(vendors: &[&str], sinks: &[Sink]) -> Self {
        let mut received = BTreeMap::new();
        for (vendor, sink) in vendors.iter().zip(sinks) {
            let items: &mut BTreeMap<String, Item> =
                received.entry((*vendor).to_owned()).or_default();
            for request in sink.kept() {
                for item in &request.items {
                    let is_event = request.path == "/import";
                    items
                        .entry(marker(item).to_owned())
                        .or_insert_with(|| Item {
                            day: request.day.to_string(),
                            person: label(marker(item), 'p', 'o'),
                            organization: label(marker(item), 'o', 'n'),
                            is_event,
                            fields: fields(item, is_event),
                            raw: item.clone(),
                        });
                }
            }
        }
        Self(received)
    }

    pub(super) fn assert_equal(&self, vendor: &str, radius: &Value) {
        let differences = self.differences(vendor, radius);
        let window = (&radius["since"], &radius["until"]);
        assert!(
            differences.is_empty(),
            "{vendor} {window:?}: {differences:#?}"
        );
    }

    /// People with this field on this day.
    pub(super) fn people_with(&self, vendor: &str, day: &str, field: &str) -> usize {
        let items = self.0[vendor].values();
        let found = items.filter(|item| item.day == day && item.fields.contains(field));
        found
            .map(|item| &item.person)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// What the answer says otherwise than the bytes.
    pub(super) fn differences(&self, vendor: &str, radius: &Value) -> Vec<String> {
        let (since, until) = (
            radius["since"].as_str().unwrap(),
            radius["until"].as_str().unwrap(),
        );
        let items: Vec<&Item> = self.0[vendor]
            .values()
            .filter(|item| (since..=until).contains(&item.day.as_str()))
            .collect();
        let count = |what: fn(&Item) -> &str, events_only: bool| {
            let values: BTreeSet<&str> = items
                .iter()
                .filter(|item| item.is_event || !events_only)
                .map(|item| what(item))
                .collect();
            values.len()
        };
        let mut differences = Vec::new();
        let mut compare = |name: &str, recounted: usize| {
            if radius[name].as_u64() != Some(recounted as u64) {
                differences.push(format!(
                    "{name}: said {}, recounted {recounted}",
                    radius[name]
                ));
            }
        };
        compare("people", count(|item| &item.person, false));
        compare("organizations", count(|item| &item.organization, true));
        compare("events", items.iter().filter(|item| item.is_event).count());
        let mut names: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
        for item in &items {
            for field in &item.fields {
                names.entry(field).or_default().push(item);
            }
        }
        let said = radius["fields"].as_array().unwrap();
        let said: BTreeMap<&str, Field> = said
            .iter()
            .map(|field| {
                let text = |name: &str| field[name].as_str().unwrap().to_owned();
                let people = usize::try_from(field["people"].as_u64().unwrap()).unwrap();
                (
                    field["field"].as_str().unwrap(),
                    Field {
                        people,
                        first: text("first"),
                        last: text("last"),
                    },
                )
            })
            .collect();
        let recounted: BTreeMap<&str, Field> = names
            .iter()
            .map(|(name, items)| {
                let people: BTreeSet<&str> =
                    items.iter().map(|item| item.person.as_str()).collect();
                let days: BTreeSet<&str> = items.iter().map(|item| item.day.as_str()).collect();
                let day = |day: Option<&&str>| day.copied().unwrap().to_owned();
                (
                    *name,
                    Field {
                        people: people.len(),
                        first: day(days.first()),
                        last: day(days.last()),
                    },
                )
            })
            .collect();
        let all: BTreeSet<&&str> = said.keys().chain(recounted.keys()).collect();
        for name in all {
            if said.get(*name) != recounted.get(*name) {
                differences.push(format!(
                    "{name}: said {:?}, recounted {:?}",
                    said.get(*name),
                    recounted.get(*name)
                ));
            }
        }
        differences
    }

    /// The comparison would be worth little if all windows were alike or some were empty.
    pub(super) fn assert_windows_differ(&self, answers: &[Value]) {
        let shapes: BTreeSet<String> = answers
            .iter()
            .map(|radius| {
                format!(
                    "{} {} {}",
                    radius["people"], radius["events"], radius["fields"]
                )
            })
            .collect();
        assert!(
            shapes.len() > answers.len() / 2,
            "{} of {}",
            shapes.len(),
            answers.len()
        );
        assert!(
            answers
                .iter()
                .all(|radius| radius["events"].as_u64() > Some(0)),
            "an empty window"
        );
    }

    /// Texts of eight and more characters, and long numbers, that two vendors both received, markers and `listed` aside.
    pub(super) fn joinable(&self, listed: &BTreeSet<String>) -> BTreeSet<String> {
        let values: Vec<BTreeSet<String>> = self
            .0
            .values()
            .map(|items| {
                let mut found = BTreeSet::new();
                for item in items.values() {
                    collect(&item.raw, "", &mut found);
                }
                found.retain(|value| !listed.contains(value) && !items.contains_key(value));
                found
            })
            .collect();
        assert!(
            values.iter().all(|values| values.len() > 20),
            "nothing to compare"
        );
        let mut joinable = BTreeSet::new();
        for (at, one) in values.iter().enumerate() {
            for other in values.iter().skip(at + 1) {
                joinable.extend(one.intersection(other).cloned());
            }
        }
        joinable
    }
}

fn collect(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(name, value)| collect(value, name, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        // The page's address is listed in clear by each contract; no id in it is.
        Value::String(text) if name == "$current_url" => {
            let parts = text.split(['/', '?', '#', '=']).map(str::to_owned);
            found.extend(parts.filter(|part| part.len() >= 8 && part != "platform.example.com"));
        }
        Value::String(text) if text.chars().count() >= 8 => {
            found.insert(text.clone());
        }
        Value::Number(number) if number.to_string().len() >= 8 && name != "time" => {
            found.insert(number.to_string());
        }
        _ => {}
    }
}

/// The part of a marker between two letters.
fn label(marker: &str, from: char, to: char) -> String {
    let (_, rest) = marker.split_once(from).unwrap();
    rest.split_once(to).unwrap().0.to_owned()
}

fn fields(item: &Value, is_event: bool) -> BTreeSet<String> {
    let (prefix, values) = if is_event {
        ("properties", &item["properties"])
    } else {
        ("profile", &item["$set"])
    };
    let mut fields: BTreeSet<String> = BTreeSet::new();
    for (name, value) in values.as_object().unwrap() {
        match name.as_str() {
            "token" => continue,
            "distinct_id" if value == "" => continue,
            "distinct_id" | "time" => fields.insert(name.clone()),
            _ => fields.insert(format!("{prefix}.{name}")),
        };
        if let Some(text) = value.as_str().filter(|text| text.contains("://")) {
            parts_of_url(&format!("{prefix}.{name}"), text, &mut fields);
        }
    }
    if is_event {
        fields.insert("event".to_owned());
    } else {
        fields.insert("distinct_id".to_owned());
    }
    fields
}

/// Fragment and query keys of a URL are fields of their own.
fn parts_of_url(path: &str, text: &str, fields: &mut BTreeSet<String>) {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if !fragment.is_empty() {
        fields.insert(format!("{path}#"));
    }
    let (_, query) = text.split_once('?').unwrap_or((text, ""));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        fields.insert(format!("{path}?{}", pair.split('=').next().unwrap()));
    }
}

/// The same with another language's decoders, where Python is there.
pub(super) fn python(dir: &Path, vendors: &[&str], sinks: &[Sink], answers: &[Value]) {
    let mut lines = String::new();
    for (vendor, sink) in vendors.iter().zip(sinks) {
        for request in sink.kept() {
            let body = base64::engine::general_purpose::STANDARD.encode(&request.body);
            lines += &json!({ "vendor": vendor, "day": request.day.to_string(), "path": request.path, "body": body }).to_string();
            lines.push('\n');
        }
    }
    let (received, radius) = (dir.join("received.jsonl"), dir.join("radius.json"));
    std::fs::write(&received, lines).unwrap();
    std::fs::write(&radius, Value::from(answers.to_vec()).to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/recount.py");
    match Command::new("python3")
        .arg(script)
        .arg(received)
        .arg(radius)
        .output()
    {
        Err(error) => println!("skipped: python3 cannot be run ({error})"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            println!("figure: exactness: {}", said.trim());
        }
    }
}
