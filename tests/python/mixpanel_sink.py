#!/usr/bin/env python3
"""A strict stand-in for Mixpanel's ingestion API, to test senders against. Standard library only; shares no code with Cofferdam.

    mixpanel_sink.py --port 0 --token TOKEN [--record FILE.jsonl] [--lax]

prints `{"url": "http://127.0.0.1:PORT"}` on the first line. What it checks follows Mixpanel's documentation of /import, /engage,
/groups and /track; whatever a strict server would refuse, or would misread, is a violation and listed at /__violations.

Control (JSON over HTTP, never part of the protocol):
  POST /__control   {"mode": M, ...}; see MODES. "paths": ["/import"] narrows it, "count": N ends it after N requests.
  GET  /__control   the present behaviour
  GET  /__stats     counters: requests, bytes, accepted and refused items, time of the last byte received
  GET  /__requests  one JSON object a line: arrival, last_byte, path, status, items, accepted positions, sha256 of the raw body
  GET  /__accepted  one JSON object a line: arrival, path, item (duplicates included, in order of arrival)
  GET  /__violations   JSON array
  POST /__reset     forgets requests, accepted items, violations and counters; the behaviour stays
"""

import argparse
import base64
import hashlib
import json
import math
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = {
    "ok": "answers as documented",
    "hang": "reads the request, then never answers (until the mode changes)",
    "reset": "reads `after_bytes` of the body (default all), then resets the connection; nothing is persisted",
    "500": "answers 500 (or `status`); nothing is persisted",
    "429": "answers 429, with Retry-After where `retry_after` (seconds) is given; nothing is persisted",
    "413": "answers 413 to requests of more than `limit` items, else ok",
    "401": "answers 401",
    "garbage": "answers 200 with a body that is no report; nothing is persisted unless `persist`",
    "slow": "reads `chunk` bytes every `delay` seconds, then ok",
    "partial": "refuses a `share` (0..1) of the items, chosen by their ids, in a 400 report; the others are persisted",
    "fail_persist": "persists everything, then answers 500 (or resets, with `reset`)",
    "redirect": "answers 307 to `location`",
}

IMPORT_ITEMS_MAX = 2000
IMPORT_BYTES_MAX = 10 * 1024 * 1024
EVENT_BYTES_MAX = 1024 * 1024
PROPERTIES_MAX = 254
ARRAY_MAX = 254
NESTING_MAX = 3
TEXT_MAX = 255
INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}\Z")
OLDEST_S = 365 * 86400
AHEAD_S = 3600
TRACK_AGE_S = 5 * 86400
REFUSED_IDS = {
    "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]",
    "{}", "00000000-0000-0000-0000-000000000000",
}
OPERATIONS = ("$set", "$set_once", "$unset", "$add", "$append", "$union", "$remove", "$delete")
GROUP_OPERATIONS = ("$set", "$set_once", "$unset", "$union", "$remove", "$delete")


class Refused(Exception):
    """An item that the server refuses: field and message as in a report."""

    def __init__(self, field, message):
        super().__init__(message)
        self.field, self.message = field, message


class BadRequest(Exception):
    """A whole request that the server refuses."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def strict_json(text):
    """JSON as the standard has it: no NaN, no duplicate keys, valid UTF-8 (given bytes)."""

    def pairs(members):
        keys = [key for key, _ in members]
        if len(set(keys)) != len(keys):
            raise ValueError("duplicate key")
        return dict(members)

    def constant(name):
        raise ValueError("not JSON: " + name)

    if isinstance(text, bytes):
        text = text.decode("utf-8")
    value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    text.encode("utf-8")
    return value


def check_text(value, field):
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(field, "lone surrogate")


def check_value(value, field, depth):
    """Depth 1 is `properties` itself; `NESTING_MAX` levels of objects and arrays are allowed."""
    if isinstance(value, str):
        check_text(value, field)
        if len(value) > TEXT_MAX:
            raise Refused(field, "text longer than 255 characters would be cut")
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refused(field, "number is not finite")
    elif isinstance(value, list):
        if len(value) > ARRAY_MAX:
            raise Refused(field, "array has 255 elements or more")
        if depth >= NESTING_MAX:
            raise Refused(field, "nested deeper than 3")
        for element in value:
            check_value(element, field, depth + 1)
    elif isinstance(value, dict):
        if len(value) > ARRAY_MAX:
            raise Refused(field, "object has 255 members or more")
        if depth >= NESTING_MAX:
            raise Refused(field, "nested deeper than 3")
        for key, member in value.items():
            check_text(key, field)
            check_value(member, field, depth + 1)


def check_properties(properties, prefix):
    if not isinstance(properties, dict):
        raise Refused(prefix, "must be an object")
    if len(properties) > PROPERTIES_MAX:
        raise Refused(prefix, "255 properties or more")
    for name, value in properties.items():
        if not name or len(name) > TEXT_MAX:
            raise Refused(prefix, "a property's name is empty or longer than 255 characters")
        check_text(name, prefix)
        check_value(value, f"{prefix}.{name}", 1)


def check_id(value, field, empty_allowed):
    if not isinstance(value, str):
        raise Refused(field, "must be a string")
    if value.strip().lower() in REFUSED_IDS:
        raise Refused(field, "is an id that is shared by everybody")
    if not value and not empty_allowed:
        raise Refused(field, "must not be empty")
    if len(value) > TEXT_MAX:
        raise Refused(field, "is longer than 255 characters")


def check_time(value, now, age_max):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused("properties.time", "must be a number")
    seconds = value / 1000 if value > 100_000_000_000 else value
    if seconds < OLDEST_S:
        raise Refused("properties.time", "is before 1971")
    if seconds > now + AHEAD_S:
        raise Refused("properties.time", "is more than an hour ahead")
    if age_max is not None and seconds < now - age_max:
        raise Refused("properties.time", "is older than 5 days")


def check_event(event, now, age_max, needs_token):
    if not isinstance(event, dict):
        raise Refused("", "must be an object")
    name = event.get("event")
    if not isinstance(name, str) or not name or len(name) > TEXT_MAX:
        raise Refused("event", "must be a text of 1 to 255 characters")
    check_text(name, "event")
    properties = event.get("properties")
    check_properties(properties, "properties")
    extra = set(event) - {"event", "properties"}
    if extra:
        raise Refused("", "has members besides event and properties")
    for required in ("time", "distinct_id", "$insert_id"):
        if required not in properties:
            raise Refused(f"properties.{required}", "is missing")
    check_time(properties["time"], now, age_max)
    check_id(properties["distinct_id"], "properties.distinct_id", True)
    insert_id = properties["$insert_id"]
    if not isinstance(insert_id, str) or not INSERT_ID.match(insert_id):
        raise Refused("properties.$insert_id", "must be 1 to 36 characters of [A-Za-z0-9-]")
    for name in ("ip", "$ip"):
        if name in properties:
            raise Refused(f"properties.{name}", "an address would be looked up and lost")
    if "$ignore" in properties:
        raise Refused("properties.$ignore", "the event would be dropped without a word")
    if needs_token is not None and properties.get("token") != needs_token:
        raise Refused("properties.token", "is not this project's")
    for name in ("$device_id", "$user_id"):
        if name in properties:
            check_id(properties[name], f"properties.{name}", True)


def check_update(update, token, is_group):
    if not isinstance(update, dict):
        raise Refused("", "must be an object")
    if update.get("$token") != token:
        raise Refused("$token", "is not this project's")
    if is_group:
        check_id(update.get("$group_id"), "$group_id", False)
        key = update.get("$group_key")
        if not isinstance(key, str) or not key:
            raise Refused("$group_key", "must be a text")
        allowed, subject = GROUP_OPERATIONS, {"$group_key", "$group_id"}
    else:
        check_id(update.get("$distinct_id"), "$distinct_id", False)
        allowed, subject = OPERATIONS, {"$distinct_id", "$device_id", "$user_id", "$had_persisted_distinct_id"}
    named = [name for name in OPERATIONS if name in update]
    if len(named) != 1 or named[0] not in allowed:
        raise Refused("", "needs exactly one operation that exists for it")
    unknown = set(update) - {"$token", named[0], "$time", "$ignore_time", "$ignore_alias"} - subject
    if unknown:
        raise Refused(sorted(unknown)[0], "is not known")
    check_operand(named[0], update[named[0]])


def check_operand(operation, operand):
    if operation == "$delete":
        return
    if operation == "$unset":
        if not isinstance(operand, list) or not all(isinstance(name, str) and name for name in operand):
            raise Refused(operation, "must be a list of names")
        return
    check_properties(operand, operation)
    if not operand:
        raise Refused(operation, "is empty")
    for name, value in operand.items():
        if operation == "$add" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise Refused(f"$add.{name}", "must be a number")
        if operation == "$union" and not isinstance(value, list):
            raise Refused(f"$union.{name}", "must be a list")


def item_id(item):
    """What identifies an item over retries."""
    properties = item.get("properties") if isinstance(item, dict) else None
    if isinstance(properties, dict) and "$insert_id" in properties:
        return str(properties["$insert_id"])
    return json.dumps(item, sort_keys=True)


class Sink:
    """Everything that was received, and how to behave."""

    def __init__(self, token, record=None, lax=False, now=None):
        self.token, self.lax, self.fixed_now = token, lax, now
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.behaviour = {"mode": "ok"}
        self.record = open(record, "a", encoding="utf-8") if record else None
        self.reset()

    def reset(self):
        with self.lock:
            self.requests, self.accepted, self.violations = [], [], []
            self.stats = {"requests": 0, "body_bytes": 0, "accepted": 0, "refused": 0, "incomplete": 0, "last_byte": None}

    def now(self):
        return self.fixed_now if self.fixed_now is not None else time.time()

    def control(self, change):
        mode = change.get("mode")
        if mode not in MODES:
            raise BadRequest(400, f"mode must be one of {sorted(MODES)}")
        with self.lock:
            self.behaviour = dict(change)
            self.changed.notify_all()

    def take_behaviour(self, path):
        """The behaviour for one request; counts it down."""
        with self.lock:
            behaviour = self.behaviour
            if path not in behaviour.get("paths", [path]):
                return {"mode": "ok"}
            if "count" in behaviour:
                if behaviour["count"] <= 0:
                    return {"mode": "ok"}
                behaviour["count"] -= 1
            return dict(behaviour)

    def wait_while_hanging(self):
        with self.changed:
            while self.behaviour.get("mode") == "hang" and self.behaviour.get("count", 1) >= 0:
                if not self.changed.wait(timeout=3600):
                    return

    def violate(self, path, index, field, message):
        with self.lock:
            if len(self.violations) < 10_000:
                self.violations.append({"path": path, "index": index, "field": field, "message": message})

    def bytes_came(self, count):
        with self.lock:
            self.stats["body_bytes"] += count
            self.stats["last_byte"] = time.time()

    def keep(self, request, items):
        with self.lock:
            self.stats["requests"] += 1
            self.stats["accepted"] += len(request["accepted"])
            self.stats["refused"] += request["items"] - len(request["accepted"])
            self.stats["incomplete"] += bool(request.get("incomplete"))
            self.requests.append(request)
            lines = [{"arrival": request["arrival"], "path": request["path"], "item": items[i]} for i in request["accepted"]]
            self.accepted.extend(lines)
            if self.record:
                line = dict(request, bodies=items)
                self.record.write(json.dumps(line) + "\n")
                self.record.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sink = None
    timeout = 600

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        sink = self.sink
        with sink.lock:
            if path == "/__violations":
                body = json.dumps(sink.violations)
            elif path == "/__stats":
                body = json.dumps(sink.stats)
            elif path == "/__requests":
                body = "".join(json.dumps(line) + "\n" for line in sink.requests)
            elif path == "/__accepted":
                body = "".join(json.dumps(line) + "\n" for line in sink.accepted)
            elif path == "/__control":
                body = json.dumps(sink.behaviour)
            else:
                body = None
        if body is None:
            return self.answer(404, {"error": "not found", "status": "error"})
        self.answer(200, body)

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        path = url.path.rstrip("/") or "/"
        if path in ("/__control", "/__reset"):
            raw = self.rfile.read(int(self.headers.get("content-length", "0")))
            try:
                if path == "/__reset":
                    self.sink.reset()
                else:
                    self.sink.control(json.loads(raw))
            except (BadRequest, ValueError) as error:
                return self.answer(400, {"error": str(error)})
            return self.answer(200, {"status": "ok"})
        self.ingest(path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)))

    def ingest(self, path, query):
        behaviour = self.sink.take_behaviour(path)
        mode = behaviour["mode"]
        request = {"arrival": time.time(), "path": path, "status": 0, "items": 0, "accepted": [], "mode": mode}
        raw = self.read_body(behaviour, request)
        request["last_byte"] = time.time()
        if raw is None:
            self.sink.keep(request, [])
            return self.reset()
        request["sha256"], request["bytes"] = hashlib.sha256(raw).hexdigest(), len(raw)
        try:
            items, faults = self.understand(path, query, raw)
        except BadRequest as error:
            if error.status != 404 or path not in ("/import", "/engage", "/groups", "/track"):
                self.sink.violate(path, None, "", str(error))
            request["status"] = error.status
            self.sink.keep(request, [])
            return self.answer(error.status, {"code": error.status, "error": str(error), "status": "error"})
        for index, (field, message) in sorted(faults.items()):
            self.sink.violate(path, index, field, message)
        request["items"] = len(items)
        request["ids"] = [item_id(item) for item in items]
        self.behave(path, behaviour, request, items, faults)

    def behave(self, path, behaviour, request, items, faults):
        mode = behaviour["mode"]
        good = [index for index in range(len(items)) if index not in faults]
        if mode == "reset":
            self.sink.keep(request, items)
            return self.reset()
        if mode == "hang":
            self.sink.keep(request, items)
            self.sink.wait_while_hanging()
            return self.reset()
        if mode == "fail_persist":
            request["accepted"], request["status"] = good, 0 if behaviour.get("reset") else 500
            self.sink.keep(request, items)
            return self.reset() if behaviour.get("reset") else self.answer(500, {"error": "later", "status": "error"})
        refusal = {"500": behaviour.get("status", 500), "429": 429, "401": 401, "redirect": 307}.get(mode)
        if mode == "413" and len(items) > behaviour.get("limit", 0):
            refusal = 413
        if refusal:
            request["status"] = refusal
            self.sink.keep(request, items)
            headers = {}
            if "retry_after" in behaviour:
                headers["Retry-After"] = str(behaviour["retry_after"])
            if mode == "redirect":
                headers["Location"] = behaviour.get("location", "http://127.0.0.1:9/")
            return self.answer(refusal, {"code": refusal, "error": "refused by the test", "status": "error"}, headers)
        if mode == "garbage":
            request["status"], request["accepted"] = 200, good if behaviour.get("persist") else []
            self.sink.keep(request, items)
            return self.answer(200, "<html>all is well</html>")
        if mode == "partial":
            for index in good:
                digest = hashlib.sha256(item_id(items[index]).encode("utf-8", "surrogatepass")).digest()
                if int.from_bytes(digest[:4], "big") / 2**32 < behaviour.get("share", 0.1):
                    faults[index] = ("properties", "refused by the test")
            good = [index for index in good if index not in faults]
        self.report(path, request, items, good, faults)

    def report(self, path, request, items, good, faults):
        """The documented answer. The updates' endpoints take all or nothing."""
        if path == "/import":
            request["accepted"] = good
            request["status"] = 400 if faults else 200
            answer = {"code": request["status"], "num_records_imported": len(good), "status": "Bad Request" if faults else "OK"}
            if faults:
                answer["error"] = "some data points in the request failed validation"
                answer["failed_records"] = [
                    {"index": index, "insert_id": str(request["ids"][index])[:36], "field": field, "message": message}
                    for index, (field, message) in sorted(faults.items())
                ]
        else:
            request["accepted"], request["status"] = [] if faults else good, 200
            answer = {"status": 0, "error": "invalid data"} if faults else {"status": 1, "error": None}
        self.sink.keep(request, items)
        self.answer(request["status"], answer)

    def read_body(self, behaviour, request):
        """The raw body; `None` where it did not come whole, or the behaviour is to break off."""
        try:
            length = int(self.headers["content-length"])
        except (TypeError, ValueError):
            self.sink.violate(request["path"], None, "content-length", "is missing")
            return None
        chunk = behaviour.get("chunk", 65536) if behaviour["mode"] == "slow" else 65536
        until = behaviour.get("after_bytes", length) if behaviour["mode"] == "reset" else length
        parts, read = [], 0
        while read < until:
            if behaviour["mode"] == "slow":
                time.sleep(behaviour.get("delay", 0.05))
            try:
                part = self.rfile.read1(min(chunk, until - read))
            except OSError:
                part = b""
            if not part:
                break
            read += len(part)
            parts.append(part)
            self.sink.bytes_came(len(part))
        if read < length:
            request["incomplete"], request["bytes"] = True, read
            return None
        return b"".join(parts)

    def understand(self, path, query, raw):
        """Items, and what is wrong with which."""
        if path not in ("/import", "/engage", "/groups", "/track"):
            raise BadRequest(404, "no such endpoint")
        body = self.decompressed(raw)
        if len(body) > IMPORT_BYTES_MAX:
            raise BadRequest(413, "more than 10 MB before compression")
        self.authorize(path, query)
        items = self.items(body)
        if len(items) > IMPORT_ITEMS_MAX:
            raise BadRequest(413, "more than 2,000 items")
        if not items:
            raise BadRequest(400, "no items")
        faults = {}
        if not self.sink.lax:
            for index, item in enumerate(items):
                try:
                    self.check(path, item)
                except Refused as refused:
                    faults[index] = (refused.field, refused.message)
        return items, faults

    def check(self, path, item):
        if path in ("/import", "/track"):
            if len(json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass")) > EVENT_BYTES_MAX:
                raise Refused("", "larger than 1 MB")
            is_import = path == "/import"
            check_event(item, self.sink.now(), None if is_import else TRACK_AGE_S, None if is_import else self.sink.token)
        else:
            check_update(item, self.sink.token, path == "/groups")

    def authorize(self, path, query):
        if path == "/import":
            scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
            try:
                user, _, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
            except ValueError:
                user, password = "", ""
            if scheme.lower() != "basic" or user != self.sink.token or password:
                raise BadRequest(401, "the project token as Basic user is needed")
            if query.get("strict") != "1":
                raise BadRequest(400, "strict=1 is needed for a report")
        else:
            if self.headers.get("authorization"):
                self.sink.violate(path, None, "authorization", "credentials where none are asked for")
            if query.get("ip", "0") != "0":
                self.sink.violate(path, None, "ip", "the sender's own address would be looked up")

    def decompressed(self, raw):
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            return raw
        if encoding != "gzip":
            raise BadRequest(400, "unknown content encoding")
        try:
            unpacker = zlib.decompressobj(wbits=31)
            body = unpacker.decompress(raw, IMPORT_BYTES_MAX + 1)
            if not unpacker.eof and len(body) <= IMPORT_BYTES_MAX:
                raise BadRequest(400, "the gzip stream is cut")
            if unpacker.unused_data:
                raise BadRequest(400, "bytes behind the gzip stream")
            return body
        except zlib.error:
            raise BadRequest(400, "not gzip")

    def items(self, body):
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == "application/x-www-form-urlencoded":
                form = urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True)
                data = form["data"][0]
                text = data.encode() if data[:1] in "[{" else base64.b64decode(data.replace(" ", "+"))
                value = strict_json(text)
            elif kind == "application/x-ndjson":
                value = [strict_json(line) for line in body.split(b"\n") if line]
            elif kind == "application/json":
                value = strict_json(body)
            else:
                raise BadRequest(400, "unknown content type")
        except (ValueError, KeyError) as error:
            raise BadRequest(400, f"the body cannot be read: {type(error).__name__}")
        return value if isinstance(value, list) else [value]

    def answer(self, status, body, headers=None):
        data = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def reset(self):
        """Closes with a reset, so that nothing looks like an orderly end."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)


def serve(sink, port=0):
    """A running server and its URL; `shutdown()` ends it."""
    handler = type("BoundHandler", (Handler,), {"sink": sink})
    server = Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", required=True)
    parser.add_argument("--record", help="append every request, with its decoded items, to this file")
    parser.add_argument("--lax", action="store_true", help="check the request but not each item (for load)")
    parser.add_argument("--now", type=float, help="the time that event times are compared with, Unix seconds")
    options = parser.parse_args()
    server, url = serve(Sink(options.token, options.record, options.lax, options.now), options.port)
    print(json.dumps({"url": url}), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()


if __name__ == "__main__":
    main()
