# SPDX-License-Identifier: Apache-2.0
"""Somebody is asked in the middle."""
import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]


def before(state):
    return {"log": ["before"]}


def ask(state):
    return {"log": [interrupt({"question": "go on?"})]}


builder = StateGraph(State)
builder.add_node("before", before)
builder.add_node("ask", ask)
builder.add_edge(START, "before")
builder.add_edge("before", "ask")
builder.add_edge("ask", END)
graph = builder.compile()
