"""Trends recomputed from what was sent (see report_recount.py)."""
import collections
import datetime

from report_stories import EVENTS, HOUR, chosen, instant, local_date, meets, selection

MEASURES = ["total", "unique", "per_person"] + [{"aggregate": name, "property": "size"} for name in ("sum", "average", "median", "max", "distinct")]


def request(chance):
    _, _, asked = chosen(chance)
    events = chance.sample(EVENTS + ["$all"], chance.randint(1, 2))
    asked["events"] = [{**selection(chance), "event": event} for event in events]
    asked["measure"] = chance.choice(MEASURES)
    asked["unit"] = chance.choice(["day", "day", "hour", "week"])
    if chance.random() < 0.5:
        asked["breakdown"] = ["plan"]
    return asked


def bucket_of(asked, ms):
    first = datetime.date.fromisoformat(asked["from"])
    if asked["unit"] == "hour":
        return (ms - instant(first)) // HOUR
    if asked["unit"] == "day":
        return (local_date(ms) - first).days
    monday = first - datetime.timedelta(days=first.weekday())
    return (local_date(ms) - monday).days // 7


def figure(measure, rows):
    sizes = sorted(row.size for row in rows)
    people = {row.person for row in rows}
    if measure == "total":
        return len(rows)
    if measure == "unique":
        return len(people)
    if measure == "per_person":
        return len(rows) / len(people) if people else None
    name = measure["aggregate"]
    if name == "distinct":
        return len(set(sizes))
    if not sizes:
        return None
    middle = (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2
    return {"sum": sum(sizes), "average": sum(sizes) / len(sizes), "median": middle, "max": sizes[-1]}[name]


def check(asked, answer, people):
    from_ms = instant(datetime.date.fromisoformat(asked["from"]))
    to_ms = instant(datetime.date.fromisoformat(asked["to"]) + datetime.timedelta(days=1))
    rows = [row for rows in people.values() for row in rows if from_ms <= row.time < to_ms]
    shown = {(series["event"], tuple(series["segment"])): series["values"] for series in answer["series"]}
    known, cells = set(), 0
    for event in asked["events"]:
        groups = collections.defaultdict(list)
        if "breakdown" not in asked:
            groups[()] = []
        for row in rows:
            if meets(event, row):
                groups[(row.plan,) if "breakdown" in asked else ()].append(row)
        for segment, group in groups.items():
            key = event["event"], segment
            known.add(key)
            for bucket, value in enumerate(shown[key]):
                expected = figure(asked["measure"], [row for row in group if bucket_of(asked, row.time) == bucket])
                same = value == expected or None not in (value, expected) and abs(value - expected) < 1e-9
                assert same, (key, answer["buckets"][bucket], value, expected)
                cells += 1
    assert set(shown) == known, (set(shown), known)
    return cells
