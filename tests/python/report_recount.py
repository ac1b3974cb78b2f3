#!/usr/bin/env python3
"""All reports, people behind bars and cohorts recomputed from what was sent, sharing no code with Cofferdam (P7).

usage: report_recount.py [SEED] ; COFFERDAM_PROVE=1 asks 200 questions of each kind, otherwise 20.

Each question is a request of random choices; every figure of the answer must be that of a plain computation over the generator's own
input: merged people, ties, late events, unset properties, days of 25 hours.
"""
import collections
import datetime
import functools
import os
import random
import sys

import harness
import recount_people
import recount_trends
from report_stories import EVENTS, HOUR, WINDOW_MS, by_session, chosen, instant, local_date, made, meets, selection, stories

# Funnels


def funnel_request(chance):
    _, _, request = chosen(chance)
    steps = [selection(chance) for _ in range(chance.randint(2, 4))]
    request["steps"] = steps
    request["order"] = chance.choice(["loose", "loose", "loose", "strict", "any"])
    request["count"] = chance.choice(["uniques", "uniques", "totals", "sessions"])
    request["entry"] = "first" if request["count"] == "totals" else chance.choice(["first", "best"])
    request["window"] = {
        "length": chance.randint(1, 40), "unit": chance.choice(["minute", "hour", "hour", "day"]),
        "since": chance.choice(["entry", "entry", "step"]),
    }
    request["strict_among"] = chance.choice(["all_events", "funnel_events"])
    if request["order"] == "loose":
        if chance.random() < 0.4:
            used = {step["event"] for step in steps}
            free = [event for event in EVENTS if event not in used]
            after = chance.randint(1, len(steps) - 1)
            request["exclusions"] = [{"event": chance.choice(free), "after": after, "before": chance.randint(after + 1, len(steps))}]
            request["excluded"] = chance.choice(["dropped", "removed"])
        if len(steps) > 2 and chance.random() < 0.3:
            steps[1]["optional"] = True
    if chance.random() < 0.3:
        request["hold_constant"] = ["plan"]
    # Best attempts of which each entry's value counts by itself are looked at by the Rust tests.
    if chance.random() < 0.5 and request["entry"] == "first":
        request["breakdown"] = ["plan"]
        request["attribution"] = chance.choice(["first", "last"])
    if chance.random() < 0.4 and request["entry"] == "first":
        request["trend"] = "day"
    return request


class Funnel:
    """The rules of a request over one story at a time."""

    def __init__(self, request):
        self.request, self.steps = request, request["steps"]
        self.window = request["window"]["length"] * WINDOW_MS[request["window"]["unit"]]
        self.since_step = request["window"]["since"] == "step"
        self.order, self.count = request["order"], request["count"]
        self.from_ms = instant(datetime.date.fromisoformat(request["from"]))
        self.to_ms = instant(datetime.date.fromisoformat(request["to"]) + datetime.timedelta(days=1))
        self.hold = bool(request.get("hold_constant"))
        self.exclusions = request.get("exclusions", [])

    def is_entry(self, row, value):
        wanted = self.steps if self.order == "any" else self.steps[:1]
        begins = any(meets(step, row) for step in wanted)
        return begins and self.from_ms <= row.time < self.to_ms and (value is None or value == (row.plan,))

    def open_steps(self, last, reached):
        if self.order == "any":
            return [step for step in range(len(self.steps)) if step not in reached]
        following = []
        for step in range(last + 1, len(self.steps)):
            following.append(step)
            if not self.steps[step].get("optional"):
                break
        return following

    def fills(self, row, last, reached, held):
        if self.hold and row.plan != held:
            return None
        return next((step for step in self.open_steps(last, reached) if meets(self.steps[step], row)), None)

    def is_excluded(self, row, last):
        return any(meets(one, row) and one["after"] - 1 <= last < one["before"] - 1 for one in self.exclusions)

    def is_foreign(self, row):
        if self.request["strict_among"] == "all_events":
            return True
        return any(meets(one, row) for one in self.steps + self.exclusions)

    def follow(self, rows, begin):
        """The attempt that begins at a row: steps with their rows, whether it met an exclusion, and where it ended."""
        entry = rows[begin]
        step = next(step for step in range(len(self.steps)) if meets(self.steps[step], entry)) if self.order == "any" else 0
        reached, last, latest = {step: entry}, step, entry.time
        for at in range(begin + 1, len(rows)):
            row = rows[at]
            done = len(reached) == len(self.steps) if self.order == "any" else last == len(self.steps) - 1
            if done or row.time - (latest if self.since_step else entry.time) > self.window:
                return reached, False, at
            step = self.fills(row, last, reached, entry.plan)
            if step is not None:
                reached[step], last, latest = row, step, row.time
            elif self.is_excluded(row, last):
                return reached, True, at + 1
            elif self.order == "strict" and self.is_foreign(row):
                return reached, False, at
        return reached, False, len(rows)

    def first(self, rows, value=None):
        begin = next((at for at, row in enumerate(rows) if self.is_entry(row, value)), None)
        return None if begin is None else self.follow(rows, begin)

    def farthest(self, rows):
        """How far the best attempt of any entry comes: every way of taking or leaving a step is tried."""
        best = None
        for begin, entry in enumerate(rows):
            if not self.is_entry(entry, None):
                continue
            if self.order != "loose":
                reached, _, _ = self.follow(rows, begin)
                level = (len(reached),) if self.order == "any" else (max(reached), len(reached))
                best = max(best or level, level)
                continue

            @functools.cache
            def deeper(at, last, latest, filled):
                if at == len(rows):
                    return (last, filled)
                row, found = rows[at], (last, filled)
                if row.time - (latest if self.since_step else entry.time) > self.window:
                    return found
                same = not self.hold or row.plan == entry.plan
                steps = [step for step in self.open_steps(last, ()) if same and meets(self.steps[step], row)]
                for step in steps:
                    found = max(found, deeper(at + 1, step, row.time, filled + 1))
                if not steps and self.is_excluded(row, last):
                    return found
                return max(found, deeper(at + 1, last, latest, filled))

            best = max(best or (0, 1), deeper(begin + 1, 0, entry.time, 1))
        return best

    def attempts(self, rows):
        if self.count == "totals":
            found = []
            while True:
                one = self.first(rows)
                if one is None:
                    return found
                found.append(one)
                rows = rows[max(one[2], 1):]
        pieces = by_session(rows) if self.count == "sessions" else [rows]
        found = [self.first(piece) for piece in pieces]
        return [one for one in found if one is not None]


def place(reached, order, step):
    """The attempt's n-th step in time, where the order is any."""
    return step < len(reached) if order == "any" else step in reached


def check_funnel(request, answer, people):
    rules = Funnel(request)
    steps = len(request["steps"])
    counts, took, segments = [0] * steps, [], collections.Counter()
    removed = request.get("excluded") == "removed"
    # Exhaustive search does not say what a best attempt met: with exclusions only those of first entries are compared.
    if request["entry"] == "best":
        if removed:
            return 0
        for rows in people.values():
            pieces = by_session(rows) if request["count"] == "sessions" else [rows]
            for piece in pieces:
                best = rules.farthest(piece)
                if best is None:
                    continue
                if rules.order == "any":
                    for step in range(best[0]):
                        counts[step] += 1
                    continue
                for step in range(best[0] + 1):
                    counts[step] += not request["steps"][step].get("optional")
        shown = [step["count"] for step in answer["steps"]]
        for step, one in enumerate(request["steps"]):
            if one.get("optional"):
                counts[step] = shown[step]
        assert shown == counts, (shown, counts)
        return len(counts)
    for rows in people.values():
        found = rules.attempts(rows)
        if removed and any(one[1] for one in found):
            continue
        for reached, _, _ in found:
            for step in range(steps):
                counts[step] += place(reached, rules.order, step)
            times = sorted(row.time for row in reached.values())
            if place(reached, rules.order, steps - 1):
                took.append((times[-1] - times[0]) / 1000)
    shown = [step["count"] for step in answer["steps"]]
    assert shown == counts, (shown, counts)
    cells = len(counts)
    last = answer["steps"][-1]["from_first"]
    if took:
        took.sort()
        assert abs(last["average"] - sum(took) / len(took)) < 1e-6, (last, took)
        middle = (took[(len(took) - 1) // 2] + took[len(took) // 2]) / 2
        assert abs(last["median"] - middle) < 1e-6, (last, middle)
        cells += 2
    if "trend" in request:
        cells += check_trend(request, answer["trend"], people)
    if "breakdown" not in request:
        return cells
    for rows in people.values():
        if request["attribution"] == "first" and request["count"] != "totals":
            pieces = by_session(rows) if request["count"] == "sessions" else [rows]
            found = [
                rules.first(piece, value)
                for piece in pieces
                for value in {(row.plan,) for row in piece if rules.is_entry(row, None)}
            ]
        else:
            found = rules.attempts(rows)
        if removed and any(one[1] for one in found):
            continue
        for reached, _, _ in found:
            if rules.order == "any":
                row = list(reached.values())[0 if request["attribution"] == "first" else -1]
            else:
                row = reached[min(reached)] if request["attribution"] == "first" else reached[max(reached)]
            for step in range(steps):
                segments[row.plan, step] += place(reached, rules.order, step)
    shown = {(one["segment"][0], step): each["count"] for one in answer["segments"] for step, each in enumerate(one["steps"])}
    assert {key: count for key, count in shown.items() if count} == {key: count for key, count in segments.items() if count}, (shown, segments)
    return cells + len(shown)


def check_trend(request, trend, people):
    """Every day's funnel by itself, over the rows from that day on."""
    for bucket, label in enumerate(trend["buckets"]):
        day = Funnel({**request, "from": label, "to": label})
        counts = [0] * len(request["steps"])
        for rows in people.values():
            found = day.attempts([row for row in rows if row.time >= day.from_ms])
            if request.get("excluded") == "removed" and any(one[1] for one in found):
                continue
            for reached, _, _ in found:
                for step in range(len(counts)):
                    counts[step] += place(reached, day.order, step)
        shown = [counts[bucket] for counts in trend["steps"]]
        assert shown == counts, (label, shown, counts)
    return len(trend["buckets"]) * len(trend["steps"])


# Retention


def retention_request(chance):
    _, _, request = chosen(chance)
    request["born"], request["returned"] = selection(chance), selection(chance)
    if chance.random() < 0.3:
        request["returned"] = {"event": "$all"}
    request["unit"] = chance.choice(["day", "day", "hour", "week"])
    request["births"] = chance.choice(["first", "recurring"])
    request["counted"] = chance.choice(["on", "on_or_after", "on_or_before"])
    request["alignment"] = chance.choice(["rolling", "calendar"])
    request["birth_returns"] = chance.random() < 0.5
    request["brackets"] = sorted(chance.sample(range(1, 9), chance.randint(1, 5)))
    if chance.random() < 0.4:
        request["breakdown"] = ["plan"]
    return request


def unit_start(unit, ms, first):
    """The calendar unit of a time, as something that can be counted: its number and its start's label."""
    if unit == "hour":
        return (ms - instant(first)) // HOUR
    day = local_date(ms)
    if unit == "day":
        return (day - first).days
    monday = first - datetime.timedelta(days=first.weekday())
    return (day - monday).days // 7


def check_retention(request, answer, people):
    first = datetime.date.fromisoformat(request["from"])
    from_ms = instant(first)
    to_ms = instant(datetime.date.fromisoformat(request["to"]) + datetime.timedelta(days=1))
    unit, ends = request["unit"], request["brackets"]
    unit_ms = {"hour": HOUR, "day": 24 * HOUR, "week": 7 * 24 * HOUR}[unit]
    sizes, counts, segments = collections.Counter(), collections.Counter(), collections.Counter()
    for rows in people.values():
        births, seen = [], set()
        for row in rows:
            if not meets(request["born"], row):
                continue
            if request["births"] == "first":
                births = births or [row]
            elif row.time >= from_ms:
                cohort = unit_start(unit, row.time, first)
                if cohort not in seen:
                    seen.add(cohort)
                    births.append(row)
        for birth in births:
            if not from_ms <= birth.time < to_ms:
                continue
            cohort = unit_start(unit, birth.time, first)
            sizes[cohort] += 1
            segments[birth.plan] += 1
            back = set()
            for row in rows:
                if not meets(request["returned"], row):
                    continue
                is_later = (row.time, row.seq) > (birth.time, birth.seq)
                if not (is_later or request["birth_returns"] and row is birth):
                    continue
                if request["alignment"] == "rolling":
                    units = (row.time - birth.time) // unit_ms
                else:
                    units = unit_start(unit, row.time, first) - cohort
                back.add(next((bucket for bucket, end in enumerate(ends) if units < end), len(ends)))
            for bucket in range(len(ends)):
                counts[cohort, bucket] += {
                    "on": bucket in back,
                    "on_or_after": any(one >= bucket for one in back),
                    "on_or_before": any(one <= bucket for one in back),
                }[request["counted"]]
    cells = 0
    for cohort, shown in enumerate(answer["cohorts"]):
        assert shown["size"] == sizes[cohort], (cohort, shown, sizes)
        for bucket, count in enumerate(shown["counts"]):
            assert count == counts[cohort, bucket], (cohort, bucket, count, counts[cohort, bucket])
            cells += 1
    if "breakdown" in request:
        assert {one["segment"][0]: one["size"] for one in answer["segments"]} == dict(segments), (answer["segments"], segments)
    return cells


# Flows


def flows_request(chance):
    _, _, request = chosen(chance)
    request["anchor"] = selection(chance)
    request["after"], request["before"] = chance.randint(0, 4), chance.randint(1, 3)
    request["count"] = chance.choice(["totals", "uniques"])
    request["collapse_repeats"] = chance.random() < 0.5
    request["window"] = {"length": chance.randint(1, 30), "unit": "hour"}
    request["hide"] = chance.sample([event for event in EVENTS if event != request["anchor"]["event"]], chance.randint(0, 2))
    return request


def check_flows(request, answer, people):
    from_ms = instant(datetime.date.fromisoformat(request["from"]))
    to_ms = instant(datetime.date.fromisoformat(request["to"]) + datetime.timedelta(days=1))
    window, collapse = request["window"]["length"] * HOUR, request["collapse_repeats"]
    paths = collections.Counter()
    for rows in people.values():
        rows = [row for row in rows if row.time >= from_ms and (meets(request["anchor"], row) or row.event not in request["hide"])]
        free, count = 0, 0
        for at, anchor in enumerate(rows):
            is_anchor = meets(request["anchor"], anchor) and anchor.time < to_ms
            if not is_anchor or at < free or (count and request["count"] == "uniques"):
                continue
            count += 1
            after, free = [anchor], at + 1
            for later in range(at + 1, len(rows)):
                if len(after) > request["after"] or rows[later].time - anchor.time > window:
                    break
                free = later + 1
                if not (collapse and after[-1].event == rows[later].event):
                    after.append(rows[later])
            before = []
            for row in rows[:at]:
                if before and collapse and before[-1].event == row.event:
                    before.pop()
                before.append(row)
            near = [row for row in before[-request["before"]:] if anchor.time - row.time <= window]
            paths[tuple(row.event for row in near + after), len(near)] += 1
    assert answer["paths"] == sum(paths.values()), (answer["paths"], paths)
    for shown in answer["top"]:
        key = tuple(shown["events"]), shown["anchor"]
        assert paths[key] == shown["count"], (key, shown, paths[key])
    assert len(answer["top"]) == min(20, len(paths))
    # Steps, from all paths.
    expected = collections.Counter()
    for (path, anchor), count in paths.items():
        for at, event in enumerate(path):
            expected[at - anchor, event] += count
    shown = {(step["offset"], one["event"]): one["count"] for step in answer["steps"] for one in step["events"]}
    assert shown == dict(expected), (shown, expected)
    return len(shown) + len(answer["top"])


def report(kind):
    return lambda server, request: server.api("POST", f"/api/v1/reports/{kind}", request)


# Kind -> how a request is made, how it is asked, and what its answer is held against.
KINDS = {
    "segmentation": (recount_trends.request, report("segmentation"), recount_trends.check),
    "funnel": (funnel_request, report("funnel"), check_funnel),
    "retention": (retention_request, report("retention"), check_retention),
    "flows": (flows_request, report("flows"), check_flows),
    "people": (lambda chance: recount_people.bar(chance, funnel_request), report("people"), lambda *asked: recount_people.check_bar(*asked, Funnel)),
    "cohort": (recount_people.cohort, recount_people.ask_cohort, recount_people.check_cohort),
}


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 20261120
    questions = 200 if os.environ.get("COFFERDAM_PROVE") else 20
    print(f"seed {seed}")
    rows = made(seed)
    with harness.Cofferdam(fields={"properties.plan": "user.behavior", "properties.size": "user.behavior"}) as server:
        # In pieces, so that some days lie in several files, and the last piece in the tail.
        for piece in range(0, len(rows), 150):
            server.send([row.sent() for row in rows[piece : piece + 150]])
            if piece % 450 == 0:
                server.flush()
        path = f"/api/v1/projects/{harness.PROJECT}/schema"
        harness.wait_until(lambda: server.api("GET", path)["rows"] == len(rows), 60, "not all events are stored", lambda: str(server.api("GET", path)))
        people = stories(rows)
        for kind, (make, ask, check) in KINDS.items():
            chance, cells = random.Random(f"{seed} {kind}"), 0
            for number in range(questions):
                request = make(chance)
                answer = ask(server, request)
                try:
                    cells += check(request, answer, people)
                except AssertionError as error:
                    raise SystemExit(f"{kind} {number} of seed {seed} differs: {request}\n{error}") from None
            print(f"figure: {kind}: {questions} of {questions} requests equal, {cells} cells, {len(rows)} events of {len(people)} people")
            assert cells >= questions / 2, "nothing was compared"


if __name__ == "__main__":
    main()
