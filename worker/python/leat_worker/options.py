# SPDX-License-Identifier: Apache-2.0
"""The options of leat-worker-python: each once, as a flag and as LEAT_NAME."""

import os
import re
import socket
import sys
import uuid

UNITS = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SIZES = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30,
         "kb": 10**3, "mb": 10**6, "gb": 10**9}


class Wrong(Exception):
    """An option cannot be used; the text says which and why."""


def text(value):
    return value


def words(value):
    return [w.strip() for w in value.split(",") if w.strip()]


def number(low, high):
    def read(value):
        if not re.fullmatch(r"\d+", value) or not low <= int(value) <= high:
            raise Wrong(f"{value!r} is not a number from {low} to {high}")
        return int(value)
    return read


def duration(value):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
    if not found:
        raise Wrong(f"{value!r} is not a time such as 500ms, 10s or 2m")
    return float(found[1]) * UNITS[found[2]] / 1000


def size(value):
    found = re.fullmatch(r"(\d+)([a-z]*)", value.lower())
    if not found or found[2] not in SIZES:
        raise Wrong(f"{value!r} is not a size such as 64MiB")
    return int(found[1]) * SIZES[found[2]]


def boolean(value):
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off"):
        return False
    raise Wrong(f"{value!r} is neither true nor false")


def level(value):
    if value not in ("debug", "info", "warn", "error", "off"):
        raise Wrong(f"{value!r} is not one of debug, info, warn, error, off")
    return value


# name, how to read it, default, what it is
TABLE = [
    ("config", text, "langgraph.json", "The project's langgraph.json (no variable)."),
    ("broker", words, "tcp://127.0.0.1:7410", "Base address of the broker; several for standbys."),
    ("slots", number(1, 4096), "64", "Runs at a time in this process."),
    ("heartbeat", duration, "1s", "Pause between signs of life to the broker."),
    ("cancel-deadline", duration, "10s",
     "Time a node has to follow a cancel before its process is replaced."),
    ("drain", duration, "3s",
     "Time that runs have to finish on SIGTERM before they are handed back."),
    ("recursion-limit", number(1, 1000000), "25", "Super-steps of a run that sets no limit."),
    ("event-window", number(1, 1000000), "2048", "Events of a run sent and not yet received."),
    ("unconfirmed-bytes", size, "64MiB",
     "Events kept until they are durable; then the run is braked."),
    ("frame-bytes", size, "320MiB", "Largest message between the programs."),
    ("worker-id", text, "", "Name of this worker; made up when empty."),
    ("admin-listen", text, "", "HOST:PORT of HTTP /metrics and health; off when empty."),
    ("pickle", boolean, "false",
     "Keep values that nothing else can keep by pickle; whoever can write the store can then "
     "run code in the worker."),
    ("log-level", level, "info",
     "debug|info|warn|error|off: lines below it are not written."),
]
# Options of the other programs that leat dev hands to all its workers.
IGNORED = {"store", "graphs", "node-threads", "commit"}


def usage():
    lines = ["leat-worker-python: Runs Python LangGraph projects for a Leat broker.", "",
             "usage: leat-worker-python [OPTION]...", ""]
    for name, _, default, help_text in TABLE:
        default = f" [{default}]" if default else ""
        env = "" if name == "config" else f" ({env_name(name)})"
        lines += [f"  --{name} VALUE", f"      {help_text}{default}{env}"]
    return "\n".join([*lines, "  --help", "      Show this and end.", ""])


def env_name(name):
    return "LEAT_" + name.upper().replace("-", "_")


def flags(args):
    """The flags of a command line as pairs; --name=value and --name value."""
    args = list(args)
    while args:
        word = args.pop(0)
        if not word.startswith("--"):
            raise Wrong(f"{word}: what is this? --help lists the options")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not args:
                raise Wrong(f"--{name} needs a value")
            value = args.pop(0)
        yield name, value


class Options:
    """One attribute for each option (`-` becomes `_`)."""

    def __init__(self, args, env=os.environ):
        given = {name: env[env_name(name)] for name, *_ in TABLE
                 if name != "config" and env.get(env_name(name))}
        known = {name for name, *_ in TABLE}
        lists = {}
        for name, value in flags(args):
            if name in IGNORED:
                continue
            if name not in known:
                raise Wrong(f"--{name}: there is no such option; --help lists them")
            if name == "broker":
                lists.setdefault(name, []).append(value)
                value = ",".join(lists[name])
            given[name] = value
        for name, read, default, _ in TABLE:
            try:
                value = read(given.get(name, default)) if given.get(name, default) else ""
            except Wrong as e:
                raise Wrong(f"--{name}: {e}") from None
            setattr(self, name.replace("-", "_"), value)
        if not self.worker_id:
            self.worker_id = f"{socket.gethostname()[:64]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def read(args):
    """Options, or the end of the process."""
    if "--help" in args:
        sys.stdout.write(usage())
        sys.exit(0)
    try:
        return Options(args)
    except Wrong as e:
        sys.stderr.write(f"leat-worker-python: {e}\n")
        sys.exit(2)
