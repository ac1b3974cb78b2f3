//! Deduplication, many columns, profiles, erasure, retention, and what never lies in a file in clear.

use super::support::{
    T0, event, items, options, profile_value, project, request, rows, store, text,
};
use crate::{Scalar, Store};
use cofferdam_model::{Day, MergeMap, Operation, PersonNumber, Provenance, TimestampMs, Value};
use cofferdam_policy::{HomeItem, HomeSubject, HomeUpdate};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const DAY: i64 = 86_400_000;

async fn take(store: &Store, seq: u64, keys: &[(i64, u64)]) -> (u64, u64) {
    let events = keys
        .iter()
        .map(|(time, key)| event(1, *time, "e", *key, &[]))
        .collect();
    let (batch, next) = items(seq, events);
    let report = store.ingest_items(batch, next).await.unwrap();
    (report.events, report.duplicates)
}

#[tokio::test]
async fn duplicates_are_exact_by_project_and_day_over_tail_files_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path());
    small.limits.keys_max = 1;
    let one = Store::open(small).await.unwrap();
    assert_eq!(take(&one, 0, &[(1, 7), (2, 7), (DAY, 7)]).await, (2, 1));
    assert_eq!(
        take(&one, 3, &[(5, 7), (5, 8)]).await,
        (1, 1),
        "against the tail"
    );
    one.flush().await.unwrap();
    assert_eq!(
        take(&one, 5, &[(5, 7), (DAY + 5, 7), (9, 9)]).await,
        (1, 2),
        "against files"
    );
    drop(one);
    let two = store(dir.path()).await;
    assert_eq!(two.cursor(), 5);
    assert_eq!(
        take(&two, 5, &[(5, 7), (DAY + 5, 7), (9, 9)]).await,
        (1, 2),
        "after a restart"
    );
    let mut other = event(1, 5, "e", 7, &[]);
    other.project = "docs".into();
    let (batch, next) = items(8, vec![other]);
    let report = two.ingest_items(batch, next).await.unwrap();
    assert_eq!(report.events, 1, "another project's key is another key");
}

#[tokio::test]
async fn more_than_400_properties_all_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store_one = store(dir.path()).await;
    let names: Vec<String> = (0..450).map(|n| format!("p{n}")).collect();
    let properties: Vec<(&str, Value<'static>)> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), Value::Int(n as i64)))
        .collect();
    let (batch, next) = items(0, vec![event(1, 0, "wide", 1, &properties)]);
    store_one.ingest_items(batch, next).await.unwrap();
    let asked = request(&["p0", "p399", "p400", "p449"]);
    let expected: Vec<Scalar> = [0, 399, 400, 449].map(Scalar::Int).to_vec();
    assert_eq!(rows(&store_one, &asked)[0].4, expected);
    store_one.flush().await.unwrap();
    assert_eq!(rows(&store_one, &asked)[0].4, expected);
    drop(store_one);
    let again = store(dir.path()).await;
    assert_eq!(rows(&again, &asked)[0].4, expected);
    assert_eq!(again.catalog(&project()).properties.len(), 450);
    let view = again.inner.version().projects[&project()].clone();
    let columns = view.schema.properties.iter().filter(|p| p.column.is_some());
    assert_eq!(columns.count(), 400);
}

fn update(person: u32, operation: Operation, path: &str, value: Value<'static>) -> HomeItem {
    HomeItem::Update(HomeUpdate {
        project: project(),
        subject: HomeSubject::Person(PersonNumber(person)),
        operation,
        received: TimestampMs(T0),
        provenance: Provenance::Claimed,
        values: vec![(Arc::from(path), value)],
        sealed: vec![],
        withheld: vec![],
    })
}

#[tokio::test]
async fn profile_operations_apply_in_order_and_survive() {
    let dir = tempfile::tempdir().unwrap();
    let one = store(dir.path()).await;
    let list = |items: &[&str]| Value::List(items.iter().map(|item| text(item)).collect());
    let updates = vec![
        update(1, Operation::Set, "plan", text("free")),
        update(1, Operation::SetOnce, "plan", text("pro")),
        update(1, Operation::SetOnce, "first", text("a")),
        update(1, Operation::Add, "n", Value::Int(2)),
        update(1, Operation::Add, "n", Value::Float(0.5)),
        update(1, Operation::Append, "tags", text("x")),
        update(1, Operation::Union, "tags", list(&["x", "y"])),
        update(1, Operation::Append, "tags", text("y")),
        update(1, Operation::Remove, "tags", text("y")),
        update(1, Operation::Set, "gone", text("z")),
        update(1, Operation::Unset, "gone", Value::Null),
        update(2, Operation::Set, "plan", text("free")),
        update(2, Operation::Delete, "", Value::Null),
    ];
    let next = updates.len() as u64;
    let half = updates.len() / 2;
    let numbered: Vec<(u64, HomeItem)> = (0..).zip(updates).collect();
    one.ingest_items(numbered[..half].to_vec(), half as u64)
        .await
        .unwrap();
    one.flush().await.unwrap();
    drop(one);
    let two = store(dir.path()).await;
    two.ingest_items(numbered, next).await.unwrap();
    two.flush().await.unwrap();
    drop(two);
    let last = store(dir.path()).await;
    let value = async |person: u32, path: &str| profile_value(&last, person, path).await;
    assert_eq!(value(1, "plan").await, Some(json!("free")));
    assert_eq!(value(1, "first").await, Some(json!("a")));
    assert_eq!(value(1, "n").await, Some(json!(2.5)));
    assert_eq!(value(1, "tags").await, Some(json!(["x", "y"])));
    assert_eq!(value(1, "gone").await, None);
    assert_eq!(value(2, "plan").await, None);
}

/// Whether any file below `dir` holds the bytes.
fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn an_erased_person_leaves_counts_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let mut theirs = event(
        5,
        10,
        "login",
        1,
        &[("nick", text("zaphodbeeblebrox")), ("n", Value::Int(4))],
    );
    theirs
        .sealed
        .push((Arc::from("email"), b"sealed-bytes".to_vec()));
    let others = event(
        6,
        20,
        "login",
        2,
        &[("nick", text("arthur")), ("n", Value::Int(5))],
    );
    let (mut batch, next) = items(0, vec![theirs, others]);
    batch.push((
        next,
        update(5, Operation::Set, "nick", text("zaphodbeeblebrox")),
    ));
    store.ingest_items(batch, next + 1).await.unwrap();
    store.flush().await.unwrap();
    assert!(
        holds(dir.path(), b"zaphodbeeblebrox"),
        "the search finds what is there"
    );
    let report = store.erase_numbers(&[PersonNumber(5)]).await.unwrap();
    assert_eq!((report.files, report.events), (1, 1));
    let found = rows(&store, &request(&["nick", "n"]));
    assert_eq!(found[0].4, [Scalar::Null, Scalar::Int(4)]);
    assert_eq!(found[1].4, [Scalar::Text("arthur".into()), Scalar::Int(5)]);
    assert!(
        store
            .recent(10)
            .iter()
            .all(|recent| recent.event.person.0 != 5)
    );
    assert_eq!(
        take(&store, 3, &[(10, 1)]).await.1,
        1,
        "a late copy is still a duplicate"
    );
    store.flush().await.unwrap();
    assert!(
        !holds(dir.path(), b"zaphodbeeblebrox"),
        "in files, catalog and its log"
    );
    let copy = dir.path().join("copy");
    store.snapshot_to(&copy, &MergeMap::new()).await.unwrap();
    assert!(!holds(&copy, b"zaphodbeeblebrox"));
}

#[tokio::test]
async fn retention_drops_days_and_refuses_them_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let one = store(dir.path()).await;
    take(&one, 0, &[(0, 1), (DAY, 2), (2 * DAY, 3)]).await;
    one.flush().await.unwrap();
    let before = Day(TimestampMs(T0).day().0 + 2);
    // A scan that began before keeps its files.
    let reader = one.reader();
    assert_eq!(one.retain(&project(), before).await.unwrap(), 2);
    assert_eq!(rows(&one, &request(&[])).len(), 1);
    let mut seen = 0;
    reader
        .scan(&project(), &request(&[]), &mut |batch| {
            seen += batch.len();
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, 3);
    drop(reader);
    let files = || {
        std::fs::read_dir(dir.path().join("store/console/events"))
            .unwrap()
            .count()
    };
    assert_eq!(files(), 1);
    drop(one);
    let two = store(dir.path()).await;
    let (batch, next) = items(3, vec![event(1, 0, "e", 9, &[])]);
    let report = two.ingest_items(batch, next).await.unwrap();
    assert_eq!((report.events, report.expired), (0, 1));
}

#[tokio::test]
async fn scans_keep_to_time_range_and_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let names = ["a", "b", "c"];
    let events = (0..30)
        .map(|n| {
            event(
                n % 4,
                i64::from(n) * 7_200_000,
                names[n as usize % 3],
                n.into(),
                &[],
            )
        })
        .collect();
    let (batch, next) = items(0, events);
    store.ingest_items(batch[..20].to_vec(), 20).await.unwrap();
    store.flush().await.unwrap();
    store.ingest_items(batch, next).await.unwrap();
    let mut asked = request(&[]);
    asked.from = TimestampMs(T0 + 5 * 7_200_000);
    asked.to = TimestampMs(T0 + 25 * 7_200_000);
    asked.events = Some(vec![Arc::from("a"), Arc::from("nothing")]);
    let found: Vec<i64> = rows(&store, &asked).iter().map(|row| row.2).collect();
    assert_eq!(found, [6, 9, 12, 15, 18, 21, 24]);
    assert!(!store.flush_due(TimestampMs(T0 + 40 * DAY)));
    assert!(store.flush_due(TimestampMs(T0 + 40 * DAY + 30_000)));
}
