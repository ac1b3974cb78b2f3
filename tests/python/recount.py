#!/usr/bin/env python3
"""Recounts blast radii from the bodies that vendors received and compares them with what Cofferdam says.

usage: recount.py RECEIVED.jsonl RADIUS.json

RECEIVED: one request a line, in the order of arrival: {"vendor", "day": "YYYY-MM-DD", "path": "/import"|"/engage", "body": base64 of
the bytes as they came}. Each item carries a marker `p<person>o<organization>n<serial>` that the generator made with the true person,
after all merges. RADIUS: a list of answers of `radius`, basis sent.

Asks nothing of Cofferdam and shares no code with it. Exit 0: all equal; 1: the differences are printed; 2: bad input.
"""
import base64
import gzip
import json
import re
import sys
import urllib.parse

MARKER = re.compile(r"p(\d+)o(\d+)n(\d+)")


def items_of(line):
    body = base64.b64decode(line["body"])
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    for item in json.loads(body):
        is_event = line["path"] == "/import"
        values = item["properties"] if is_event else item["$set"]
        prefix = "properties." if is_event else "profile."
        fields = {"event"} if is_event else {"distinct_id"}
        for name, value in values.items():
            if name == "token" or (name == "distinct_id" and value == ""):
                continue
            path = name if name in ("distinct_id", "time") else prefix + name
            fields.add(path)
            if isinstance(value, str) and "://" in value:
                url = urllib.parse.urlsplit(value)
                fields.update([path + "#"] if url.fragment else [])
                fields.update(f"{path}?{pair.split('=')[0]}" for pair in url.query.split("&") if pair)
        person, organization, serial = MARKER.fullmatch(values["marker"]).groups()
        yield serial, {"day": line["day"], "person": person, "organization": organization, "event": is_event, "fields": fields}


def recount(items, since, until):
    inside = [item for item in items if since <= item["day"] <= until]
    fields = {}
    for item in inside:
        for name in item["fields"]:
            people, days = fields.setdefault(name, (set(), set()))
            people.add(item["person"])
            days.add(item["day"])
    return {
        "people": len({item["person"] for item in inside}),
        "organizations": len({item["organization"] for item in inside if item["event"]}),
        "events": sum(item["event"] for item in inside),
        "fields": {name: (len(people), min(days), max(days)) for name, (people, days) in fields.items()},
    }


def main():
    received = {}
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            for serial, item in items_of(line):
                received.setdefault(line["vendor"], {}).setdefault(serial, item)
    with open(sys.argv[2], encoding="utf-8") as file:
        answers = json.load(file)
    wrong = 0
    for radius in answers:
        truth = recount(received[radius["vendor"]].values(), radius["since"], radius["until"])
        said = {name: radius[name] for name in ("people", "organizations", "events")}
        said["fields"] = {field["field"]: (field["people"], field["first"], field["last"]) for field in radius["fields"]}
        if len(said["fields"]) != len(radius["fields"]) or said != truth:
            wrong += 1
            print(radius["vendor"], radius["since"], radius["until"], "said", said, "recounted", truth)
    print(f"{len(answers) - wrong} of {len(answers)} answers equal a recount in Python of {sum(map(len, received.values()))} items")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (IndexError, KeyError, OSError, ValueError, AttributeError) as error:
        print(f"bad input: {error!r}", file=sys.stderr)
        sys.exit(2)
