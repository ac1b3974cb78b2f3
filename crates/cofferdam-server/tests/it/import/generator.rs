//! Writes an export as Mixpanel's raw export is, with what goes wrong in one, and knows what must come of it.
//!
//! Invariant: the same seed writes the same file; what is expected is counted here, from what was written.

use crate::sink::Dice;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// 2026-01-01T00:00:00Z, seconds.
const BEGIN: u64 = 1_767_225_600;
const DAYS: u64 = 60;

/// What must come of a file.
#[derive(Default)]
pub(crate) struct Expected {
    pub(crate) lines: u64,
    /// Lines that are events.
    pub(crate) good: u64,
    pub(crate) bad_lines: Vec<u64>,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Of every event that is not a copy.
    pub(crate) markers: BTreeSet<String>,
    pub(crate) people: BTreeSet<u64>,
    /// People by field.
    pub(crate) fields: BTreeMap<String, BTreeSet<u64>>,
}

pub(crate) struct Generator {
    dice: Dice,
    expected: Expected,
    last: Option<(String, u64)>,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed ^ 0x1_0000),
            expected: Expected::default(),
            last: None,
        }
    }

    /// Writes so many lines.
    pub(crate) fn write(mut self, path: &Path, lines: u64) -> Expected {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        for at in 0..lines {
            let line = self.line(at, lines);
            file.write_all(line.as_bytes()).unwrap();
            file.write_all(b"\n").unwrap();
        }
        file.flush().unwrap();
        self.expected.lines = lines;
        self.expected
    }

    fn line(&mut self, at: u64, lines: u64) -> String {
        match self.dice.below(400) {
            // A copy of the line before, id and all.
            0..4 => {
                if let Some((line, person)) = self.last.clone() {
                    self.count(person, &line);
                    return line;
                }
            }
            4 => return self.bad(at, "malformed", r#"{"event":"Torn","properties":{"ti"#),
            5 => {
                return self.bad(
                    at,
                    "missing_event_name",
                    r#"{"properties":{"time":1767225600,"distinct_id":"x"}}"#,
                );
            }
            6 => {
                return self.bad(
                    at,
                    "malformed",
                    r#"{"event":"Timeless","properties":{"distinct_id":"x"}}"#,
                );
            }
            _ => {}
        }
        let person = self.dice.below(lines / 20 + 1);
        let time = BEGIN + at * DAYS * 86_400 / lines + self.dice.below(600);
        let plan = ["free", "pro", "team"][usize::try_from(self.dice.below(3)).unwrap()];
        let mut properties = json!({
            "time": time, "distinct_id": format!("user-{person}"), "marker": format!("m{at}"),
            "plan": plan,
            "$browser": "Chrome", "$os": "Mac OS X", "$city": "Ghent", "mp_country_code": "BE",
            "$current_url": "https://platform.example.com/keys", "seats": self.dice.below(50),
            "$mp_api_timestamp_ms": time * 1_000, "mp_processing_time_ms": time * 1_000 + 40,
        });
        if self.dice.below(2) == 0 {
            properties["time"] = json!(time * 1_000 + self.dice.below(1_000));
        }
        let has_id = self.dice.below(10) > 0;
        if has_id {
            properties["$insert_id"] = json!(format!("{:036x}", self.dice.next()));
        }
        if self.dice.below(7) == 0 {
            properties["$email"] = json!(format!("user-{person}@mail.example"));
        }
        if self.dice.below(500) == 0 {
            properties["api_key"] = json!(format!("sk_live_{:024x}", self.dice.next()));
        }
        let event = ["Key Created", "Request Made", "Page Viewed"];
        let event = event[usize::try_from(self.dice.below(3)).unwrap()];
        let line = json!({ "event": event, "properties": properties }).to_string();
        self.expected.markers.insert(format!("m{at}"));
        self.count(person, &line);
        // Only what has an id can be told from a copy.
        self.last = has_id.then(|| (line.clone(), person));
        line
    }

    fn count(&mut self, person: u64, line: &str) {
        self.expected.good += 1;
        self.expected.people.insert(person);
        let line: Value = serde_json::from_str(line).unwrap();
        for name in line["properties"].as_object().unwrap().keys() {
            let path = match name.as_str() {
                "time" | "distinct_id" => name.clone(),
                name => format!("properties.{name}"),
            };
            // Every event has an id in the end.
            if name != "$insert_id" {
                self.expected.fields.entry(path).or_default().insert(person);
            }
        }
    }

    fn bad(&mut self, at: u64, reason: &'static str, line: &str) -> String {
        self.expected.bad_lines.push(at + 1);
        *self.expected.refused.entry(reason).or_default() += 1;
        line.to_owned()
    }
}
