# SPDX-License-Identifier: Apache-2.0
"""The expressions of the trace format, for Python LangGraph."""
import json
import operator

from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.utils import convert_to_messages
from langgraph.types import Command, Overwrite, Send

MESSAGES = {
    "human": HumanMessage,
    "ai": AIMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
    "remove": RemoveMessage,
}


class Missing:
    """What is nowhere: not null, and no value of a key."""

    def __bool__(self):
        return False


MISSING = Missing()


def or_none(x):
    return None if x is MISSING else x


def walk(at, path):
    if path is True or path == "":
        return at
    for key in str(path).split("."):
        if isinstance(at, dict):
            at = at.get(key, MISSING)
        elif isinstance(at, list) and key.isdigit() and int(key) < len(at):
            at = at[int(key)]
        else:
            return MISSING
    return at


def truth(x):
    return isinstance(x, (list, dict)) or bool(x)


def to_text(x):
    if x is MISSING:
        return ""
    return x if isinstance(x, str) else json.dumps(x, separators=(",", ":"))


def has_tool_calls(messages):
    last = messages[-1] if messages else None
    return bool(getattr(last, "tool_calls", None))


def to_message(fields):
    kind = MESSAGES.get(fields.get("type"))
    if kind is None:
        return convert_to_messages([fields])[0]
    rest = {k: v for k, v in fields.items() if k != "type"}
    return kind(**rest)


def to_command(arg, e):
    fields = {k: e(arg[k]) for k in ("update", "goto", "resume") if k in arg}
    if arg.get("graph") == "PARENT":
        fields["graph"] = Command.PARENT
    return Command(**fields)


def evaluate(t, env):
    return or_none(value_of(t, env))


def members(t, env):
    found = {k: value_of(v, env) for k, v in t.items()}
    return {k: v for k, v in found.items() if v is not MISSING}


def value_of(t, env):
    def raw(x):
        return value_of(x, env)

    def e(x):
        return evaluate(x, env)

    if isinstance(t, list):
        return [e(x) for x in t]
    if not isinstance(t, dict):
        return t
    key = next(iter(t), "")
    if len(t) != 1 or not key.startswith("$"):
        return members(t, env)
    arg = t[key]
    ops = {
        "$state": lambda: walk(env["state"], arg),
        "$var": lambda: walk(env["vars"], arg),
        "$item": lambda: walk(env["item"], arg),
        "$add": lambda: fold(operator.add, arg, e),
        "$mul": lambda: fold(operator.mul, arg, e),
        "$concat": lambda: "".join(to_text(raw(x)) for x in arg),
        "$lt": lambda: e(arg[0]) < e(arg[1]),
        "$eq": lambda: raw(arg[0]) == raw(arg[1]),
        "$if": lambda: raw(arg[1]) if truth(e(arg[0])) else raw(arg[2]),
        "$len": lambda: len(e(arg) or []),
        "$map": lambda: [
            evaluate(arg[1], {**env, "item": i}) for i in e(arg[0]) or []
        ],
        "$last": lambda: (e(arg) or [MISSING])[-1],
        "$last_has_tool_calls": lambda: has_tool_calls(e(arg)),
        "$send": lambda: Send(arg["node"], e(arg["arg"])),
        "$msg": lambda: to_message(e(arg)),
        "$lit": lambda: arg,
        "$overwrite": lambda: Overwrite(e(arg)),
        "$command": lambda: to_command(arg, e),
        "$calls": lambda: env["counts"].get(arg, 0),
    }
    return ops[key]()


def fold(op, args, e):
    out = e(args[0])
    for x in args[1:]:
        out = op(out, e(x))
    return out
