# SPDX-License-Identifier: Apache-2.0
"""Graphs of the kinds that people write: called in this process and served, they
stream the same and leave the same state."""

import asyncio
import json
import sys
import uuid

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_sdk import get_client
from support import proc, traces

sys.path.insert(0, str(proc.ROOT / "tests" / "python" / "kinds"))
import kinds  # noqa: E402

PROGRAM = proc.ROOT / "build" / "venv" / "bin" / "leat-worker-python"


@pytest.fixture(scope="module")
def url(tmp_path_factory, new_store):
    stack = proc.Stack.parts(tmp_path_factory.mktemp("kinds"), workers=0, store=new_store())
    module = proc.ROOT / "tests/python/kinds/kinds.py"
    project = stack.folder / "langgraph.json"
    project.write_text(json.dumps({"graphs": {n: f"{module}:{n}" for n in kinds.MAKERS}}))
    worker = proc.Proc(stack.folder, "python", [
        PROGRAM, f"--config={project}", f"--broker={stack.broker_base}"])
    stack.procs.append(worker)
    worker.wait_line("ready ", seconds=120 * proc.PATIENCE)
    yield stack.url
    stack.close()


def shown(value):
    """As the API shows it."""
    from leat_worker import emit, plain
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], str):
        ns, mode, payload = value
        ways = {"checkpoints": emit.checkpoint, "debug": emit.debug, "tasks": emit.task}
        value = [list(ns), mode, ways.get(mode, lambda p: p)(payload)]
    return plain.unpack(plain.pack(value))


async def in_process(name):
    make, inputs = kinds.MAKERS[name]
    graph = make().copy(update={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": str(uuid.uuid4())}, "recursion_limit": 25}
    results = []
    for data in inputs:
        out = {"step": {"op": "stream"}, "events": []}
        try:
            async for event in graph.astream(data, config, stream_mode=traces.expect.MODES,
                                             subgraphs=True, output_keys=graph.output_channels):
                out["events"].append(shown(event))
        except Exception as e:
            out["error"] = {"name": type(e).__name__, "message": str(e)}
        results.append(out)
    state = await graph.aget_state(config)
    return results, shown({"values": state.values, "next": list(state.next)})


async def served(name, url):
    client, results = get_client(url=url), []
    thread = (await client.threads.create())["thread_id"]
    for data in kinds.MAKERS[name][1]:
        command = isinstance(data, kinds.Command)
        given = {"command": {"resume": data.resume}} if command else {"input": data}
        out = {"step": {"op": "stream"}, "events": []}
        async for part in client.runs.stream(thread, name, stream_mode=traces.MODES,
                                             stream_subgraphs=True, **given):
            event, *ns = part.event.split("|")
            if event == "error":
                out["error"] = {"name": part.data["error"], "message": part.data["message"]}
            elif event != "metadata":
                out["events"].append([ns, event, part.data])
        results.append(out)
    state = await client.threads.get_state(thread)
    return results, {"values": state["values"], "next": state["next"]}


@pytest.mark.parametrize("name", kinds.MAKERS)
def test_same_as_in_process(url, name):
    (local, left), (there, kept) = asyncio.run(in_process(name)), asyncio.run(served(name, url))
    a, b = traces.numbered(local), traces.numbered(there)
    if traces.side_by_side(a):
        a, b = traces.without_order(a), traces.without_order(b)
    assert traces.first_difference(a, b) is None
    assert traces.first_difference(left, kept) is None
