# SPDX-License-Identifier: Apache-2.0
"""What depends on the store, on SQLite and on PostgreSQL, one after the other.

Runs come from the load client; the small requests from here, one at a time on
one connection, so that their times are a request's and not a queue's.
"""

import http.client
import json
import statistics
import subprocess
import sys
import time
import urllib.parse

RUNS = (1, 16, 64)
HISTORY = 10  # checkpoints of a page
COLUMNS = 100_000, 10  # threads of the large store, checkpoints of each

# Threads as large as the ones that a run leaves, made by the database itself.
FILL = (
    "INSERT INTO threads (thread_id, owner, status, last_ms, created_at,"
    " updated_at, state_updated_at, metadata, config, error, interrupts,"
    " state_values) SELECT {id}, '', 'idle', 0, n, n, n, {empty}, {empty},"
    " NULL, {empty}, {empty} FROM ({series}) s",
    "INSERT INTO checkpoints (thread_id, ns, checkpoint_id, parent_id, run_id,"
    " view_run, ts, metadata, view, view_before, body) SELECT {id}, '',"
    " '1ef00000-0000-6000-8000-00000000000' || c, '', {id}, {id}, '', {empty},"
    " NULL, NULL, {body} FROM ({series}) s, ({few}) f",
)
SQLITE = {
    "id": "CAST(printf('%016d', n) AS BLOB)", "empty": "x'80'",
    "body": "zeroblob(600)",
    "series": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
              " WHERE n < %d) SELECT n FROM s" % COLUMNS[0],
    "few": "WITH RECURSIVE f(c) AS (SELECT 0 UNION ALL SELECT c + 1 FROM f"
           " WHERE c < %d) SELECT c FROM f" % (COLUMNS[1] - 1)}
POSTGRESQL = {
    "id": "convert_to(lpad(n::text, 16, '0'), 'UTF8')", "empty": "'\\x80'::bytea",
    "body": "decode(repeat('00', 600), 'hex')",
    "series": "SELECT generate_series(1, %d) AS n" % COLUMNS[0],
    "few": "SELECT generate_series(0, %d) AS c" % (COLUMNS[1] - 1)}


class Client:
    """Requests one after the other, with the time that each took."""

    def __init__(self, base):
        self.address = urllib.parse.urlsplit(base)
        self.connection = None

    def send(self, method, path, data):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.address.hostname, self.address.port, timeout=30)
        began = time.perf_counter()
        self.connection.request(method, path, data, {"content-type": "application/json"})
        return began, self.connection.getresponse()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        try:
            began, reply = self.send(method, path, data)
        except (OSError, http.client.HTTPException):
            self.connection = None  # it was idle for too long
            began, reply = self.send(method, path, data)
        text = reply.read()
        took = time.perf_counter() - began
        if reply.will_close:
            self.connection = None
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:200]}")
        return (json.loads(text) if text else None), took * 1000


def timed(seconds, act):
    """Milliseconds of each call of act within so many seconds."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(act())
    return times


def figures(client, seconds):
    """Times of the small requests, by name."""
    made = []

    def create():
        thread, took = client.ask("POST", "/threads", {"metadata": {"n": len(made)}})
        made.append(thread["thread_id"])
        return took

    out = {"create a thread": timed(seconds, create)}
    ids = iter(made * 100)
    out["read a thread"] = timed(
        seconds, lambda: client.ask("GET", f"/threads/{next(ids)}")[1])
    ids = iter(made * 100)
    out["patch a thread"] = timed(seconds, lambda: client.ask(
        "PATCH", f"/threads/{next(ids)}", {"metadata": {"k": 1}})[1])
    thread = made[0]
    for x in range(HISTORY):
        client.ask("POST", f"/threads/{thread}/runs/wait",
                   {"assistant_id": "trivial", "input": {"x": x}})
    out["read a state"] = timed(
        seconds, lambda: client.ask("GET", f"/threads/{thread}/state")[1])
    out[f"a page of {HISTORY} of history"] = timed(seconds, lambda: client.ask(
        "POST", f"/threads/{thread}/history", {"limit": HISTORY})[1])
    out["a run, waited for"] = timed(seconds, lambda: client.ask(
        "POST", f"/threads/{thread}/runs/wait",
        {"assistant_id": "trivial", "input": {"x": 1}})[1])
    out["search by metadata"] = timed(seconds, lambda: client.ask(
        "POST", "/threads/search", {"metadata": {"n": 1}, "limit": 10})[1])
    out["delete a thread"] = [client.ask("DELETE", f"/threads/{t}")[1]
                              for t in made[1:200]]
    return out


class Sqlite:
    label = "SQLite"

    def __init__(self, scratch):
        self.file = scratch / "stores.db"
        self.url = f"sqlite:{self.file}"

    def fill(self):
        import sqlite3
        with sqlite3.connect(self.file, timeout=60) as db:
            for text in FILL:
                db.execute(text.format(**SQLITE))
        # The log of that transaction is as large as the file; nobody has such.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()

    def stop(self):
        pass


class Postgresql:
    label = "PostgreSQL"

    def __init__(self, _scratch):
        from support import postgres
        self.server = postgres.Server(fsync=True)
        self.url = self.server.new_database()

    def fill(self):
        for text in FILL:
            self.server.query(self.url, text.format(**POSTGRESQL))
        self.server.query(self.url, "ANALYZE")

    def stop(self):
        self.server.stop()


def runs_per_s(load, server, clients, seconds):
    done = subprocess.run(
        [str(load), "--base", server.base, "--test", "thread", "--clients",
         str(clients), "--seconds", str(seconds)],
        capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"load client: {done.stderr.strip()[:300]}")
    result = json.loads(done.stdout)
    return result["runs_per_s"], result["end_p50_ms"], result["end_p99_ms"]


def measure_store(store, start, load, options):
    """All rows of one store: title -> text."""
    seconds = 1 if options.quick else 3
    rows, small, server = {}, {}, start(store.url)
    try:
        for clients in RUNS:
            rate, p50, p99 = runs_per_s(load, server, clients, seconds + 1)
            rows[f"runs on threads, {clients} clients"] = \
                f"{rate:,.0f}/s, {p50:.1f} / {p99:.1f} ms"
        small["few threads"] = figures(Client(server.base), seconds / 3)
        if not options.quick:
            print(f"  {store.label:<11}making {COLUMNS[0]:,} threads of "
                  f"{COLUMNS[1]} checkpoints", file=sys.stderr, flush=True)
            store.fill()
            small[f"{COLUMNS[0]:,} threads"] = figures(Client(server.base), seconds / 3)
    finally:
        server.stop()
    for size, by_name in small.items():
        for name, times in by_name.items():
            times.sort()
            rows[f"{name}, {size}"] = (f"{statistics.median(times):.2f} / "
                                       f"{times[int(len(times) * 0.99)]:.2f} ms")
    return rows


def measure(start, load, scratch, options):
    """Prints a table; gives what could not be measured."""
    tables, failures = {}, []
    for make in (Sqlite, Postgresql):
        store = None
        try:
            store = make(scratch)
            tables[make.label] = measure_store(store, start, load, options)
        except (RuntimeError, OSError, AssertionError) as failure:
            failures.append(f"{make.label}: {failure}")
        finally:
            if store is not None:
                store.stop()
    titles = list(dict.fromkeys(t for rows in tables.values() for t in rows))
    print(f"\n{'stores, p50 / p99':<46}" + "".join(f"{k:>30}" for k in tables))
    for title in titles:
        print(f"{title:<46}" + "".join(
            f"{rows.get(title, '-'):>30}" for rows in tables.values()))
    for failure in failures:
        print(f"stores failed: {failure}")
    return failures
