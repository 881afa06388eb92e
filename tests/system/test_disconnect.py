# SPDX-License-Identifier: Apache-2.0
"""What happens to a run when the client that started or joined it goes away."""

import pytest

from support import http
from support.wait import equals

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
LONG = {**HELLO, "sleep": {"steps": 1000, "ms": 20}}
SHORT = {**HELLO, "sleep": {"steps": 20, "ms": 20}}


def begin(api, given, **body):
    """A run that a client streams, and its first custom event seen."""
    thread = api.thread()
    opened = api.stream(f"/threads/{thread}/runs/stream", {
        "assistant_id": "agent", "input": given, "stream_mode": "custom", **body})
    run = opened.event("metadata").data["run_id"]
    opened.event("custom")
    return {"thread_id": thread, "run_id": run}, opened


@pytest.mark.smoke
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_cancel(api, reset):
    run, opened = begin(api, LONG, on_disconnect="cancel")
    opened.close(reset)
    assert api.wait_status(run)["status"] == "interrupted"
    equals(lambda: api.get(f"/threads/{run['thread_id']}")["status"], "idle")


@pytest.mark.parametrize("body", [{"on_disconnect": "continue"}, {}], ids=["continue", "default"])
def test_continue(api, body):
    run, opened = begin(api, SHORT, **body)
    opened.close(reset=True)
    assert api.wait_status(run)["status"] == "success"
    assert len(api.join_stream(run, "-1").rest()) == 21, "nothing is lost"


def test_cancel_of_a_wait(api):
    thread = api.thread()
    opened = http.Open(api.url, "POST", f"/threads/{thread}/runs/wait", {
        "assistant_id": "agent", "input": LONG, "on_disconnect": "cancel"})
    run = {"thread_id": thread, "run_id": opened.headers["content-location"].rsplit("/", 1)[1]}
    api.wait_status(run, "running")
    opened.close()
    assert api.wait_status(run)["status"] == "interrupted"


def test_cancel_while_pending(api):
    """A run that waits for its turn is cancelled as well."""
    thread = api.thread()
    first = api.start(thread, "agent", input=LONG)
    opened = http.Open(api.url, "POST", f"/threads/{thread}/runs/stream", {
        "assistant_id": "agent", "input": HELLO, "on_disconnect": "cancel"})
    second = {"thread_id": thread, "run_id": opened.headers["content-location"].rsplit("/", 1)[1]}
    assert api.run(second)["status"] == "pending"
    opened.close()
    assert api.wait_status(second)["status"] == "interrupted"
    assert api.run(first)["status"] == "running"
    api.cancel(first, wait=True)


@pytest.mark.parametrize("flag, ends", [("1", True), ("true", True), ("0", False),
                                        ("false", False)])
def test_join_with_cancel_on_disconnect(api, flag, ends):
    run = api.start(api.thread(), "agent", input=LONG if ends else SHORT, stream_mode=["custom"])
    with api.join_stream(run, "-1", cancel_on_disconnect=flag) as opened:
        opened.event("custom")
    assert api.wait_status(run)["status"] == ("interrupted" if ends else "success")


def test_wait_join_with_cancel_on_disconnect(api):
    run = api.start(api.thread(), "agent", input=LONG)
    api.wait_status(run, "running")
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/join?cancel_on_disconnect=1"
    http.Open(api.url, "GET", path).close()
    assert api.wait_status(run)["status"] == "interrupted"


def test_other_readers_see_a_normal_end(api):
    """Cancelled by one reader: the others' stream ends cleanly, without error."""
    run, opened = begin(api, LONG, on_disconnect="cancel")
    with api.join_stream(run, "-1") as other:
        other.event("custom")
        opened.close()
        rest = other.rest()
        assert other.ended == "clean"
    assert {e.name for e in rest} <= {"custom"}


def test_stateless(api):
    """A cancelled stateless run leaves nothing behind."""
    opened = api.stream("/runs/stream", {"assistant_id": "agent", "input": LONG,
                                         "stream_mode": "custom", "on_disconnect": "cancel"})
    opened.event("custom")
    before = api.get_metrics("leat_open_streams")
    assert before >= 1
    opened.close()
    equals(lambda: api.get_metrics("leat_open_streams"), 0)


def test_streams_are_freed(api):
    """Readers that vanish are noticed without anything being sent to them."""
    run = api.start(api.thread(), "agent", input=LONG, stream_mode=["values"])
    readers = [api.join_stream(run, "-1") for _ in range(20)]
    equals(lambda: api.get_metrics("leat_open_streams"), 20)
    for reader in readers:
        reader.close(reset=True)
    equals(lambda: api.get_metrics("leat_open_streams"), 0)
    api.cancel(run, wait=True)
