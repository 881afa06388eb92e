#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Python graphs called in process and through Leat.

    build/venv/bin/python tests/bench/python.py [--build build] [--quick]

The same graphs (tests/python/basic) in an asyncio loop of this process, then by
one leat-worker-python behind a broker and a gateway, asked by a plain client.
Times never decide the exit status; it is 1 when something could not be measured.
"""

import argparse
import asyncio
import http.client
import json
import os
import pathlib
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = ROOT / "tests" / "python" / "basic"
HI = {"messages": [{"role": "human", "content": "hi"}]}
WAITING = 200


def quantile(times, q):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * q))] * 1000


class Client:
    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.where = at.hostname, at.port

    def post(self, path, body):
        """Status and the whole answer."""
        connection = http.client.HTTPConnection(*self.where, timeout=120)
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status, data[:200])
        return data

    def wait(self, graph):
        began = time.perf_counter()
        self.post("/runs/wait", {"assistant_id": graph, "input": {"x": 1}})
        return time.perf_counter() - began

    def first_event(self, graph):
        connection = http.client.HTTPConnection(*self.where, timeout=120)
        began = time.perf_counter()
        connection.request("POST", "/runs/stream", json.dumps(
            {"assistant_id": graph, "input": {"x": 1}}), {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.readline()
        took = time.perf_counter() - began
        answer.read()
        connection.close()
        return took

    def tokens(self):
        """Events in a second, from the first to the last."""
        connection = http.client.HTTPConnection(*self.where, timeout=120)
        connection.request("POST", "/runs/stream", json.dumps(
            {"assistant_id": "tokens", "input": HI, "stream_mode": ["messages-tuple"]}),
            {"content-type": "application/json"})
        answer = connection.getresponse()
        first = data = answer.read1(65536)
        began = time.perf_counter()
        while data:
            data = answer.read1(1 << 20)
            first += data
        took = time.perf_counter() - began
        connection.close()
        return first.count(b"event: messages") / took


async def in_process(rounds):
    sys.path.insert(0, str(PROJECT))
    import chat
    import plain
    out = {}
    for name in ("trivial", "chain10"):
        times = []
        for i in range(rounds + 20):
            began = time.perf_counter()
            await getattr(plain, name).ainvoke({"x": 1})
            times.append(time.perf_counter() - began)
        out[name] = times[20:]
    rates = []
    for _ in range(6):
        count, began = 0, time.perf_counter()
        async for _ in chat.tokens.astream(HI, stream_mode="messages"):
            count += 1
        rates.append(count / (time.perf_counter() - began))
    out["tokens"] = sorted(rates[1:])[2]
    return out


def served(client, rounds):
    out = {}
    for name in ("trivial", "chain10"):
        out[name] = [client.wait(name) for _ in range(rounds + 20)][20:]
    out["tokens"] = sorted([client.tokens() for _ in range(6)][1:])[2]
    return out


def responsive(client, rounds):
    """First events of new runs while others wait in the same worker."""
    for _ in range(WAITING):
        thread = json.loads(client.post("/threads", {}))["thread_id"]
        client.post(f"/threads/{thread}/runs", {"assistant_id": "dozing",
                                                "input": {"seconds": 600}})
    return [client.first_event("trivial") for _ in range(rounds)]


def show(local, there, waiting):
    print(f"{'Python graph':<34}{'in process':>14}{'through Leat':>14}")
    for name in ("trivial", "chain10"):
        a, b = quantile(local[name], 0.5), quantile(there[name], 0.5)
        print(f"{name + ', p50 of a run':<34}{a:>11.2f} ms{b:>11.2f} ms   +{b - a:.2f} ms"
              "   (target: at most +1.50)")
    a, b = local["tokens"], there["tokens"]
    print(f"{'tokens in a second':<34}{a:>14.0f}{b:>14.0f}   {b / a:.0%}   (target: 90%)")
    p99 = quantile(waiting, 0.99)
    print(f"{f'first event beside {WAITING} runs, p99':<34}{'':>14}{p99:>11.2f} ms   "
          "(target: under 50)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="python")
    options, _ = parser.parse_known_args()
    if "python" not in options.only.split(","):
        return 0
    os.environ["LEAT_BUILD"] = str(pathlib.Path(options.build).resolve())
    sys.path.insert(0, str(ROOT / "tests" / "system"))
    from support import proc
    rounds = 50 if options.quick else 300
    local = asyncio.run(in_process(rounds))
    with tempfile.TemporaryDirectory() as folder:
        stack = proc.Stack.parts(pathlib.Path(folder) / "stack", workers=0)
        worker = proc.Proc(stack.folder, "python", [
            ROOT / "build/venv/bin/leat-worker-python", f"--config={PROJECT}/langgraph.json",
            f"--broker={stack.broker_base}", "--slots=512", "--log-level=warn"])
        try:
            worker.wait_line("ready ", seconds=60)
            client = Client(stack.url)
            there = served(client, rounds)
            waiting = responsive(client, 50 if options.quick else 200)
        finally:
            worker.kill()
            stack.abandon()
    show(local, there, waiting)
    return 0


if __name__ == "__main__":
    sys.exit(main())
