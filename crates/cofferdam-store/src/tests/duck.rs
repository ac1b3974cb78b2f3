//! DuckDB reads what we wrote. Needs `COFFERDAM_DUCKDB_PYTHON` (a Python with duckdb 1.5.5 and its two extension packages).

use super::support::{T0, event, items, project, store, text};
use cofferdam_model::{MergeMap, Operation, PersonNumber, Provenance, TimestampMs, Value};
use cofferdam_policy::{HomeItem, HomeSubject, HomeUpdate};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Runs SQL statements over a snapshot; answers as JSON text, or `None` without the engine.
fn duckdb(dir: &Path, statements: &[&str]) -> Option<serde_json::Value> {
    let python = std::env::var("COFFERDAM_DUCKDB_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/python");
    let program = format!(
        "import sys, json; sys.path.insert(0, {script:?}); import second_engine\n\
         c = second_engine.attach(sys.argv[1])\n\
         print(json.dumps([[list(map(str, r)) for r in c.execute(q).fetchall()] for q in sys.argv[2:]]))"
    );
    let output = Command::new(python)
        .arg("-c")
        .arg(program)
        .arg(dir)
        .args(statements)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn duckdb_reads_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let hour = 3_600_000;
    for round in 0..4u64 {
        let mut late = vec![("n", Value::Int(3)), ("plan", text("free"))];
        if round > 1 {
            late.push(("Plan", Value::Bool(true)));
            late.push(("x", Value::Float(0.5)));
        }
        let mut events = vec![
            event(2, hour, "login", 10 * round + 1, &late),
            event(
                7,
                30 * hour,
                "click",
                10 * round + 2,
                &[("plan", Value::Int(9))],
            ),
        ];
        events[0].sealed.push((Arc::from("email"), vec![1, 2, 3]));
        let (batch, next) = items(2 * round, events);
        store.ingest_items(batch, next).await.unwrap();
        store.flush().await.unwrap();
    }
    let update = HomeItem::Update(HomeUpdate {
        project: project(),
        subject: HomeSubject::Person(PersonNumber(2)),
        operation: Operation::Set,
        received: TimestampMs(T0),
        provenance: Provenance::Claimed,
        values: vec![(Arc::from("plan"), text("pro"))],
        sealed: vec![(Arc::from("email"), vec![9])],
        withheld: vec![],
    });
    store.ingest_items(vec![(8, update)], 9).await.unwrap();
    store.compact().await.unwrap();
    let (batch, next) = items(9, vec![event(3, 50 * hour, "login", 99, &[])]);
    store.ingest_items(batch, next).await.unwrap();
    let mut merges = MergeMap::new();
    merges.link(PersonNumber(2), PersonNumber(7));
    let copy = dir.path().join("copy");
    let report = store.snapshot_to(&copy, &merges).await.unwrap();
    assert_eq!(report.rows, 9);
    // The copy may be moved, and the live store may go on.
    let moved = dir.path().join("moved");
    std::fs::rename(&copy, &moved).unwrap();
    let Some(answers) = duckdb(
        &moved,
        &[
            "SELECT count(*), count(distinct coalesce(canonical, e.person)) FROM lake.console.events e LEFT JOIN lake.console.persons p USING (person)",
            "SELECT person, time, seq, event, organization, insert_key, verified, plan, n, \"properties.Plan\", x, properties_rest, sealed FROM lake.console.events WHERE seq >= 6 ORDER BY seq",
            "SELECT count(*) FROM lake.console.events WHERE sealed IS NULL",
            "SELECT count(*) FROM lake.console.events WHERE plan IS NULL",
            "SELECT count(*) FROM lake.console.events WHERE time >= TIMESTAMP '2026-03-02' AND event = 'click'",
            "SELECT count(*) FROM lake.console.events WHERE x > 0.25 AND \"properties.Plan\"",
            "SELECT * FROM lake.console.profiles",
            "SELECT count(*) FROM lake.console.organizations",
            "SELECT count(*) FROM lake.console.events WHERE event = 'nothing'",
        ],
    ) else {
        eprintln!("skipped: COFFERDAM_DUCKDB_PYTHON is not set");
        return;
    };
    let expected = serde_json::json!([
        [["9", "2"]],
        [
            [
                "2",
                "2026-03-01 01:00:00",
                "6",
                "login",
                "1",
                "31",
                "False",
                "free",
                "3",
                "True",
                "0.5",
                "None",
                "{\"email\":\"AQID\"}"
            ],
            [
                "7",
                "2026-03-02 06:00:00",
                "7",
                "click",
                "None",
                "32",
                "False",
                "None",
                "None",
                "None",
                "None",
                "{\"plan\":9}",
                "None"
            ],
            [
                "3",
                "2026-03-03 02:00:00",
                "9",
                "login",
                "None",
                "99",
                "False",
                "None",
                "None",
                "None",
                "None",
                "None",
                "None"
            ],
        ],
        [["5"]],
        [["5"]],
        [["4"]],
        [["2"]],
        [["2", "{\"plan\":\"pro\"}", "{\"email\":\"CQ==\"}"]],
        [["0"]],
        [["0"]],
    ]);
    assert_eq!(answers, expected);
}
