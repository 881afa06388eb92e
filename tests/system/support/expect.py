# SPDX-License-Identifier: Apache-2.0
"""Expected values: messages in the Python form (every field, null when
unset) and the example graphs' answers."""

import json
import os

from .proc import ROOT

GOLDEN = ROOT / "tests" / "golden" / "system"


def human(content, id):
    return {"content": content, "additional_kwargs": {}, "response_metadata": {},
            "type": "human", "name": None, "id": id, "example": False}


def ai(content, id):
    return {"content": content, "additional_kwargs": {}, "response_metadata": {}, "type": "ai",
            "name": None, "id": id, "example": False, "tool_calls": [],
            "invalid_tool_calls": [], "usage_metadata": None}


def chunk(content, id):
    return {**ai(content, id), "type": "AIMessageChunk", "tool_call_chunks": [],
            "chunk_position": None}


def tool(content, id, call="tool_call_id"):
    return {"content": content, "additional_kwargs": {}, "response_metadata": {}, "type": "tool",
            "name": None, "id": id, "tool_call_id": call, "artifact": None, "status": "success"}


def golden(name, value):
    """Compares with a golden file; LEAT_GOLDEN=write makes it anew, to be read
    against the specification before it is committed."""
    path = GOLDEN / f"{name}.json"
    if os.environ.get("LEAT_GOLDEN") == "write":
        lines = ",\n ".join(json.dumps(v, ensure_ascii=False) for v in value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[{lines}]\n")
    assert value == json.loads(path.read_text())


# -- the graph `agent`, asked "hello" with the message id m1 ---------------------

def meta(n=1, attempt=1):
    return ["metadata", {"run_id": f"<{n}>", "attempt": attempt}]


def model_id(n):
    """The id of an answer whose model gave none: that of the model's run."""
    return f"lc_run--<{n}>"


def agent_updates(named=False):
    """updates: messages as the nodes returned them, so the tool's has no id
    yet, unless a messages mode gave it one; the state will."""
    tool_id, last = ("<3>", 4) if named else (None, 3)
    return [
        meta(),
        ["updates", {"agent": {"interrupt": False, "messages": [ai("begin", model_id(2))]}}],
        ["updates", {"tool": {"sharedStateFromStoreConfig": {},
                              "messages": [tool("tool_call__begin", tool_id)]}}],
        ["updates", {"agent": {"interrupt": False, "messages": [ai("end", model_id(last))]}}],
    ]


def answered(first=2):
    """The messages of a state after the run, with the next masked ids."""
    return [human("hello", "m1"), ai("begin", model_id(first)),
            tool("tool_call__begin", f"<{first + 1}>"), ai("end", model_id(first + 2))]


def agent_values():
    """values: after the input and after each of the three steps."""
    messages = answered()
    return [
        meta(),
        ["values", {"messages": messages[:1]}],
        ["values", {"messages": messages[:2], "interrupt": False}],
        ["values", {"messages": messages[:3], "interrupt": False,
                    "sharedStateFromStoreConfig": {}}],
        ["values", {"messages": messages, "interrupt": False,
                    "sharedStateFromStoreConfig": {}}],
    ]


def agent_custom(steps, with_updates=False):
    head, *updates = agent_updates()
    told = [["custom", {"type": "sleep", "step": i}] for i in range(steps)]
    return [head, *told, *(updates if with_updates else [])]


def agent_tuples():
    """messages-tuple: one piece for each character and the tool's message;
    [message, node]."""
    def piece(letter, n):
        return ["messages", [chunk(letter, model_id(n)), "agent"]]

    return [
        meta(),
        *(piece(c, 2) for c in "begin"),
        ["messages", [tool("tool_call__begin", "<3>"), "tool"]],
        *(piece(c, 4) for c in "end"),
    ]
