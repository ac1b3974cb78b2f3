//! What a sender with nothing but the public token may try: data in names, in odd numbers, in hosts, and floods of parts.
//!
//! Invariant: no such value reaches a vendor or home, and none of the names in which it stood.

use crate::support::*;
use crate::vendors::{profile, update};
use base64::Engine as _;
use cofferdam_model::{
    Category, IncomingUpdate, Limits, Operation, ProjectName, Provenance, Refusal, Subject,
    VendorId,
};
use cofferdam_policy::{Policy, PolicySource, Record, VendorItem, VendorUpdate};
use serde_json::{Value, json};

/// A policy with declared fields that go to the vendor `v` as sent.
fn declaring(receives: &Value, paths: &[&str]) -> Policy {
    let behavior = Category::of("user.behavior");
    let fields = paths.iter().map(|path| ((*path).to_owned(), behavior));
    compile(
        1,
        PolicySource {
            fields: fields.collect(),
            ..source(vec![vendor("v", receives)])
        },
    )
}

/// Everything that home and the vendor get, and the paths that are written down, as one text.
fn everywhere(policy: &Policy, record: &Record) -> String {
    let home = policy.minimize_home(record, &Fake).unwrap();
    let paths: Vec<_> = record
        .shape()
        .iter()
        .map(|field| field.path.to_string())
        .collect();
    let vendor = sent(policy, "v", record);
    format!("{home:?} {vendor:?} {paths:?} {:?}", record.findings())
}

#[test]
fn the_parts_of_a_url_count_as_fields() {
    let policy = compile(1, source(vec![]));
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    for mark in ['?', '#'] {
        for (pairs, refusal) in [(1_000, None), (3_000, Some(Refusal::TooManyFields))] {
            let pairs: Vec<String> = (0..pairs).map(|at| format!("k{at}=v")).collect();
            let url = format!("https://a.example.com/{mark}{}", pairs.join("&"));
            let event = event(&json!({"event": "e", "properties": {"$current_url": url}}));
            let admitted = policy.admit(&context(&name, &limits, None), &event, &identity("i"));
            assert_eq!(admitted.err(), refusal, "{mark}");
        }
    }
}

pub(crate) fn group_update(policy: &Policy, key: &str) -> Result<VendorUpdate, Refusal> {
    let group = IncomingUpdate {
        subject: Subject::Group {
            key: key.to_owned().into(),
            id: "acme".into(),
        },
        identity: cofferdam_model::IdentityClaim::default(),
        ..profile(Operation::Set, &json!({"plan": "pro"}))
    };
    let record = update(policy, &group, Provenance::Claimed).unwrap();
    // Encoded and decoded it is the same.
    let mut bytes = Vec::new();
    cofferdam_policy::record::encode(&[], &[record], &Fake, &mut bytes).unwrap();
    let decoded = cofferdam_policy::record::decode(&bytes).unwrap();
    let [record] = &decoded.records[..] else {
        panic!("one record")
    };
    let is_found = record
        .findings()
        .iter()
        .any(|finding| &*finding.path == "group_key");
    let v = VendorId::from("v");
    let item = policy.minimize_vendor(&v, record, &send(policy), &Fake, &Fake);
    assert_eq!(is_found, item.as_ref().err() == Some(&Refusal::Detected));
    assert!(!is_found || !format!("{record:?}").contains(key), "{key}");
    match item?.into_item() {
        VendorItem::Update(update) => Ok(update),
        VendorItem::Event(_) => panic!("an update was admitted"),
    }
}

#[test]
fn a_group_key_goes_only_where_it_is_known_and_clean_and_is_exposed() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    for key in ["org_id", "company_id"] {
        let update = group_update(&policy, key).unwrap();
        let exposed: Vec<String> = update
            .fate
            .exposures
            .iter()
            .map(|one| format!("{} {} {}", one.path, one.category, one.form.as_str()))
            .collect();
        assert_eq!(
            exposed,
            [
                "group.plan user.behavior.purchase_history clear",
                "group_id user.contact.organization.id token",
                "group_key user.behavior clear"
            ]
        );
    }
    for key in [
        "bob.canary@example.org",
        "bob.canary＠example.org",
        "Ym9iLmNhbmFyeUBleGFtcGxlLm9yZw==",
        "4111111111111111",
        "+49 170 1234567",
    ] {
        assert_eq!(
            group_update(&policy, key).unwrap_err(),
            Refusal::Detected,
            "{key}"
        );
    }
    for key in ["Bob Canary", "whatever"] {
        assert_eq!(
            group_update(&policy, key).unwrap_err(),
            Refusal::Unclassified,
            "{key}"
        );
    }
}

#[test]
fn personal_data_in_a_nested_name_is_found_wherever_it_stands() {
    let policy = declaring(&analytics(), &["properties.obj"]);
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let names = [
        "+49 170 1234567".to_owned(),
        "+49.170.1234567".to_owned(),
        "203.0.113.77".to_owned(),
        "2001:db8::ff00:42:8329".to_owned(),
        "4111 1111 1111 1111".to_owned(),
        "eve.canary@example.com".to_owned(),
        base64("eve.canary@example.com"),
        base64(r#"{"email":"eve.canary@example.com"}"#),
        r#"{"note":"eve\u002ecanary\u0040example.com"}"#.to_owned(),
        "00:1B:44:11:3A:B7".to_owned(),
    ];
    for name in &names {
        for (at, obj) in [
            json!({ name: 1 }),
            json!({ "deep": { name: [{ "x": 1 }] } }),
            json!([{ name: true }]),
            json!(json!({ name: "one" }).to_string()),
        ]
        .iter()
        .enumerate()
        {
            let record = admit(
                &policy,
                &json!({"event": "e", "properties": { "distinct_id": "u-1", "obj": obj }}),
            );
            let all = everywhere(&policy, &record);
            assert!(!all.contains(name.as_str()), "{at}: {all}");
            assert!(!record.findings().is_empty(), "{at}: {name}");
        }
    }
    let encoded = base64("bob.canary@example.org");
    for url in [
        format!("https://a.example.com/x#a=1&{encoded}"),
        format!("https://a.example.com/x?a=1&{encoded}"),
        "https://a.example.com/x?203.0.113.77=1".to_owned(),
        "https://a.example.com/x?a=1&203.0.113.77.x=1".to_owned(),
    ] {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "distinct_id": "u-1", "$current_url": url }}),
        );
        let all = everywhere(&policy, &record);
        assert!(
            !all.contains(encoded.trim_end_matches('=')) && !all.contains("203.0.113.77"),
            "{all}"
        );
    }
}

#[test]
fn ordinary_nested_names_are_no_findings() {
    let policy = declaring(&analytics(), &["properties.obj"]);
    let obj = json!({
        "web.vitals": { "LCP": 1, "2.5": 2, "1": { "2": { "3": 5 } } },
        "versions": { "126.0.6478.61": 3 }, "at": { "1763812345123": 1 }, "2026-11-22": [1],
        "items[0].sku": "x", "a.b.c.d.e.f.g": 1, "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a11": 2,
    });
    let url = "https://a.example.com/?filter[created][gte]=1&utm_source=a#/x?tab=1.2.3";
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": { "obj": obj, "$current_url": url }}),
    );
    assert_eq!(record.findings(), []);
}

#[test]
fn numbers_are_looked_at_however_they_are_written() {
    let policy = declaring(&analytics(), &["properties.value", "properties.mobile"]);
    let get = |key: &str, value: &Value| {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "distinct_id": "u-1", key: value }}),
        );
        property(&sent(&policy, "v", &record), key).is_some()
    };
    let cards = [
        json!(4_111_111_111_111_111_i64),
        json!(-4_111_111_111_111_111_i64),
        json!(4_111_111_111_111_111.0),
        json!(4.111111111111111e15),
        json!(-4.111111111111111e15),
    ];
    for card in &cards {
        for key in ["value", "created", "$created", "$duration"] {
            assert!(!get(key, card), "{key} {card}");
        }
        assert!(!get("value", &json!([{ "x": card }])), "{card}");
        assert!(!get("value", &json!(json!({ "x": card }).to_string())));
    }
    for phone in [json!(491_701_234_567.0), json!(491_701_234_567.5)] {
        assert!(!get("mobile", &phone), "{phone}");
    }
    for (key, value) in [
        ("value", json!(-5)),
        ("value", json!(1_763_812_345_123.456)),
        ("value", json!(41_111_111.25)),
        ("value", json!(1e300)),
        ("created", json!(1_795_299_990)),
        ("$created", json!(1_795_299_990_123_i64)),
        ("$duration", json!(3.5)),
        ("$duration", json!(86_400_000)),
    ] {
        assert!(get(key, &value), "{key} {value}");
    }
}

#[test]
fn a_place_is_a_place_or_it_does_not_go() {
    let mut listed = analytics();
    listed["user.location"] = json!("country");
    listed["user.contact.address"] = json!("country");
    let mut finer = listed.clone();
    finer["user.location"] = json!("region");
    let policy = compile(1, source(vec![vendor("v", &listed), vendor("w", &finer)]));
    let outcome = |key: &str, text: &str| {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "distinct_id": "u-1", key: text }}),
        );
        let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
        let gets = |vendor| property(&sent(&policy, vendor, &record), key).is_some();
        (gets("v"), gets("w"), home.contains(text))
    };
    for text in [
        "DE",
        "deu",
        "Germany",
        "United States",
        "USA",
        "Côte d'Ivoire",
        "UK",
    ] {
        assert_eq!(
            outcome("mp_country_code", text),
            (true, true, true),
            "{text}"
        );
    }
    for text in [
        "Berlin",
        "CA",
        "US-CA",
        "13",
        "North Rhine-Westphalia",
        "Provence-Alpes-Côte d'Azur",
        "Bogotá D.C.",
    ] {
        assert_eq!(outcome("$region", text), (false, true, true), "{text}");
    }
    for text in [
        "São Paulo",
        "St. John's",
        "Paris 15",
        "'s-Hertogenbosch",
        "東京",
    ] {
        assert_eq!(outcome("$city", text), (false, false, true), "{text}");
    }
    for text in [
        "Bob Canary, 12 Main Street 90210",
        "12 Main Street",
        "bob.canary@example.org",
        "Canary Island of the Bob who lives in the blue house",
        "+49 170 1234567",
        "a1b2c3d4",
        "Bob\nCanary",
    ] {
        for key in [
            "mp_country_code",
            "country",
            "land",
            "$region",
            "state",
            "$city",
            "city",
        ] {
            assert_eq!(outcome(key, text), (false, false, false), "{key} {text}");
        }
    }
    for key in ["mp_country_code", "country"] {
        assert_eq!(outcome(key, "Bob Canary"), (false, false, false), "{key}");
    }
}

#[test]
fn a_host_and_a_port_are_looked_at() {
    let mut listed = analytics();
    listed["user.behavior.browsing_history"] = json!("clear");
    let policy = compile(1, source(vec![vendor("v", &listed)]));
    let see = |url: &str| {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "distinct_id": "u-1", "$current_url": url }}),
        );
        everywhere(&policy, &record)
    };
    for (url, secret) in [
        ("https://bob.canary%40example.org/x", "bob.canary"),
        ("https://bob.canary%2540example.org/x?a=1", "bob.canary"),
        ("https://bob.canary＠example.org/x", "bob.canary"),
        ("https://app.example.com:4111111111111111/x", "4111111"),
        ("https://app.example.com:99999/x", "99999"),
        ("https://bob:hunter2secret/x?plan=pro", "hunter2secret"),
        ("https://app.example.com:80 80/bob-canary", "80 80"),
        ("https://x.203.0.113.77.nip.io/x", "203.0.113.77"),
        ("https://4111111111111111.example.com/", "4111111111111111"),
        ("//bob.canary%40example.org/x", "bob.canary"),
    ] {
        // A second time, when the base could be remembered, and a third.
        for _ in 0..3 {
            let all = see(url);
            assert!(!all.contains(secret), "{url}: {all}");
        }
    }
    for url in [
        "https://app.example.com:8443/x",
        "http://localhost:3000/",
        "https://app.example.com:/x",
        "https://d111111abcdef8.cloudfront.net/x",
        "https://my-app-git-feature-one-team.vercel.app/x",
        "https://xn--exmple-cua.com/x",
        "https://bücher.example.com/x",
        "https://s3.eu-central-1.amazonaws.com/x",
        "https://web2-1-9.k8s.example.com/x",
    ] {
        assert!(see(url).contains(url), "{url}: {}", see(url));
    }
}

#[test]
fn text_that_nobody_named_goes_to_no_vendor() {
    let mut listed = analytics();
    listed["user.content"] = json!("clear");
    let policy = compile(1, source(vec![vendor("v", &listed)]));
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": { "newfield": "word", "newfield2": "two words",
            "packed": "{\"a\":\"b c\"}", "comment": "a known text" }}),
    );
    let names: Vec<String> = sent(&policy, "v", &record)
        .properties
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(names, ["comment"]);
}

#[test]
fn more_findings_than_can_be_listed_let_nothing_pass() {
    let mut source = source(vec![vendor("v", &analytics())]);
    let content = json!({"user.content": "clear", "user.contact.email": "clear"});
    source.home.extend(forms(&content));
    source.vendors[0].receives.extend(forms(&content));
    let policy = compile(1, source);
    let many: Vec<String> = (0..80).map(|at| format!("a{at}@example.com")).collect();
    let text = many.join(" ");
    for (key, text) in [
        ("comment", text.clone()),
        ("email", format!("{text} 4111 1111 1111 1111")),
    ] {
        let record = admit(&policy, &json!({"event": "e", "properties": { key: text }}));
        let vendor = sent(&policy, "v", &record);
        assert!(property(&vendor, key).is_none(), "{key}");
    }
    let record = admit(
        &policy,
        &json!({"event": text, "properties": { "distinct_id": "u-1" }}),
    );
    assert_eq!(sent(&policy, "v", &record).name, "[withheld]");
}

#[test]
fn odd_signs_hide_nothing() {
    let policy = declaring(&analytics(), &["properties.value"]);
    for text in [
        "bob.canary＠example.org",
        "bob.canary﹫example.org",
        "bob.canary\u{200b}@example.org",
        "bob.canary@exam\u{ad}ple.org",
        "４１１１１１１１１１１１１１１１",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "٤١١١١١١١١١١١١١١١",
        "203。0。113。77",
        "＋49 170 1234567",
    ] {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "value": text }}),
        );
        assert!(!everywhere(&policy, &record).contains(text), "{text}");
        assert!(!record.findings().is_empty(), "{text}");
        let record = admit(
            &policy,
            &json!({"event": text, "properties": { "value": 1 }}),
        );
        assert!(!sent(&policy, "v", &record).name.contains(text), "{text}");
    }
    for text in [
        "Bob\u{b}lives",
        "Bob\u{200b}Canary",
        "我的名字是张伟住在北京",
    ] {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "newfield": text }}),
        );
        let home = format!("{:?}", policy.minimize_home(&record, &Fake).unwrap());
        assert!(home.contains("Withheld") && !home.contains(text), "{home}");
    }
    for text in [
        "東京都",
        "Übersicht",
        "café–bar",
        "größer",
        "Überblick 2026",
    ] {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": { "value": text }}),
        );
        assert_eq!(record.findings(), [], "{text}");
    }
}

#[test]
fn names_that_became_the_same_are_sent_once() {
    let mut listed = analytics();
    listed["user.contact.email"] = json!("token");
    let policy = declaring(&listed, &["properties.obj"]);
    let record = admit(
        &policy,
        &json!({"event": "e", "properties": { "a.c@example.com": 1, "b.c@example.com": 2,
            "obj": { "a.c@example.com": 1, "b.c@example.com": 2, "plan": "pro" } }}),
    );
    let vendor = sent(&policy, "v", &record);
    let names: Vec<&str> = vendor.properties.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["[email]", "obj"]);
    let object = serde_json::to_string(property(&vendor, "obj").unwrap()).unwrap();
    assert_eq!(object.matches("[email]").count(), 1, "{object}");
}

#[test]
fn an_id_of_the_envelope_stays_what_contracts_must_name() {
    let problems = |path: &str, category| {
        let mut source = source(vec![vendor("v", &analytics())]);
        source
            .fields
            .insert(path.to_owned(), Category::of(category));
        let compiled = Policy::compile(cofferdam_policy::PolicyId(1), source);
        compiled.err().map_or(0, |problems| problems.len())
    };
    for path in ["distinct_id", "group_id", "ip"] {
        for category in ["user.behavior", "user", "system", "unclassified"] {
            assert_eq!(problems(path, category), 1, "{path} {category}");
        }
        for category in [
            "user.unique_id",
            "user.contact.email",
            "user.contact.organization.id",
        ] {
            assert_eq!(problems(path, category), 0, "{path} {category}");
        }
    }
    assert_eq!(problems("time", "user.behavior"), 0);
}
