"""SQL against a second engine: the same queries to `POST /api/v1/sql` and to DuckDB over a snapshot must have equal rows.

Part of check_snapshot.py, which has the server and its data. Every query is asked twice: while a part of the events is still in the
tail, and when all are in files; both answers and DuckDB's must be equal. A query is a text, or a pair where the engines have
different names for one thing. Columns beside those of every event: plan (text), seats (whole), ratio (number), active (boolean), and
`mixed`, whose column has only the values of its first type.
"""
import datetime
import json
import math

import second_engine
from harness import PROJECT, request, wait_until

QUERIES = [
    # Counting.
    "SELECT count(*) FROM events",
    "SELECT event, count(*) FROM events GROUP BY event",
    "SELECT count(DISTINCT person) FROM events",
    "SELECT event, count(DISTINCT person) FROM events GROUP BY event",
    "SELECT count(plan), count(seats), count(ratio), count(active) FROM events",
    "SELECT plan, active, count(*) FROM events GROUP BY plan, active",
    "SELECT plan, count(*) FROM events GROUP BY plan HAVING count(*) > 100",
    "SELECT count(*) FILTER (WHERE plan = 'pro'), count(*) FILTER (WHERE plan IS NULL) FROM events",
    "SELECT verified, count(*) FROM events GROUP BY verified",
    # Numbers.
    "SELECT sum(seats), avg(seats), min(seats), max(seats) FROM events",
    "SELECT event, sum(ratio), avg(ratio), stddev_pop(ratio), var_samp(ratio) FROM events GROUP BY event",
    "SELECT seats % 3, sum(seats * 2 - 1), round(avg(ratio), 4) FROM events WHERE seats IS NOT NULL GROUP BY seats % 3",
    "SELECT corr(seats, ratio) FROM events",
    ("SELECT approx_distinct(plan) FROM events", "SELECT count(DISTINCT plan) FROM events"),
    "SELECT median(ratio) FROM events",
    (
        "SELECT abs(ratio), floor(ratio), ceil(ratio), signum(ratio), count(*) FROM events WHERE ratio < 0 GROUP BY 1, 2, 3, 4",
        "SELECT abs(ratio), floor(ratio), ceil(ratio), sign(ratio), count(*) FROM events WHERE ratio < 0 GROUP BY 1, 2, 3, 4",
    ),
    "SELECT CAST(ratio AS BIGINT) + seats, count(*) FROM events WHERE ratio = 1.0 OR ratio = 2.25 GROUP BY 1",
    "SELECT CASE WHEN seats < 3 THEN 'few' WHEN seats < 6 THEN 'some' ELSE 'many' END, count(*) FROM events GROUP BY 1",
    # What is not set.
    "SELECT count(*) FROM events WHERE plan <> 'pro'",
    "SELECT count(*) FROM events WHERE plan IS DISTINCT FROM 'pro'",
    "SELECT coalesce(plan, 'none'), count(*) FROM events GROUP BY 1",
    "SELECT nullif(plan, 'free'), count(*) FROM events GROUP BY 1",
    "SELECT count(*) FROM events WHERE NOT (active AND seats > 4)",
    "SELECT count(*) FROM events WHERE seats IN (1, 2, NULL)",
    # Texts.
    "SELECT count(*) FROM events WHERE plan LIKE '%r%' OR event ILIKE 'key%'",
    "SELECT lower(plan), length(plan), substr(plan, 1, 2), count(*) FROM events GROUP BY 1, 2, 3",
    "SELECT plan || '-' || event, count(*) FROM events GROUP BY 1",
    "SELECT replace(event, ' ', '_'), strpos(event, 'e'), count(*) FROM events GROUP BY 1, 2",
    "SELECT trim(both 'e' FROM lower(event)), reverse(plan), count(*) FROM events GROUP BY 1, 2",
    ("SELECT count(*) FROM events WHERE regexp_like(event, '^(Page|Key) ')", "SELECT count(*) FROM events WHERE regexp_matches(event, '^(Page|Key) ')"),
    ("SELECT split_part(event, ' ', 2), count(*) FROM events GROUP BY 1", "SELECT split_part(event, ' ', 2), count(*) FROM events GROUP BY 1"),
    ("SELECT string_agg(DISTINCT plan, ',' ORDER BY plan) FROM events", "SELECT string_agg(DISTINCT plan, ',' ORDER BY plan) FROM events"),
    ("SELECT json_text(properties_rest, 'mixed'), count(*) FROM events GROUP BY 1", "SELECT properties_rest->>'$.mixed', count(*) FROM events GROUP BY 1"),
    # Time.
    "SELECT date_trunc('day', time), count(*) FROM events GROUP BY 1",
    "SELECT date_trunc('month', time), event, count(DISTINCT person) FROM events GROUP BY 1, 2",
    "SELECT date_trunc('week', time), sum(seats) FROM events GROUP BY 1",
    "SELECT extract(hour FROM time), count(*) FROM events GROUP BY 1",
    "SELECT extract(year FROM time), extract(month FROM time), extract(day FROM time), count(*) FROM events GROUP BY 1, 2, 3",
    "SELECT CAST(time AS DATE), min(time), max(time) FROM events GROUP BY 1",
    "SELECT count(*) FROM events WHERE time >= '2026-03-29' AND time < '2026-03-30'",
    "SELECT count(*) FROM events WHERE time BETWEEN TIMESTAMP '2026-10-25 00:30:00' AND TIMESTAMP '2026-10-25 01:30:00'",
    "SELECT event, count(*) FROM events WHERE time + INTERVAL '1 day' < TIMESTAMP '2026-03-20 00:00:00' GROUP BY event",
    (
        "SELECT date_trunc('day', to_local_time(time AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')), count(*) FROM events GROUP BY 1",
        "SELECT CAST(date_trunc('day', time::TIMESTAMP AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin') AS TIMESTAMP), count(*) FROM events GROUP BY 1",
    ),
    # Windows.
    "SELECT event, lag(event) OVER (PARTITION BY person ORDER BY time, seq) AS before, seq FROM events WHERE time < '2026-03-07'",
    "SELECT * FROM (SELECT person, seq, row_number() OVER (PARTITION BY person ORDER BY time, seq) AS n FROM events) WHERE n = 3",
    "SELECT day, n, sum(n) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM (SELECT CAST(time AS DATE) AS day, count(*) AS n FROM events GROUP BY 1)",
    "SELECT plan, seats, rank() OVER (PARTITION BY plan ORDER BY n DESC), dense_rank() OVER (ORDER BY n) FROM (SELECT plan, seats, count(*) AS n FROM events GROUP BY 1, 2)",
    "SELECT DISTINCT first_value(event) OVER w, last_value(event) OVER w FROM events WINDOW w AS (PARTITION BY person ORDER BY time, seq ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    "SELECT ntile(4) OVER (ORDER BY seq) AS quarter, seq FROM events WHERE plan = 'pro' AND seats = 8",
    # Joins, sets and subqueries.
    "SELECT count(*) FROM (SELECT DISTINCT person FROM events WHERE event = 'Key Created') k JOIN (SELECT DISTINCT person FROM events WHERE event = 'Upgraded') u ON k.person = u.person",
    "SELECT a.event, b.event, count(*) FROM events a JOIN events b ON a.person = b.person AND a.seq + 1 = b.seq GROUP BY 1, 2",
    "SELECT e.plan, p.n, count(*) FROM events e LEFT JOIN (SELECT plan, count(*) AS n FROM events WHERE seats > 6 GROUP BY plan) p ON e.plan = p.plan GROUP BY 1, 2",
    "SELECT count(*) FROM events WHERE person IN (SELECT person FROM events GROUP BY person HAVING count(*) > 12)",
    "SELECT count(DISTINCT person) FROM events e WHERE NOT EXISTS (SELECT 1 FROM events x WHERE x.person = e.person AND x.event = 'Upgraded')",
    "SELECT person FROM events WHERE plan = 'pro' INTERSECT SELECT person FROM events WHERE plan = 'team' EXCEPT SELECT person FROM events WHERE plan = 'free'",
    "SELECT event FROM events WHERE seats = 1 UNION SELECT plan FROM events",
    "WITH first AS (SELECT person, min(time) AS at FROM events GROUP BY person) SELECT CAST(f.at AS DATE), count(*), count(DISTINCT e.person) FROM first f JOIN events e ON e.person = f.person AND e.time > f.at GROUP BY 1",
    "SELECT event, plan, count(*), grouping(plan) FROM events GROUP BY ROLLUP (event, plan)",
    "SELECT person, time, event FROM events ORDER BY time DESC, seq LIMIT 25",
    "SELECT (SELECT max(seats) FROM events) - min(seats) FROM events WHERE event = 'Upgraded'",
]


class Differs(Exception):
    """An answer that is not as it should be."""


def view(connection):
    """The table as Cofferdam shows it: canonical persons, and nothing of the store's own."""
    events, persons = (f"lake.{second_engine.quote(PROJECT)}.{name}" for name in ("events", "persons"))
    connection.execute(
        f"CREATE OR REPLACE VIEW events AS SELECT p.canonical AS person, e.* EXCLUDE (person, insert_key, policy, sealed) "
        f"FROM {events} e JOIN {persons} p ON p.person = e.person"
    )


def ask(server, query, limit=100_000):
    headers = {"Authorization": f"Bearer {server.admin_token}", "Content-Type": "application/json"}
    body = json.dumps({"project": PROJECT, "query": query, "limit": limit})
    status, answer = request(server.admin_port, "POST", "/api/v1/sql", body, headers)
    answer = json.loads(answer)
    if status != 200:
        raise Differs(f"{status} {answer}")
    if answer["truncated"]:
        raise Differs(f"more rows than {limit}")
    kinds = [column["type"] for column in answer["columns"]]
    return [[cell(value, kind) for value, kind in zip(row, kinds)] for row in answer["rows"]]


def cell(value, kind):
    if value is None:
        return None
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(value)
    if kind == "date":
        return datetime.date.fromisoformat(value)
    return value


def order(row):
    """Rows in one order whatever the engine: floats may differ in the last digits."""
    return json.dumps([f"{value:.6e}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value) for value in row])


def same(one, other):
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def compare(where, ours, theirs):
    if not ours:
        raise Differs("no rows")
    if len(ours) != len(theirs):
        raise Differs(f"{where}: {len(ours)} rows and {len(theirs)}")
    for mine, other in zip(sorted(ours, key=order), sorted(theirs, key=order)):
        if len(mine) != len(other) or not all(map(same, mine, other)):
            raise Differs(f"{where}: {mine} and {other}")


def check(server, late):
    """Asks everything while `late` is in the tail, then in files, then the second engine; returns how many queries."""
    if len(QUERIES) < 40:
        raise SystemExit("FAILED: fewer than 40 queries")
    stored = ask(server, "SELECT count(*) FROM events")[0][0]
    server.send(late)
    wait_until(lambda: ask(server, "SELECT count(*) FROM events")[0][0] == stored + len(late), 60, "the last events are not seen")
    queries = [query if isinstance(query, tuple) else (query, query) for query in QUERIES]
    complaints, fresh = [], {}
    for ours, _ in queries:
        try:
            fresh[ours] = ask(server, ours)
        except Differs as error:
            complaints.append(f"{ours}: {error}")
    server.flush()
    connection = second_engine.attach(server.snapshot("sql"))
    view(connection)
    for ours, theirs in queries:
        try:
            if ours in fresh:
                now = ask(server, ours)
                compare("tail and files against files", fresh[ours], now)
                compare("against DuckDB", now, [list(row) for row in connection.execute(theirs).fetchall()])
        except Differs as error:
            complaints.append(f"{ours}: {error}")
    if complaints:
        raise SystemExit("FAILED:\n" + "\n".join(complaints))
    return len(queries)
