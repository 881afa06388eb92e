# SPDX-License-Identifier: Apache-2.0
"""Graphs of the kinds that people write. `GRAPHS` has each with the inputs that
one thread of it gets, one after the other."""
import asyncio
import dataclasses
import datetime
import operator
import warnings
from typing import Annotated, Any, Literal, TypedDict

import pydantic
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, Send, interrupt

warnings.filterwarnings("ignore")
HI = {"messages": [{"role": "user", "content": "hi", "id": "u1"}]}


class Model(GenericFakeChatModel):
    """Says its lines in turn, by how many answers the talk has; tools are
    taken for granted."""
    lines: list
    messages: Any = None

    def bind_tools(self, tools, **kwargs):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        said = sum(isinstance(m, AIMessage) for m in messages)
        self.messages = iter([self.lines[said % len(self.lines)]])
        return super()._generate(messages, stop, run_manager, **kwargs)


def call(name, **args):
    return AIMessage("", id=f"a-{name}", tool_calls=[{"name": name, "args": args, "id": "c1"}])


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def chain(state_type, *nodes, **options):
    builder = StateGraph(state_type)
    names = [getattr(n, "__name__", None) or n.name for n in nodes]
    for name, node in zip(names, nodes):
        builder.add_node(name, node)
    for a, b in zip([START, *names], [*names, END]):
        builder.add_edge(a, b)
    return builder.compile(**options)


# --- talking ---------------------------------------------------------------------
def react():
    model = Model(lines=[call("add", a=1, b=2), AIMessage("it is three", id="a2")])

    async def agent(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile()


def prebuilt():
    from langgraph.prebuilt import create_react_agent
    lines = [call("add", a=2, b=2), AIMessage("four it is", id="a2")]
    return create_react_agent(Model(lines=lines), [add])


def sync_model():
    def say(state):
        return {"messages": [Model(lines=[AIMessage("plain words", id="s1")]).invoke(
            state["messages"])]}
    return chain(MessagesState, say)


def forgetful():
    def forget(state):
        return {"messages": [RemoveMessage(id=m.id) for m in state["messages"]]
                + [AIMessage("who?", id="w")]}
    return chain(MessagesState, forget)


# --- flow ------------------------------------------------------------------------
def map_reduce():
    def fan(state):
        return [Send("each", {"n": i}) for i in range(state["n"])]

    def each(state):
        return {"log": [state["n"] ** 2]}

    def total(state):
        return {"n": sum(state["log"])}

    builder = StateGraph(Log)
    builder.add_node("each", each)
    builder.add_node("total", total)
    builder.add_conditional_edges(START, fan, ["each"])
    builder.add_edge("each", "total")
    builder.add_edge("total", END)
    return builder.compile()


def loop():
    def step(state):
        return {"n": state["n"] - 1, "log": [state["n"]]}

    def again(state) -> Literal["step", "__end__"]:
        return "step" if state["n"] > 0 else "__end__"

    builder = StateGraph(Log)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", again)
    return builder.compile()


def handoff():
    def alice(state) -> Command[Literal["bob"]]:
        return Command(goto="bob", update={"log": ["alice"]})

    def bob(state) -> Command[Literal["alice", "__end__"]]:
        done = state["log"].count("bob") >= 1
        return Command(goto=END if done else "alice", update={"log": ["bob"]})

    builder = StateGraph(Log)
    builder.add_node("alice", alice)
    builder.add_node("bob", bob)
    builder.add_edge(START, "alice")
    return builder.compile()


def human():
    def ask(state):
        first = interrupt({"ask": "name"})
        second = interrupt("age")
        return {"log": [first, second]}
    return chain(Log, ask)


def stopped():
    def one(state):
        return {"log": ["one"]}

    def two(state):
        return {"log": ["two"]}
    return chain(Log, one, two, interrupt_before=["two"])


def fails():
    def good(state):
        return {"log": ["good"]}

    def bad(state):
        raise ValueError("on purpose")
    return chain(Log, good, bad)


def deep():
    def leaf(state):
        get_stream_writer()({"at": "leaf"})
        return {"log": ["leaf"]}

    inner = chain(Log, leaf)

    def before(state):
        return {"log": ["before"]}

    middle = StateGraph(Log)
    middle.add_node("before", before)
    middle.add_node("inner", inner)
    middle.add_edge(START, "before")
    middle.add_edge("before", "inner")
    outer = StateGraph(Log)
    outer.add_node("middle", middle.compile())
    outer.add_edge(START, "middle")
    return outer.compile()


def deep_human():
    def ask(state):
        return {"log": [interrupt("deep?")]}

    outer = StateGraph(Log)
    outer.add_node("inner", chain(Log, ask))
    outer.add_edge(START, "inner")
    return outer.compile()


def called_inside():
    def leaf(state):
        return {"log": ["inside"]}

    inner = chain(Log, leaf)

    def outside(state):
        return {"log": inner.invoke({"log": []})["log"]}
    return chain(Log, outside)


def custom():
    async def talk(state):
        writer = get_stream_writer()
        for i in range(3):
            writer({"i": i, "when": datetime.date(2026, 1, 1)})
            await asyncio.sleep(0)
        return {"n": 3}
    return chain(Log, talk)


def lambdas():
    double = RunnableLambda(lambda s: {"n": s["n"] * 2}).with_config(run_name="double")
    builder = StateGraph(Log)
    builder.add_node("double", double)
    builder.add_edge(START, "double")
    return builder.compile()


# --- states ------------------------------------------------------------------------
class Person(pydantic.BaseModel):
    name: str
    born: datetime.date = datetime.date(2000, 1, 1)


class PydanticState(pydantic.BaseModel):
    who: Person
    log: Annotated[list[str], operator.add] = []


def pydantic_state():
    def greet(state: PydanticState):
        return {"log": [f"hello {state.who.name}"]}

    def rename(state: PydanticState):
        return {"who": Person(name=state.who.name.upper())}
    return chain(PydanticState, greet, rename)


@dataclasses.dataclass
class DataState:
    n: int = 0
    log: Annotated[list, operator.add] = dataclasses.field(default_factory=list)


def dataclass_state():
    def count(state: DataState):
        return {"n": state.n + 1, "log": [state.n]}
    return chain(DataState, count)


def schemas():
    class Out(TypedDict):
        n: int

    def count(state: Log):
        return {"n": len(state["log"]), "log": ["x"]}

    builder = StateGraph(Log, output_schema=Out)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    return builder.compile()


# --- functions ---------------------------------------------------------------------
def functional():
    @task
    async def square(n: int) -> int:
        return n * n

    @entrypoint()
    async def flow(data: dict, *, previous: Any = None) -> dict:
        squares = await asyncio.gather(*[square(i) for i in range(data["n"])])
        return {"sum": sum(squares), "before": previous}
    return flow


def functional_human():
    @task
    def draft(word: str) -> str:
        return f"draft of {word}"

    @entrypoint()
    def flow(word: str) -> dict:
        text = draft(word).result()
        return {"text": text, "verdict": interrupt({"review": text})}
    return flow


def tools_with_commands():
    @tool
    def note(text: str) -> Command:
        """Notes."""
        return Command(update={"messages": [ToolMessage(text, tool_call_id="c1", id="t1")]})

    def ask(state):
        return {"messages": [call("note", text="noted")]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_node("tools", ToolNode([note]))
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "tools")
    return builder.compile()


def greeting():
    def greet(state):
        return {"messages": [HumanMessage("me too", id="h"), AIMessage("so", id="s")]}
    return chain(MessagesState, greet)


MAKERS = {
    "react": (react, [HI]), "prebuilt": (prebuilt, [HI]), "sync_model": (sync_model, [HI]),
    "forgetful": (forgetful, [HI]), "map_reduce": (map_reduce, [{"n": 3}]),
    "loop": (loop, [{"n": 3}]), "handoff": (handoff, [{"log": []}]),
    "human": (human, [{"log": []}, Command(resume="Ada"), Command(resume=36)]),
    "stopped": (stopped, [{"log": []}, None]), "fails": (fails, [{"log": []}]),
    "deep": (deep, [{"log": ["in"]}]),
    "deep_human": (deep_human, [{"log": []}, Command(resume="yes")]),
    "called_inside": (called_inside, [{"log": []}]), "custom": (custom, [{"n": 0}]),
    "lambdas": (lambdas, [{"n": 4}, {"n": 5}]),
    "pydantic_state": (pydantic_state, [{"who": {"name": "ada"}}, {"log": ["again"]}]),
    "dataclass_state": (dataclass_state, [{"n": 1}, {"n": 2}]),
    "schemas": (schemas, [{"log": ["a", "b"]}]),
    "functional": (functional, [{"n": 3}, {"n": 2}]),
    "functional_human": (functional_human, ["a poem", Command(resume="good")]),
    "tools_with_commands": (tools_with_commands, [HI]), "greeting": (greeting, [HI]),
}


def __getattr__(name):
    if name in MAKERS:
        return MAKERS[name][0]
    raise AttributeError(name)
