# SPDX-License-Identifier: Apache-2.0
"""What `astream` gives, as the server's events: names, shapes, and which of
them this run asked for. Knows no sockets."""

from langchain_core.messages import BaseMessageChunk, message_chunk_to_message

# What the server says and what the library calls it.
MODES = {"values": "values", "updates": "updates", "messages": "messages",
         "messages-tuple": "messages", "custom": "custom", "tasks": "tasks",
         "checkpoints": "checkpoints", "debug": "debug"}
REF = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def is_config(state):
    return isinstance(state, dict) and isinstance(state.get("configurable"), dict)


def ref(config):
    """The checkpoint that a config names."""
    if not is_config(config):
        return None
    return {k: config["configurable"].get(k) for k in REF}


def without_private(config):
    if not is_config(config):
        return config
    kept = {k: v for k, v in config["configurable"].items() if not k.startswith("__")}
    return {"configurable": kept}


def task_with_ref(task):
    if isinstance(task.get("error"), BaseException):
        task = {**task, "error": repr(task["error"])}
    if not is_config(task.get("state")):
        return task
    rest = {k: v for k, v in task.items() if k != "state"}
    return {**rest, "checkpoint": ref(task["state"])}


def checkpoint(payload):
    own, parent = payload.get("config"), payload.get("parent_config")
    return {**payload, "config": without_private(own), "parent_config": without_private(parent),
            "tasks": [task_with_ref(t) for t in payload.get("tasks", ())],
            "checkpoint": ref(own), "parent_checkpoint": ref(parent)}


def task(payload):
    """A failure as text: nobody can raise it again."""
    if isinstance(payload.get("error"), BaseException):
        return {**payload, "error": repr(payload["error"])}
    return payload


def debug(payload):
    inner = checkpoint if payload.get("type") == "checkpoint" else task
    return {**payload, "payload": inner(payload["payload"])}


class Emitter:
    """Gives (name, namespace, payload) for each chunk of the engine."""

    def __init__(self, asked):
        self.asked = set(asked)
        self.modes = {MODES[m] for m in asked if m in MODES}
        self._interrupts = not self.asked & {"updates", "values"}
        if self._interrupts:  # the engine says them in these modes alone
            self.modes.add("updates")
        self._legacy = "messages" in self.asked
        self.only_tuples = "messages-tuple" in self.asked and not self._legacy
        self._messages = {}  # id -> the sum of its chunks; None: complete

    def on_chunk(self, ns, mode, chunk):
        name = "|".join(ns)
        if mode == "messages":
            yield from self._on_message(name, chunk)
        elif mode == "checkpoints" and mode in self.asked:
            yield mode, name, checkpoint(chunk)
        elif mode == "tasks" and mode in self.asked:
            yield mode, name, task(chunk)
        elif mode == "debug" and mode in self.asked:
            yield mode, name, debug(chunk)
        elif mode in self.asked:
            yield mode, name, chunk
        elif mode == "updates" and self._interrupts and isinstance(chunk, dict):
            if chunk.get("__interrupt__"):
                yield "values", name, chunk

    # --- messages -----------------------------------------------------------------
    def _on_message(self, ns, chunk):
        if "messages-tuple" in self.asked:
            yield "messages", ns, chunk
        if self._legacy:
            yield from self._on_legacy(ns, *chunk)

    def _on_legacy(self, ns, message, metadata):
        id = message.id
        if id not in self._messages:
            self._messages[id] = message
            yield "messages/metadata", ns, {id: {"metadata": metadata}}
        elif self._messages[id] is None:
            return
        else:
            self._messages[id] = self._messages[id] + message
        whole = self._messages[id]
        if not isinstance(message, BaseMessageChunk):
            self._messages[id] = None
            yield "messages/complete", ns, [as_whole(whole)]
            return
        yield "messages/partial", ns, [as_whole(whole)]
        if getattr(message, "chunk_position", None) == "last":
            self._messages[id] = None
            yield "messages/complete", ns, [as_whole(whole)]

    def on_end(self):
        """What streamed and never said that it was complete."""
        for whole in self._messages.values() if self._legacy else ():
            if whole is not None:
                yield "messages/complete", "", [as_whole(whole)]
        self._messages.clear()


def as_whole(message):
    return message_chunk_to_message(message) if isinstance(message, BaseMessageChunk) else message
