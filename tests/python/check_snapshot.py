#!/usr/bin/env python3
"""Trends against a second engine: 50 seeded questions to the admin API and to DuckDB over a snapshot must have equal answers.

Environment: COFFERDAM (the binary); COFFERDAM_SCALE (1 = 20,000 events). Data go through the real intake: 40 % of the people begin
anonymous and are merged later, the days hold both clock changes of Europe/Berlin and America/New_York, and a second wave arrives
late, into days whose files are already cut. Each group of questions is shown to need what it is about: uniques change without the
merges, questions about late data changed with the second wave, ranges across a clock change have a day of 23 or 25 hours.
"""
import copy
import datetime
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import uuid

import harness
import second_engine
import sql_second_engine
from harness import PROJECT, Cofferdam

SEED = 20261122
SCALE = float(os.environ.get("COFFERDAM_SCALE", "1"))
EVENTS, PEOPLE = int(20_000 * SCALE), int(1_500 * SCALE)
SPANS = [("2026-03-05", 28), ("2026-10-20", 20)]
NAMES = ["Page Viewed", "Key Created", "Call Made", "Upgraded"]
ZONES = {"Europe/Berlin": ["2026-03-29", "2026-10-25"], "America/New_York": ["2026-03-08", "2026-11-01"]}
FIELDS = {f"properties.{name}": "user.behavior" for name in ("plan", "seats", "ratio", "active", "mixed", "tags", "label")}
UTC = datetime.timezone.utc


def check(condition, complaint):
    if not condition:
        raise SystemExit(f"FAILED (seed {SEED}): {complaint}")


class Story:
    """Seeded events; a person that began anonymous has a device, and an event that says whose it is."""

    def __init__(self):
        self.random = random.Random(SEED)
        self.days = [datetime.date.fromisoformat(first) + datetime.timedelta(days=n) for first, count in SPANS for n in range(count)]
        changes = [datetime.date.fromisoformat(day) for days in ZONES.values() for day in days]
        # Every third event lies on or beside a clock change.
        self.busy = [day + datetime.timedelta(days=n) for day in changes for n in (-1, 0, 1)]
        self.count = 0

    def moment(self):
        day = self.random.choice(self.busy if self.random.random() < 0.33 else self.days)
        second = self.random.choice([0, 1, 7199, 7200, 10_799, 10_800, 82_799, 86_399]) if self.random.random() < 0.1 else self.random.randrange(86_400)
        return int(datetime.datetime.combine(day, datetime.time(), UTC).timestamp()) * 1000 + second * 1000 + self.random.randrange(1000)

    def event(self, identity):
        self.count += 1
        chance = self.random.random
        properties = {"time": self.moment(), "$insert_id": f"e-{self.count}", **identity}
        if chance() < 0.8:
            properties["plan"] = self.random.choice(["free", "team", "pro", "Größe"])
        if chance() < 0.7:
            properties["seats"] = self.random.randrange(1, 9)
        if chance() < 0.5:
            properties["ratio"] = self.random.choice([0.5, 1.0, 2.25, -3.75])
        if chance() < 0.5:
            properties["active"] = chance() < 0.5
        if chance() < 0.5:
            # Text and numbers under one name: the clash lives in JSON.
            properties["mixed"] = self.random.choice([1, 2, "two", 2.5, True])
        return {"event": self.random.choices(NAMES, [6, 2, 5, 1])[0], "properties": properties}

    def waves(self):
        """Anonymous events, known events (with the merges), late events."""
        anonymous, known, late = [], [], []
        for index in range(PEOPLE):
            device = str(uuid.UUID(int=self.random.getrandbits(128), version=4)) if index % 5 < 2 else None
            user = {"distinct_id": f"user-{index}"}
            share = max(EVENTS // PEOPLE, 1)
            for number in range(share):
                wave = late if self.random.random() < 0.15 else known
                if device and number < share // 2:
                    if wave is known:
                        wave = anonymous
                    wave.append(self.event({"distinct_id": f"$device:{device}", "$device_id": device}))
                else:
                    wave.append(self.event(user))
            if device:
                known.append(self.event({**user, "$user_id": f"user-{index}", "$device_id": device}))
        for wave in (anonymous, known, late):
            self.random.shuffle(wave)
        return anonymous, known, late


def last(number):
    """An event of somebody who is known, for the tail."""
    properties = {"time": 1_772_755_200_000 + number * 61_001, "$insert_id": f"last-{number}", "distinct_id": f"user-{number % 40}",
                  "plan": ["free", "pro"][number % 2], "seats": number % 9}
    return {"event": NAMES[number % 4], "properties": properties}


def send_all(server, events, is_public):
    connection = http.client.HTTPConnection("127.0.0.1", server.intake_port, timeout=60)
    for start in range(0, len(events), 500):
        part = events[start : start + 500]
        if is_public:
            part = [{**event, "properties": {**event["properties"], "token": server.token}} for event in part]
            headers = {"Content-Type": "application/json"}
            status, answer = harness.request(server.intake_port, "POST", "/track?verbose=1", json.dumps(part), headers, connection)
            check(status == 200 and json.loads(answer)["status"] == 1, f"intake answered {status} {answer[:300]}")
        else:
            server.send(part, connection=connection)


def selection(draw, event=None):
    filters = []
    if draw.random() < 0.6:
        filters.append(draw.choice([
            {"property": "plan", "op": "equals", "value": "team"},
            {"property": "plan", "op": "equals", "value": ["free", "pro"]},
            {"property": "plan", "op": "not_equals", "value": "free"},
            {"property": "plan", "op": "contains", "value": "R"},
            {"property": "plan", "op": "not_contains", "value": "größ"},
            {"property": "plan", "op": "is_set"},
            {"property": "seats", "op": "is_not_set"},
            {"property": "seats", "op": "gt", "value": 3},
            {"property": "seats", "op": "lte", "value": 6.5},
            {"property": "ratio", "op": "gte", "value": 0.5},
            {"property": "ratio", "op": "lt", "value": 1},
            {"property": "ratio", "op": "equals", "value": 1},
            {"property": "active", "op": "is_true"},
            {"property": "active", "op": "is_false"},
            {"property": "mixed", "op": "equals", "value": 2},
            {"property": "mixed", "op": "equals", "value": "two"},
            {"property": "mixed", "op": "is_set"},
            {"property": "mixed", "op": "gt", "value": 1},
        ]))
    return {"event": event or draw.choice([*NAMES[:3], "$all"]), "filters": filters}


def question(draw, measure, unit, first, last, zone):
    events = [selection(draw)]
    if draw.random() < 0.3:
        other = draw.choice([name for name in NAMES[:3] if name != events[0]["event"]])
        events.append(selection(draw, other))
    breakdown = draw.choice([[], [], ["plan"], ["active"], ["seats"], ["mixed"], ["plan", "active"]])
    return {"project": PROJECT, "events": events, "measure": measure, "breakdown": breakdown, "unit": unit, "from": first, "to": last,
            "timezone": zone}


def questions():
    """18 uniques, 14 across clock changes, 12 about late data, 6 over everything."""
    draw = random.Random(SEED + 1)
    asked = {"unique": [], "dst": [], "late": [], "all": []}
    for _ in range(18):
        first, last = draw.choice([("2026-03-06", "2026-03-30"), ("2026-10-21", "2026-11-07"), ("2026-03-01", "2026-11-10")])
        unit = draw.choice(["day", "week", "month"])
        asked["unique"].append(question(draw, "unique", unit, first, last, draw.choice([*ZONES, "UTC"])))
    for index in range(14):
        zone = list(ZONES)[index % 2]
        change = datetime.date.fromisoformat(ZONES[zone][index // 2 % 2])
        first, last = change - datetime.timedelta(days=draw.randrange(2)), change + datetime.timedelta(days=draw.randrange(2))
        asked["dst"].append(question(draw, draw.choice(["total", "unique"]), ["hour", "day"][index % 3 % 2], str(first), str(last), zone))
    for _ in range(12):
        first, last = draw.choice([("2026-03-06", "2026-03-20"), ("2026-10-24", "2026-11-03")])
        asked["late"].append(question(draw, draw.choice(["total", "unique"]), "day", first, last, draw.choice([*ZONES])))
    for _ in range(6):
        asked["all"].append(question(draw, "total", draw.choice(["week", "month"]), "2026-03-01", "2026-11-10", draw.choice([*ZONES])))
    return asked


def ask(server, request):
    """The API's answer in the second engine's shape, without series of nothing but zeros."""
    answer = server.api("POST", "/api/v1/reports/segmentation", request)
    index = {selection["event"]: str(number) for number, selection in enumerate(request["events"])}
    series = {f"{index[each['event']]}|{json.dumps(each['segment'])}": each["values"] for each in answer["series"]}
    return len(answer["buckets"]), {key: values for key, values in series.items() if any(values)}


def answer(engine, request):
    found = engine.answer(request)
    return len(found["buckets"]) - 1, {key: values for key, values in found["series"].items() if any(values)}


def check_equal(number, group, request, ours, theirs):
    if ours == theirs:
        return
    keys = sorted(set(ours[1]) | set(theirs[1]))
    differing = [(key, ours[1].get(key), theirs[1].get(key)) for key in keys if ours[1].get(key) != theirs[1].get(key)]
    check(False, f"question {number} ({group}) {json.dumps(request)}: buckets {ours[0]} and {theirs[0]}; differing {differing[:3]}")


def check_needed(engine, requests, before, after):
    """The groups are about what they say."""
    merged = sum(answer(engine, request) != answer(engine.without_merges(), request) for request in requests["unique"])
    check(merged >= 15, f"only {merged} of the questions about uniques depend on merges")
    late = sum(old != new for old, new in zip(before, after))
    check(late >= 10, f"only {late} of the questions about late data changed with it")
    crossing = 0
    for request in requests["dst"]:
        hourly = {**request, "unit": "hour"}
        edges = second_engine.buckets(hourly)
        days = (datetime.date.fromisoformat(request["to"]) - datetime.date.fromisoformat(request["from"])).days + 1
        crossing += len(edges) - 1 != 24 * days
    check(crossing >= 10, f"only {crossing} questions cross a clock change")
    return merged, late, crossing


def check_notebook(server, directory):
    """The documented script gives the figures of the reports; once as JSON, once as somebody reads it."""
    script = pathlib.Path(__file__).resolve().parents[2] / "examples/notebook.py"
    steps = ["Page Viewed", "Key Created", "Upgraded"]
    run = [sys.executable, str(script), directory, "--project", PROJECT, "--steps", *steps]
    found = json.loads(subprocess.run([*run, "--json"], check=True, capture_output=True, text=True).stdout)
    report = server.api("POST", "/api/v1/reports/funnel", {
        "project": PROJECT, "steps": [{"event": step} for step in steps], "from": "2026-03-01", "to": "2026-11-10", "timezone": "UTC",
        "entry": "best",
    })
    counts = [step["count"] for step in report["steps"]]
    check(0 < counts[2] < counts[0], f"the notebook's funnel shows nothing: {counts}")
    check(found["funnel"] == [list(pair) for pair in zip(steps, counts)], f"the notebook's funnel is {found['funnel']}, the report's {counts}")
    top = sql_second_engine.ask(server, "SELECT event, count(*), count(DISTINCT person) FROM events GROUP BY event ORDER BY 2 DESC")
    check(found["top"] == top, f"the notebook's top events are {found['top']}, SQL's {top}")
    weeks = sql_second_engine.ask(
        server,
        "SELECT CAST(week AS DATE), count(*) FROM (SELECT person, date_trunc('week', min(time)) AS week FROM events GROUP BY person) "
        "GROUP BY 1 ORDER BY 1",
    )
    check([row[:2] for row in found["retention"]] == [[str(week), people] for week, people in weeks], "the notebook's weeks differ")
    read = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    check("funnel within 7 days" in read and "first week" in read, f"the notebook printed {read[:300]}")


def main():
    started = time.monotonic()
    requests = questions()
    check(sum(map(len, requests.values())) == 50, "not 50 questions")
    anonymous, known, late = Story().waves()
    with Cofferdam([], FIELDS, limits="[limits]\nnew_people_per_minute_max = 0\n") as server:
        send_all(server, anonymous, True)
        send_all(server, known, False)
        server.flush()
        before = [ask(server, copy.deepcopy(request)) for request in requests["late"]]
        first = second_engine.Engine(server.snapshot("before"))
        # Late data, and a second copy of a part of it, which is stored once.
        send_all(server, late, False)
        send_all(server, late[::7], False)
        server.flush()
        engine = second_engine.Engine(server.snapshot("after"))
        rows = engine.rows(PROJECT)
        check(first.rows(PROJECT) == len(anonymous) + len(known), f"{first.rows(PROJECT)} rows before the late data")
        check(rows == len(anonymous) + len(known) + len(late), f"{rows} rows for {len(anonymous) + len(known) + len(late)} events")
        number, after = 0, []
        for group, asked in requests.items():
            for request in asked:
                number += 1
                ours, theirs = ask(server, request), answer(engine, request)
                check(ours[1], f"question {number} ({group}) is all zero: {json.dumps(request)}")
                check_equal(number, group, request, ours, theirs)
                if group == "late":
                    after.append(ours)
        for request, ours in zip(requests["late"], before):
            check_equal(0, "late, before", request, ours, answer(first, request))
        queries = sql_second_engine.check(server, [last(number) for number in range(200)])
        check_notebook(server, server.snapshot("notebook"))
        merged, changed, crossing = check_needed(engine, requests, before, after)
    print(
        f"figure: second engine: {number} questions over {rows} events equal (seed {SEED}; {merged} uniques that need merges, {changed} changed by "
        f"late data, {crossing} across clock changes) and {queries} queries in SQL, {time.monotonic() - started:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
