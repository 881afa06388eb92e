# SPDX-License-Identifier: Apache-2.0
"""docs/graph-authors.md is true: its programs build, with the command it shows,
and answer as it says; and the headers are C++ too."""

import json
import pathlib
import re
import subprocess

import pytest
from support.proc import BUILD, Stack

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "graph-authors.md"
BLOCK = re.compile(r"^```(c|console)\n(.*?)^```$", re.M | re.S)
STATEMENT = re.compile(r"^cc (.*)counter\.so counter\.c$", re.M)


def programs():
    """(name, source, [(command, expected text)]) of each program of the page."""
    out = []
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind == "c":
            name = re.match(r"/\* (\w+)\.c \*/\n", text)[1]
            out.append((name, text, []))
        else:
            for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
                command, _, expected = part.partition("\n")
                out[-1][2].append((command, expected))
    return out


PROGRAMS = programs()


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def shows(expected, got):
    """What the page shows is there; what it leaves out may be anything."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            k in got and shows(v, got[k]) for k, v in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(
            map(shows, expected, got))
    return expected == got and isinstance(expected, bool) == isinstance(got, bool)


# Nothing leads to the second node: refused, while all others are served.
LOST = """{"main": {"state": {"x": "last"}, "nodes": {"a": {}, "b": {}},
          "edges": [["__start__", "a"]]}}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    flags = STATEMENT.search(PAGE.read_text())[1]
    for name, source, _ in PROGRAMS:
        (folder / f"{name}.c").write_text(source)
        # the page's own command line, from the root as the page says it
        command = f"cc {flags}{folder}/{name}.so {folder}/{name}.c"
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    (folder / "lost.json").write_text(LOST)
    stack = Stack.dev(tmp_path_factory.mktemp("dev"), workers=1, graphs=folder)
    yield stack
    stack.close()


@pytest.mark.parametrize("name", [name for name, _, _ in PROGRAMS])
def test_program(served, name):
    commands = next(c for n, _, c in PROGRAMS if n == name)
    assert commands, "the page does not show what it does"
    shell = f"""
        post() {{ curl -sN "{served.url}$1" -H 'content-type: application/json' -d "$2"; }}
        get() {{ curl -s "{served.url}$1"; }}
    """
    variables = ""  # what earlier commands set is there for later ones
    for command, expected in commands:
        done = subprocess.run(["bash", "-c", shell + variables + command],
                              capture_output=True, text=True, timeout=60)
        got, want = done.stdout, parsed(expected)
        if want is None or isinstance(want, int):
            assert got.strip() == expected.strip(), command
        else:
            assert shows(want, parsed(got)), f"{command}\n{got}"
        if found := re.match(r"(\w+=\S+);", command):
            variables += found[0]


def test_bad_graph_is_refused_and_the_others_served(served):
    log = served.log()
    said = next(line for line in log.splitlines() if "graph.refused" in line)
    assert "lost.json" in said and "node 'b' cannot be reached" in said
    assert log.count("graph.loaded") == len(PROGRAMS)


def test_worker_with_bad_graphs_alone_does_not_start(tmp_path):
    (tmp_path / "lost.json").write_text(LOST)
    done = subprocess.run([BUILD / "leat-worker", "--graphs", tmp_path / "lost.json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "node 'b' cannot be reached" in done.stderr


def test_every_call_is_told_of():
    """The page names each public call of the engine, or one of its family."""
    header = (ROOT / "include" / "leat" / "graph.h").read_text()
    table = re.search(r"#define LEAT_API_TABLE\(X\)(.*?)\n\n", header, re.S)[1]
    page = PAGE.read_text()
    building = [n for n in re.findall(r"X\((\w+)\)", table)
                if n.startswith(("add_", "set_", "input_", "output_", "interrupt", "item_", "tool_",
                                 "react", "fake_", "command", "model_", "call_", "overwrite", "send"))]
    missing = [n for n in building if f"leat_{n}" not in page
               and f"_{n.rsplit('_', 1)[-1]}`" not in page]
    assert not missing


HEADERS = """
#include <leat/graph.h>
static leat_value *node(leat_context *, leat_view state) { return leat_value_of(state); }
static void build(leat_graph *g, leat_view)
{
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_node(g, "n", node);
    leat_add_edge(g, LEAT_START, "n");
    struct leat_fake fake = {};
    (void)fake;
}
LEAT_GRAPHS({"cpp", build, false})
"""


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_headers_are_cpp(tmp_path, standard):
    source = tmp_path / "cpp.cc"
    source.write_text(HEADERS)
    command = ["g++", f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
               f"-I{ROOT}/include", "-o", tmp_path / "cpp.so", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    symbols = subprocess.run(["nm", "-D", "--defined-only", tmp_path / "cpp.so"],
                             capture_output=True, text=True).stdout
    assert "leat_graph_v1" in symbols
