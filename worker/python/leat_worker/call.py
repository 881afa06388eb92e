# SPDX-License-Identifier: Apache-2.0
"""What gateways ask of a graph beside runs (docs/protocol.md, section 7)."""

import contextlib
import typing
from typing import Any

import typing_extensions
from langgraph.types import Command, StateUpdate
from pydantic import TypeAdapter, create_model

from . import factory, load, log, saver, view
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


def bare(hint):
    """A field's type without whether it must be there."""
    required = (typing.Required, typing.NotRequired, typing_extensions.Required,
                typing_extensions.NotRequired) if hasattr(typing, "Required") else (
                typing_extensions.Required, typing_extensions.NotRequired)
    return hint.__args__[0] if typing.get_origin(hint) in required else hint


def typed_dict_schema(kind):
    """Of a `typing.TypedDict`, which pydantic reads from Python 3.12 on."""
    if not typing_extensions.is_typeddict(kind):
        return None
    fields = {}
    for key, hint in typing_extensions.get_type_hints(kind, include_extras=True).items():
        hint = bare(hint)
        try:
            TypeAdapter(hint).json_schema()
        except Exception:  # a type that JSON Schema has no word for
            hint = Any
        there = key in kind.__required_keys__
        fields[key] = hint if there else typing_extensions.NotRequired[hint]
    return TypeAdapter(typing_extensions.TypedDict(kind.__name__, fields)).json_schema()


def schemas_of(graph):
    builder = getattr(graph, "builder", None)
    ways = {"input_schema": (graph.get_input_jsonschema, getattr(builder, "input_schema", None)),
            "output_schema": (graph.get_output_jsonschema, getattr(builder, "output_schema", None)),
            "state_schema": (lambda: state_schema(graph), None),
            "config_schema": (graph.get_config_jsonschema, None),
            "context_schema": (graph.get_context_jsonschema, graph.context_schema)}
    out = {}
    for name, (way, kind) in ways.items():
        out[name] = None
        for attempt in (way, lambda kind=kind: typed_dict_schema(kind)):
            with contextlib.suppress(Exception):
                out[name] = attempt()
                break
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
        access = factory.UPDATE if ask.op == "update_state" else factory.READ
        async with host.registry.open(ask.graph_id, factory.Wish(config, access)) as ask.graph:
            return {"result": await way(ask)}
    except (Bad, saver.Refused) as e:
        code, text = e.code, str(e)
    except load.GraphLoadError as e:
        code, text = "graph", str(e)
    except Exception as e:
        code, text = "graph", f"{type(e).__name__}: {e}"
    log.warn("call.failed", op=ask.op, graph=ask.graph_id, why=text)
    return {"code": code, "text": text}
