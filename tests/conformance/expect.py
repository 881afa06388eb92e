#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Performs the steps of a recorded trace with Python LangGraph.

Builds the graph that the trace describes (the same description, the same
scripted model), performs its steps and writes what came out in the trace's
own format, so that the conformance runner can compare with Python where
Python and JavaScript differ and the difference changes what follows.

    pip install langgraph==1.2.11
    expect.py TRACE.json > NN.expect.json
"""
import asyncio
import json
import math
import operator
import re
import sys
import uuid
from importlib.metadata import version
from typing import Annotated, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import convert_to_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.cache.memory import InMemoryCache
from langgraph.channels import AnyValue, EphemeralValue, Topic, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, create_react_agent
from langgraph.types import (
    CachePolicy,
    Interrupt,
    Overwrite,
    RetryPolicy,
    Send,
    StateUpdate,
    interrupt,
)
from pydantic import TypeAdapter, create_model
from typing_extensions import TypedDict

from expressions import evaluate, truth

MODES = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"]


# --- the scripted model ------------------------------------------------------
class ScriptedChatModel(BaseChatModel):
    spec: dict = {}

    def bind_tools(self, tools, **kwargs):
        return self

    @property
    def _llm_type(self):
        return "scripted"

    def pick(self, messages):
        n = sum(1 for m in messages if m.type == "ai")
        responses = self.spec["responses"]
        return responses[min(n, len(responses) - 1)]

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        r = self.pick(messages)
        message = AIMessage(
            id=r.get("id"),
            content="".join(r.get("chunks", [])),
            tool_calls=r.get("tool_calls", []),
            usage_metadata=r.get("usage"),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        return self._generate(messages, stop)  # else it costs a thread


class StreamingChatModel(ScriptedChatModel):
    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        for chunk in self._stream(messages, stop):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        r = self.pick(messages)

        def piece(**fields):
            fields.setdefault("content", "")
            return ChatGenerationChunk(message=AIMessageChunk(id=r.get("id"), **fields))

        for text in r.get("chunks", []):
            yield piece(content=text)
        for i, call in enumerate(r.get("tool_calls", [])):
            args = json.dumps(call["args"], separators=(",", ":"))
            cut = math.ceil(len(args) / 2)
            for name, part, cid in (
                (call["name"], args[:cut], call["id"]),
                (None, args[cut:], None),
            ):
                half = {"name": name, "args": part, "id": cid, "index": i}
                yield piece(tool_call_chunks=[{**half, "type": "tool_call_chunk"}])
        if r.get("usage"):
            yield piece(usage_metadata=r["usage"])


def cache_key(*args, **kwargs):
    """Equal inputs have one key; a pickle's depends on what they share."""
    return json.dumps(plain([args, kwargs]), sort_keys=True)


class PromptCache(InMemoryCache):
    """Has what it was given at once. The library's loop does not wait until
    its cache has it: whether the next step finds it there is chance."""

    def aset(self, pairs):
        self.set(pairs)
        return asyncio.sleep(0)


# --- graphs -------------------------------------------------------------------
def append(a, b):
    return a + (b if isinstance(b, list) else [b])


CHANNELS = {
    "last": Any,
    "append": Annotated[list, append],
    "append_nodefault": Annotated[Any, append],
    "sum": Annotated[int, operator.add],
    "messages": Annotated[list, add_messages],
    "untracked": Annotated[Any, UntrackedValue],
    "topic": Annotated[Any, Topic(Any)],
    "topic_accumulate": Annotated[Any, Topic(Any, accumulate=True)],
    "ephemeral": Annotated[Any, EphemeralValue],
    "any": Annotated[Any, AnyValue],
}


def schema(name, state, keys=None):
    fields = {}
    for key, spec in state.items():
        if keys is None or key in keys:
            reducer = spec if isinstance(spec, str) else spec["reducer"]
            fields[key] = CHANNELS[reducer]
    return TypedDict(name, fields, total=False)


class Scenario:
    """One description and what its runs share."""

    def __init__(self, graphs):
        self.graphs = graphs
        self.counts = {}
        self.called = {}
        self.saver = InMemorySaver()

    def env(self, state, **more):
        return {"state": state, "vars": {}, "counts": self.counts, **more}

    def tool(self, spec):
        async def run(**args):
            env = self.env(args)
            if "custom" in spec:
                get_stream_writer()(evaluate(spec["custom"], env))
            if "interrupt" in spec:
                env["vars"]["answer"] = interrupt(evaluate(spec["interrupt"], env))
            if "error" in spec:
                raise ValueError(evaluate(spec["error"], env))
            return evaluate(spec["returns"], env)

        kinds = {k: (float if t == "number" else str, ...) for k, t in spec["args"].items()}
        if all(t == "number" for t in spec["args"].values()):
            kinds = {k: (int | float, ...) for k in kinds}
        return StructuredTool.from_function(
            coroutine=run,
            name=spec["name"],
            description=spec.get("description", spec["name"]),
            return_direct=spec.get("return_direct", False),
            args_schema=create_model(spec["name"], **kinds),
        )

    def body(self, name, spec):
        async def run(state, config):
            self.counts[name] = self.counts.get(name, 0) + 1
            env = self.env(dict(state) if isinstance(state, dict) else state)
            for op in spec.get("do") or []:
                done, value = await self.perform(op, env, config)
                if done:
                    return value
            return None

        run.__name__ = name
        return run

    async def perform(self, op, env, config):
        kind, out = op["op"], None
        if kind == "return":
            return True, evaluate(op["value"], env)
        if kind == "sleep":
            await asyncio.sleep(evaluate(op["ms"], env) / 1000)
        elif kind == "custom":
            get_stream_writer()(evaluate(op["value"], env))
        elif kind == "interrupt":
            out = interrupt(evaluate(op["value"], env))
        elif kind == "throw":
            if "when" not in op or truth(evaluate(op["when"], env)):
                error = type(op.get("name", "Error"), (Exception,), {})
                raise error(evaluate(op["message"], env))
        elif kind == "set":
            out = evaluate(op["value"], env)
        elif kind == "llm":
            out = await self.ask(op, env, config)
        elif kind == "call_graph":
            graph = self.called.get(op["graph"])
            if graph is None:
                graph = self.called[op["graph"]] = self.build(op["graph"])
            out = await graph.ainvoke(evaluate(op["input"], env), config)
        if op.get("as"):
            env["vars"][op["as"]] = out
        return False, None

    async def ask(self, op, env, config):
        spec = op["model"]
        whole = spec.get("streaming") is False
        kind = ScriptedChatModel if whole else StreamingChatModel
        model = kind(spec=spec, tags=spec.get("tags"))
        messages = convert_to_messages(evaluate(op["messages"], env))
        if op.get("tags"):
            config = {**config, "tags": (config.get("tags") or []) + op["tags"]}
        return await model.ainvoke(messages, config)

    def add_node(self, g, name, spec):
        more = {}
        if spec.get("retry") is not None:
            more["retry_policy"] = RetryPolicy(
                initial_interval=0.001,
                jitter=False,
                max_attempts=spec["retry"].get("maxAttempts", 3),
            )
        if spec.get("cache"):
            more["cache_policy"] = CachePolicy(
                ttl=spec["cache"].get("ttl"), key_func=cache_key
            )
        if spec.get("defer"):
            more["defer"] = True
        if spec.get("metadata"):
            more["metadata"] = spec["metadata"]
        if spec.get("ends"):
            more["destinations"] = tuple(spec["ends"])
        if spec.get("graph"):
            run = self.build(spec["graph"])
        elif spec.get("tool_node"):
            run = ToolNode([self.tool(t) for t in spec["tool_node"]])
        else:
            run = self.body(name, spec)
        g.add_node(name, run, **more)

    def route(self, spec):
        def choose(state):
            return evaluate(spec["to"], self.env(dict(state)))

        async def choose_here(state):  # else it costs a thread
            return choose(state)

        return RunnableLambda(choose, choose_here)

    def agent(self, name):
        """A graph that is described as {"react_agent": {...}}."""
        d = self.graphs[name]
        spec = d["react_agent"]
        model = spec["model"]
        whole = model.get("streaming") is False
        kind = ScriptedChatModel if whole else StreamingChatModel
        keys = ("prompt", "name", "interrupt_before", "interrupt_after", "version")
        more = {k: spec[k] for k in keys if k in spec}
        if name == "main":
            more["checkpointer"] = self.saver
        return create_react_agent(
            kind(spec=model, tags=model.get("tags")),
            ToolNode(
                [self.tool(t) for t in spec["tools"]],
                **({"handle_tool_errors": True} if spec.get("tool_errors") else {}),
            ),
            **more,
        )

    def build(self, name):
        d = self.graphs[name]
        if "react_agent" in d:
            return self.agent(name)
        g = StateGraph(
            schema("State", d["state"]),
            input_schema=schema("Input", d["state"], d.get("input")),
            output_schema=schema("Output", d["state"], d.get("output")),
        )
        for node, spec in d["nodes"].items():
            self.add_node(g, node, spec)
        for start, end in d.get("edges") or []:
            g.add_edge(start, end)
        for spec in d.get("conditional") or []:
            where = spec.get("map") or spec.get("targets")
            g.add_conditional_edges(spec["from"], self.route(spec), where)
        more = {}
        if name == "main":
            if d.get("checkpointer") is not False:
                more["checkpointer"] = self.saver
            if d.get("cache"):
                more["cache"] = PromptCache()
        if d.get("name") or name != "main":
            more["name"] = d.get("name") or name
        if "subgraph_checkpointer" in d:
            more["checkpointer"] = d["subgraph_checkpointer"]
        for key in ("interrupt_before", "interrupt_after"):
            if d.get(key):
                more[key] = d[key]
        return g.compile(**more)


# --- steps --------------------------------------------------------------------
class Steps:
    def __init__(self, trace):
        self.scenario = Scenario(trace["graphs"])
        self.graph = self.scenario.build("main")
        self.saved = {}

    def config(self, step):
        configurable = {"thread_id": step.get("thread", "t1")}
        configurable.update(step.get("configurable") or {})
        config = {"configurable": configurable, "recursion_limit": 25}
        if "recursion_limit" in step:
            config["recursion_limit"] = step["recursion_limit"]
        for key in ("metadata", "tags"):
            if key in step:
                config[key] = step[key]
        if step.get("run_id"):
            config["run_id"] = uuid.UUID(step["run_id"])
        return config

    async def reference(self, ref, config):
        if "$saved" in ref:
            return self.saved[ref["$saved"]]
        history = [s async for s in self.graph.aget_state_history(config)]
        return history[ref["$history"]["index"]].config

    async def input(self, step, config):
        data = step["input"]
        resume = None
        if isinstance(data, dict) and "$command" in data:
            resume = data["$command"].get("resume")
        if isinstance(resume, dict) and "$resume_map" in resume:
            state = await self.graph.aget_state(config)
            answers = {}
            for question, value in resume["$resume_map"].items():
                pending = [i for i in state.interrupts if i.value == question]
                answers[pending[0].id] = value
            data = {"$command": {**data["$command"], "resume": {"$lit": answers}}}
        return evaluate(data, self.scenario.env({}))

    async def inside(self, step, config):
        """The state of a task of the task... of the thread as it stands."""
        for index in step.get("inside", []):
            state = await self.graph.aget_state(config)
            config["configurable"].update(state.tasks[index].state["configurable"])
        return config

    async def at(self, step):
        config = await self.inside(step, self.config(step))
        if step.get("checkpoint"):
            found = await self.reference(step["checkpoint"], config)
            config["configurable"].update(found["configurable"])
        return config

    def run_options(self, step):
        keys = ("interrupt_before", "interrupt_after", "durability")
        return {k: step[k] for k in keys if k in step}

    async def stream(self, step, out):
        config = await self.at(step)
        subgraphs = step.get("subgraphs", True)
        out["events"] = []
        async for event in self.graph.astream(
            await self.input(step, config),
            config,
            stream_mode=step.get("modes", MODES),
            subgraphs=subgraphs,
            # as the server does: values and updates of the output's keys
            output_keys=self.scenario.graphs["main"].get("output"),
            **self.run_options(step),
        ):
            ns, mode, payload = event if subgraphs else (None, *event)
            # written down at once: payloads share objects that change later
            out["events"].append([ns, mode, plain(payload)])

    async def invoke(self, step, out):
        config = await self.at(step)
        out["output"] = await self.graph.ainvoke(
            await self.input(step, config), config, **self.run_options(step)
        )

    async def get_state(self, step, out):
        config = await self.at(step)
        state = await self.graph.aget_state(
            config, subgraphs=step.get("subgraphs", False)
        )
        out["state"] = state

    async def get_history(self, step, out):
        config = await self.at(step)
        more = {k: step[k] for k in ("limit", "filter") if k in step}
        if step.get("before"):
            more["before"] = await self.reference(step["before"], config)
        history = self.graph.aget_state_history(config, **more)
        out["history"] = [s async for s in history]

    async def update_state(self, step, out):
        config = await self.at(step)
        out["config"] = await self.graph.aupdate_state(
            config,
            evaluate(step["values"], self.scenario.env({})),
            as_node=step.get("as_node"),
        )
        if step.get("save_as"):
            self.saved[step["save_as"]] = out["config"]

    async def bulk_update(self, step, out):
        config = await self.at(step)
        env = self.scenario.env({})
        out["config"] = await self.graph.abulk_update_state(
            config,
            [
                [StateUpdate(evaluate(u["values"], env), u.get("as_node")) for u in s]
                for s in step["supersteps"]
            ],
        )

    async def get_graph(self, step, out):
        """Nodes by id and edges by their ends."""
        drawn = self.graph.get_graph(xray=step.get("xray", False)).to_json()
        edges = {}
        for e in drawn["edges"]:
            edge = edges[f"{e['source']} > {e['target']}"] = {"conditional": "conditional" in e}
            if "data" in e:
                edge["data"] = e["data"]
        nodes = {n["id"]: n.get("metadata", {}) for n in drawn["nodes"]}
        out["graph"] = {"nodes": nodes, "edges": edges}

    async def get_schemas(self, step, out):
        """Of each schema its keys with their types; a sum may be no whole number."""

        def kept(schema):
            kept = {k: schema[k] for k in ("title", "type") if k in schema}
            return {**kept, "type": "number"} if kept.get("type") == "integer" else kept

        schemas = {
            "input": self.graph.get_input_jsonschema(),
            "output": self.graph.get_output_jsonschema(),
            "state": TypeAdapter(self.graph.builder.state_schema).json_schema(),
        }
        for name in ("input", "output"):  # one class where they are the same
            if len(schemas[name]["properties"]) == len(schemas["state"]["properties"]):
                schemas[name]["title"] = "State"
        for schema in schemas.values():
            properties = schema.pop("properties")
            schema["properties"] = {k: kept(v) for k, v in properties.items()}
        out["schemas"] = {
            k: {**kept(v), "properties": v["properties"]} for k, v in schemas.items()
        }

    async def perform(self, step):
        out = {"step": step}
        try:
            await getattr(self, step["op"])(step, out)
        except Exception as error:  # any failure is part of what is recorded
            out["error"] = {"name": type(error).__name__, "message": str(error)}
        return plain(out)


# --- plain JSON ---------------------------------------------------------------
def plain_snapshot(s):
    return {
        "values": s.values,
        "next": list(s.next),
        "tasks": [plain_task(t) for t in s.tasks],
        "metadata": s.metadata,
        "config": s.config,
        "created_at": s.created_at,
        "parent_config": s.parent_config,
        "interrupts": list(s.interrupts),
    }


def plain_task(t):
    out = {"id": t.id, "name": t.name, "path": list(t.path)}
    out["interrupts"] = list(t.interrupts)
    for key in ("error", "state", "result"):
        if getattr(t, key) is not None:
            out[key] = getattr(t, key)
    return out


def plain(x):
    kind = type(x)
    if kind is str or kind is int or x is None:  # by far the most
        return x
    if kind is dict:
        return plain_dict(x)
    if kind is list or kind is tuple:
        return [plain(v) for v in x]
    return plain_other(x)


def plain_dict(x):
    return {
        str(k): plain(v)
        for k, v in x.items()
        if not (str(k).startswith("__pregel") or k == "callbacks")
    }


def plain_other(x):
    if isinstance(x, BaseMessage):
        return plain(x.model_dump())
    if isinstance(x, Interrupt):
        return {"value": plain(x.value), "id": x.id}
    if isinstance(x, Send):
        return {"node": x.node, "arg": plain(x.arg)}
    if isinstance(x, Overwrite):
        return {"__overwrite__": plain(x.value)}
    if isinstance(x, BaseException):
        return repr(x)
    if hasattr(x, "_fields") and hasattr(x, "values") and hasattr(x, "next"):
        return plain(plain_snapshot(x))
    if isinstance(x, dict):
        return plain_dict(x)
    if isinstance(x, (list, tuple, set)):
        return [plain(v) for v in x]
    if isinstance(x, uuid.UUID):
        return str(x)
    return x


HEX = "[0-9a-f]"
IDS = re.compile(
    rf"(?P<uuid>{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}})"
    rf"|(?P<xxh3>(?<!{HEX}){HEX}{{32}}(?!{HEX}))"
    r"|(?P<ts>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?)"
)


SHORTEST = len("2000-01-01T00:00:00")


def renumber(x, seen):
    """Ids by first appearance, as the recorded traces have them."""

    def one(m):
        if m["ts"]:
            return "<ts>"
        kind = "uuid" if m["uuid"] else "xxh3"
        if m[0].startswith(("00000000-", "11111111-")):
            return m[0]
        numbers = seen.setdefault(kind, {})
        return f"<{kind}:{numbers.setdefault(m[0], len(numbers) + 1)}>"

    if isinstance(x, str):
        return IDS.sub(one, x) if len(x) >= SHORTEST else x
    if isinstance(x, list):
        return [renumber(v, seen) for v in x]
    if isinstance(x, dict):
        return {renumber(k, seen): renumber(v, seen) for k, v in x.items()}
    return x


async def main(path):
    with open(path, encoding="utf-8") as f:
        trace = json.load(f)
    steps = Steps(trace)
    seen = {}
    results = []
    for recorded in trace["results"]:
        results.append(renumber(await steps.perform(recorded["step"]), seen))
    libraries = ("langgraph", "langchain-core", "langgraph-checkpoint")
    head = {
        "format": 1,
        "name": trace["name"],
        "about": "what Python LangGraph does with this trace's graph and steps",
        "library": {name: version(name) for name in libraries},
        "graphs": trace["graphs"],
    }
    print("{")
    for key, value in head.items():
        print(f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False)},")
    print('"results":[')
    for i, result in enumerate(results):
        last = "" if i + 1 == len(results) else ","
        print("  " + json.dumps(result, ensure_ascii=False) + last)
    print("]}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
