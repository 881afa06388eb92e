# SPDX-License-Identifier: Apache-2.0
"""A model that says a thousand words."""
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

WORDS = " ".join(f"w{i}" for i in range(500))


async def say(state):
    model = GenericFakeChatModel(messages=iter([AIMessage(WORDS)]))
    return {"messages": [await model.ainvoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("say", say)
builder.add_edge(START, "say")
builder.add_edge("say", END)
tokens = builder.compile()
