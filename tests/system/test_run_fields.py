# SPDX-License-Identifier: Apache-2.0
"""Every field of a request for a run, with what it must not be; and the rows
of the SDK coverage that are about runs."""

import asyncio

import pytest
from langgraph_sdk import get_client, get_sync_client

from support.api import Api, new_id
from support.wait import until

WRONG = {
    "assistant_id": [5, "", [], {}, True], "command": [5, "x", []],
    "command.update": [5, "x", [["a"]], [[1, 2]]], "command.goto": [5, [5], [{}], ""],
    "checkpoint": [5, "x"], "checkpoint_id": [5, {}],
    "checkpoint.checkpoint_ns": [5], "checkpoint.checkpoint_map": ["x"],
    "config": [5, "x", []], "config.tags": ["x", [5]], "config.recursion_limit": ["x", 0, 1.5],
    "config.configurable": [5, []], "config.metadata": [5], "context": [5, "x", []],
    "metadata": [5, "x", []], "webhook": [5, "x"], "interrupt_before": [5, "x", [5], {}],
    "interrupt_after": [True, ["a", None]], "stream_mode": [5, "none", ["values", "none"], {}],
    "stream_subgraphs": [1, "true"], "stream_resumable": ["x"], "on_disconnect": [5, "stop"],
    "on_completion": ["complete", 5], "multitask_strategy": ["none", 5, []],
    "if_not_exists": ["make", True], "after_seconds": ["5", -1, 1e300, True],
    "feedback_keys": ["x", [5]], "checkpoint_during": ["x", 1], "durability": ["none", True],
    "langsmith_tracer": [5], "langsmith_tracer.project_name": [5],
}


def body_with(field, value):
    first, _, second = field.partition(".")
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    body[first] = {second: value} if second else value
    return body


@pytest.mark.parametrize("field", WRONG)
def test_wrong_types_are_422_with_the_path(api, field):
    thread = api.thread()
    for value in WRONG[field]:
        for path, sent, place in (
                (f"/threads/{thread}/runs", body_with(field, value), field),
                (f"/threads/{thread}/runs/stream", body_with(field, value), field),
                ("/runs/wait", body_with(field, value), field),
                ("/runs/batch", [body_with("input", 1), body_with(field, value)],
                 "[1]." + field)):
            got = api.request("POST", path, sent)
            assert got.status == 422, (path, value, got)
            assert got.json()["detail"].startswith(place), (value, got)
    assert api.get(f"/threads/{thread}/runs") == []


@pytest.mark.parametrize("path, body, status", [
    ("/runs/batch", [], 422), ("/runs/batch", {}, 422), ("/runs/batch", [5], 422),
    ("/runs/batch", [{"assistant_id": "none such"}], 404),
    ("/runs/cancel", [], 422), ("/runs/cancel", {}, 422),
    ("/runs/cancel", {"status": "success"}, 422), ("/runs/cancel", {"status": 5}, 422),
    ("/runs/cancel", {"status": "all", "run_ids": []}, 422),
    ("/runs/cancel", {"thread_id": "x", "run_ids": []}, 422),
    ("/runs/cancel", {"run_ids": []}, 422),
    ("/runs/cancel?action=stop", {"status": "all"}, 422)])
def test_wrong_bulk_requests(api, path, body, status):
    got = api.request("POST", path, body)
    assert got.status == status and isinstance(got.json()["detail"], str), got


@pytest.mark.parametrize("query, status", [
    ("limit=0", 422), ("limit=1001", 422), ("limit=x", 422), ("offset=-1", 422),
    ("status=none", 422), ("select=none", 422), ("limit=1000&offset=0", 200),
    ("status=&select=", 200)])
def test_list_queries(api, query, status):
    got = api.request("GET", f"/threads/{api.thread()}/runs?{query}")
    assert got.status == status, got


@pytest.mark.parametrize("method, path", [
    ("POST", "/threads/{t}/commands"), ("POST", "/threads/{t}/stream/events"),
    ("GET", "/threads/{t}/stream/events"), ("POST", "/ui/agent"), ("GET", "/ui/agent/x.js")])
def test_parts_that_are_not_there_say_so(api, method, path):
    got = api.request(method, path.format(t=api.thread()), {} if method == "POST" else None)
    assert got.status == 501 and "not available" in got.json()["detail"]


# -- the Python SDK ----------------------------------------------------------------

def test_python_runs(stack):
    client = get_sync_client(url=stack.url)
    thread = client.threads.create()["thread_id"]
    made = client.runs.create(thread, "trivial", input={"x": 1}, metadata={"m": 1})
    assert client.runs.join(thread, made["run_id"]) == {"x": 2}
    read = client.runs.get(thread, made["run_id"])
    assert read == {**made, "status": "success", "updated_at": read["updated_at"]}
    assert client.runs.wait(thread, "trivial", input={"x": 5}) == {"x": 6}
    runs = client.runs.list(thread)
    assert [r["kwargs"]["input"] for r in runs] == [{"x": 5}, {"x": 1}]
    assert client.runs.list(thread, limit=1, offset=1) == [read]
    assert client.runs.list(thread, status="error") == []
    assert client.runs.list(thread, status="success", select=["run_id", "status"]) == [
        {"run_id": r["run_id"], "status": "success"} for r in runs]
    parts = list(client.runs.join_stream(thread, made["run_id"], last_event_id="-1",
                                         stream_mode="values"))
    assert [(p.event, p.data) for p in parts] == [
        ("metadata", {"run_id": made["run_id"], "attempt": 1}), ("values", {"x": 1}),
        ("values", {"x": 2})]
    client.runs.delete(thread, made["run_id"])
    assert client.runs.list(thread) == runs[:1]


def test_python_cancel_many(stack):
    client, api = get_sync_client(url=stack.url), Api(stack.url)
    thread = client.threads.create()["thread_id"]
    runs = [client.runs.create(thread, "sleeper", input={"ms": 60000}) for _ in range(3)]
    client.runs.cancel_many(thread_id=thread, run_ids=[r["run_id"] for r in runs[1:]])
    assert [api.wait_status(r)["status"] for r in runs[1:]] == ["interrupted"] * 2
    client.runs.cancel_many(thread_id=thread, run_ids=[runs[0]["run_id"]], action="rollback")
    until(lambda: api.request("GET", f"/threads/{thread}/runs/{runs[0]['run_id']}").status == 404,
          "the first being taken back")
    assert api.get(f"/threads/{thread}")["status"] == "idle"


def test_python_batch(stack):
    client = get_sync_client(url=stack.url)
    made = client.runs.create_batch([
        {"assistant_id": "trivial", "input": {"x": x}, "metadata": {"n": x}} for x in range(3)])
    assert [m["kwargs"]["input"] for m in made] == [{"x": x} for x in range(3)]
    assert [m["metadata"]["n"] for m in made] == [0, 1, 2]
    assert {m["status"] for m in made} == {"pending"}
    assert len({m["run_id"] for m in made} | {m["thread_id"] for m in made}) == 6


def test_python_thread_stream(stack):
    async def read():
        client = get_client(url=stack.url)
        thread = (await client.threads.create())["thread_id"]
        await client.runs.wait(thread, "trivial", input={"x": 1})
        parts = []
        async for part in await client.threads.join_stream(
                thread, last_event_id="-", stream_mode=["lifecycle", "state_update"]):
            parts.append(part)
            if len(parts) == 3:
                return thread, parts

    thread, (begun, done, state) = asyncio.run(read())
    assert (begun.event, done.event, state.event) == ("metadata", "run_done", "state_update")
    assert done.data == {"run_id": begun.data["run_id"], "thread_id": thread,
                         "status": "success"}
    assert state.data["values"] == {"x": 2} and state.data["next"] == []
