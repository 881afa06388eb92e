# SPDX-License-Identifier: Apache-2.0
"""The smallest graphs, also those of the benchmark."""
import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class Count(TypedDict, total=False):
    x: int
    log: Annotated[list, operator.add]


async def inc(state):
    return {"x": state.get("x", 0) + 1}


def chain(n):
    builder = StateGraph(Count)
    names = [f"n{i}" for i in range(n)]
    for name in names:
        builder.add_node(name, inc)
    for a, b in zip([START, *names], [*names, END]):
        builder.add_edge(a, b)
    return builder.compile()


trivial = chain(1)
chain10 = chain(10)
