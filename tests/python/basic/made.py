# SPDX-License-Identifier: Apache-2.0
"""A graph that is made for each run, by what its config says."""
import contextlib
import operator
import os
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


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
