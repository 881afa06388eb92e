# SPDX-License-Identifier: Apache-2.0
"""Nodes in a .so that bring their process down, or never come back: what that
does to their own run, to the others, and to the thread."""

import subprocess

import pytest

from support.api import Api
from support.proc import ROOT, Stack
from support.sse import check_ids
from support.wait import equals, until

pytestmark = pytest.mark.timeout(120)

SOURCE = r"""
#include <leat/graph.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;

static int deeper(int n)
{
    volatile char frame[4096];
    memset((char *)frame, n, sizeof frame);
    return deeper(n + 1) + frame[n & 4095];
}

static leat_value *first(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:[s]}", "log", "first");
}

static leat_value *bad(leat_context *ctx, leat_view state)
{
    leat_view how = leat_get(state, "how");
    leat_emit(ctx, leat_pack("{s:s}", "in", "bad"));
    if (leat_is(how, "segv")) {
        *(volatile int *)8 = 1;
    } else if (leat_is(how, "abort")) {
        abort();
    } else if (leat_is(how, "exit")) {
        exit(0);
    } else if (leat_is(how, "overflow")) {
        sink = deeper(0);
    }
    while (leat_is(how, "loop")) {
        sink++;
    }
    return leat_pack("{s:[s]}", "log", "second");
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "how", LEAT_LAST_VALUE);
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "first", first);
    leat_add_node(g, "bad", bad);
    leat_add_edge(g, LEAT_START, "first");
    leat_add_edge(g, "first", "bad");
}

static leat_value *side(leat_context *ctx, leat_view state)
{
    (void)state;
    return leat_sleep_ms(ctx, 60000) ? leat_pack("{}") : NULL;
}

static void build_beside(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "how", LEAT_LAST_VALUE);
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "bad", bad);
    leat_add_node(g, "side", side);
    leat_add_edge(g, LEAT_START, "bad");
    leat_add_edge(g, LEAT_START, "side");
}

LEAT_GRAPHS({"bad", build, false}, {"beside", build_beside, false})
"""
WAYS = ["segv", "abort", "exit", "overflow"]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """The bad graphs, and one that ships with Leat and only sleeps."""
    folder = tmp_path_factory.mktemp("graphs")
    for name, source in (("bad", SOURCE), ("sleeper", (ROOT / "examples/sleeper.c").read_text())):
        (folder / f"{name}.c").write_text(source)
        subprocess.run(["cc", "-O0", "-shared", "-fPIC", f"-I{ROOT}/include", "-o",
                        folder / f"{name}.so", folder / f"{name}.c"], check=True)
    return folder


@pytest.fixture(scope="module")
def crashing(graphs, tmp_path_factory):
    """One for all tests that end their workers: each has to leave it well."""
    stack = Stack.dev(tmp_path_factory.mktemp("dev"), workers=2, graphs=graphs)
    yield stack
    stack.abandon()


def announced(events, last):
    """All attempts are, but for the first one of a process that ends before it
    could send anything."""
    numbers = [e.data["attempt"] for e in events if e.name == "metadata"]
    return numbers in (list(range(1, last + 1)), list(range(2, last + 1)))


def expect_lost(events, times, last=3):
    assert announced(events, last)
    assert events[-1].name == "error" and events[-1].data["error"] == "WorkerLost"
    assert f"was lost {times}" in events[-1].data["message"]
    assert "node" in events[-1].data["message"] and "max-attempts" in events[-1].data["message"]


def asleep(api, ms):
    """A run in the middle of its only node."""
    run = api.start(api.thread(), "sleeper", input={"ms": ms}, stream_mode="custom")
    api.join_stream(run, "-1").event("custom")
    return run


@pytest.mark.parametrize("how", WAYS)
def test_a_node_that_ends_its_process(crashing, how):
    """Only that process; the run is tried three times, and then is an error
    that says what happened. Runs that were beside it go on elsewhere."""
    api = Api(crashing.url)
    before = len(crashing.pids("worker"))
    beside = [asleep(api, 300) for _ in range(4)]
    thread = api.thread()
    run = api.start(thread, "bad", input={"how": how}, stream_mode=["updates", "custom"])
    events = api.join_stream(run, "-1").rest()
    check_ids(events)
    expect_lost(events, "3 times")
    # An attempt after the first stores each step before it begins the next.
    shown = [e.data for e in events if e.name == "updates"]
    assert shown in ([{"first": {"log": ["first"]}}] * n for n in (1, 2))
    assert api.run(run)["status"] == "error"
    for other in beside:
        api.wait_status(other, "success")
    until(lambda: len(crashing.pids("worker")) == before + 3, "new workers")
    assert crashing.procs[0].alive() and len(crashing.pids("gateway")) == 1


@pytest.mark.parametrize("how", WAYS[:1])
def test_its_thread_can_be_read_and_goes_on(crashing, how):
    api = Api(crashing.url)
    thread = api.thread()
    run = api.start(thread, "bad", input={"how": how})
    api.wait_status(run, "error")
    equals(lambda: api.get(f"/threads/{thread}")["status"], "error")
    state = api.state(thread)
    assert state["values"] == {"how": how, "log": ["first"]}
    assert state["next"] == ["bad"] and state["tasks"][0]["name"] == "bad"
    assert len(api.post(f"/threads/{thread}/history", {"limit": 10})) == 3
    again = api.start(thread, "bad", input={"how": "well"})
    assert api.join(again) == {"how": "well", "log": ["first", "first", "second"]}
    equals(lambda: api.get(f"/threads/{thread}")["status"], "idle")


def test_a_crash_beside_another_node_of_the_step(crashing):
    """The node runs on a thread of the pool, with a small stack."""
    api = Api(crashing.url)
    for how in ("overflow", "segv"):
        run = api.start(api.thread(), "beside", input={"how": how}, stream_mode="custom")
        events = api.join_stream(run, "-1").rest()
        expect_lost(events, "3 times")


def test_a_stateless_run_that_crashes(crashing):
    api = Api(crashing.url)
    with api.stream("/runs/stream", {"assistant_id": "bad", "input": {"how": "segv"}}) as opened:
        events = opened.rest()
        assert opened.ended == "clean"
    expect_lost(events, "3 times")
    answer = api.request("POST", "/runs/wait", {"assistant_id": "bad", "input": {"how": "abort"}})
    assert answer.json()["__error__"]["error"] == "WorkerLost"


def test_max_attempts_of_one(graphs, tmp_path):
    stack = Stack.dev(tmp_path, "--max-attempts=1", workers=1, graphs=graphs)
    api = Api(stack.url)
    run = api.start(api.thread(), "bad", input={"how": "segv"}, stream_mode="custom")
    events = api.join_stream(run, "-1").rest()
    expect_lost(events, "once", last=1)
    done = api.start(api.thread(), "bad", input={"how": "well"})
    assert api.join(done)["log"] == ["first", "second"]
    stack.abandon()


def test_a_node_that_never_comes_back_is_cancelled(graphs, tmp_path):
    """Its process is replaced after --cancel-deadline; the others' runs go on
    elsewhere, and that is no attempt of theirs."""
    stack = Stack.dev(tmp_path, "--max-attempts=1", "--cancel-deadline=500ms", workers=1,
                      graphs=graphs)
    api = Api(stack.url)
    beside = [asleep(api, 1000) for _ in range(2)]
    thread = api.thread()
    run = api.start(thread, "bad", input={"how": "loop"}, stream_mode="custom")
    opened = api.join_stream(run, "-1")
    opened.event("custom")
    assert api.cancel(run).status == 202
    assert api.wait_status(run)["status"] == "interrupted"
    assert not any(e.name == "error" for e in opened.rest())
    equals(lambda: api.get(f"/threads/{thread}")["status"], "idle")
    assert api.state(thread)["values"]["log"] == ["first"]
    for other in beside:
        api.wait_status(other, "success")
    assert len(stack.pids("worker")) == 2
    assert "worker.replaced" in stack.log()
    stack.abandon()


def test_a_node_that_never_comes_back_is_timed_out(graphs, tmp_path):
    """Nobody cancels it: --run-timeout does."""
    stack = Stack.dev(tmp_path, "--run-timeout=1s", "--cancel-deadline=500ms", workers=1,
                      graphs=graphs)
    api = Api(stack.url)
    run = api.start(api.thread(), "bad", input={"how": "loop"})
    api.wait_status(run, "timeout", "error")
    done = api.start(api.thread(), "bad", input={"how": "well"})
    assert api.join(done)["log"] == ["first", "second"]
    stack.abandon()
