# SPDX-License-Identifier: Apache-2.0
"""Views: what readers need to show a checkpoint without its graph (docs/
protocol.md, "Storing"). They are made where the tasks of a step are planned,
inside LangGraph's loop, which is the only one to know them for every graph,
those that a node calls too. Where this version of the library has no such loop
the state is shown without tasks."""

import contextlib

import ormsgpack
from langgraph.pregel import main as pregel_main

from . import log, plain
from .saver import current

try:
    from langgraph._internal._constants import (
        CONF,
        CONFIG_KEY_CHECKPOINT_NS,
        NULL_TASK_ID,
        PUSH,
    )
    from langgraph.pregel._algo import prepare_next_tasks
    from langgraph.pregel._io import read_channels
    from langgraph.pregel._utils import find_subgraph_pregel
    from langgraph.channels.delta import DeltaChannel
    from langgraph.channels.untracked_value import UntrackedValue
except ImportError as e:  # another version inside
    prepare_next_tasks = None
    missing = e


def installed(saver, cast):
    """Makes every loop tell its views; `cast(bound, args)` sends one."""
    names = ("AsyncPregelLoop", "SyncPregelLoop")
    if prepare_next_tasks is None or not all(hasattr(pregel_main, n) for n in names):
        log.warn("views.off", why="this version of langgraph is built otherwise")
        return False
    for name in names:
        plain_loop = getattr(pregel_main, name)
        setattr(pregel_main, name, type(name, (Telling, plain_loop),
                                        {"leat_saver": saver, "leat_cast": staticmethod(cast)}))
    return True


class Telling:
    """Mixed into a loop."""

    leat_noted = None  # id of the checkpoint whose view is known

    def tick(self):
        planned = False
        try:
            more = super().tick()
            planned = self.status != "out_of_steps"
            return more
        except BaseException:
            planned = self.status == "interrupt_before"
            raise
        finally:
            if planned:
                self.leat_note(self.tasks)

    def _suppress_interrupt(self, *exc):
        if self.leat_noted != self.checkpoint["id"] and not isinstance(exc[1], GeneratorExit):
            self.leat_plan()
        bound = current.get()
        if bound is not None and bound.root is self and bound.memory is not None:
            self.durability = "sync"  # "exit" would store what nobody can read any more
        return super()._suppress_interrupt(*exc)

    def leat_plan(self):
        """The step that would come next, for a loop that does not go on."""
        try:
            self.tasks = self.leat_prepared(for_execution=True)
            self.leat_note(self.tasks)
        except Exception as e:  # what a node would refuse: told by the run; it is shown
            log.debug("view.failed", error=e)
            with contextlib.suppress(Exception):
                self.leat_note(self.leat_prepared(for_execution=False))

    def leat_prepared(self, for_execution):
        return prepare_next_tasks(
            self.checkpoint, self.checkpoint_pending_writes, self.nodes, self.channels,
            self.managed, self.config, self.step, self.stop, for_execution=for_execution,
            manager=None, store=self.store, checkpointer=self.checkpointer,
            trigger_to_nodes=self.trigger_to_nodes, updated_channels=self.updated_channels)

    def leat_note(self, tasks):
        bound = current.get()
        if bound is None or self.checkpointer is None:
            return
        conf = self.config[CONF]
        ns, id = conf.get(CONFIG_KEY_CHECKPOINT_NS) or "", self.checkpoint["id"]
        if conf.get("thread_id") != bound.thread_id:
            return
        self.leat_noted = id
        if not self.is_nested and ns == "":
            bound.root = self
            bound.shown = read_channels(self.channels, self.stream_keys)
        if bound.memory is not None:
            return
        commanded = any(w[0] == NULL_TASK_ID for w in self.checkpoint_pending_writes)
        before = bound.loaded.get((ns, id))
        if before is not None and not commanded:
            return  # its view is there
        view = self.leat_view(tasks, ns, commanded)
        if before:  # a command adds its values, the tasks are what they were
            view |= {k: before[k] for k in ("next", "tasks") if k in before}
        args = self.leat_saver.note_view(bound, ns, id, view)
        if args is not None:
            self.leat_cast(bound, args)

    def leat_view(self, tasks, ns, commanded):
        keys = self.stream_keys
        order = {name: i for i, name in enumerate(self.nodes)}
        in_order = sorted(tasks.values(), key=lambda t: (
            -1 if t.path[0] == PUSH else order.get(t.name, 0)))
        listed = []
        for task in in_order:
            entry = {"id": task.id, "name": task.name, "path": list(task.path)[:3]}
            if runs_graph(task, self.nodes):
                entry["ns"] = f"{ns}|{task.name}:{task.id}" if ns else f"{task.name}:{task.id}"
            listed.append(entry)
        view = {"keys": [keys] if isinstance(keys, str) else list(keys),
                "next": [t.name for t in in_order], "tasks": listed}
        by_itself = isinstance(keys, str) or any(map(self.leat_not_stored, keys))
        if commanded or by_itself:
            shown = ormsgpack.Fragment(plain.pack(read_channels(self.channels, keys)))
            view["base_values"] = shown
            if by_itself:
                view["values"] = shown
        return view

    def leat_not_stored(self, key):
        """Has the state something here that the checkpoint has not?"""
        channel = self.channels.get(key)
        if isinstance(channel, DeltaChannel):
            return True
        return (key not in self.checkpoint["channel_versions"] and channel is not None
                and not isinstance(channel, UntrackedValue) and channel.is_available())


def runs_graph(task, nodes):
    """`task` may be one that was planned only to be shown."""
    node = nodes.get(task.name)
    if getattr(task, "subgraphs", None):
        return True
    proc = getattr(task, "proc", None) or (node and node.bound)
    return proc is not None and find_subgraph_pregel(proc) is not None


def keys_of(graph):
    keys = graph.stream_channels_asis
    return [keys] if isinstance(keys, str) else list(keys)


def of_snapshot(graph, snapshot):
    """The view of a state that was read: the latest of its namespace, with the
    writes of its finished tasks applied."""
    ns = snapshot.config[CONF].get(CONFIG_KEY_CHECKPOINT_NS) or ""
    subgraphs = dict(graph.get_subgraphs())
    listed = []
    for task in snapshot.tasks:
        entry = {"id": task.id, "name": task.name, "path": list(task.path)[:3]}
        if task.name in subgraphs:
            entry["ns"] = f"{ns}|{task.name}:{task.id}" if ns else f"{task.name}:{task.id}"
        listed.append(entry)
    return {"keys": keys_of(graph), "next": [t.name for t in snapshot.tasks], "tasks": listed,
            "values": ormsgpack.Fragment(plain.pack(snapshot.values)),
            "applied_next": list(snapshot.next)}
