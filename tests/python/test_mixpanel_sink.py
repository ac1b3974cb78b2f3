"""The sink against itself: that it refuses what it says it refuses. Run with `python3 -m unittest` in this folder."""

import base64
import gzip
import http.client
import json
import time
import unittest
import urllib.parse

import mixpanel_sink


def event(**properties):
    base = {"time": int(time.time() * 1000), "distinct_id": "p1", "$insert_id": "a-1"}
    return {"event": "Sign up", "properties": {**base, **properties}}


class SinkTest(unittest.TestCase):
    def setUp(self):
        self.sink = mixpanel_sink.Sink("tok")
        self.server, self.url = mixpanel_sink.serve(self.sink)
        self.host = urllib.parse.urlsplit(self.url).netloc

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def post(self, path, body, headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request("POST", path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def send(self, events, token="tok", path="/import?strict=1"):
        user = base64.b64encode(f"{token}:".encode()).decode()
        headers = {"authorization": f"Basic {user}", "content-type": "application/json", "content-encoding": "gzip"}
        status, body, _ = self.post(path, gzip.compress(json.dumps(events).encode()), headers)
        return status, json.loads(body)

    def control(self, **behaviour):
        self.assertEqual(self.post("/__control", json.dumps(behaviour))[0], 200)

    def test_good_events_are_taken_and_recorded(self):
        status, answer = self.send([event(), event(**{"$insert_id": "a-2"})])
        self.assertEqual((status, answer), (200, {"code": 200, "num_records_imported": 2, "status": "OK"}))
        self.assertEqual(len(self.sink.accepted), 2)
        self.assertEqual(self.sink.violations, [])

    def test_each_bad_event_is_reported_by_position_and_the_others_are_taken(self):
        bad = [
            event(time=86400), event(time=int(time.time()) + 7200), event(time="now"), event(distinct_id="null"),
            event(distinct_id=5), event(**{"$insert_id": "has_underscore"}), event(**{"$insert_id": "x" * 37}),
            event(a={"b": {"c": {"d": 1}}}), event(a=list(range(255))), event(ip="192.0.2.1"), event(**{"$ignore": True}),
            event(**{f"p{i}": i for i in range(255)}), event(text="x" * 256), {"event": "", "properties": {}}, {"event": "x"},
        ]
        missing = event()
        del missing["properties"]["distinct_id"]
        bad.append(missing)
        status, answer = self.send([event()] + bad)
        self.assertEqual((status, answer["num_records_imported"]), (400, 1))
        self.assertEqual([record["index"] for record in answer["failed_records"]], list(range(1, len(bad) + 1)))
        self.assertEqual(len(self.sink.violations), len(bad))

    def test_requests_without_the_right_credentials_or_shape_are_refused(self):
        self.assertEqual(self.send([event()], token="other")[0], 401)
        self.assertEqual(self.send([event()], path="/import")[0], 400)
        self.assertEqual(self.send([event()] * 2001)[0], 413)
        self.assertEqual(self.send([])[0], 400)
        user = base64.b64encode(b"tok:").decode()
        headers = {"authorization": f"Basic {user}", "content-type": "application/json", "content-encoding": "gzip"}
        self.assertEqual(self.post("/import?strict=1", b"[]", headers)[0], 400)
        del headers["content-encoding"]
        for body in (b'[{"a": NaN}]', b'[{"a": 1, "a": 2}]', b'["\xff"]'):
            self.assertEqual(self.post("/import?strict=1", body, headers)[0], 400, body)
        self.assertEqual(len(self.sink.violations), 8)

    def test_updates_need_one_known_operation_and_a_subject(self):
        def engage(path, *updates):
            body = json.dumps(list(updates))
            status, answer, _ = self.post(f"{path}?verbose=1&ip=0", body, {"content-type": "application/json"})
            return status, json.loads(answer)["status"]

        person, group = {"$token": "tok", "$distinct_id": "p1"}, {"$token": "tok", "$group_key": "org", "$group_id": "g1"}
        self.assertEqual(engage("/engage", {**person, "$set": {"plan": "free"}}, {**person, "$delete": ""}), (200, 1))
        self.assertEqual(engage("/groups", {**group, "$union": {"tags": ["a"]}}), (200, 1))
        self.assertEqual(self.sink.violations, [])
        bad = [
            ("/engage", {**person, "$set": {"a": 1}, "$add": {"a": 1}}), ("/engage", person), ("/engage", {**person, "$add": {"a": "x"}}),
            ("/engage", {"$token": "tok", "$distinct_id": "", "$set": {"a": 1}}), ("/engage", {**person, "$token": "x", "$set": {"a": 1}}),
            ("/groups", {**group, "$add": {"a": 1}}), ("/groups", {**person, "$set": {"a": 1}}), ("/engage", {**person, "$ip": "1", "$set": {"a": 1}}),
        ]
        for path, update in bad:
            self.assertEqual(engage(path, update), (200, 0), update)
        self.assertEqual(len(self.sink.violations), len(bad))

    def test_every_behaviour(self):
        self.control(mode="429", retry_after=7, count=1)
        headers = {"content-type": "application/json"}
        body = json.dumps([{"$token": "tok", "$distinct_id": "p1", "$set": {"a": 1}}])
        status, _, answered = self.post("/engage", body, headers)
        self.assertEqual((status, answered.get("Retry-After")), (429, "7"))
        self.assertEqual(self.post("/engage", body, headers)[0], 200, "the count is over")
        for mode, status in (("500", 500), ("401", 401), ("redirect", 307)):
            self.control(mode=mode)
            self.assertEqual(self.post("/engage", body, headers)[0], status)
        self.control(mode="413", limit=2)
        self.assertEqual(self.send([event()] * 3)[0], 413)
        self.assertEqual(self.send([event()] * 2)[0], 200)
        self.control(mode="partial", share=0.5)
        events = [event(**{"$insert_id": f"i{n}"}) for n in range(100)]
        status, answer = self.send(events)
        self.assertEqual(status, 400)
        self.assertTrue(20 < answer["num_records_imported"] < 80)
        self.assertEqual(self.send(events)[1], answer, "the same again")
        self.control(mode="garbage")
        self.assertEqual(self.post("/engage", body, headers)[:2], (200, b"<html>all is well</html>"))
        before = len(self.sink.accepted)
        self.control(mode="fail_persist")
        self.assertEqual(self.post("/engage", body, headers)[0], 500)
        self.assertEqual(len(self.sink.accepted), before + 1)
        self.control(mode="slow", chunk=10, delay=0.001)
        self.assertEqual(self.post("/engage", body, headers)[0], 200)
        for behaviour in ({"mode": "reset"}, {"mode": "reset", "after_bytes": 5}):
            self.control(**behaviour)
            with self.assertRaises(OSError):
                self.post("/engage", body, headers)
        self.assertEqual(self.sink.violations, [])
        self.assertEqual(self.post("/__control", b'{"mode": "nonsense"}')[0], 400)

    def test_hanging_ends_when_the_behaviour_changes(self):
        self.control(mode="hang")
        connection = http.client.HTTPConnection(self.host, timeout=60)
        body = json.dumps([{"$token": "tok", "$distinct_id": "p1", "$set": {"a": 1}}])
        connection.request("POST", "/engage", body, {"content-type": "application/json"})
        while not self.sink.requests:
            time.sleep(0.001)
        self.assertEqual(self.sink.requests[0]["accepted"], [])
        self.control(mode="ok")
        with self.assertRaises(OSError):
            connection.getresponse()
        connection.close()


if __name__ == "__main__":
    unittest.main()
