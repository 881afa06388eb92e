# SPDX-License-Identifier: Apache-2.0
"""Every recorded description, three times: by LangGraph in this process, by the
Python worker and by the native one, the latter two through the whole of Leat
and the real SDK. What is streamed and what the thread shows must agree."""

import asyncio
import json

import pytest
from support import proc, traces

PROGRAM = proc.ROOT / "build" / "venv" / "bin" / "leat-worker-python"
TRACES = traces.distinct()
# What cannot agree, by what the specification says or by what servers are.
APART = {
    "64_no_checkpointer": "servers give every graph a checkpointer",
    "30_update_state_special": "an update with neither values nor node keeps what comes next; "
                               "the library forgets an input given by hand",
    "42_llm_nostream_and_nonstreaming": "the tag langsmith:nostream counts too; "
                                        "the library knows the other alone",
    "117_unknown_send": "a Send to an unknown node is an error; the library warns",
    "158_writer_fails_with_sibling": "a Send to an unknown node is an error; the library warns",
    "035_drawings": "no run: drawings and schemas are compared in the differential test",
    "183_two_questions_one_node": "the library keeps an update that came with an answer again "
                                  "with the next answer, and its older state shows it twice",
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory, new_store):
    """Two stacks, which name their graphs alike."""
    folder = tmp_path_factory.mktemp("traces")
    described = folder / "described"
    described.mkdir()
    for name, trace in TRACES.items():
        (described / f"{name}.json").write_text(json.dumps({"graphs": trace["graphs"]}))
    python = proc.Stack.parts(folder / "python", workers=0, store=new_store())
    native = proc.Stack.parts(folder / "native", workers=0, store=new_store())
    project = traces.write_project(folder, TRACES)
    worker = proc.Proc(python.folder, "python", [
        PROGRAM, f"--config={project}", f"--broker={python.broker_base}"],
        env={"LEAT_TRACES": str(described)})
    python.procs.append(worker)
    native.start_worker(f"--graphs={described}")
    worker.wait_line("ready ", seconds=120 * proc.PATIENCE)
    yield python, native
    python.close()
    native.close()


async def perform(player, trace):
    """The results up to the first step that no request can express."""
    results = []
    for recorded in trace["results"]:
        try:
            results.append(await player.perform(recorded["step"]))
        except traces.Unsupported:
            break
    return results


def readable(local, *served):
    """The library cannot read a state that its channels refuse; a gateway
    shows what was stored."""
    keep = [i for i, r in enumerate(local)
            if not ("error" in r and r["step"]["op"] in ("get_state", "get_history"))]
    return [[results[i] for i in keep if i < len(results)] for results in (local, *served)]


@pytest.mark.parametrize("name", TRACES)
def test_agrees(stacks, name):
    for apart, why in APART.items():
        if name.endswith(apart):
            pytest.skip(why)
    trace, (python, native) = TRACES[name], stacks

    async def play():
        served = await perform(traces.Served(python.url, name, trace), trace)
        local = await perform(traces.expect.Steps(trace), {"results": trace["results"][:len(served)]})
        return local, served, await perform(traces.Served(native.url, name, trace), trace)

    results = [traces.without_last(r) for r in readable(*asyncio.run(play()))]
    local, served, engine = (traces.numbered(r) for r in results)
    if traces.side_by_side(local):
        local, served, engine = map(traces.without_order, (local, served, engine))
    assert traces.first_difference(local, served) is None
    assert traces.first_difference(served, engine) is None
