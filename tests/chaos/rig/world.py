# SPDX-License-Identifier: Apache-2.0
"""The processes that chaos happens to, each in a slot where it is started
again as it was: two gateways, two workers, a broker, and the network between
the second of each and the broker."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
import uuid

from support import http
from support.api import Api
from support.proc import BUILD, PATIENCE, ROOT, Proc, Stack, free_range
from support.wait import until

from .proxy import Proxy

LEASE_MS = 2000
OPTIONS = {
    "broker": [f"--lease={LEASE_MS}ms", "--max-attempts=20"],
    "gateway": ["--submit-wait=10s"],
    "worker": ["--heartbeat=200ms", "--drain=1s"],
}


def build_graph(folder):
    """walk.so, as an author would make it."""
    path = folder / "walk.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", path,
                    ROOT / "tests/chaos/walk.c"], check=True)
    return path


class Slot:
    """One process, and how to start it again."""

    def __init__(self, world, name, kind, options):
        self.world, self.name, self.kind, self.options = world, name, kind, options
        self.proc = None
        self.count = 0

    def start(self, fault=None, ready=True):
        env = {"LEAT_FAULT": fault} if fault else None
        self.proc = Proc(self.world.stack.folder, f"{self.name}.{self.count}",
                         [BUILD / f"leat-{self.kind}", *self.options], env)
        self.world.stack.procs.append(self.proc)
        self.count += 1
        if ready:
            self.proc.wait_line("ready")

    def wait_ready(self):
        self.proc.wait_line("ready")

    def kill(self):
        self.proc.kill()

    def down(self):
        return not self.proc.alive()


class World:
    def __init__(self, folder, store=None, server=None, graph=None, broker=()):
        self.stack = Stack(folder, store)
        self.server = server  # of PostgreSQL, when it is ours to kill
        self.graph = graph or build_graph(self.stack.folder)
        base = free_range(9)
        self.stack.admin["broker"] = f"http://127.0.0.1:{base + 8}"
        self.proxies = {name: Proxy(base) for name in ("worker2", "gateway2")}
        direct = f"tcp://127.0.0.1:{base}"
        self.slots = {}
        self._slot("broker", "broker", [f"--listen={direct}",
                                        f"--admin-listen=127.0.0.1:{base + 8}", *broker])
        for name in ("worker1", "worker2"):
            self._slot(name, "worker", [f"--broker={self._near(name, direct)}",
                                        f"--graphs={self.graph}"])
        self.apis = []
        for name in ("gateway1", "gateway2"):
            port = free_range(1)
            self._slot(name, "gateway", [f"--broker={self._near(name, direct)}",
                                         f"--port={port}"])
            self.apis.append(Api(f"http://127.0.0.1:{port}"))
        for slot in self.slots.values():
            slot.start(ready=slot.kind == "broker")
        for slot in self.slots.values():
            slot.wait_ready()
        self.settle()

    def _near(self, name, direct):
        proxy = self.proxies.get(name)
        return f"tcp://127.0.0.1:{proxy.base}" if proxy else direct

    def _slot(self, name, kind, options):
        self.slots[name] = Slot(self, name, kind,
                                [f"--store={self.stack.store}", *OPTIONS[kind], *options])

    def of_kind(self, kind):
        return [s for s in self.slots.values() if s.kind == kind]

    @property
    def urls(self):
        return [a.url for a in self.apis]

    def settle(self, nursed=None):
        """Everybody is up and knows everybody, so that the next blow is one.
        Of the nursed one somebody else takes care."""
        for slot in self.slots.values():
            if slot.down() and slot is not nursed:
                slot.start(ready=False)
        for slot in self.slots.values():
            if slot is not nursed:
                slot.wait_ready()
        for api in self.apis:
            until(lambda a=api: self._served(a), "the gateways hearing of graphs", 20 * PATIENCE)
        until(lambda: self._workers() == 2, "both workers being known", 20 * PATIENCE)

    def _served(self, api):
        try:
            got = api.request("POST", "/assistants/search", {"graph_id": "walk", "limit": 1})
        except OSError:
            return False
        return got.status == 200 and got.json() != []

    def _workers(self):
        try:
            return self.stack.metrics("broker").get("leat_workers")
        except OSError:
            return None

    # -- what is in the store ---------------------------------------------------------

    def rows(self, sql):
        """Rows of the store as it is now, values as text."""
        if self.stack.store.startswith("sqlite:"):
            path = self.stack.store.removeprefix("sqlite:")
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as db:
                return [[str(v) for v in row] for row in db.execute(sql)]
        text = self.server.query(self.stack.store, sql)
        return [line.split("|") for line in text.splitlines()]

    def literal(self, run_id):
        """An id as SQL writes it."""
        text = uuid.UUID(run_id).hex
        return f"X'{text}'" if self.stack.store.startswith("sqlite:") else f"'\\x{text}'"

    # -- the end -----------------------------------------------------------------------

    def lost(self):
        """leat_events_lost_total of all who have it: must not grow."""
        return sum(float(line.split()[1]) for url in [self.stack.admin["broker"], *self.urls]
                   for line in self._metrics(url) if line.startswith("leat_events_lost_total "))

    @staticmethod
    def _metrics(url):
        """Of one that may be dead just now, and then has lost nothing yet."""
        try:
            return http.request(url, "GET", "/metrics").text.splitlines()
        except OSError:
            return []

    def close(self):
        for slot in self.slots.values():
            if slot.proc and slot.proc.alive():
                os.kill(slot.proc.pid, signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.stop()
        self.stack.abandon()


def after(seconds, act):
    """Does it later, in a thread; join() raises what it raised."""
    return Later(seconds, act)


class Later(threading.Thread):
    def __init__(self, seconds, act):
        super().__init__(daemon=True)
        self._due = time.monotonic() + seconds
        self._act, self._error = act, None
        self.start()

    def run(self):
        try:
            threading.Event().wait(max(0, self._due - time.monotonic()))
            self._act()
        except Exception as error:  # for join()
            self._error = error

    def join(self, timeout=None):
        super().join(timeout)
        if self._error:
            raise self._error
