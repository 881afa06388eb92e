# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of one run that is not stored: they live as long as it does.
Values are shared, not copied: nobody else sees them."""

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    CheckpointTuple,
    get_checkpoint_metadata,
)


def copied(checkpoint):
    """A checkpoint whose maps may be changed."""
    return {**checkpoint, "channel_values": dict(checkpoint["channel_values"]),
            "channel_versions": dict(checkpoint["channel_versions"]),
            "versions_seen": {k: dict(v) for k, v in checkpoint["versions_seen"].items()}}


class MemorySaver(BaseCheckpointSaver):
    def __init__(self):
        super().__init__()
        self._rows = {}    # namespace -> id -> (checkpoint, metadata, parent)
        self._writes = {}  # (namespace, id) -> (task, index) -> (task, channel, value)

    @staticmethod
    def _config(config, ns, id):
        return {"configurable": {"thread_id": config["configurable"]["thread_id"],
                                 "checkpoint_ns": ns, "checkpoint_id": id}}

    def _tuple(self, config, ns, id):
        checkpoint, metadata, parent = self._rows[ns][id]
        return CheckpointTuple(
            self._config(config, ns, id), copied(checkpoint), metadata,
            self._config(config, ns, parent) if parent else None,
            list(self._writes.get((ns, id), {}).values()))

    def get_tuple(self, config):
        ns = config["configurable"].get("checkpoint_ns") or ""
        rows = self._rows.get(ns)
        id = config["configurable"].get("checkpoint_id") or (max(rows) if rows else None)
        return self._tuple(config, ns, id) if rows and id in rows else None

    def list(self, config, *, filter=None, before=None, limit=None):
        ns = config["configurable"].get("checkpoint_ns") or ""
        only = config["configurable"].get("checkpoint_id")
        below = before["configurable"].get("checkpoint_id") if before else None
        for id in sorted(self._rows.get(ns, ()), reverse=True):
            metadata = self._rows[ns][id][1]
            if only and id != only or below and id >= below:
                continue
            if any(metadata.get(k) != v for k, v in (filter or {}).items()):
                continue
            if limit is not None:
                if limit <= 0:
                    return
                limit -= 1
            yield self._tuple(config, ns, id)

    def put(self, config, checkpoint, metadata, new_versions):
        where = config["configurable"]
        ns = where.get("checkpoint_ns") or ""
        self._rows.setdefault(ns, {})[checkpoint["id"]] = (
            copied(checkpoint), get_checkpoint_metadata(config, metadata),
            where.get("checkpoint_id"))
        return self._config(config, ns, checkpoint["id"])

    def put_writes(self, config, writes, task_id, task_path=""):
        where = config["configurable"]
        at = (where.get("checkpoint_ns") or "", where["checkpoint_id"])
        kept = self._writes.setdefault(at, {})
        for i, (channel, value) in enumerate(writes):
            key = (task_id, WRITES_IDX_MAP.get(channel, i))
            if key[1] < 0 or key not in kept:
                kept[key] = (task_id, channel, value)

    def delete_thread(self, thread_id):
        self._rows.clear()
        self._writes.clear()

    async def aget_tuple(self, config):
        return self.get_tuple(config)

    async def alist(self, config, *, filter=None, before=None, limit=None):
        for one in self.list(config, filter=filter, before=before, limit=limit):
            yield one

    async def aput(self, config, checkpoint, metadata, new_versions):
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config, writes, task_id, task_path=""):
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id):
        self.delete_thread(thread_id)
