# SPDX-License-Identifier: Apache-2.0
"""Makes a case smaller for as long as it still differs.

A case is JSON: taking away any element of a list or any key of an object
gives a smaller one, which either is still a case or is not. Steps go first,
then nodes with all that names them, then everything else.
"""
import copy

# Without these a case is another case or none.
NEEDED = {"op", "main", "state", "log", "nodes", "value", "graph", "node", "arg", "as", "step"}
NEEDED |= {"to", "from", "args", "ttl"}


def nodes_gone(graph, node):
    """The graph without a node, or None."""
    if len(graph["nodes"]) < 2:
        return None
    small = copy.deepcopy(graph)
    del small["nodes"][node]
    edges = []
    for start, end in small.get("edges", []):
        if isinstance(start, list):
            start = [s for s in start if s != node]
        if end != node and start not in (node, []):
            edges.append([start, end])
    small["edges"] = edges
    small["conditional"] = [c for c in small.get("conditional", []) if c["from"] != node]
    for key in ("interrupt_before", "interrupt_after"):
        if key in small:
            small[key] = [n for n in small[key] if n != node]
    return small


def without_nodes(case):
    for name, graph in case["graphs"].items():
        for node in list(graph["nodes"]):
            small = nodes_gone(graph, node)
            if small is not None:
                yield {**case, "graphs": {**case["graphs"], name: small}}


def used(case):
    """Drops graphs that nothing names any more."""
    text = repr(case["graphs"])
    names = [n for n in case["graphs"] if n != "main" and f"'graph': '{n}'" not in text]
    for name in names:
        graphs = {k: v for k, v in case["graphs"].items() if k != name}
        yield {**case, "graphs": graphs}


def paths(x, at=()):
    """Every place of which something can be taken, the largest first."""
    if isinstance(x, dict):
        for key in x:
            if key not in NEEDED and not key.startswith("$"):
                yield (*at, key)
        for key, value in x.items():
            yield from paths(value, (*at, key))
    elif isinstance(x, list):
        for i in reversed(range(len(x))):
            yield (*at, i)
        for i, value in enumerate(x):
            yield from paths(value, (*at, i))


def without(case, path):
    small = copy.deepcopy(case)
    at = small
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return small


def without_steps(case):
    steps = case["results"]
    for i in reversed(range(len(steps))):
        if len(steps) > 1:
            yield {**case, "results": steps[:i] + steps[i + 1:]}


def without_parts(case):
    for part in ("graphs", "results"):
        for path in paths(case[part], (part,)):
            yield without(case, path)


def simpler(case):
    yield from without_steps(case)
    yield from without_nodes(case)
    yield from used(case)
    yield from without_parts(case)


def only_steps(case):
    return {**case, "results": [{"step": r["step"]} for r in case["results"]]}


# --- what is still a graph --------------------------------------------------------
def names_in(x, key):
    """What stands under `key` anywhere in `x`."""
    if isinstance(x, dict):
        found = [x[key]] if isinstance(x.get(key), str) else []
        return found + [n for v in x.values() for n in names_in(v, key)]
    if isinstance(x, list):
        return [n for v in x for n in names_in(v, key)]
    return []


def lists_hold(graph):
    """No list of names is empty, and all of them are names of something."""
    lists = {"input": "state", "output": "state"}
    lists |= {"interrupt_before": "nodes", "interrupt_after": "nodes"}
    for key, known in lists.items():
        if key in graph and (not graph[key] or not set(graph[key]) <= set(graph[known])):
            return False
    return True


def edges_hold(graph):
    known = {"__start__", "__end__", *graph["nodes"]}
    for start, end in graph.get("edges", []):
        starts = start if isinstance(start, list) else [start]
        if not starts or not {*starts, end} <= known:
            return False
    branches = graph.get("conditional", [])
    if any(not b.get("map", True) for b in branches):
        return False
    return any(s == "__start__" for s, _ in graph.get("edges", [])) or any(
        b["from"] == "__start__" for b in branches
    )


def targets_hold(graph):
    """Every name that a branch may choose is that of a node or a label."""

    def leaves(x):
        if isinstance(x, dict):
            other = ("$state", "$calls", "$lt", "arg", "$item")
            inner = [v for k, v in x.items() if k not in other]
            return [n for v in inner for n in leaves(v)]
        if isinstance(x, list):
            return [n for v in x for n in leaves(v)]
        return [x] if isinstance(x, str) else []

    for branch in graph.get("conditional", []):
        known = set(branch["map"]) if "map" in branch else {"__end__", *graph["nodes"]}
        known |= {"nowhere", "L?"}  # what the generator takes for neither
        to = branch["to"]
        if isinstance(to, dict) and "$map" in to:
            to = to["$map"][1]
        if not set(leaves(to)) <= known:
            return False
        if not set((branch.get("map") or {}).values()) <= {"__end__", *graph["nodes"]}:
            return False
    return True


def is_case(case):
    """Would the generator make such a case?"""
    try:
        for graph in case["graphs"].values():
            if not graph["nodes"] or not lists_hold(graph) or not edges_hold(graph):
                return False
            if not targets_hold(graph):
                return False
            if not set(names_in(graph, "node")) <= set(graph["nodes"]):
                return False
            if set(names_in(graph.get("conditional", []), "goto")) - set(graph["nodes"]):
                return False
        nodes = set(case["graphs"]["main"]["nodes"])
        steps = [r["step"] for r in case["results"]]
        commands = [s["input"]["$command"] for s in steps if "$command" in (s.get("input") or {})]
        if any("values" in s and s["values"] is None and not s.get("as_node") for s in steps):
            return False  # the specification has its own rule for that
        return set(names_in(steps, "node")) <= nodes and all(commands)
    except (KeyError, TypeError, ValueError, IndexError):
        return False


def shrink(case, differs, budget=400):
    """`differs` says whether a case is one and differs; `budget` is how often
    it may be asked. Gives the smallest that was found."""
    best = only_steps(case)
    again = True
    while again and budget > 0:
        again = False
        for small in simpler(best):
            if not is_case(small):
                continue
            budget -= 1
            if budget <= 0:
                break
            if differs(small):
                best, again = small, True
                break
    return best
