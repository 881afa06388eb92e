# SPDX-License-Identifier: Apache-2.0
"""Workers that come, go and die while runs go on."""

import os
import signal
import threading
import time

import pytest

from support.api import Api
from support.mask import mask, pairs
from support.proc import PATIENCE
from support.sse import check_ids, id_key
from support.wait import equals, until

pytestmark = pytest.mark.timeout(120)
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}


def slowly(steps, ms):
    return {**HELLO, "sleep": {"steps": steps, "ms": ms}}


def start(api, steps=200, ms=20, thread=None, **body):
    """A run and its stream, after the first custom event."""
    run = api.start(thread or api.thread(), "agent", input=slowly(steps, ms),
                    stream_mode=["custom", "updates"], **body)
    opened = api.join_stream(run, "-1")
    opened.event("custom")
    return run, opened


def contents(api, run):
    return [m["content"] for m in api.join(run)["messages"]]


ANSWERED = ["hello", "begin", "tool_call__begin", "end"]


def test_a_graph_that_no_worker_serves_any_more(parts):
    """Never registered: 404. Registered once: the run waits, and it is told
    for what; a new worker takes it at once."""
    stack = parts(workers=0)
    api = Api(stack.url)
    thread = api.thread()
    got = api.request("POST", f"/threads/{thread}/runs", {"assistant_id": "agent"})
    assert got.status == 404
    worker = stack.start_worker()
    equals(lambda: api.request("GET", "/assistants/agent").status, 200)
    assert worker.stop() == 0
    run = api.start(thread, "agent", input=HELLO)
    assert api.run(run)["status"] == "pending"
    why = until(lambda: api.run(run).get("why"), "the reason why the run is pending")
    assert "agent" in why and "worker" in why
    assert api.state(thread)["values"] == {}, "stored state is read without a worker"
    assert api.request("POST", f"/threads/{thread}/runs", {"assistant_id": "nobody"}).status == 404
    began = time.monotonic()
    stack.start_worker()
    api.wait_status(run, "success")
    print(f"taken and done {time.monotonic() - began:.3f} s after the worker was started")
    assert contents(api, run) == ANSWERED


def test_calls_that_need_a_worker_are_503_without_one(parts):
    stack = parts(workers=1)
    api = Api(stack.url)
    thread = api.thread()
    api.run_stream(thread, "trivial", input={"x": 1})
    stack.kind("worker")[0].stop()
    for method, path, body in (("POST", f"/threads/{thread}/state", {"values": {"x": 5}}),
                               ("GET", "/assistants/trivial/schemas", None)):
        got = api.request(method, path, body)
        assert got.status == 503, (path, got)
        assert int(got.headers["Retry-After"]) >= 1
    assert api.state(thread)["values"] == {"x": 2}
    assert len(api.post(f"/threads/{thread}/history", {"limit": 10})) == 3


def test_a_new_worker_gets_work_within_a_second(parts):
    """Slots full: the next runs wait; a second worker takes them."""
    stack = parts(workers=1, worker=["--slots=1"])
    api = Api(stack.url)
    first, opened = start(api, 2000, 20)
    waiting = api.start(api.thread(), "trivial", input={"x": 1})
    assert api.run(waiting)["status"] == "pending"
    stack.start_worker("--slots=1")
    began = time.monotonic()
    api.wait_status(waiting, "success")
    took = time.monotonic() - began
    print(f"done {took:.3f} s after the new worker was ready")
    assert took < 5 * PATIENCE
    api.cancel(first, wait=True)
    opened.close()


def test_sigterm_lets_runs_finish(parts):
    """What ends within the drain time ends there, and nothing new is taken."""
    stack = parts(workers=1, worker=["--drain=20s"])
    api = Api(stack.url)
    run, opened = start(api, 30, 20)
    worker = stack.kind("worker")[0]
    worker.signal(signal.SIGTERM)
    until(lambda: "drain" in worker.log(), "the worker draining")
    later = api.start(api.thread(), "trivial", input={"x": 1})
    assert worker.wait(20) == 0
    events = opened.rest()
    assert {e.name for e in events} == {"custom", "updates"}
    assert api.run(run)["status"] == "success"
    assert contents(api, run) == ANSWERED
    assert api.run(later)["status"] == "pending"
    stack.start_worker()
    api.wait_status(later, "success")


def test_sigterm_hands_back_what_takes_too_long(parts):
    """The other worker goes on with it at once, and no attempt is counted; the
    first one does not wait for what nobody will tell it."""
    stack = parts(workers=1, worker=["--drain=0s", "--cancel-deadline=60s"],
                  broker=["--max-attempts=1"])
    api = Api(stack.url)
    run, opened = start(api, 60, 20)
    stack.start_worker()
    worker = stack.kind("worker")[0]
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    second = opened.event("metadata")
    print(f"went on {time.monotonic() - began:.3f} s after SIGTERM")
    assert second.data["run_id"] == run["run_id"]
    assert worker.wait(20) == 0
    rest = opened.rest()
    assert [list(e.data)[0] for e in rest if e.name == "updates"] == ["agent", "tool", "agent"]
    assert api.run(run)["status"] == "success"
    assert contents(api, run) == ANSWERED


def test_graphs_that_nobody_answers_for_hold_up_nothing_else(parts):
    """Half of the gateway's threads may wait for a worker that hangs."""
    stack = parts(workers=1, gateway=["--http-threads=4"])
    api = Api(stack.url)
    (assistant,) = api.post("/assistants/search", {"graph_id": "agent"})
    worker = stack.kind("worker")[0]
    worker.signal(signal.SIGSTOP)
    asked = [(got := [], threading.Thread(target=lambda got=got: got.append(api.request(
        "GET", f"/assistants/{assistant['assistant_id']}/graph", seconds=90)))) for _ in range(4)]
    for _, thread in asked:
        thread.start()
    until(lambda: sum(bool(got) for got, _ in asked) == 2, "two of them being refused")
    assert {got[0].status for got, _ in asked if got} == {503}
    assert api.get("/ok") and api.thread()
    worker.signal(signal.SIGCONT)
    for _, thread in asked:
        thread.join(60)
    assert sorted(got[0].status for got, _ in asked) == [200, 200, 503, 503]


@pytest.mark.smoke
def test_kill_9_of_a_worker(dev):
    """The run goes on from its last checkpoint with a new metadata event; one
    reader sees both attempts in one stream, ids grow, nothing is lost."""
    stack = dev(workers=1)
    api = Api(stack.url)
    thread = api.thread()
    # The first node's checkpoint is there when the second, long one begins.
    run = api.start(thread, "agent", input={**HELLO}, stream_mode=["custom", "updates", "values"])
    api.join(run)
    second = {"messages": [{"role": "human", "content": "again", "id": "m2"}],
              "sleep": {"steps": 100, "ms": 20}}
    run = api.start(thread, "agent", input=second, stream_mode=["custom", "updates", "values"])
    opened = api.join_stream(run, "-1")
    first = opened.event("metadata")
    opened.event("custom")
    began = time.monotonic()
    os.kill(stack.pids("worker")[-1], signal.SIGKILL)
    again = opened.event("metadata")
    took = time.monotonic() - began
    print(f"went on {took:.3f} s after kill -9")
    assert took < 10 * PATIENCE
    assert first.data == {"run_id": run["run_id"], "attempt": 1}
    assert again.data == {"run_id": run["run_id"], "attempt": 2}
    rest = opened.rest()
    assert opened.ended == "clean"
    assert [e.data["step"] for e in rest if e.name == "custom"] == list(range(100)), \
        "the node ran again from its beginning"
    assert rest[0].name == "values", "the state that it goes on from"
    assert [m["content"] for m in rest[0].data["messages"]] == [*ANSWERED, "again"]
    assert contents(api, run) == [*ANSWERED, "again", *ANSWERED[1:]]
    replay = api.join_stream(run, "-1").rest()
    check_ids(replay)
    assert [e.data["attempt"] for e in replay if e.name == "metadata"] == [1, 2]
    humans = [m for m in api.state(thread)["values"]["messages"] if m["type"] == "human"]
    assert len(humans) == 2, "the input was not applied twice"
    equals(lambda: len(stack.pids("worker")), 2)


def test_kill_9_of_every_worker(dev):
    """All at once, with many runs: each goes on to its right end."""
    stack = dev(workers=2)
    api = Api(stack.url)
    runs = [start(api, 60, 20)[0] for _ in range(10)]
    for pid in stack.pids("worker"):
        os.kill(pid, signal.SIGKILL)
    for run in runs:
        assert api.wait_status(run, seconds=40 * PATIENCE)["status"] == "success"
        events = api.join_stream(run, "-1").rest()
        check_ids(events)
        attempts = [e.data["attempt"] for e in events if e.name == "metadata"]
        assert attempts == [1, 2]
        last = max(i for i, e in enumerate(events) if e.name == "metadata")
        assert [e.data["step"] for e in events[last:] if e.name == "custom"] == list(range(60))
        assert contents(api, run) == ANSWERED


def test_a_run_that_kills_its_workers_is_given_up(dev):
    """After the last attempt it is an error, and the thread is free."""
    stack = dev("--max-attempts=2", workers=1)
    api = Api(stack.url)
    run, opened = start(api, 3000, 20)
    os.kill(stack.pids("worker")[-1], signal.SIGKILL)
    assert opened.event("metadata").data["attempt"] == 2
    opened.event("custom")
    os.kill(stack.pids("worker")[-1], signal.SIGKILL)
    rest = opened.rest()
    assert rest[-1].name == "error"
    assert set(rest[-1].data) == {"error", "message"}
    assert api.run(run)["status"] == "error"
    equals(lambda: api.get(f"/threads/{run['thread_id']}")["status"], "error")


def test_cancel_while_the_worker_is_gone(parts):
    """Nobody has the run: cancelling it is a matter of the broker alone."""
    stack = parts(workers=1, broker=["--lease=60s"])
    api = Api(stack.url)
    run, opened = start(api, 3000, 20)
    stack.kind("worker")[0].kill()
    assert api.cancel(run).status == 202
    assert api.wait_status(run)["status"] == "interrupted"
    opened.rest()


def test_a_frozen_worker_loses_its_lease(parts):
    """SIGSTOP: another one goes on; the frozen one, awake again, adds nothing."""
    stack = parts(workers=1, broker=["--lease=1s"], worker=["--heartbeat=100ms"])
    api = Api(stack.url)
    run, opened = start(api, 100, 20)
    stack.start_worker("--heartbeat=100ms")
    frozen = stack.kind("worker")[0]
    frozen.signal(signal.SIGSTOP)
    again = opened.event("metadata")
    assert again.data["attempt"] == 2
    frozen.signal(signal.SIGCONT)
    rest = opened.rest()
    check_ids([again, *rest])
    assert [e.data["step"] for e in rest if e.name == "custom"] == list(range(100))
    assert contents(api, run) == ANSWERED
    assert len(api.post(f"/threads/{run['thread_id']}/history", {"limit": 100})) == 5
    assert stack.metrics("broker")["leat_lease_expired_total"] >= 1
    assert frozen.alive()
    done = api.start(api.thread(), "trivial", input={"x": 1})
    assert api.join(done) == {"x": 2}


def test_workers_come_and_go_under_load(parts):
    """Runs are started all the time while workers change; none is lost."""
    stack = parts(workers=2, worker=["--drain=5s"])
    api = Api(stack.url)
    runs = []
    for turn in range(4):
        runs += [api.start(api.thread(), "agent", input=slowly(10, 10)) for _ in range(5)]
        stack.start_worker("--drain=5s")
        assert stack.kind("worker")[turn].stop() == 0
    for run in runs:
        assert contents(api, run) == ANSWERED
        events = api.join_stream(run, "-1", ["updates"]).rest()
        assert mask(pairs(events))[0] == ["metadata", {"run_id": "<1>", "attempt": 1}]
        keys = [id_key(e.id) for e in events]
        assert keys == sorted(keys)


def test_stateless_run_survives_its_worker(dev):
    """The gateway still holds the request: it is run again."""
    stack = dev(workers=1)
    api = Api(stack.url)
    with api.stream("/runs/stream", {"assistant_id": "agent", "input": slowly(50, 20),
                                     "stream_mode": ["custom", "updates"]}) as opened:
        opened.event("custom")
        os.kill(stack.pids("worker")[-1], signal.SIGKILL)
        assert opened.event("metadata").data["attempt"] == 2
        rest = opened.rest()
        assert opened.ended == "clean"
    assert [e.data["step"] for e in rest if e.name == "custom"] == list(range(50))
