//! The session on a store without events: what is refused, which limits end a query, what errors say. With events: the server's
//! tests, and `tests/python/sql_second_engine.py` against another engine.

use super::{SqlAnswer, SqlLimits, SqlRequest, run};
use crate::{Progress, QueryError};
use cofferdam_model::{Clock, MergeMap, ProjectName, TimestampMs};
use cofferdam_store::{Reader, Store, StoreOptions};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

#[derive(Debug)]
struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(1_780_315_200_000)
    }
}

/// Line and column, message, what is allowed, near names.
type Refusal = (Option<(u64, u64)>, String, Vec<String>, Vec<String>);

/// A store without events.
struct Empty {
    _dir: TempDir,
    reader: Reader,
}

impl Empty {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = dir.path().join("catalog.db");
        let options = StoreOptions::new(dir.path().join("store"), catalog, Arc::new(StandingClock));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let store = runtime.unwrap().block_on(Store::open(options)).unwrap();
        Self {
            reader: store.reader(),
            _dir: dir,
        }
    }

    fn ask(&self, query: &str) -> Result<SqlAnswer, QueryError> {
        self.ask_within(&request(query), &SqlLimits::default(), &Arc::default())
    }

    fn ask_within(
        &self,
        request: &SqlRequest,
        limits: &SqlLimits,
        progress: &Arc<Progress>,
    ) -> Result<SqlAnswer, QueryError> {
        run(
            &self.reader,
            &Arc::new(MergeMap::new()),
            request,
            limits,
            progress,
        )
    }

    #[track_caller]
    fn refusal(&self, query: &str) -> Refusal {
        match self.ask(query) {
            Err(QueryError::Sql {
                message,
                at,
                allowed,
                suggestions,
            }) => (
                at.map(|at| (at.line, at.column)),
                message,
                allowed,
                suggestions,
            ),
            other => panic!("{query}: {other:?}"),
        }
    }
}

fn request(query: &str) -> SqlRequest {
    SqlRequest {
        project: ProjectName::from("console"),
        query: query.to_owned(),
        limit: None,
        timeout_ms: None,
    }
}

/// Rows without end, as far as anybody's patience goes.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b WHERE a.value + b.value = -1";

#[test]
fn cells_have_their_types() {
    let answer = Empty::new()
        .ask(
            "SELECT 1 AS one, 1.5 AS half, true AS yes, 'x' AS text, NULL AS nothing, TIMESTAMP '2026-03-01 12:00:00.5' AS at, \
             DATE '2026-03-01' AS day, INTERVAL '1 day' AS span, CAST(2.5 AS DECIMAL(4, 2)) AS price, 1e999 AS huge",
        )
        .unwrap();
    let kinds: Vec<(&str, &str)> = answer
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.kind.as_str()))
        .collect();
    insta::assert_debug_snapshot!((kinds, answer.rows));
}

#[test]
fn only_what_reads_is_a_query() {
    let empty = Empty::new();
    for query in [
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY events TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET person = 1",
        "DELETE FROM events",
        "DROP TABLE events",
        "ALTER TABLE events RENAME TO x",
        "TRUNCATE TABLE events",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW ALL",
        "SHOW datafusion.execution.batch_size",
        "SHOW FUNCTIONS",
        "BEGIN",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "CREATE FUNCTION f(INT) RETURNS INT RETURN $1",
        "EXPLAIN DELETE FROM events",
        "EXPLAIN COPY events TO '/tmp/x.csv'",
        "ATTACH 'x' AS y",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
        "SELECT * FROM events FOR UPDATE",
    ] {
        let (_, message, allowed, _) = empty.refusal(query);
        assert_eq!(
            allowed.first().map(String::as_str),
            Some("SELECT"),
            "{query}: {message}"
        );
    }
    for query in [
        "SELECT * INTO x FROM events",
        "WITH x AS (INSERT INTO events SELECT * FROM events) SELECT * FROM x",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'file:///etc/passwd'",
        "SELECT * FROM 'http://127.0.0.1/x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM information_schema.tables",
        "SELECT repeat('x', 1000000000)",
        "SELECT $1",
    ] {
        let (_, message, _, _) = empty.refusal(query);
        assert!(!message.contains("src/"), "{query}: {message}");
    }
}

#[test]
fn what_reads_is_answered() {
    let empty = Empty::new();
    for (query, rows) in [
        ("SELECT 1", json!([[1]])),
        ("WITH x AS (SELECT 2 AS n) SELECT n FROM x;", json!([[2]])),
        ("VALUES (1, 'a'), (2, NULL)", json!([[1, "a"], [2, null]])),
        ("SELECT count(*) FROM events", json!([[0]])),
        (
            "SELECT value FROM generate_series(1, 3)",
            json!([[1], [2], [3]]),
        ),
        (
            "SELECT json_text('{\"a\":{\"b\":1},\"c\":\"x\"}', 'a'), json_text('{\"c\":\"x\"}', 'c'), json_text('{}', 'c'), json_text(NULL, 'c')",
            json!([["{\"b\":1}", "x", null, null]]),
        ),
        (
            "SELECT json_number('{\"a\":1.5}', 'a'), json_number('{\"a\":\"1\"}', 'a'), json_number('no json', 'a')",
            json!([[1.5, null, null]]),
        ),
    ] {
        assert_eq!(json!(empty.ask(query).unwrap().rows), rows, "{query}");
    }
    assert!(
        !empty
            .ask("EXPLAIN SELECT * FROM events WHERE event = 'x'")
            .unwrap()
            .rows
            .is_empty()
    );
    let tables = empty.ask("SHOW TABLES").unwrap();
    assert_eq!(tables.rows[0][0], json!("events"));
    let described = empty.ask("DESCRIBE events").unwrap();
    assert_eq!(described, empty.ask("SHOW COLUMNS FROM events").unwrap());
    let names: Vec<&Value> = described.rows.iter().map(|row| &row[0]).collect();
    assert_eq!(
        json!(names),
        json!([
            "person",
            "time",
            "seq",
            "event",
            "organization",
            "verified",
            "properties_rest"
        ])
    );
}

#[test]
fn an_error_says_where_and_what_is_near() {
    let empty = Empty::new();
    for (query, at, part, near) in [
        (
            "SELECT\n  persn FROM events",
            Some((2, 3)),
            "no column `persn`",
            Some("person"),
        ),
        (
            "SELECT * FROM event",
            Some((1, 15)),
            "no table `event`",
            Some("events"),
        ),
        (
            "DESCRIBE evnts",
            Some((1, 10)),
            "no table `evnts`",
            Some("events"),
        ),
        ("SELECT coun(*) FROM events", None, "coun", None),
        ("SELECT (1 FROM events", Some((1, 11)), "Expected", None),
        ("SELECT 'open", Some((1, 8)), "", None),
        (
            "SELECT event, count(*) FROM events",
            Some((1, 8)),
            "GROUP BY",
            None,
        ),
        ("SELECT 1 +", None, "Expected", None),
        ("SELECT CAST('bob' AS INT)", None, "bob", None),
    ] {
        let (place, message, _, suggestions) = empty.refusal(query);
        if at.is_some() {
            assert_eq!(place, at, "{query}: {message}");
        }
        assert!(message.contains(part), "{query}: {message}");
        assert_eq!(
            suggestions.first().map(String::as_str),
            near,
            "{query}: {message}"
        );
    }
}

#[test]
fn rows_beyond_the_limit_are_cut_and_told() {
    let empty = Empty::new();
    let ask = |limit, bytes| {
        let limits = SqlLimits {
            answer_bytes_max: bytes,
            ..SqlLimits::default()
        };
        let request = SqlRequest {
            limit: Some(limit),
            ..request("SELECT value FROM generate_series(1, 20000)")
        };
        let answer = empty
            .ask_within(&request, &limits, &Arc::default())
            .unwrap();
        (answer.rows.len(), answer.truncated)
    };
    assert_eq!(ask(20_000, 1 << 20), (20_000, false));
    assert_eq!(ask(19_999, 1 << 20), (19_999, true));
    assert_eq!(ask(1, 1 << 20), (1, true));
    assert_eq!(ask(20_000, 800), (100, true));
    for (limit, timeout_ms, path) in [
        (Some(0), None, "limit"),
        (Some(100_001), None, "limit"),
        (None, Some(0), "timeout_ms"),
        (None, Some(300_001), "timeout_ms"),
    ] {
        let request = SqlRequest {
            limit,
            timeout_ms,
            ..request("SELECT 1")
        };
        let refused = empty.ask_within(&request, &SqlLimits::default(), &Arc::default());
        assert!(matches!(refused, Err(QueryError::Invalid { path: at, .. }) if at == path));
    }
    let long = format!("SELECT 1 -- {}", "x".repeat(70_000));
    assert!(matches!(empty.ask(&long), Err(QueryError::TooLarge { path, .. }) if path == "query"));
}

#[test]
fn a_query_ends_with_its_time() {
    let request = SqlRequest {
        timeout_ms: Some(200),
        ..request(ENDLESS)
    };
    let ended = Empty::new().ask_within(&request, &SqlLimits::default(), &Arc::default());
    assert!(
        matches!(ended, Err(QueryError::TooLarge { ref path, .. }) if path == "timeout_ms"),
        "{ended:?}"
    );
}

#[test]
fn a_query_ends_with_its_asker() {
    let empty = Empty::new();
    let progress: Arc<Progress> = Arc::default();
    let ended = std::thread::scope(|scope| {
        let asked =
            scope.spawn(|| empty.ask_within(&request(ENDLESS), &SqlLimits::default(), &progress));
        progress.cancel();
        asked.join().unwrap()
    });
    assert!(matches!(ended, Err(QueryError::Cancelled)), "{ended:?}");
}

#[test]
fn a_query_that_needs_too_much_memory_is_refused_and_spills_nothing() {
    let limits = SqlLimits {
        memory_bytes_max: 1 << 20,
        ..SqlLimits::default()
    };
    let request = request(
        "SELECT a.value, count(*) FROM generate_series(1, 3000000) a GROUP BY 1 ORDER BY 2",
    );
    let refused = Empty::new().ask_within(&request, &limits, &Arc::default());
    assert!(
        matches!(refused, Err(QueryError::TooLarge { ref path, ref message }) if path == "query" && message.contains("1 MB of memory")),
        "{refused:?}"
    );
}
