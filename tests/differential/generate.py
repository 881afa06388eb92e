# SPDX-License-Identifier: Apache-2.0
"""Makes random graphs in the trace format.

Every case draws a handful of features first and then uses only those: a graph
with a bit of everything stops at its first error, one with three features
gets far. What runs in parallel must not race: nodes never sleep, and what
they read is either their input or a constant.
"""
import random

from values import Values

# What a case may draw, and how likely it is.
FEATURES = {
    "sum": 0.5,
    "nodefault": 0.2,
    "untracked": 0.2,
    "topic": 0.2,
    "ephemeral": 0.2,
    "any": 0.2,
    "messages": 0.3,
    "models": 0.25,
    "tools": 0.15,
    "fan": 0.6,
    "join": 0.35,
    "conditional": 0.5,
    "map": 0.3,
    "loop": 0.35,
    "send": 0.4,
    "command": 0.35,
    "parent": 0.2,
    "subgraph": 0.4,
    "deep": 0.35,
    "call_graph": 0.2,
    "own_memory": 0.12,
    "no_memory": 0.08,
    "interrupt": 0.4,
    "static": 0.15,
    "retry": 0.2,
    "fail": 0.2,
    "defer": 0.15,
    "cache": 0.2,
    "schemas": 0.2,
    "custom": 0.3,
    "metadata": 0.1,
    "odd": 0.25,
    "overwrite": 0.2,
    "conflict": 0.1,
    "coerce": 0.15,
    "volatile": 0.04,
    "drawn": 0.12,
    "sleep": 0.08,
}

# State keys, their reducers, and the features that bring them.
KEYS = {
    "log": ("append", None),
    "x": ("last", None),
    "y": ("last", None),
    "n": ("sum", "sum"),
    "list": ("append_nodefault", "nodefault"),
    "tmp": ("untracked", "untracked"),
    "top": ("topic", "topic"),
    "all": ("topic_accumulate", "topic"),
    "eph": ("ephemeral", "ephemeral"),
    "same": ("any", "any"),
    "messages": ("messages", "messages"),
}

# Of no two of these, nor of twice one of them, are two almost the same.
SLEEPS = [7, 26, 33, 41, 57, 63]

# Names of nodes, graph by graph: none is used twice, and none is a key.
NAMES = {"main": "abcdEF", "sub": "ghijk", "deep": "pqrst", "called": "uvw"}
END = "__end__"
START = "__start__"


class Maker(Values):
    """One case in the making."""

    def __init__(self, seed):
        rng = random.Random(seed)
        drawn = {f for f, p in FEATURES.items() if rng.random() < p}
        if drawn & {"models", "tools", "coerce"}:
            drawn.add("messages")
        if "volatile" in drawn:  # engine.md 7.1: such an interrupt is an error
            drawn.discard("interrupt")
        if "sleep" in drawn:  # what has no time of its own would race
            drawn -= {"subgraph", "call_graph", "send", "parent", "tools", "coerce"}
        if "parent" in drawn:
            drawn |= {"command", "subgraph"}
        keys = {k: r for k, (r, f) in KEYS.items() if f in drawn or not f}
        super().__init__(rng, drawn, keys)
        self.graphs = {}

    # --- the body of a node -----------------------------------------------------
    def response(self, calls):
        self.ids += 1
        out = {"id": f"ai{self.ids}", "chunks": self.pick([["Hel", "lo"], ["one"], ["a", "", "b"]])}
        if calls:
            out["chunks"] = self.pick([[], ["let me"]])
            out["tool_calls"] = [
                {"name": "add", "args": self.sum_of(i), "id": f"c{self.ids}{i}"}
                for i in range(self.rng.randint(1, 2))
            ]
        if self.chance(0.3):
            out["usage"] = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        return out

    def sum_of(self, i):
        return {"a": i, "b": self.rng.randint(0, 9)}

    def model(self, calls, level):
        responses = [self.response(calls and i == 0) for i in range(self.rng.randint(1, 3))]
        if calls:
            responses.append(self.response(False))
        model = {"responses": responses}
        # of an answer that two graphs give at once as a whole only one is told
        if level == "main" and self.chance(0.2):
            model["streaming"] = False
        return model

    def ask(self, calls=False, level="main"):
        op = {"op": "llm", "model": self.model(calls, level), "as": "answer"}
        op["messages"] = {"$state": "messages"}
        if not calls and self.chance(0.3):
            op["messages"] = [{"type": "human", "content": "q", "id": "q1"}]
        if self.chance(0.15):
            op["tags"] = self.pick([["nostream"], ["mine"]])
        return op

    def ops_before(self, graph, who):
        ops = []
        if self.has("custom", 0.5):
            ops.append(self.custom(who, 0))
        if self.has("interrupt", 0.35):
            for i in range(self.pick([1, 1, 1, 2])):
                ops.append({"op": "interrupt", "value": self.question(who, i), "as": f"v{i}"})
        throws = self.has("retry", 0.3) or self.has("fail", 0.25)
        if throws:
            op = {"op": "throw", "message": f"{who} failed", "name": self.pick(["Boom", "Error"])}
            # of two that run at once either may be the second
            if graph["level"] == "main" and who not in graph["sendable"]:
                op["when"] = {"$lt": [{"$calls": who}, self.rng.randint(2, 3)]}
            ops.insert(self.rng.randint(0, len(ops)), op)
        if self.has("call_graph", 0.4) and graph["level"] in ("main", "sub"):
            self.require_called()
            for i in range(self.pick([1, 1, 2])):
                call = {"op": "call_graph", "graph": "called", "as": f"g{i}"}
                ops.append({**call, "input": {"log": [f"to-{i}"]}})
        return ops

    def question(self, who, i):
        if self.chance(0.85):
            return f"{who}{i}?"
        return self.pick([{"ask": who, "of": [i]}, [who, i], {"x": {"$state": "x"}}, None, 0])

    def custom(self, who, i):
        payload = {"from": who, "i": i}
        if self.chance(0.4):
            payload["x"] = {"$state": "x"}
        return {"op": "custom", "value": payload}

    def result_of(self, graph, who, ops):
        """The value that the node returns."""
        update = self.update(who, graph["state"])
        names = [op["as"] for op in ops if "as" in op and op["op"] != "llm"]
        if names and self.chance(0.8):
            update["log"] = [who, {"$var": self.pick(names)}]
        if any(op["op"] == "llm" for op in ops):
            update["messages"] = self.pick([[{"$var": "answer"}], {"$var": "answer"}])
        later = self.later(graph, who)
        if self.has("send", 0.15) and graph["level"] != "called":
            targets = [n for n in later if self.may_send(graph, n)]
            if targets:
                node = self.pick(targets)
                return {"$send": {"node": node, "arg": self.argument(who)}}
        leaves = graph["level"] in ("sub", "deep") and self.has("parent", 0.6)
        if leaves or self.has("command", 0.4):
            return self.command(graph, who, update)
        if self.has("odd", 0.15):
            return self.pick([None, {}, None, {}, "text", 3])
        return update

    def command(self, graph, who, update):
        fields = {}
        if self.chance(0.8) or any(who in str(v) for v in update.values()):
            fields["update"] = update
        goto = self.goto(graph, who)
        if self.chance(0.8) and goto is not None:
            fields["goto"] = goto
        if self.has("parent", 0.7) and graph["level"] in ("sub", "deep"):
            fields["graph"] = "PARENT"
            outer = self.graphs["main" if graph["level"] == "sub" else "sub"]
            targets = list(outer.get("order", []))
            fields["goto"] = self.guard(self.pick(targets[-2:] or [END]), 9)
            sendable = [n for n in targets[-2:] if n in outer["sendable"]]
            if sendable and not self.keeps(graph["level"]) and self.has("send", 0.3):
                outer["sent"] = outer.get("sent", set()) | set(sendable)
                sends = [{"node": n, "arg": self.argument(who)} for n in sendable]
                fields["goto"] = [{"$send": s} for s in sends]
        command = {"$command": fields}
        if self.has("odd", 0.3) and "graph" not in fields:
            other = {"$command": {"update": {"log": [f"{who}2"]}}}
            return [command, self.pick([other, {"log": [f"{who}3"]}])]
        return command

    def goto(self, graph, who):
        later = self.later(graph, who)
        targets = later + [END]
        if self.has("odd", 0.1):
            targets.append("nowhere")
        if self.has("loop", 0.3):
            return self.guard(self.pick(graph["order"]), 6)
        if self.has("send", 0.3):
            sendable = [n for n in later if self.may_send(graph, n)]
            if sendable:
                return [
                    {"$send": {"node": self.pick(sendable), "arg": self.argument(who)}}
                    for _ in range(self.rng.randint(1, 2))
                ]
        if self.chance(0.3):
            return self.some(targets, 1, 2)
        return self.pick(targets)

    def guard(self, target, most):
        """`target` for as long as the log is short."""
        short = {"$lt": [{"$len": {"$state": "log"}}, self.rng.randint(2, most)]}
        return {"$if": [short, target, END]}

    def later(self, graph, who):
        order = graph["order"]
        return order[order.index(who) + 1:]

    def may_send(self, graph, node):
        return node in graph["sendable"]

    def sleep(self, who):
        return {"op": "sleep", "ms": SLEEPS[NAMES["main"].index(who)]}

    def node(self, graph, who):
        ops = self.ops_before(graph, who)
        if "sleep" in self.features:
            ops.insert(0, self.sleep(who))
        plain = who in graph["sendable"]
        if not plain and self.has("models", 0.6) and "messages" in graph["state"]:
            ops.append(self.ask(level=graph["level"]))
        if self.has("custom", 0.4):
            ops.append(self.custom(who, 1))
        node = {"do": ops}
        if self.chance(0.95):
            ops.append({"op": "return", "value": self.result_of(graph, who, ops)})
        if any(op["op"] == "throw" for op in ops) and self.has("retry", 0.7):
            node["retry"] = {"maxAttempts": self.rng.randint(2, 3)}
        self.decorate(graph, node, plain)
        return node

    def decorate(self, graph, node, sendable):
        if self.has("defer", 0.3) and "drawn" not in self.features:
            node["defer"] = True
        # of an answered task that fails the library keeps the failure as a result
        ops = {op["op"] for op in node.get("do", [])}
        asks = ops & {"interrupt", "call_graph"}
        if not (asks and "throw" in ops) and self.has("cache", 0.4):
            node["cache"] = {"ttl": 600}
        if self.has("metadata", 0.4):
            node["metadata"] = {"team": self.pick(["red", "blue"])}

    # --- graphs -----------------------------------------------------------------
    def require_called(self):
        if "called" not in self.graphs:
            self.graph("called", "called")

    def graph(self, name, level):
        """Adds a graph under `name`. `order` is how its nodes lie one behind
        the other, which is not the order in which they are written down."""
        least, most = (2, 6) if level == "main" else (1, 3)
        names = list(NAMES[level])[: self.rng.randint(least, most)]
        self.rng.shuffle(names)
        graph = {"level": level, "order": names, "sendable": set(names)}
        graph["state"] = {k: self.keys[k] for k in self.keys if k == "log" or self.chance(0.85)}
        self.graphs[name] = graph
        inner = {"main": "sub", "sub": "deep"}.get(level)
        feature = {"main": "subgraph", "sub": "deep"}.get(level)
        nodes = {}
        if level != "main" and level != "called":
            self.memory(graph)
        for who in names:
            if inner and self.has(feature, 0.5) and (who == names[-1] or self.chance(0.5)):
                if inner not in self.graphs:
                    self.graph(inner, inner)
                nodes[who] = {"graph": inner}
                if self.keeps(inner):
                    graph["sendable"].discard(who)
                if self.has("retry", 0.3):
                    nodes[who]["retry"] = {"maxAttempts": 2}
                self.decorate(graph, nodes[who], True)
        for who in names:
            if self.chance(0.5) and who not in graph.get("sent", ()):
                graph["sendable"].discard(who)
        for who in names:
            if who not in nodes:
                nodes[who] = self.node(graph, who)
        if level == "main" and self.has("tools"):
            self.add_agent(graph, nodes)
        self.finish(graph, nodes, names)
        return graph

    def keeps(self, name):
        """Is there a memory in this graph that two tasks of a step would share?"""
        inside = ("sub", "deep") if name == "sub" else (name,)
        return any(self.graphs.get(n, {}).get("subgraph_checkpointer") for n in inside)

    def memory(self, graph):
        if self.has("own_memory", 0.7):
            graph["subgraph_checkpointer"] = True
        elif self.has("no_memory", 0.7):
            graph["subgraph_checkpointer"] = False
            graph["no_memory"] = True

    def add_agent(self, graph, nodes):
        """A model that calls tools until it has what it wants."""
        if "messages" not in graph["state"]:
            graph["state"]["messages"] = "messages"
        answer = {"op": "return", "value": {"messages": [{"$var": "answer"}]}}
        nodes["agent"] = {"do": [self.ask(calls=True), answer]}
        tool = {"name": "add", "args": {"a": "number", "b": "number"}}
        total = {"$add": [{"$state": "a"}, {"$state": "b"}]}
        tool["returns"] = self.pick([total, total, "text", {"sum": total, "of": [1, "ä"]}])
        if self.has("interrupt", 0.4):
            tool["interrupt"] = {"$concat": ["add ", {"$state": "a"}, "?"]}
            tool["returns"] = self.pick([total, {"$var": "answer"}])
        if self.has("fail", 0.3):
            tool["error"] = "cannot add"
        if self.has("custom"):
            tool["custom"] = {"from": "add", "a": {"$state": "a"}}
        if self.chance(0.2):
            tool["name"] = "other"
        nodes["tools"] = {"tool_node": [tool]}
        graph["agent"] = True

    def finish(self, graph, nodes, names):
        order = list(nodes)
        self.rng.shuffle(order)
        graph["nodes"] = {n: nodes[n] for n in order}
        graph["edges"] = []
        graph["conditional"] = []
        self.edges(graph, names)
        if self.has("join", 0.7) and len(names) > 2:
            at = self.rng.randint(2, len(names) - 1)
            froms = self.some(names[:at], 2, 3)
            graph["edges"].append([froms, names[at]])
        if self.has("conditional"):
            for who in self.some([START, *names], 1, 2):
                graph["conditional"].append(self.branch(graph, who))
        if graph.pop("agent", False):
            self.edges_of_agent(graph, names)
        if "drawn" in self.features:
            self.name_targets(graph)
        if self.features & {"drawn", "odd"}:  # a branch that fails would be cached
            for branch in graph["conditional"]:
                graph["nodes"].get(branch["from"], {}).pop("cache", None)
        self.options(graph)

    def name_targets(self, graph):
        """So that the whole graph is known before it runs. An edge that is a
        branch's, too, is drawn as the one or the other, and one to the end
        beside others is not drawn by the library."""
        graph["edges"] = [e for e in graph["edges"] if e[1] != END]
        plain = [e for e in graph["edges"] if isinstance(e[0], str)]
        for branch in graph["conditional"]:
            named = branch.get("map", {}).values()
            graph["edges"] = [e for e in graph["edges"] if e[0] != branch["from"] or e[1] not in named]
            if "map" not in branch:
                done = [e[1] for e in plain if e[0] == branch["from"]]
                branch["targets"] = [n for n in [*graph["nodes"], END] if n not in done]
        for who, node in graph["nodes"].items():
            done = [e[1] for e in plain if e[0] == who]
            ends = [n for n in graph["nodes"] if n not in done]
            if "goto" in repr(node) and not any(b["from"] == who for b in graph["conditional"]):
                node["ends"] = [*self.some(ends, 0, 2), END]

    def edges_of_agent(self, graph, names):
        graph["edges"] += [[names[-1], "agent"], ["tools", "agent"]]
        wants = {"$last_has_tool_calls": {"$state": "messages"}}
        graph["conditional"].append({"from": "agent", "to": {"$if": [wants, "tools", END]}})

    def edges(self, graph, names):
        edges = graph["edges"]
        before = START
        for i, who in enumerate(names):
            fan = self.has("fan", 0.5) and i > 0
            source = self.pick([START, *names[:i]]) if fan else before
            edges.append([source, who])
            before = who
            if fan and self.chance(0.3):
                edges.append([self.pick(names[:i]), who])
        if self.chance(0.5):
            edges.append([before, END])
        unique = []
        for edge in edges:
            if edge not in unique:
                unique.append(edge)
        self.rng.shuffle(unique)
        graph["edges"] = unique

    def branch(self, graph, who):
        later = graph["order"] if who == START else self.later(graph, who)
        targets = [*later, END]
        named = [*targets, "nowhere"] if self.has("odd", 0.3) else targets
        branch = {"from": who, "to": self.destination(graph, who, named)}
        if self.has("map", 0.5):
            labels = {f"L{i}": t for i, t in enumerate(targets)}
            names = [*labels, "L?"] if self.has("odd", 0.3) else labels
            branch["to"] = self.pick([self.pick(names), self.some(names, 1, 2)])
            branch["map"] = labels
        return branch

    def destination(self, graph, who, targets):
        if self.has("loop", 0.6):
            return self.guard(self.pick(graph["order"]), 7)
        sendable = [t for t in targets if self.may_send(graph, t)]
        if self.has("send", 0.6) and sendable:
            if self.chance(0.3):
                arg = {"log": [{"$item": True}], "x": {"$state": "x"}}
                send = {"$send": {"node": self.pick(sendable), "arg": arg}}
                return {"$map": [self.some(["i1", "i2", "i3"], 1, 3), send]}
            sends = [
                {"$send": {"node": self.pick(sendable), "arg": self.argument(who)}}
                for _ in range(self.rng.randint(1, 3))
            ]
            if self.chance(0.3):
                sends.append(self.pick(targets))
            return sends
        if self.chance(0.4):
            return self.some(targets, 1, 2)
        short = {"$lt": [{"$len": {"$state": "log"}}, 3]}
        return {"$if": [short, self.pick(targets), self.pick(targets)]}

    def options(self, graph):
        level, order = graph["level"], graph["order"]
        if self.has("static", 0.7):
            key = self.pick(["interrupt_before", "interrupt_after"])
            graph[key] = self.some(order, 1, 2)
        if self.has("schemas", 0.7):
            keys = list(graph["state"])
            if self.chance(0.5):
                graph["output"] = self.some(keys, 1, 3)
            if self.chance(0.5):
                graph["input"] = self.some(keys, 1, 4)
        if level == "main" and "cache" in self.features:
            graph["cache"] = True
        if level == "main" and "volatile" in self.features:
            graph["checkpointer"] = False

    def make(self):
        self.graph("main", "main")
        working = ("level", "order", "sendable", "sent", "no_memory", "agent")
        return {
            name: {k: v for k, v in graph.items() if k not in working}
            for name, graph in self.graphs.items()
        }
