# SPDX-License-Identifier: Apache-2.0
"""A node that keeps things beside its thread."""
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore


class State(TypedDict, total=False):
    word: str
    found: list


async def keep(state, *, store: BaseStore):
    await store.aput(("words", "all"), state["word"], {"n": len(state["word"]), "w": state["word"]})
    await store.aput(("words", "gone"), "x", {"n": 1})
    await store.adelete(("words", "gone"), "x")
    assert store.get(("words", "all"), state["word"]).value["w"] == state["word"]
    return {}


def look(state, *, store: BaseStore):
    one = store.get(("words", "all"), state["word"])
    many = store.search(("words",), filter={"n": {"$gte": 4}}, limit=5)
    spaces = store.list_namespaces(prefix=("words",))
    return {"found": [one.value, sorted(i.key for i in many), [list(s) for s in spaces],
                      store.get(("words", "gone"), "x")]}


builder = StateGraph(State)
builder.add_node("keep", keep)
builder.add_node("look", look)
builder.add_edge(START, "keep")
builder.add_edge("keep", "look")
builder.add_edge("look", END)
graph = builder.compile()
