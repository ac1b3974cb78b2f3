#!/usr/bin/env python3
"""From events to a mail that a mail server of somebody else took: an alert and a digest, with PyPI's aiosmtpd as the relay.

Environment: COFFERDAM (the binary). A report is saved, put on a board, watched; events go over the line; what arrives is read with
Python's own mail parser. Nothing depends on the hour: the events lie in this hour and in the one before it, so that whichever is the
last one that is over has them.
"""
import email
import email.policy
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

import harness
from harness import PROJECT, Cofferdam

PEOPLE = 12


class Inbox(Message):
    """Keeps every message with its envelope."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def prepare_message(self, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        return envelope.mail_from, envelope.rcpt_tos, message

    def handle_message(self, prepared):
        self.messages.append(prepared)


def check(condition, complaint):
    if not condition:
        raise SystemExit(f"FAILED: {complaint}")


def called(people):
    now = int(time.time() * 1000)
    hour = now - now % 3_600_000
    times = [hour - 60_000, min(now, hour + 60_000)]
    return [
        {"event": "Called", "properties": {"time": at, "distinct_id": f"user-{person}", "$insert_id": f"i-{person}-{index}"}}
        for person in range(people)
        for index, at in enumerate(times)
    ]


def walk(server, inbox):
    # Of an event that nobody ever sent nothing is known.
    old = {"time": int(time.time() * 1000) - 5 * 86_400_000, "distinct_id": "user-0", "$insert_id": "old"}
    server.send([{"event": "Called", "properties": old}])
    server.flush()
    saved = server.api("POST", "/api/v1/saved-reports", {
        "project": PROJECT, "name": "Calls", "kind": "segmentation",
        "request": {"events": [{"event": "Called"}], "unit": "hour"}, "range": {"last": 2, "unit": "day"},
    })
    alert = server.api("POST", "/api/v1/alerts", {
        "project": PROJECT, "name": "Many calls: grüße", "report": saved["id"], "recipients": ["ops@example.com"],
        "condition": {"kind": "threshold", "direction": "above", "value": 2},
    })
    path = f"/api/v1/alerts/{alert['id']}"
    check(server.api("POST", f"{path}/check", {})["state"] == "ok", "nobody has called yet")
    check(not inbox.messages, "a mail about nothing")
    server.send(called(PEOPLE))
    server.flush()
    for _ in range(2):
        status = server.api("POST", f"{path}/check", {})
        check(status["state"] == "firing" and status["value"] == PEOPLE, f"it does not fire: {status}")
    check(len(inbox.messages) == 1, f"{len(inbox.messages)} mails of an alert that began once")
    sender, recipients, message = inbox.messages[0]
    check(sender == "alerts@example.com" and recipients == ["ops@example.com"], f"{sender} to {recipients}")
    check(message["Subject"] == "Firing: Many calls: grüße", message["Subject"])
    check(message["Auto-Submitted"] == "auto-generated" and message["Message-ID"].startswith("<alert-"), str(message))
    check(f"Figure: {PEOPLE}" in message.get_content(), message.get_content())
    digest(server, inbox, saved)


def digest(server, inbox, saved):
    tile = {"id": 1, "kind": "report", "report": saved["id"], "x": 0, "y": 0, "width": 6, "height": 4}
    board = server.api("POST", "/api/v1/dashboards", {"project": PROJECT, "name": "Our <board>", "tiles": [tile]})
    made = server.api("POST", "/api/v1/digests", {
        "project": PROJECT, "name": "Every morning", "dashboard": board["id"], "every": "daily", "hour": 7,
        "recipients": ["ops@example.com", "team@example.com"],
    })
    mails = server.api("POST", f"/api/v1/digests/{made['id']}/send", {})["mails"]
    check([mail["state"] for mail in mails] == ["sent", "sent"], f"not sent: {mails}")
    arrived = inbox.messages[1:]
    check(sorted(to for _, [to], _ in arrived) == ["ops@example.com", "team@example.com"], f"{arrived}")
    message = arrived[0][2]
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    # The hours that are over: the one before, and this one where it has ended since.
    check(f"Called: {PEOPLE}" in text or f"Called: {2 * PEOPLE}" in text, text)
    check("Our &lt;board&gt;" in html and "<img" not in html and "https://cofferdam.example.com/" in html, html)
    check(message["Subject"] == "Every morning", message["Subject"])


def main():
    inbox, port = Inbox(), harness.free_port()
    relay = Controller(inbox, hostname="127.0.0.1", port=port)
    relay.start()
    section = (
        f'[mail]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nfrom = "Cofferdam <alerts@example.com>"\n'
        'recipients = ["example.com"]\nweb_url = "https://cofferdam.example.com"\n'
    )
    try:
        with Cofferdam(timezone="UTC", limits=section) as server:
            walk(server, inbox)
    finally:
        relay.stop()
    print(f"figure: mail: {len(inbox.messages)} mails of an alert and a digest taken by aiosmtpd")


if __name__ == "__main__":
    main()
