# SPDX-License-Identifier: Apache-2.0
"""Plays a random sequence of operations with the real library.

The next operation depends on where the thread stands (an interrupt wants an
answer, a failure wants to go on), so it is chosen between two steps. What was
chosen is plain data: the same steps can be played again by anybody.
"""
import copy
import json
import logging
import pathlib
import sys

from langgraph.channels import Topic
from langgraph.channels.named_barrier_value import (
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import expect  # noqa: E402

logging.getLogger("langgraph").setLevel(logging.ERROR)


def apart(kind):
    """The library hands the set or list itself to a saver that writes it down
    later, when it may have grown."""
    shared = kind.checkpoint
    kind.checkpoint = lambda self: copy.copy(shared(self))


for channel in (NamedBarrierValue, Topic):
    apart(channel)
NamedBarrierValueAfterFinish.checkpoint = lambda self: (set(self.seen), self.finished)
ANSWERS = ["yes", 1, False, 0, "", {"k": 1}, ["l"]]


class Player:
    def __init__(self, maker, graphs):
        self.maker = maker
        self.graphs = graphs
        self.saved = 0
        self.answered = False  # since the last input
        # nested events have an order only by the tasks that they are of
        self.few_modes = len(graphs) == 1 and "sleep" not in maker.features
        # what a Send without messages may reach
        nodes = graphs["main"]["nodes"].items()
        self.plain = [n for n, spec in nodes if "do" in spec and "llm" not in repr(spec)]

    def names(self):
        return list(self.graphs["main"]["nodes"])

    def next_step(self, first, state, entries, inner):
        m = self.maker
        if first:
            return self.first_step()
        if state is None:  # nothing is kept
            return m.pick([self.more_input, self.more_input, self.go_on, self.steer])(0)
        if inner and m.chance(0.25):
            return self.inside(inner, entries)
        if state.interrupts and m.chance(0.6):
            more = {}
            if entries and m.chance(0.15):  # as a client that names what it has seen
                at = 0 if m.chance(0.7) else m.rng.randrange(entries)
                more["checkpoint"] = {"$history": {"index": at}}
            return self.stream(self.answer(state), **more)
        if state.next and m.chance(0.55):
            return self.stream(None)
        kinds = [self.more_input] * 4 + [self.look] * 2 + [self.update] * 3
        kinds += [self.go_on, self.steer, self.bulk]
        if entries:
            kinds += [self.replay, self.replay, self.fork, self.fork]
        return m.pick(kinds)(entries)

    def first_step(self):
        m = self.maker
        if m.chance(0.06):
            return self.update(0)
        if m.chance(0.02):
            return self.stream(None)
        if m.chance(0.02):
            return self.steer(0)
        return self.stream(m.input())

    # --- runs -------------------------------------------------------------------
    def stream(self, data, **more):
        m = self.maker
        if data is not None and "$command" not in data:
            self.answered = False
        step = {"op": "stream", "input": data, **more}
        # where nobody is told of messages, those of tools get their ids from
        # the reducer, before or after the saver writes them down
        if m.chance(0.03) and "tools" not in m.features:
            step["op"] = "invoke"
        elif m.chance(0.05):
            step["subgraphs"] = False
        elif self.few_modes and m.chance(0.05):
            step["modes"] = m.some(expect.MODES, 1, 3)
        if m.chance(0.08) and "volatile" not in m.features:
            # without a checkpointer the library cannot wait for a checkpoint
            now = ["sync"] if "no_memory" not in m.features else []
            # with exit the library stores untracked values, against the rule
            late = ["exit"] if "untracked" not in m.features else []
            step["durability"] = m.pick(["async", *now, *late])
        if m.chance(0.08):
            key = m.pick(["interrupt_before", "interrupt_after"])
            step[key] = m.pick(["*", m.some(self.names(), 1, 2)])
        if m.chance(0.05):
            step["recursion_limit"] = m.rng.randint(1, 5)
        if m.chance(0.05):
            step["metadata"] = {"who": "me"}
        # a nested graph has them twice, one in it four times
        if m.chance(0.04) and len(self.graphs) == 1:
            step["tags"] = ["seen"]
        if m.chance(0.04):
            step["configurable"] = {"user": "u1"}
        if m.chance(0.03) and data and "$command" not in data and not more:
            step["thread"] = "t2"
        return step

    def answer(self, state):
        """A single value goes to whoever asks first: only where one asks."""
        m, interrupts = self.maker, state.interrupts
        alone = len(state.next) < 2
        # a map names them by what they ask: only texts can stand there
        questions = list(dict.fromkeys(i.value for i in interrupts if isinstance(i.value, str)))
        value = m.pick(ANSWERS)
        fields = {"resume": value}
        # of several one value is refused, but not when all were answered before
        several = len(interrupts) > 1 and (self.answered or m.chance(0.9))
        self.answered = True
        if questions and (several or len(interrupts) == 1 and not alone or m.chance(0.2)):
            chosen = m.some(questions, 1, len(questions))
            fields = {"resume": {"$resume_map": {q: m.pick(ANSWERS) for q in chosen}}}
        if m.chance(0.1):
            fields["update"] = {"log": ["cmd"]}
        if "$resume_map" in repr(fields) and m.chance(0.1):
            fields["goto"] = m.pick(self.names())
        return {"$command": fields}

    def more_input(self, _):
        return self.stream(self.maker.input())

    def go_on(self, _):
        return self.stream(None)

    def steer(self, entries):
        m = self.maker
        fields = {"goto": m.pick(self.names())}
        if m.chance(0.5):
            fields["update"] = {"log": ["steer"]}
        if m.chance(0.2):
            fields = {"update": {"log": ["only"]}}
        if self.plain and m.chance(0.1):
            fields["goto"] = {"$send": {"node": m.pick(self.plain), "arg": {"log": ["sent"]}}}
        more = {}
        if entries and m.chance(0.1):
            more["checkpoint"] = {"$history": {"index": m.rng.randrange(entries)}}
        return self.stream({"$command": fields}, **more)

    def replay(self, entries):
        at = {"$history": {"index": self.maker.rng.randrange(entries)}}
        data = None if self.maker.chance(0.7) else self.maker.input()
        return self.stream(data, checkpoint=at)

    # --- states -----------------------------------------------------------------
    def look(self, entries):
        m = self.maker
        if m.chance(0.5):
            step = {"op": "get_state", "subgraphs": m.chance(0.5)}
            if entries and m.chance(0.3):
                step["checkpoint"] = {"$history": {"index": m.rng.randrange(entries)}}
            return step
        step = {"op": "get_history"}
        if m.chance(0.3):
            step["limit"] = m.rng.randint(1, 3)
        if entries and m.chance(0.3):
            step["before"] = {"$history": {"index": m.rng.randrange(entries)}}
        if m.chance(0.2):
            step["filter"] = {"source": m.pick(["loop", "input", "update"])}
        return step

    def inside(self, inner, entries):
        """Something with a graph in the graph, as its readers find it."""
        m = self.maker
        path, graph = m.pick(inner)
        nodes = list(self.graphs[graph]["nodes"])
        step = m.pick([self.look, self.update, self.update])(0)
        if "as_node" in step and step["as_node"] in self.names():
            step["as_node"] = m.pick(nodes)
        if "$command" in repr(step.get("values")):
            step["values"] = {"$command": {"update": {"log": ["cmd"]}, "goto": m.pick(nodes)}}
        return {**step, "inside": path}

    def values(self):
        m = self.maker
        made = m.input()
        made.setdefault("log", ["upd"])
        made.pop("tmp", None)  # the library stores it, against the rule
        # Writes of an update join those of the task it stands for, in an order
        # that is the saver's own; a null is seen or not by that order.
        made = {k: v for k, v in made.items() if v is not None}
        return made

    def update(self, _):
        m = self.maker
        step = {"op": "update_state", "values": self.values()}
        if m.chance(0.7):
            step["as_node"] = m.pick([*self.names(), "__start__"])
        if m.chance(0.1):
            special = m.pick(["__end__", "__copy__"])
            step = {"op": "update_state", "values": None, "as_node": special}
        elif m.chance(0.05):
            step["as_node"] = "__input__"
        elif m.chance(0.05):
            step = {"op": "update_state", "values": None, "as_node": m.pick(self.names())}
        elif m.chance(0.1):
            step["values"] = self.command()
        elif m.chance(0.02):
            step["as_node"] = "nobody"
        return step

    def command(self):
        m = self.maker
        fields = {"update": {"log": ["cmd"]}}
        if m.chance(0.6):
            fields["goto"] = m.pick([*self.names(), "__end__"])
        if self.plain and m.chance(0.3):
            fields["goto"] = [{"$send": {"node": m.pick(self.plain), "arg": {"log": ["sent"]}}}]
        return {"$command": fields}

    def bulk(self, _):
        m = self.maker
        steps = []
        for _ in range(m.rng.randint(1, 2)):
            nodes = m.some(self.names(), 1, 2)
            steps.append([{"values": self.values(), "as_node": n} for n in nodes])
        return {"op": "bulk_update", "supersteps": steps}

    def fork(self, entries):
        step = self.update(entries)
        step["checkpoint"] = {"$history": {"index": self.maker.rng.randrange(entries)}}
        self.saved += 1
        step["save_as"] = f"f{self.saved}"
        return step

    def after_fork(self, step):
        """A run from what an update has just forked, or nothing."""
        if "save_as" in step and self.maker.chance(0.7):
            return self.stream(None, checkpoint={"$saved": step["save_as"]})
        return None


async def graphs_inside(steps, state, path=(), name="main"):
    """Where the tasks of a state have graphs: their paths, and the graphs."""
    found = []
    for i, task in enumerate(state.tasks if state else ()):
        spec = steps.scenario.graphs[name]["nodes"].get(task.name, {})
        # an own memory is not where a task's state is said to be
        inner = steps.scenario.graphs.get(spec.get("graph"), {})
        own = inner.get("subgraph_checkpointer") is not None
        if isinstance(task.state, dict) and "graph" in spec and not own:
            nested = await steps.graph.aget_state(task.state)
            found.append(([*path, i], spec["graph"]))
            found += await graphs_inside(steps, nested, (*path, i), spec["graph"])
    return found


def entries_of(steps):
    config = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
    return sum(1 for _ in steps.scenario.saver.list(config))


async def play_new(maker, graphs):
    """A new sequence: the list of results, as the trace format has it."""
    trace = {"graphs": graphs}
    steps = expect.Steps(trace)
    player = Player(maker, graphs)
    config = {"configurable": {"thread_id": "t1"}}
    results, planned = [], []
    count = maker.rng.randint(2, 7)
    for i in range(count):
        step = planned.pop() if planned else None
        if step is None:
            try:
                kept = graphs["main"].get("checkpointer") is not False
                state = await steps.graph.aget_state(config) if kept else None
                entries = entries_of(steps) if kept else 0
                inner = await graphs_inside(steps, state)
            except Exception:  # a state that cannot be read is a result below
                break
            step = player.next_step(i == 0, state, entries, inner)
        results.append(await steps.perform(step))
        after = player.after_fork(step)
        if after is not None and "error" not in results[-1]:
            planned.append(after)
    last = [{"op": "get_state", "subgraphs": True}, {"op": "get_history"}]
    if "drawn" in maker.features:
        xray = [{"xray": n} for n in range(3)]
        last += [{"op": "get_schemas"}, *({"op": "get_graph", **x} for x in xray)]
    for step in last:
        results.append(await steps.perform(step))
    return await comparable(graphs, number(results))


async def play_again(trace):
    """The steps that a trace names."""
    results = await perform(trace["graphs"], [r["step"] for r in trace["results"]])
    return await comparable(trace["graphs"], results)


async def perform(graphs, plan):
    steps = expect.Steps({"graphs": graphs})
    return number([await steps.perform(step) for step in plan])


def number(results):
    seen = {}
    return [expect.renumber(r, seen) for r in results]


# --- what may be compared -------------------------------------------------------
def races(events):
    """Does something depend on which of several tasks was first? A failure
    stops its siblings wherever they are."""
    steps = {}
    for ns, mode, payload in events:
        key = "|".join(ns or [])
        if mode == "checkpoints":
            if left_open(steps.pop(key, None)):
                return True
            # nobody is told of `__start__`, which an input by hand may join
            alone = len(payload["next"]) < 2 or "__start__" not in payload["next"]
            steps[key] = {"begun": 0 if alone else 1, "done": 0, "failed": 0}
            steps[key]["done"] = steps[key]["begun"]
        elif mode == "updates" and "__metadata__" in payload and key in steps:
            steps[key]["done"] += 1
        elif mode == "tasks":
            step = steps.setdefault(key, {"begun": 0, "done": 0, "failed": 0})
            if "result" in payload:
                step["done"] += 1
                step["failed"] += payload["error"] is not None
            else:
                step["begun"] += 1
    return any(left_open(s) for s in steps.values())


def ids_in(x):
    """The ids of the messages somewhere in a payload."""
    if isinstance(x, dict):
        own = {x["id"]} if "content" in x and x.get("id") else set()
        return own.union(*(ids_in(v) for v in x.values()))
    if isinstance(x, list):
        return set().union(*(ids_in(v) for v in x))
    return set()


def same_message(events):
    """Do two tasks of one step send a message of one id? Only the first of
    them is told."""
    told = {}
    for ns, mode, payload in events:
        if mode == "checkpoints" and not ns:
            told = {}
        if mode != "tasks" or "result" not in payload:
            continue
        at = [segment.split(":")[0] for segment in ns or []] + [payload["name"]]
        for message in ids_in(payload["result"]):
            before = told.setdefault(message, at)
            if before == at and before is not at or not within(at, before):
                return True
    return False


def within(a, b):
    """Is one of two places in graphs the other or around it?"""
    n = min(len(a), len(b))
    return a[:n] == b[:n]


def same_question(events):
    """Are there two interrupts of one value in one list? Their order is that
    of a set."""
    for _, mode, payload in events:
        if mode == "updates" and "__interrupt__" in payload:
            questions = [repr(i["value"]) for i in payload["__interrupt__"]]
            if len(set(questions)) < len(questions):
                return True
    return False


def left_open(step):
    if step is None or step["begun"] < 2:
        return False
    return step["failed"] > 0 or step["done"] < step["begun"]


def opened(step):
    """The step with all its events."""
    hides = step["op"] == "stream" and (step.get("subgraphs") is False or "modes" in step)
    if step["op"] != "invoke" and not hides:
        return step
    whole = {k: v for k, v in step.items() if k != "modes"}
    return {**whole, "op": "stream", "subgraphs": True}


async def comparable(graphs, results):
    """The results up to the first that no two runs need agree in. What a step
    does not tell of its events is seen in another run of all."""
    plan = [r["step"] for r in results]
    whole = [opened(step) for step in plan]
    told = results if whole == plan else await perform(graphs, whole)
    # nodes that sleep end when their time has come
    n = agreeing(told, '"sleep"' in json.dumps(graphs))
    for i, step in enumerate(plan[:n]):
        if "modes" in step and together(told[i]["events"]):
            return results[:i]
    return results[:n]


def together(events):
    """Do tasks run at the same time? In which order they end is only known of
    those that are seen to begin."""
    begun = 0
    for _, mode, payload in events:
        if mode == "checkpoints":
            begun = 0
        elif mode == "tasks" and "result" not in payload:
            begun += 1
            if begun > 1:
                return True
    return False


def agreeing(results, sleeps):
    for i, result in enumerate(results):
        events = result.get("events")
        runs = result["step"]["op"] == "stream"
        traits = (same_message, same_question) if sleeps else (races, same_message, same_question)
        if events and any(has(events) for has in traits):
            return i
        # with exit the library stores what is left of a step that was refused
        if result["step"].get("durability") == "exit" and "error" in result:
            return i + 1
        # what a refused update wrote stays, in its saver's order
        # it names an interrupt that is not there
        if result.get("error", {}).get("name") == "IndexError":
            return i
        refused = "receive only one" in result.get("error", {}).get("message", "")
        if refused and not runs:
            return i + 1
    return len(results)
