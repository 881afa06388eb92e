# SPDX-License-Identifier: Apache-2.0
"""Every method of both SDKs is called by some test here, or is known not to be
served: golden/sdk/coverage.csv lists the methods and the requests they make."""

import ast
import csv
import pathlib
import re

import pytest

from support.api import new_id
from support.proc import ROOT

HERE = pathlib.Path(__file__).parent
RESOURCES = ("assistants", "threads", "runs", "crons", "store")

with open(ROOT / "tests/golden/sdk/coverage.csv", newline="") as rows_file:
    ROWS = list(csv.DictReader(rows_file))

# The event streaming protocol and user interface assets: 501 (docs/http.md).
NOT_SERVED = re.compile(r"^(threads\.stream|thread\..*|~ui\..*)$")
# Parts of that protocol's handles that make ordinary requests.
ORDINARY = {"thread.output", "thread.agent.get_tree", "transport.getState"}


def resource_of(function):
    """`threads` of client.threads.get, `store` of store.get_item."""
    value = getattr(function, "value", None)
    name = getattr(value, "attr", None) or getattr(value, "id", None)
    return name if name in RESOURCES else None


def python_calls():
    """(resource.method, its arguments as text) of each call on a client."""
    for path in HERE.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and resource_of(node.func):
                arguments = [*map(ast.unparse, node.args),
                             *(f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords)]
                yield f"{resource_of(node.func)}.{node.func.attr}", ", ".join(arguments)


def javascript_calls():
    for path in HERE.glob("js/*.mjs"):
        for call in re.finditer(r"\w\.(\w+)\.(\w+)\(([^;]*)", path.read_text()):
            if call[1] in RESOURCES:
                yield f"{call[1]}.{call[2]}", call[3]


CALLS = {"py": list(python_calls()), "js": list(javascript_calls())}

# What the arguments of a call must look like to be one of that variant.
VARIANTS = {
    "threads.get_state(checkpoint_id)": r"checkpoint_id=",
    "threads.get_state(checkpoint)": r"checkpoint=",
    "threads.getState(string)": r"^\w+, [\w.]*checkpoint_id\b",
    "threads.getState(checkpoint)": r"^\w+, (at|[\w.\[\]]+\.checkpoint)\b",
}


def is_called(row):
    name, variant = re.fullmatch(r"([\w.]+)(\(.*\))?", row["method"]).groups()
    wanted = ""
    if variant in ("(None)", "(null)"):
        wanted = r"^(None|null)\b"
    elif variant:
        wanted = VARIANTS[row["method"]]
    elif name.startswith("runs.") and "{tid}" in row["path"]:
        wanted = r"^(?!None\b|null\b)."
    return any(n == name and re.search(wanted, a) for n, a in CALLS[row["sdk"]])


def name_of(row):
    return f"{row['sdk']}-{row['method']}"


SERVED = [r for r in ROWS if not NOT_SERVED.match(r["method"]) and r["method"] not in ORDINARY]
REFUSED = [r for r in ROWS if NOT_SERVED.match(r["method"]) and r["method"] not in ORDINARY
           and r["path"].startswith("/")]


@pytest.mark.parametrize("row", SERVED, ids=name_of)
def test_is_called(row):
    assert is_called(row), f"no test calls {row['method']} ({row['http_verb']} {row['path']})"


@pytest.mark.parametrize("row", REFUSED, ids=name_of)
def test_is_refused(api, row):
    """With a clear text, not as a path that is unknown."""
    method = "GET" if row["http_verb"] == "WS" else row["http_verb"]
    got = api.request(method, re.sub(r"\{\w+\}", new_id(), row["path"]))
    assert got.status == 501 and "not available" in got.json()["detail"], got


def test_every_row_is_one_of_these():
    known = {name_of(r) for r in SERVED + REFUSED} | {
        name_of(r) for r in ROWS if r["method"] in ORDINARY}
    assert {name_of(r) for r in ROWS} - known == {"py-threads.stream", "js-threads.stream"}
