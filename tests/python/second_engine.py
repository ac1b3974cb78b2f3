#!/usr/bin/env python3
"""Answers segmentation questions from a snapshot with DuckDB, sharing no code with Cofferdam.

usage: second_engine.py SNAPSHOT_DIR < questions.json > answers.json

Input: a list of segmentation requests (design: POST /api/v1/reports/segmentation). Output: per request
{"series": {"<index>|<json segment>": [values per bucket]}, "buckets": [epoch ms of each bucket's start, then the last end]}.
With no input on stdin ("[]") it only opens the snapshot and prints table counts to stderr.
Needs duckdb 1.5.5 with the packages duckdb-extension-ducklake and duckdb-extension-sqlite-scanner.
"""
import bisect
import datetime
import glob
import json
import os
import sys
import zoneinfo

import duckdb


def attach(directory):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("sqlite_scanner", "ducklake"):
        roots = [os.path.dirname(os.path.dirname(duckdb.__file__))] + sys.path
        found = [f for root in roots for f in glob.glob(f"{root}/duckdb_extension_{name}/extensions/v*/*.duckdb_extension")]
        connection.execute(f"LOAD '{found[0]}'")
    catalog, data = os.path.join(directory, "catalog.db"), os.path.join(directory, "store") + "/"
    connection.execute(
        f"ATTACH 'ducklake:sqlite:{catalog}' AS lake (READ_ONLY, DATA_PATH '{data}', OVERRIDE_DATA_PATH true)"
    )
    return connection


def columns(connection, project):
    """Property -> SQL column, from the comments that the catalog carries; None beside it for what lives in JSON only."""
    rows = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = 'lake' AND schema_name = ? AND table_name = 'events'",
        [project],
    ).fetchall()
    return {comment.removeprefix("properties."): name for name, comment in rows if comment}


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def text_of(value):
    """A value as Cofferdam shows it: whole numbers without a fraction, booleans as JSON."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return str(int(value))
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def buckets(request):
    zone = zoneinfo.ZoneInfo(request.get("timezone") or "UTC")
    unit = request.get("unit", "day")
    day = datetime.date.fromisoformat(request["from"])
    last = datetime.date.fromisoformat(request["to"]) + datetime.timedelta(days=1)

    def start(date):
        """First instant of a local date: the first hour that exists."""
        at = datetime.datetime.combine(date, datetime.time(), zone)
        utc = at.astimezone(datetime.timezone.utc)
        while utc.astimezone(zone).date() < date:
            utc += datetime.timedelta(minutes=15)
        return int(utc.timestamp() * 1000)

    out = []
    while day < last:
        if unit == "hour":
            at, end = start(day), start(day + datetime.timedelta(days=1))
            while at < end:
                out.append(at)
                at += 3_600_000
            day += datetime.timedelta(days=1)
            continue
        out.append(start(day))
        if unit == "day":
            day += datetime.timedelta(days=1)
        elif unit == "week":
            day += datetime.timedelta(days=7 - day.weekday())
        else:
            day = (day.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    return out + [start(last)]


def matches(filter, value):
    op, operand = filter["op"], filter.get("value")
    options = operand if isinstance(operand, list) else [operand]
    text = text_of(value)
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if op in ("equals", "not_equals"):
        hit = text is not None and any(text == text_of(option) for option in options)
        return hit == (op == "equals")
    if op in ("contains", "not_contains"):
        hit = text is not None and any(text_of(option).lower() in text.lower() for option in options)
        return hit == (op == "contains")
    if op == "is_set":
        return value is not None
    if op == "is_not_set":
        return value is None
    if op in ("is_true", "is_false"):
        return value is (op == "is_true")
    if number is None:
        return False
    return {"gt": number > operand, "gte": number >= operand, "lt": number < operand, "lte": number <= operand}[op]


class Engine:
    """A snapshot, opened; without merges, every number that was ever given is a person."""

    def __init__(self, directory, merges=True, connection=None):
        self.connection, self.merges = connection or attach(directory), merges

    def without_merges(self):
        return Engine(None, False, self.connection)

    def rows(self, project):
        return self.connection.execute(f"SELECT count(*) FROM lake.{quote(project)}.events").fetchone()[0]

    def answer(self, request):
        edges, result = buckets(request), {}
        for index, selection in enumerate(request["events"]):
            for (segment, bucket), people in self.cells(request, selection, edges).items():
                values = result.setdefault(f"{index}|{segment}", [0] * (len(edges) - 1))
                values[bucket] = len(set(people)) if request.get("measure") == "unique" else len(people)
        return {"series": result, "buckets": edges}

    def cells(self, request, selection, edges):
        """(segment, bucket) -> the canonical persons of its events."""
        breakdown, filters = request.get("breakdown", []), selection.get("filters", [])
        wanted = list(dict.fromkeys(breakdown + [f["property"] for f in filters]))
        cells = {}
        for person, time, row in self.scan(request["project"], selection["event"], wanted, edges):
            if all(matches(f, row[f["property"]]) for f in filters):
                segment = json.dumps([text_of(row[name]) for name in breakdown])
                bucket = bisect.bisect_right(edges, time) - 1
                cells.setdefault((segment, bucket), []).append(person)
        return cells

    def scan(self, project, event, wanted, edges):
        known = columns(self.connection, project)
        picked = ["coalesce(p.canonical, e.person)" if self.merges else "e.person", "epoch_ms(e.time)", "e.properties_rest"]
        picked += [f"e.{quote(known[name])}" if name in known else "NULL" for name in wanted]
        sql = (
            f"SELECT {', '.join(picked)} FROM lake.{quote(project)}.events e"
            f" LEFT JOIN lake.{quote(project)}.persons p ON p.person = e.person"
            " WHERE epoch_ms(e.time) >= ? AND epoch_ms(e.time) < ?"
        )
        arguments = [edges[0], edges[-1]]
        if event != "$all":
            sql += " AND e.event = ?"
            arguments.append(event)
        for person, time, rest, *values in self.connection.execute(sql, arguments).fetchall():
            overflow = json.loads(rest) if rest else {}
            yield person, time, {name: overflow.get(name, value) for name, value in zip(wanted, values)}


def main():
    engine = Engine(sys.argv[1])
    for schema, table in engine.connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'"
    ).fetchall():
        rows = engine.connection.execute(f"SELECT count(*) FROM lake.{quote(schema)}.{quote(table)}").fetchone()[0]
        print(f"{schema}.{table}: {rows}", file=sys.stderr)
    json.dump([engine.answer(request) for request in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
