#!/usr/bin/env python3
"""Asks ClickHouse (chdb-core) how many people were exposed, by field: over raw rows and over groupBitmap states.

usage: clickhouse.py ROWS.bin DIR VENDOR:FROM:TO…

ROWS.bin: person u32, vendor u8, field u8, day u16, little-endian (ClickHouse's RowBinary). DIR: the tables, made anew.
Prints one line of JSON per question: people by field, CPU milliseconds (user + system, all threads, median of 5 warm runs).
"""
import json
import resource
import shutil
import statistics
import sys

from chdb import session


def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e3


def measured(ask):
    answer, took = ask(), []
    for _ in range(5):
        start = cpu_ms()
        answer = ask()
        took.append(cpu_ms() - start)
    return statistics.median(took), answer


def main():
    rows, directory, questions = sys.argv[1], sys.argv[2], sys.argv[3:]
    shutil.rmtree(directory, ignore_errors=True)
    clickhouse = session.Session(directory)
    columns = "person UInt32, vendor UInt8, field UInt8, day UInt16"
    for statement in (
        "SET max_threads = 2",
        "CREATE DATABASE ledger",
        f"CREATE TABLE ledger.sent ({columns}) ENGINE = MergeTree ORDER BY (vendor, day, field, person)",
        f"INSERT INTO ledger.sent SELECT * FROM file('{rows}', RowBinary, '{columns}')",
        "OPTIMIZE TABLE ledger.sent FINAL",
        "CREATE TABLE ledger.bitmaps (vendor UInt8, field UInt8, day UInt16, people AggregateFunction(groupBitmap, UInt32))"
        " ENGINE = AggregatingMergeTree ORDER BY (vendor, day, field)",
        "INSERT INTO ledger.bitmaps SELECT vendor, field, day, groupBitmapState(person) FROM ledger.sent GROUP BY vendor, field, day",
        "OPTIMIZE TABLE ledger.bitmaps FINAL",
    ):
        clickhouse.query(statement)
    for question in questions:
        vendor, since, until = question.split(":")
        where = f"WHERE vendor = {vendor} AND day >= {since} AND day <= {until} GROUP BY field ORDER BY field"

        def ask(what):
            return bytes(clickhouse.query(f"SELECT field, {what} {where}", "JSONCompactEachRow").bytes()).decode()

        bitmap_ms, people = measured(lambda: ask("groupBitmapMerge(people) FROM ledger.bitmaps"))
        rows_ms, same = measured(lambda: ask("uniqExact(person) FROM ledger.sent"))
        if people != same:
            sys.exit(f"ClickHouse disagrees with itself: {people} and {same}")
        found = [[int(number) for number in json.loads(line)] for line in people.splitlines()]
        print(json.dumps({"people": found, "bitmap_cpu_ms": bitmap_ms, "rows_cpu_ms": rows_ms}), flush=True)


if __name__ == "__main__":
    main()
