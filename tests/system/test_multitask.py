# SPDX-License-Identifier: Apache-2.0
"""A second run on a thread that has one: each multitask strategy."""

import concurrent.futures

import pytest

from support.api import new_id
from support.wait import equals

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
LONG = {**HELLO, "sleep": {"steps": 1000, "ms": 20}}
REFUSED = ("Thread is already running a task. Wait for it to finish or choose a different "
           "multitask strategy.")


def busy(api):
    run = api.start(api.thread(), "agent", input=LONG, stream_mode=["custom"])
    with api.join_stream(run, "-1") as opened:
        opened.event("custom")
    return run


def message(n):
    return {"messages": [{"role": "human", "content": f"text {n}", "id": f"m{n}"}], "sleep": None}


@pytest.mark.smoke
@pytest.mark.parametrize("path", ["runs", "runs/stream", "runs/wait"])
def test_reject(api, path):
    run = busy(api)
    thread = run["thread_id"]
    got = api.request("POST", f"/threads/{thread}/{path}", {
        "assistant_id": "agent", "input": HELLO, "multitask_strategy": "reject"})
    assert (got.status, got.json()) == (409, {"detail": REFUSED})
    assert "Location" not in got.headers and "Content-Location" not in got.headers
    assert [r["run_id"] for r in api.get(f"/threads/{thread}/runs")] == [run["run_id"]]
    api.cancel(run, wait=True)
    assert api.request("POST", f"/threads/{thread}/runs/wait", {
        "assistant_id": "agent", "input": message(2),
        "multitask_strategy": "reject"}).status == 200


def test_enqueue_is_the_default_and_keeps_the_order(api):
    first = busy(api)
    thread = first["thread_id"]
    queued = [api.start(thread, "agent", input=message(n)) for n in range(2, 5)]
    assert [r["status"] for r in queued] == ["pending"] * 3
    assert {r["multitask_strategy"] for r in queued} == {"enqueue"}
    assert api.get(f"/threads/{thread}")["status"] == "busy"
    assert [r["run_id"] for r in api.get(f"/threads/{thread}/runs")] == [
        r["run_id"] for r in reversed([first, *queued])], "newest first"
    api.cancel(first, wait=True)
    final = api.join(queued[-1])
    texts = [m["content"] for m in final["messages"] if m["type"] == "human"]
    assert texts == ["hello", "text 2", "text 3", "text 4"]
    assert [api.run(r)["status"] for r in queued] == ["success"] * 3
    ends = [[e.id for e in api.join_stream(r, "-1").rest()] for r in queued]
    keys = [tuple(map(int, i.split("-"))) for ids in ends for i in ids]
    assert keys == sorted(keys), "one after the other"


def test_one_at_a_time(api):
    """However many are queued, at most one of a thread runs."""
    thread = api.thread()
    runs = [api.start(thread, "sleeper", input={"ms": 30}) for _ in range(10)]
    most = 0
    while any(r["status"] != "success" for r in api.get(f"/threads/{thread}/runs?limit=20")):
        statuses = [r["status"] for r in api.get(f"/threads/{thread}/runs?limit=20")]
        most = max(most, statuses.count("running"))
    assert most <= 1
    assert len(runs) == 10


def test_interrupt(api):
    """The old run stops and keeps what it saved; the new one goes on from it."""
    first = busy(api)
    thread = first["thread_id"]
    second = api.start(thread, "agent", input=message(2), multitask_strategy="interrupt")
    final = api.join(second)
    assert api.run(first)["status"] == "interrupted"
    assert api.run(second)["status"] == "success"
    assert [m["content"] for m in final["messages"]] == [
        "hello", "text 2", "begin", "tool_call__begin", "end"]
    assert api.get(f"/threads/{thread}")["status"] == "idle"


def test_rollback(api):
    """The old run never was."""
    first = busy(api)
    thread = first["thread_id"]
    second = api.start(thread, "agent", input=message(2), multitask_strategy="rollback")
    final = api.join(second)
    assert api.request("GET", f"/threads/{thread}/runs/{first['run_id']}").status == 404
    assert [m["content"] for m in final["messages"]] == [
        "text 2", "begin", "tool_call__begin", "end"]
    history = api.post(f"/threads/{thread}/history", {"limit": 100})
    assert {h["metadata"]["run_id"] for h in history} == {second["run_id"]}


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
def test_pending_ones_go_too(api, strategy):
    first = busy(api)
    thread = first["thread_id"]
    second = api.start(thread, "agent", input=message(2))
    third = api.start(thread, "agent", input=message(3), multitask_strategy=strategy)
    final = api.join(third)
    texts = [m["content"] for m in final["messages"] if m["type"] == "human"]
    if strategy == "interrupt":
        assert [api.run(r)["status"] for r in (first, second)] == ["interrupted"] * 2
        assert texts == ["hello", "text 3"]
    else:
        assert [r["run_id"] for r in api.get(f"/threads/{thread}/runs")] == [third["run_id"]]
        assert texts == ["text 3"]


def test_streams_of_both(api):
    """The old run's stream ends cleanly without error; the new one is whole."""
    first = busy(api)
    with api.join_stream(first, "-1") as opened:
        events = api.run_stream(first["thread_id"], "agent", input=message(2),
                                multitask_strategy="interrupt", stream_mode="updates")
        rest = opened.rest()
        assert opened.ended == "clean"
    assert "error" not in {e.name for e in rest}
    assert [list(e.data)[0] for e in events[1:]] == ["agent", "tool", "agent"]


@pytest.mark.parametrize("strategy", ["reject", "interrupt", "rollback", "enqueue"])
def test_on_an_idle_thread_all_are_the_same(api, strategy):
    events = api.run_stream(api.thread(), "trivial", input={"x": 1}, multitask_strategy=strategy)
    assert events[-1].data == {"x": 2}


def test_reject_at_once(api):
    """Of many at the same moment exactly one is taken."""
    thread = api.thread()

    def start(_):
        return api.request("POST", f"/threads/{thread}/runs", {
            "assistant_id": "agent", "input": LONG, "multitask_strategy": "reject"})

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(start, range(16)))
    assert sorted(g.status for g in got) == [200] + [409] * 15
    (run,) = [g.json() for g in got if g.status == 200]
    assert len(api.get(f"/threads/{thread}/runs")) == 1
    api.cancel(run, wait=True)


def test_interrupt_at_once(api):
    """Many that each want to be the only one: the last taken wins, none is lost."""
    thread = api.thread()

    def start(n):
        return api.start(thread, "agent", input=message(n), multitask_strategy="interrupt")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(start, range(8)))
    equals(lambda: api.get(f"/threads/{thread}")["status"], "idle", 30)
    statuses = [api.run(r)["status"] for r in runs]
    assert set(statuses) <= {"success", "interrupted"}
    assert "success" in statuses


def test_delayed_run_waits_for_its_time(api):
    """after_seconds: inflight from the beginning, started when due."""
    thread = api.thread()
    run = api.start(thread, "trivial", input={"x": 1}, after_seconds=1)
    assert api.run(run)["status"] == "pending"
    got = api.request("POST", f"/threads/{thread}/runs", {
        "assistant_id": "trivial", "input": {}, "multitask_strategy": "reject"})
    assert got.status == 409
    assert api.join(run) == {"x": 2}


def test_state_cannot_be_changed_under_a_run(api):
    run = busy(api)
    thread = run["thread_id"]
    got = api.request("POST", f"/threads/{thread}/state", {"values": {"keyOne": "x"}})
    assert got.status == 409
    api.cancel(run, wait=True)
    assert api.request("POST", f"/threads/{thread}/state",
                       {"values": {"keyOne": "x"}, "as_node": "agent"}).status == 200


def test_if_not_exists(api):
    thread = new_id()
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    assert api.request("POST", f"/threads/{thread}/runs/wait", body).status == 404
    got = api.request("POST", f"/threads/{thread}/runs/wait", {**body, "if_not_exists": "create"})
    assert got.json() == {"x": 2}
    assert api.get(f"/threads/{thread}")["thread_id"] == thread
