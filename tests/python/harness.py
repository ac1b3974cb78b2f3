"""A real Cofferdam server for a test: `cofferdam init`, vendors that are sinks of ours, `cofferdam serve` on free loopback ports.

Reads the binary's path from the environment (COFFERDAM). Everything lies in a temporary directory that goes with the server.
Invariant: the server is ended by its process id, and its log is shown where it did not end well.
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

import mixpanel_sink

PROJECT = "console"


def free_port():
    """A free port below those that outgoing connections get, so that nobody takes it before the server does."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Vendor:
    """A vendor of the Mixpanel kind: its contract's `[receives]`, and the strict sink that stands for it."""

    def __init__(self, name, receives):
        self.name, self.receives = name, receives
        self.token = name.encode().hex().ljust(32, "0")[:32]
        self.sink = mixpanel_sink.Sink(self.token)
        self.server, self.url = mixpanel_sink.serve(self.sink)

    def toml(self):
        receives = "\n".join(f'"{category}" = "{form}"' for category, form in self.receives.items())
        return (
            f'name = "{self.name}"\nkind = "mixpanel"\nendpoint = "{self.url}"\nregion = "EU"\n'
            f'purpose = "analytics.reporting"\ntoken_file = "secrets/{self.name}.token"\nprojects = ["{PROJECT}"]\n'
            "[contract]\nexpires = 2035-01-01\nreviewed = 2026-09-01\nbreach_notice_hours = 48\nretention_days = 90\n"
            f"[receives]\n{receives}\n"
        )

    def items(self, path=None):
        with self.sink.lock:
            return [line["item"] for line in self.sink.accepted if path is None or line["path"] == path]


class Cofferdam:
    """A running server; a context manager."""

    def __init__(self, vendors=(), fields=None, timezone="Europe/Berlin", origins=(), limits=""):
        self.binary = os.environ.get("COFFERDAM") or "cofferdam"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cofferdam-test-"))
        self.intake_port, self.admin_port = free_port(), free_port()
        self.log = self.folder / "serve.log"
        self.config = self.folder / "cofferdam.toml"
        done = subprocess.run(
            [self.binary, "--json", "init", str(self.folder), "--project", PROJECT, "--timezone", timezone],
            check=True, capture_output=True, text=True,
        )
        self.token = json.loads(done.stdout)["token"]
        self.secret = (self.folder / f"secrets/{PROJECT}.import").read_text().strip()
        text = self.config.read_text()
        for old, new in (
            ("127.0.0.1:8686", f"127.0.0.1:{self.intake_port}"),
            ("127.0.0.1:8687", f"127.0.0.1:{self.admin_port}"),
            ("allow_loopback_vendors = false", "allow_loopback_vendors = true"),
            ("origins = []", f"origins = {json.dumps(list(origins))}"),
            ("\n[home]\n", f"\n{limits}\n[home]\n"),
        ):
            if old not in text:
                raise SystemExit(f"cofferdam.toml has no {old}")
            text = text.replace(old, new)
        self.config.write_text(text)
        lines = [f'"{path}" = "{category}"' for path, category in (fields or {}).items()]
        (self.folder / "fields.toml").write_text("\n".join(lines) + "\n")
        for vendor in vendors:
            secret = self.folder / f"secrets/{vendor.name}.token"
            secret.write_text(vendor.token)
            secret.chmod(0o600)
            (self.folder / f"vendors/{vendor.name}.toml").write_text(vendor.toml())
        self.process = None

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([self.binary, "--config", str(self.config), "serve"], stdout=log, stderr=log)
        wait_until(self.is_ready, 120, "the server is not ready", lambda: self.log.read_text())
        self.admin_token = (self.folder / "data/admin.token").read_text().strip()
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=120)
        if kind is not None or code != 0:
            print(self.log.read_text()[-4000:])
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and code != 0:
            raise SystemExit(f"the server ended with {code}")

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the server ended at once:\n{self.log.read_text()}")
        try:
            return request(self.admin_port, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def api(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
        status, answer = request(self.admin_port, method, path, json.dumps(body) if body is not None else None, headers)
        if status != 200:
            raise SystemExit(f"{method} {path} answered {status}: {answer.decode(errors='replace')[:2000]}")
        return json.loads(answer)

    def flush(self):
        return self.api("POST", "/api/v1/store/flush", {})

    def snapshot(self, name="snapshot"):
        return self.api("POST", "/api/v1/snapshot", {"dir": name})["dir"]

    def send(self, events, path="/import", connection=None):
        """Sends events as a server does, with the import secret; the connection may be kept."""
        import base64

        credentials = base64.b64encode(f"{self.secret}:".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        status, answer = request(self.intake_port, "POST", path + "?strict=1", json.dumps(events), headers, connection)
        if status != 200:
            raise SystemExit(f"intake answered {status}: {answer.decode(errors='replace')[:2000]}")


def request(port, method, path, body=None, headers=None, connection=None):
    kept = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    kept.request(method, path, body, headers or {})
    response = kept.getresponse()
    answer = response.read()
    if connection is None:
        kept.close()
    return response.status, answer


def wait_until(condition, seconds, complaint, detail=lambda: ""):
    """Polls a condition of another process; fails with the complaint after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{complaint} after {seconds} s\n{detail()}")
        time.sleep(0.05)
