# SPDX-License-Identifier: Apache-2.0
"""What gateways ask of a graph beside runs (docs/protocol.md, section 7)."""

import contextlib
from typing import Any

from langgraph.types import Command, StateUpdate
from pydantic import create_model

from . import load, log, saver, view
from .run import command_of


class Bad(Exception):
    """The question cannot be answered; `code` is a name of errors.tbl.h."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


# --- schemas and drawings ---------------------------------------------------------
def state_schema(graph):
    fields = {}
    for key in graph.stream_channels_list:
        kind = graph.channels[key].UpdateType
        try:
            create_model(key, **{key: (kind, None)}).model_json_schema()
        except Exception:  # a type that JSON Schema has no word for
            kind = Any
        fields[key] = (kind, None)
    return create_model(graph.get_name("State"), **fields).model_json_schema()


def schemas_of(graph):
    ways = {"input_schema": graph.get_input_jsonschema,
            "output_schema": graph.get_output_jsonschema,
            "state_schema": lambda: state_schema(graph),
            "config_schema": graph.get_config_jsonschema,
            "context_schema": graph.get_context_jsonschema}
    out = {}
    for name, way in ways.items():
        out[name] = None
        with contextlib.suppress(Exception):
            out[name] = way()
    return out


async def schemas(ask):
    return {"graph_id": ask.graph_id, **schemas_of(ask.graph)}


async def subgraphs(ask):
    only, recurse = ask.args.get("namespace"), bool(ask.args.get("recurse"))
    return {ns: schemas_of(inner)
            async for ns, inner in ask.graph.aget_subgraphs(namespace=only, recurse=recurse)}


async def draw(ask):
    xray = ask.args.get("xray") or False
    if isinstance(xray, int) and xray < 0:
        raise Bad("invalid", f"xray: {xray} is below 0")
    try:
        drawn = (await ask.graph.aget_graph(xray=xray)).to_json()
    except NotImplementedError:
        raise Bad("unsupported", "The graph does not support visualization") from None
    for node in drawn.get("nodes", ()):
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)
    return drawn


# --- state ------------------------------------------------------------------------
def update_of(given):
    values, as_node = given.get("values"), given.get("as_node")
    if isinstance(given.get("command"), dict):
        values = command_of(given["command"])
    elif (isinstance(values, list) and values and as_node != "__copy__"
            and all(isinstance(v, dict) for v in values)):
        values = [Command(update=v) for v in values]
    return StateUpdate(values, as_node)


async def update_state(ask):
    """Makes the checkpoints, then the views of those it made."""
    if ask.thread_id is None:
        raise Bad("invalid", "an update needs a thread")
    args = ask.args
    where = {"thread_id": ask.thread_id, "checkpoint_ns": args.get("checkpoint_ns") or ""}
    if args.get("checkpoint_id"):
        where["checkpoint_id"] = args["checkpoint_id"]
    config = {"configurable": where, "metadata": args.get("metadata") or {}}
    steps = [[update_of(u) for u in step] for step in args["supersteps"]]
    try:
        made = await ask.graph.abulk_update_state(config, steps)
    except saver.Refused:
        raise
    except Exception as e:
        raise Bad("bad_request", f"{type(e).__name__}: {e}") from e
    await keep_views(ask, made, len(steps))
    places = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")
    made = made["configurable"]
    return {"checkpoint": {k: made[k] for k in places if k in made}}


async def keep_views(ask, config, count):
    for _ in range(count):
        snapshot = await ask.graph.aget_state(config)
        where = snapshot.config["configurable"]
        if snapshot.metadata is None:
            return
        ns = where.get("checkpoint_ns") or ""
        graph = ask.graph
        if ns:
            path = "|".join(p.split(":")[0] for p in ns.split("|") if not p.isdigit())
            found = [g async for _, g in graph.aget_subgraphs(namespace=path, recurse=True)]
            graph = found[0] if found else graph
        made = view.of_snapshot(graph, snapshot)
        made["base_values"] = made["values"]
        latest = await ask.graph.aget_state({"configurable": {
            "thread_id": ask.thread_id, "checkpoint_ns": ns}})
        if latest.config["configurable"].get("checkpoint_id") == where["checkpoint_id"]:
            shown = view.of_snapshot(graph, latest)
            made |= {k: shown[k] for k in ("values", "applied_next")}
        await ask.host.saver.put_view(ask.thread_id, ns, where["checkpoint_id"], made)
        if snapshot.parent_config is None:
            return
        config = snapshot.parent_config


OPS = {"draw": draw, "schemas": schemas, "subgraphs": subgraphs, "update_state": update_state}


class Ask:
    def __init__(self, host, thread_id, body):
        self.host, self.thread_id = host, thread_id
        self.graph_id, self.op = body["graph_id"], body["op"]
        self.args = body.get("args") or {}
        self.config = body.get("config") or {}
        self.graph = None


async def answer(host, thread_id, body):
    """The body of CALL_DONE."""
    ask = Ask(host, thread_id, body)
    way = OPS.get(ask.op)
    try:
        if way is None:
            raise Bad("unsupported", "This worker does not know the op.")
        config = {**ask.config, "configurable": ask.config.get("configurable") or {}}
        async with host.registry.open(ask.graph_id, config) as ask.graph:
            return {"result": await way(ask)}
    except (Bad, saver.Refused) as e:
        code, text = e.code, str(e)
    except load.GraphLoadError as e:
        code, text = "graph", str(e)
    except Exception as e:
        code, text = "graph", f"{type(e).__name__}: {e}"
    log.warn("call.failed", op=ask.op, graph=ask.graph_id, why=text)
    return {"code": code, "text": text}
