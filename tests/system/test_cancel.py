# SPDX-License-Identifier: Apache-2.0
"""Cancelling runs: pending, running and over; kept or rolled back; in bulk."""

import pytest
from langgraph_sdk import get_sync_client

from support.api import new_id
from support.wait import equals, until

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
LONG = {**HELLO, "sleep": {"steps": 1000, "ms": 20}}


def running(api, thread=None, given=LONG, **body):
    """A run that has sent its first custom event, and its stream."""
    run = api.start(thread or api.thread(), "agent", input=given, stream_mode=["custom", "values"],
                    **body)
    opened = api.join_stream(run, "-1")
    opened.event("custom")
    return run, opened


@pytest.mark.smoke
@pytest.mark.parametrize("wait, status", [(True, 204), (False, 202)], ids=["wait", "no-wait"])
def test_running(api, wait, status):
    run, opened = running(api)
    got = api.cancel(run, wait)
    assert (got.status, got.body) == (status, b"")
    if wait:
        assert api.run(run)["status"] == "interrupted", "the answer comes after the end"
    rest = opened.rest()
    assert opened.ended == "clean"
    assert {e.name for e in rest} <= {"custom", "values"}, "no error event"
    assert api.wait_status(run)["status"] == "interrupted"
    thread = equals_thread(api, run["thread_id"], "idle")
    assert thread["values"]["messages"][0]["content"] == "hello", "the state is kept"
    assert api.state(run["thread_id"])["next"] == ["agent"]


def equals_thread(api, thread, status):
    equals(lambda: api.get(f"/threads/{thread}")["status"], status)
    return api.get(f"/threads/{thread}")


def test_a_cancelled_thread_goes_on(api):
    """Null input takes up the node that was stopped."""
    run, _ = running(api, given={**HELLO, "sleep": {"steps": 3, "ms": 300}})
    assert api.cancel(run, wait=True).status == 204
    thread = run["thread_id"]
    events = api.run_stream(thread, "agent", input=None, stream_mode=["custom", "updates"])
    assert [e.data.get("step") for e in events if e.name == "custom"] == [0, 1, 2]
    assert [list(e.data) for e in events if e.name == "updates"] == [["agent"], ["tool"],
                                                                     ["agent"]]


def test_rollback(api):
    """The run and all it wrote are gone."""
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO)
    before = api.post(f"/threads/{thread}/history", {"limit": 100})
    again = {"messages": [{"role": "human", "content": "again", "id": "m2"}]}
    run, opened = running(api, thread, {**LONG, **again, "keyOne": "new"})
    until(lambda: len(api.post(f"/threads/{thread}/history", {"limit": 100})) > len(before),
          "its first checkpoint")
    assert api.cancel(run, wait=True, action="rollback").status == 204
    opened.rest()
    assert api.request("GET", f"/threads/{thread}/runs/{run['run_id']}").status == 404
    assert api.post(f"/threads/{thread}/history", {"limit": 100}) == before
    shown = equals_thread(api, thread, "idle")
    assert shown["values"] == before[0]["values"]


@pytest.mark.parametrize("wait", [False, True])
def test_pending(api, wait):
    first, _ = running(api)
    thread = first["thread_id"]
    second = api.start(thread, "agent", input=HELLO)
    third = api.start(thread, "agent", input=HELLO)
    assert api.cancel(second, wait).status in (202, 204)
    assert api.run(second)["status"] == "interrupted", "at once"
    assert api.cancel(third, wait, "rollback").status in (202, 204)
    equals(lambda: api.request("GET", f"/threads/{thread}/runs/{third['run_id']}").status, 404)
    assert api.run(first)["status"] == "running"
    assert api.get(f"/threads/{thread}")["status"] == "busy"
    api.cancel(first, wait=True)
    equals_thread(api, thread, "idle")


def test_delayed(api):
    run = api.start(api.thread(), "trivial", input={"x": 1}, after_seconds=3600)
    assert api.run(run)["status"] == "pending"
    assert api.get(f"/threads/{run['thread_id']}")["status"] == "busy"
    assert api.cancel(run, wait=True).status == 204
    assert api.run(run)["status"] == "interrupted"


def test_stream_of_a_pending_run_ends(api):
    first, _ = running(api)
    second = api.start(first["thread_id"], "agent", input=HELLO)
    with api.join_stream(second, "-1") as opened:
        assert api.cancel(second, wait=True).status == 204
        assert opened.read() == b""
        assert opened.ended == "clean"
    api.cancel(first, wait=True)


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_over(api, action):
    run = api.start(api.thread(), "trivial", input={"x": 1})
    api.join(run)
    got = api.cancel(run, action=action)
    assert got.status == 409
    assert isinstance(got.json()["detail"], str)
    assert api.run(run)["status"] == "success"


def test_unknown_and_wrong(api):
    run = api.start(api.thread(), "trivial", input={"x": 1})
    api.join(run)
    assert api.cancel({**run, "run_id": new_id()}).status == 404
    assert api.cancel({**run, "thread_id": new_id()}).status == 404
    assert api.cancel(run, action="nonsense").status == 422
    assert api.cancel({**run, "run_id": "nonsense"}).status == 422


def test_twice(api):
    """The second cancel of a running run waits for the same end."""
    run, _ = running(api)
    assert api.cancel(run).status == 202
    assert api.cancel(run, wait=True).status in (204, 409)
    assert api.wait_status(run)["status"] == "interrupted"


def test_cancel_inside_a_nested_graph_or_sleep(api):
    """Every wait of a node ends at once."""
    run = api.start(api.thread(), "sleeper", input={"ms": 3600000}, stream_mode=["custom"])
    with api.join_stream(run, "-1") as opened:
        opened.event("custom")
    assert api.cancel(run, wait=True).status == 204


# -- bulk ------------------------------------------------------------------------------

def test_bulk_by_ids(api):
    first, _ = running(api)
    thread = first["thread_id"]
    second = api.start(thread, "agent", input=HELLO)
    assert api.request("POST", "/runs/cancel", {
        "thread_id": thread, "run_ids": [first["run_id"], second["run_id"]]}).status == 204
    assert api.wait_status(first)["status"] == "interrupted"
    assert api.wait_status(second)["status"] == "interrupted"


def test_bulk_with_an_unknown_id_cancels_nothing(api):
    run, _ = running(api)
    got = api.request("POST", "/runs/cancel", {
        "thread_id": run["thread_id"], "run_ids": [run["run_id"], new_id()]})
    assert got.status == 404
    assert api.run(run)["status"] == "running"
    api.cancel(run, wait=True)


def test_bulk_by_status(api):
    """`pending` leaves running ones alone; `all` takes the rest."""
    runs = [running(api)[0] for _ in range(2)]
    waiting = [api.start(r["thread_id"], "agent", input=HELLO) for r in runs]
    assert api.request("POST", "/runs/cancel", {"status": "pending"}).status == 204
    assert [api.wait_status(r)["status"] for r in waiting] == ["interrupted"] * 2
    assert [api.run(r)["status"] for r in runs] == ["running"] * 2
    assert api.request("POST", "/runs/cancel?action=rollback", {"status": "all"}).status == 204
    for run in runs:
        equals(lambda: api.request(
            "GET", f"/threads/{run['thread_id']}/runs/{run['run_id']}").status, 404)


@pytest.mark.parametrize("body", [
    {}, {"status": "all", "thread_id": new_id(), "run_ids": []}, {"status": "nonsense"},
    {"thread_id": new_id()}, {"run_ids": [new_id()]}], ids=str)
def test_bulk_wants_one_or_the_other(api, body):
    assert api.request("POST", "/runs/cancel", body).status == 422


# -- deleting -----------------------------------------------------------------------------

def test_delete_run(api):
    run, _ = running(api)
    thread = run["thread_id"]
    path = f"/threads/{thread}/runs/{run['run_id']}"
    assert api.request("DELETE", path).status == 409, "inflight"
    api.cancel(run, wait=True)
    got = api.request("DELETE", path)
    assert (got.status, got.body) == (204, b"")
    assert api.request("GET", path).status == 404
    assert api.request("DELETE", path).status == 404
    assert api.get(f"/threads/{thread}/runs") == []


def test_delete_thread_stops_its_runs(api):
    run, opened = running(api)
    thread = run["thread_id"]
    assert api.request("DELETE", f"/threads/{thread}").status == 204
    opened.rest()
    assert api.request("GET", f"/threads/{thread}").status == 404
    assert api.request("GET", f"/threads/{thread}/runs/{run['run_id']}").status == 404


def test_sdk(api):
    client = get_sync_client(url=api.url)
    run, _ = running(api)
    client.runs.cancel(run["thread_id"], run["run_id"], wait=True)
    assert client.runs.get(run["thread_id"], run["run_id"])["status"] == "interrupted"


def test_bulk_with_the_sdk(api):
    client = get_sync_client(url=api.url)
    run, _ = running(api)
    client.runs.cancel_many(thread_id=run["thread_id"], run_ids=[run["run_id"]])
    assert api.wait_status(run)["status"] == "interrupted"
