# SPDX-License-Identifier: Apache-2.0
"""Nodes that wait: for a file to be there, and for a time that nothing ends."""
import asyncio
import operator
import pathlib
import threading
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    path: str
    seconds: float
    log: Annotated[list, operator.add]


async def first(state):
    return {"log": ["first"]}


async def wait(state):
    while not pathlib.Path(state["path"]).exists():
        await asyncio.sleep(0.02)
    return {"log": ["waited"]}


async def sleep(state):
    await asyncio.sleep(state["seconds"])
    return {"log": ["slept"]}


async def block(state):
    """Holds the whole loop up, as code does that does not await."""
    pathlib.Path(state["path"]).touch()
    threading.Event().wait(state["seconds"])
    return {"log": ["blocked"]}


def two(node):
    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_node("second", node)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", END)
    return builder.compile()


def hold(state):
    """Holds a thread of its own."""
    pathlib.Path(state["path"]).touch()
    threading.Event().wait(state["seconds"])
    return {"log": ["held"]}


held = two(hold)
gate = two(wait)
sleeper = two(sleep)
stuck = two(block)
