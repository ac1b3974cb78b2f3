//! What is taken out of an event, and which ids may join people.

use super::*;
use cofferdam_model::TimestampMs;

fn read(json: &str, limits: &Limits) -> (Result<(), Rejected>, Batch<'static>) {
    let text: &'static str = Box::leak(json.to_owned().into_boxed_str());
    let caps = crate::json::Caps::new(limits, 2, super::super::ids::is_id_key);
    let mut batch = Batch::default();
    let value = crate::json::parse(text, &caps, &mut batch.notes)
        .unwrap()
        .remove(0)
        .unwrap();
    (event(7, value, limits, &mut batch), batch)
}

fn good(json: &str) -> (IncomingEvent<'static>, Notes) {
    let (result, mut batch) = read(json, &Limits::default());
    assert_eq!(result, Ok(()), "{json}");
    match batch.items.pop() {
        Some(Incoming::Event(event)) => (event, batch.notes),
        _ => panic!("an event"),
    }
}

fn refused(json: &str) -> (Refusal, &'static str) {
    let (result, batch) = read(json, &Limits::default());
    let rejected = result.unwrap_err();
    assert_eq!((batch.items.len(), rejected.index), (0, 7));
    (rejected.refusal, rejected.field)
}

fn with(name: &str, properties: &str) -> String {
    format!(r#"{{"event":"{name}","properties":{{{properties}}}}}"#)
}

fn link(json: &str) -> Option<(LinkKind, String, String)> {
    let (kind, one, other) = good(json).0.identity.link?;
    Some((kind, one.into_owned(), other.into_owned()))
}

#[test]
fn the_events_own_members_leave_the_properties_and_ids_stay() {
    let (event, notes) = good(
        r#"{"properties":{"time":1700000000.5,"a":1,"token":"t","$device_id":"d","$insert_id":"i","$user_id":17,"distinct_id":"u","b":[null]},"event":"x","$custom":"y"}"#,
    );
    assert_eq!((&*event.name, event.index), ("x", 7));
    assert_eq!(event.token.as_deref(), Some("t"));
    assert_eq!(event.time, Some(TimestampMs(1_700_000_000_500)));
    assert_eq!(event.insert_id.as_deref(), Some("i"));
    assert_eq!(event.identity.distinct_id.as_deref(), Some("u"));
    assert_eq!(event.identity.device_id.as_deref(), Some("d"));
    assert_eq!(event.identity.user_id.as_deref(), Some("17"));
    let keys: Vec<_> = event
        .properties
        .iter()
        .map(|(key, _)| key.as_ref())
        .collect();
    assert_eq!(keys, ["a", "$device_id", "$user_id", "b"]);
    assert_eq!(notes.ignored_members, 1);
}

#[test]
fn absent_and_empty_ids_are_for_the_pipeline_to_decide() {
    assert_eq!(good(&with("x", "")).0.identity.distinct_id, None);
    assert_eq!(
        good(&with("x", r#""distinct_id":null"#))
            .0
            .identity
            .distinct_id,
        None
    );
    assert_eq!(
        good(&with("x", r#""distinct_id":"""#))
            .0
            .identity
            .distinct_id
            .as_deref(),
        Some("")
    );
    assert_eq!(good(r#"{"event":"x"}"#).0.properties, []);
    assert_eq!(good(r#"{"event":"x","properties":null}"#).0.properties, []);
}

#[test]
fn ids_that_name_nobody_refuse_the_event_or_are_not_used() {
    for id in [
        "\"null\"",
        "\"Anonymous\"",
        "0",
        "-1",
        "true",
        "[]",
        "{}",
        "[1]",
        "\"$device:undefined\"",
        "\"$device:\"",
    ] {
        let json = with("x", &format!(r#""distinct_id":{id}"#));
        assert_eq!(
            refused(&json),
            (Refusal::RefusedId, "properties.distinct_id"),
            "{id}"
        );
    }
    let (event, notes) = good(&with(
        "x",
        r#""distinct_id":"u","$device_id":"undefined","$user_id":"null","$insert_id":"none""#,
    ));
    assert_eq!(
        (
            event.identity.device_id,
            event.identity.user_id,
            event.insert_id
        ),
        (None, None, None)
    );
    assert_eq!(notes.refused_ids, 3);
    assert_eq!(event.properties.len(), 2);
}

#[test]
fn device_ids_lose_their_prefix() {
    let (event, _) = good(&with(
        "x",
        r#""distinct_id":"$device:d1","$device_id":"$device:d1""#,
    ));
    assert_eq!(event.identity.distinct_id.as_deref(), Some("$device:d1"));
    assert_eq!(event.identity.device_id.as_deref(), Some("d1"));
}

#[test]
fn links_of_identify() {
    let expected = Some((LinkKind::Identify, "$device:d".to_owned(), "u".to_owned()));
    for properties in [
        r#""distinct_id":"u","$anon_distinct_id":"$device:d""#,
        r#""distinct_id":"u","$anon_id":"$device:d","$identified_id":"u""#,
        r#""$anon_id":"$device:d","$identified_id":"u""#,
        r#""$anon_distinct_id":"$device:d","$user_id":"u""#,
    ] {
        let json = with("$identify", properties);
        assert_eq!(link(&json), expected, "{properties}");
        assert_eq!(good(&json).0.identity.distinct_id.as_deref(), Some("u"));
        assert!(
            good(&json)
                .0
                .properties
                .iter()
                .any(|(key, _)| key.starts_with("$anon"))
        );
    }
    for properties in [
        r#""distinct_id":"u","$anon_distinct_id":"undefined""#,
        r#""distinct_id":"u","$anon_distinct_id":"""#,
        r#""distinct_id":"u","$anon_distinct_id":"u""#,
        r#""distinct_id":"u""#,
        r#""distinct_id":"","$anon_distinct_id":"a""#,
    ] {
        assert_eq!(link(&with("$identify", properties)), None, "{properties}");
    }
    assert_eq!(
        link(&with(
            "other",
            r#""distinct_id":"u","$anon_distinct_id":"a""#
        )),
        None
    );
}

#[test]
fn links_of_aliases_and_merges() {
    assert_eq!(
        link(&with("$create_alias", r#""distinct_id":"u","alias":5"#)),
        Some((LinkKind::Alias, "5".into(), "u".into()))
    );
    assert_eq!(
        link(&with("$create_alias", r#""distinct_id":"u","alias":"u""#)),
        None
    );
    assert_eq!(
        refused(&with(
            "$create_alias",
            r#""distinct_id":"u","alias":"null""#
        )),
        (Refusal::RefusedId, "properties.alias")
    );
    let merge = with("$merge", r#""$distinct_ids":["a","b"],"token":"t""#);
    assert_eq!(
        link(&merge),
        Some((LinkKind::Merge, "a".into(), "b".into()))
    );
    assert_eq!(good(&merge).0.identity.distinct_id.as_deref(), Some("a"));
    for ids in [
        r#"["a"]"#,
        r#"["a","b","c"]"#,
        r#"["a","null"]"#,
        r#"["a",""]"#,
        r#""a""#,
        "null",
    ] {
        let json = with("$merge", &format!(r#""$distinct_ids":{ids}"#));
        assert_eq!(
            refused(&json),
            (Refusal::RefusedId, "properties.$distinct_ids"),
            "{ids}"
        );
    }
    assert_eq!(refused(&with("$merge", "")).0, Refusal::RefusedId);
}

#[test]
fn times_that_are_none_are_counted() {
    for (time, counted) in [
        ("\"soon\"", 1),
        ("[]", 1),
        ("1e300", 1),
        ("null", 0),
        ("17", 0),
    ] {
        let (event, notes) = good(&with("x", &format!(r#""time":{time}"#)));
        assert_eq!(
            (event.time.is_some(), notes.unusable_times),
            (time == "17", counted),
            "{time}"
        );
    }
}

#[test]
fn what_is_no_event() {
    assert_eq!(
        refused("[{}]".trim_matches(['[', ']'])),
        (Refusal::MissingEventName, "event")
    );
    assert_eq!(
        refused(r#"{"event":"","properties":{}}"#).0,
        Refusal::MissingEventName
    );
    assert_eq!(refused(r#"{"event":null}"#).0, Refusal::MissingEventName);
    assert_eq!(refused(r#"{"event":{"a":1}}"#).0, Refusal::MissingEventName);
    assert_eq!(
        refused(r#"{"event":"x","properties":[1]}"#),
        (Refusal::Malformed, "properties")
    );
    assert_eq!(refused(r#"["x"]"#), (Refusal::Malformed, ""));
    assert_eq!(good(r#"{"event":17}"#).0.name, "17");
}

#[test]
fn limits_on_names_ids_and_properties() {
    let long = "x".repeat(256);
    let fits = "x".repeat(255);
    for (properties, field) in [
        (
            format!(r#""distinct_id":"{long}""#),
            "properties.distinct_id",
        ),
        (format!(r#""$device_id":"{long}""#), "properties.$device_id"),
        (format!(r#""$user_id":"{long}""#), "properties.$user_id"),
        (format!(r#""$insert_id":"{long}""#), "properties.$insert_id"),
    ] {
        assert_eq!(refused(&with("x", &properties)), (Refusal::TooLarge, field));
        good(&with("x", &properties.replace(&long, &fits)));
    }
    let alias = format!(r#""distinct_id":"u","alias":"{long}""#);
    assert_eq!(
        refused(&with("$create_alias", &alias)),
        (Refusal::TooLarge, "properties")
    );
    assert_eq!(refused(&with(&long, "")), (Refusal::TooLarge, "event"));
    good(&with(&fits, ""));
    let many = |count: usize| {
        let members: Vec<String> = (0..count)
            .map(|number| format!(r#""p{number}":1"#))
            .collect();
        with("x", &members.join(","))
    };
    assert_eq!(refused(&many(1001)), (Refusal::TooManyFields, "properties"));
    assert_eq!(good(&many(1000)).0.properties.len(), 1000);
}

#[test]
fn large_numeric_ids_stay_apart() {
    let id = |number: &str| {
        let (event, _) = good(&with(
            "x",
            &format!(r#""distinct_id":{number},"$user_id":{number}"#),
        ));
        (
            event.identity.distinct_id.unwrap(),
            event.identity.user_id.unwrap(),
        )
    };
    assert_eq!(id("18446744073709551614").0, "18446744073709551614");
    assert_ne!(id("18446744073709551614"), id("18446744073709551615"));
    assert_ne!(id("36893488147419103233"), id("36893488147419103234"));
}
