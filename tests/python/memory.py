#!/usr/bin/env python3
"""What a server takes in memory: idle, the demo, and a soak at a steady rate with a constant number of people.

usage: memory.py [--rate EVENTS_A_SECOND] [--people N] [--first MINUTES] [--last MINUTES] [--only idle|demo|soak]

Resident memory (VmRSS) comes from the kernel. The soak sends browser events and profile updates through the real intake to a server
with two vendors, asks reports as an operator's browser does, and prints a curve: each minute's median, as a report or a flush takes
memory for a moment. Reads the binary's path from COFFERDAM.
Exit 1 where a bar is missed: idle 80 MB, demo 400 MB, and with the default minutes 60 to 10 at most 1.05.
"""
import argparse
import base64
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import harness

IDLE_MB_MAX, DEMO_MB_MAX, GROWTH_MAX = 80, 400, 1.05
BATCH = 50
DEMO_SECONDS = 60
PAGES = [f"/docs/{topic}/{page}" for topic in ("start", "keys", "limits", "errors") for page in range(50)]
AGENTS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for version in range(120, 140)
]


def memory_mb(process, key="VmRSS"):
    """A figure of the kernel's about a process, in MB of 1,000,000 bytes."""
    with open(f"/proc/{process}/status") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def vendor(name):
    """A vendor whose sink checks requests, and keeps nothing of them."""
    made = harness.Vendor(name, {"user.unique_id": "token", "user.device": "family", "user.behavior": "clear", "user.location": "country"})
    made.sink.lax = True

    def count(request, _):
        with made.sink.lock:
            made.sink.stats["accepted"] += len(request["accepted"])

    made.sink.keep = count
    return made


def event(chance, token, people):
    """One page view of a browser; a third of the strings were never seen before."""
    person = chance.randrange(people)
    now = int(time.time() * 1000)
    return {
        "event": chance.choice(["Page viewed", "Key created", "First call", "Docs searched", "Plan upgraded"]),
        "properties": {
            "token": token, "time": now, "distinct_id": f"u-{person}", "$user_id": f"u-{person}", "$device_id": f"d-{person}",
            "$insert_id": f"{chance.getrandbits(64):016x}", "$os": "Windows", "$browser": "Chrome", "$browser_version": 130,
            "$current_url": f"https://platform.example.com{chance.choice(PAGES)}?q={chance.getrandbits(40):x}",
            "$referrer": f"https://search.example.com/{chance.getrandbits(32):x}", "$screen_height": 1080, "$screen_width": 1920,
            "$user_agent": chance.choice(AGENTS), "mp_lib": "web", "$lib_version": "2.65.0", "plan": chance.choice(["free", "team"]),
            "request_id": f"req_{chance.getrandbits(80):020x}", "latency_ms": chance.randrange(2000), "org_id": f"org-{person % 150}",
        },
    }


class Load:
    """Sends batches at a steady rate until it is stopped; asks as an operator does, every ten seconds."""

    def __init__(self, server, rate, people):
        self.server, self.rate, self.people = server, rate, people
        self.sent, self.failed, self.stop = 0, 0, threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.ask)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def send(self):
        chance, token = random.Random(1), self.server.token
        connection = http.client.HTTPConnection("127.0.0.1", self.server.intake_port, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        # Everybody comes once at the start, so that the number of people is constant afterwards.
        for first in range(0, self.people, BATCH):
            updates = [
                {"$token": token, "$distinct_id": f"u-{person}", "$set": {"plan": "free", "$last_name": f"Name{person}"}}
                for person in range(first, min(first + BATCH, self.people))
            ]
            self.post(connection, "/engage", updates, headers)
        start, batches = time.monotonic(), 0
        while not self.stop.wait(max(0.0, start + batches * BATCH / self.rate - time.monotonic())):
            self.post(connection, "/track", [event(chance, token, self.people) for _ in range(BATCH)], headers)
            self.sent += BATCH
            batches += 1
        self.behind = max(0.0, time.monotonic() - start - batches * BATCH / self.rate)

    def post(self, connection, path, items, headers):
        body = b"data=" + base64.urlsafe_b64encode(json.dumps(items).encode())
        status, answer = harness.request(self.server.intake_port, "POST", path, body, headers, connection)
        if status != 200 or answer != b"1":
            self.failed += 1

    def ask(self):
        today = time.strftime("%Y-%m-%d", time.gmtime())
        trends = {"project": harness.PROJECT, "events": [{"event": "Page viewed", "filters": []}], "measure": "unique",
                  "breakdown": ["plan"], "unit": "hour", "from": today, "to": today}
        while not self.stop.wait(10):
            self.server.api("POST", "/api/v1/reports/segmentation", trends)
            self.server.api("GET", "/api/v1/vendors/one/radius")


def idle():
    with harness.Cofferdam() as server:
        time.sleep(10)
        return memory_mb(server.process.pid)


def demo():
    """The largest figure of a demo that lives on for a minute after it is ready."""
    binary = os.environ.get("COFFERDAM") or "cofferdam"
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [binary, "--json", "demo", "--port", str(harness.free_port()), "--exit-after", str(DEMO_SECONDS)], stdout=out, stderr=out
        )
        most = 0.0
        while process.poll() is None:
            most = max(most, memory_mb(process.pid, "VmHWM"))
            time.sleep(1)
        if process.returncode != 0:
            out.seek(0)
            sys.exit(f"the demo ended with {process.returncode}\n{out.read().decode(errors='replace')[-2000:]}")
    return most


def soak(options):
    """Memory in the first and in the last minute that count."""
    vendors = [vendor("one"), vendor("two")]
    with harness.Cofferdam(vendors, fields={"properties.request_id": "user.behavior", "properties.latency_ms": "user.behavior"},
                           origins=["*"], limits="") as server:
        figures = {}
        with Load(server, options.rate, options.people) as load:
            start = time.monotonic()
            for minute in range(1, options.last + 1):
                samples = []
                while time.monotonic() < start + 60 * minute:
                    time.sleep(1)
                    samples.append(memory_mb(server.process.pid))
                figures[minute] = statistics.median(samples)
                delivered = sum(v.sink.stats["accepted"] for v in vendors)
                print(
                    f"minute {minute}: {figures[minute]:.1f} MB (most {max(samples):.1f}), "
                    f"{load.sent} events sent, {delivered} items delivered, {load.failed} requests refused, load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
        if load.failed or load.sent < options.rate * 60 * options.last * 0.5:
            sys.exit(f"the load was not steady: {load.sent} events, {load.failed} requests refused")
    return figures[options.first], figures[options.last]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--first", type=int, default=10)
    parser.add_argument("--last", type=int, default=60)
    parser.add_argument("--only", choices=["idle", "demo", "soak"])
    options = parser.parse_args()
    missed = []

    def judge(name, figure, bar, unit):
        print(f"figure: {name} {figure:.2f}{unit} (bar {bar}{unit})", flush=True)
        if figure > bar:
            missed.append(name)

    if options.only in (None, "idle"):
        judge("idle", idle(), IDLE_MB_MAX, " MB")
    if options.only in (None, "demo"):
        judge("demo", demo(), DEMO_MB_MAX, " MB")
    if options.only in (None, "soak"):
        first, last = soak(options)
        judge(f"minute {options.last} to minute {options.first} at {options.rate} events/s", last / first, GROWTH_MAX, " ×")
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
