# SPDX-License-Identifier: Apache-2.0
"""The graphs of a langgraph.json: imported once, made ready for each run. A
graph that cannot be imported keeps the reason, and says it whenever it is
asked for."""

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import re
import sys
import traceback

from langgraph.pregel import Pregel
from langgraph.pregel.protocol import PregelProtocol

from . import factory, log

# Sections that say how to build an image or that are served.
SERVED = {"graphs", "dependencies", "env", "$schema", "python_version", "node_version",
          "pip_config_file", "pip_installer", "dockerfile_lines", "base_image",
          "image_distro", "keep_pkg_tools", "api_version", "source", "_INTERNAL_docker_tag"}
SCRIPTS = (".ts", ".mts", ".cts", ".js", ".mjs", ".cjs")


class Unusable(Exception):
    """The project cannot be served at all; the text says why."""


class GraphLoadError(Exception):
    """This graph cannot be had; the text says why."""


ENV_LINE = re.compile(r"""
    ^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*
    (?: (?: '([^']*)' | "((?:[^"\\]|\\.)*)" ) [ \t]*(?:\#[^\n]*)?
      | ([^\n]*?) (?:[ \t]+\#[^\n]*)? [ \t]* )$""", re.MULTILINE | re.VERBOSE | re.DOTALL)
ENV_NAME = re.compile(r"\$\{([^}:]+)(?::-([^}]*))?\}")
ENV_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def dotenv(text, given):
    """The NAME=value lines of an env file: quotes are taken off, in double ones
    escapes have their meaning, but in single ones ${NAME} and ${NAME:-other}
    are looked up here and in `given`; `export` and comments are ignored."""
    out = {}

    def named(found):
        name, other = found.groups()
        return out.get(name) or given.get(name) or other or ""

    for name, single, double, bare in ENV_LINE.findall(text.replace("\r\n", "\n")):
        if double:
            double = re.sub(r"\\(.)", lambda m: ENV_ESCAPES.get(m[1], m[1]), double, flags=re.DOTALL)
        out[name] = single or ENV_NAME.sub(named, double or bare)
    return out


class Project:
    """A langgraph.json, its environment and its import path."""

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        self.folder = self.path.parent
        try:
            self.config = json.loads(self.path.read_text())
        except (OSError, ValueError) as e:
            raise Unusable(f"{self.path}: {e}") from None
        if not isinstance(self.config, dict) or not isinstance(self.config.get("graphs"), dict):
            raise Unusable(f"{self.path}: no `graphs`: an object of graph id and path")

    def enter(self):
        """Sets the environment up; what is imported afterwards finds itself."""
        env = self.config.get("env")
        if isinstance(env, str):
            file = self.folder / env
            if file.is_file():
                os.environ.update(dotenv(file.read_text(), os.environ))
            else:
                log.warn("project.env", file=file, why="there is no such file")
        elif isinstance(env, dict):
            os.environ.update({str(k): str(v) for k, v in env.items()})
        folders = [self.folder]
        for entry in self.config.get("dependencies") or []:
            if isinstance(entry, str) and (entry.startswith((".", "/"))):
                folders.append((self.folder / entry).resolve())
        for folder in folders:
            for place in (folder, folder / "src"):
                if place.is_dir() and str(place) not in sys.path:
                    sys.path.insert(0, str(place))
        later = sorted(k for k in self.config if k not in SERVED)
        if later:
            log.warn("project.later", sections=",".join(later), why="not served yet")

    def specs(self):
        """graph id -> "path:name" """
        for id, spec in self.config["graphs"].items():
            yield id, spec.get("path") if isinstance(spec, dict) else spec


# --- importing ----------------------------------------------------------------
def module_of(folder, where):
    if not (where.endswith(".py") or "/" in where or os.sep in where):
        return importlib.import_module(where)
    file = (folder / where).resolve()
    if not file.is_file():
        raise GraphLoadError(f"there is no file {file}")
    top, parts = file.parent, [file.stem]
    while (top / "__init__.py").is_file():
        parts.insert(0, top.name)
        top = top.parent
    if file.stem == "__init__":
        parts.pop()
    for place in (str(top), str(file.parent)):
        if place not in sys.path:
            sys.path.append(place)
    name = ".".join(parts)
    if len(parts) > 1 and is_file_of(name.split(".")[0], top):
        return importlib.import_module(name)
    if len(parts) == 1 and found_at(name) == file:
        return importlib.import_module(name)
    return from_file(file, folder, parts)


def found_at(name):
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec else None
    return pathlib.Path(origin).resolve() if origin and os.path.exists(origin) else None


def is_file_of(package, top):
    """Is the package of this name the one in this folder, and no other?"""
    place = found_at(package)
    return place is not None and place.parent.parent == top


def from_file(file, folder, parts):
    """Under a name that is the same in every process, for what is kept of it."""
    mark = hashlib.sha256(os.path.relpath(file, folder).encode()).hexdigest()[:8]
    name = f"leat_graph_{'_'.join(parts)}_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def find(folder, spec):
    """The object that a spec names."""
    if not isinstance(spec, str) or ":" not in spec:
        raise GraphLoadError(f"{spec!r} is not of the form ./file.py:name or package.module:name")
    where, _, name = spec.rpartition(":")
    if where.endswith(SCRIPTS):
        raise GraphLoadError(f"{where} is not Python: it needs a worker for JavaScript")
    at = module_of(folder, where)
    for part in name.split("."):
        if not hasattr(at, part):
            raise GraphLoadError(f"{where} has no {name!r}")
        at = getattr(at, part)
    return at


# --- making -------------------------------------------------------------------
def is_graph(obj):
    return isinstance(obj, PregelProtocol)


def compiled(obj, id):
    if is_graph(obj):
        return obj
    if callable(getattr(obj, "compile", None)):
        return obj.compile()
    raise GraphLoadError(f"{id} is a {type(obj).__name__}: not a graph, nor does it make one")


def why_failed(error):
    """The error and the line that raised it."""
    if isinstance(error, GraphLoadError):
        return str(error)
    said = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if not f.filename.startswith("<") and f.filename != __file__]
    if isinstance(error, SyntaxError) or not inside:
        return said
    return f"{said} ({inside[-1].filename}, line {inside[-1].lineno})"


class Entry:
    """One graph id: a graph, a factory, or the reason why there is none."""

    def __init__(self, id, folder, spec):
        self.id, self.spec = id, spec
        self.graph = self.factory = self.error = None
        try:
            found = find(folder, spec)
            if is_graph(found) or not callable(found):
                self.graph = compiled(found, id)
            else:
                self.factory = found
        except (Exception, SystemExit) as e:  # a module may want to end the process
            what = why_failed(e)
            self.error = f"graph {id!r} ({spec}) cannot be loaded: {what}"
            log.error("graph.failed", graph=id, spec=spec, error=what)


class Registry:
    """`equip(graph)` gives a graph its checkpointer and its store; factories
    that ask for the latter get `store`."""

    def __init__(self, project, equip, store=None):
        self._equip, self._store = equip, store
        self.entries = {}
        for id, spec in project.specs():
            if isinstance(spec, str) and spec.rpartition(":")[0].endswith(SCRIPTS):
                log.info("graph.other", graph=id, why="it is for a JavaScript worker")
                continue
            self.entries[id] = entry = Entry(id, project.folder, spec)
            if entry.graph is not None:
                entry.graph = equip(entry.graph)
        if not self.entries:
            raise Unusable(f"{project.path}: no Python graph in it")

    def graph(self, id):
        """The graph of this id; None: it is made for each use, by open()."""
        entry = self.entries.get(id)
        if entry is None:
            raise GraphLoadError(f"there is no graph {id!r}")
        if entry.error is not None:
            raise GraphLoadError(entry.error)
        return entry.graph

    @contextlib.asynccontextmanager
    async def open(self, id, wish):
        """The graph of this id, for as long as it is used."""
        if (graph := self.graph(id)) is not None:
            yield graph
            return
        entry = self.entries[id]
        async with contextlib.AsyncExitStack() as stack:
            wish.store = self._store
            places, names = factory.arguments(entry.factory, wish)
            made = entry.factory(*places, **names)
            if inspect.isawaitable(made):
                made = await made
            if not is_graph(made):
                if hasattr(made, "__aenter__"):
                    made = await stack.enter_async_context(made)
                elif hasattr(made, "__enter__"):
                    made = stack.enter_context(made)
            yield self._equip(compiled(made, id))

    def mark(self, id):
        """Tells graphs of one id apart: those with other schemas have another."""
        entry = self.entries[id]
        text = entry.spec
        if isinstance(entry.graph, Pregel):
            with contextlib.suppress(Exception):
                schemas = [entry.graph.get_input_jsonschema(),
                           entry.graph.get_output_jsonschema(), sorted(entry.graph.channels)]
                text = json.dumps(schemas, sort_keys=True, default=str)
        return "python:" + hashlib.sha256(text.encode()).hexdigest()[:16]
