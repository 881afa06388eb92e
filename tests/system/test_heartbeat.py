# SPDX-License-Identifier: Apache-2.0
"""Signs of life on streams that have nothing to say."""

import pytest

STACK_OPTIONS = ("--sse-heartbeat=200ms",)


@pytest.mark.smoke
def test_while_a_node_works(api):
    """A comment line about every 200 ms, never a blank line after it."""
    with api.stream("/runs/stream", {"assistant_id": "sleeper", "input": {"ms": 1500},
                                     "stream_mode": ["values", "custom"]}) as opened:
        body = opened.read()
    lines = body.decode().split("\n")
    beats = [i for i, line in enumerate(lines) if line.startswith(":")]
    assert {lines[i] for i in beats} == {": heartbeat"}
    assert 3 <= len(beats) <= 10
    assert all(lines[i + 1] != "" or i + 2 == len(lines) for i in beats)
    events = opened.parser.feed(body)
    assert [e.name for e in events] == ["metadata", "values", "custom"]


def test_while_a_run_waits_for_its_turn(api):
    """Also before the first event: the connection is not dead, only queued."""
    thread = api.thread()
    first = api.start(thread, "sleeper", input={"ms": 60000})
    with api.stream(f"/threads/{thread}/runs/stream",
                    {"assistant_id": "trivial", "input": {"x": 1}}) as opened:
        opened.read_until(lambda body: body.count(b": heartbeat\n") >= 3)
        assert set(opened.body.decode().splitlines()) == {": heartbeat"}
        assert api.cancel(first, wait=True).status == 204
        opened.read()
        events = opened.parser.feed(opened.body)
        assert [e.name for e in events] == ["metadata", "values", "values"]


def test_on_joins_and_thread_streams(api):
    thread = api.thread()
    run = api.start(thread, "sleeper", input={"ms": 60000})
    base = f"/threads/{thread}"
    for path in (f"{base}/stream", f"{base}/runs/{run['run_id']}/stream"):
        with api.stream(path) as opened:
            opened.read_until(lambda body: body.count(b": heartbeat\n") >= 2)
    assert api.cancel(run, wait=True).status == 204


def test_none_while_events_flow(api):
    """Heartbeats fill silence; they do not stand between frequent events."""
    given = {"messages": ["hello"], "sleep": {"steps": 40, "ms": 20}}
    with api.stream("/runs/stream", {"assistant_id": "agent", "input": given,
                                     "stream_mode": "custom"}) as opened:
        body = opened.read()
    assert body.count(b"event: custom\n") == 40
    assert body.count(b": heartbeat\n") <= 1
