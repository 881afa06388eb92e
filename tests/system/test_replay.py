# SPDX-License-Identifier: Apache-2.0
"""Joining a run's stream: from the beginning, from an id, live only; by many
readers, by slow ones; always the same bytes."""

import re
import select
import socket
import threading
import urllib.parse

import pytest
from langgraph_sdk import get_sync_client

from support import http
from support.api import Api, run_of
from support.expect import agent_custom, agent_updates
from support.mask import mask, pairs
from support.proc import PATIENCE
from support.sse import check_ids, id_key, parse
from support.wait import equals, until

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}


def slowly(steps, ms):
    """An input that makes the agent send a custom event every `ms`."""
    return {**HELLO, "sleep": {"steps": steps, "ms": ms}}


def whole(api, assistant="agent", modes=("updates", "custom"), **body):
    """A run that has ended: what identifies it, its stream and its bytes."""
    thread = api.thread()
    opened = api.stream(f"/threads/{thread}/runs/stream",
                        {"assistant_id": assistant, "stream_mode": list(modes), **body})
    data = opened.read()
    events = parse(data)
    check_ids(events)
    return run_of(events, thread), events, data


@pytest.fixture(scope="module")
def ended(stack):
    return whole(Api(stack.url), input=slowly(4, 1))


@pytest.mark.smoke
@pytest.mark.parametrize("last", ["-1", "-", "0", "0-0", "nonsense"])
def test_from_the_beginning_is_the_original_byte_for_byte(api, ended, last):
    run, _, data = ended
    with api.join_stream(run, last) as opened:
        assert opened.read() == data
        assert opened.ended == "clean"


def test_from_every_id(api, ended):
    run, events, data = ended
    for event in events:
        end = data.index(f"id: {event.id}\n".encode())
        rest = data[data.index(b"\n\n", end) + 2:] if b"\n\n" in data[end:] else b""
        assert api.join_stream(run, event.id).read() == rest


def test_cursor_in_the_query_and_header_wins(api, ended):
    run, events, data = ended
    assert api.join_stream(run, last_event_id="-1").read() == data
    assert api.join_stream(run, events[-2].id, last_event_id="-1").rest() == events[-1:]
    assert api.join_stream(run, "-1", last_event_id=events[-2].id).read() == data


def test_without_cursor_an_ended_run_gives_nothing(api, ended):
    run, _, _ = ended
    with api.join_stream(run) as opened:
        assert opened.read() == b""
        assert opened.headers["content-type"].startswith("text/event-stream")
        assert opened.ended == "clean"


def test_every_run_can_be_replayed(api):
    """Whether stream_resumable or not, interrupted, failed or cancelled."""
    for body in ({"stream_resumable": True}, {"stream_resumable": False}):
        run, _, data = whole(api, input=HELLO, **body)
        assert api.join_stream(run, "-1").read() == data
    run, events, data = whole(api, "error", ["values"], input=HELLO)
    assert events[-1].name == "error"
    assert api.join_stream(run, "-1").read() == data
    run, _, data = whole(api, input={**HELLO, "interrupt": True})
    assert api.join_stream(run, "-1").read() == data


def test_replay_of_a_stateless_run(api):
    with api.stream("/runs/stream", {"assistant_id": "agent", "input": HELLO,
                                     "stream_mode": "updates"}) as opened:
        data = opened.read()
        where = opened.headers["content-location"]
        location = opened.headers["location"]
    assert re.fullmatch(r"/runs/[0-9a-f-]{36}", where)
    assert api.stream(f"{where}/stream", headers={"Last-Event-ID": "-1"}).read() == data
    assert api.stream(location).read() == data


# -- live ----------------------------------------------------------------------------

def test_live_only_begins_with_the_next_event(api):
    run = api.start(api.thread(), "agent", input=slowly(200, 10), stream_mode=["custom"])
    with api.join_stream(run, "-1") as first:
        first.event("custom")
        with api.join_stream(run) as joined:
            live = joined.rest()
        everything = first.rest()
    assert live, "the run was still going"
    assert live == everything[-len(live):]
    assert {e.name for e in live} == {"custom"}, "metadata is not repeated"
    assert live[0].data["step"] > 0


def test_replay_meets_live_without_gap_or_double(api):
    """Joined at many moments of one run, everybody has the same bytes."""
    run = api.start(api.thread(), "agent", input=slowly(300, 3), stream_mode=["custom"])
    readers = []
    with api.join_stream(run, "-1") as first:
        for step in range(0, 300, 20):
            until_step(first, step)
            readers.append(api.join_stream(run, "-1"))
        data = first.read()
    assert [mask(pairs(parse(data)))] == [agent_custom(300)]
    for reader in readers:
        assert reader.read() == data
        reader.close()


def until_step(stream, step):
    for event in stream.events_so_far():
        if event.name == "custom" and event.data["step"] >= step:
            return
    raise AssertionError("the stream ended early")


def test_many_readers(api):
    """A hundred readers of one run, each from its own place."""
    run = api.start(api.thread(), "emit", input={"n": 3000}, stream_mode=["custom"])
    readers = [api.join_stream(run, "-1") for _ in range(100)]
    results = [None] * len(readers)

    def read(i):
        results[i] = readers[i].read()
        readers[i].close()

    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(readers))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60 * PATIENCE)
    events = parse(results[0])
    check_ids(events)
    assert [e.data["i"] for e in events[1:]] == list(range(3000))
    assert all(r == results[0] for r in results)


def test_reader_that_drops_and_comes_back_again_and_again(api):
    """Every reconnect goes on where the last one was cut."""
    run = api.start(api.thread(), "agent", input=slowly(100, 5), stream_mode=["custom"])
    got, last = [], "-1"
    while True:
        with api.join_stream(run, last) as opened:
            for event in opened.events_so_far():
                got.append(event)
                if len(got) % 7 == 0:
                    break
            opened.close(reset=True)
        last = got[-1].id
        if opened.ended == "clean":
            break
    check_ids(got)
    assert mask(pairs(got)) == agent_custom(100)


# -- filters -------------------------------------------------------------------------

def test_mode_filter(api, ended):
    run, events, _ = ended
    custom = [e for e in events if e.name in ("metadata", "custom")]
    for query in ("stream_mode=custom", 'stream_mode=%5B%22custom%22%5D', "stream_mode=custom,"):
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream?{query}"
        assert api.stream(path, headers={"Last-Event-ID": "-1"}).rest() == custom, query
    assert api.join_stream(run, "-1", ["custom", "updates"]).rest() == events
    assert api.join_stream(run, "-1", ["values"]).rest() == events[:1], "nothing can be added"
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream?stream_mode="
    assert api.stream(path, headers={"Last-Event-ID": "-1"}).rest() == events, "empty: not given"


def test_mode_filter_of_messages(api):
    run, events, _ = whole(api, modes=["messages", "messages-tuple", "values"], input=HELLO)
    for mode in ("messages", "messages-tuple"):
        names = {e.name for e in api.join_stream(run, "-1", [mode]).rest()}
        assert "values" not in names
        assert ("messages" if mode == "messages-tuple" else "messages/partial") in names
    assert events[0].name == "metadata"


def test_mode_filter_keeps_namespaces(api):
    run, events, _ = whole(api, "nested", ["values", "updates"], stream_subgraphs=True,
                           input={"messages": ["in"]})
    got = api.join_stream(run, "-1", ["updates"]).rest()
    assert got == [e for e in events if e.name.split("|")[0] in ("metadata", "updates")]
    got = api.join_stream(run, "-1", stream_subgraphs="false").rest()
    assert got == [e for e in events if "|" not in e.name]


@pytest.mark.parametrize("query", ["stream_mode=nonsense", "stream_mode=values&stream_mode=x"])
def test_unknown_mode_in_a_filter(api, ended, query):
    run, _, _ = ended
    got = api.request(
        "GET", f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream?{query}")
    assert got.status == 422
    assert "stream_mode" in got.json()["detail"]


def test_background_runs_record_what_joins_need(api):
    """Created without modes: a join gets all that were recorded."""
    run = api.start(api.thread(), "agent", input=slowly(1, 1))
    api.join(run)
    names = {e.name for e in api.join_stream(run, "-1").rest()}
    assert names == {"metadata", "values", "updates", "messages", "custom", "tasks",
                     "checkpoints"}
    assert mask(pairs(api.join_stream(run, "-1", ["updates"]).rest())) == \
        agent_updates(named=True)


# -- Location ------------------------------------------------------------------------

def test_location_carries_the_cursor(api):
    thread = api.thread()
    with api.stream(f"/threads/{thread}/runs/stream", {
            "assistant_id": "agent", "input": HELLO,
            "stream_mode": ["updates", "custom"]}) as opened:
        data = opened.read()
        location = opened.headers["location"]
        where = opened.headers["content-location"]
    at = urllib.parse.urlsplit(location)
    query = urllib.parse.parse_qs(at.query)
    assert at.path == f"{where}/stream"
    assert query["last_event_id"] == ["-1"]
    assert sorted(query["stream_mode"]) == ["custom", "updates"]
    assert api.stream(location).read() == data
    events = parse(data)
    with api.stream(location, headers={"Last-Event-ID": events[1].id}) as joined:
        assert joined.rest() == events[2:], "the header wins"
        again = urllib.parse.urlsplit(joined.headers["location"])
        assert again.path == at.path
        assert urllib.parse.parse_qs(again.query)["last_event_id"] == [events[1].id]


@pytest.mark.parametrize("cut_after", [0, 1, 2])
def test_python_sdk_reconnects(api, cut_after):
    """A proxy that cuts the first answer: the SDK's user notices nothing."""
    with Cutter(api.url, cut_after) as proxy:
        client = get_sync_client(url=proxy.url)
        thread = client.threads.create()["thread_id"]
        got = [[p.event, p.data] for p in client.runs.stream(
            thread, "agent", input=HELLO, stream_mode="updates")]
    assert proxy.cuts == 1
    assert mask(got) == agent_updates()


class Cutter:
    """Passes connections on, but breaks the first event stream after so many
    events."""

    def __init__(self, url, events):
        self.target = urllib.parse.urlsplit(url)
        self.events = events
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(
                (self.target.hostname, self.target.port)) as server:
            seen = b""
            while True:
                readable, _, _ = select.select([client, server], [], [])
                if client in readable:
                    data = client.recv(65536)
                    if not data:
                        return
                    server.sendall(data)
                    seen = b""  # of the answer that comes now
                if server in readable:
                    data = server.recv(1 if self.cuts == 0 else 65536)
                    if not data:
                        return
                    client.sendall(data)
                    seen += data
                if self.cuts == 0 and self._enough(seen):
                    self.cuts += 1  # no last chunk was seen: an unclean end
                    return

    def _enough(self, seen):
        head, end, body = seen.partition(b"\r\n\r\n")
        return end and b"text/event-stream" in head and body.count(b"\nid: ") >= self.events


# -- slow readers -----------------------------------------------------------------------

def test_slow_reader_delays_nobody(dev):
    """One that reads nothing is closed, uncleanly; the others get everything;
    it may come back where it stopped."""
    stack = dev("--stream-bytes=256KiB", "--stream-stall=2s", workers=1)
    api = Api(stack.url)
    n = 60000
    run = api.start(api.thread(), "emit", input={"n": n}, stream_mode=["custom"])
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
    slow = http.Open(api.url, "GET", path, headers={"Last-Event-ID": "-1"}, seconds=60)
    with api.join_stream(run, "-1") as quick:
        events = quick.rest()
        assert quick.ended == "clean"
    assert [e.data["i"] for e in events[1:]] == list(range(n))
    until(lambda: stack.metrics()["leat_slow_readers_closed_total"] == 1,
          "the slow reader being closed", 40 * PATIENCE)
    equals(lambda: stack.metrics()["leat_open_streams"], 0)
    assert api.run(run)["status"] == "success"

    slow.read()
    assert slow.ended == "cut", "only an unclean end makes clients reconnect"
    got = http_events(slow.body)
    while len(got) < len(events):
        last = got[-1].id
        with api.join_stream(run, last) as again:
            for event in again.events_so_far():
                got.append(event)
    assert got == events


def http_events(body):
    """The whole events of a body that was cut."""
    return parse(body[:body.rindex(b"\n\n") + 2])


def test_ids_grow_along_a_thread(api):
    thread = api.thread()
    keys = []
    for x in range(3):
        events = api.run_stream(thread, "trivial", input={"x": x}, stream_mode=["values"])
        keys += [id_key(e.id) for e in events]
    assert keys == sorted(set(keys))


# -- thread streams ----------------------------------------------------------------------

def test_thread_stream_follows_every_run(api):
    thread = api.thread()
    with api.stream(f"/threads/{thread}/stream") as opened:
        first = api.run_stream(thread, "trivial", input={"x": 1}, stream_mode="updates")
        second = api.run_stream(thread, "trivial", input={"x": 5}, stream_mode="updates")
        got = []
        for event in opened.events_so_far():
            got.append(event)
            if sum(e.name == "run_done" for e in got) == 2:
                break
    check_ids(got)
    assert [e for e in got if e.name != "run_done"] == first + second
    for event, run in zip([e for e in got if e.name == "run_done"], (first, second)):
        assert event.data == {"run_id": run[0].data["run_id"], "thread_id": thread,
                              "status": "success"}
    with api.stream(f"/threads/{thread}/stream", headers={"Last-Event-ID": "-"}) as opened:
        again = [next(opened.events_so_far()) for _ in got]
    assert again == got
    with api.stream(f"/threads/{thread}/stream",
                    headers={"Last-Event-ID": got[2].id}) as opened:
        again = [next(opened.events_so_far()) for _ in got[3:]]
    assert again == got[3:]


def test_thread_stream_modes(api):
    thread = api.thread()
    run = api.run_stream(thread, "trivial", input={"x": 1})

    def read(mode, n):
        with api.stream(f"/threads/{thread}/stream?stream_mode={mode}",
                        headers={"Last-Event-ID": "-"}) as opened:
            return [next(opened.events_so_far()) for _ in range(n)]

    lifecycle = read("lifecycle", 2)
    assert [e.name for e in lifecycle] == ["metadata", "run_done"]
    assert lifecycle[0] == run[0]
    (state,) = read("state_update", 1)
    assert state.name == "state_update"
    assert state.data["values"] == {"x": 2}
    assert api.request("GET", f"/threads/{thread}/stream?stream_mode=nonsense").status == 422
