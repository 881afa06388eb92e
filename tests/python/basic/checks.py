# SPDX-License-Identifier: Apache-2.0
"""Holds the worker's own checkpointer to what LangGraph asks of one."""
from typing import Any, TypedDict

from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    report: Any


async def check(state, config):
    saver = config["configurable"]["__pregel_checkpointer"]

    @checkpointer_test(name="leat")
    async def same():
        yield saver

    report = await validate(same)
    return {"report": {name: {"passed": r.passed, "failures": r.failures}
                       for name, r in report.results.items()}}


builder = StateGraph(State)
builder.add_node("check", check)
builder.add_edge(START, "check")
builder.add_edge("check", END)
graph = builder.compile()
