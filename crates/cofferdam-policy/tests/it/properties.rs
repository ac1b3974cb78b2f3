//! What must hold for any event: nothing is added, nothing withheld comes back, twice is once, vendors share no token.

use crate::support::*;
use cofferdam_model::{Form, Value, VendorId};
use cofferdam_policy::{HomeItem, Policy, Record, VendorEvent};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

fn words() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!("ada@example.com")),
        Just(json!(
            "https://x.example.com/a?email=bob@example.com&utm_source=n#f"
        )),
        Just(json!("plain")),
        Just(json!("two words")),
        Just(json!("203.0.113.9")),
        Just(json!(
            "{\"email\":\"c@example.com\",\"n\":[1,{\"x\":\"y\"}]}"
        )),
        Just(json!(null)),
        Just(json!(true)),
        any::<i32>().prop_map(|n| json!(n)),
        (-1.0e9..1.0e9_f64).prop_map(|n| json!(n)),
        "[ -~]{0,40}".prop_map(|s| json!(s)),
        ".{0,12}".prop_map(|s| json!(s)),
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    words().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::btree_map(key(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "plan",
            "email",
            "$current_url",
            "$referrer",
            "$os",
            "$browser_version",
            "$device_id",
            "$user_id",
            "org_id",
            "user",
            "name",
            "ip",
            "note",
            "password",
            "mp_country_code",
            "$city",
            "created_at",
            "made.up",
            "list",
            "id",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z_$.?#]{1,10}",
    ]
}

fn events() -> impl Strategy<Value = serde_json::Value> {
    (
        prop::collection::btree_map(key(), value(), 0..10),
        "[a-z0-9-]{1,12}|\\$device:[a-f0-9]{8}",
    )
        .prop_map(|(map, id)| {
            let mut properties: serde_json::Map<String, serde_json::Value> =
                map.into_iter().collect();
            properties.insert("distinct_id".to_owned(), json!(id));
            properties.insert("$insert_id".to_owned(), json!("i-1"));
            json!({"event": "Any", "properties": properties})
        })
}

fn policy() -> Policy {
    compile(
        1,
        source(vec![
            vendor("one", &analytics()),
            vendor(
                "two",
                &json!({"user": "clear", "user.unique_id": "token", "user.contact": "token", "user.device.ip_address": "subnet",
            "user.device.device_id": "token", "user.name": "token", "user.content": "clear"}),
            ),
        ]),
    )
}

thread_local! {
    static POLICY: Policy = policy();
}

fn decoded(record: &Record) -> Record {
    let mut bytes = Vec::new();
    cofferdam_policy::record::encode(&[], std::slice::from_ref(record), &Fake, &mut bytes).unwrap();
    cofferdam_policy::record::decode(&bytes)
        .unwrap()
        .records
        .remove(0)
}

/// Every text and number in a value.
fn atoms(value: &Value<'_>, into: &mut BTreeSet<String>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| atoms(item, into)),
        Value::Object(members) => members.iter().for_each(|(_, member)| atoms(member, into)),
        Value::Null | Value::Bool(_) => {}
        other => {
            into.insert(serde_json::to_string(other).unwrap());
        }
    }
}

fn tokens(event: &VendorEvent) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for (_, value) in &event.properties {
        atoms(value, &mut texts);
    }
    texts.extend([
        format!("{:?}", event.distinct_id),
        format!("{:?}", event.insert_id),
    ]);
    texts
        .into_iter()
        .filter(|text| {
            text.len() >= 34
                && text
                    .trim_matches('"')
                    .trim_start_matches("$device:")
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit() || b == b'-')
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn minimizing_adds_nothing_and_brings_nothing_back(value in events()) {
        POLICY.with(|policy| {
            let record = admit(policy, &value);
            let shape = record.shape();
            let paths: BTreeSet<&str> = shape.iter().map(|field| &*field.path).collect();
            let kept: BTreeSet<&str> = shape.iter().filter(|field| field.refusal.is_none()).map(|field| &*field.path).collect();
            for id in ["one", "two"] {
                let event = sent(policy, id, &record);
                for exposure in &event.fate.exposures {
                    let is_envelope = matches!(&*exposure.path, "event" | "time");
                    prop_assert!(is_envelope || kept.contains(&*exposure.path), "{} was withheld", exposure.path);
                    prop_assert!(!matches!(exposure.form, Form::Withheld | Form::Sealed | Form::City));
                }
                prop_assert!(event.fate.exposures.is_sorted());
                for (name, _) in &event.properties {
                    let path = format!("properties.{name}");
                    prop_assert!(*name == "ip".into() || paths.iter().any(|known| known.starts_with(&path)), "{name} was added");
                }
            }
            let HomeItem::Event(home) = policy.minimize_home(&record, &Fake).unwrap().into_item() else { unreachable!() };
            for (name, _) in &home.properties {
                let path = format!("properties.{name}");
                prop_assert!(kept.iter().any(|known| known.starts_with(&path)), "{name} was withheld");
            }
            Ok(())
        })?;
    }

    #[test]
    fn through_bytes_and_twice_is_the_same(value in events()) {
        POLICY.with(|policy| {
            let record = admit(policy, &value);
            let again = decoded(&record);
            prop_assert_eq!(record.shape(), again.shape());
            prop_assert_eq!(sent(policy, "two", &record), sent(policy, "two", &again));
            prop_assert_eq!(policy.minimize_home(&record, &Fake), policy.minimize_home(&again, &Fake));
            Ok(())
        })?;
    }

    /// What a vendor got, sent in again, loses nothing but what was a token: the coarse forms are already coarse.
    #[test]
    fn minimizing_what_is_minimized_changes_no_value(value in events()) {
        POLICY.with(|policy| {
            let first = sent(policy, "one", &admit(policy, &value));
            let properties: serde_json::Map<String, serde_json::Value> = first.properties.iter()
                .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap())).collect();
            let second = sent(policy, "one", &admit(policy, &json!({"event": "Any", "properties": properties})));
            let known = tokens(&first);
            let mut before = BTreeSet::new();
            first.properties.iter().for_each(|(_, value)| atoms(value, &mut before));
            let mut after = BTreeSet::new();
            second.properties.iter().for_each(|(_, value)| atoms(value, &mut after));
            let new: BTreeSet<_> = after.difference(&before).filter(|text| !tokens(&second).contains(*text)).collect();
            prop_assert!(new.is_empty(), "{new:?} beside {known:?}");
            Ok(())
        })?;
    }

    #[test]
    fn two_vendors_share_no_token(value in events()) {
        POLICY.with(|policy| {
            let record = admit(policy, &value);
            let (one, two) = (tokens(&sent(policy, "one", &record)), tokens(&sent(policy, "two", &record)));
            prop_assert!(!one.is_empty());
            prop_assert!(one.is_disjoint(&two), "{one:?} {two:?}");
            Ok(())
        })?;
    }

    #[test]
    fn an_explanation_says_what_happens(value in events()) {
        POLICY.with(|policy| {
            let record = admit(policy, &value);
            let (name, limits) = (cofferdam_model::ProjectName::from("console"), cofferdam_model::Limits::default());
            let explanation = policy.explain(&context(&name, &limits, None), &event(&value));
            // And the event's name and time, which are no fields of the record.
            prop_assert_eq!(explanation.fields.len(), record.shape().len() + 2);
            let sent = sent(policy, "two", &record);
            for field in &explanation.fields {
                let (_, outcome) = field.vendors.iter().find(|(id, _)| *id == VendorId::from("two")).unwrap();
                if let cofferdam_policy::FieldOutcome::Form(form) = outcome {
                    prop_assert!(sent.fate.exposures.iter().any(|one| one.path == field.path && one.form == *form), "{}", field.path);
                }
            }
            Ok(())
        })?;
    }
}
