//! Names that senders chose, on the way to a value: looked at one by one, and known to nobody unless somebody named them.
//!
//! Invariant: neither a vendor nor home nor the written shape holds a name in which personal data stood, whatever stands below it.

use crate::support::*;
use cofferdam_model::Category;
use cofferdam_policy::{Policy, PolicySource, Record, record};
use serde_json::{Value, json};

const MAIL: &str = "canary.bob@example.org";

/// A policy that sends what is in `members` as it is.
fn declaring_members() -> Policy {
    let behavior = Category::of("user.behavior");
    let fields = ["properties.members", "properties.members.canary"];
    compile(
        1,
        PolicySource {
            fields: fields
                .iter()
                .map(|path| ((*path).to_owned(), behavior))
                .collect(),
            ..source(vec![vendor("v", &analytics())])
        },
    )
}

/// The record as read from the journal.
fn stored(policy: &Policy, members: &Value) -> Record {
    let sent = json!({"event": "e", "properties": { "distinct_id": "u-1", "members": members }});
    let mut bytes = Vec::new();
    record::encode(&[], &[admit(policy, &sent)], &Fake, &mut bytes).unwrap();
    record::decode(&bytes).unwrap().records.remove(0)
}

/// Everything that home and the vendor get, and the paths that are written down, as one text.
fn everywhere(policy: &Policy, record: &Record) -> String {
    let home = policy.minimize_home(record, &Fake).unwrap();
    let paths: Vec<_> = record
        .shape()
        .iter()
        .map(|field| field.path.to_string())
        .collect();
    format!("{home:?} {:?} {paths:?}", sent(policy, "v", record))
}

#[test]
fn an_address_as_a_name_is_masked_whatever_is_called_below_it() {
    let below = [
        json!({"1": 2}),
        json!({"z": 2}),
        json!({"n": 2}),
        json!({"count2": 2}),
        json!({"9": 2}),
        json!({"2024-01": 2}),
        json!({"a-b": 2}),
        json!({"x y": 2}),
        json!({"é": 2}),
        json!({"b.c": 2}),
        json!({"b": {"c": {"1": 2}}}),
        json!([{"1": 2}]),
        json!({"role": 2}),
    ];
    let percent = MAIL.replace('@', "%40");
    let wide = MAIL.replace('@', "＠");
    for name in [MAIL, &percent, &wide] {
        for below in &below {
            for members in [
                json!({ name: below }),
                json!({ "deep": { name: below } }),
                json!(json!({ name: below }).to_string()),
            ] {
                // The flat spelling first, and last: neither order matters.
                for flat in [true, false] {
                    let policy = declaring_members();
                    if flat {
                        stored(&policy, &json!({ format!("{name}.1"): 1 }));
                    }
                    let record = stored(&policy, &members);
                    let all = everywhere(&policy, &record);
                    assert!(!all.contains("canary"), "{members}: {all}");
                    assert!(
                        record
                            .findings()
                            .iter()
                            .all(|one| one.path.contains("[email]"))
                    );
                    assert!(!record.findings().is_empty(), "{members}");
                }
            }
        }
        let policy = declaring_members();
        let record = stored(&policy, &json!({ format!("{name}.1"): 1 }));
        let all = everywhere(&policy, &record);
        assert!(!all.contains("canary"), "{name} flat: {all}");
    }
}

#[test]
fn what_is_below_a_masked_name_stays_below_it() {
    let policy = declaring_members();
    let record = stored(
        &policy,
        &json!({ MAIL: { "1": 2, "b": [{ "c": 3 }] }, "plain": 1 }),
    );
    let home = policy.minimize_home(&record, &Fake).unwrap();
    let paths: Vec<String> = record
        .shape()
        .iter()
        .map(|field| field.path.to_string())
        .collect();
    for path in [
        "members.[email].1",
        "members.[email].b[].c",
        "members.plain",
    ] {
        assert!(paths.contains(&format!("properties.{path}")), "{paths:?}");
    }
    let home = format!("{home:?}");
    assert!(
        home.contains(r#"("plain", Int(1))"#) && !home.contains("canary"),
        "{home}"
    );
}

#[test]
fn personal_data_in_several_names_goes_to_nobody() {
    let policy = declaring_members();
    let record = stored(
        &policy,
        &json!({ "canary.bob@example": { "org": 2, "deep": 1 }, "plain": 1 }),
    );
    let vendor = sent(&policy, "v", &record);
    let members = property(&vendor, "members").unwrap();
    assert!(!format!("{members:?}").contains("org"), "{members:?}");
    let paths: Vec<_> = vendor.fate.exposures.iter().map(|one| &*one.path).collect();
    assert!(!paths.contains(&"properties.members.[email]"), "{paths:?}");
}

#[test]
fn no_name_can_look_like_two() {
    let policy = declaring_members();
    for name in [
        "canary.bob@exam\u{1f}ple.org",
        "canary.bob\u{1f}@example.org",
        "4111\u{1f}111111111111",
    ] {
        for properties in [json!({ name: 1 }), json!({"members": { name: 1 }})] {
            let record = admit(&policy, &json!({"event": name, "properties": properties}));
            let all = format!("{} {:?}", everywhere(&policy, &record), record.event_name());
            assert!(
                !all.contains("canary") && !all.contains("111111111111"),
                "{name:?}: {all}"
            );
            assert!(!all.contains('\u{1f}') && !all.contains("\\u{1f}"), "{all}");
        }
    }
}

/// The names of the properties that a vendor gets which may have behavior, and e-mail addresses as tokens.
fn names_sent(properties: &Value, fields: &[(&str, &'static str)]) -> Vec<String> {
    let mut listed = analytics();
    let receives = listed.as_object_mut().unwrap();
    receives.insert("user.account".to_owned(), json!("clear"));
    receives.insert("user.contact.email".to_owned(), json!("token"));
    let fields = fields
        .iter()
        .map(|(path, category)| ((*path).to_owned(), Category::of(category)));
    let policy = compile(
        1,
        PolicySource {
            fields: fields.collect(),
            ..source(vec![vendor("v", &listed)])
        },
    );
    let mut bytes = Vec::new();
    let sent = admit(&policy, &json!({"event": "e", "properties": properties}));
    record::encode(&[], &[sent], &Fake, &mut bytes).unwrap();
    let record = record::decode(&bytes).unwrap().records.remove(0);
    let event = crate::support::sent(&policy, "v", &record);
    let names = event.properties.iter().map(|(name, _)| name.to_string());
    names.filter(|name| !name.starts_with('$')).collect()
}

#[test]
fn nothing_goes_under_a_name_that_nobody_knows() {
    for name in [
        "Bob Canary",
        "canary bob, 12 Elm Street",
        "0170-1234567",
        "Bob Canary's email",
    ] {
        for inside in [
            json!({"plan": "pro"}),
            json!({"role": "admin"}),
            json!({"settings": [{"plan": "pro"}]}),
            json!({"email": "ada@example.com"}),
            json!({"x": "ada@example.com"}),
            json!("{\"plan\": \"pro\"}"),
        ] {
            assert_eq!(
                names_sent(&json!({ name: inside }), &[]),
                [""; 0],
                "{name} {inside}"
            );
            let deep =
                json!({"cart": { name: inside }, "settings": {"items": [{ name: inside }]} });
            assert_eq!(names_sent(&deep, &[]), [""; 0], "{deep}");
        }
        for mark in ['.', '?', '#'] {
            let flat = json!({ format!("{name}{mark}plan"): "pro" });
            assert_eq!(names_sent(&flat, &[]), [""; 0], "{flat}");
        }
    }
    assert_eq!(
        names_sent(&json!({"email": {"Bob Canary": "ada@example.com"}}), &[]),
        [""; 0]
    );
}

#[test]
fn what_is_named_on_its_whole_way_goes() {
    for properties in [
        json!({"cart": {"items": [{"plan": "pro"}]}}),
        json!({"cart.plan": "pro"}),
        json!({"traits": {"plan": "pro", "company": {"plan": "pro"}}}),
        json!({"billing_address": {"plan": "pro"}}),
        json!({"emails": [{"email": "ada@example.com"}]}),
    ] {
        assert_eq!(names_sent(&properties, &[]).len(), 1, "{properties}");
    }
    let canary = json!({"canary": {"bob": {"plan": "pro", "email": "ada@example.com", "x": 1}}});
    for fields in [
        [("properties.canary", "user.behavior")],
        [("properties.canary.bob", "user.behavior")],
        [("properties.canary.bob.x", "user.behavior")],
    ] {
        assert_eq!(names_sent(&canary, &fields), ["canary"], "{fields:?}");
    }
}

#[test]
fn home_keeps_what_stands_under_a_name_that_nobody_knows() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": {"canary": {"plan": "pro", "email": "ada@example.com"}}}),
    );
    let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
    assert!(home.contains("pro") && !home.contains("ada@"), "{home}");
    assert!(home.contains("canary.email"), "{home}");
}

#[test]
fn a_url_goes_without_the_parts_that_nobody_knows() {
    let mut listed = analytics();
    listed["user.behavior.browsing_history"] = json!("clear");
    let policy = compile(1, source(vec![vendor("v", &listed)]));
    let url = "https://a.example.com/x?0170-1234567.plan=1&plan=pro&utm_source=b";
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": {"$current_url": url}}),
    );
    let event = sent(&policy, "v", &record);
    let text = format!("{:?}", property(&event, "$current_url"));
    assert!(
        !text.contains("0170") && text.contains("plan=pro&utm_source=b"),
        "{text}"
    );
}

#[test]
fn in_observe_mode_the_names_count_as_unclassified() {
    let mut observing = vendor("v", &analytics());
    observing.observe_until = Some(RECEIVED.day());
    let policy = compile(1, source(vec![observing]));
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": {"canary": {"plan": "pro"}}}),
    );
    let event = sent(&policy, "v", &record);
    assert!(property(&event, "canary").is_some());
    let of = |one: &&cofferdam_policy::Exposure| &*one.path == "properties.canary.plan";
    let categories: Vec<_> = event
        .fate
        .exposures
        .iter()
        .filter(of)
        .map(|one| one.category.key())
        .collect();
    assert_eq!(categories.len(), 2, "{categories:?}");
    assert!(categories.contains(&"unclassified"), "{categories:?}");
    assert!(
        event
            .fate
            .would_withhold
            .iter()
            .any(|(path, _)| &**path == "properties.canary.plan")
    );
}
