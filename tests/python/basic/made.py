# SPDX-License-Identifier: Apache-2.0
"""A graph that is made for each run, by what its config says."""
import contextlib
import operator
import os
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph_sdk.runtime import ServerRuntime


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]


@contextlib.asynccontextmanager
async def make(config):
    names = config["configurable"].get("names") or ["only"]
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, lambda state, name=name: {"log": [f"{name} of {os.environ['WHO']}"]})
    for a, b in zip([START, *names], [*names, END]):
        builder.add_edge(a, b)
    yield builder


@contextlib.asynccontextmanager
async def for_access(runtime: ServerRuntime):
    """Why it is wanted, and by whom, is what the runtime says."""
    run = runtime.execution_runtime
    said = [runtime.access_context, run.context if run else None]
    builder = StateGraph(State)
    builder.add_node("say", lambda state: {"log": said})
    builder.add_edge(START, "say")
    yield builder.compile()


def leave(state):
    raise SystemExit(3)


leaving = StateGraph(State).add_node("leave", leave).add_edge(START, "leave").compile()
