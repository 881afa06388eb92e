# SPDX-License-Identifier: Apache-2.0
"""The API as plain requests, for set-up and for what SDKs hide."""

import uuid

from . import http
from .wait import until

DONE = ("success", "error", "timeout", "interrupted")


class Api:
    def __init__(self, url, key=None):
        self.url = url
        self.headers = {"x-api-key": key} if key else {}

    def request(self, method, path, body=None, headers=None, seconds=30):
        return http.request(self.url, method, path, body, {**self.headers, **(headers or {})},
                            seconds)

    def ok(self, method, path, body=None, status=200):
        got = self.request(method, path, body)
        assert got.status == status, f"{method} {path}: {got}"
        return got.json() if got.body else None

    def get(self, path):
        return self.ok("GET", path)

    def post(self, path, body=None, status=200):
        return self.ok("POST", path, {} if body is None else body, status)

    def stream(self, path, body=None, headers=None, seconds=30):
        return http.stream(self.url, path, body, {**self.headers, **(headers or {})}, seconds)

    # -- threads and runs ------------------------------------------------------

    def thread(self, **body):
        """A new thread's id."""
        return self.post("/threads", body)["thread_id"]

    def run_stream(self, thread, assistant, **body):
        """All events of a run from creation to end."""
        path = f"/threads/{thread}/runs/stream" if thread else "/runs/stream"
        opened = self.stream(path, {"assistant_id": assistant, **body})
        events = opened.rest()
        assert opened.ended == "clean"
        return events

    def start(self, thread, assistant, **body):
        """A background run."""
        path = f"/threads/{thread}/runs" if thread else "/runs"
        return self.post(path, {"assistant_id": assistant, **body})

    def run(self, run):
        return self.get(f"/threads/{run['thread_id']}/runs/{run['run_id']}")

    def wait_status(self, run, *wanted, seconds=20):
        wanted = wanted or DONE
        return until(lambda: (r := self.run(run))["status"] in wanted and r,
                     f"run {run['run_id']} being {wanted}", seconds)

    def join(self, run, seconds=30):
        got = self.request("GET", f"/threads/{run['thread_id']}/runs/{run['run_id']}/join",
                           seconds=seconds)
        assert got.status == 200, got
        return got.json()

    def join_stream(self, run, last=None, modes=None, **query):
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
        words = [f"stream_mode={m}" for m in modes or ()]
        words += [f"{k}={v}" for k, v in query.items()]
        headers = {} if last is None else {"Last-Event-ID": last}
        return self.stream(path + ("?" + "&".join(words) if words else ""), headers=headers)

    def cancel(self, run, wait=False, action=None):
        query = f"?wait={int(wait)}" + (f"&action={action}" if action else "")
        return self.request(
            "POST", f"/threads/{run['thread_id']}/runs/{run['run_id']}/cancel{query}")

    def state(self, thread, **query):
        words = "&".join(f"{k}={v}" for k, v in query.items())
        return self.get(f"/threads/{thread}/state" + (f"?{words}" if words else ""))

    def get_metrics(self, name):
        """One sample of the gateway's metrics."""
        for line in self.request("GET", "/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")


def new_id():
    return str(uuid.uuid4())


def run_of(events, thread):
    """What identifies the run that these events are of."""
    assert events[0].name == "metadata"
    return {"run_id": events[0].data["run_id"], "thread_id": thread}
