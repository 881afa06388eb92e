# SPDX-License-Identifier: Apache-2.0
"""HTTP itself: statuses, headers, what is refused and with which words."""

import json
import re
import socket
import urllib.parse
from http.client import HTTPConnection

import pytest

from support import http
from support.api import Api, new_id
from support.proc import Stack
from support.wait import until

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
KEY = "open sesame"


@pytest.fixture(scope="module")
def strict(tmp_path_factory, new_store):
    """A gateway with every limit small, a key, a prefix and known origins."""
    started = Stack.dev(
        tmp_path_factory.mktemp("strict"), "--api-key", "other", "--api-key", KEY,
        "--body-bytes=64KiB", "--json-depth=16", "--cors-origins=http://app.example",
        "--mount-prefix=/api", workers=1, store=new_store())
    yield started
    started.close()


@pytest.fixture
def locked(strict):
    return Api(strict.url, KEY)


def detail(got, status):
    assert got.status == status, got
    assert got.headers["Content-Type"].startswith("application/json")
    body = got.json()
    assert list(body) == ["detail"] and isinstance(body["detail"], str)
    return body["detail"]


# -- unknown things ------------------------------------------------------------------

NOBODY = new_id()
UNKNOWN = [
    ("GET", "/nonsense", None), ("GET", "/threads/x/y/z", None),
    ("GET", "/threads/{none}", None), ("PATCH", "/threads/{none}", {"metadata": {}}),
    ("DELETE", "/threads/{none}", None), ("POST", "/threads/{none}/copy", {}),
    ("GET", "/threads/{none}/state", None), ("POST", "/threads/{none}/state", {"values": {}}),
    ("GET", "/threads/{none}/state/{none}", None),
    ("POST", "/threads/{none}/state/checkpoint", {"checkpoint": {"checkpoint_id": NOBODY}}),
    ("GET", "/threads/{none}/history", None), ("POST", "/threads/{none}/history", {}),
    ("GET", "/threads/{none}/stream", None),
    ("GET", "/threads/{none}/runs", None),
    ("POST", "/threads/{none}/runs", {"assistant_id": "agent"}),
    ("POST", "/threads/{none}/runs/stream", {"assistant_id": "agent"}),
    ("POST", "/threads/{none}/runs/wait", {"assistant_id": "agent"}),
    ("GET", "/threads/{thread}/runs/{none}", None),
    ("DELETE", "/threads/{thread}/runs/{none}", None),
    ("GET", "/threads/{thread}/runs/{none}/join", None),
    ("GET", "/threads/{thread}/runs/{none}/stream", None),
    ("POST", "/threads/{thread}/runs/{none}/cancel", None),
    ("GET", "/runs/{none}/stream", None),
    ("POST", "/threads/{thread}/runs", {"assistant_id": "nobody"}),
    ("POST", "/threads/{thread}/runs", {"assistant_id": NOBODY}),
    ("POST", "/threads/{thread}/runs/stream", {"assistant_id": "nobody"}),
    ("POST", "/threads/{thread}/runs/wait", {"assistant_id": "nobody"}),
    ("POST", "/runs", {"assistant_id": "nobody"}),
    ("POST", "/runs/stream", {"assistant_id": "nobody"}),
    ("POST", "/runs/wait", {"assistant_id": "nobody"}),
    ("POST", "/runs/batch", [{"assistant_id": "agent"}, {"assistant_id": "nobody"}]),
    ("GET", "/assistants/{none}", None), ("GET", "/assistants/nobody", None),
    ("PATCH", "/assistants/{none}", {}), ("DELETE", "/assistants/{none}", None),
    ("GET", "/assistants/{none}/graph", None), ("GET", "/assistants/{none}/schemas", None),
    ("GET", "/assistants/{none}/subgraphs", None),
    ("POST", "/assistants/{none}/versions", {}),
    ("POST", "/assistants/{none}/latest", {"version": 1}),
    ("GET", "/runs/crons/{none}", None), ("DELETE", "/runs/crons/{none}", None),
    ("PATCH", "/runs/crons/{none}", {"enabled": False}),
    ("POST", "/threads/{none}/runs/crons", {"assistant_id": "agent", "schedule": "* * * * *"}),
    ("POST", "/runs/crons", {"assistant_id": "nobody", "schedule": "* * * * *"}),
]


@pytest.mark.parametrize("method, path, body", UNKNOWN, ids=lambda v: str(v)[:40])
def test_404(api, method, path, body):
    path = path.format(none=NOBODY, thread=api.thread())
    text = detail(api.request(method, path, body), 404)
    if body and "nobody" in json.dumps(body) and "batch" not in path:
        assert text.startswith("No assistant found for"), text


# -- malformed and invalid bodies ------------------------------------------------------

@pytest.mark.smoke
@pytest.mark.parametrize("path", ["/threads", "/runs/stream", "/runs/wait", "/threads/search",
                                  "/assistants", "/store/items/search", "/runs/crons"])
@pytest.mark.parametrize("body", ['{"a":', "{]", '{"a": 1}}', "nonsense", '{"a": "\x01"}',
                                  '{"a": NaN}', "'a'", "\0", "{}\0"])
def test_malformed_json_is_400(api, path, body):
    detail(api.request("POST", path, body), 400)


def test_invalid_utf8_is_400(api):
    detail(api.request("POST", "/threads", b'{"metadata": {"a": "\xff\xfe"}}'), 400)


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null"])
def test_a_body_that_is_no_object_is_422(api, body):
    detail(api.request("POST", "/runs/stream", body), 422)


FIELDS = [
    ("assistant_id", [None, 5, "", [], {}]),
    ("command", ["x", 5, []]),
    ("command.goto", [5, {"node": 5}, [5]]),
    ("command.update", [5, "x", [["only key"]]]),
    ("checkpoint", ["x", 5, []]),
    ("checkpoint.checkpoint_id", [5, {}]),
    ("checkpoint.checkpoint_ns", [5]),
    ("checkpoint_id", [5, {}]),
    ("config", ["x", 5, []]),
    ("config.tags", ["x", [1]]),
    ("config.recursion_limit", ["x", 0, -1, 1.5, {}]),
    ("config.configurable", ["x", 5, []]),
    ("context", ["x", 5, []]),
    ("metadata", ["x", 5, []]),
    ("webhook", [5, "", {}, "x" * 65537]),
    ("interrupt_before", [5, "agent", [5], {}]),
    ("interrupt_after", [5, "agent", [5], {}]),
    ("stream_mode", [5, "nonsense", ["values", "nonsense"], [5], {}]),
    ("stream_subgraphs", ["x", 5, {}]),
    ("stream_resumable", ["x", 5, {}]),
    ("on_disconnect", ["x", 5]),
    ("multitask_strategy", ["x", 5]),
    ("if_not_exists", ["x", 5]),
    ("after_seconds", [-1, "x", {}]),
    ("feedback_keys", ["x", [1], {}]),
    ("checkpoint_during", ["x", 5]),
    ("durability", ["x", 5]),
    ("langsmith_tracer", ["x", 5, []]),
]
STATELESS_ONLY = [("on_completion", ["x", 5])]


def placed(path, value):
    """A body with the value at that path."""
    body = value
    for key in reversed(path.split(".")):
        body = {key: body}
    return {"assistant_id": "trivial", "input": {"x": 1}, **body}


@pytest.mark.parametrize("path, value", [(p, v) for p, vs in FIELDS for v in vs],
                         ids=lambda v: str(v)[:30])
def test_422_names_the_field(api, path, value):
    thread = api.thread()
    text = detail(api.request("POST", f"/threads/{thread}/runs", placed(path, value)), 422)
    assert path in text, text
    assert api.get(f"/threads/{thread}/runs") == []
    assert api.get(f"/threads/{thread}")["status"] == "idle"


@pytest.mark.parametrize("path, value", [(p, v) for p, vs in [*STATELESS_ONLY, *FIELDS[-8:]]
                                         for v in vs], ids=lambda v: str(v)[:30])
@pytest.mark.parametrize("route", ["/runs", "/runs/stream", "/runs/wait"])
def test_422_of_stateless_runs(api, route, path, value):
    if path in ("if_not_exists", "multitask_strategy"):
        pytest.skip("accepted and meaningless there")
    assert path in detail(api.request("POST", route, placed(path, value)), 422)


def test_missing_assistant_id(api):
    assert "assistant_id" in detail(api.request("POST", "/runs/stream", {"input": {}}), 422)


def test_unknown_fields_are_ignored(api):
    got = api.request("POST", "/runs/wait", {
        "assistant_id": "trivial", "input": {"x": 1}, "raise_error": True, "streamMode": 5,
        "nonsense": [{}]})
    assert (got.status, got.json()) == (200, {"x": 2})


def test_null_is_as_good_as_absent(api):
    body = {p: None for p, _ in [*FIELDS, *STATELESS_ONLY] if "." not in p}
    got = api.request("POST", "/runs/wait", {**body, "assistant_id": "trivial",
                                             "input": {"x": 1}})
    assert (got.status, got.json()) == (200, {"x": 2})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_any_content_type_is_read_as_json(api, kind):
    got = api.request("POST", "/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}},
                      {"Content-Type": kind})
    assert got.json() == {"x": 2}


@pytest.mark.parametrize("path", ["/threads/nonsense", "/threads/nonsense/state",
                                  "/threads/nonsense/runs", "/threads/{thread}/runs/nonsense",
                                  "/threads/{thread}/runs/nonsense/join"])
def test_a_path_id_that_is_no_uuid_is_422(api, path):
    detail(api.request("GET", path.format(thread=api.thread())), 422)


# -- methods, sizes, depth -------------------------------------------------------------------

@pytest.mark.parametrize("method, path", [
    ("PUT", "/threads"), ("POST", "/ok"), ("PATCH", "/runs"),
    ("PUT", "/runs/stream"), ("DELETE", "/assistants"), ("POST", "/info")])
def test_405(api, method, path):
    got = api.request(method, path, {} if method != "DELETE" else None)
    detail(got, 405)
    assert got.headers["Allow"], "which methods there are"


def test_413(locked):
    small = {"metadata": {"a": "x" * 60000}}
    assert locked.request("POST", "/api/threads", small).status == 200
    big = {"metadata": {"a": "x" * 70000}}
    detail(locked.request("POST", "/api/threads", big), 413)
    assert locked.request("GET", "/api/ok").status == 200


def test_413_is_told_before_the_body_is_sent(locked):
    at = urllib.parse.urlsplit(locked.url)
    with socket.create_connection((at.hostname, at.port), timeout=10) as s:
        s.sendall(b"POST /api/threads HTTP/1.1\r\nHost: x\r\nx-api-key: open sesame\r\n"
                  b"Content-Length: 9000000000\r\n\r\n{")
        assert s.recv(100).split()[1] == b"413"


def nest(n):
    return '{"metadata": ' + '{"a":' * n + "1" + "}" * n + "}"


def test_nesting(api, locked):
    assert api.request("POST", "/threads", nest(100)).status == 200
    for depth in (200, 100000):
        detail(api.request("POST", "/threads", nest(depth)), 422)
    detail(api.request("POST", "/threads", "[" * 100000), 422)
    assert locked.request("POST", "/api/threads", nest(12)).status == 200
    detail(locked.request("POST", "/api/threads", nest(20)), 422)


# -- browsers -----------------------------------------------------------------------------------

def test_cors_preflight(api):
    for path in ("/runs/stream", "/threads", "/ok", "/threads/nonsense/state"):
        got = api.request("OPTIONS", path, headers={
            "Origin": "http://app.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key,last-event-id,x-mine"})
        assert got.status in (200, 204), path
        assert got.headers["Access-Control-Allow-Origin"] in ("*", "http://app.example")
        methods = got.headers["Access-Control-Allow-Methods"]
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            assert method in methods
        allowed = got.headers["Access-Control-Allow-Headers"].lower()
        assert allowed == "*" or all(
            h in allowed for h in ("content-type", "x-api-key", "last-event-id", "x-mine"))


EXPOSED = {"content-location", "location", "x-pagination-total", "x-pagination-next",
           "x-request-id"}


def test_cors_answers(api):
    thread = api.thread()
    origin = {"Origin": "http://app.example"}
    answers = [
        api.request("GET", f"/threads/{thread}", headers=origin),
        api.request("GET", f"/threads/{NOBODY}", headers=origin),
        api.request("POST", "/runs/wait", {"assistant_id": "trivial"}, origin),
        api.request("POST", "/runs/stream", {"assistant_id": "trivial"}, origin)]
    for got in answers:
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        exposed = got.headers["Access-Control-Expose-Headers"].lower()
        assert EXPOSED <= set(re.split(r"\s*,\s*", exposed))


def test_cors_of_known_origins(locked):
    got = locked.request("GET", "/api/ok", headers={"Origin": "http://app.example"})
    assert got.headers["Access-Control-Allow-Origin"] == "http://app.example"
    got = locked.request("GET", "/api/ok", headers={"Origin": "http://evil.example"})
    assert got.headers["Access-Control-Allow-Origin"] != "http://evil.example"
    assert got.headers["Access-Control-Allow-Origin"] != "*"


# -- keys ----------------------------------------------------------------------------------------

OPEN = ["/ok", "/", "/info", "/health", "/ready", "/live"]


@pytest.mark.smoke
def test_open_routes_need_no_key(strict):
    anybody = Api(strict.url)
    for path in OPEN:
        assert anybody.request("GET", "/api" + path).status == 200, path
    assert anybody.request("OPTIONS", "/api/threads").status in (200, 204)


@pytest.mark.parametrize("method, path, body", [
    *UNKNOWN[2:], ("GET", "/metrics", None), ("GET", "/docs", None),
    ("GET", "/openapi.json", None), ("POST", "/threads", {}), ("POST", "/runs/cancel", {}),
    ("POST", "/internal/truncate", {}), ("GET", "/store/items?namespace=a&key=b", None),
    ("PUT", "/store/items", {"namespace": ["a"], "key": "b", "value": {}})],
    ids=lambda v: str(v)[:40])
def test_everything_else_does(strict, method, path, body):
    path = "/api" + path.format(none=NOBODY, thread=NOBODY)
    for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": ""}, {"x-api-key": KEY + "x"},
                    {"Authorization": "Bearer wrong"}):
        detail(http.request(strict.url, method, path, body, headers), 401)


def test_keys_that_open(strict):
    for headers in ({"x-api-key": KEY}, {"x-api-key": "other"}, {"X-API-Key": KEY},
                    {"Authorization": f"Bearer {KEY}"}):
        got = http.request(strict.url, "POST", "/api/threads", {}, headers)
        assert got.status == 200, headers
    got = http.request(strict.url, "GET", "/api/metrics", headers={"x-api-key": KEY})
    assert "leat_open_streams" in got.text


def test_prefix(locked):
    """Routes are behind it; Content-Location and Location are without it."""
    assert locked.request("GET", "/threads/" + NOBODY).status == 404
    thread = locked.ok("POST", "/api/threads", {})["thread_id"]
    with locked.stream(f"/api/threads/{thread}/runs/stream",
                       {"assistant_id": "trivial", "input": {}}) as opened:
        opened.read()
        assert opened.headers["content-location"].startswith(f"/threads/{thread}/runs/")
        assert opened.headers["location"].startswith(f"/threads/{thread}/runs/")


# -- response headers ------------------------------------------------------------------------------

@pytest.mark.smoke
@pytest.mark.parametrize("stateless", [False, True])
def test_headers_of_a_stream(api, stateless):
    thread = api.thread()
    base = "" if stateless else f"/threads/{thread}"
    with api.stream(f"{base}/runs/stream",
                    {"assistant_id": "trivial", "input": {"x": 1}}) as opened:
        run = opened.rest()[0].data["run_id"]
        headers = opened.headers
    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert headers["content-location"] == f"{base}/runs/{run}"
    assert headers["location"].split("?")[0] == f"{base}/runs/{run}/stream"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert headers["x-accel-buffering"] == "no"
    # Not "close": Node's fetch would take a cut stream for a complete one.
    assert headers["connection"].lower() == "keep-alive"
    assert headers["keep-alive"] == "timeout=60"
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers


def test_headers_of_wait_join_and_create(api):
    thread = api.thread()
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    got = api.request("POST", f"/threads/{thread}/runs/wait", body)
    where = got.headers["Content-Location"]
    assert re.fullmatch(rf"/threads/{thread}/runs/[0-9a-f-]{{36}}", where)
    assert got.headers["Location"].split("?")[0] == f"{where}/join"
    assert got.headers["Keep-Alive"] == "timeout=60"
    assert got.headers["Content-Type"].startswith("application/json")
    got = api.request("GET", f"{where}/join")
    assert got.headers["Location"].split("?")[0] == f"{where}/join"
    got = api.request("POST", f"/threads/{thread}/runs", body)
    assert got.headers["Content-Location"] == f"/threads/{thread}/runs/{got.json()['run_id']}"
    assert got.headers["Location"] is None
    got = api.request("GET", f"{where}/stream")
    assert got.headers["Location"].split("?")[0] == f"{where}/stream"
    got = api.request("POST", f"/threads/{NOBODY}/runs/wait", body)
    assert got.headers["Location"] is None and got.headers["Content-Location"] is None


def test_many_requests_on_one_connection(api):
    """Answers leave the connection open, streams too."""
    at = urllib.parse.urlsplit(api.url)
    connection = HTTPConnection(at.hostname, at.port, timeout=10)
    socket_used = None
    for _ in range(20):
        connection.request("POST", "/threads", "{}")
        assert connection.getresponse().read()
        connection.request("POST", "/runs/stream",
                           json.dumps({"assistant_id": "trivial", "input": {"x": 1}}))
        assert b"event: values" in connection.getresponse().read()
        socket_used = socket_used or connection.sock
        assert connection.sock is socket_used, "the connection was not kept"
    connection.close()


def test_head_and_expect(api):
    """curl sends Expect for large bodies."""
    at = urllib.parse.urlsplit(api.url)
    body = json.dumps({"metadata": {"a": "x" * 3000}}).encode()
    with socket.create_connection((at.hostname, at.port), timeout=10) as s:
        s.sendall(b"POST /threads HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert s.recv(100).startswith(b"HTTP/1.1 100")
        s.sendall(body)
        assert b" 200 " in s.recv(65536)


def test_system_routes(api):
    assert api.get("/ok") == {"ok": True}
    assert api.get("/") == {"ok": True}
    assert api.get("/ok?check_db=1") == {"ok": True}
    info = api.get("/info")
    assert isinstance(info["version"], str) and isinstance(info["flags"], dict)
    text = api.request("GET", "/metrics").text
    for name in ("leat_events_lost_total", "leat_open_streams", "leat_first_event_seconds",
                 "leat_slow_readers_closed_total"):
        assert re.search(rf"^# TYPE {name} ", text, re.M), name
    for name, kind in (("http_requests_total", "counter"), ("http_requests_latency", "histogram"),
                       ("num_pending_runs", "gauge"), ("num_running_runs", "gauge"),
                       ("workers_max", "gauge"), ("workers_active", "gauge"),
                       ("workers_available", "gauge"),
                       ("run_queue_wait_time_1st_attempt", "histogram")):
        assert f"# TYPE lg_api_{name} {kind}\n" in text, name
    numbers = api.request("GET", "/metrics?format=json").json()
    assert numbers["lg_api_workers_max"] == 128 and numbers["lg_api_workers_available"] > 0
    assert numbers['lg_api_http_requests_total{status="2xx"}'] > 0
    before = numbers["lg_api_run_queue_wait_time_1st_attempt_count"]
    api.post("/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}})
    until(lambda: api.get("/metrics?format=json")[
        "lg_api_run_queue_wait_time_1st_attempt_count"] > before, "the wait being counted", 20)


def test_reference(api):
    assert api.request("GET", "/docs").headers["Content-Type"].startswith("text/html")
    paths = api.get("/openapi.json")["paths"]
    assert "/threads/{thread_id}/runs/stream" in paths


def test_headers_reach_the_graph(api):
    """leat dev copies x-* headers, but never keys."""
    got = api.request("POST", "/runs/wait", {
        "assistant_id": "agent_simple", "input": HELLO}, {"X-Configurable-Header": "from me"})
    assert got.json()["messages"][-1]["content"] == "end: from me"


def test_stalled_clients_keep_nobody_waiting(api):
    """A hundred that send half a request; then everybody else as always."""
    at = urllib.parse.urlsplit(api.url)
    stalled = [socket.create_connection((at.hostname, at.port), timeout=30) for _ in range(100)]
    for i, s in enumerate(stalled):
        s.sendall(b"POST /threads HTTP/1.1\r\nHost: x\r\n" if i % 2 else
                  b"POST /threads HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert api.request("POST", "/threads", {}, seconds=9).status == 200
    for s in stalled:
        s.settimeout(20)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
