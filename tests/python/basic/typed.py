# SPDX-License-Identifier: Apache-2.0
"""Values that JSON has no word for, kept from one run to the next."""
import dataclasses
import datetime
import enum
import uuid
from typing import Annotated, Any, TypedDict

import pydantic
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Person(pydantic.BaseModel):
    name: str
    at: datetime.datetime


class State(TypedDict, total=False):
    messages: Annotated[list, add_messages]
    kept: dict[str, Any]
    types: list


VALUES = {
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    "uuid": uuid.UUID(int=7),
    "person": Person(name="Ada", at=datetime.datetime(2020, 1, 1)),
    "point": Point(1, datetime.date(2021, 2, 3)),
    "colour": Colour.RED,
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "numbers": {1: "one"},
    "huge": 2**80,
}


def node(state):
    kept = state.get("kept")
    if kept is None:
        return {"kept": VALUES, "messages": [AIMessage("made", id="m")]}
    same = sorted(k for k in VALUES if kept[k] == VALUES[k] and type(kept[k]) is type(VALUES[k]))
    message = state["messages"][-1]
    return {"types": [*same, type(message).__name__]}


builder = StateGraph(State)
builder.add_node("node", node)
builder.add_edge(START, "node")
builder.add_edge("node", END)
graph = builder.compile()
