#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes random cases for the property tests, one line of JSON each:

    {"seed": 17, "graphs": {...}, "inputs": [...], "names": [...]}

The graphs are those of tests/differential, less what no property could hold
for: what a node counts in its own process, what it caches there, and state
that is never stored (a process that dies takes all of it along).
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import generate  # noqa: E402

INPUTS = 4
# Graphs and runs that were found to fail once.
FOUND = pathlib.Path(__file__).resolve().parents[1] / "golden/property"


def settle(ops):
    """Throws that count calls become throws that always or never happen."""
    out = []
    for i, op in enumerate(ops):
        if op["op"] == "throw" and "$calls" in repr(op.get("when")):
            if i % 2:
                continue
            op = {k: v for k, v in op.items() if k != "when"}
        out.append(op)
    return out


def tame(graphs):
    for graph in graphs.values():
        graph.pop("cache", None)
        for key, reducer in graph["state"].items():
            if reducer == "untracked":
                graph["state"][key] = "last"
        for node in graph["nodes"].values():
            node.pop("cache", None)
            if "do" in node:
                node["do"] = settle(node["do"])
    return graphs


def case(seed):
    maker = generate.Maker(f"property.{seed}")
    graphs = tame(maker.make())
    return {
        "seed": seed,
        "graphs": graphs,
        "inputs": [maker.input() for _ in range(INPUTS)],
        "names": list(graphs["main"]["nodes"]),
    }


def write_found(file):
    for path in sorted(FOUND.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        json.dump({"name": path.stem, **found}, file, ensure_ascii=False)
        file.write("\n")


def write(file, first, n):
    for seed in range(first, first + n):
        json.dump(case(seed), file, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    write(sys.stdout, int(sys.argv[1]), int(sys.argv[2]))
