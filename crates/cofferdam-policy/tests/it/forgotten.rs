//! Ids of forgotten people: whoever names one beside their own, under whatever name, is not refused, but the id is withheld.
//!
//! Invariant: nobody gets such an id or its token, home included; ids of other people and of other things are not touched.

use crate::support::*;
use crate::vendors::profile;
use cofferdam_model::{
    Category, IncomingUpdate, Limits, Operation, ProjectName, Refusal, Value, VendorId,
};
use cofferdam_policy::{
    ForgottenIds, HomeItem, IntakeContext, Policy, PolicySource, Record, VendorItem,
};
use serde_json::json;

#[derive(Debug)]
struct Ids(&'static [&'static str]);

impl ForgottenIds for Ids {
    fn is_forgotten(&self, id: &str) -> bool {
        self.0.contains(&id)
    }
}

const FORGOTTEN: Ids = Ids(&["u1", "424242", "bob@example.org"]);

/// A vendor that gets ids as tokens, also those in URLs, and fields that the operator declared.
fn policy() -> Policy {
    let receives = json!({
        "user.unique_id": "token", "user.unique_id.pseudonymous": "token", "user.behavior": "clear",
        "user.device.device_id": "token", "user.behavior.browsing_history": "clear",
        "user.contact.organization.id": "token"
    });
    let fields = [
        ("properties.buddy", "user.unique_id"),
        ("properties.peers", "user.unique_id"),
        ("properties.ctx", "user.behavior"),
    ];
    compile(
        1,
        PolicySource {
            fields: fields
                .map(|(path, category)| (path.to_owned(), Category::of(category)))
                .into(),
            ..source(vec![vendor("v", &receives)])
        },
    )
}

fn admit(policy: &Policy, properties: &serde_json::Value, forgotten: &Ids) -> Record {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let context = IntakeContext {
        forgotten: Some(forgotten),
        ..context(&name, &limits, None)
    };
    let event = event(&json!({ "event": "e", "properties": properties }));
    Record::Event(policy.admit(&context, &event, &identity("i")).unwrap())
}

/// What home and the vendor get, as text.
fn everywhere(policy: &Policy, record: &Record) -> (String, String) {
    let HomeItem::Event(home) = policy.minimize_home(record, &Fake).unwrap().into_item() else {
        panic!("an event was admitted")
    };
    let opened: Vec<String> = home
        .sealed
        .iter()
        .map(|(path, sealed)| {
            let plain: Vec<u8> = sealed.iter().skip(16).map(|byte| byte ^ 0xA5).collect();
            format!("{path} {}", String::from_utf8_lossy(&plain))
        })
        .collect();
    let home = format!("{:?} {opened:?}", home.properties);
    (home, format!("{:?}", sent(policy, "v", record).properties))
}

/// The paths that are withheld because the id in them is a forgotten one's.
fn withheld(record: &Record) -> Vec<String> {
    let shape = record.shape();
    let fields = shape.iter();
    fields
        .filter(|field| field.refusal == Some(Refusal::Forgotten))
        .map(|field| field.path.to_string())
        .collect()
}

#[test]
fn a_forgotten_id_is_withheld_under_every_name_and_shape() {
    let policy = policy();
    let token = format!(
        "{:?}",
        sent(
            &policy,
            "v",
            &admit(&policy, &json!({"user_id": "u1"}), &Ids(&[]))
        )
        .properties
    );
    let token = token
        .split('"')
        .find(|part| part.len() == 32)
        .unwrap()
        .to_owned();
    for (properties, path) in [
        (json!({"user_id": "u1"}), "properties.user_id"),
        (json!({"$user_id": "u1"}), "properties.$user_id"),
        (json!({"uid": "u1"}), "properties.uid"),
        (json!({"customer_id": "u1"}), "properties.customer_id"),
        (json!({"device_id": "u1"}), "properties.device_id"),
        (json!({"buddy": "u1"}), "properties.buddy"),
        (json!({"peers": ["x", "u1"]}), "properties.peers[]"),
        (json!({"peers": {"a": "u1"}}), "properties.peers.a"),
        (
            json!({"$distinct_ids": ["u1"]}),
            "properties.$distinct_ids[]",
        ),
        (
            json!({"ctx": {"distinct_id": "u1"}}),
            "properties.ctx.distinct_id",
        ),
        (
            json!({"ctx": [{"$user_id": "u1"}]}),
            "properties.ctx[].$user_id",
        ),
        (
            json!({"ctx": r#"{"distinct_id":"u1"}"#}),
            "properties.ctx.distinct_id",
        ),
        (json!({"user_id": 424_242}), "properties.user_id"),
        (json!({"user_id": 424_242.0}), "properties.user_id"),
        (
            json!({"$current_url": "https://a.example.com/?user_id=u1&q=1"}),
            "properties.$current_url?user_id",
        ),
        (
            json!({"$current_url": "https://a.example.com/#distinct_id=u1"}),
            "properties.$current_url#distinct_id",
        ),
        (
            json!({"$current_url": "https://a.example.com/?user_id=bob%40example.org"}),
            "properties.$current_url?user_id",
        ),
    ] {
        let record = admit(&policy, &properties, &FORGOTTEN);
        assert_eq!(withheld(&record), [path], "{properties}");
        let (home, vendor) = everywhere(&policy, &record);
        for leak in ["u1", "424242", "bob", token.as_str()] {
            assert!(
                !home.contains(leak) && !vendor.contains(leak),
                "{properties}: {leak} in {home} {vendor}"
            );
        }
        let bytes = |record: Record| {
            let mut bytes = Vec::new();
            cofferdam_policy::record::encode(&[], &[record], &Fake, &mut bytes).unwrap();
            cofferdam_policy::record::decode(&bytes).unwrap().records
        };
        assert_eq!(
            withheld(&bytes(record)[0]),
            [path],
            "it stays so in the record"
        );
    }
}

#[test]
fn ids_of_others_and_of_other_things_go_on() {
    let policy = policy();
    for properties in [
        json!({"user_id": "u2", "$user_id": "u2", "buddy": "u2"}),
        json!({"order_id": "u1", "org_id": 424_242, "price": 424_242, "ctx": "u1"}),
    ] {
        let record = admit(&policy, &properties, &FORGOTTEN);
        assert_eq!(withheld(&record), Vec::<String>::new());
        assert_eq!(
            everywhere(&policy, &record),
            everywhere(&policy, &admit(&policy, &properties, &Ids(&[])))
        );
    }
    // Whom the event itself is about was resolved before.
    let record = admit(
        &policy,
        &json!({"distinct_id": "u1", "plan": "pro"}),
        &FORGOTTEN,
    );
    assert_eq!(withheld(&record), Vec::<String>::new());
}

#[test]
fn an_update_that_only_names_a_forgotten_id_says_so() {
    let policy = policy();
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let context = IntakeContext {
        forgotten: Some(&FORGOTTEN),
        ..context(&name, &limits, None)
    };
    let update =
        |values: &serde_json::Value| -> IncomingUpdate<'static> { profile(Operation::Set, values) };
    let only = update(&json!({"user_id": "u1"}));
    let record = Record::Update(policy.admit_update(&context, &only, &identity("")).unwrap());
    let v = VendorId::from("v");
    let item = policy.minimize_vendor(&v, &record, &send(&policy), &Fake, &Fake);
    assert_eq!(item.err(), Some(Refusal::Forgotten));
    let both = update(&json!({"user_id": "u1", "plan": "pro"}));
    let record = Record::Update(policy.admit_update(&context, &both, &identity("")).unwrap());
    let item = policy.minimize_vendor(&v, &record, &send(&policy), &Fake, &Fake);
    let VendorItem::Update(update) = item.unwrap().into_item() else {
        panic!("an update was admitted")
    };
    assert_eq!(update.values, [("plan".into(), Value::Text("pro".into()))]);
}
