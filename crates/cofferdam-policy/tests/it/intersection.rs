//! Policy at intake and policy at send: what goes is what both permit.

use crate::support::*;
use cofferdam_model::{Category, Refusal, VendorId};
use cofferdam_policy::{HomeItem, SendContext, VendorItem};
use serde_json::json;

fn page() -> serde_json::Value {
    json!({"event": "Page", "properties": {
        "distinct_id": "u-1", "$insert_id": "i-1", "email": "ada@example.com", "codename": "blue",
        "$current_url": "https://x.example.com/a/b?utm_source=n", "mp_country_code": "DE", "$region": "Berlin"}})
}

/// What the vendor gets of an event admitted under `then`, sent under `now`: the text of its properties.
fn between(then: &serde_json::Value, now: &serde_json::Value) -> Result<String, Refusal> {
    let then = compile(1, source(vec![vendor("v", then)]));
    let now = compile(2, source(vec![vendor("v", now)]));
    let record = admit(&then, &page());
    let context = SendContext {
        admitted_under: &then,
        ..send(&then)
    };
    let item = now.minimize_vendor(&VendorId::from("v"), &record, &context, &Fake, &Fake)?;
    match item.into_item() {
        VendorItem::Event(event) => Ok(serde_json::to_string(
            &event
                .properties
                .iter()
                .map(|(k, v)| (k.to_string(), v))
                .collect::<std::collections::BTreeMap<_, _>>(),
        )
        .unwrap()
            + &event.distinct_id),
        VendorItem::Update(_) => panic!("an event was admitted"),
    }
}

#[test]
fn a_wider_contract_is_never_retroactive_and_a_narrower_one_is_at_once() {
    let narrow = json!({"user.behavior": "clear", "user.behavior.browsing_history": "origin", "user.location": "country"});
    let wide = json!({"user.behavior": "clear", "user.behavior.browsing_history": "clear", "user.location": "clear",
        "user.contact.email": "clear", "user.unique_id": "clear"});
    let expected = r#"{"$current_url":"https://x.example.com","mp_country_code":"DE"}"#;
    for (then, now) in [(&narrow, &wide), (&wide, &narrow)] {
        assert_eq!(between(then, now).unwrap(), expected);
    }
    assert!(between(&wide, &wide).unwrap().contains("ada@example.com"));
}

#[test]
fn forms_without_a_common_one_go_nowhere() {
    let token = json!({"user.behavior": "clear", "user.contact.email": "token"});
    let path = json!({"user.behavior": "clear", "user.contact.email": "origin"});
    assert!(!between(&token, &path).unwrap().contains("email"));
    assert!(!between(&path, &token).unwrap().contains("email"));
}

#[test]
fn a_field_named_since_is_judged_by_its_new_category_as_well() {
    let table = json!({"user.behavior": "clear", "user.name": "clear"});
    let mut named = source(vec![vendor("v", &table)]);
    let then = compile(1, named.clone());
    named.fields.insert(
        "properties.codename".to_owned(),
        Category::of("user.behavior"),
    );
    let now = compile(2, named.clone());
    let record = admit(&then, &page());
    let context = SendContext {
        admitted_under: &then,
        ..send(&then)
    };
    let vendor = VendorId::from("v");
    let item = now
        .minimize_vendor(&vendor, &record, &context, &Fake, &Fake)
        .unwrap();
    assert!(
        !format!("{item:?}").contains("blue"),
        "it was unclassified at intake"
    );

    // The other way round: behavior at intake, a name today.
    let record = admit(&now, &page());
    named.fields.insert(
        "properties.codename".to_owned(),
        Category::of("user.financial"),
    );
    let today = compile(3, named);
    let context = SendContext {
        admitted_under: &now,
        ..send(&now)
    };
    let item = today
        .minimize_vendor(&vendor, &record, &context, &Fake, &Fake)
        .unwrap();
    assert!(
        !format!("{item:?}").contains("blue"),
        "it is financial today"
    );
    let HomeItem::Event(home) = today.minimize_home(&record, &Fake).unwrap().into_item() else {
        panic!("an event was admitted")
    };
    assert!(home.properties.iter().all(|(key, _)| &**key != "codename"));
}

#[test]
fn home_does_not_get_later_what_it_could_not_have_at_intake() {
    let mut narrow = source(vec![vendor(
        "v",
        &json!({"user.behavior": "clear", "user.contact.email": "clear"}),
    )]);
    narrow.home.insert(
        Category::of("user.contact"),
        cofferdam_model::Form::Withheld,
    );
    let then = compile(1, narrow.clone());
    narrow
        .home
        .insert(Category::of("user.contact"), cofferdam_model::Form::Sealed);
    let now = compile(2, narrow);
    let record = admit(&then, &page());
    let HomeItem::Event(home) = now.minimize_home(&record, &Fake).unwrap().into_item() else {
        panic!("an event was admitted")
    };
    assert!(home.sealed.is_empty());
    assert!(
        home.withheld
            .iter()
            .any(|(path, why)| &**path == "properties.email" && *why == Refusal::NotKept)
    );
}

#[test]
fn a_vendor_or_policy_that_was_not_there_at_intake_gets_nothing() {
    let then = compile(1, source(vec![]));
    let now = compile(2, source(vec![vendor("v", &analytics())]));
    let record = admit(&then, &page());
    let vendor = VendorId::from("v");
    let context = SendContext {
        admitted_under: &then,
        ..send(&then)
    };
    let refusal = |context: &SendContext<'_>| {
        now.minimize_vendor(&vendor, &record, context, &Fake, &Fake)
            .unwrap_err()
    };
    assert_eq!(refusal(&context), Refusal::NotKept);
    assert_eq!(refusal(&send(&now)), Refusal::PolicyBroken);
    let broken = cofferdam_policy::Policy::refuse_all(cofferdam_policy::PolicyId(1));
    assert_eq!(
        refusal(&SendContext {
            admitted_under: &broken,
            ..context
        }),
        Refusal::PolicyBroken
    );
    assert_eq!(
        broken.minimize_home(&record, &Fake).unwrap_err(),
        Refusal::PolicyBroken
    );
}
