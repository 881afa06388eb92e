# SPDX-License-Identifier: Apache-2.0
"""Counts in how many cases each feature really happened: not that a graph has
an edge that waits, but that a run went over it."""
import json


class Facts:
    """What a trace says about itself."""

    def __init__(self, trace):
        self.graphs = trace["graphs"].values()
        self.results = trace["results"]
        self.steps = [r["step"] for r in self.results]
        self.runs = [r for r in self.results if r.get("events")]
        self.events = [e for r in self.runs for e in r["events"]]
        self.starts = self.payloads("tasks", lambda p: "result" not in p)
        self.ends = self.payloads("tasks", lambda p: "result" in p)
        self.updates = self.payloads("updates", lambda p: True)
        self.nodes = {n: s for g in self.graphs for n, s in g["nodes"].items()}
        self.ran = {p["name"] for p in self.starts}
        self.inputs = [s.get("input") for s in self.steps]
        self.commands = [i["$command"] for i in self.inputs if i and "$command" in i]
        self.text = json.dumps(self.inputs + [s.get("values") for s in self.steps])
        # what nodes that ran do
        self.done = json.dumps([self.nodes[n] for n in self.ran if n in self.nodes])

    def payloads(self, mode, wanted):
        return [p for _, m, p in self.events if m == mode and wanted(p)]

    def keys(self, reducer):
        """Was a key of this kind written, or brought by an input?"""
        keys = {k for g in self.graphs for k, r in g["state"].items() if r == reducer}
        written = {k for p in self.ends for k in p["result"]}
        return bool(keys & (written | {k for i in self.inputs if i for k in i}))

    def ran_with(self, key, value=None):
        """Did a node run whose description has this?"""
        specs = [self.nodes[n] for n in self.ran if n in self.nodes]
        return any(key in s and value in (None, s[key]) for s in specs)

    def depth(self):
        return max([len(ns or []) for ns, _, _ in self.events], default=0)

    def at_once(self):
        """The most tasks that began in one step of a graph."""
        most, steps = 0, {}
        for ns, mode, payload in self.events:
            key = "|".join(ns or [])
            if mode == "checkpoints":
                steps[key] = 0
            elif mode == "tasks" and "result" not in payload:
                steps[key] = steps.get(key, 0) + 1
                most = max(most, steps[key])
        return most

    def joined(self):
        ends = {e for g in self.graphs for s, e in g.get("edges", []) if isinstance(s, list)}
        return bool(ends & self.ran)

    def looped(self):
        for run in self.runs:
            names = [(str(ns), p["name"]) for ns, m, p in run["events"]
                     if m == "tasks" and "result" not in p and "__pregel_push" not in p["triggers"]]
            if len(set(names)) < len(names):
                return True
        return False

    def asked(self, nested):
        return any("__interrupt__" in p and p["__interrupt__"] and bool(ns) == nested
                   for ns, m, p in self.events if m == "updates")

    def stopped(self):
        return any(p.get("__interrupt__") == [] for p in self.updates)

    def resumed(self, of_map):
        answers = [c["resume"] for c in self.commands if "resume" in c]
        return any(("$resume_map" in str(a)) == of_map for a in answers)

    def failed(self, name):
        return any(r.get("error", {}).get("name") == name for r in self.results)

    def op(self, name, **fields):
        return any(s["op"] == name and all(s.get(k) == v for k, v in fields.items())
                   for s in self.steps)

    def has(self, key):
        return any(key in s for s in self.steps)

    def said(self, kind):
        return any(p[0].get("type") == kind for p in self.payloads("messages", lambda p: True))

    def wins_at_last(self):
        """A node with retries that threw and then ended well."""
        good = {p["name"] for p in self.ends if p["error"] is None and not p["interrupts"]}
        return any("when" in str(self.nodes[n]) and "retry" in self.nodes[n]
                   for n in good if n in self.nodes)


ROWS = {
    **{f"channel {r}": (lambda f, r=r: f.keys(r)) for r in (
        "last", "append", "append_nodefault", "sum", "messages", "untracked", "topic",
        "topic_accumulate", "ephemeral", "any")},
    "fan-out": lambda f: f.at_once() > 1,
    "fan-out of four or more": lambda f: f.at_once() > 3,
    "waiting edge": Facts.joined,
    "loop": Facts.looped,
    "conditional edge": lambda f: any(g.get("conditional") for g in f.graphs),
    "conditional edge with map": lambda f: '"map"' in json.dumps(list(f.graphs)),
    "send": lambda f: any(p["triggers"] == ["__pregel_push"] for p in f.starts),
    "command with update": lambda f: '"$command": {"update"' in f.done,
    "command with goto": lambda f: '"goto"' in f.done,
    "command for the parent": lambda f: '"PARENT"' in f.done,
    "graph in a graph": lambda f: f.depth() > 0,
    "graph in a graph in a graph": lambda f: f.depth() > 1,
    "graph called in a node": lambda f: "call_graph" in f.done,
    "own memory": lambda f: any(g.get("subgraph_checkpointer") is True for g in f.graphs),
    "no memory": lambda f: any(g.get("subgraph_checkpointer") is False for g in f.graphs),
    "no checkpointer": lambda f: any(g.get("checkpointer") is False for g in f.graphs),
    "interrupt inside a node": lambda f: f.asked(False),
    "interrupt inside a nested graph": lambda f: f.asked(True),
    "static interrupt": Facts.stopped,
    "static interrupt of a run": lambda f: f.has("interrupt_before") or f.has("interrupt_after"),
    "resume with one value": lambda f: f.resumed(False),
    "resume with a map": lambda f: f.resumed(True),
    "resume with an update": lambda f: any({"resume", "update"} <= set(c) for c in f.commands),
    "resume with a goto": lambda f: any({"resume", "goto"} <= set(c) for c in f.commands),
    "command as input": lambda f: any("resume" not in c for c in f.commands),
    "update_state": lambda f: f.op("update_state"),
    "update_state as inferred": lambda f: any(
        s["op"] == "update_state" and "as_node" not in s for s in f.steps),
    "update_state as __end__": lambda f: f.op("update_state", as_node="__end__"),
    "update_state as __copy__": lambda f: f.op("update_state", as_node="__copy__"),
    "update_state as __input__": lambda f: f.op("update_state", as_node="__input__"),
    "update_state with a command": lambda f: any(
        "$command" in str(s.get("values")) for s in f.steps),
    "bulk update": lambda f: f.op("bulk_update"),
    "state of a nested graph": lambda f: f.op("get_state") and f.has("inside"),
    "update of a nested graph": lambda f: any(
        "inside" in s and s["op"] == "update_state" for s in f.steps),
    "fork": lambda f: f.has("save_as"),
    "run from a fork": lambda f: "$saved" in json.dumps([s.get("checkpoint") for s in f.steps]),
    "replay": lambda f: any("$history" in str(s.get("checkpoint")) and s["op"] == "stream"
                            for s in f.steps),
    "failing node": lambda f: any(p["error"] for p in f.ends),
    "failing node in a nested graph": lambda f: any(
        ns and m == "tasks" and p.get("error") for ns, m, p in f.events),
    "retry that ends well": Facts.wins_at_last,
    "streaming model": lambda f: f.said("AIMessageChunk"),
    "tool call": lambda f: f.said("tool"),
    "message removed": lambda f: '"remove"' in f.done + f.text,
    "all messages removed": lambda f: "__remove_all__" in f.done + f.text,
    "message from a text or a pair": lambda f: '"role"' in f.done + f.text,
    "defer": lambda f: f.ran_with("defer", True),
    "cache hit": lambda f: any(
        "__metadata__" in p and f.nodes.get(next(iter(p)), {}).get("cache") for p in f.updates),
    "drawing": lambda f: f.op("get_graph"),
    "nodes that sleep": lambda f: '"sleep"' in f.done,
    "durability sync": lambda f: any(s.get("durability") == "sync" for s in f.steps),
    "durability exit": lambda f: any(s.get("durability") == "exit" for s in f.steps),
    "recursion limit": lambda f: f.failed("GraphRecursionError"),
    "overwrite": lambda f: "$overwrite" in f.done + f.text,
    "conflict of two writers": lambda f: any(
        "INVALID_CONCURRENT" in str(r.get("error")) for r in f.results),
    "input or output schema": lambda f: any("input" in g or "output" in g for g in f.graphs),
    "custom events": lambda f: bool(f.payloads("custom", lambda p: True)),
    "second thread": lambda f: any(s.get("thread") == "t2" for s in f.steps),
    "some modes": lambda f: f.has("modes"),
    "events of the root only": lambda f: any(s.get("subgraphs") is False and s["op"] == "stream"
                                             for s in f.steps),
    "invoke": lambda f: f.op("invoke"),
    "history with a filter": lambda f: any(
        s["op"] == "get_history" and len(s) > 1 for s in f.steps),
}


def features_of(trace):
    facts = Facts(trace)
    return [name for name, holds in ROWS.items() if holds(facts)]


def table(counts, cases):
    width = max(len(name) for name in ROWS)
    lines = [f"{name:{width}} {counts.get(name, 0):6}" for name in ROWS]
    return "\n".join([f"{'feature':{width}} cases, of {cases}", *lines])
