#!/usr/bin/env python3
"""Recounts a blast radius from the sends themselves and compares it with what Cofferdam says.

usage: ledger_recount.py SENDS.jsonl RADIUS.json… [--merges MERGES.json]

SENDS: one send a line: {"vendor", "day": "YYYY-MM-DD", "person": id or null, "organization": id or null, "is_event": bool,
"delivered": bool, "fields": [{"field", "category", "form"}]}. `person` may be any id; the line's own id of an event ("id", optional)
makes repeated lines of a retried event count once. MERGES: a list of pairs of persons that are one.
RADIUS: the JSON of `radius`, basis sent (an object, or a list of them).

Shares no code and no data structure with Cofferdam: plain sets. Exit 0: all equal; 1: the differences are printed; 2: bad input.
"""
import argparse
import json
import sys


def canonical_of(pairs):
    parent = {}

    def find(person):
        while parent.get(person, person) != person:
            person = parent[person]
        return person

    for one, other in pairs:
        one, other = find(one), find(other)
        if one != other:
            parent[other] = one
    return find


def recount(sends, radius, find):
    people, confirmed, organizations, events = set(), set(), set(), 0
    fields, categories, ids = {}, {}, set()
    for send in sends:
        if send["vendor"] != radius["vendor"] or not radius["since"] <= send["day"] <= radius["until"]:
            continue
        person = send.get("person")
        person = None if person is None else find(person)
        if person is not None:
            people.add(person)
            if send["delivered"]:
                confirmed.add(person)
        if send.get("organization") is not None:
            organizations.add(send["organization"])
        if send["is_event"] and (send.get("id") is None or send["id"] not in ids):
            events += 1
            ids.add(send.get("id"))
        for field in send["fields"]:
            key = (field["field"], field["category"], field["form"])
            known = fields.setdefault(key, [set(), send["day"], send["day"]])
            known[1], known[2] = min(known[1], send["day"]), max(known[2], send["day"])
            of_category = categories.setdefault(field["category"], set())
            if person is not None:
                known[0].add(person)
                of_category.add(person)
    return {
        "people": len(people),
        "people_possible": len(people - confirmed),
        "organizations": len(organizations),
        "events": events,
        "fields": {key: (len(known[0]), known[1], known[2]) for key, known in fields.items()},
        "categories": {category: len(of) for category, of in categories.items()},
    }


def said(radius):
    counts = {name: radius[name] for name in ("people", "people_possible", "organizations", "events")}
    counts["fields"] = {
        (field["field"], field["category"], field["form"]): (field["people"], field["first"], field["last"])
        for field in radius["fields"]
    }
    counts["categories"] = {category["category"]: category["people"] for category in radius["categories"]}
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sends")
    parser.add_argument("radius", nargs="+")
    parser.add_argument("--merges")
    arguments = parser.parse_args()
    try:
        with open(arguments.sends, encoding="utf-8") as lines:
            sends = [json.loads(line) for line in lines if line.strip()]
        pairs = []
        if arguments.merges:
            with open(arguments.merges, encoding="utf-8") as file:
                pairs = json.load(file)
        radiuses = []
        for path in arguments.radius:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            radiuses += content if isinstance(content, list) else [content]
    except (OSError, ValueError) as error:
        print(f"cannot read the input: {error}", file=sys.stderr)
        return 2
    find, differences, people = canonical_of(pairs), 0, 0
    for radius in radiuses:
        if radius.get("basis", "sent") != "sent":
            print("only basis sent can be recounted from sends", file=sys.stderr)
            return 2
        mine, theirs = recount(sends, radius, find), said(radius)
        people += mine["people"]
        for name in mine:
            if mine[name] != theirs[name]:
                differences += 1
                where = f"{radius['vendor']} {radius['since']}..{radius['until']}"
                print(f"{where}: {name}: recounted {mine[name]!r}, radius says {theirs[name]!r}")
    if not differences and not people:
        print("nothing was compared: every answer is empty", file=sys.stderr)
        return 2
    print(f"{len(radiuses)} answers over {len(sends)} sends, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
