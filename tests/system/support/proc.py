# SPDX-License-Identifier: Apache-2.0
"""Processes of Leat under test: started on free ports, logs kept, stopped.

A Proc is one process; a Stack is a broker, gateways and workers, either as
children of `leat dev` or each started by hand, in a folder of its own.
"""

import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from . import http
from .wait import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("LEAT_BUILD", "build")
GRAPHS = BUILD / "graphs"
# Sanitized builds are several times slower; deadlines, never results, follow.
PATIENCE = float(os.environ.get("LEAT_TEST_PATIENCE", 5 if "san" in BUILD.name else 1))
READY_SECONDS = 20 * PATIENCE

# A report ends the process or its exit status tells; libzmq is not built for
# the thread sanitizer, which would take all that it does for races.
SANITIZERS = {"ASAN_OPTIONS": "halt_on_error=1:exitcode=99",
              "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
              "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:exitcode=99"}

live = []  # every Stack that has not been closed, for the report of a failure


def free_range(n=8):
    """The first of n ports in a row that nobody listens on now."""
    for _ in range(500):
        base = random.randrange(12000, 19900)
        held = []
        try:
            for port in range(base, base + n):
                s = socket.socket()
                held.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
                s.listen(1)
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
        return base
    raise RuntimeError("no free ports")


def clean_env(more=None):
    """The environment without what would change how the programs behave."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LEAT_") and k != "LANGGRAPH_CONFIG"}
    for name, options in SANITIZERS.items():
        env.setdefault(name, options)
    if BUILD.parent.name == "build":  # a sanitizer's: the environment is one folder up
        env["LEAT_PYTHON"] = str(BUILD.parent / "venv/bin/python")
    return env | (more or {})


class Proc:
    """One process; its standard output by lines, its log in a file."""

    def __init__(self, folder, name, args, env=None):
        self.name = name
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        self.args = [str(a) for a in args]
        self.lines = []
        self._more = threading.Condition()
        self._closed = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.args, cwd=folder, env=clean_env(env), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._closed = True
            self._more.notify_all()

    def wait_line(self, start, after=0, seconds=None):
        """The first line from index `after` on that begins so."""
        deadline = time.monotonic() + (seconds or READY_SECONDS)
        with self._more:
            while True:
                for line in self.lines[after:]:
                    if line.startswith(start):
                        return line
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    why = "ended" if self._closed else "is silent"
                    raise AssertionError(
                        f"{self.name} {why}; no line {start!r} in {self.lines}\n{self.log()[-4000:]}")
                self._more.wait(min(left, 0.5))

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        return self.process.wait(seconds * PATIENCE)

    def stop(self):
        """SIGTERM, then its exit status; what does not follow is killed."""
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop:\n{self.log()[-4000:]}") from None
        self._finish()
        return status

    def kill(self):
        if self.alive():
            self.signal(signal.SIGKILL)
        self.process.wait()
        self._finish()

    def _finish(self):
        self._reader.join(5)
        self.process.stdout.close()


class Stack:
    """A whole Leat. Its `url` is that of the (first) gateway."""

    def __init__(self, folder, store=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = store or f"sqlite:{self.folder}/leat.db"
        self.procs = []
        self.env = None
        self.urls = []
        self.in_turn = False
        self.broker_base = None
        self.admin = {}
        live.append(self)

    @property
    def url(self):
        """The gateway; of many() a different one each time."""
        if self.in_turn:
            self.urls.append(self.urls.pop(0))
        return self.urls[0]

    # -- the two ways of starting ------------------------------------------

    @classmethod
    def dev(cls, folder, *options, workers=2, env=None, store=None, graphs=GRAPHS, seconds=None):
        """leat dev with all its children, ready."""
        stack = cls(folder, store)
        base = free_range(2 + workers)
        words = [BUILD / "leat", "dev", "--pids", "--port=0", f"--store={stack.store}",
                 f"--workers={workers}", f"--admin-listen=127.0.0.1:{base}"]
        if graphs:
            words.append(f"--graphs={graphs}")
        proc = Proc(stack.folder, "dev", [*words, *options], env)
        stack.procs.append(proc)
        stack.urls.append(proc.wait_line("ready ", seconds=seconds).split()[1])
        stack.admin["broker"] = f"http://127.0.0.1:{base}"
        return stack

    @classmethod
    def parts(cls, folder, workers=1, gateways=1, broker=(), gateway=(), worker=(), store=None):
        """The same from single programs; each list holds options of its kind."""
        stack = cls(folder, store)
        stack.start_broker(*broker)
        for _ in range(gateways):
            stack.start_gateway(*gateway)
        for _ in range(workers):
            stack.start_worker(*worker)
        for proc in stack.kind("gateway") if workers else ():
            until(lambda: stack.knows_graphs(proc.url), "the gateway hearing of graphs")
        return stack

    @classmethod
    def many(cls, folder, *options, env=None, store=None):
        """In place of dev(): two gateways, asked in turn, and four workers. The
        options reach all programs, as theirs do."""
        stack = cls(folder, store)
        named = (o.removeprefix("--").split("=", 1) for o in options)
        stack.env = {**(env or {}), **{"LEAT_" + name.upper().replace("-", "_"): value
                                       for name, value in named}}
        stack.start_broker()
        for start in (stack.start_gateway,) * 2 + (stack.start_worker,) * 4:
            start()
        for url in list(stack.urls):
            until(lambda: stack.knows_graphs(url), "the gateway hearing of graphs")
        stack.in_turn = True
        return stack

    @staticmethod
    def knows_graphs(url):
        """Of a worker's graphs a gateway hears a moment after the worker is ready."""
        got = http.request(url, "POST", "/assistants/search", {"limit": 1})
        return got.status != 200 or got.json() != []

    def start_broker(self, *options):
        if self.broker_base is None:
            base = free_range(9)
            self.broker_base = f"tcp://127.0.0.1:{base}"
            self.admin["broker"] = f"http://127.0.0.1:{base + 8}"
        admin = self.admin["broker"].removeprefix("http://")
        return self._start("broker", [f"--listen={self.broker_base}", f"--store={self.store}",
                                      f"--admin-listen={admin}", *options])

    def start_gateway(self, *options):
        port = free_range(1)
        proc = self._start("gateway", [f"--broker={self.broker_base}", f"--store={self.store}",
                                       "--allow-truncate", f"--port={port}", *options])
        proc.url = f"http://127.0.0.1:{port}"
        self.urls.append(proc.url)
        return proc

    def start_worker(self, *options, ready=True):
        given = any(str(o).startswith("--graphs") for o in options)
        graphs = [] if given else [f"--graphs={GRAPHS}"]
        return self._start("worker", [f"--broker={self.broker_base}", f"--store={self.store}",
                                      *graphs, *options], ready)

    def _start(self, kind, options, ready=True):
        n = sum(p.name.startswith(kind) for p in self.procs)
        proc = Proc(self.folder, f"{kind}{n}", [BUILD / f"leat-{kind}", *options], self.env)
        self.procs.append(proc)
        if ready:
            proc.wait_line("ready")
        return proc

    # -- looking at it -------------------------------------------------------

    def kind(self, kind):
        """The processes of a kind that were started by hand, oldest first."""
        return [p for p in self.procs if p.name.startswith(kind)]

    def pids(self, kind):
        """Process ids of a kind, of leat dev's children in order of starting."""
        if self.kind(kind):
            return [p.pid for p in self.kind(kind)]
        return [int(line.split()[2]) for line in self.procs[0].lines
                if line.startswith(f"pid {kind} ")]

    def port(self):
        return urllib.parse.urlsplit(self.url).port

    def metrics(self, kind="gateway"):
        """Samples of a process' /metrics by name{labels}."""
        if kind == "gateway":
            text = http.request(self.url, "GET", "/metrics").text
        else:
            text = http.request(self.admin[kind], "GET", "/metrics").text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def log(self):
        return "\n".join(f"--- {p.name} ({p.pid})\n{p.log()}" for p in self.procs)

    def faults(self):
        """What no test may leave behind: restarts, errors, sanitizer reports."""
        found = []
        for proc in self.procs:
            text = proc.log()
            found += re.findall(r"^.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:"
                                r"|panic|child\.died).*$", text, re.M)
            if not proc.alive():
                found.append(f"{proc.name} has ended with {proc.process.returncode}")
        return found

    # -- ending it -------------------------------------------------------------

    def close(self):
        """Stops all, the broker last; every exit status has to be 0."""
        live.remove(self)
        order = sorted((p for p in self.procs if p.alive()),
                       key=lambda p: p.name.startswith("broker"))
        statuses = {p.name: p.stop() for p in order}
        assert all(s == 0 for s in statuses.values()), statuses

    def abandon(self):
        """Kills all: for a test that has failed or has broken them on purpose."""
        if self in live:
            live.remove(self)
        for proc in self.procs:
            proc.kill()

    def store_faults(self):
        """What does not hold in the store that should, whoever was killed when."""
        path = pathlib.Path(self.store.removeprefix("sqlite:"))
        if self.store.startswith("sqlite:") and not path.exists():
            return ""  # it was never started
        done = subprocess.run([BUILD / "tests/store-check", self.store], text=True,
                              capture_output=True, env=clean_env(), timeout=60 * PATIENCE)
        return done.stdout + done.stderr
