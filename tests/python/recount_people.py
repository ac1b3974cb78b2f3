"""People behind bars and members of cohorts recomputed from what was sent (see report_recount.py)."""
import datetime

import harness
from report_stories import DAYS, EVENTS, FIRST, instant, meets, selection


def bar(chance, funnel_request):
    """A bar of a funnel of first entries."""
    while True:
        request = funnel_request(chance)
        if request["entry"] == "first":
            break
    for absent in ("breakdown", "attribution", "trend"):
        request.pop(absent, None)
    step = chance.randint(1, len(request["steps"]))
    outcome = chance.choice(["reached", "dropped"]) if step > 1 else "reached"
    return {"limit": 1000, "bar": {"kind": "funnel", "request": request, "bar": {"step": step, "outcome": outcome}}}


def check_bar(asked, answer, people, funnel):
    request, wanted = asked["bar"]["request"], asked["bar"]["bar"]
    rules, step = funnel(request), wanted["step"] - 1
    before = max((at for at in range(step) if not request["steps"][at].get("optional")), default=None)
    expected = 0
    for rows in people.values():
        found = rules.attempts(rows)
        if request.get("excluded") == "removed":
            found = [one for one in found if not any(each[1] for each in found)]

        def reached(one, at):
            return at < len(one[0]) if rules.order == "any" else at in one[0]

        if wanted["outcome"] == "reached":
            expected += any(reached(one, step) for one in found)
        else:
            expected += any(reached(one, before) and not reached(one, step) for one in found)
    assert answer["people"] == expected == len(set(answer["page"])), (answer, expected)
    return 1


def condition(chance):
    one = {"kind": "did", "selection": {**selection(chance), "event": chance.choice(EVENTS)}, "not": chance.random() < 0.3}
    if chance.random() < 0.6:
        one["times"] = {"op": chance.choice(["at_least", "at_most", "exactly"]), "count": chance.randint(0, 4)}
    if chance.random() < 0.5:
        first = chance.randrange(DAYS)
        days = [FIRST + datetime.timedelta(days=day) for day in (first, chance.randrange(first, DAYS))]
        one["window"] = {"from": str(days[0]), "to": str(days[1])}
    return one


def cohort(chance):
    conditions = [condition(chance) for _ in range(chance.randint(1, 3))]
    return {"project": harness.PROJECT, "name": "Some", "definition": {"matching": chance.choice(["all", "any"]), "conditions": conditions}}


def ask_cohort(server, draft):
    """The members, and a report that they narrow and divide."""
    made = server.api("POST", "/api/v1/cohorts", draft)
    one = str(made["id"])
    size = server.api("GET", f"/api/v1/cohorts/{one}/people?limit=1000")
    request = {
        "project": harness.PROJECT, "from": str(FIRST), "to": str(FIRST + datetime.timedelta(days=DAYS - 1)), "unit": "month",
        "timezone": "Europe/Berlin", "measure": "unique", "events": [{"event": "$all"}, {"event": "Called", "cohorts": [{"cohort": one, "not": True}]}],
        "breakdown": [{"cohort": one}],
    }
    report = server.api("POST", "/api/v1/reports/segmentation", request)
    server.api("DELETE", f"/api/v1/cohorts/{one}")
    return size, report


def fits(one, rows):
    if "window" in one:
        from_ms = instant(datetime.date.fromisoformat(one["window"]["from"]))
        to_ms = instant(datetime.date.fromisoformat(one["window"]["to"]) + datetime.timedelta(days=1))
        rows = [row for row in rows if from_ms <= row.time < to_ms]
    count = sum(meets(one["selection"], row) for row in rows)
    times = one.get("times", {"op": "at_least", "count": 1})
    holds = {"at_least": count >= times["count"], "at_most": count <= times["count"], "exactly": count == times["count"]}[times["op"]]
    return holds != one["not"]


def check_cohort(draft, answer, people):
    size, report = answer
    definition = draft["definition"]
    joined = all if definition["matching"] == "all" else any
    members = {person for person, rows in people.items() if joined(fits(one, rows) for one in definition["conditions"])}
    assert size["people"] == len(members) == len(set(size["page"])), (size["people"], len(members))
    shown = {(one["event"], one["segment"][0]): sum(one["values"]) for one in report["series"]}
    expected = {
        ("$all", "Some"): len(members),
        ("$all", None): len(people) - len(members),
        ("Called", None): sum(any(row.event == "Called" for row in rows) for person, rows in people.items() if person not in members),
    }
    expected = {key: count for key, count in expected.items() if count}
    assert {key: count for key, count in shown.items() if count} == expected, (shown, expected)
    return 1 + len(expected)
