# SPDX-License-Identifier: Apache-2.0
"""/wait and /join: one document at the end, white space before it."""

import json
import os
import signal

import pytest
from langgraph_sdk import get_sync_client

from support import http
from support.api import Api, new_id
from support.expect import agent_values, answered, human
from support.mask import mask
from support.wait import equals, until

STACK_OPTIONS = ("--sse-heartbeat=200ms",)
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
BOO = {"__error__": {"error": "CustomError", "message": "Boo!"}}


def wait(api, assistant, thread="new", **body):
    body.setdefault("input", HELLO)
    if thread == "new":
        thread = api.thread()
    path = f"/threads/{thread}/runs/wait" if thread else "/runs/wait"
    return api.request("POST", path, {"assistant_id": assistant, **body})


def final():
    """The agent's last state."""
    return {**agent_values()[-1][1], "messages": answered(1)}


@pytest.mark.smoke
@pytest.mark.parametrize("thread", ["new", None], ids=["thread", "stateless"])
def test_wait(api, thread):
    got = wait(api, "agent", thread)
    assert got.status == 200
    assert got.headers["Content-Type"].startswith("application/json")
    assert mask(got.json()) == final()


@pytest.mark.parametrize("mode", ["updates", "messages-tuple", [], ["events", "debug"]], ids=str)
def test_wait_whatever_the_mode(api, mode):
    """The answer is the state, also when no values were asked for."""
    assert mask(wait(api, "agent", stream_mode=mode).json()) == final()


def test_wait_interrupted(api):
    thread = api.thread()
    got = wait(api, "agent", thread, input={**HELLO, "interrupt": True}).json()
    assert mask(got) == {
        "messages": [human("hello", "m1")], "interrupt": True,
        "__interrupt__": [{"value": "i want to interrupt", "id": "<h1>"}]}
    got = wait(api, "agent", thread, input=None, command={"resume": 1}).json()
    assert mask(got) == final()


def test_wait_stopped_at_a_breakpoint(api):
    got = wait(api, "weather").json()
    assert got == {"messages": [human("hello", "m1")], "route": "weather"}


@pytest.mark.parametrize("thread", ["new", None], ids=["thread", "stateless"])
def test_wait_error(api, thread):
    got = wait(api, "error", thread)
    assert (got.status, got.json()) == (200, BOO)


def test_wait_recursion_limit(api):
    got = wait(api, "chain10", input={"x": 0}, config={"recursion_limit": 3}).json()
    assert got["__error__"]["error"] == "GraphRecursionError"


def test_wait_without_any_values(api):
    """A graph that writes nothing: what the thread has, or null."""
    thread = api.thread()
    got = wait(api, "sleeper", thread, input={})
    assert got.json() in ({}, None)


def test_wait_keeps_the_connection_alive(api):
    with http.Open(api.url, "POST", "/runs/wait",
                   {"assistant_id": "sleeper", "input": {"ms": 700}}) as opened:
        assert opened.status == 200
        body = opened.read()
    assert opened.ended == "clean"
    assert body.startswith(b"\n\n"), "white space while the run is not over"
    assert json.loads(body) == {"ms": 700}


def test_wait_answers_its_head_at_once(api):
    thread = api.thread()
    with http.Open(api.url, "POST", f"/threads/{thread}/runs/wait",
                   {"assistant_id": "sleeper", "input": {"ms": 60000}}) as opened:
        run = opened.headers["content-location"].rsplit("/", 1)[1]
        assert opened.headers["content-location"] == f"/threads/{thread}/runs/{run}"
        assert opened.headers["location"].startswith(f"/threads/{thread}/runs/{run}/join")
        assert opened.headers["connection"].lower() == "keep-alive"
        assert api.run({"thread_id": thread, "run_id": run})["status"] in ("pending", "running")
        equals(lambda: api.state(thread)["values"], {"ms": 60000})
        assert api.cancel({"thread_id": thread, "run_id": run}).status == 202
        assert opened.json() == {"ms": 60000}, "a cancelled run gives the values so far"


def test_join_while_running_and_after(api):
    thread = api.thread()
    run = api.start(thread, "delay", input={"delay": 300})
    first = api.join(run)
    assert first["delay"] == 300
    assert first["messages"][0]["content"] == "finished after 300ms"
    assert api.run(run)["status"] == "success", "stored before the answer ends"
    assert api.join(run) == first


def test_join_keeps_the_connection_alive(api):
    run = api.start(api.thread(), "sleeper", input={"ms": 700})
    with http.Open(api.url, "GET",
                   f"/threads/{run['thread_id']}/runs/{run['run_id']}/join") as opened:
        assert opened.read().startswith(b"\n\n")


def test_join_error(api):
    run = api.start(api.thread(), "error", input=HELLO)
    assert api.join(run) == BOO
    assert api.join(run) == BOO, "also when it is long over"


def test_join_interrupted(api):
    run = api.start(api.thread(), "agent", input={**HELLO, "interrupt": True})
    got = api.join(run)
    assert mask(got["__interrupt__"]) == [{"value": "i want to interrupt", "id": "<h1>"}]


def test_join_interrupted_when_the_log_is_gone(dev):
    stack = dev("--event-log-ttl", "0")
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input={**HELLO, "interrupt": True})
    api.wait_status(run)
    until(lambda: "journal.expired" in stack.log(), "the log being dropped", 30)
    os.kill(stack.pids("broker")[-1], signal.SIGKILL)  # which has it in memory
    until(lambda: len(stack.pids("broker")) == 2, "a new broker", 30)
    until(lambda: "values" not in [e.name for e in api.join_stream(run, last="-1").rest()],
          "the log being gone", 30)
    assert mask(api.join(run)) == {
        "messages": [human("hello", "m1")], "interrupt": True,
        "__interrupt__": [{"value": "i want to interrupt", "id": "<h1>"}]}


def test_join_unknown(api):
    run = api.start(api.thread(), "trivial", input={"x": 1})
    api.join(run)
    thread, other = run["thread_id"], api.thread()
    for path in (f"/threads/{thread}/runs/{new_id()}", f"/threads/{new_id()}/runs/{new_id()}",
                 f"/threads/{other}/runs/{run['run_id']}"):
        assert api.request("GET", f"{path}/join").status == 404
        assert api.request("GET", f"{path}/stream").status == 404


def test_join_of_many_at_once(api):
    """Waiting costs no thread: more waits than the server has threads."""
    run = api.start(api.thread(), "sleeper", input={"ms": 60000})
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/join"
    waiting = [http.Open(api.url, "GET", path) for _ in range(120)]
    assert api.get("/ok") == {"ok": True}
    assert api.cancel(run).status == 202
    answers = [w.json() for w in waiting]
    for w in waiting:
        w.close()
    assert answers == [{"ms": 60000}] * 120


def test_delays_side_by_side(api):
    """Runs of different length on threads of their own do not wait for each other."""
    runs = [api.start(api.thread(), "delay", input={"delay": ms}) for ms in (900, 600, 300)]
    texts = [api.join(r)["messages"][0]["content"] for r in reversed(runs)]
    assert texts == [f"finished after {ms}ms" for ms in (300, 600, 900)]


def test_sdk_raises_what_the_run_raised(api):
    client = get_sync_client(url=api.url)
    thread = client.threads.create()["thread_id"]
    got = client.runs.wait(thread, "error", input=HELLO, raise_error=False)
    assert got == BOO
    run = client.runs.create(thread, "trivial", input={"x": 1})
    assert client.runs.join(thread, run["run_id"])["x"] == 2
