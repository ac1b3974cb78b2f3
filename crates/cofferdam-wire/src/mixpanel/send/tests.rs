//! Deterministic requests within the vendor's limits, and answers that are believed only where they add up.

use super::*;
use crate::mixpanel::{Endpoint, Method, Request, decode};
use cofferdam_model::{Incoming, Limits};
use proptest::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::io::Read;

const NOW: TimestampMs = TimestampMs(1_800_000_000_000);

fn event<'a>(properties: &'a [(Arc<str>, Value<'static>)]) -> EventOut<'a> {
    EventOut {
        name: "Signed Up",
        time: TimestampMs(1_700_000_000_123),
        distinct_id: "$device:0d2f3c1a-0000-4000-8000-000000000001",
        insert_id: "abc-123",
        properties,
    }
}

fn unpack(request: &SendRequest) -> serde_json::Value {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*request.body)
        .read_to_end(&mut text)
        .unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn sent(properties: &[(Arc<str>, Value<'static>)]) -> (serde_json::Value, Adjusted) {
    let mut batch = ImportBatch::new(NOW);
    assert_eq!(batch.push(&event(properties)), Ok(Pushed::Added));
    let adjusted = batch.adjusted();
    (
        unpack(&batch.finish("token", None))[0]["properties"].clone(),
        adjusted,
    )
}

fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

#[test]
fn an_import_request_is_exactly_this_and_the_same_every_time() {
    let properties = [
        ("plan".into(), text("Pro")),
        ("n".into(), Value::Float(1.5)),
    ];
    let build = || {
        let mut batch = ImportBatch::new(NOW);
        batch.push(&event(&properties)).unwrap();
        batch
            .push(&EventOut {
                distinct_id: "",
                ..event(&[])
            })
            .unwrap();
        batch.finish("tok", Some("12&x=y3"))
    };
    let request = build();
    assert_eq!(request, build());
    assert_eq!(request.path_and_query, "/import?strict=1&project_id=12xy3");
    assert_eq!(request.items, 2);
    assert_eq!(
        request.headers,
        [
            ("authorization", "Basic dG9rOg==".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("content-encoding", "gzip".to_owned()),
            ("accept", "application/json".to_owned()),
        ]
    );
    assert_eq!(request.body[4..8], [0; 4], "gzip carries no time");
    assert_eq!(
        unpack(&request),
        json!([
            {"event": "Signed Up", "properties": {
                "distinct_id": "$device:0d2f3c1a-0000-4000-8000-000000000001",
                "time": 1_700_000_000_123_i64, "$insert_id": "abc-123", "plan": "Pro", "n": 1.5}},
            {"event": "Signed Up", "properties": {
                "distinct_id": "", "time": 1_700_000_000_123_i64, "$insert_id": "abc-123"}},
        ])
    );
    assert!(!format!("{request:?}").contains("dG9rOg"));
}

#[test]
fn what_the_vendor_would_refuse_is_not_sent() {
    let base = event(&[]);
    let table = [
        (EventOut { name: "", ..base }, Unsendable::NoName),
        (
            EventOut {
                time: TimestampMs(31_535_999_999),
                ..base
            },
            Unsendable::Time,
        ),
        (
            EventOut {
                time: TimestampMs(NOW.0 + 3_600_001),
                ..base
            },
            Unsendable::Time,
        ),
        (
            EventOut {
                distinct_id: "null",
                ..base
            },
            Unsendable::RefusedId,
        ),
        (
            EventOut {
                distinct_id: "$device:",
                ..base
            },
            Unsendable::RefusedId,
        ),
        (
            EventOut {
                insert_id: "",
                ..base
            },
            Unsendable::InsertId,
        ),
        (
            EventOut {
                insert_id: "a_b",
                ..base
            },
            Unsendable::InsertId,
        ),
        (
            EventOut {
                insert_id: "none",
                ..base
            },
            Unsendable::InsertId,
        ),
        (
            EventOut {
                insert_id: "0123456789012345678901234567890123456",
                ..base
            },
            Unsendable::InsertId,
        ),
    ];
    let mut batch = ImportBatch::new(NOW);
    for (event, error) in table {
        assert_eq!(batch.push(&event), Err(error));
    }
    assert!(batch.is_empty());
    for time in [31_536_000_000, NOW.0 + 3_600_000] {
        assert_eq!(
            batch.push(&EventOut {
                time: TimestampMs(time),
                ..base
            }),
            Ok(Pushed::Added)
        );
    }
}

#[test]
fn reserved_names_never_leave() {
    let properties: Vec<(Arc<str>, Value<'static>)> = [
        "token",
        "time",
        "distinct_id",
        "$insert_id",
        "ip",
        "$ip",
        "$ignore",
        "",
    ]
    .iter()
    .map(|name| (Arc::from(*name), text("x")))
    .collect();
    let (found, adjusted) = sent(&properties);
    assert_eq!(found.as_object().unwrap().len(), 3);
    assert_eq!(adjusted.properties_dropped, 8);
}

#[test]
fn values_are_cut_to_the_vendors_limits() {
    let long = "é".repeat(256);
    let many = Value::List(vec![Value::Int(1); 300]);
    let deep = Value::Object(vec![(
        "a".into(),
        Value::Object(vec![
            ("b".into(), Value::List(vec![Value::Int(1)])),
            ("c".into(), Value::Int(2)),
        ]),
    )]);
    let (found, adjusted) = sent(&[
        ("long".into(), text(&long)),
        ("many".into(), many),
        ("deep".into(), deep),
    ]);
    assert_eq!(found["long"].as_str().unwrap().chars().count(), 255);
    assert_eq!(found["many"].as_array().unwrap().len(), 254);
    assert_eq!(found["deep"], json!({"a": {"b": "[1]", "c": 2}}));
    let expected = Adjusted {
        texts_cut: 1,
        lists_cut: 1,
        flattened: 1,
        properties_dropped: 0,
    };
    assert_eq!(adjusted, expected);
    let (exact, adjusted) = sent(&[("exact".into(), text(&"é".repeat(255)))]);
    assert_eq!(
        (exact["exact"].as_str().unwrap().chars().count(), adjusted),
        (255, Adjusted::default())
    );
}

#[test]
fn an_event_has_fewer_than_255_properties() {
    let properties: Vec<(Arc<str>, Value<'static>)> = (0..300)
        .map(|number| (Arc::from(format!("p{number}")), Value::Int(number)))
        .collect();
    let (found, adjusted) = sent(&properties);
    assert_eq!(found.as_object().unwrap().len(), 254);
    assert_eq!(adjusted.properties_dropped, 49);
}

#[test]
fn a_batch_is_full_at_2000_events_or_2_megabytes() {
    let mut batch = ImportBatch::new(NOW);
    for _ in 0..2000 {
        assert_eq!(batch.push(&event(&[])), Ok(Pushed::Added));
    }
    assert_eq!(
        (batch.push(&event(&[])), batch.len()),
        (Ok(Pushed::Full), 2000)
    );
    let properties: Vec<(Arc<str>, Value<'static>)> = (0..200)
        .map(|number| (Arc::from(format!("p{number}")), text(&"x".repeat(255))))
        .collect();
    let mut batch = ImportBatch::new(NOW);
    while batch.push(&event(&properties)) == Ok(Pushed::Added) {}
    let request = batch.finish("token", None);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*request.body)
        .read_to_end(&mut text)
        .unwrap();
    assert!(text.len() <= REQUEST_BYTES_MAX && text.len() > REQUEST_BYTES_MAX - 60_000);
    assert_eq!(unpack(&request).as_array().unwrap().len(), request.items);
}

#[test]
fn an_event_beyond_a_megabyte_is_never_sent() {
    let list = Value::List(vec![text(&"x".repeat(255)); 254]);
    let properties: Vec<(Arc<str>, Value<'static>)> = (0..20)
        .map(|number| (Arc::from(format!("p{number}")), list.clone()))
        .collect();
    let mut batch = ImportBatch::new(NOW);
    batch.push(&event(&[])).unwrap();
    assert_eq!(batch.push(&event(&properties)), Err(Unsendable::TooLarge));
    let request = batch.finish("token", None);
    assert_eq!(unpack(&request).as_array().unwrap().len(), 1);
}

#[test]
fn updates_of_people_and_groups() {
    let values = [("a".into(), Value::Int(1)), ("ip".into(), text("x"))];
    let person = SubjectOut::Person { distinct_id: "p1" };
    let mut people = UpdateBatch::people("tok");
    for operation in [
        Operation::Set,
        Operation::Unset,
        Operation::Delete,
        Operation::Add,
    ] {
        let update = UpdateOut {
            subject: person,
            operation,
            values: &values,
        };
        assert_eq!(people.push(&update), Ok(Pushed::Added));
    }
    let group = SubjectOut::Group {
        key: "company",
        id: "g1",
    };
    let of_group = |operation| UpdateOut {
        subject: group,
        operation,
        values: &values,
    };
    assert_eq!(people.push(&of_group(Operation::Union)), Ok(Pushed::Full));
    assert_eq!(people.adjusted().properties_dropped, 3);
    let request = people.finish();
    assert_eq!(
        (&*request.path_and_query, request.items),
        ("/engage?verbose=1&ip=0", 4)
    );
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&request.body).unwrap(),
        json!([
            {"$token": "tok", "$distinct_id": "p1", "$set": {"a": 1}},
            {"$token": "tok", "$distinct_id": "p1", "$unset": ["a"]},
            {"$token": "tok", "$distinct_id": "p1", "$delete": ""},
            {"$token": "tok", "$distinct_id": "p1", "$add": {"a": 1}},
        ])
    );
    let mut groups = UpdateBatch::groups("tok");
    assert_eq!(groups.push(&of_group(Operation::Union)), Ok(Pushed::Added));
    assert_eq!(
        groups.push(&of_group(Operation::Add)),
        Err(Unsendable::Operation)
    );
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&groups.finish().body).unwrap(),
        json!([{"$token": "tok", "$group_key": "company", "$group_id": "g1", "$union": {"a": 1}}])
    );
}

#[test]
fn updates_without_a_usable_id_are_not_sent() {
    let mut people = UpdateBatch::people("tok");
    for (distinct_id, error) in [("", Unsendable::NoId), ("null", Unsendable::RefusedId)] {
        let subject = SubjectOut::Person { distinct_id };
        let update = UpdateOut {
            subject,
            operation: Operation::Set,
            values: &[],
        };
        assert_eq!(people.push(&update), Err(error));
    }
    assert_eq!(people.finish().body, b"[]");
}

#[test]
fn import_answers() {
    let ok = br#"{"code":200,"num_records_imported":3,"status":"OK"}"#;
    let partial = br#"{"code":400,"error":"x","failed_records":[{"index":2,"insert_id":"a","field":"properties.time","message":"secret"},{"index":0,"field":"properties.distinct_id"},{"index":0}],"num_records_imported":1,"status":"Bad Request"}"#;
    let failed = vec![
        FailedRecord {
            index: 0,
            reason: FailedReason::DistinctId,
        },
        FailedRecord {
            index: 2,
            reason: FailedReason::Time,
        },
    ];
    let table: [(u16, &[u8], ImportOutcome); 20] = [
        (200, ok, ImportOutcome::Accepted),
        (
            200,
            br#"{"code":200,"num_records_imported":2,"status":"OK"}"#,
            ImportOutcome::Unknown,
        ),
        (200, b"1", ImportOutcome::Unknown),
        (200, b"<html>", ImportOutcome::Unknown),
        (200, b"", ImportOutcome::Unknown),
        (200, b"{}", ImportOutcome::Unknown),
        (400, partial, ImportOutcome::Partial { failed }),
        (
            400,
            br#"{"failed_records":[{"index":3}],"num_records_imported":2}"#,
            ImportOutcome::Unknown,
        ),
        (
            400,
            br#"{"failed_records":[{"index":1}],"num_records_imported":0}"#,
            ImportOutcome::Unknown,
        ),
        (
            400,
            br#"{"failed_records":[],"num_records_imported":0}"#,
            ImportOutcome::Refused { status: 400 },
        ),
        (
            400,
            br#"{"failed_records":[],"num_records_imported":2}"#,
            ImportOutcome::Unknown,
        ),
        (400, b"bad", ImportOutcome::Refused { status: 400 }),
        (401, b"", ImportOutcome::Refused { status: 401 }),
        (404, ok, ImportOutcome::Refused { status: 404 }),
        (413, b"", ImportOutcome::Split),
        (429, b"", ImportOutcome::RetryLater),
        (500, ok, ImportOutcome::RetryLater),
        (503, b"", ImportOutcome::RetryLater),
        (302, b"", ImportOutcome::Unknown),
        (204, b"", ImportOutcome::Unknown),
    ];
    for (status, body, outcome) in table {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            parse_import_answer(status, body, 3),
            outcome,
            "{status} {shown}"
        );
    }
}

#[test]
fn update_answers() {
    let table: [(u16, &[u8], UpdateOutcome); 11] = [
        (200, b"1", UpdateOutcome::Accepted),
        (200, b" 1\n", UpdateOutcome::Accepted),
        (
            200,
            br#"{"status":1,"error":null}"#,
            UpdateOutcome::Accepted,
        ),
        (
            200,
            br#"{"status":"OK","num_good_events":1}"#,
            UpdateOutcome::Accepted,
        ),
        (200, b"0", UpdateOutcome::Refused { status: 200 }),
        (
            200,
            br#"{"status":0,"error":"secret"}"#,
            UpdateOutcome::Refused { status: 200 },
        ),
        (200, b"2", UpdateOutcome::Unknown),
        (200, b"<html>", UpdateOutcome::Unknown),
        (401, b"", UpdateOutcome::Refused { status: 401 }),
        (413, b"", UpdateOutcome::Split),
        (502, b"1", UpdateOutcome::RetryLater),
    ];
    for (status, body, outcome) in table {
        assert_eq!(parse_update_answer(status, body), outcome, "{status}");
    }
}

proptest! {
    #[test]
    fn answers_never_panic(status in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..200), sent in 0_usize..5) {
        let _ = parse_import_answer(status, &body, sent);
        let _ = parse_update_answer(status, &body);
    }

    #[test]
    fn what_is_sent_reads_back_the_same(name in "[^\\x00]{1,40}", value in "\\PC{0,80}", key in "[a-z$_é]{2,20}") {
        prop_assume!(!["token", "time", "ip", "$ip"].contains(&key.as_str()));
        prop_assume!(name.len() <= 255);
        let properties = [(Arc::from(key.as_str()), Value::Text(Cow::Owned(value.clone())))];
        let mut batch = ImportBatch::new(NOW);
        prop_assert_eq!(batch.push(&EventOut { name: &name, ..event(&properties) }), Ok(Pushed::Added));
        let request = batch.finish("token", None);
        let limits = Limits::default();
        let received = Request {
            method: Method::Post,
            path: "/import",
            query: Some("strict=1"),
            content_type: None,
            content_encoding: Some("gzip"),
            authorization: None,
            body: &request.body,
        };
        let decoded = decode(Endpoint::Import, &received, &limits).unwrap();
        let batch = decoded.parse(&limits).unwrap();
        let [Incoming::Event(back)] = batch.items.as_slice() else { panic!("one event") };
        prop_assert_eq!(&*back.name, &*name);
        prop_assert_eq!(back.time, Some(TimestampMs(1_700_000_000_123)));
        prop_assert_eq!(back.insert_id.as_deref(), Some("abc-123"));
        prop_assert_eq!(&back.properties, &vec![(Cow::Borrowed(&*key), Value::Text(Cow::Borrowed(&*value)))]);
    }
}
