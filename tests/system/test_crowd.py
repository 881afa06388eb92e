# SPDX-License-Identifier: Apache-2.0
"""Many clients at the same few threads: whatever they do to each other, in the
end no thread is busy without a run and no run waits without a reason."""

import os
import random
import threading
import time

import pytest

from support.api import Api, new_id
from support.wait import until

CLIENTS = 64
SECONDS = 30 if os.environ.get("LEAT_TEST_LONG") else 4
STRATEGIES = ("enqueue", "reject", "interrupt", "rollback")
# What each request may be answered with, whatever the others do meanwhile.
MAY = {"create": (200, 404, 409), "wait": (200, 404, 409), "cancel": (202, 204, 404, 409),
       "delete": (204, 404, 409), "get": (200, 404), "list": (200, 404), "thread": (204, 404),
       "bulk": (204, 404), "join": (200, 404), "state": (200, 404)}


class Client(threading.Thread):
    def __init__(self, url, threads, until_time, seed):
        super().__init__()
        self.api, self.threads, self.end = Api(url), threads, until_time
        self.dice = random.Random(seed)
        self.runs, self.wrong, self.count = [], [], 0

    def run(self):
        while time.monotonic() < self.end and not self.wrong:
            self.step()

    def ask(self, what, method, path, body=None):
        try:
            got = self.api.request(method, path, body, seconds=60)
        except Exception as error:
            self.wrong.append((what, path, repr(error)))
            return None
        self.count += 1
        if got.status not in MAY[what]:
            self.wrong.append((what, path, got))
        return got

    def step(self):
        dice, thread = self.dice, self.dice.choice(self.threads)
        base = f"/threads/{thread}/runs"
        thread_of, run = dice.choice(self.runs[-20:]) if self.runs else (thread, new_id())
        one = f"/threads/{thread_of}/runs/{run}"
        what = dice.choices(("create", "wait", "cancel", "delete", "get", "list", "thread",
                             "bulk", "join", "state"), (8, 2, 5, 2, 2, 1, 0.2, 1, 1, 1))[0]
        if what in ("create", "wait"):
            body = {"assistant_id": dice.choice(("trivial", "sleeper")),
                    "input": {"x": 1, "ms": dice.choice((0, 5, 50))},
                    "multitask_strategy": dice.choice(STRATEGIES), "if_not_exists": "create"}
            if dice.random() < 0.1 and what == "create":
                body["after_seconds"] = 0.2
            got = self.ask(what, "POST", base + ("/wait" if what == "wait" else ""), body)
            if got is not None and got.status == 200 and what == "create":
                self.runs.append((thread, got.json()["run_id"]))
        elif what == "cancel":
            self.ask(what, "POST", f"{one}/cancel?wait={dice.randrange(2)}&action="
                     + dice.choice(("interrupt", "rollback")))
        elif what == "bulk":
            self.ask(what, "POST", "/runs/cancel",
                     {"thread_id": thread_of, "run_ids": [run]})
        elif what == "list":
            self.ask(what, "GET", base)
        elif what == "thread":
            self.ask(what, "DELETE", f"/threads/{thread}")
        elif what == "state":
            self.ask(what, "GET", f"/threads/{thread}/state")
        elif what == "join":
            self.ask(what, "GET", one + "/join")
        else:
            self.ask(what, {"delete": "DELETE", "get": "GET"}[what], one)


def settled(api, threads):
    """None, or what is still going on."""
    for thread in threads:
        got = api.request("GET", f"/threads/{thread}")
        if got.status == 404:
            continue
        runs = api.get(f"/threads/{thread}/runs?limit=1000")
        open_runs = [r for r in runs if r["status"] in ("pending", "running")]
        status = got.json()["status"]
        if open_runs:
            return [(r["run_id"], r["status"], api.get(
                f"/threads/{thread}/runs/{r['run_id']}").get("why")) for r in open_runs]
        if status not in ("idle", "error", "interrupted"):
            return thread, status
    return None


@pytest.mark.timeout(300)
def test_crowd(api, stack):
    threads = [api.thread() for _ in range(6)]
    end = time.monotonic() + SECONDS
    clients = [Client(stack.url, threads, end, seed) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(120)
    assert [c for c in clients if c.is_alive()] == []
    assert [w for c in clients for w in c.wrong] == []
    assert sum(c.count for c in clients) > CLIENTS
    until(lambda: settled(api, threads) is None, "everything having ended", seconds=30)
    for thread in threads:
        if api.request("GET", f"/threads/{thread}").status == 404:
            continue
        last = api.request("POST", f"/threads/{thread}/runs/wait",
                           {"assistant_id": "trivial", "input": {"x": 4}})
        assert last.status == 200 and last.json()["x"] == 5, last
        assert api.get(f"/threads/{thread}")["status"] == "idle"
