# SPDX-License-Identifier: Apache-2.0
"""Many processes on one PostgreSQL, and a server that goes away and comes back."""

import threading

import pytest

from support import postgres
from support.api import Api
from support.expect import agent_custom
from support.mask import mask, pairs
from support.sse import check_ids, parse
from support.wait import until

pytestmark = [pytest.mark.timeout(150), pytest.mark.postgresql]
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
ANSWERED = ["hello", "begin", "tool_call__begin", "end"]


def slowly(steps, ms):
    return {**HELLO, "sleep": {"steps": steps, "ms": ms}}


@pytest.fixture(scope="module")
def server():
    """A server of this module's own: it is killed."""
    started = postgres.Server()
    yield started
    started.stop()


@pytest.fixture
def many(parts, server):
    """Two gateways, one broker and four workers on one database."""
    def start(**options):
        return parts(workers=4, gateways=2, store=server.new_database(), **options)
    return start


def test_two_gateways_and_four_workers(many):
    stack = many()
    apis = [Api(g.url) for g in stack.kind("gateway")]
    runs = [apis[n % 2].start(apis[n % 2].thread(), "agent", input=HELLO) for n in range(40)]
    for n, run in enumerate(runs):
        other = apis[(n + 1) % 2]
        assert [m["content"] for m in other.join(run)["messages"]] == ANSWERED
        assert other.run(run)["status"] == "success"
        assert other.get(f"/threads/{run['thread_id']}")["status"] == "idle"
    assert stack.faults() == []


def test_killed_and_started_again(many, server):
    """Streams go on while the server is away, and nothing is lost."""
    stack = many(gateway=("--submit-wait=500ms",))
    one, two = (Api(g.url) for g in stack.kind("gateway"))
    thread = one.thread()
    readers = [one.stream(f"/threads/{t}/runs/stream", {
        "assistant_id": "agent", "input": slowly(150, 20), "stream_mode": "custom"})
        for t in (thread, one.thread(), one.thread())]
    runs = [{"thread_id": r.headers["content-location"].split("/")[2],
             "run_id": r.event("metadata").data["run_id"]} for r in readers]
    readers[0].event("custom")
    server.kill()
    for _ in range(20):
        readers[0].event("custom")  # shown while nothing can be stored
    refused = two.request("POST", f"/threads/{thread}/runs", {"assistant_id": "trivial"})
    assert refused.status == 503, refused
    assert int(refused.headers["retry-after"]) > 0
    server.start()
    for reader, run in zip(readers, runs):
        reader.rest()
        assert reader.ended == "clean"
        events = parse(reader.body)
        check_ids(events)
        assert mask(pairs(events)) == agent_custom(150)
        until(lambda: two.request("GET", "/threads").status != 503, "the store being back")
        assert [m["content"] for m in two.join(run)["messages"]] == ANSWERED
        assert two.run(run)["status"] == "success"
        assert parse(two.join_stream(run, "-1").read()) == events
    assert [p.name for p in stack.procs if not p.alive()] == []


def test_a_new_run_waits_for_the_database(many, server):
    stack = many()
    api = Api(stack.url)
    thread = api.thread()
    server.kill()
    got = []
    waiting = threading.Thread(target=lambda: got.append(api.request(
        "POST", f"/threads/{thread}/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}})))
    waiting.start()
    server.start()
    waiting.join(30)
    assert got and got[0].status == 200, got
    assert got[0].json() == {"x": 2}


def test_sessions_that_are_ended(many, server):
    """As an administrator or a failover does it, while runs are going on."""
    stack = many()
    api = Api(stack.url)
    runs = [api.start(api.thread(), "agent", input=slowly(40, 20), stream_mode=["custom"])
            for _ in range(8)]
    api.join_stream(runs[0], "-1").event("custom")
    ended = server.query(stack.store, "select count(pg_terminate_backend(pid)) from"
                         " pg_stat_activity where pid <> pg_backend_pid()"
                         " and datname = current_database()")
    assert int(ended) > 3
    for run in runs:
        assert [m["content"] for m in api.join(run)["messages"]] == ANSWERED
    assert [p.name for p in stack.procs if not p.alive()] == []


