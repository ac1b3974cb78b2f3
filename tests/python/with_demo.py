#!/usr/bin/env python3
"""Runs a command beside a running demo: with_demo.py COMMAND [ARGUMENT...].

Starts `$COFFERDAM --json demo --small` on free ports, waits for its line that says it is ready, runs the command with COFFERDAM_URL
(the sign-in link) and COFFERDAM_INTAKE set, ends the demo by its process id, and exits as the command did.
"""
import json
import os
import signal
import subprocess
import sys

import harness

READY_SECONDS = 300


def ready_line(demo):
    """The first JSON line that says so; the demo's own end is an error."""
    for line in demo.stdout:
        if line.startswith("{"):
            said = json.loads(line)
            if said.get("ready"):
                return said
    raise SystemExit(f"the demo ended with {demo.wait()} before it was ready")


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    binary = os.environ.get("COFFERDAM") or "cofferdam"
    demo = subprocess.Popen(
        [binary, "--json", "demo", "--small", "--port", str(harness.free_port())], stdout=subprocess.PIPE, text=True
    )
    try:
        signal.alarm(READY_SECONDS)
        said = ready_line(demo)
        signal.alarm(0)
        # Nothing is written to the demo's output again before its end, so that nobody need read on.
        environment = {**os.environ, "COFFERDAM_URL": said["link"], "COFFERDAM_INTAKE": said["intake"], "COFFERDAM_TOKEN": said["token"]}
        code = subprocess.run(sys.argv[1:], env=environment).returncode
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
        try:
            ended = demo.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            demo.kill()
            demo.wait()
            raise SystemExit("the demo did not end")
    if demo.returncode != 0 or '"radius"' not in ended:
        raise SystemExit(f"the demo ended with {demo.returncode} and said {ended[-500:]!r}")
    sys.exit(code)


if __name__ == "__main__":
    main()
