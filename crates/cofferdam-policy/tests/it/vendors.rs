//! Tokens, ids, groups and updates, and policies that do not compile.

use crate::hostile::group_update;
use crate::support::*;
use cofferdam_model::{
    Category, Form, IdentityClaim, IncomingUpdate, Limits, Operation, OrganizationNumber,
    PersonNumber, ProjectName, Provenance, Refusal, Subject, Value, VendorId,
};
use cofferdam_policy::{
    FieldOutcome, HomeItem, HomeSubject, IntakeContext, Policy, PolicyId, PolicyPlace, Record,
    ResolvedIdentity, VendorItem, VendorSource, VendorSubject,
};
use serde_json::json;
use std::borrow::Cow;

const UUID: &str = "0e6a3a52-3d58-4f0c-9f7f-2f8f1c0f6a11";

fn text<'v>(event: &'v cofferdam_policy::VendorEvent, name: &str) -> &'v str {
    property(event, name).unwrap().as_text().unwrap()
}

#[test]
fn ids_in_a_url_join_no_two_vendors() {
    let mut listed = analytics();
    listed["user.behavior.browsing_history"] = json!("clear");
    let policy = compile(1, source(vec![vendor("v", &listed), vendor("w", &listed)]));
    let record = admit(
        &policy,
        &json!({"event": "Viewed", "properties": { "distinct_id": "ada",
            "$current_url": "https://1.example.com/1/orgs/acme/keys/550e8400-e29b-41d4-a716-446655440000/edit?utm_source=a#/users/ada" }}),
    );
    let url = |vendor| text(&sent(&policy, vendor, &record), "$current_url").to_owned();
    let (one, other) = (url("v"), url("w"));
    let segments = |url: &str| url.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (ones, others) = (segments(&one), segments(&other));
    assert_eq!(ones.len(), others.len());
    for (at, name) in [(2, "1.example.com"), (4, "orgs"), (6, "keys")] {
        assert_eq!(ones[at], name);
        assert_eq!(others[at], name);
    }
    for at in [3, 5, 7] {
        assert_eq!(ones[at].len(), 32, "{one}");
        assert_ne!(ones[at], others[at]);
    }
    for leaked in ["acme", "550e8400", "ada"] {
        assert!(!one.contains(leaked), "{one}");
    }
    assert!(one.contains("utm_source=a"), "{one}");
}

/// What the ledger lists and what `explain` says is what goes: no address, whatever is listed or observed; masked text as masked; the
/// event's name and time as fields of their own.
#[test]
fn explanation_exposures_and_event_agree() {
    let mut listed = analytics();
    listed["user.device.ip_address"] = json!("clear");
    listed["user.content"] = json!("clear");
    let mut observed = vendor("observed", &analytics());
    observed.observe_until = Some(RECEIVED.day());
    let mut source = source(vec![vendor("listed", &listed), observed]);
    source
        .fields
        .insert("properties.note".to_owned(), Category::of("user.content"));
    let policy = compile(1, source);
    let value = json!({"event": "Asked ada@example.com", "properties": {
        "distinct_id": "ada", "ip": "203.0.113.7", "$ip": "203.0.113.7", "note": "please write to ada@example.com soon" }});
    let record = admit(&policy, &value);
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let explanation = policy.explain(&context(&name, &limits, None), &event(&value));
    let told = |path: &str| explanation.fields.iter().find(|field| *field.path == *path);
    for id in ["listed", "observed"] {
        let sent = sent(&policy, id, &record);
        for exposure in &sent.fate.exposures {
            let field = told(&exposure.path).unwrap();
            let (_, outcome) = field
                .vendors
                .iter()
                .find(|(vendor, _)| vendor.as_str() == id)
                .unwrap();
            assert_eq!(
                *outcome,
                FieldOutcome::Form(exposure.form),
                "{}",
                field.path
            );
        }
        let paths: Vec<&str> = sent.fate.exposures.iter().map(|one| &*one.path).collect();
        assert!(
            paths.contains(&"event") && paths.contains(&"time"),
            "{paths:?}"
        );
        assert!(!paths.iter().any(|path| path.ends_with("ip")), "{paths:?}");
        assert!(property(&sent, "ip").is_none() && property(&sent, "$ip").is_none());
    }
    let address = told("properties.$ip").unwrap();
    assert!(
        address
            .vendors
            .iter()
            .all(|(_, outcome)| *outcome == FieldOutcome::Refused(Refusal::NeverSent)),
        "{address:?}"
    );
    let note = told("properties.note").unwrap();
    let listed = sent(&policy, "listed", &record);
    assert!(!text(&listed, "note").contains("ada@example.com"));
    assert!(note.masked, "{note:?}");
    assert!(
        note.because
            .contains("listed gets it with the personal data in it masked"),
        "{}",
        note.because
    );
    assert!(told("event").unwrap().masked);
    assert!(!told("time").unwrap().masked);
}

#[test]
fn one_id_has_one_token_wherever_it_hides() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let record = admit(
        &policy,
        &json!({"event": "$identify", "properties": {
        "distinct_id": "ada", "$user_id": "ada", "$identified_id": "ada", "alias": "ada",
        "$device_id": UUID, "$anon_distinct_id": format!("$device:{UUID}"), "$anon_id": UUID,
        "$distinct_ids": ["ada", UUID], "org_id": "org-17", "$insert_id": "0123456789abcdef"}}),
    );
    let event = sent(&policy, "v", &record);
    assert_eq!(event.distinct_id.len(), 32);
    for name in ["$user_id", "$identified_id", "alias"] {
        assert_eq!(text(&event, name), event.distinct_id, "{name}");
    }
    let device = text(&event, "$device_id");
    assert_eq!(device.len(), 36);
    assert_eq!(&device[14..15], "4");
    assert!("89ab".contains(&device[19..20]));
    assert_eq!(
        text(&event, "$anon_distinct_id"),
        format!("$device:{device}")
    );
    assert_eq!(text(&event, "$anon_id"), device);
    assert_eq!(
        property(&event, "$distinct_ids").unwrap(),
        &Value::List(vec![
            Value::Text(event.distinct_id.clone().into()),
            Value::Text(device.to_owned().into())
        ])
    );
    assert!(event.insert_id.len() <= 36);
    assert!(
        event
            .insert_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    );
    assert_eq!(text(&event, "org_id").len(), 32);
    assert!(!format!("{event:?}").contains("ada\""));
}

#[test]
fn an_id_that_names_nobody_is_never_a_token() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    for nobody in [
        "anonymous",
        "NULL",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "$device:",
    ] {
        let record = admit(
            &policy,
            &json!({"event": "e", "properties": {"distinct_id": "u-1", "$user_id": nobody}}),
        );
        assert!(
            property(&sent(&policy, "v", &record), "$user_id").is_none(),
            "{nobody}"
        );
    }
}

pub(crate) fn update(
    policy: &Policy,
    update: &IncomingUpdate<'_>,
    provenance: Provenance,
) -> Result<Record, Refusal> {
    let (name, limits) = (ProjectName::from("console"), Limits::default());
    let context = IntakeContext {
        provenance,
        ..context(&name, &limits, None)
    };
    let identity = ResolvedIdentity {
        person: PERSON,
        organization: Some(OrganizationNumber(4)),
        insert_key: [0; 16],
        insert_id: "",
    };
    policy
        .admit_update(&context, update, &identity)
        .map(Record::from)
}

pub(crate) fn profile(operation: Operation, values: &serde_json::Value) -> IncomingUpdate<'static> {
    let Value::Object(values) = of_json(values) else {
        panic!("an object")
    };
    IncomingUpdate {
        index: 0,
        token: None,
        subject: Subject::Person,
        operation,
        time: None,
        identity: IdentityClaim {
            distinct_id: Some(Cow::Borrowed("ada")),
            ..IdentityClaim::default()
        },
        values,
    }
}

#[test]
fn profiles_and_groups_go_by_the_same_rules() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let values =
        json!({"$email": "ada@example.com", "$name": "Ada", "plan": "pro", "$os": "Linux"});
    let record = update(
        &policy,
        &profile(Operation::Set, &values),
        Provenance::Claimed,
    )
    .unwrap();
    let item = policy.minimize_vendor(&VendorId::from("v"), &record, &send(&policy), &Fake, &Fake);
    let VendorItem::Update(sent) = item.unwrap().into_item() else {
        panic!("an update")
    };
    assert!(
        matches!(&sent.subject, VendorSubject::Person { distinct_id } if distinct_id.len() == 32)
    );
    let names: Vec<&str> = sent.values.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["plan", "$os"]);
    let HomeItem::Update(home) = policy.minimize_home(&record, &Fake).unwrap().into_item() else {
        panic!("an update")
    };
    assert_eq!(
        home.sealed
            .iter()
            .map(|(name, _)| &**name)
            .collect::<Vec<_>>(),
        ["$email", "$name"]
    );

    let group = IncomingUpdate {
        subject: Subject::Group {
            key: "org_id".into(),
            id: "org-17".into(),
        },
        identity: IdentityClaim::default(),
        ..profile(
            Operation::Set,
            &json!({"$name": "Example Ltd", "plan": "team"}),
        )
    };
    let record = update(&policy, &group, Provenance::Claimed).unwrap();
    assert_eq!(record.person(), PersonNumber::ORGANIZATIONS);
    let HomeItem::Update(home) = policy.minimize_home(&record, &Fake).unwrap().into_item() else {
        panic!("an update")
    };
    assert_eq!(
        home.subject,
        HomeSubject::Organization(OrganizationNumber(4))
    );
    let item = policy.minimize_vendor(&VendorId::from("v"), &record, &send(&policy), &Fake, &Fake);
    let VendorItem::Update(sent) = item.unwrap().into_item() else {
        panic!("an update")
    };
    let event = admit(
        &policy,
        &json!({"event": "e", "properties": {"org_id": "org-17"}}),
    );
    let event = crate::support::sent(&policy, "v", &event);
    assert_eq!(
        sent.subject,
        VendorSubject::Group {
            key: "org_id".to_owned(),
            id: text(&event, "org_id").to_owned()
        }
    );
}

#[test]
fn an_update_of_which_nothing_may_go_does_not_go() {
    let policy = compile(
        1,
        source(vec![
            vendor("v", &analytics()),
            vendor("w", &json!({"user.behavior": "clear"})),
        ]),
    );
    let record = update(
        &policy,
        &profile(Operation::Set, &json!({"$email": "ada@example.com"})),
        Provenance::Claimed,
    )
    .unwrap();
    for (id, refusal) in [("v", Refusal::NotListed), ("w", Refusal::NotListed)] {
        let item =
            policy.minimize_vendor(&VendorId::from(id), &record, &send(&policy), &Fake, &Fake);
        assert_eq!(item.unwrap_err(), refusal);
    }
}

#[test]
fn an_update_with_nothing_in_it_is_not_sent() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let sent = |operation, values: &serde_json::Value| {
        let record = update(&policy, &profile(operation, values), Provenance::Verified).unwrap();
        policy.minimize_vendor(&VendorId::from("v"), &record, &send(&policy), &Fake, &Fake)
    };
    for empty in [Operation::Set, Operation::SetOnce, Operation::Append] {
        assert_eq!(sent(empty, &json!({})).unwrap_err(), Refusal::Ignored);
    }
    for told in [Operation::Delete, Operation::Unset] {
        assert!(sent(told, &json!({})).is_ok(), "{told:?}");
    }
}

#[test]
fn a_public_token_cannot_delete() {
    let policy = compile(1, source(vec![]));
    let delete = profile(Operation::Delete, &json!({}));
    assert_eq!(
        update(&policy, &delete, Provenance::Claimed).unwrap_err(),
        Refusal::ClaimedDelete
    );
    assert!(update(&policy, &delete, Provenance::Verified).is_ok());
}

#[test]
fn unset_names_only_what_the_vendor_may_have() {
    let policy = compile(1, source(vec![vendor("v", &analytics())]));
    let unset = profile(Operation::Unset, &json!({"$email": null, "plan": null}));
    let record = update(&policy, &unset, Provenance::Claimed).unwrap();
    let item = policy.minimize_vendor(&VendorId::from("v"), &record, &send(&policy), &Fake, &Fake);
    let VendorItem::Update(sent) = item.unwrap().into_item() else {
        panic!("an update")
    };
    assert_eq!(
        sent.values
            .iter()
            .map(|(name, _)| &**name)
            .collect::<Vec<_>>(),
        ["plan"]
    );
}

#[test]
fn a_policy_with_mistakes_names_them_all() {
    let mut wrong = source(vec![vendor(
        "v",
        &json!({"user.name": "sealed", "unclassified": "clear", "secret": "token"}),
    )]);
    wrong.vendors[0].purpose = "fun".to_owned();
    wrong.vendors[0].projects.push(ProjectName::from("nowhere"));
    wrong
        .home
        .insert(Category::of("user.name"), cofferdam_model::Form::Token);
    wrong
        .fields
        .insert("plan".to_owned(), Category::of("user.behavior"));
    let problems = Policy::compile(PolicyId(1), wrong).unwrap_err();
    let keys: Vec<String> = problems
        .iter()
        .map(|problem| match &problem.place {
            PolicyPlace::Vendor(_, key) => key.clone(),
            place => format!("{place:?}"),
        })
        .collect();
    assert_eq!(
        keys,
        [
            "Home(\"user.name\")",
            "purpose",
            "projects",
            "receives.secret",
            "receives.unclassified",
            "receives.user.name",
            "Field(\"plan\")"
        ]
    );
}

#[test]
fn a_group_key_that_nobody_named_is_exposed_as_unclassified_in_observe_mode() {
    let observed = VendorSource {
        observe_until: Some(day("2030-01-01")),
        ..vendor("v", &analytics())
    };
    let observing = compile(1, source(vec![observed]));
    for (key, category) in [("org_id", "user.behavior"), ("bobcanary", "unclassified")] {
        let update = group_update(&observing, key).unwrap();
        let exposure = update
            .fate
            .exposures
            .iter()
            .find(|one| &*one.path == "group_key");
        let exposure = exposure.unwrap();
        assert_eq!(exposure.category, Category::of(category), "{key}");
        assert_eq!(exposure.form, Form::Clear);
        let would = update.fate.would_withhold.iter();
        let told = would.filter(|(path, _)| &**path == "group_key").count();
        assert_eq!(told, usize::from(key == "bobcanary"), "{key}");
    }
}
