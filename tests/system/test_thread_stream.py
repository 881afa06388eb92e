# SPDX-License-Identifier: Apache-2.0
"""Streams of whole threads: every run in its turn, from any place."""

import threading

import pytest

from support.api import Api, new_id
from support.wait import until


def follow(api, thread, last=None, mode=None, seconds=30):
    path = f"/threads/{thread}/stream" + (f"?stream_mode={mode}" if mode else "")
    return api.stream(path, headers={} if last is None else {"Last-Event-ID": last},
                      seconds=seconds)


def take(opened, n):
    return [next(opened.events_so_far()) for _ in range(n)]


def take_runs(opened, n):
    """Events up to the n-th run_done."""
    got = []
    while sum(e.name == "run_done" for e in got) < n:
        got.append(next(opened.events_so_far()))
    return got


def number(event):
    return tuple(map(int, event.id.split("-")))


def check_order(events):
    ids = [number(e) for e in events]
    assert ids == sorted(set(ids)), ids


def history(api, runs=3):
    """A thread with some runs, and all that its stream tells."""
    thread = api.thread()
    for x in range(runs):
        api.run_stream(thread, "trivial", input={"x": x}, stream_mode=["values", "updates"])
    with follow(api, thread, "-") as opened:
        return thread, take_runs(opened, runs)


def test_resumes_after_every_event(api):
    thread, whole = history(api)
    check_order(whole)
    for i, event in enumerate(whole[:-1]):
        with follow(api, thread, event.id) as opened:
            assert take(opened, len(whole) - i - 1) == whole[i + 1:]
    for beginning in ("-", "-1", "0", "0-0"):
        with follow(api, thread, beginning) as opened:
            assert take(opened, len(whole)) == whole
    with follow(api, thread, whole[-1].id) as opened:
        more = api.run_stream(thread, "trivial", input={"x": 1}, stream_mode="values")
        assert take(opened, len(more)) == more


def test_state_updates_resume_too(api):
    thread, whole = history(api, 2)
    with follow(api, thread, "-", "lifecycle&stream_mode=state_update") as opened:
        got = take(opened, 6)
    assert [e.name for e in got] == ["metadata", "run_done", "state_update"] * 2
    check_order(got)
    assert [e.data["values"] for e in got if e.name == "state_update"] == [{"x": 1}, {"x": 2}]
    for i, event in enumerate(got[:-1]):
        with follow(api, thread, event.id, "lifecycle&stream_mode=state_update") as opened:
            assert take(opened, len(got) - i - 1) == got[i + 1:]


def test_modes_as_sdks_send_them(api):
    thread, whole = history(api, 1)
    for query in ("stream_modes=lifecycle", "stream_mode=%5B%22lifecycle%22%5D",
                  "stream_mode=lifecycle,lifecycle"):
        with api.stream(f"/threads/{thread}/stream?{query}",
                        headers={"Last-Event-ID": "-"}) as opened:
            assert [e.name for e in take(opened, 2)] == ["metadata", "run_done"]
    got = api.request("GET", f"/threads/{thread}/stream?stream_mode=values")
    assert got.status == 422 and got.json()["detail"].startswith("stream_mode")
    assert api.request("GET", f"/threads/{new_id()}/stream").status == 404
    assert api.request("GET", "/threads/x/stream").status == 422


def test_location_says_where_to_go_on(api):
    thread = api.thread()
    with follow(api, thread, "-", "lifecycle") as opened:
        assert opened.headers["location"] == \
            f"/threads/{thread}/stream?stream_mode=lifecycle&last_event_id=-1"
        assert opened.headers["content-type"].startswith("text/event-stream")
    with follow(api, thread) as opened:
        assert opened.headers["location"] == f"/threads/{thread}/stream?stream_mode=run_modes"


def test_live_only(api):
    thread, _ = history(api, 2)
    run = api.start(thread, "sleeper", input={"ms": 60000})
    with api.join_stream(run, "-1") as before:
        before.event("values")
    with follow(api, thread) as opened:
        later = api.start(thread, "trivial", input={"x": 7})
        assert api.cancel(run, wait=True).status == 204
        done, *rest = take_runs(opened, 2)
    assert (done.name, done.data) == ("run_done", {
        "run_id": run["run_id"], "thread_id": thread, "status": "interrupted"})
    with api.join_stream(later, "-1") as again:
        assert rest[:-1] == again.rest()
    assert rest[-1].data["run_id"] == later["run_id"]


def test_done_means_stored(api):
    """Who hears run_done and reads the thread sees what the run left."""
    thread = api.thread()
    with follow(api, thread, "-", "lifecycle") as opened:
        for x in range(5):
            api.start(thread, "trivial", input={"x": x})
            run = take_runs(opened, 1)[-1]
            assert run.data["status"] == "success"
            read = api.get(f"/threads/{thread}")
            assert (read["status"], read["values"]) == ("idle", {"x": x + 1})


def test_errors_interrupts_and_cancels(api):
    thread = api.thread()
    with follow(api, thread, "-", "lifecycle") as opened:
        api.run_stream(thread, "error", input={"messages": []})
        first = api.start(thread, "sleeper", input={"ms": 60000})
        waiting = api.start(thread, "trivial", input={"x": 1})
        api.wait_status(first, "running")
        assert api.cancel(waiting, wait=True).status == 204   # never began
        assert api.cancel(first, wait=True).status == 204
        rolled = api.start(thread, "sleeper", input={"ms": 60000})
        api.wait_status(rolled, "running")
        with api.join_stream(rolled, "-1") as begun:
            begun.event("metadata")
        assert api.cancel(rolled, wait=True, action="rollback").status == 204
        last = api.start(thread, "trivial", input={"x": 1})
        got = []
        while not got or got[-1].data["run_id"] != last["run_id"] or got[-1].name != "run_done":
            got.append(next(opened.events_so_far()))
    check_order(got)
    done = {e.data["run_id"]: e.data["status"] for e in got if e.name == "run_done"}
    assert list(done.values())[0] == "error"
    assert done[first["run_id"]] == done[waiting["run_id"]] == "interrupted"
    assert done[last["run_id"]] == "success"
    assert done.get(rolled["run_id"], "interrupted") == "interrupted"


def test_many_followers_and_runs(api):
    """Followers that come at any time see the same, in the same order."""
    thread = api.thread()
    runs, seen = 12, []

    def read(last):
        with follow(api, thread, last, seconds=60) as opened:
            seen.append(take_runs(opened, runs))

    readers = [threading.Thread(target=read, args=("-",)) for _ in range(4)]
    for i, reader in enumerate(readers):
        reader.start()
        for _ in range(runs // len(readers)):
            api.start(thread, "chain10", input={"n": 0}, stream_mode="updates")
    for reader in readers:
        reader.join(60)
    assert len(seen) == len(readers)
    check_order(seen[0])
    assert all(s == seen[0] for s in seen)


def test_goes_on_when_the_broker_is_replaced(parts):
    stack = parts()
    api = Api(stack.url)
    thread = api.thread()
    with follow(api, thread, "-", "lifecycle", seconds=60) as opened:
        api.run_stream(thread, "trivial", input={"x": 1})
        first = take(opened, 2)
        stack.kind("broker")[-1].kill()
        stack.start_broker()
        second = api.start(thread, "trivial", input={"x": 5})
        rest = take(opened, 2)
    assert [e.name for e in first + rest] == ["metadata", "run_done"] * 2
    assert rest[0].data["run_id"] == second["run_id"]
    check_order(first + rest)


def test_the_end_of_the_thread(api):
    thread, whole = history(api, 1)
    with follow(api, thread, "-") as opened:
        assert take(opened, len(whole)) == whole
        assert api.request("DELETE", f"/threads/{thread}").status == 204
    assert api.request("GET", f"/threads/{thread}/stream").status == 404
