# SPDX-License-Identifier: Apache-2.0
"""The steps of a recorded trace, performed through a server with the SDK, and
what may be compared of what comes out."""

import json
import pathlib
import re
import sys

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Send
from langgraph_sdk import get_client

from .proc import ROOT

sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import expect  # noqa: E402

MODES = ["messages-tuple" if m == "messages" else m for m in expect.MODES]
CORE = ("source", "step", "parents")
PLACE = ("langgraph_step", "langgraph_node", "langgraph_path", "langgraph_checkpoint_ns")


class Unsupported(Exception):
    """A step that no request can express."""


def as_json(value):
    """Commands, sends and messages as a client writes them down."""
    if isinstance(value, Command):
        goto = value.goto if isinstance(value.goto, (list, tuple)) else [value.goto]
        out = {"resume": value.resume, "update": as_json(value.update),
               "goto": [as_json(g) for g in goto]}
        return {k: v for k, v in out.items() if v not in (None, [])}
    if isinstance(value, Send):
        return {"node": value.node, "input": as_json(value.arg)}
    if isinstance(value, BaseMessage):  # nobody writes down what is not there
        return {k: v for k, v in expect.plain(value).items() if v not in (None, [])}
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    return expect.plain(value)


class Served:
    """One trace on one server; as expect.Steps, but over HTTP."""

    def __init__(self, url, graph, trace):
        self.client, self.graph = get_client(url=url), graph
        self.scenario = expect.Scenario(trace["graphs"])
        self.threads, self.saved = {}, {}

    async def thread(self, step):
        name = step.get("thread", "t1")
        if name not in self.threads:
            self.threads[name] = (await self.client.threads.create(
                graph_id=self.graph))["thread_id"]
        return self.threads[name]

    async def at(self, step):
        """The checkpoint that the step names."""
        where = step.get("checkpoint")
        if where is None:
            return None
        if "$saved" in where:
            return self.saved[where["$saved"]]
        history = await self.client.threads.get_history(await self.thread(step), limit=1000)
        return history[where["$history"]["index"]]["checkpoint"]

    async def input(self, step):
        data = step["input"]
        resume = data.get("$command", {}).get("resume") if isinstance(data, dict) else None
        if isinstance(resume, dict) and "$resume_map" in resume:
            state = await self.client.threads.get_state(await self.thread(step))
            answers = {}
            for question, value in resume["$resume_map"].items():
                pending = [i for i in state["interrupts"] if i["value"] == question]
                answers[pending[0]["id"]] = value
            data = {"$command": {**data["$command"], "resume": {"$lit": answers}}}
        value = expect.evaluate(data, self.scenario.env({}))
        made = as_json(value)
        if isinstance(value, Command):
            if value.graph:
                raise Unsupported("a command to a parent")
            return {"command": made or {}}
        return {"input": made}

    async def run_options(self, step):
        config = {k: step[k] for k in ("recursion_limit", "metadata", "tags", "configurable")
                  if k in step}
        more = {k: step[k] for k in ("interrupt_before", "interrupt_after", "durability")
                if k in step}
        if step.get("run_id"):
            raise Unsupported("a run id of one's own")
        if (checkpoint := await self.at(step)) is not None:
            more["checkpoint"] = {k: v for k, v in checkpoint.items() if v is not None}
        return {**more, **({"config": config} if config else {}), **await self.input(step)}

    async def stream(self, step, out):
        thread, options = await self.thread(step), await self.run_options(step)
        out["events"] = []
        async for part in self.client.runs.stream(
                thread, self.graph, stream_mode=MODES,
                stream_subgraphs=step.get("subgraphs", True), **options):
            name, *ns = part.event.split("|")
            if name == "error":
                out["error"] = {"name": part.data["error"], "message": part.data["message"]}
            elif name != "metadata":
                out["events"].append([ns, name, part.data])

    async def invoke(self, step, out):
        thread, options = await self.thread(step), await self.run_options(step)
        out["output"] = await self.client.runs.wait(
            thread, self.graph, raise_error=False, **options)
        if isinstance(out["output"], dict) and "__error__" in out["output"]:
            error = out.pop("output")["__error__"]
            out["error"] = {"name": error["error"], "message": error["message"]}

    async def get_state(self, step, out):
        checkpoint = await self.at(step)
        out["state"] = await self.client.threads.get_state(
            await self.thread(step), checkpoint=checkpoint,
            subgraphs=step.get("subgraphs", False))

    async def get_history(self, step, out):
        before = None
        if step.get("before"):
            before = (await self.at({**step, "checkpoint": step["before"]}))["checkpoint_id"]
        more = {"metadata": step["filter"]} if "filter" in step else {}
        out["history"] = await self.client.threads.get_history(
            await self.thread(step), limit=step.get("limit", 1000),
            before=before and {"configurable": {"checkpoint_id": before}},
            checkpoint=await self.at(step), **more)

    async def update_state(self, step, out):
        values = as_json(expect.evaluate(step["values"], self.scenario.env({})))
        made = await self.client.threads.update_state(
            await self.thread(step), values, as_node=step.get("as_node"),
            checkpoint=await self.at(step))
        out["config"] = {}
        if step.get("save_as"):
            self.saved[step["save_as"]] = made["checkpoint"]

    async def bulk_update(self, step, out):
        raise Unsupported("several updates at once")

    async def perform(self, step):
        out = {"step": step}
        if "inside" in step:
            raise Unsupported("the state of a graph below the root")
        try:
            await getattr(self, step["op"])(step, out)
        except Unsupported:
            raise
        except Exception as error:
            out["error"] = {"name": type(error).__name__, "message": str(error)}
        return out


# --- what may be compared -------------------------------------------------------
def keep(mapping, keys):
    return {k: mapping[k] for k in keys if k in (mapping or {})}


def masked_task(task):
    """Of a task in a checkpoint; the place of its graph under one name."""
    out = {k: v for k, v in task.items()
           if k not in ("path", "checkpoint", "state") and v is not None}
    place = task.get("state") or task.get("checkpoint")
    if isinstance(place, dict):
        place = place.get("configurable") or place
        out["place"] = place.get("checkpoint_ns")
    out.setdefault("interrupts", [])
    return out


def masked_checkpoint(payload):
    config = (payload.get("config") or {}).get("configurable") or {}
    parent = (payload.get("parent_config") or {}).get("configurable") or {}
    places = ("checkpoint_ns", "checkpoint_id", "checkpoint_map")
    return {"values": payload["values"], "next": payload["next"],
            "metadata": keep(payload["metadata"], CORE),
            "config": keep(config, places), "parent": keep(parent, places),
            "tasks": [masked_task(t) for t in payload["tasks"]]}


def masked(mode, payload):
    if mode == "messages":
        return [payload[0], keep(payload[1], PLACE)]
    if mode == "checkpoints":
        return masked_checkpoint(payload)
    if mode == "tasks":
        return {k: v for k, v in payload.items() if k not in ("metadata", "triggers")}
    if mode == "debug":
        inner = "checkpoints" if payload["type"] == "checkpoint" else "tasks"
        return {**payload, "payload": masked(inner, payload["payload"])}
    return payload


def masked_state(state):
    return {"values": state["values"], "next": state["next"],
            "metadata": keep(state["metadata"], CORE),
            "tasks": [{k: v for k, v in masked_task(t).items() if k != "place"}
                      | ({"state": masked_state(t["state"])}
                         if isinstance(t.get("state"), dict) and "values" in t["state"] else {})
                      for t in state["tasks"]],
            "interrupts": state["interrupts"]}


def comparable(result):
    """A result in which what two runs need not share is gone."""
    out = {"op": result["step"]["op"]}
    if "error" in result:  # a request that is refused has another name for it
        runs = out["op"] in ("stream", "invoke")
        out["error"] = result["error"] if runs else True
    if "events" in result:
        out["events"] = [["|".join(ns or []), mode, masked(mode, payload)]
                         for ns, mode, payload in result["events"]]
    if "state" in result:
        out["state"] = masked_state(result["state"])
    if "history" in result:
        out["history"] = [masked_state(s) for s in result["history"]]
    if "output" in result:
        out["output"] = result["output"]
    return out


def by_message(fields):
    """A message whose unset fields are not told apart from those left out."""
    if isinstance(fields, dict):
        return {k: by_message(v) for k, v in fields.items()
                if not (("content" in fields or "tool_calls" in fields) and
                        (v is None or k == "example"))}
    if isinstance(fields, list):
        return [by_message(v) for v in fields]
    return fields


def says_nothing(event):
    """The empty chunk by which the library's models say that they are done."""
    _, mode, payload = event
    if mode != "messages" or payload[0].get("chunk_position") != "last":
        return False
    return not any(payload[0].get(k) for k in ("content", "tool_call_chunks", "usage_metadata"))


def without_last(results):
    return [{**r, "events": [e for e in r["events"] if not says_nothing(e)]}
            if "events" in r else r for r in results]


def numbered(results):
    """The ids by first appearance in what may be compared."""
    seen = {}
    return [expect.renumber(by_message(comparable(r)), seen) for r in results]


# --- tasks that run side by side --------------------------------------------------
ANY = re.compile(r"<(uuid|xxh3):\d+>")


def side_by_side(results):
    """Do several tasks run in one step? Then nobody can say who is first."""
    return any(e[1] == "checkpoints" and len(e[2]["next"]) > 1
               for r in results for e in r.get("events", ()))


def without_order(results):
    """What does not depend on it: the events between two checkpoints of the
    outermost graph as a set, ids not told apart, lists of messages and tasks
    in an order of their own."""
    return [unordered(json.loads(ANY.sub(r"<\1>", json.dumps(r)))) for r in results]


def unordered(result):
    events = result.get("events")
    if events is None:
        return in_own_order(result)
    groups = [[]]
    for event in events:
        if event[:2] == ["", "checkpoints"]:
            groups.append([])
        groups[-1].append(json.dumps(in_own_order(event), sort_keys=True))
    return {**in_own_order(result), "events": [sorted(g) for g in groups]}


def in_own_order(value):
    if isinstance(value, dict):
        return {k: in_own_order(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((in_own_order(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def first_difference(a, b, at=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in [*a, *(k for k in b if k not in a)]:
            if k not in a or k not in b:
                return f"{at}.{k}: {a.get(k, '(absent)')!r} | {b.get(k, '(absent)')!r}"
            if found := first_difference(a[k], b[k], f"{at}.{k}"):
                return found
        return None
    if isinstance(a, list) and isinstance(b, list):
        for i, (x, y) in enumerate(zip(a, b)):
            if found := first_difference(x, y, f"{at}[{i}]"):
                return found
        if len(a) != len(b):
            i = min(len(a), len(b))
            return f"{at}: {len(a)} | {len(b)}, then {(a[i:] or b[i:])[0]!r}"
        return None
    return None if a == b and type(a) is type(b) else f"{at}: {a!r} | {b!r}"


def distinct():
    """Each description with its steps once: name -> trace."""
    seen, out = set(), {}
    for (folder, stem), path in files().items():
        trace = json.loads(path.read_text())
        what = json.dumps([trace["graphs"], [r["step"] for r in trace["results"]]])
        if what not in seen:
            seen.add(what)
            out[re.sub(r"\W", "_", f"{folder}_{stem}")] = trace
    return out


def files():
    """The recorded traces by name, ours and those beside the checkout."""
    found = {}
    for folder in (*sorted((ROOT / "tests/golden/engine").iterdir()),
                   *sorted((ROOT.parent / "shared/recorded").glob("engine*"))):
        name = {"engine": "1.4.12", "engine-1.7.3": "1.7.3"}.get(folder.name, folder.name)
        for path in sorted(folder.glob("[0-9]*.json")) if folder.is_dir() else ():
            if not path.name.endswith(".expect.json"):
                found.setdefault((name, path.stem), path)
    return found


def write_project(folder, names):
    """A langgraph.json whose graphs are the traces' (see tests/python/traces)."""
    module = ROOT / "tests/python/traces/graphs.py"
    graphs = {name: f"{module}:t{name}" for name in names}
    path = pathlib.Path(folder) / "langgraph.json"
    path.write_text(json.dumps({"graphs": graphs}))
    return path
