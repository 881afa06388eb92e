# SPDX-License-Identifier: Apache-2.0
"""What a log forgets it says; what is cancelled is over, whatever its node
does; a rolling restart of everything is not seen."""

import random

import pytest
from rig.load import Load
from rig.world import World, build_graph
from support.api import Api
from support.proc import PATIENCE, Stack
from support.sse import check_ids, id_key
from support.wait import until

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def start(tmp_path):
    """A stack with broker options; ended at the end."""
    mine = []

    def make(*broker):
        mine.append(Stack.parts(tmp_path / "stack", workers=1, broker=broker))
        return mine[-1], Api(mine[-1].url)

    yield make
    for stack in mine:
        stack.abandon()


def emitted(api, n):
    """A run that has sent n events and has ended."""
    run = api.start(api.thread(), "emit", input={"n": n}, stream_mode=["custom"])
    api.wait_status(run, "success")
    return run


def first_ids(api, run, cursor="-1"):
    return api.join_stream(run, cursor).rest()


def test_the_oldest_part_of_a_long_log_goes(start):
    """--event-log-bytes: one gap that names what is missing, then the rest."""
    _, api = start("--event-log-bytes=2MiB", "--ring-bytes=64KiB")
    run = emitted(api, 60000)

    def trimmed():
        with api.join_stream(run, "-1") as opened:
            events = opened.rest()
        assert events, f"nothing, and the stream ended {opened.ended}"
        return events if events[0].name == "gap" else None

    events = until(trimmed, "the log being cut", 20 * PATIENCE, pause=0.2)
    check_ids(events)
    gap = events[0]
    assert gap.id == gap.data["to"]
    assert id_key(gap.data["from"])[1] == 1
    assert id_key(events[1].id)[1] == id_key(gap.id)[1] + 1
    assert [e.name for e in events].count("gap") == 1
    numbers = [e.data["i"] for e in events[1:]]
    assert numbers == list(range(numbers[0], 60000))
    inside = first_ids(api, run, gap.data["from"])
    assert inside[0].data["to"] == gap.data["to"] and inside[1:] == events[1:]
    after = first_ids(api, run, events[5].id)
    assert after == events[6:]


def test_old_logs_go_with_their_time(start):
    """--event-log-ttl: in the background; the run itself stays."""
    stack, api = start("--event-log-ttl=1s", "--stateless-log-ttl=1s")
    run = emitted(api, 50)
    assert len(first_ids(api, run)) == 51
    until(lambda: first_ids(api, run) == [], "the log being gone", 20 * PATIENCE, pause=0.2)
    assert api.run(run)["status"] == "success"
    assert api.join(run)["done"] == 50
    until(lambda: stack.metrics("broker")["leat_journal_bytes"] == 0, "its bytes being gone")


def test_all_logs_together_have_a_limit(start):
    """--event-log-total-bytes: the oldest ended run's goes first."""
    _, api = start("--event-log-total-bytes=256KiB", "--ring-bytes=64KiB",
                   "--event-log-ttl=2s", "--stateless-log-ttl=1s")
    runs = [emitted(api, 2000) for _ in range(4)]
    until(lambda: first_ids(api, runs[0]) == [], "the oldest log being gone",
          20 * PATIENCE, pause=0.2)


def test_cancel_of_a_node_that_does_not_stop(tmp_path):
    """After the answer nothing of it runs: its process is replaced, and runs
    beside it go on elsewhere without a counted attempt."""
    graph = build_graph(tmp_path)
    stack = Stack.dev(tmp_path / "dev", "--cancel-deadline=500ms", "--max-attempts=1", workers=1,
                      graphs=graph)
    try:
        api = Api(stack.url)
        run = api.start(api.thread(), "deaf", input={"x": 1}, stream_mode=["custom"])
        opened = api.join_stream(run, "-1")
        opened.event("custom")
        beside = api.start(api.thread(), "walk", stream_mode=["custom"], input={
            "length": 3, "beats": 40, "ms": 20, "messages": []})
        api.join_stream(beside, "-1").event("custom")
        before = stack.pids("worker")
        got = api.cancel(run, wait=True)
        assert got.status == 204, got
        shown = first_ids(api, run)
        until(lambda: len(stack.pids("worker")) > len(before), "its process being replaced")
        opened.rest()
        assert first_ids(api, run) == shown, "nothing follows"
        assert api.run(run)["status"] == "interrupted"
        assert api.wait_status(beside, seconds=30 * PATIENCE)["status"] == "success"
    finally:
        stack.abandon()


def test_a_rolling_restart_is_not_seen(tmp_path):
    """Each process in turn, by SIGTERM, while runs go on: no attempt is
    counted, and their readers miss nothing."""
    world = World(tmp_path / "world", broker=["--max-attempts=1"])
    try:
        load = Load(world, random.Random(5), length=12, beats=5, ms=15)
        load.begin()
        for name in ("worker1", "worker2", "gateway1", "gateway2", "broker"):
            slot = world.slots[name]
            assert slot.proc.stop() == 0
            slot.start()
        load.join_late()
        load.finish()
        world.settle()
        load.check()
    finally:
        world.close()
