//! One update per operation, whole objects or none.

use super::*;

fn read(json: &str, groups: bool) -> (Result<(), Rejected>, Batch<'static>) {
    let text: &'static str = Box::leak(json.to_owned().into_boxed_str());
    let limits = Limits::default();
    let caps = crate::json::Caps::new(&limits, 2, super::super::ids::is_id_key);
    let mut batch = Batch::default();
    let value = crate::json::parse(text, &caps, &mut batch.notes)
        .unwrap()
        .remove(0)
        .unwrap();
    let result = if groups {
        group(3, value, &limits, &mut batch)
    } else {
        person(3, value, &limits, &mut batch)
    };
    (result, batch)
}

fn updates(json: &str, groups: bool) -> Vec<IncomingUpdate<'static>> {
    let (result, batch) = read(json, groups);
    assert_eq!(result, Ok(()), "{json}");
    batch
        .items
        .into_iter()
        .map(|item| match item {
            Incoming::Update(update) => update,
            Incoming::Event(_) => panic!("an update"),
        })
        .collect()
}

fn refused(json: &str, groups: bool) -> (Refusal, &'static str) {
    let (result, batch) = read(json, groups);
    assert_eq!(batch.items, []);
    let rejected = result.unwrap_err();
    assert_eq!(rejected.index, 3);
    (rejected.refusal, rejected.field)
}

#[test]
fn several_operations_share_subject_and_time() {
    let found = updates(
        r#"{"$token":"t","$distinct_id":"u","$device_id":"$device:d","$user_id":"u","$time":1700000000000,"$ignore_time":true,
            "$set":{"a":1},"$set_once":{"b":2},"$unset":["c","d"],"$add":{"e":3},"$append":{"f":[4]},"$union":{"g":["h"]},
            "$remove":{"i":"j"},"$delete":"","$odd":1}"#,
        false,
    );
    let operations: Vec<_> = found.iter().map(|update| update.operation).collect();
    assert_eq!(
        operations,
        [
            Operation::Set,
            Operation::SetOnce,
            Operation::Unset,
            Operation::Add,
            Operation::Append,
            Operation::Union,
            Operation::Remove,
            Operation::Delete
        ]
    );
    for update in &found {
        assert_eq!((update.index, update.token.as_deref()), (3, Some("t")));
        assert_eq!(update.time, Some(TimestampMs(1_700_000_000_000)));
        assert_eq!(update.identity.distinct_id.as_deref(), Some("u"));
        assert_eq!(update.identity.device_id.as_deref(), Some("d"));
        assert_eq!(update.subject, Subject::Person);
    }
    assert_eq!(
        found[2].values,
        [("c".into(), Value::Null), ("d".into(), Value::Null)]
    );
    assert_eq!(found[7].values, []);
}

#[test]
fn where_the_person_is_travels_with_set_and_with_nothing_else() {
    let json =
        r#"{"$distinct_id":"u","$ip":"203.0.113.9","$latitude":52.2,"$set":{"$latitude":1}}"#;
    let (_, batch) = read(json, false);
    assert_eq!(batch.notes.ignored_members, 1);
    let found = updates(json, false);
    assert_eq!(
        found[0].values,
        [
            ("$latitude".into(), Value::Int(1)),
            ("$ip".into(), Value::Text("203.0.113.9".into()))
        ]
    );
    let (result, batch) = read(
        r#"{"$distinct_id":"u","$ip":"203.0.113.9","$add":{"a":1}}"#,
        false,
    );
    assert_eq!((result, batch.notes.ignored_members), (Ok(()), 1));
}

#[test]
fn unset_takes_one_name_too() {
    let found = updates(r#"{"$distinct_id":"u","$unset":"a"}"#, false);
    assert_eq!(found[0].values, [("a".into(), Value::Null)]);
}

#[test]
fn groups_are_named_by_key_and_id() {
    let found = updates(
        r#"{"$token":"t","$group_key":"company","$group_id":17,"$set":{"a":1}}"#,
        true,
    );
    assert_eq!(
        found[0].subject,
        Subject::Group {
            key: "company".into(),
            id: "17".into()
        }
    );
    assert_eq!(found[0].identity, IdentityClaim::default());
    assert_eq!(
        refused(r#"{"$group_key":"company","$set":{}}"#, true),
        (Refusal::RefusedId, "$group_id")
    );
    assert_eq!(
        refused(r#"{"$group_id":"a","$set":{}}"#, true),
        (Refusal::Malformed, "$group_key")
    );
    assert_eq!(
        refused(r#"{"$group_key":"company","$group_id":"","$set":{}}"#, true).0,
        Refusal::RefusedId
    );
}

#[test]
fn what_is_no_update_is_rejected_whole() {
    for (json, reason) in [
        (r#"{"$distinct_id":"u"}"#, (Refusal::Malformed, "")),
        (
            r#"{"$distinct_id":"u","$set":[1]}"#,
            (Refusal::Malformed, "$set"),
        ),
        (
            r#"{"$distinct_id":"u","$set":{"a":1},"$unset":[1]}"#,
            (Refusal::Malformed, "$unset"),
        ),
        (
            r#"{"$distinct_id":"u","$unset":{"a":1}}"#,
            (Refusal::Malformed, "$unset"),
        ),
        (
            r#"{"$distinct_id":"nil","$set":{"a":1}}"#,
            (Refusal::RefusedId, "$distinct_id"),
        ),
        (r#"["a"]"#, (Refusal::Malformed, "")),
    ] {
        assert_eq!(refused(json, false), reason, "{json}");
    }
    let long = "x".repeat(256);
    let unset = format!(r#"{{"$distinct_id":"u","$unset":["{long}"]}}"#);
    assert_eq!(refused(&unset, false).0, Refusal::TooLarge);
    let id = format!(r#"{{"$distinct_id":"{long}","$set":{{}}}}"#);
    assert_eq!(refused(&id, false), (Refusal::TooLarge, "$distinct_id"));
    let many: Vec<String> = (0..1001)
        .map(|number| format!(r#""p{number}":1"#))
        .collect();
    let set = format!(r#"{{"$distinct_id":"u","$set":{{{}}}}}"#, many.join(","));
    assert_eq!(refused(&set, false).0, Refusal::TooManyFields);
}

#[test]
fn absent_ids_are_for_the_pipeline_to_decide() {
    let found = updates(
        r#"{"$set":{"a":1},"$time":"soon","$user_id":"null"}"#,
        false,
    );
    assert_eq!(
        (&found[0].identity, found[0].time),
        (&IdentityClaim::default(), None)
    );
}
