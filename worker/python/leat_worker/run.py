# SPDX-License-Identifier: Apache-2.0
"""One attempt of one run, from RUN_START to the body of RUN_DONE."""

import asyncio
import contextlib
import dataclasses
import uuid

import langgraph.version
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command, Send

from . import emit, factory, log, plain, saver, view, wire
from .memory import MemorySaver

INTERRUPT, NO_WRITES = "__interrupt__", ("__interrupt__", "__error__", "__error_source_node__")


class Stopped(Exception):
    """The run was asked to stop; `why` is cancel, yield or fenced."""

    def __init__(self, why):
        super().__init__(why)
        self.why = why


# --- what the run is told -------------------------------------------------------
def command_of(given):
    goto = given.get("goto")
    if goto is not None and not isinstance(goto, list):
        goto = [goto]
    update = given.get("update")
    if isinstance(update, list) and all(
            isinstance(u, list) and len(u) == 2 and isinstance(u[0], str) for u in update):
        update = [tuple(u) for u in update]
    targets = [t if isinstance(t, str) else Send(t["node"], t.get("input", t.get("arg")))
               for t in goto or ()]
    return Command(update=update, goto=targets, resume=given.get("resume"))


def config_of(job, limit):
    given = job.kwargs.get("config") or {}
    configurable = {k: v for k, v in (given.get("configurable") or {}).items()
                    if not (k in ("checkpoint_id", "checkpoint_ns") and not v)}
    configurable |= {"thread_id": job.thread_id, "run_id": job.run_id}
    if isinstance(user := configurable.get("langgraph_auth_user"), dict):
        configurable["langgraph_auth_user"] = factory.User(user)
    metadata = {**(given.get("metadata") or {}), **job.metadata,
                "graph_id": job.graph_id, "assistant_id": job.assistant_id,
                "run_id": job.run_id, "thread_id": job.thread_id, "run_attempt": job.attempt,
                "langgraph_version": langgraph.version.__version__,
                "langgraph_plan": "developer", "langgraph_host": "self-hosted",
                "langgraph_api_url": None}
    config = {**given, "configurable": configurable, "metadata": metadata,
              "run_id": uuid.UUID(job.run_id)}
    if config.get("recursion_limit") is None:
        config["recursion_limit"] = limit
    return config


def durability_of(job, asked):
    """Of a run that is not stored nobody can read a checkpoint, unless it asks
    to be told of each: those between are not made."""
    if job.kwargs.get("durability"):
        return job.kwargs["durability"]
    if job.kwargs.get("checkpoint_during") is False:
        return "exit"
    unseen = not job.stored and not {"checkpoints", "debug"} & set(asked)
    return "exit" if unseen else "async"


class Job:
    """A run as RUN_START says it."""

    def __init__(self, key, run, thread, attempt, body):
        start = wire.unpack_map(body)
        self.key, self.attempt = key, attempt
        self.run_id, self.thread_id = wire.id_text(run), wire.id_text(thread)
        self.graph_id, self.assistant_id = start["graph_id"], start["assistant_id"]
        self.stored = bool(start["stored"])
        self.kwargs, self.metadata = start["kwargs"], start.get("metadata") or {}
        self.task = None
        self.streaming = False  # the graph runs: a stop cancels the task
        self.why = None         # it was asked to stop
        configurable = (self.kwargs.get("config") or {}).get("configurable") or {}
        self.bound = saver.Bound(key, self.run_id, self.thread_id,
                                 None if self.stored else MemorySaver(),
                                 configurable.get("langgraph_auth_user_id"))


# --- the run ------------------------------------------------------------------------
class Run:
    """`host` has put(), the registry, the saver and the store's calls."""

    def __init__(self, host, job):
        self.host, self.job = host, job
        self.emitter = emit.Emitter(job.kwargs.get("stream_mode") or ["values"])
        self.config = config_of(job, host.recursion_limit)
        self.graph = None
        self.told = None, b""  # the metadata of the message before, and its bytes

    async def execute(self):
        """Gives the body of RUN_DONE; raises Stopped when there is none."""
        saver.current.set(self.job.bound)
        await self.put("metadata", "", {"run_id": self.job.run_id, "attempt": self.job.attempt})
        error = cancelled = None
        async with contextlib.AsyncExitStack() as stack:
            try:
                try:
                    self.job.streaming = True
                    if self.job.why is not None:
                        raise asyncio.CancelledError
                    registry, id = self.host.registry, self.job.graph_id
                    self.graph = registry.graph(id) or await stack.enter_async_context(
                        registry.open(id, self.wish()))
                    await self.stream()
                finally:
                    self.job.streaming = False
                    await self.settle()
            except asyncio.CancelledError:
                cancelled = self.job.why
                if cancelled is None:
                    error = asyncio.CancelledError("the run was cancelled from inside")
            except saver.Fenced:
                raise Stopped("fenced") from None
            except (Exception, SystemExit, KeyboardInterrupt) as e:
                error = e
            if cancelled in ("yield", "fenced"):
                raise Stopped(cancelled)
            done = await self.finish(error, cancelled)
        return done

    def wish(self):
        return factory.Wish(self.config, factory.RUN, self.job.kwargs.get("context"))

    async def settle(self):
        """A stopped run has no thread at work any more, and all that was
        written is stored."""
        if self.job.why is not None:
            await self.job.bound.threads.none()
        if not self.job.stored or self.job.why == "fenced":
            return
        await asyncio.shield(self.host.flush(self.job.key))

    async def stream(self):
        kwargs = self.job.kwargs
        data, given = kwargs.get("input"), kwargs.get("command")
        if await self.went_before():
            data, given = None, None
            for key in ("checkpoint_id", "checkpoint_ns"):
                self.config["configurable"].pop(key, None)
        if given is not None:
            data = command_of(given)
        asked = self.job.kwargs.get("stream_mode") or ["values"]
        options = {"stream_mode": sorted(self.emitter.modes),
                   "subgraphs": bool(kwargs.get("subgraphs")),
                   "interrupt_before": kwargs.get("interrupt_before"),
                   "interrupt_after": kwargs.get("interrupt_after")}
        if kwargs.get("context") is not None:
            options["context"] = kwargs["context"]
        if not isinstance(self.graph, RemoteGraph):
            options["durability"] = durability_of(self.job, asked)
        if "events" in asked:
            await self.through_events(data, options)
        else:
            await self.through_modes(data, options)
        for name, ns, payload in self.emitter.on_end():
            await self.put(name, ns, payload)

    async def went_before(self):
        """Did an earlier attempt of this run leave something to go on from?"""
        if self.job.attempt <= 1 or not self.job.stored:
            return False
        where = {"configurable": {"thread_id": self.job.thread_id, "checkpoint_ns": ""}}
        found = await self.host.saver.aget_tuple(where)
        return found is not None and found.metadata.get("run_id") == self.job.run_id

    async def through_modes(self, data, options):
        if hasattr(self.graph, "output_channels"):
            options["output_keys"] = self.graph.output_channels
        stream = self.graph.astream(data, self.config, **options)
        async with contextlib.aclosing(stream):
            async for chunk in stream:
                await self.on_chunk(chunk, options["subgraphs"])

    async def through_events(self, data, options):
        if hasattr(self.graph, "output_channels"):
            options["output_keys"] = self.graph.output_channels
        stream = self.graph.astream_events(data, self.config, version="v2", **options)
        async with contextlib.aclosing(stream):
            async for event in stream:
                if "langsmith:hidden" in (event.get("tags") or ()):
                    continue
                own = event["event"] == "on_chain_stream" and event["run_id"] == self.job.run_id
                if own:
                    await self.on_chunk(event["data"]["chunk"], options["subgraphs"])
                else:
                    await self.put("events", "", event)

    async def on_chunk(self, chunk, subgraphs):
        ns, mode, payload = chunk if subgraphs else ((), *chunk)
        if mode == "messages" and self.emitter.only_tuples:
            await self.put_packed("messages", "|".join(ns), self.pack_message(*payload))
            return
        if self.job.stored and isinstance(payload, dict) and payload.get(INTERRUPT):
            await saver.settle()
            await self.host.flush(self.job.key)
        for event in self.emitter.on_chunk(ns, mode, payload):
            await self.put(*event)

    def pack_message(self, message, metadata):
        """All chunks of one answer have the same metadata: packed once."""
        if self.told[0] is not metadata:
            self.told = metadata, plain.pack(metadata)
        return b"\x92" + plain.pack(message) + self.told[1]

    async def put(self, name, ns, payload):
        await self.put_packed(name, ns, plain.pack(payload))

    async def put_packed(self, name, ns, payload):
        event = wire.event(name, ns, payload)
        while not self.host.put(self.job.key, event):
            await self.host.room(self.job.key)

    # --- the end ------------------------------------------------------------------------
    async def finish(self, error, cancelled):
        status = "error" if error else "interrupted" if cancelled else "success"
        done = {"status": status, **self.state()}
        if error is not None:
            told = {"error": type(error).__name__, "message": text_of(error)}
            log.info("run.failed", run=self.job.run_id, error=told["error"])
            await self.put("error", "", told)
            done |= {"error": told, "thread_status": "error"}
        elif cancelled:
            done["thread_status"] = "idle"
        await self.keep_views(error or cancelled or done["thread_status"] == "interrupted")
        await self.put("end", "", {"status": status})
        return done

    def state(self):
        """What the thread looks like, by the outermost loop."""
        root = self.job.bound.root
        if root is None:
            return {"thread_status": "idle"}
        tasks = getattr(root, "tasks", None) or {}
        waiting = bool(tasks) and root.status not in ("done",)
        written = {w[0] for w in root.checkpoint_pending_writes if w[1] not in NO_WRITES}
        interrupts = {}
        for task_id, channel, value in root.checkpoint_pending_writes:
            if channel == INTERRUPT and task_id in tasks and task_id not in written:
                listed = value if isinstance(value, (list, tuple)) else [value]
                interrupts[task_id] = [plain_interrupt(i) for i in listed]
        return {"thread_status": "interrupted" if waiting else "idle",
                "values": self.job.bound.shown, "interrupts": interrupts}

    async def keep_views(self, stays):
        """A run that stopped half way: its latest states are shown with what
        its finished tasks have written."""
        if not self.job.stored or not stays or self.job.bound.root is None:
            return
        where = {"configurable": {"thread_id": self.job.thread_id}}
        try:
            snapshot = await self.graph.aget_state(where, subgraphs=True)
            await self.keep_view(self.graph, snapshot)
            await self.host.flush(self.job.key)
        except saver.Fenced:
            raise Stopped("fenced") from None
        except Exception as e:  # a state that cannot be read: shown as it was stored
            log.debug("view.failed", run=self.job.run_id, error=e)

    async def keep_view(self, graph, snapshot):
        where = snapshot.config["configurable"]
        if snapshot.metadata is None or not where.get("checkpoint_id"):
            return
        await self.host.saver.put_view(
            self.job.thread_id, where.get("checkpoint_ns") or "", where["checkpoint_id"],
            view.of_snapshot(graph, snapshot))
        inner = dict(graph.get_subgraphs())
        for task in snapshot.tasks:
            if task.name in inner and hasattr(task.state, "tasks"):
                await self.keep_view(inner[task.name], task.state)


def plain_interrupt(interrupt):
    if dataclasses.is_dataclass(interrupt):
        return dataclasses.asdict(interrupt)
    return interrupt


def text_of(error):
    return str(error)
