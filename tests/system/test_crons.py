# SPDX-License-Identifier: Apache-2.0
"""Crons: made, changed and found over the API, and what their ticks make.

Ticks are minutes apart, so most tests move a cron's next tick into the past
in the store: that is what a broker that was away for a while finds.
"""

import asyncio
import datetime
import random
import time
import zoneinfo

import pytest
from langgraph_sdk import get_client, get_sync_client

from support import db
from support.api import Api, new_id
from support.wait import until

UTC = datetime.timezone.utc


def iso(text):
    return datetime.datetime.fromisoformat(text)


def set_next(stack, cron, seconds_ago=1):
    """The next tick is this long ago; gives its time."""
    at = int((time.time() - seconds_ago) * 1e6)
    changed = db.execute(stack.store, f"UPDATE crons SET next_at = {at} WHERE cron_id ="
                                      f" {db.literal(stack.store, cron['cron_id'])}")
    assert changed == 1
    return at


def busy_threads(stack):
    return db.ids(stack.store, "SELECT {} FROM threads WHERE status = 'busy'", "thread_id")


def runs_of(api, thread):
    return api.get(f"/threads/{thread}/runs?limit=100")


def make(api, thread=None, **body):
    body = {"schedule": "0 0 1 1 *", "assistant_id": "trivial", "input": {"x": 1}, **body}
    return api.post(f"/threads/{thread}/runs/crons" if thread else "/runs/crons", body)


# -- the API ---------------------------------------------------------------------

def test_life(stack):
    client = get_sync_client(url=stack.url)
    thread = client.threads.create()["thread_id"]
    before = datetime.datetime.now(UTC)
    end = before + datetime.timedelta(days=400)
    made = client.crons.create_for_thread(
        thread, "trivial", schedule="30 9 * * mon-fri", input={"x": 1}, metadata={"a": 1},
        timezone="Europe/Berlin", end_time=end, multitask_strategy="interrupt")
    system = client.assistants.search(graph_id="trivial")[0]["assistant_id"]
    created = iso(made["created_at"])
    assert before <= created <= datetime.datetime.now(UTC)
    following = iso(made["next_run_date"]).astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    assert (following.hour, following.minute, following.second) == (9, 30, 0)
    assert following.weekday() < 5 and following > created
    assert made == {
        "cron_id": made["cron_id"], "assistant_id": system, "thread_id": thread,
        "on_run_completed": None, "end_time": made["end_time"], "schedule": "30 9 * * mon-fri",
        "timezone": "Europe/Berlin", "created_at": made["created_at"],
        "updated_at": made["created_at"], "user_id": None,
        "payload": {"assistant_id": "trivial", "input": {"x": 1},
                    "multitask_strategy": "interrupt", "metadata": {"a": 1}},
        "next_run_date": made["next_run_date"], "metadata": {"a": 1}, "enabled": True}
    assert iso(made["end_time"]) == end
    api = Api(stack.url)
    assert api.get(f"/runs/crons/{made['cron_id']}") == made
    changed = client.crons.update(made["cron_id"], schedule="0 * * * *", metadata={"b": 2},
                                  input={"x": 7}, enabled=False, timezone="UTC")
    following = iso(changed["next_run_date"])
    assert following.minute == 0 and following - iso(changed["updated_at"]) <= \
        datetime.timedelta(hours=1)
    assert changed == {**made, "schedule": "0 * * * *", "timezone": "UTC", "enabled": False,
                       "metadata": {"a": 1, "b": 2}, "updated_at": changed["updated_at"],
                       "next_run_date": changed["next_run_date"],
                       "payload": {**made["payload"], "input": {"x": 7},
                                   "metadata": {"a": 1, "b": 2}}}
    cleared = api.ok("PATCH", f"/runs/crons/{made['cron_id']}", {"end_time": None})
    assert cleared == {**changed, "end_time": None, "updated_at": cleared["updated_at"]}
    assert client.crons.search(thread_id=thread) == [cleared]
    assert client.crons.count(thread_id=thread) == 1
    client.crons.delete(made["cron_id"])
    assert client.crons.search(thread_id=thread) == []
    assert api.request("GET", f"/runs/crons/{made['cron_id']}").status == 404


def test_stateless_life(stack):
    client = get_sync_client(url=stack.url)
    mark = new_id()
    made = client.crons.create("trivial", schedule="*/5 * * * *", metadata={"mark": mark},
                               on_run_completed="keep", webhook="http://example.com/hook",
                               interrupt_before=["inc"], config={"tags": ["t"]})
    assert (made["thread_id"], made["on_run_completed"], made["timezone"],
            made["end_time"]) == (None, "keep", None, None)
    assert made["payload"] == {
        "assistant_id": "trivial", "config": {"tags": ["t"]},
        "webhook": "http://example.com/hook", "interrupt_before": ["inc"],
        "metadata": {"mark": mark}}
    default = client.crons.create("trivial", schedule="0 0 * * *", metadata={"mark": mark})
    assert default["on_run_completed"] == "delete"
    assert client.crons.search(metadata={"mark": mark}) == [default, made]
    client.crons.update(made["cron_id"], on_run_completed="delete")
    assert Api(stack.url).get(f"/runs/crons/{made['cron_id']}")["on_run_completed"] == "delete"
    for cron in (made, default):
        client.crons.delete(cron["cron_id"])


def test_search(api, stack):
    client = get_sync_client(url=stack.url)
    mark = {"mark": new_id()}
    thread = api.thread()
    made = [make(api, metadata=mark, schedule=f"{i} 0 1 1 *", enabled=i != 2) for i in range(4)]
    made.append(make(api, thread, metadata=mark, schedule="4 0 1 1 *"))
    ids = [c["cron_id"] for c in made]
    find = lambda **q: [c["cron_id"] for c in client.crons.search(metadata=mark, **q)]
    assert find() == ids[::-1]
    assert find(limit=2, offset=1) == ids[3:1:-1]
    assert find(sort_by="next_run_date", sort_order="asc") == ids
    assert find(thread_id=thread) == ids[4:]
    assert find(enabled=False) == ids[2:3]
    assert find(assistant_id=made[0]["assistant_id"]) == ids[::-1]
    assert find(assistant_id=new_id()) == []
    assert client.crons.count(metadata=mark) == 5
    assert client.crons.search(metadata=mark, limit=1, select=["cron_id", "enabled"]) == [
        {"cron_id": ids[4], "enabled": True}]
    got = api.request("POST", "/runs/crons/search", {"metadata": mark, "limit": 2})
    assert (got.headers["X-Pagination-Total"], got.headers["X-Pagination-Next"]) == ("5", "2")
    api.request("DELETE", f"/threads/{thread}")
    assert find() == ids[3::-1]


@pytest.mark.parametrize("field, value", [
    ("schedule", None), ("schedule", 5), ("schedule", "* * * *"), ("schedule", "60 * * * *"),
    ("schedule", "0 0 30 2 *"), ("timezone", "Mars/Olympus"), ("timezone", 1),
    ("end_time", "yesterday"), ("end_time", "2020-01-01T00:00:00Z"), ("end_time", 7),
    ("enabled", "yes"), ("metadata", []), ("on_run_completed", "forget"),
    ("config", 1), ("context", []), ("webhook", "ftp://x"), ("interrupt_before", 1),
    ("interrupt_after", "x"), ("stream_mode", "none"), ("stream_subgraphs", 1),
    ("stream_resumable", "x"), ("durability", "never"), ("checkpoint_during", 0),
    ("multitask_strategy", "none"), ("assistant_id", 5), ("assistant_id", None)])
def test_bad_fields(api, field, value):
    body = {"schedule": "* * * * *", "assistant_id": "trivial", field: value}
    paths = [("POST", "/runs/crons"), ("POST", f"/threads/{api.thread()}/runs/crons")]
    if field != "assistant_id" and value is not None:
        cron = make(api)
        paths.append(("PATCH", f"/runs/crons/{cron['cron_id']}"))
    for method, path in paths:
        got = api.request(method, path, body if method == "POST" else {field: value})
        assert got.status == 422, (method, path, got)
        assert got.json()["detail"].startswith(field), got


def test_unknown_things(api):
    body = {"schedule": "* * * * *", "assistant_id": "trivial"}
    assert api.request("POST", f"/threads/{new_id()}/runs/crons", body).status == 404
    assert api.request("POST", "/runs/crons", {**body, "assistant_id": new_id()}).status == 404
    for method in ("GET", "PATCH", "DELETE"):
        path = "/runs/crons/"
        assert api.request(method, path + new_id(), {} if method == "PATCH" else None
                           ).status == 404
        assert api.request(method, path + "x", {} if method == "PATCH" else None).status == 422


# -- ticks -----------------------------------------------------------------------

def local_minutes(zone, start, days):
    """All local minutes and the moments that they fire, by Python's tz data."""
    tz = zoneinfo.ZoneInfo(zone)
    seen = {}
    at = start
    previous = None
    while at < start + datetime.timedelta(days=days):
        local = at.astimezone(tz).replace(tzinfo=None)
        if previous is not None:
            skipped = previous + datetime.timedelta(minutes=1)
            while skipped < local:
                seen.setdefault(skipped, at)
                skipped += datetime.timedelta(minutes=1)
        seen.setdefault(local, at)
        previous = local
        at += datetime.timedelta(minutes=1)
    return seen


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Europe/London"])
def test_next_run_date(api, zone):
    """Against a list of all minutes of the next days."""
    dice = random.Random(zone)
    start = datetime.datetime.now(UTC).replace(second=0, microsecond=0)
    seen = local_minutes(zone, start - datetime.timedelta(days=1), 4)
    for _ in range(12):
        minute, hour = dice.randrange(60), dice.choice(["*", dice.randrange(24), "*/7"])
        cron = make(api, schedule=f"{minute} {hour} * * *", timezone=zone)
        created = iso(cron["created_at"])
        hours = {"*": range(24), "*/7": range(0, 24, 7)}.get(hour, [hour])
        want = min(at for local, at in seen.items()
                   if local.minute == minute and local.hour in hours and at > created)
        assert iso(cron["next_run_date"]) == want, cron


def test_a_tick_makes_one_run(api, stack):
    thread = api.thread()
    cron = make(api, thread, metadata={"m": 1}, config={"configurable": {"k": "v"}},
                context={"c": 1})
    set_next(stack, cron)
    (run,) = until(lambda: runs_of(api, thread), "the run of the tick")
    done = api.wait_status(run)
    assert done["status"] == "success"
    assert done["metadata"] == {
        "created_by": "system", "m": 1, "cron_id": cron["cron_id"], "graph_id": "trivial",
        "assistant_id": cron["assistant_id"]}
    assert done["kwargs"]["input"] == {"x": 1} and done["kwargs"]["context"] == {"c": 1}
    assert done["kwargs"]["config"]["configurable"]["k"] == "v"
    assert api.state(thread)["values"] == {"x": 2}
    after = api.get(f"/runs/crons/{cron['cron_id']}")
    assert after["next_run_date"] == cron["next_run_date"]
    assert [r["run_id"] for r in runs_of(api, thread)] == [run["run_id"]]
    api.request("DELETE", f"/runs/crons/{cron['cron_id']}")


def test_each_tick_is_one_run(api, stack):
    """However many gateways look at the same moment."""
    crons = {api.thread(): None for _ in range(8)}
    for thread in crons:
        crons[thread] = make(api, thread)
    for ticks in range(1, 4):
        for cron in crons.values():
            set_next(stack, cron, 60 - ticks)
        for thread in crons:
            until(lambda: len(runs_of(api, thread)) >= ticks, f"the run of tick {ticks}")
    for thread, cron in crons.items():
        runs = runs_of(api, thread)
        assert len(runs) == 3
        assert {api.wait_status(r)["status"] for r in runs} == {"success"}
        assert api.get(f"/runs/crons/{cron['cron_id']}")["next_run_date"] == cron["next_run_date"]
        api.request("DELETE", f"/runs/crons/{cron['cron_id']}")


@pytest.mark.parametrize("keep", [False, True])
def test_a_tick_without_a_thread(api, stack, keep):
    mark = new_id()
    cron = make(api, metadata={"mark": mark}, assistant_id="sleeper", input={"ms": 300},
                on_run_completed="keep" if keep else "delete")
    set_next(stack, cron)
    (thread,) = until(lambda: busy_threads(stack), "the tick's thread")
    (run,) = runs_of(api, thread)
    assert run["metadata"]["cron_id"] == cron["cron_id"] and run["metadata"]["mark"] == mark
    if keep:
        assert api.wait_status(run)["status"] == "success"
    else:
        until(lambda: api.request("GET", f"/threads/{thread}").status == 404, "its deletion")
    api.request("DELETE", f"/runs/crons/{cron['cron_id']}")


def test_no_tick_when_disabled_ended_or_refused(api, stack):
    thread, other = api.thread(), api.thread()
    disabled = make(api, thread, enabled=False)
    busy = api.start(other, "sleeper", input={"ms": 60000})
    refused = make(api, other, multitask_strategy="reject")
    past = set_next(stack, disabled)
    set_next(stack, refused)
    until(lambda: api.get(f"/runs/crons/{refused['cron_id']}")["next_run_date"]
          == refused["next_run_date"], "the refused tick being used up")
    assert [r["run_id"] for r in runs_of(api, other)] == [busy["run_id"]]
    assert runs_of(api, thread) == []
    assert iso(api.get(f"/runs/crons/{disabled['cron_id']}")["next_run_date"]
               ).timestamp() == pytest.approx(past / 1e6)
    soon = datetime.datetime.now(UTC) + datetime.timedelta(days=1)
    ended = make(api, thread, end_time=soon.isoformat())
    assert ended["next_run_date"] is None
    enabled = api.ok("PATCH", f"/runs/crons/{disabled['cron_id']}", {"enabled": True})
    assert enabled["next_run_date"] == refused["next_run_date"]  # not the missed one
    api.cancel(busy, wait=True)


def test_missed_ticks_are_one_after_a_restart(parts):
    """Every process is killed; the ticks of an hour are due when they return."""
    stack = parts(gateways=2)
    api = Api(stack.url)
    thread = api.thread()
    cron = make(api, thread, schedule="0 0 * * *")
    stack.kind("broker")[-1].kill()
    set_next(stack, cron, 7200)
    stack.start_broker()
    (run,) = until(lambda: runs_of(api, thread), "the run of the ticks")
    assert api.wait_status(run)["status"] == "success"
    stack.kind("broker")[-1].kill()
    stack.start_broker()
    until(lambda: api.request("GET", "/ok?check_db=1").status == 200, "the broker")
    assert iso(api.get(f"/runs/crons/{cron['cron_id']}")["next_run_date"]) > \
        datetime.datetime.now(UTC)
    assert [r["run_id"] for r in runs_of(api, thread)] == [run["run_id"]]


def test_async_client(stack):
    async def life():
        client = get_client(url=stack.url)
        made = await client.crons.create("trivial", schedule="0 0 * * *", input={"x": 1})
        found = await client.crons.search(assistant_id=made["assistant_id"], limit=1000)
        count = await client.crons.count(assistant_id=made["assistant_id"])
        await client.crons.delete(made["cron_id"])
        return made in found and count == len(found)

    assert asyncio.run(life())
