//! Lines as the vendors export them, good and bad.

use super::csv::{Columns, ColumnsError};
use super::{ExportFormat, read};
use cofferdam_model::{Incoming, IncomingEvent, IncomingUpdate, Limits, Operation, TimestampMs};

fn events<'b>(batch: &'b crate::Batch<'_>) -> Vec<&'b IncomingEvent<'b>> {
    let items = batch.items.iter();
    items
        .filter_map(|item| match item {
            Incoming::Event(event) => Some(event),
            Incoming::Update(_) => None,
        })
        .collect()
}

fn updates<'b>(batch: &'b crate::Batch<'_>) -> Vec<&'b IncomingUpdate<'b>> {
    let items = batch.items.iter();
    items
        .filter_map(|item| match item {
            Incoming::Update(update) => Some(update),
            Incoming::Event(_) => None,
        })
        .collect()
}

fn rejections(batch: &crate::Batch<'_>) -> Vec<(u32, &'static str, &'static str)> {
    let rejected = batch.rejected.iter();
    rejected
        .map(|rejected| (rejected.index, rejected.refusal.code(), rejected.field))
        .collect()
}

#[test]
fn mixpanel_events_in_seconds_and_milliseconds_and_bad_lines_beside_them() {
    let text = r#"{"event":"A","properties":{"time":1700000000,"distinct_id":"u-1","$insert_id":"i1","mp_processing_time_ms":5}}

{"event":"B","properties":{"time":1700000000123,"distinct_id":17,"plan":"pro"}}
{"event":"C","properties":{"distinct_id":"u-1"}}
{"event":"D","properties":{"time":1700000000,"distinct_id":"u-1"
not json at all
{"properties":{"time":1700000000,"distinct_id":"u-1"}}
"#;
    let batch = read(ExportFormat::MixpanelEvents, text, &Limits::default());
    let read = events(&batch);
    let told: Vec<_> = read
        .iter()
        .map(|event| {
            (
                event.index,
                &*event.name,
                event.time,
                event.insert_id.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "A", Some(TimestampMs(1_700_000_000_000)), Some("i1")),
            (2, "B", Some(TimestampMs(1_700_000_000_123)), None),
        ]
    );
    assert_eq!(read[1].identity.distinct_id.as_deref(), Some("17"));
    assert_eq!(
        rejections(&batch),
        [
            (3, "malformed", "properties.time"),
            (4, "malformed", ""),
            (5, "malformed", ""),
            (6, "missing_event_name", "event"),
        ]
    );
}

#[test]
fn mixpanel_profiles_alone_and_in_pages() {
    let text = r#"{"$distinct_id":"u-1","$properties":{"plan":"pro","$last_seen":"2024-01-02T03:04:05"}}
{"page":0,"results":[{"$distinct_id":"u-2","$properties":{"plan":"a"}},{"$distinct_id":"u-3"},{"$distinct_id":"u-4","$properties":{"plan":"b"}}],"status":"ok"}
{"results":7}"#;
    let batch = read(ExportFormat::MixpanelPeople, text, &Limits::default());
    let told: Vec<_> = updates(&batch)
        .iter()
        .map(|update| {
            let id = update.identity.distinct_id.as_deref().unwrap_or_default();
            (update.index, id.to_owned(), update.operation, update.time)
        })
        .collect();
    let seen = Some(TimestampMs(1_704_164_645_000));
    assert_eq!(
        told,
        [
            (0, "u-1".to_owned(), Operation::Set, seen),
            (1, "u-2".to_owned(), Operation::Set, None),
            (1, "u-4".to_owned(), Operation::Set, None),
        ]
    );
    assert_eq!(
        rejections(&batch),
        [(1, "malformed", "$properties"), (2, "malformed", "results")]
    );
}

#[test]
fn posthog_events_with_the_profile_updates_in_them() {
    let text = r#"{"uuid":"0190-a","event":"$pageview","distinct_id":"u-1","timestamp":"2024-01-02T03:04:05.500Z","properties":{"token":"phc_x","$current_url":"https://a.example/","$set":{"plan":"pro"}},"elements":[]}
{"uuid":"0190-b","event":"x","timestamp":"nonsense","properties":{"distinct_id":"u-1"}}"#;
    let batch = read(ExportFormat::PosthogEvents, text, &Limits::default());
    let read = events(&batch);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].insert_id.as_deref(), Some("0190-a"));
    assert_eq!(read[0].time, Some(TimestampMs(1_704_164_645_500)));
    let left: Vec<&str> = read[0].properties.iter().map(|(key, _)| &**key).collect();
    assert_eq!(left, ["$current_url"], "no token, nothing twice");
    let updates = updates(&batch);
    assert_eq!((updates.len(), updates[0].operation), (1, Operation::Set));
    assert_eq!(updates[0].identity.distinct_id.as_deref(), Some("u-1"));
    assert_eq!(rejections(&batch), [(1, "malformed", "properties.time")]);
}

#[test]
fn rows_become_lines_and_keep_the_text_that_is_no_number() {
    let header: Vec<String> = [
        "what", "at", "who", "seats", "zip", "score", "ok", "tags", "none",
    ]
    .map(str::to_owned)
    .into();
    let mapping: Vec<(String, String)> =
        [("event", "what"), ("time", "at"), ("distinct_id", "who")]
            .map(|(part, name)| (part.to_owned(), name.to_owned()))
            .into();
    let columns = Columns::new(header.clone(), &mapping).unwrap();
    let row = [
        "A",
        "1700000000",
        "007",
        "12",
        "00501",
        "1.50",
        "true",
        "[1,2]",
        "",
    ];
    assert_eq!(
        columns.line(row.into_iter()),
        r#"{"event":"A","properties":{"time":"1700000000","distinct_id":"007","seats":12,"zip":"00501","score":"1.50","ok":true,"tags":[1,2]}}"#
    );
    let line = columns.line(row.into_iter());
    let batch = read(ExportFormat::MixpanelEvents, &line, &Limits::default());
    assert_eq!(
        events(&batch)[0].identity.distinct_id.as_deref(),
        Some("007")
    );
    let missing = Columns::new(header.clone(), &[]).unwrap_err();
    assert_eq!(missing, ColumnsError::NoSuchColumn("event".to_owned()));
    let odd = [("evnt".to_owned(), "what".to_owned())];
    assert_eq!(
        Columns::new(header, &odd).unwrap_err(),
        ColumnsError::NoSuchPart("evnt".to_owned())
    );
}
