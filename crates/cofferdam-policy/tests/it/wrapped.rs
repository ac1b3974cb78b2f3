//! What is wrapped in a value: JSON in strings and URLs in URLs keep to the limits of the door, and hide nothing.
//!
//! Invariant: a name inside a value is no longer than one at the door may be, and a path has a bound.

use crate::support::*;
use base64::Engine as _;
use cofferdam_model::{Limits, ProjectName, Refusal};
use cofferdam_policy::{Policy, Record};
use serde_json::{Value, json};

fn try_admit(policy: &Policy, properties: &Value) -> Result<Record, Refusal> {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let event = event(&json!({"event": "e", "properties": properties}));
    let admitted = policy.admit(&context(&name, &limits, None), &event, &identity("i"))?;
    Ok(Record::Event(admitted))
}

#[test]
fn json_with_longer_names_than_the_door_takes_is_a_text() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    for (bytes, is_text) in [(255, false), (256, true), (20_000, true)] {
        let name = "n".repeat(bytes);
        let json =
            json!({"outer": {&name: {"plan": "pro", "email": "ada@example.com"}}}).to_string();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&json);
        for text in [json, base64] {
            let record = try_admit(&policy, &json!({"o": text, "in": {"list": [text]}})).unwrap();
            let shape = record.shape();
            let longest = shape.iter().map(|field| field.path.len()).max().unwrap();
            assert_eq!(longest < 200, is_text, "{bytes}: {longest}");
            let texts: Vec<_> = shape
                .iter()
                .filter(|one| one.path.ends_with(".o"))
                .collect();
            assert_eq!(texts.len() == 1, is_text, "{bytes}: {texts:?}");
            let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
            assert!(!home.contains("ada@example.com"), "{home}");
        }
    }
}

#[test]
fn a_url_key_that_is_too_long_for_a_name_is_a_text() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let key = "b".repeat(300);
    for mark in ['?', '#'] {
        let url = format!("https://a.example.com/x{mark}{key}=1&{key}&c=ada@example.com&d=2");
        let record = try_admit(&policy, &json!({"$current_url": url})).unwrap();
        let shape = record.shape();
        assert!(shape.iter().all(|field| field.path.len() < 64), "{shape:?}");
        assert!(!record.findings().is_empty());
        let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
        assert!(!home.contains("ada@example.com"), "{home}");
        assert!(home.contains("&d=2"), "{home}");
    }
}

#[test]
fn a_path_has_a_bound() {
    let policy = compile(1, source(vec![]));
    let nested = |names: usize| {
        let name = "n".repeat(200);
        (0..names).fold(json!(1), |inside, _| json!({ &name: inside }))
    };
    assert!(try_admit(&policy, &json!({"o": nested(5)})).is_ok());
    assert_eq!(
        try_admit(&policy, &json!({"o": nested(6)})).err(),
        Some(Refusal::TooDeep)
    );
    let text = nested(6).to_string();
    assert_eq!(
        try_admit(&policy, &json!({"o": text})).err(),
        Some(Refusal::TooDeep)
    );
}

#[test]
fn paths_beyond_the_memory_are_bounded_in_each_item() {
    let policy = compile(1, source(vec![]));
    let flood = |run: usize, bytes: usize| {
        let name = "n".repeat(bytes);
        let names = (0..1_900).map(|at| (format!("{name}{run}x{at}"), json!(1)));
        json!(names.collect::<serde_json::Map<_, _>>())
    };
    for run in 0..5 {
        assert!(try_admit(&policy, &flood(run, 20)).is_ok(), "{run}");
    }
    assert!(try_admit(&policy, &flood(5, 100)).is_ok());
    assert_eq!(
        try_admit(&policy, &flood(6, 200)).err(),
        Some(Refusal::TooManyFields)
    );
}

#[test]
fn an_address_in_a_url_in_a_url_is_found() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    for (inside, keys) in [
        (
            "https%3A%2F%2Fb.example.com%2F%3Fe%3Dcanary.bob%2540example.org",
            "u",
        ),
        (
            "https%3A%2F%2Fb.example.com%2F%3Fe%3Dcanary.bob%2540example.org",
            "to",
        ),
        ("%2Fx%3Fe%3Dcanary.bob%2540example.org", "u"),
        (
            "https%253A%252F%252Fb.example.com%252F%253Fe%253Dcanary.bob%252540example.org",
            "u",
        ),
        ("canary.bob%2540example.org", "q"),
        ("canary.bob%252540example.org", "u"),
    ] {
        for key in ["$current_url", "target", "$referrer", "callback_url"] {
            for mark in ['?', '#'] {
                let url = format!("https://a.example.com/{mark}{keys}={inside}");
                let record = try_admit(&policy, &json!({ key: url })).unwrap();
                let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
                assert!(!home.contains("canary"), "{key} {url}: {home}");
                assert!(!record.findings().is_empty(), "{key} {url}");
            }
        }
    }
}
