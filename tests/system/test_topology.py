# SPDX-License-Identifier: Apache-2.0
"""Several gateways, and a broker that goes away and comes back."""

import signal

import pytest

from support import http
from support.api import Api
from support.expect import agent_custom
from support.mask import mask, pairs
from support.proc import PATIENCE, free_range
from support.sse import check_ids, parse
from support.wait import equals, until

pytestmark = pytest.mark.timeout(120)
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
ANSWERED = ["hello", "begin", "tool_call__begin", "end"]


def slowly(steps, ms):
    return {**HELLO, "sleep": {"steps": steps, "ms": ms}}


def contents(api, run):
    return [m["content"] for m in api.join(run, 60)["messages"]]


@pytest.mark.smoke
def test_two_gateways(parts):
    """A run started at one is read, joined, replayed and cancelled at the other."""
    stack = parts(workers=1, gateways=2)
    one, two = (Api(g.url) for g in stack.kind("gateway"))
    thread = one.thread()
    assert two.get(f"/threads/{thread}") == one.get(f"/threads/{thread}")
    here = one.stream(f"/threads/{thread}/runs/stream", {
        "assistant_id": "agent", "input": slowly(50, 20), "stream_mode": "custom"})
    run = {"thread_id": thread, "run_id": here.event("metadata").data["run_id"]}
    with two.join_stream(run, "-1") as there:
        data = there.read()
    here.rest()
    assert here.body == data
    assert mask(pairs(parse(data))) == agent_custom(50)
    assert one.join(run) == two.join(run)
    assert two.state(thread) == one.state(thread)

    thread = two.thread()
    run = one.start(thread, "agent", input=slowly(2000, 20), stream_mode=["custom"])
    with two.join_stream(run, "-1") as there:
        there.event("custom")
        assert two.request("POST", f"/threads/{thread}/runs", {
            "assistant_id": "agent", "multitask_strategy": "reject"}).status == 409
        assert two.cancel(run, wait=True).status == 204
        there.rest()
    assert one.run(run)["status"] == "interrupted"


def test_a_gateway_dies(parts):
    """Its readers go on at the other one; the death cancels nothing."""
    stack = parts(workers=1, gateways=2)
    first, second = stack.kind("gateway")
    one, two = Api(first.url), Api(second.url)
    thread = one.thread()
    here = one.stream(f"/threads/{thread}/runs/stream", {
        "assistant_id": "agent", "input": slowly(100, 20), "stream_mode": "custom",
        "on_disconnect": "cancel"})
    got = []
    for event in here.events_so_far():
        got.append(event)
        if len(got) == 10:
            break
    first.kill()
    got += here.rest()
    assert here.ended == "cut", "only that makes a client come back"
    run = {"thread_id": thread, "run_id": got[0].data["run_id"]}
    with two.join_stream(run, got[-1].id) as there:
        got += there.rest()
    check_ids(got)
    assert mask(pairs(got)) == agent_custom(100)
    assert two.run(run)["status"] == "success"


def test_sigterm_of_a_gateway(parts):
    """Streams are cut at an event boundary, so that clients go on elsewhere."""
    stack = parts(workers=1, gateways=2)
    first, second = stack.kind("gateway")
    one, two = Api(first.url), Api(second.url)
    run = one.start(one.thread(), "agent", input=slowly(100, 20), stream_mode=["custom"])
    here = one.join_stream(run, "-1")
    here.event("custom")
    waiting = http.Open(one.url, "GET", f"/threads/{run['thread_id']}/runs/{run['run_id']}/join")
    assert first.stop() == 0
    here.rest()
    waiting.read()
    assert (here.ended, waiting.ended) == ("cut", "cut")
    got = parse(here.body)
    with two.join_stream(run, got[-1].id) as there:
        got += there.rest()
    assert mask(pairs(got)) == agent_custom(100)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_broker_restart_with_a_running_run(parts, how):
    """Reader, worker and run go on: no second attempt, no event lost or twice."""
    stack = parts(workers=1)
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input=slowly(150, 20), stream_mode=["custom"])
    reader = api.join_stream(run, "-1")
    reader.event("custom")
    more = {"messages": [{"role": "human", "content": "more", "id": "m2"}], "sleep": None}
    queued = api.start(run["thread_id"], "agent", input=more)
    broker = stack.kind("broker")[0]
    broker.signal(how)
    broker.wait()
    assert api.get("/ok") == {"ok": True}, "the gateway lives on"
    stack.start_broker()
    rest = reader.rest()
    assert reader.ended == "clean"
    assert [e.data["step"] for e in rest if e.name == "custom"] == list(range(1, 150))
    events = api.join_stream(run, "-1").rest()
    check_ids(events)
    assert mask(pairs(events)) == agent_custom(150)
    assert contents(api, queued) == [*ANSWERED, "more", *ANSWERED[1:]]
    assert api.get(f"/threads/{run['thread_id']}")["status"] == "idle"


@pytest.mark.parametrize("step", [0, 30])
def test_broker_and_worker_die_together(parts, step):
    """What was shown and not stored is announced by a gap; the run goes on."""
    stack = parts(workers=1, broker=["--lease=3s"])
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input=slowly(100, 20), stream_mode=["custom"])
    reader = api.join_stream(run, "-1")
    seen = []
    for event in reader.events_so_far():
        seen.append(event)
        if event.name == "custom" and event.data["step"] == step:
            break
    stack.kind("broker")[0].kill()
    stack.kind("worker")[0].kill()
    stack.start_broker("--lease=3s")
    stack.start_worker()
    assert api.wait_status(run, seconds=40 * PATIENCE)["status"] == "success"
    seen += reader.rest()
    check_ids(seen)
    replay = api.join_stream(run, "-1").rest()
    check_ids(replay)
    for events in (seen, replay):
        last = max(i for i, e in enumerate(events) if e.name == "metadata")
        assert events[last].data == {"run_id": run["run_id"], "attempt": 2}
        assert [e.data["step"] for e in events[last + 1:]] == list(range(100))
        steps = [e.data["step"] for e in events[:last] if e.name == "custom"]
        assert steps == list(range(len(steps))), "no hole without a gap"
    assert seen[-101:] == replay[-101:]
    gap = next(e for e in replay if e.name == "gap")
    assert set(gap.data) == {"from", "to", "checkpoint_id"}
    assert gap.id == gap.data["to"]
    assert gap in seen, "every reader is told"


def test_runs_wait_while_the_broker_is_away(parts):
    """A new run waits for the broker up to --submit-wait, then 503."""
    stack = parts(workers=1, gateway=["--submit-wait=1s"])
    api = Api(stack.url)
    thread = api.thread()
    ended = api.start(thread, "trivial", input={"x": 1})
    api.join(ended)
    stack.kind("broker")[0].kill()
    got = api.request("POST", f"/threads/{thread}/runs", {"assistant_id": "trivial"})
    assert got.status == 503
    assert int(got.headers["Retry-After"]) >= 1
    assert api.state(thread)["values"] == {"x": 2}, "stored state is read without a broker"
    stack.start_broker()
    run = until(lambda: (g := api.request("POST", f"/threads/{thread}/runs", {
        "assistant_id": "trivial", "input": {"x": 5}})).status == 200 and g.json(), "a new run")
    assert api.join(run) == {"x": 6}
    listed = api.get(f"/threads/{thread}/runs")
    assert [r["run_id"] for r in listed] == [run["run_id"], ended["run_id"]], \
        "a run that was answered with 5xx never is"


def test_ended_runs_outlive_everything(parts):
    """Threads, runs, state and event logs are there after all was restarted."""
    stack = parts(workers=1)
    api = Api(stack.url)
    thread = api.thread(metadata={"k": 1})
    with api.stream(f"/threads/{thread}/runs/stream", {
            "assistant_id": "agent", "input": HELLO, "stream_mode": "updates"}) as opened:
        data = opened.read()
    run = {"thread_id": thread, "run_id": parse(data)[0].data["run_id"]}
    before = (api.get(f"/threads/{thread}"), api.run(run), api.state(thread))
    for kind in ("worker", "gateway", "broker"):
        assert stack.kind(kind)[0].stop() == 0
    stack.urls.clear()
    stack.start_broker()
    stack.start_gateway()
    stack.start_worker()
    api = Api(stack.url)
    assert (api.get(f"/threads/{thread}"), api.run(run), api.state(thread)) == before
    assert api.join_stream(run, "-1").read() == data
    assert api.join(run) == before[2]["values"]
    equals(lambda: stack.metrics("broker")["leat_runs_running"], 0)


def test_a_standby_takes_over(parts):
    """Gateway and worker know both brokers; the run and its reader go on at the other."""
    stack = parts(workers=0, gateways=0)
    active, standby = stack.broker_base, f"tcp://127.0.0.1:{free_range(8)}"
    waiting = stack._start("broker", [f"--listen={standby}", f"--store={stack.store}"], ready=False)
    until(lambda: "broker.standby" in waiting.log(), "the standby waiting")
    stack.broker_base = f"{active},{standby}"
    stack.start_gateway()
    stack.start_worker()
    until(lambda: stack.knows_graphs(stack.url), "the gateway hearing of graphs")
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input=slowly(100, 20), stream_mode=["custom"])
    reader = api.join_stream(run, "-1")
    reader.event("custom")
    stack.kind("broker")[0].kill()
    waiting.wait_line("ready")
    reader.rest()
    assert reader.ended == "clean"
    assert mask(pairs(parse(reader.body))) == agent_custom(100), "no second attempt"
    assert api.run(run)["status"] == "success"
    more = api.start(run["thread_id"], "agent", input=HELLO)
    assert contents(api, more)[-1] == "end"
    assert api.state(run["thread_id"])["values"]["messages"][-1]["content"] == "end"
