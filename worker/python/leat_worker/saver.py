# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in Leat's store, by calls that the wire carries to the vault.

A stored row has what docs/protocol.md says of `checkpoints_put`; beside it a
*view*, by which gateways show the state without the graph. What a checkpoint
has in Python and a row has no place for ("v", "updated_channels") stands in the
view. A channel that has not changed is not packed again: small ones are kept
packed, of large ones the row names the checkpoint that stored them.
"""

import asyncio
import collections
import contextvars
import inspect
import threading
import uuid

import ormsgpack
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    CheckpointTuple,
    get_checkpoint_metadata,
)

from . import plain

INLINE_BYTES = 512     # as STORE_INLINE_BYTES: larger ones lie beside the row
KNOWN_MAX = 64         # namespaces of a run remembered
UUID_SPACE = uuid.UUID("6c656174-0000-5000-8000-746872656164")

# The attempt in whose name calls are made; None: nobody's (state updates).
current = contextvars.ContextVar("leat_run", default=None)


class Refused(Exception):
    """The store did not do it; `code` is a name of errors.tbl.h."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Fenced(Refused):
    """The attempt has lost its lease: nothing more may be written."""


def thread_uuid(thread_id):
    """Threads are uuids in the store; another name stands for one of its own."""
    try:
        return str(uuid.UUID(str(thread_id)))
    except ValueError:
        return str(uuid.uuid5(UUID_SPACE, str(thread_id)))


def run_uuid(run_id):
    try:
        return str(uuid.UUID(str(run_id)))
    except ValueError:
        return None


class Known:
    """What the last checkpoint of a namespace was, as it was stored."""

    def __init__(self, id, versions, refs, small):
        self.id, self.versions, self.refs, self.small = id, versions, refs, small


class Threads:
    """How many threads execute nodes of a run."""

    def __init__(self):
        self._count, self._lock, self._waiting = 0, threading.Lock(), []

    def enter(self):
        with self._lock:
            self._count += 1

    def leave(self):
        with self._lock:
            self._count -= 1
            waiting, self._waiting = (self._waiting, []) if self._count == 0 else ([], self._waiting)
        for loop, future in waiting:
            loop.call_soon_threadsafe(lambda f=future: f.done() or f.set_result(None))

    async def none(self):
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._count == 0:
                return
            future = loop.create_future()
            self._waiting.append((loop, future))
        await future


class Bound:
    """What a saver remembers for one attempt of a run."""

    def __init__(self, key, run_id, thread_id, memory=None, owner=None):
        self.owner = owner                       # whose items its nodes see
        self.key, self.run_id, self.thread_id = key, run_id, thread_id
        self.memory = memory                     # of a run that is not stored
        self.threads = Threads()
        self.root = None                         # its outermost loop (view.py)
        self.shown = None                        # the state that loop last had
        self.known = collections.OrderedDict()   # namespace -> Known
        self.views = collections.OrderedDict()   # (ns, id) -> view not yet sent
        self.put = collections.OrderedDict()     # (ns, id) -> what its view keeps
        self.loaded = {}                         # (ns, id) that were there: view
        self.base = collections.OrderedDict()    # (ns, id) -> base_values of its view

    def remember(self, ns, known):
        self.known[ns] = known
        self.known.move_to_end(ns)
        while len(self.known) > KNOWN_MAX:
            self.known.popitem(last=False)


class VaultSaver(BaseCheckpointSaver):
    """`vault.call(key, op, args)` gives an awaitable of the packed result, and
    `vault.call_now` waits for it; both raise Refused."""

    def __init__(self, vault, codec):
        super().__init__(serde=codec.serde)
        self.vault, self.codec = vault, codec

    # --- places -----------------------------------------------------------------
    def _bound(self, thread_id):
        """The attempt that writes to this thread, if it is its own."""
        bound = current.get()
        return bound if bound is not None and bound.thread_id == thread_id else None

    def _memory(self, config):
        """The saver of a run that is not stored, on its own thread."""
        bound = current.get()
        if bound is None or bound.memory is None or config is None:
            return None
        thread_id = thread_uuid(config["configurable"]["thread_id"])
        return bound.memory if bound.thread_id == thread_id else None

    @staticmethod
    def _place(config):
        where = config["configurable"]
        return {"thread_id": thread_uuid(where["thread_id"]),
                "ns": where.get("checkpoint_ns") or ""}

    @staticmethod
    def _config(given, place, id):
        return {"configurable": {"thread_id": given["configurable"]["thread_id"],
                                 "checkpoint_ns": place["ns"], "checkpoint_id": id}}

    # --- writing -----------------------------------------------------------------
    def _split(self, bound, ns, checkpoint, parent):
        """The packed values of a put and its refs; `after`: what is known then."""
        before = bound.known.get(ns) if bound else None
        if before is not None and before.id != parent:
            before = None
        versions = checkpoint["channel_versions"]
        values, refs, large, small = {}, {}, {}, {}
        for channel, value in checkpoint["channel_values"].items():
            same = before is not None and before.versions.get(channel) == versions.get(channel)
            if same and channel in before.refs:
                values[channel], refs[channel] = None, before.refs[channel]
                large[channel] = refs[channel]
                continue
            packed = before.small.get(channel) if same else None
            packed = self.codec.dump(value) if packed is None else packed
            values[channel] = ormsgpack.Fragment(packed)
            if len(packed) > INLINE_BYTES:
                large[channel] = checkpoint["id"]
            else:
                small[channel] = packed
        return values, refs, Known(checkpoint["id"], dict(versions), large, small)

    def _put_args(self, config, checkpoint, metadata):
        place = self._place(config)
        bound = self._bound(place["thread_id"])
        parent = config["configurable"].get("checkpoint_id") or ""
        values, refs, after = self._split(bound, place["ns"], checkpoint, parent)
        keep = {"v": checkpoint.get("v")}
        if checkpoint.get("updated_channels") is not None:
            keep["updated"] = list(checkpoint["updated_channels"])
        at = (place["ns"], checkpoint["id"])
        view = bound.views.pop(at, None) if bound else None
        if bound is not None:
            bound.put[at] = keep
            while len(bound.put) > KNOWN_MAX:
                bound.put.popitem(last=False)
            bound.remember(place["ns"], after)
        metadata = get_checkpoint_metadata(config, metadata)
        run_id = bound.run_id if bound else run_uuid(metadata.get("run_id"))
        args = {**place, "id": checkpoint["id"], "parent_id": parent, "ts": checkpoint["ts"],
                "run_id": run_id, "values": values, "refs": refs,
                "versions": checkpoint["channel_versions"], "seen": checkpoint["versions_seen"],
                "metadata": metadata,
                "view": {**(view or {}), **keep}}
        return bound, place, plain.pack(args)

    def _writes_args(self, config, writes, task_id):
        place = self._place(config)
        listed = [[task_id, WRITES_IDX_MAP.get(channel, i), channel,
                   ormsgpack.Fragment(self.codec.dump(value))]
                  for i, (channel, value) in enumerate(writes)]
        args = {**place, "checkpoint_id": config["configurable"]["checkpoint_id"],
                "writes": listed}
        return self._bound(place["thread_id"]), place, plain.pack(args)

    async def _write(self, bound, place, op, args):
        key = bound.key if bound else 0
        for attempt in (0, 1):
            try:
                await self.vault.call(key, op, args)
                return
            except Refused as e:
                if bound is not None or e.code != "not_found" or attempt:
                    raise
                await self.vault.call(0, "threads_create",
                                      plain.pack({"thread_id": place["thread_id"]}))

    async def aput(self, config, checkpoint, metadata, new_versions):
        if (memory := self._memory(config)) is not None:
            return memory.put(config, checkpoint, metadata, new_versions)
        bound, place, args = self._put_args(config, checkpoint, metadata)
        await self._write(bound, place, "checkpoints_put", args)
        return self._config(config, place, checkpoint["id"])

    async def aput_writes(self, config, writes, task_id, task_path=""):
        if (memory := self._memory(config)) is not None:
            memory.put_writes(config, writes, task_id)
            return
        bound, place, args = self._writes_args(config, writes, task_id)
        await self._write(bound, place, "checkpoints_put_writes", args)

    # Each loop looks at it: this way it is there.
    aput_writes.__signature__ = inspect.signature(aput_writes)

    # --- views --------------------------------------------------------------------
    def note_view(self, bound, ns, id, view):
        """The view of a checkpoint of this attempt: goes with its put if that is
        still to come. Gives what is to be sent now, or None."""
        keep = bound.put.get((ns, id))
        if "base_values" in view:
            bound.base[ns, id] = view["base_values"]
            while len(bound.base) > KNOWN_MAX:
                bound.base.popitem(last=False)
        if keep is None:
            bound.views[ns, id] = view
            while len(bound.views) > KNOWN_MAX:
                bound.views.popitem(last=False)
            return None
        return plain.pack({"thread_id": bound.thread_id, "ns": ns, "checkpoint_id": id,
                           "view": {**view, **keep}})

    async def put_view(self, thread_id, ns, id, view):
        """Replaces the view of a stored checkpoint; keeps what it must."""
        bound = self._bound(thread_id)
        place = {"thread_id": thread_id, "ns": ns}
        keep = bound.put.get((ns, id)) if bound else None
        if keep is None:
            row = await self._load(place, id)
            keep = {k: v for k, v in ((row or {}).get("view") or {}).items()
                    if k in ("v", "updated")}
        view = {**view, **keep}
        if bound is not None and "base_values" not in view:
            base = bound.base.get((ns, id), bound.loaded.get((ns, id), {}).get("base_values"))
            view |= {} if base is None else {"base_values": base}
        args = plain.pack({**place, "checkpoint_id": id, "view": view})
        await self.vault.call(bound.key if bound else 0, "checkpoints_put_view", args)

    # --- reading --------------------------------------------------------------------
    async def _load(self, place, id):
        bound = self._bound(place["thread_id"])
        args = plain.pack({**place, **({"id": id} if id else {})})
        result = await self.vault.call(bound.key if bound else 0, "checkpoints_load", args)
        return self._row(result)

    def _row(self, result):
        return ormsgpack.unpackb(result, ext_hook=self.codec._hook)["checkpoint"]

    def _tuple(self, config, place, row):
        view = row.get("view") or {}
        checkpoint = {"v": view.get("v") or 1, "id": row["id"], "ts": row["ts"],
                      "channel_values": row["values"] or {},
                      "channel_versions": row["versions"] or {},
                      "versions_seen": row["seen"] or {},
                      "updated_channels": view.get("updated")}
        bound = self._bound(place["thread_id"])
        if bound is not None:
            known = Known(row["id"], dict(checkpoint["channel_versions"]), row["refs"] or {}, {})
            bound.remember(place["ns"], known)
            bound.loaded[place["ns"], row["id"]] = view
            bound.put[place["ns"], row["id"]] = {k: view[k] for k in ("v", "updated")
                                                 if view.get(k) is not None}
        parent = row["parent_id"]
        return CheckpointTuple(
            self._config(config, place, row["id"]), checkpoint, row["metadata"] or {},
            self._config(config, place, parent) if parent else None,
            [(task, channel, value) for task, _, channel, value in row["writes"]])

    async def aget_tuple(self, config):
        if (memory := self._memory(config)) is not None:
            return memory.get_tuple(config)
        place = self._place(config)
        row = await self._load(place, config["configurable"].get("checkpoint_id"))
        return self._tuple(config, place, row) if row else None

    def _list_args(self, config, filter, before, limit):
        if config is None or not config.get("configurable", {}).get("thread_id"):
            raise ValueError("checkpoints are listed thread by thread: thread_id is needed")
        args = self._place(config)
        if id := config["configurable"].get("checkpoint_id"):
            args["id"] = id
        if before and (id := before["configurable"].get("checkpoint_id")):
            args["before"] = id
        if filter:
            args["metadata"] = filter
        if limit is not None:
            args["limit"] = limit
        return args

    async def alist(self, config, *, filter=None, before=None, limit=None):
        if (memory := self._memory(config)) is not None:
            for one in memory.list(config, filter=filter, before=before, limit=limit):
                yield one
            return
        args = self._list_args(config, filter, before, limit)
        if limit == 0:
            return
        result = await self.vault.call(0, "checkpoints_list", plain.pack(args))
        rows = ormsgpack.unpackb(result, ext_hook=self.codec._hook)["checkpoints"]
        place = {"thread_id": args["thread_id"], "ns": args["ns"]}
        token = current.set(None)
        try:
            found = [self._tuple(config, place, row) for row in rows]
        finally:
            current.reset(token)
        for one in found:
            yield one

    # --- threads ------------------------------------------------------------------------
    async def adelete_thread(self, thread_id):
        await self._quietly("threads_delete", {"thread_id": thread_uuid(thread_id)})

    async def adelete_for_runs(self, run_ids):
        for run_id in run_ids:
            await self._quietly("checkpoints_delete_run", {"run_id": str(run_id)})

    async def acopy_thread(self, source_thread_id, target_thread_id):
        source, target = thread_uuid(source_thread_id), thread_uuid(target_thread_id)
        await self._quietly("threads_copy", {"from": source, "to": target})

    async def aprune(self, thread_ids, *, strategy="keep_latest"):
        op = {"keep_latest": "threads_prune", "delete": "threads_delete"}.get(strategy)
        if op is None:
            raise ValueError(f"no prune strategy {strategy!r}")
        for thread_id in thread_ids:
            await self._quietly(op, {"thread_id": thread_uuid(thread_id)})

    async def _quietly(self, op, args):
        """What is not there is as it should be."""
        try:
            await self.vault.call(0, op, plain.pack(args))
        except Refused as e:
            if e.code != "not_found":
                raise

    # --- the same from other threads, or from a node that does not await -------------------
    def get_tuple(self, config):
        return self.vault.wait(self.aget_tuple(config))

    def list(self, config, *, filter=None, before=None, limit=None):
        async def all_of_them():
            return [t async for t in self.alist(config, filter=filter, before=before,
                                                limit=limit)]
        yield from self.vault.wait(all_of_them())

    def put(self, config, checkpoint, metadata, new_versions):
        return self.vault.wait(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(self, config, writes, task_id, task_path=""):
        self.vault.wait(self.aput_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id):
        self.vault.wait(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids):
        self.vault.wait(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id, target_thread_id):
        self.vault.wait(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids, *, strategy="keep_latest"):
        self.vault.wait(self.aprune(thread_ids, strategy=strategy))


async def settle():
    """Lets what the graph has just submitted reach the saver."""
    for _ in range(3):
        await asyncio.sleep(0)
