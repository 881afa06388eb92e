#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what Python's create_react_agent and ToolNode do.

Each scenario below is a graph in the format of the traces and the steps to
perform; what Python LangGraph says about them is written to
tests/golden/engine/agents, where the conformance runner finds it.

    pip install langgraph==1.2.11
    agents.py [NAME...]
"""
import asyncio
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # the prebuilt agent says that it is old

import expect  # noqa: E402

OUT = Path(__file__).resolve().parents[1] / "golden" / "engine" / "agents"


def call(name, ident, **args):
    return {"name": name, "args": args, "id": ident}


def says(text, ident, **more):
    return {"id": ident, "chunks": [text], **more}


def calls(ident, *tool_calls, chunks=()):
    return {"id": ident, "chunks": list(chunks), "tool_calls": list(tool_calls)}


ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "args": {"a": "number", "b": "number"},
    "returns": {"$add": [{"$state": "a"}, {"$state": "b"}]},
}
SHOUT = {
    "name": "shout",
    "args": {"text": "string"},
    "custom": {"$concat": ["shouting ", {"$state": "text"}]},
    "returns": {"$concat": [{"$state": "text"}, "!"]},
}
CONFIRM = {
    "name": "confirm",
    "args": {"what": "string"},
    "interrupt": {"$concat": ["really ", {"$state": "what"}, "?"]},
    "returns": {"$concat": ["they said ", {"$var": "answer"}]},
}
BREAK = {"name": "break", "args": {"x": "number"}, "error": "it broke", "returns": 0}
LAST = {**ADD, "name": "last", "return_direct": True}


def agent(responses, tools, **more):
    model = {"responses": responses}
    if "streaming" in more:
        model["streaming"] = more.pop("streaming")
    return {"main": {"react_agent": {"model": model, "tools": tools, **more}}}


def ask(text, **more):
    human = {"$msg": {"type": "human", "content": text, "id": "h1"}}
    return {"op": "stream", "input": {"messages": [human]}, **more}


STATE = {"op": "get_state"}
HISTORY = {"op": "get_history"}

SUM = [
    calls("a1", call("add", "c1", a=1, b=2), chunks=["let me ", "see"]),
    says("3", "a2", usage={"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}),
]

SCENARIOS = {
    "200-agent": (agent(SUM, [ADD], prompt="Be nice."), [ask("1 + 2?"), STATE, HISTORY]),
    "201-agent-one-task": (
        agent(SUM, [ADD], version="v1"), [ask("1 + 2?"), STATE]),
    "202-agent-named": (
        agent(SUM, [ADD], name="adder"), [ask("1 + 2?"), STATE]),
    "203-agent-whole-answers": (
        agent(SUM, [ADD], streaming=False), [ask("1 + 2?")]),
    "204-agent-without-tools": (agent([says("hello", "a1")], []), [ask("hi"), STATE]),
    "205-agent-two-calls": (
        agent([calls("a1", call("add", "c1", a=1, b=2), call("add", "c2", a=3, b=4)),
               says("3 and 7", "a2")], [ADD], version="v1"),
        [ask("sums?"), STATE]),
    "206-agent-two-tasks": (
        agent([calls("a1", call("add", "c1", a=1, b=2), call("add", "c2", a=3, b=4)),
               says("3 and 7", "a2")], [ADD]),
        [{**ask("sums?"), "op": "invoke"}, STATE]),
    "207-agent-unknown-tool": (
        agent([calls("a1", call("sub", "c1", a=1)), says("no", "a2")], [ADD, SHOUT]),
        [ask("1 - 1?"), STATE]),
    "208-agent-wrong-arguments": (
        agent([calls("a1", call("shout", "c1", txt="it's")), says("no", "a2")], [SHOUT]),
        [ask("shout"), STATE]),
    "209-agent-tool-fails": (
        agent([calls("a1", call("break", "c1", x=1)), says("no", "a2")], [BREAK]),
        [ask("break"), STATE]),
    "210-agent-tool-error-answered": (
        agent([calls("a1", call("break", "c1", x=1)), says("no", "a2")], [BREAK],
              tool_errors=True),
        [ask("break"), STATE]),
    "211-agent-custom": (
        agent([calls("a1", call("shout", "c1", text="hey")), says("done", "a2")], [SHOUT]),
        [ask("shout")]),
    "212-agent-tool-asks": (
        agent([calls("a1", call("confirm", "c1", what="it")), says("ok", "a2")], [CONFIRM]),
        [ask("go"), STATE,
         {"op": "stream", "input": {"$command": {"resume": "yes"}}}, STATE, HISTORY]),
    "213-agent-two-ask": (
        agent([calls("a1", call("confirm", "c1", what="this"),
                     call("confirm", "c2", what="that")), says("ok", "a2")],
              [CONFIRM], version="v1"),
        [{**ask("go"), "op": "invoke"}, STATE,
         {"op": "invoke", "input": {"$command": {"resume": "yes"}}}, STATE,
         {"op": "invoke", "input": {"$command": {"resume": "no"}}}, STATE]),
    "214-agent-interrupt-before": (
        agent(SUM, [ADD], interrupt_before=["tools"]),
        [ask("1 + 2?"), STATE, {"op": "stream", "input": None}, STATE]),
    "215-agent-interrupt-after": (
        agent(SUM, [ADD], interrupt_after=["agent"]),
        [ask("1 + 2?"), STATE, {"op": "stream", "input": None}, STATE]),
    "216-agent-more-steps": (
        agent([calls("a1", call("add", "c1", a=1, b=2))], [ADD]),
        [ask("1 + 2?", recursion_limit=4), STATE]),
    "217-agent-return-direct": (
        agent([calls("a1", call("last", "c1", a=1, b=2)), says("never", "a2")], [LAST]),
        [ask("1 + 2?"), STATE]),
    "218-agent-open-calls": (
        agent([says("never", "a2")], [ADD]),
        [{"op": "stream", "input": {"messages": [
            {"$msg": {"type": "human", "content": "x", "id": "h1"}},
            {"$msg": {"type": "ai", "content": "", "id": "a0",
                      "tool_calls": [call("add", "c0", a=1, b=2)]}}]}}, STATE]),
    "219-agent-turns": (
        agent(SUM + [says("again", "a3")], [ADD]),
        [ask("1 + 2?"), {"op": "stream", "input": {"messages": [
            {"$msg": {"type": "human", "content": "more", "id": "h2"}}]}}, STATE]),
    "220-agent-in-a-graph": (
        {**agent(SUM, [ADD]),
         "main": {"state": {"messages": "messages", "n": "last"},
                  "nodes": {"before": {"do": [{"op": "return", "value": {"n": 1}}]},
                            "helper": {"graph": "helper"}},
                  "edges": [["__start__", "before"], ["before", "helper"]]},
         "helper": agent(SUM, [ADD], name="helper")["main"]},
        [ask("1 + 2?"), STATE]),
}


# Where calls run at the same time the order of their events is chance.
AT_ONCE = {"205-agent-two-calls", "206-agent-two-tasks", "213-agent-two-ask"}


async def events_of(graphs, step):
    """What astream_events says of the first step, on a thread of its own."""
    steps = expect.Steps({"graphs": graphs})
    step = {**step, "thread": "ev", "run_id": "11111111-1111-4111-8111-111111111111"}
    config = steps.config(step)
    given = await steps.input(step, config)
    out = []
    stream = steps.graph.astream_events(
        given, config, version="v2", stream_mode=["values", "messages"], subgraphs=True)
    try:
        async for event in stream:
            out.append(expect.plain(event))
    except Exception:  # the run's error is in the step's own record
        pass
    return out


async def record(name, graphs, steps):
    performer = expect.Steps({"graphs": graphs})
    seen = {}
    results = [expect.renumber(await performer.perform(s), seen) for s in steps]
    events = []
    if name not in AT_ONCE:
        events = expect.renumber(await events_of(graphs, steps[0]), {})
    libraries = ("langgraph", "langchain-core", "langgraph-checkpoint", "langgraph-prebuilt")
    trace = {
        "format": 1,
        "name": name,
        "about": "what Python's create_react_agent does",
        "library": {lib: expect.version(lib) for lib in libraries},
        "graphs": graphs,
    }
    with open(OUT / f"{name}.json", "w", encoding="utf-8") as f:
        f.write("{\n")
        for key, value in trace.items():
            f.write(f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False)},\n")
        parts = []
        for key, rows in (("results", results), ("stream_events_v2", events)):
            lines = ",\n".join("  " + json.dumps(r, ensure_ascii=False) for r in rows)
            if rows:
                parts.append(f'"{key}":[\n{lines}\n]')
        f.write(",\n".join(parts) + "\n}\n")


async def main(names):
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (graphs, steps) in SCENARIOS.items():
        if not names or name in names:
            await record(name, graphs, steps)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
