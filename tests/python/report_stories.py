"""People's stories for the report tests, made from a seed: what was sent, in which order, and who is who.

Shares no code with Cofferdam. Two of five people begin on a device and sign in later; times tie to the millisecond; some events come
late; the days hold the clock change of Berlin (2026-10-25, 25 hours).
"""
import datetime
import random
import zoneinfo

import harness

EVENTS = ["Visited", "Signed Up", "Made Key", "Called", "Upgraded", "Failed"]
PLANS = ["free", "pro", "team", None]
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
FIRST = datetime.date(2026, 10, 20)
DAYS = 10
HOUR = 3_600_000


def instant(day, hours=0):
    """Milliseconds since 1970 of a local midnight, plus hours."""
    at = datetime.datetime.combine(day, datetime.time(), ZONE)
    return int(at.timestamp() * 1000) + hours * HOUR


def local_date(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, ZONE).date()


class Row:
    """An event as sent: person is the generator's own truth; seq is the place in the order of arrival."""

    def __init__(self, person, time, event, plan, size, claim):
        self.person, self.time, self.event, self.plan, self.size, self.claim, self.seq = person, time, event, plan, size, claim, None

    def sent(self):
        properties = {"time": self.time, "$insert_id": f"insert-{self.seq}", "size": self.size, **self.claim}
        if self.plan is not None:
            properties["plan"] = self.plan
        return {"event": self.event, "properties": properties}


def made(seed, people=80):
    """All rows in the order of arrival."""
    chance = random.Random(seed)
    start = instant(FIRST)
    rows = []
    for person in range(people):
        user, device = f"user-{seed}-{person}", f"00000000-0000-4000-8000-{person:012x}"
        began_anonymous = chance.random() < 0.4
        at = start + chance.randrange(DAYS * 24) * HOUR
        known = not began_anonymous
        for number in range(chance.choice([1, 2, 4, 8, 16, 30])):
            # A third of the steps in time is none at all, so that several events share a millisecond.
            at += chance.choice([0, 1, 30_000, 20 * 60_000, 5 * HOUR, 30 * HOUR])
            if at >= start + DAYS * 24 * HOUR:
                break
            event = chance.choice(EVENTS)
            if not known and number > 0 and chance.random() < 0.5:
                known = True
            if known:
                claim = {"distinct_id": user, "$user_id": user}
                if began_anonymous:
                    claim["$device_id"] = device
            else:
                claim = {"distinct_id": f"$device:{device}", "$device_id": device}
            rows.append(Row((person, known or not began_anonymous), at, event, chance.choice(PLANS), chance.randrange(10), claim))
        # Whoever never signed in stays somebody else.
        signed_in = any(row.person == (person, True) for row in rows)
        for row in rows:
            if row.person in ((person, True), (person, False)):
                row.person = (person, signed_in or not began_anonymous)
    # A tenth comes late; the rest in the order of time, people mixed.
    order = {id(row): row.time + (3 * 24 * HOUR if chance.random() < 0.1 else 0) + chance.random() for row in rows}
    rows.sort(key=lambda row: order[id(row)])
    for seq, row in enumerate(rows):
        row.seq = seq
    return rows


def stories(rows):
    """Person -> rows in the order of time and arrival."""
    people = {}
    for row in rows:
        people.setdefault(row.person, []).append(row)
    for one in people.values():
        one.sort(key=lambda row: (row.time, row.seq))
    return people


WINDOW_MS = {"minute": 60_000, "hour": HOUR, "day": 24 * HOUR}


def chosen(chance):
    """The range of a request."""
    first = chance.randrange(DAYS)
    last = chance.randrange(first, DAYS)
    days = [FIRST + datetime.timedelta(days=day) for day in (first, last)]
    return days[0], days[1], {"project": harness.PROJECT, "from": str(days[0]), "to": str(days[1]), "timezone": "Europe/Berlin"}


def selection(chance):
    one = {"event": chance.choice(EVENTS)}
    if chance.random() < 0.3:
        one["filters"] = [{"property": "size", "op": "gte", "value": chance.randrange(8)}]
    elif chance.random() < 0.2:
        one["where"] = f'properties["size"] % 3 == {chance.randrange(3)} or not defined(properties["plan"])'
    return one


def meets(one, row):
    if one["event"] not in ("$all", row.event):
        return False
    if any(row.size < each["value"] for each in one.get("filters", [])):
        return False
    if "where" in one:
        wanted = int(one["where"].split("== ")[1][0])
        return row.size % 3 == wanted or row.plan is None
    return True


def by_session(rows):
    pieces, last = [], None
    for row in rows:
        if last is None or row.time - last > 30 * 60_000:
            pieces.append([])
        pieces[-1].append(row)
        last = row.time
    return pieces
