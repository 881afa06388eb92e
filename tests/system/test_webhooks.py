# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what they are told, how often, and where they may not point."""

import hashlib
import hmac
import http.server
import json
import threading

import pytest

from support.api import Api, new_id
from support.wait import until

STACK_OPTIONS = ("--webhook-secret=s3cret",)


class Receiver:
    """A server that answers with the given statuses, then with 200."""

    def __init__(self, *statuses):
        self.got, left = [], list(statuses)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                status = left.pop(0) if left else 200
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, n=1):
        until(lambda: len(self.got) >= n, f"{n} calls", seconds=10)
        return [json.loads(body) for _, _, body in self.got]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def pending(api):
    """Webhooks that were told or given up, by the gateway's count."""
    text = api.request("GET", "/metrics").text
    return {line.split('"')[1]: float(line.split()[1]) for line in text.splitlines()
            if line.startswith("leat_webhooks_total{")}


def test_what_is_told(api):
    with Receiver() as hook:
        thread = api.thread()
        api.run_stream(thread, "trivial", input={"x": 1}, webhook=hook.url,
                       metadata={"m": 1})
        (told,) = hook.wait()
        (run,) = api.get(f"/threads/{thread}/runs")
        path, headers, body = hook.got[0]
    expected = {**run, "run_started_at": told["run_started_at"],
                "run_ended_at": told["run_ended_at"],
                "webhook_sent_at": told["webhook_sent_at"], "values": {"x": 2}}
    assert told == expected
    assert run["status"] == "success"
    assert run["created_at"] <= told["run_started_at"] <= told["run_ended_at"] \
        <= told["webhook_sent_at"]
    assert path == "/hook" and headers["Content-Type"] == "application/json"
    assert headers["X-Leat-Signature"] == \
        "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


def test_failures_and_cancels(api):
    with Receiver() as hook:
        api.run_stream(api.thread(), "error", input={"messages": []}, webhook=hook.url)
        (told,) = hook.wait()
        assert told["status"] == "error"
        assert set(told["error"]) == {"error", "message"}
        run = api.start(api.thread(), "sleeper", input={"ms": 60000}, webhook=hook.url)
        api.wait_status(run, "running")
        api.cancel(run, wait=True)
        later = api.start(api.thread(), "trivial", after_seconds=3600, webhook=hook.url)
        api.cancel(later, wait=True)
        told = {t["run_id"]: t for t in hook.wait(3)}
        for each in (run, later):
            assert told[each["run_id"]]["status"] == "interrupted"
            assert "error" not in told[each["run_id"]]
        assert "run_started_at" not in told[later["run_id"]]
        rolled = api.start(api.thread(), "sleeper", input={"ms": 60000}, webhook=hook.url)
        api.wait_status(rolled, "running")
        api.cancel(rolled, wait=True, action="rollback")
        told = hook.wait(4)[3]
        assert (told["run_id"], told["status"]) == (rolled["run_id"], "interrupted")
        assert "values" not in told


@pytest.mark.parametrize("how", ["runs", "runs/wait", "runs/stream"])
def test_runs_without_a_thread(api, how):
    with Receiver() as hook:
        body = {"assistant_id": "trivial", "input": {"x": 1}, "webhook": hook.url}
        got = api.request("POST", f"/{how}", body)
        assert got.status == 200
        (told,) = hook.wait()
        assert got.headers["Content-Location"] == f"/runs/{told['run_id']}"
        assert told["status"] == "success" and "values" not in told


def test_tries_again(api):
    before = pending(api)
    with Receiver(500, 503) as hook:
        api.run_stream(api.thread(), "trivial", input={"x": 1}, webhook=hook.url)
        told = hook.wait(3)
    assert len({t["run_id"] for t in told}) == 1
    until(lambda: pending(api)["delivered"] == before["delivered"] + 1, "the count")


@pytest.mark.parametrize("status", [302, 404])
def test_other_answers_are_final(api, status):
    before = pending(api)
    with Receiver(status) as hook:
        api.run_stream(api.thread(), "trivial", input={"x": 1}, webhook=hook.url)
        until(lambda: pending(api)["failed"] == before["failed"] + 1, "giving up")
        assert len(hook.got) == 1


def test_a_path_is_this_server(api):
    """The run's end makes a thread, since the body is no bad request there."""
    thread, before = api.thread(), pending(api)
    api.run_stream(thread, "trivial", input={"x": 1}, webhook="/threads/count")
    until(lambda: sum(pending(api).values()) == sum(before.values()) + 1, "the call")


def test_refused_targets(parts):
    api = Api(parts().url)
    for url in ("http://localhost:1/", "http://127.0.0.1/x", "https://127.3.2.1/",
                "http://[::1]:80/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
                "http://2130706433/", "http://0x7f.1/", "http://a.localhost./", "/threads",
                "http://user@localhost/"):
        body = {"assistant_id": "trivial", "webhook": url}
        for path, sent in (("/runs", body), ("/runs/batch", [body]), ("/runs/wait", body),
                           ("/runs/crons", {**body, "schedule": "* * * * *"})):
            got = api.request("POST", path, sent)
            assert got.status == 422 and "webhook" in got.json()["detail"], (url, path, got)
    body = {"assistant_id": "trivial", "webhook": "http://example.com/"}
    assert api.request("POST", "/runs/crons", {**body, "schedule": "0 0 1 1 *"}).status == 200


@pytest.mark.parametrize("url", ["", 5, "ftp://x/", "x", "http://", [], {"url": "http://x"}])
def test_bad_webhooks(api, url):
    got = api.request("POST", "/runs", {"assistant_id": "trivial", "webhook": url})
    assert got.status == 422 and got.json()["detail"].startswith("webhook: "), got


def test_one_gateway_of_two_tells(parts):
    stack = parts(gateways=2, gateway=("--webhook-loopback=true",))
    api = Api(stack.url)
    with Receiver() as hook:
        runs = [api.start(api.thread(), "trivial", input={"x": x}, webhook=hook.url)
                for x in range(20)]
        told = hook.wait(20)
        for run in runs:
            api.wait_status(run, "success")
        assert sorted(t["run_id"] for t in told) == sorted(r["run_id"] for r in runs)


def test_nothing_is_forgotten(parts):
    """The gateway dies before it can tell; the next one does."""
    stack = parts(gateway=("--webhook-loopback=true",))
    api = Api(stack.url)
    with Receiver() as hook:
        run = api.start(api.thread(), "sleeper", input={"ms": 1500}, webhook=hook.url)
        api.wait_status(run, "running")
        stack.kind("gateway")[-1].kill()
        stack.start_gateway("--webhook-loopback=true")
        assert hook.wait()[0]["run_id"] == run["run_id"]
