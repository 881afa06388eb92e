# SPDX-License-Identifier: Apache-2.0
"""The engine alone, beside Python LangGraph and LangGraph.js: what a super-step
costs, and what a run that waits in a node keeps of a worker's memory.

Each of the three is one process that is asked for a row at a time, in turns.
Costs are processor time, of all threads, so that work handed to a helper counts.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS, SECONDS_QUICK = 1.0, 0.2
TIMES_PYTHON = 50
WAITING, WAITING_KB = 1000, 64

# Name, what it is, whether the factor is asked for.
ROWS = (
    ("chain10", "chain of ten nodes", True),
    ("fanout100", "step of 100 nodes", True),
    ("send1000", "step of 1,000 sends", True),
    ("state1mb", "1 MB of state, one byte updated", True),
    ("messages1000", "1,000 messages, one appended", True),
    ("messages1000_run", "run given 1,000 messages (as JSON)", False),
    ("chain10_saved", "chain of ten nodes, checkpoints in memory", True),
    ("state1mb_saved", "1 MB of state, checkpoints in memory", True),
    ("untouched0", "untouched state: none", True),
    ("untouched1", "untouched state: 1 MB", True),
    ("untouched10", "untouched state: 10 MB", True),
)


class Engine:
    """A process that answers lines of "row seconds" with lines of JSON."""

    def __init__(self, label, command, folder, errors):
        self.label = label
        self.process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "LANGSMITH_TRACING": "false"})

    def ask(self, row, seconds):
        self.process.stdin.write(f"{row} {seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.label} ended at {row}")
        return json.loads(line)["us"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def start_engines(options, build, errors):
    engines = []
    if not options.js_only:
        engines.append(Engine("Leat", [build / "bench/engine"], ROOT, errors))
    if not options.leat_only:
        python = ROOT / "build/venv/bin/python"
        engines.append(Engine("Python", [python, HERE / "engine_graphs.py"], ROOT, errors))
        modules = ROOT / "build/npm-bench"
        shutil.copy(HERE / "js/engine.mjs", modules)
        node = ROOT / "build/bin/node"
        node = node if os.access(node, os.X_OK) else shutil.which("node")
        engines.append(Engine("JavaScript", [node, "engine.mjs"], modules, errors))
    return engines


def measure_steps(options, build, scratch):
    """{row: {label: microseconds a step}}, medians of the rounds."""
    seconds = SECONDS_QUICK if options.quick else SECONDS
    costs = {name: {} for name, _, _ in ROWS}
    with open(scratch / "engine.log", "ab") as errors:
        engines = start_engines(options, build, errors)
        try:
            for turn in range(options.rounds):
                print(f"engine, round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
                for name, _, _ in ROWS:
                    for engine in engines:
                        costs[name].setdefault(engine.label, []).append(engine.ask(name, seconds))
        finally:
            for engine in engines:
                engine.close()
    return {name: {label: statistics.median(all) for label, all in row.items()}
            for name, row in costs.items()}


def print_steps(costs):
    def shown(value):
        return "-" if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"

    print(f"{'engine alone, µs of processor time a step':<44}{'Leat':>10}{'Python':>12}"
          f"{'JavaScript':>12}{'ratio':>8}{'':>8}  target")
    for name, title, wanted in ROWS:
        ours, python, js = (costs[name].get(x) for x in ("Leat", "Python", "JavaScript"))
        ratios = [f"{x / ours:,.0f}x" if x and ours else "-" for x in (python, js)]
        target = ""
        if wanted and python and ours:
            target = f"{TIMES_PYTHON}x Python: " + (
                "reached" if python / ours >= TIMES_PYTHON else "missed")
        print(f"{title:<44}{shown(ours):>10}{shown(python):>12}{shown(js):>12}"
              f"{ratios[0]:>8}{ratios[1]:>8}  {target}".rstrip())
    few, much = (costs[name].get("Leat") for name in ("untouched0", "untouched10"))
    if few and much:
        print(f"a step beside 10 MB of untouched state costs {much / few:.2f} times one beside none")


# --- memory of runs that wait -------------------------------------------------


def rss_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def wait_running(stack, count):
    """Until so many runs have begun their node: each says so with one event."""
    end = time.monotonic() + 60
    while stack.metrics("worker").get("leat_worker_events_total", 0) < 2 * count:
        if time.monotonic() > end:
            raise RuntimeError("the runs did not start")
        time.sleep(0.05)


def settled_kb(pid):
    """When it no longer falls: a run gives back what it does not need asleep."""
    least, since, end = rss_kb(pid), time.monotonic(), time.monotonic() + 30
    while time.monotonic() < min(since + 8, end):
        time.sleep(0.2)
        now = rss_kb(pid)
        if now < least * 0.99:
            least, since = now, time.monotonic()
    return least


def measure_waiting(build, scratch):
    """KB of a worker for each of many runs that are asleep in a node."""
    os.environ["LEAT_BUILD"] = str(build)
    sys.path.insert(0, str(ROOT / "tests/system"))
    from support import proc
    stack = proc.Stack.parts(scratch / "waiting", workers=0)
    try:
        port = proc.free_range(1)
        stack.admin["worker"] = f"http://127.0.0.1:{port}"
        worker = stack.start_worker(f"--slots={WAITING + 8}", f"--admin-listen=127.0.0.1:{port}")
        proc.until(lambda: stack.knows_graphs(stack.url), "the graphs")
        run = {"assistant_id": "sleeper", "input": {"ms": 600_000}, "stream_mode": "custom"}
        post(stack.url, "/runs/wait", {**run, "input": {"ms": 0}})
        before = rss_kb(worker.pid)
        post(stack.url, "/runs/batch", [run] * WAITING)
        wait_running(stack, WAITING)
        return (settled_kb(worker.pid) - before) / WAITING
    finally:
        stack.abandon()


def print_waiting(kb):
    reached = "reached" if kb <= WAITING_KB else "missed"
    print(f"{f'memory of a run asleep in a node, of {WAITING:,}':<44}{kb:>10.1f} KB"
          f"  at most {WAITING_KB}: {reached}")


def measure(options, build, scratch, parts):
    """Prints the parts asked for; what could not be measured, a list of texts."""
    failures = []
    try:
        if "engine" in parts:
            print_steps(measure_steps(options, build, scratch))
        if "waiting1000" in parts and not options.js_only:
            print_waiting(measure_waiting(build, scratch))
    except (RuntimeError, OSError) as failure:
        failures.append(f"engine failed: {failure}")
        print(failures[-1])
    return failures
