#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom.

Three rules: a folder sees only what it is allowed to see; inside common/ the
files stand in layers; inside every folder the families of files (json.c,
json_write.c, json.h are one) include each other without a circle. A header of
another project appears only in the files named here.
"""

import re

from source import Report, family, files, folder, line_of, read, stem

BOTTOM = {"base", "cron", "zone", "err", "fault", "log", "clock", "id", "idmap", "buf", "conf", "stat", "mbox", "sha256",
          "dyn", "embed"}
# Families of common/ by layer; a file sees its own layer's numbers below, and BOTTOM all of itself.
LAYER = {name: 0 for name in BOTTOM} | {
    "value": 1, "json": 2, "store": 3, "wire": 3, "link": 4, "proc": 4, "admin": 5}

ENGINE_SEES = {"value", "base", "err", "clock", "id", "buf"}

# Header of another project -> the files that may include it (regular expressions).
THIRD_PARTY = {
    "zmq.h": r"common/link\w*\.[ch]|broker/\w+\.[ch]|worker/(desk|pub|exec)\w*\.[ch]|gateway/hub\w*\.[ch]",
    "czmq.h": r"common/link\w*\.[ch]|broker/\w+\.[ch]|worker/(desk|pub|exec)\w*\.[ch]|gateway/hub\w*\.[ch]",
    "msgpack.h": r"common/value\w*\.[ch]",
    "msgpack/pack.h": r"common/value\w*\.[ch]",
    "sqlite3.h": r"common/store/sqlite\w*\.[ch]",
    "libpq-fe.h": r"common/store/pg_lib\.h",
    "civetweb.h": r"gateway/(server|req|handover)\w*\.[ch]",
    "xxhash.h": r"common/id\.c",
    "curl/curl.h": r"worker/nodes/fetch\.c|gateway/hook_curl\.h",
    "dlfcn.h": r"common/dyn\.c|worker/load\w*\.c|gateway/handover\w*\.c|tests/.*",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def part(path):
    """The part of the tree that rules are about."""
    for name in ("include/leat", "worker/graph", "worker/nodes", "common/store", "common", "worker",
                 "broker", "gateway", "cli", "examples", "tests"):
        if path.startswith(name + "/"):
            return name
    return ""


# What each part may include of the others; common is refined below.
ALLOWED = {
    "include/leat": set(),
    "common": {"common", "common/store"},
    "common/store": {"common", "common/store"},
    "worker/graph": {"common"},
    "worker/nodes": {"common"},
    "worker": {"common", "common/store", "worker/graph", "worker/nodes"},
    "broker": {"common", "common/store"},
    "gateway": {"common", "common/store"},
    "cli": {"common"},
    "examples": set(),
}
FORBIDDEN_FAMILIES = {"broker": {"json"}}
NODES_SEE = {"base", "err", "json", "value", "buf"}


def common_family(path):
    if path == "common/errors.tbl.h":
        return "err"
    return "store" if path.startswith("common/store/") else family(path)


def complaint(path, target):
    """Why path may not include target (both inside the tree), or None."""
    here, there = part(path), part(target)
    if here == "tests" or there == "include/leat" or here == there and here != "common":
        return None
    if there not in ALLOWED[here]:
        return f"{here}/ must not know {there}/"
    name = common_family(target)
    if here == "worker/graph" and name not in ENGINE_SEES:
        return f"the engine sees only {', '.join(sorted(ENGINE_SEES))} of common/"
    if here == "worker/nodes" and name not in NODES_SEE:
        return f"nodes see only {', '.join(sorted(NODES_SEE))} of common/"
    if name in FORBIDDEN_FAMILIES.get(here, ()):
        return f"{here}/ must not use {name}"
    if here in ("common", "common/store"):
        return layer_complaint(path, target)
    return None


def layer_complaint(path, target):
    mine, other = common_family(path), common_family(target)
    for name in (mine, other):
        if name not in LAYER:
            return f"{name} has no layer in {__file__.rsplit('/', 1)[-1]}"
    if mine == other or LAYER[other] < LAYER[mine]:
        return None
    if mine in BOTTOM and other in BOTTOM:
        return None
    # The store's remote half is the one place where it speaks on the wire.
    if mine == "store" and family(path) == "remote" and other in ("wire", "link"):
        return None
    if mine == "store" and other == "json" or mine == "proc" and other in BOTTOM:
        return None
    return f"{mine} stands below {other}"


def node(path):
    """
    What stands for a file among those of its folder: its family. The header of
    types that a whole folder shares stands for itself, or every file that
    uses it and is used by its namesake would look like a circle.
    """
    shared = {"inner", "core", folder(path).split("/")[-1]}
    if path.endswith(".h") and stem(path) in shared:
        return stem(path) + ".h"
    return family(path)


def find_circles(edges):
    """Circles among the families of one folder, each once, as lists of names."""
    circles, state, trail = [], {}, []

    def visit(name):
        state[name] = "open"
        trail.append(name)
        for after in sorted(edges.get(name, ())):
            if state.get(after) == "open":
                circles.append(trail[trail.index(after):] + [after])
            elif after not in state:
                visit(after)
        trail.pop()
        state[name] = "done"

    for name in sorted(edges):
        if name not in state:
            visit(name)
    return circles


def main():
    report = Report("includes")
    known = set(files(".c", ".h"))
    edges, places = {}, {}
    for path in sorted(known):
        text = read(path)
        for match in INCLUDE.finditer(text):
            line = line_of(text, match.start())
            quoted, angled = match.groups()
            name = quoted or angled
            if angled and angled in THIRD_PARTY:
                if part(path) != "tests" and not re.fullmatch(THIRD_PARTY[angled], path):
                    report.add(path, line, f"<{angled}> belongs in {THIRD_PARTY[angled]}")
                continue
            target = name if quoted else f"include/{name}"
            if quoted and f"{folder(path)}/{name}" in known:
                target = f"{folder(path)}/{name}"
            if target not in known:
                if quoted:
                    report.add(path, line, f'"{name}" is not in the tree')
                continue
            why = complaint(path, target) if part(path) in ALLOWED else None
            if why:
                report.add(path, line, f"{name}: {why}")
            # Tables are data: whoever reads one is not bound to its owner.
            inside = folder(path) == folder(target) and not path.startswith("tests/")
            if inside and node(path) != node(target) and not target.endswith(".tbl.h"):
                edges.setdefault(folder(path), {}).setdefault(node(path), set()).add(node(target))
                places.setdefault((folder(path), node(path), node(target)), (path, line))
    for where, graph in sorted(edges.items()):
        for circle in find_circles(graph):
            path, line = places[(where, circle[0], circle[1])]
            report.add(path, line, f"circle of includes: {' -> '.join(circle)}")
    report.finish()


if __name__ == "__main__":
    main()
