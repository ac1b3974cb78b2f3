#!/usr/bin/env python3
"""PyPI's mixpanel-utils, unchanged but for the host: imports into a Cofferdam, exports and queries it, imports what it got into another.

Every count is exact: events by name, people by event, profiles and what they say, over pages, conditions and a compressed stream.
Invariant: the package's own files of what it could not send stay absent.
"""
import collections
import datetime
import gzip
import json
import os
import pathlib
import random
import tempfile
import uuid

import harness
from mixpanel_utils import MixpanelUtils

PEOPLE = 2_300
EVENTS = ["Visited", "Called", "Exported"]
QUERY_SECRET = "query-secret-of-the-python-check"
FIELDS = {"properties.plan": "user.behavior", "profile.plan": "user.behavior"}
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
DAYS = {"from_date": str(TODAY - datetime.timedelta(days=9)), "to_date": str(TODAY)}


def server():
    cofferdam = harness.Cofferdam(fields=FIELDS, timezone="UTC")
    secret = cofferdam.folder / "secrets/console.query"
    secret.write_text(QUERY_SECRET)
    secret.chmod(0o600)
    text = cofferdam.config.read_text()
    line = 'import_secret_file = "secrets/console.import"\n'
    assert line in text
    cofferdam.config.write_text(text.replace(line, line + 'query_secret_file = "secrets/console.query"\n'))
    return cofferdam


def reader(cofferdam, secret=QUERY_SECRET, **more):
    client = MixpanelUtils(secret, max_retries=1, **more)
    client.raw_api = client.formatted_api = f"http://127.0.0.1:{cofferdam.admin_port}/api"
    return client


def writer(cofferdam):
    client = MixpanelUtils(cofferdam.secret, token=cofferdam.token, max_retries=1, pool_size=2)
    client.import_api = f"http://127.0.0.1:{cofferdam.intake_port}"
    return client


def stories(chance):
    """Events and profiles: some people began on a device, and some of those days have many events of one instant."""
    start = int(datetime.datetime.combine(TODAY - datetime.timedelta(days=9), datetime.time(), datetime.timezone.utc).timestamp())
    events, profiles = [], []
    for person in range(PEOPLE):
        device = str(uuid.UUID(int=chance.getrandbits(128), version=4)) if person % 3 == 0 else None
        for number in range(chance.randrange(1, 5)):
            began = device and number == 0
            properties = {
                "distinct_id": f"$device:{device}" if began else f"user-{person}",
                "time": start + (number * 86_400) + chance.randrange(50) * 60,
                "$insert_id": f"{person}-{number}",
                "plan": chance.choice(["free", "pro"]),
                "size": chance.randrange(10),
                "note": "someword",
            }
            if device:
                properties["$device_id"] = device
                if not began:
                    properties["$user_id"] = f"user-{person}"
            events.append({"event": chance.choice(EVENTS), "properties": properties})
        if device is None or any(event["properties"]["distinct_id"] == f"user-{person}" for event in events[-4:]):
            plan, seats = chance.choice(["free", "pro"]), chance.randrange(9)
            profiles.append({"$distinct_id": f"user-{person}", "$properties": {"plan": plan, "seats": seats, "$email": f"u{person}@example.com"}})
    return events, profiles


def whose(events):
    """Person of each event: whoever signed in with a device is whom the device belonged to."""
    owner = {e["properties"]["$device_id"]: e["properties"]["$user_id"] for e in events if "$user_id" in e["properties"]}
    for event in events:
        own = event["properties"]
        device = own["distinct_id"].removeprefix("$device:")
        yield owner.get(device, own["distinct_id"])


def facts(events):
    return collections.Counter(
        (e["event"], e["properties"]["time"], e["properties"]["plan"], e["properties"]["size"]) for e in events
    )


def people_by_event(pairs):
    people = collections.defaultdict(set)
    for event, person in pairs:
        people[event].add(person)
    return {event: len(found) for event, found in people.items()}


def said(profiles):
    return collections.Counter((p["$properties"]["plan"], p["$properties"]["seats"]) for p in profiles)


def equal(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: {found!r} is not {expected!r}"[:2000])
    print(f"  {what}: as expected")


def check(cofferdam, events, profiles):
    """Exports and queries with the query secret; returns what it got."""
    cofferdam.flush()
    client = reader(cofferdam)
    exported = client.query_export(dict(DAYS))
    equal("events exported", len(exported), len(events))
    equal("what they say", facts(exported), facts(events))
    expected = people_by_event(zip([e["event"] for e in events], whose(events)))
    equal("people by event", people_by_event((e["event"], e["properties"]["distinct_id"]) for e in exported), expected)
    called = client.query_export({**DAYS, "event": ["Called"], "where": 'properties["size"] > 6'})
    equal("some of them", len(called), sum(e["event"] == "Called" and e["properties"]["size"] > 6 for e in events))
    for name in EVENTS:
        asked = {**DAYS, "event": name, "type": "unique", "unit": "quarter"}
        answer = json.loads(client.request(client.formatted_api, ["segmentation"], asked))
        # The range may lie in two quarters; then people are counted in each.
        if len(answer["data"]["series"]) == 1:
            equal(f"people who {name}", list(answer["data"]["values"][name].values()), [expected[name]])
    found = client.query_engage()
    equal("profiles", len(found), len(profiles))
    equal("different people among them", len({p["$distinct_id"] for p in found}), len(profiles))
    equal("what profiles say", said(found), said(profiles))
    pro = client.query_engage({"where": 'properties["plan"] == "pro" and properties["seats"] > 4'})
    equal("profiles under a condition", len(pro), sum(p["$properties"]["plan"] == "pro" and p["$properties"]["seats"] > 4 for p in profiles))
    text = json.dumps([exported, found])
    for hidden in ("user-1", "$device", "example.com", "someword"):
        assert hidden not in text, hidden
    client.export_events("events.jsonl", dict(DAYS), add_gzip_header=True, raw_stream=True)
    with gzip.open("events.jsonl.gz") as lines:
        equal("events of a compressed stream", sum(1 for _ in lines), len(events))
    return exported, found


def main():
    events, profiles = stories(random.Random(20261123))
    os.chdir(tempfile.mkdtemp())
    with server() as first:
        client = writer(first)
        client.import_events(events, 0)
        client.import_people(profiles)
        print("· a Cofferdam that mixpanel-utils filled")
        exported, found = check(first, events, profiles)
        named = reader(first, first.admin_token, service_account_username="robot", project_id="console").query_engage()
        ids = {p["$distinct_id"]: p["$properties"]["$email"] for p in named}
        equal("the administrator's names", ids, {p["$distinct_id"]: p["$properties"]["$email"] for p in profiles})
        stranger = reader(first, first.secret)
        assert stranger.request(stranger.raw_api, ["export"], dict(DAYS)) is None, "the import secret reads"
    with server() as second:
        client = writer(second)
        client.import_events(exported, 0)
        client.import_people(found)
        print("· another one, filled with what came out of the first")
        for event in exported:
            event["properties"].pop("$device_id", None)
        check(second, exported, found)
    for left in ("invalid_events.txt", "import_backup.txt"):
        assert not pathlib.Path(left).exists(), pathlib.Path(left).read_text()[:1000]
    print(f"mixpanel-utils: {len(events)} events, {len(profiles)} profiles, exact both ways")


main()
