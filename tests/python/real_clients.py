#!/usr/bin/env python3
"""The unchanged Mixpanel SDKs for Python, Node and browser send to a real server; only the host differs from what a company has.

Environment: COFFERDAM (the binary), CLIENTS (tests/clients with its packages installed), CHROMIUM.
Every event carries a marker of its own. Afterwards the events are looked for in a snapshot (with DuckDB), in the admin API's report
and in the bytes of two strict sinks: each event is stored exactly once, profiles are right, and each sink was given its contract only.
"""
import collections
import datetime
import json
import os
import subprocess
import sys
import time
import warnings

import mixpanel

import harness
import second_engine
from harness import PROJECT, Cofferdam, Vendor, wait_until

FIELDS = {
    "properties.marker": "user.behavior",
    "profile.plan": "user.behavior",
    "profile.calls": "user.behavior",
    "profile.tags": "user.behavior",
    "profile.logins": "user.behavior",
    "group.plan": "user.behavior",
}
BEHAVIOR = {"user.unique_id": "token", "user.behavior": "clear", "user.behavior.referrer": "withheld",
            "user.behavior.browsing_history": "withheld"}
# What the first contract covers: the dialect's own ids, and what is behavior by a rule (campaigns) or by FIELDS.
ALLOWED = {"distinct_id", "time", "$insert_id", "marker", "$user_id", "$device_id", "$anon_distinct_id", "$identified_id", "$anon_id",
           "$distinct_ids", "plan", "calls", "tags", "logins", "$had_persisted_distinct_id"}
# Each has a byte that no token or seal has (their alphabet is base64url), or is too long to stand in one by chance.
CLEAR = ["@example.com", "user-node", "user-py", "user-browser", "org-python", "org-node", "org-browser", "Nora Node", "Petra Python",
         "Bea Browser"]


def check(condition, complaint):
    if not condition:
        raise SystemExit(f"FAILED: {complaint}")


def python_sdk(server):
    """The Python SDK insists on https for `api_host`, but takes a URL for each endpoint as configuration."""
    base = f"http://127.0.0.1:{server.intake_port}"
    urls = {"events_url": f"{base}/track", "people_url": f"{base}/engage", "groups_url": f"{base}/groups", "import_url": f"{base}/import"}
    client = mixpanel.Mixpanel(server.token, consumer=mixpanel.Consumer(**urls))
    person, markers = "user-py-1", []

    def mark(name):
        markers.append(f"python-{name}")
        return {"marker": f"python-{name}"}

    for index in range(5):
        client.track(person, "Python Tracked", {**mark(f"track-{index}"), "email": "petra.python@example.com", "note": "grüße 🎉"})
    client.track(person, "Python Tracked", {**mark("nan"), "ratio": float("nan")})
    again = {**mark("again"), "$insert_id": "python-again"}
    client.track(person, "Python Tracked", again)
    client.track(person, "Python Tracked", again)
    old = time.time() - 30 * 86400
    warnings.simplefilter("ignore")
    client.import_data(None, person, "Python Imported", int(old), mark("import"), api_secret=server.secret)
    # Somebody known under another id, then joined by the server that has the secret.
    client.track("anon-py-2", "Python Merged", mark("merged-before"))
    client.merge(None, person, "anon-py-2", api_secret=server.secret)
    client.track(person, "Python Merged", mark("merged-after"))
    client.people_set(person, {"plan": "solo", "$email": "petra.python@example.com", "$name": "Petra Python"})
    client.people_set_once(person, {"plan": "never"})
    client.people_increment(person, {"calls": 5})
    client.people_increment(person, {"calls": -2})
    client.people_append(person, {"seen": "alpha"})
    client.people_append(person, {"seen": "beta"})
    client.people_union(person, {"tags": ["p", "q"]})
    client.people_union(person, {"tags": ["q", "r"]})
    client.people_remove(person, {"seen": "alpha"})
    client.group_set("org_id", "org-python", {"plan": "startup"})
    client.group_union("org_id", "org-python", {"tags": ["eu"]})
    buffered = mixpanel.Mixpanel(server.token, consumer=mixpanel.BufferedConsumer(**urls))
    for index in range(120):
        buffered.track(f"user-py-{index % 9}", "Python Buffered", mark(f"buffered-{index}"))
    buffered._consumer.flush()
    return markers


def node(script, *arguments):
    path = os.path.join(os.environ["CLIENTS"], script)
    run = subprocess.run(["node", path, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    if run.returncode != 0:
        raise SystemExit(f"{script} failed:\n{run.stderr[-6000:]}\n{run.stdout[-2000:]}")
    return json.loads(run.stdout)


def main():
    started = time.monotonic()
    page_port = harness.free_port()
    narrow = Vendor("narrow", BEHAVIOR)
    mail = Vendor("mail", {**BEHAVIOR, "user.contact.email": "clear", "user.contact.organization.id": "token"})
    with Cofferdam([narrow, mail], FIELDS, origins=[f"http://127.0.0.1:{page_port}"]) as server:
        markers = python_sdk(server)
        by_node = node("node.mjs", "127.0.0.1", server.intake_port, server.token, server.secret)
        by_browser = node("browser.mjs", page_port, f"http://127.0.0.1:{server.intake_port}", server.token)
        markers += by_node["markers"] + by_browser["markers"]
        check(len(set(markers)) == len(markers), "a marker was used twice")
        check_browser(by_browser)
        server.flush()
        check_store(server, markers, by_browser)
        for vendor in (narrow, mail):
            wait_until(lambda: len(sent_markers(vendor)) >= len(markers), 120, f"{vendor.name} has not got all")
        check_sinks(narrow, mail, markers, by_browser)
    seconds = time.monotonic() - started
    print(f"figure: real clients: {len(markers)} marked events by 3 SDKs stored exactly once, 2 sinks without a violation, {seconds:.1f} s")


def check_browser(browser):
    resent = browser["resent"]
    check(resent["beacons"] >= 1 and resent["again"] >= 1, f"no beacon and re-send: {resent}")
    beacon = next(request for request in browser["requests"] if request["kind"] == "beacon")
    check(beacon["type"].lower().startswith("text/plain"), f"the beacon is {beacon['type']}")
    check(browser["preflights"] >= 1, "the browser never asked before sending")
    check(all(request["status"] == 200 for request in browser["requests"]), f"not all answered 200: {browser['requests']}")


def check_store(server, markers, browser):
    connection = second_engine.attach(server.snapshot())
    rows = connection.execute(f"SELECT marker, count(*) FROM lake.{PROJECT}.events WHERE marker IS NOT NULL GROUP BY 1").fetchall()
    stored = dict(rows)
    check(set(stored) == set(markers), f"stored and sent differ: {sorted(set(stored) ^ set(markers))[:10]}")
    check(set(stored.values()) == {1}, f"stored twice: {[m for m, n in stored.items() if n != 1]}")
    check_people(server, browser)
    check_profiles(connection)
    for table, in connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall():
        for row in connection.execute(f"SELECT * FROM lake.{PROJECT}.{table}").fetchall():
            found = [(clear, cell) for cell in row for clear in CLEAR if clear in str(cell)]
            check(not found, f"a clear value in {table}: {found[:3]}")
    overview = server.api("GET", "/api/v1/overview")
    # The event that Python and the one that Node repeated, and what the browser sent again: the beacon's events at least.
    copies = [insert_id for request in browser["requests"] for insert_id in request["insertIds"]]
    again = len(copies) - len(set(copies))
    check(again >= 1 and overview["duplicates"] == 2 + again, f"duplicates: {overview['duplicates']}, the browser repeated {again}")
    check(overview["refused"] == [], f"refused: {overview['refused']}")


def check_people(server, browser):
    today = datetime.date.today()
    events = ["Python Tracked", "Python Merged", "Python Buffered", "Node Batched", "Node Imported", "Browser Tracked", "Browser Closed"]

    def ask(measure):
        request = {"project": PROJECT, "events": [{"event": name, "filters": []} for name in events], "measure": measure, "breakdown": [],
                   "unit": "month", "from": str(today - datetime.timedelta(days=60)), "to": str(today + datetime.timedelta(days=1))}
        series = server.api("POST", "/api/v1/reports/segmentation", request)["series"]
        return {each["event"]: max(each["values"]) if measure == "unique" else sum(each["values"]) for each in series}

    total, unique = ask("total"), ask("unique")
    check(total == {"Python Tracked": 7, "Python Merged": 2, "Python Buffered": 120, "Node Batched": 120, "Node Imported": 61,
                    "Browser Tracked": 8, "Browser Closed": browser["closed"]}, f"totals: {total}")
    # The browser's first visitor is one person before and after signing in; the second one never signs in.
    check(unique == {"Python Tracked": 1, "Python Merged": 1, "Python Buffered": 9, "Node Batched": 7, "Node Imported": 1,
                     "Browser Tracked": 2, "Browser Closed": 1}, f"people: {unique}")


def check_profiles(connection):
    rows = connection.execute(f"SELECT properties, sealed FROM lake.{PROJECT}.profiles").fetchall()
    plans = {}
    for properties, sealed in rows:
        properties = json.loads(properties or "{}")
        plans[properties.get("plan")] = (properties, json.loads(sealed or "{}"))
    check({"solo", "team", "pro"} <= set(plans), f"profiles: {plans}")
    wanted = {
        "solo": {"plan": "solo", "calls": 3, "seen": ["beta"], "tags": ["p", "q", "r"]},
        "team": {"plan": "team", "first_source": "docs", "calls": 7, "seen": ["alpha"], "tags": ["x", "y", "z"]},
    }
    for plan, properties in wanted.items():
        check(plans[plan][0] == properties, f"profile {plan}: {plans[plan][0]}")
    check(plans["pro"][0].get("logins") == 2, f"profile pro: {plans['pro'][0]}")
    for plan in ("solo", "team", "pro"):
        check({"$email", "$name"} <= set(plans[plan][1]), f"profile {plan} seals {sorted(plans[plan][1])}")
    groups = [json.loads(row[0]) for row in connection.execute(f"SELECT properties FROM lake.{PROJECT}.organizations").fetchall()]
    found = {group.get("plan") for group in groups}
    check({"startup", "enterprise", "scale"} <= found, f"organizations: {groups}")


def sent_markers(vendor):
    return [item["properties"]["marker"] for item in vendor.items("/import") if "marker" in item["properties"]]


def unlisted(keys):
    """Keys that the first contract does not cover; campaign parameters are behavior."""
    return sorted(key for key in set(keys) - ALLOWED if not key.startswith(("utm_", "initial_utm_")))


def members(value):
    """All keys and texts of an item, at any depth."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield key, member
            yield from members(member)
    elif isinstance(value, list):
        for member in value:
            yield from members(member)


def check_sinks(narrow, mail, markers, browser):
    device = browser["anonymous"].removeprefix("$device:")
    for vendor in (narrow, mail):
        check(vendor.sink.violations == [], f"{vendor.name}: violations {vendor.sink.violations[:5]}")
        counted = collections.Counter(sent_markers(vendor))
        check(set(counted) == set(markers) and set(counted.values()) == {1}, f"{vendor.name}: markers differ")
        text = json.dumps(vendor.items(), ensure_ascii=False)
        for clear in [*CLEAR[1:], device]:
            check(clear not in text, f"{vendor.name} was given {clear!r}")
        check(vendor.items("/engage"), f"{vendor.name}: no profile update")
    check(mail.items("/groups") and not narrow.items("/groups"), "groups go to the vendor whose contract lists organizations, only")
    check("@" not in json.dumps(narrow.items()), "an address reached the vendor whose contract lists none")
    for item in narrow.items("/import"):
        keys = unlisted(key for key, _ in members(item["properties"]))
        check(not keys, f"narrow was given {keys}")
    for item in narrow.items("/engage") + narrow.items("/groups"):
        operands = [value for key, value in item.items() if key in ("$set", "$set_once", "$add", "$append", "$union", "$remove")]
        keys = unlisted(key for operand in operands for key in operand)
        check(not keys, f"narrow was given {keys} of a profile")
    addresses = {key for item in mail.items() for key, value in members(item) if isinstance(value, str) and "@" in value}
    check(addresses == {"email", "$email"}, f"mail was given addresses in {addresses}")
    ids = {vendor.name: {item["properties"]["distinct_id"] for item in vendor.items("/import")} for vendor in (narrow, mail)}
    check(not ids["narrow"] & ids["mail"] - {""}, "two vendors share an id")


if __name__ == "__main__":
    sys.exit(main())
