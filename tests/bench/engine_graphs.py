# SPDX-License-Identifier: Apache-2.0
"""The rows of engine.c with Python LangGraph: same graphs, same inputs, same
lines in and out."""

import json
import operator
import os
import sys
import time
from typing import Annotated, TypedDict

os.environ.setdefault("LANGSMITH_TRACING", "false")

from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send

CHAIN, FAN, SENDS, MESSAGES, WARM, STEPS, ITEM_BYTES = \
    10, 100, 1000, 1000, 10, 50, 100


class Count(TypedDict):
    x: int


class Outs(TypedDict):
    x: int
    out: Annotated[list, operator.add]


class Big(TypedDict):
    big: list
    byte: str


class Chat(TypedDict):
    messages: Annotated[list, add_messages]


def now():
    return time.process_time(), time.perf_counter()


class Clock:
    """Time between the first and the last node of a long chain."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.cpu = self.wall = 0.0

    def begin(self):
        self.began = now()

    def end(self):
        cpu, wall = now()
        self.cpu += cpu - self.began[0]
        self.wall += wall - self.began[1]


CLOCK = Clock()


def chain():
    graph = StateGraph(Count)
    last = START
    for i in range(CHAIN):
        graph.add_node(f"n{i}", lambda state: {"x": state["x"] + 1})
        graph.add_edge(last, f"n{i}")
        last = f"n{i}"
    return graph.add_edge(last, END)


def fan():
    graph = StateGraph(Outs)
    for i in range(FAN):
        graph.add_node(f"n{i}", lambda state: {"out": [state["x"]]})
        graph.add_edge(START, f"n{i}")
    return graph


def sends():
    graph = StateGraph(Outs)
    graph.add_node("work", lambda state: {"out": [state["x"]]})
    return graph.add_conditional_edges(
        START, lambda state: [Send("work", {"x": i}) for i in range(SENDS)], ["work"])


def clocked(schema, node):
    def placed(i):
        def run(state):
            if i == WARM:
                CLOCK.begin()
            elif i == WARM + STEPS:
                CLOCK.end()
            return node(state)
        return run

    graph = StateGraph(schema)
    last = START
    for i in range(WARM + STEPS + 1):
        graph.add_node(f"n{i}", placed(i))
        graph.add_edge(last, f"n{i}")
        last = f"n{i}"
    return graph


def touch(state):
    return {"byte": "b" if state["byte"] == "a" else "a"}


def say(state):
    return {"messages": [AIMessage("and one more")]}


def say_once():
    return StateGraph(Chat).add_node("say", say).add_edge(START, "say")


def big(n):
    return {"byte": "a", "big": [{"text": "x" * (ITEM_BYTES - 16), "number": i}
                                 for i in range(n // ITEM_BYTES)]}


def messages(n):
    return {"messages": [{"type": "human" if i % 2 == 0 else "ai", "id": f"m{i}",
                          "content": "a message of some length, as they are"}
                         for i in range(n)]}


# graph, input, steps that the cost is divided by, clocked by its nodes, saved
ROWS = {
    "chain10": (chain, {"x": 0}, CHAIN, False, False),
    "chain10_saved": (chain, {"x": 0}, CHAIN, False, True),
    "fanout100": (fan, {"x": 1}, 1, False, False),
    "send1000": (sends, {"x": 1}, 1, False, False),
    "state1mb": (lambda: clocked(Big, touch), big(1_000_000), STEPS, True, False),
    "state1mb_saved": (lambda: clocked(Big, touch), big(1_000_000), STEPS, True, True),
    "messages1000": (lambda: clocked(Chat, say), messages(MESSAGES), STEPS, True, False),
    "messages1000_run": (say_once, messages(MESSAGES), 1, False, False),
    "untouched0": (lambda: clocked(Big, touch), big(0), STEPS, True, False),
    "untouched1": (lambda: clocked(Big, touch), big(1_000_000), STEPS, True, False),
    "untouched10": (lambda: clocked(Big, touch), big(10_000_000), STEPS, True, False),
}


def measure(name, seconds):
    make, given, steps, by_nodes, saved = ROWS[name]

    def once():
        graph = make().compile(checkpointer=InMemorySaver()) if saved else compiled
        return lambda: graph.invoke(given, {"recursion_limit": 100,
                                            "configurable": {"thread_id": "1"}})
    compiled = None if saved else make().compile()
    once()()
    CLOCK.reset()
    runs, cpu, wall = 0, 0.0, 0.0
    end = time.perf_counter() + seconds
    while runs == 0 or time.perf_counter() < end:
        run = once()
        began = now()
        run()
        ended = now()
        cpu, wall = cpu + ended[0] - began[0], wall + ended[1] - began[1]
        runs += 1
    if by_nodes:
        cpu, wall = CLOCK.cpu, CLOCK.wall
    steps *= runs
    return {"row": name, "us": cpu * 1e6 / steps, "wall_us": wall * 1e6 / steps, "steps": steps}


def main():
    for line in sys.stdin:
        name, seconds = line.split()
        print(json.dumps(measure(name, float(seconds))), flush=True)


if __name__ == "__main__":
    main()
