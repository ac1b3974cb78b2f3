//! The folder of cases: each file is an event and what is special about the policy; the snapshot is what everybody gets.
//!
//! Run with `INSTA_UPDATE=always` to accept; the difference is to be read like code, because nothing else says what is right.
//! Invariant: what a recipient gets in a case changes only together with its snapshot.

use crate::support::{
    Fake, RECEIVED, admit_with, analytics, compile, context, event, home, send, source, vendor,
};
use cofferdam_model::{Limits, Place, ProjectName, VendorId};
use cofferdam_policy::{HomeItem, IntakeContext, Policy, Record, Signals, VendorItem};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn cases() {
    insta::glob!("cases/*.json", |path| {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        insta::assert_json_snapshot!(outcome(&case));
    });
}

fn policy(case: &Value) -> Policy {
    let mut vendors = Vec::new();
    if case["vendors"].is_null() {
        vendors.push(vendor("analytics", &analytics()));
    }
    for (id, receives) in case["vendors"].as_object().into_iter().flatten() {
        vendors.push(vendor(id, receives));
    }
    let mut source = source(vendors);
    source.home = home();
    if let Some(entries) = case["home"].as_object() {
        for (category, form) in entries {
            source
                .home
                .extend(crate::support::forms(&json!({ category: form })));
        }
    }
    source.fields = serde_json::from_value(case["fields"].clone()).unwrap_or_default();
    compile(1, source)
}

fn outcome(case: &Value) -> Value {
    let policy = policy(case);
    let record = admit_case(&policy, case);
    let shape: Vec<String> = record
        .shape()
        .iter()
        .map(|field| {
            let refusal = field.refusal.map_or("kept", |refusal| refusal.code());
            format!(
                "{}: {} by {}: {refusal}",
                field.path, field.category, field.rule
            )
        })
        .collect();
    let findings: Vec<String> = record
        .findings()
        .iter()
        .map(|finding| format!("{}: {} by {}", finding.path, finding.category, finding.rule))
        .collect();
    let mut vendors = BTreeMap::new();
    for known in &policy.source().vendors {
        vendors.insert(
            known.id.to_string(),
            vendor_part(&policy, &known.id, &record),
        );
    }
    json!({
        "name": record.event_name(),
        "shape": shape,
        "findings": findings,
        "home": home_part(&policy, &record),
        "vendors": vendors,
    })
}

fn admit_case(policy: &Policy, case: &Value) -> Record {
    let place: Option<Place> = serde_json::from_value(case["place"].clone()).unwrap();
    if place.is_none() && case["address"].is_null() {
        return admit_with(policy, &case["event"], Signals::default());
    }
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let event = event(&case["event"]);
    let context = IntakeContext {
        address: case["address"]
            .as_str()
            .map(|address| address.parse().unwrap()),
        user_agent: case["user_agent"].as_str(),
        ..context(&name, &limits, place.as_ref())
    };
    let identity = crate::support::identity("case-1");
    Record::Event(policy.admit(&context, &event, &identity).unwrap())
}

fn home_part(policy: &Policy, record: &Record) -> Value {
    match policy
        .minimize_home(record, &Fake)
        .map(|item| item.into_item())
    {
        Err(refusal) => json!({ "refused": refusal.code() }),
        Ok(HomeItem::Update(_)) => panic!("an event was admitted"),
        Ok(HomeItem::Event(event)) => json!({
            "properties": map(&event.properties),
            "sealed": event.sealed.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(),
            "withheld": event.withheld.iter()
                .map(|(path, refusal)| format!("{path}: {}", refusal.code()))
                .collect::<Vec<_>>(),
        }),
    }
}

fn vendor_part(policy: &Policy, id: &VendorId, record: &Record) -> Value {
    assert_eq!(record.received(), RECEIVED);
    match policy.minimize_vendor(id, record, &send(policy), &Fake, &Fake) {
        Err(refusal) => json!({ "refused": refusal.code() }),
        Ok(item) => match item.into_item() {
            VendorItem::Update(_) => panic!("an event was admitted"),
            VendorItem::Event(event) => json!({
                "name": event.name,
                "distinct_id": event.distinct_id,
                "insert_id": event.insert_id,
                "properties": map(&event.properties),
                "exposures": event.fate.exposures.iter()
                    .map(|one| format!("{} {} {}", one.path, one.category, one.form.as_str()))
                    .collect::<Vec<_>>(),
            }),
        },
    }
}

fn map(values: &[(std::sync::Arc<str>, cofferdam_model::Value<'static>)]) -> Value {
    Value::Object(
        values
            .iter()
            .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap()))
            .collect(),
    )
}
