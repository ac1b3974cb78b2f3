//! Ingest, flush, scan, reopen, compact: the rows stay the same.

use super::support::{event, items, project, request, rows, store, text};
use crate::Scalar;
use cofferdam_model::Value;

#[tokio::test]
async fn rows_are_the_same_in_tail_files_after_reopening_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let store_one = store(dir.path()).await;
    let hour = 3_600_000;
    let (batch, next) = items(
        0,
        vec![
            event(
                2,
                hour,
                "login",
                1,
                &[("plan", text("free")), ("n", Value::Int(5))],
            ),
            event(
                1,
                2 * hour,
                "click",
                2,
                &[("plan", text("pro")), ("n", Value::Float(1.5))],
            ),
            event(
                1,
                30 * hour,
                "login",
                3,
                &[("ok", Value::Bool(true)), ("n", Value::Int(7))],
            ),
            event(
                3,
                hour,
                "click",
                4,
                &[
                    ("list", Value::List(vec![Value::Int(1)])),
                    ("plan", Value::Int(9)),
                ],
            ),
        ],
    );
    let report = store_one.ingest_items(batch, next).await.unwrap();
    assert_eq!(report.events, 4);
    let asked = request(&["plan", "n", "ok", "list", "absent"]);
    let in_tail = rows(&store_one, &asked);
    assert_eq!(in_tail.len(), 4);
    assert_eq!(
        in_tail[3].4,
        [
            Scalar::Int(9),
            Scalar::Null,
            Scalar::Null,
            Scalar::Json("[1]".into()),
            Scalar::Null
        ]
    );
    let flushed = store_one.flush().await.unwrap();
    assert_eq!((flushed.files, flushed.rows), (2, 4));
    assert_eq!(rows(&store_one, &asked), in_tail);
    let (batch, next) = items(
        4,
        vec![event(1, 3 * hour, "login", 5, &[("late", text("x"))])],
    );
    store_one.ingest_items(batch, next).await.unwrap();
    store_one.flush().await.unwrap();
    drop(store_one);
    let again = store(dir.path()).await;
    assert_eq!(again.cursor(), 5);
    assert_eq!(rows(&again, &asked)[..4], in_tail[..]);
    let asked = request(&["plan", "n", "ok", "list", "late"]);
    let before = rows(&again, &asked);
    let compacted = again.compact().await.unwrap();
    assert_eq!((compacted.files, compacted.rows), (1, 4));
    assert_eq!(rows(&again, &asked), before);
    let listed = std::fs::read_dir(dir.path().join("store/console/events")).unwrap();
    assert_eq!(listed.count(), 2, "ended files are gone");
    let catalog = again.catalog(&project());
    assert_eq!(catalog.rows, 5);
    assert_eq!(catalog.events.len(), 2);
    assert_eq!(catalog.properties.len(), 5);
}
