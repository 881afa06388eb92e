# SPDX-License-Identifier: Apache-2.0
"""Every snippet of the streaming documentation, in Python (async as shown and
sync), in JavaScript (js/snippets.mjs) and with curl. All have to give the same
whole sequence of events."""

import asyncio
import json
import subprocess

import pytest
from langgraph_sdk import get_client, get_sync_client

from support.expect import (
    agent_custom, agent_tuples, agent_updates, agent_values, answered, golden)
from support.mask import drop, mask, pairs
from support.proc import Stack
from support.sse import parse

pytestmark = pytest.mark.timeout(120)
KEY = "open sesame"
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}


@pytest.fixture(scope="module")
def locked(tmp_path_factory, new_store):
    started = Stack.dev(tmp_path_factory.mktemp("locked"), "--api-key", KEY, workers=1,
                        store=new_store())
    yield started
    started.close()


# -- what each snippet has to give, ids masked -----------------------------------

META = ["metadata", {"run_id": "<1>", "attempt": 1}]
GP = ["in", "Entered gp_one node"]
P = GP + ["Entered p_one node"]
C = P + ["Entered c_one node", "Entered c_two node"]

NESTED = [
    META,
    ["updates", {"gp_one": {"messages": ["Entered gp_one node"]}}],
    ["updates|gp_two:<2>", {"p_one": {"messages": ["Entered p_one node"]}}],
    ["updates|gp_two:<2>|p_two:<3>", {"c_one": {"messages": ["Entered c_one node"]}}],
    ["updates|gp_two:<2>|p_two:<3>", {"c_two": {"messages": ["Entered c_two node"]}}],
    ["updates|gp_two:<2>", {"p_two": {"messages": C}}],
    ["updates", {"gp_two": {"messages": P + C}}],
]
INTERRUPTED = [
    META,
    ["updates", {"__interrupt__": [{"value": "i want to interrupt", "id": "<h1>"}]}],
]
TRIVIAL_UPDATES = [META, ["updates", {"inc": {"x": 2}}]]


def run_done(n):
    return ["run_done", {"run_id": f"<{n}>", "status": "success", "thread_id": "<thread>"}]


def check_plain(wanted):
    def check(got):
        assert mask(got) == wanted
    return check


def check_golden(name):
    def check(got):
        golden(name, mask(got))
    return check


def check_wait(got):
    assert mask(got) == {**agent_values()[-1][1], "messages": answered(1)}


def check_interrupt(got):
    first, second = got
    assert mask(first) == INTERRUPTED
    assert mask(second) == agent_updates()


def check_tokens(got):
    """The metadata of each piece is compared in test_modes.py."""
    got = mask([[name, data if name == "metadata" else [data[0], data[1]["langgraph_node"]]]
                for name, data in got])
    assert got == agent_tuples()


def check_thread_stream(got):
    """Values of both runs, each closed by its run_done."""
    masked = mask(got, thread=next(d["thread_id"] for e, d in got if e == "run_done"))
    assert masked == [
        META, ["values", {"x": 1}], ["values", {"x": 2}], run_done(1),
        ["metadata", {"run_id": "<2>", "attempt": 1}], ["values", {"x": 5}],
        ["values", {"x": 6}], run_done(2)]


def check_key(got):
    refused, parts = got
    assert refused == 401
    assert mask(parts) == TRIVIAL_UPDATES


CHECKS = {
    "stateless": check_plain(agent_updates()),
    "thread": check_plain(agent_updates()),
    "values": check_plain(agent_values()),
    "several_modes": check_plain(agent_custom(2, with_updates=True)),
    "subgraphs": check_plain(NESTED),
    "debug": check_golden("trivial-debug"),
    "tokens": check_tokens,
    "custom": check_plain(agent_custom(3)),
    "events": check_golden("trivial-events"),
    "join": check_plain([META, ["values", {"ms": 500}], ["custom", {"started": True}]]),
    "wait": check_wait,
    "interrupt_and_resume": check_interrupt,
    "resume_after_drop": check_plain(agent_updates()),
    "thread_stream": check_thread_stream,
    "api_key": check_key,
}


# -- Python, as the documentation writes it ---------------------------------------

class Python:
    def __init__(self, url, locked_url):
        self.url = url
        self.locked_url = locked_url
        self.client = get_client(url=url)

    async def collect(self, stream):
        return [[chunk.event, chunk.data] async for chunk in stream]

    async def on_thread(self, assistant, **more):
        thread = await self.client.threads.create()
        return await self.collect(self.client.runs.stream(thread["thread_id"], assistant, **more))

    async def stateless(self):
        parts = []
        async for chunk in self.client.runs.stream(
            None,  # Threadless run
            "agent",
            input=HELLO,
            stream_mode="updates",
        ):
            parts.append([chunk.event, chunk.data])
        return parts

    async def thread(self):
        return await self.on_thread("agent", input=HELLO, stream_mode="updates")

    async def values(self):
        return await self.on_thread("agent", input=HELLO, stream_mode="values")

    async def several_modes(self):
        return await self.on_thread("agent", input={**HELLO, "sleep": {"steps": 2, "ms": 1}},
                                    stream_mode=["updates", "custom"])

    async def subgraphs(self):
        return await self.on_thread("nested", input={"messages": ["in"]}, stream_subgraphs=True,
                                    stream_mode="updates")

    async def debug(self):
        return await self.on_thread("trivial", input={"x": 1}, stream_mode="debug")

    async def tokens(self):
        return await self.on_thread("agent", input=HELLO, stream_mode="messages-tuple")

    async def custom(self):
        return await self.on_thread("agent", input={**HELLO, "sleep": {"steps": 3, "ms": 1}},
                                    stream_mode="custom")

    async def events(self):
        return await self.on_thread("trivial", input={"x": 1}, stream_mode="events")

    async def join(self):
        thread = await self.client.threads.create()
        run = await self.client.runs.create(thread["thread_id"], "sleeper", input={"ms": 500},
                                            stream_mode=["custom", "values"])
        return await self.collect(self.client.runs.join_stream(
            thread["thread_id"], run["run_id"], last_event_id="-1"))

    async def wait(self):
        thread = await self.client.threads.create()
        return await self.client.runs.wait(thread["thread_id"], "agent", input=HELLO)

    async def interrupt_and_resume(self):
        thread = await self.client.threads.create()
        first = await self.collect(self.client.runs.stream(
            thread["thread_id"], "agent", input={**HELLO, "interrupt": True},
            stream_mode="updates"))
        second = await self.collect(self.client.runs.stream(
            thread["thread_id"], "agent", command={"resume": "go on"}, stream_mode="updates"))
        return first, second

    async def resume_after_drop(self):
        thread = await self.client.threads.create()
        seen = []
        async for chunk in self.client.runs.stream(
                thread["thread_id"], "agent", input=HELLO, stream_mode="updates",
                stream_resumable=True):
            seen.append([chunk.event, chunk.data])
            if len(seen) == 2:
                break
        rest = await self.collect(self.client.runs.join_stream(
            thread["thread_id"], seen[0][1]["run_id"], last_event_id=chunk.id))
        return seen + rest

    async def thread_stream(self):
        thread = await self.client.threads.create()
        for x in (1, 5):
            await self.client.runs.wait(thread["thread_id"], "trivial", input={"x": x})
        parts = []
        async for chunk in await self.client.threads.join_stream(thread["thread_id"],
                                                                 last_event_id="-"):
            parts.append([chunk.event, chunk.data])
            if sum(event == "run_done" for event, _ in parts) == 2:
                break
        return parts

    async def api_key(self):
        wrong = get_client(url=self.locked_url, api_key="wrong")
        refused = None
        try:
            await self.collect(wrong.runs.stream(None, "trivial", input={"x": 1}))
        except Exception as error:
            refused = error.status_code
        client = get_client(url=self.locked_url, api_key=KEY)
        return refused, await self.collect(client.runs.stream(
            None, "trivial", input={"x": 1}, stream_mode="updates"))


@pytest.mark.parametrize("name", [
    pytest.param(n, marks=pytest.mark.smoke if n in ("stateless", "tokens", "join") else ())
    for n in CHECKS])
def test_python(name, stack, locked):
    CHECKS[name](asyncio.run(getattr(Python(stack.url, locked.url), name)()))


SYNC = {
    "stateless": (None, "agent", {"input": HELLO, "stream_mode": "updates"}),
    "thread": ("new", "agent", {"input": HELLO, "stream_mode": "updates"}),
    "values": ("new", "agent", {"input": HELLO}),
    "subgraphs": ("new", "nested", {"input": {"messages": ["in"]}, "stream_subgraphs": True,
                                    "stream_mode": ["updates"]}),
    "tokens": ("new", "agent", {"input": HELLO, "stream_mode": "messages-tuple"}),
}


@pytest.mark.parametrize("name", SYNC)
def test_python_sync(name, stack):
    client = get_sync_client(url=stack.url)
    thread, assistant, more = SYNC[name]
    if thread:
        thread = client.threads.create()["thread_id"]
    CHECKS[name]([[c.event, c.data] for c in client.runs.stream(thread, assistant, **more)])


# -- JavaScript: one process for all ------------------------------------------------

@pytest.fixture(scope="module")
def javascript(node, stack, locked):
    return json.loads(node("snippets.mjs", stack.url, LEAT_TEST_LOCKED_URL=locked.url))


@pytest.mark.parametrize("name", CHECKS)
def test_javascript(name, javascript):
    got = javascript[name]
    assert "error" not in got, got["error"]
    CHECKS[name](got["value"])


# -- curl ------------------------------------------------------------------------------

class Curl:
    def __init__(self, url, locked_url):
        self.url = url
        self.locked_url = locked_url

    def curl(self, *args):
        done = subprocess.run(["curl", "--silent", "--show-error", "--no-buffer", "--max-time",
                               "30", *args], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def post(self, path, url=None, extra=(), **body):
        return self.curl("--request", "POST", "--url", f"{url or self.url}{path}",
                         "--header", "Content-Type: application/json", *extra,
                         "--data", json.dumps(body))

    def new_thread(self):
        return json.loads(self.post("/threads"))["thread_id"]

    def stream(self, path, **body):
        return pairs(parse(self.post(path, **body)))

    def on_thread(self, assistant, **body):
        return self.stream(f"/threads/{self.new_thread()}/runs/stream", assistant_id=assistant,
                           **body)

    def stateless(self):
        return self.stream("/runs/stream", assistant_id="agent", input=HELLO,
                           stream_mode="updates")

    def thread(self):
        return self.on_thread("agent", input=HELLO, stream_mode="updates")

    def values(self):
        return self.on_thread("agent", input=HELLO, stream_mode="values")

    def several_modes(self):
        return self.on_thread("agent", input={**HELLO, "sleep": {"steps": 2, "ms": 1}},
                              stream_mode=["updates", "custom"])

    def subgraphs(self):
        return self.on_thread("nested", input={"messages": ["in"]}, stream_subgraphs=True,
                              stream_mode=["updates"])

    def debug(self):
        return self.on_thread("trivial", input={"x": 1}, stream_mode="debug")

    def tokens(self):
        return self.on_thread("agent", input=HELLO, stream_mode="messages-tuple")

    def custom(self):
        return self.on_thread("agent", input={**HELLO, "sleep": {"steps": 3, "ms": 1}},
                              stream_mode="custom")

    def events(self):
        return self.on_thread("trivial", input={"x": 1}, stream_mode="events")

    def get_stream(self, path, last):
        return pairs(parse(self.curl(
            "--url", f"{self.url}{path}", "--header", f"Last-Event-ID: {last}")))

    def join(self):
        thread = self.new_thread()
        run = json.loads(self.post(f"/threads/{thread}/runs", assistant_id="sleeper",
                                   input={"ms": 500}, stream_mode=["custom", "values"]))
        return self.get_stream(f"/threads/{thread}/runs/{run['run_id']}/stream", "-1")

    def wait(self):
        return json.loads(self.post(f"/threads/{self.new_thread()}/runs/wait",
                                    assistant_id="agent", input=HELLO))

    def interrupt_and_resume(self):
        path = f"/threads/{self.new_thread()}/runs/stream"
        return (self.stream(path, assistant_id="agent", input={**HELLO, "interrupt": True},
                            stream_mode=["updates"]),
                self.stream(path, assistant_id="agent", command={"resume": "go on"},
                            stream_mode=["updates"]))

    def resume_after_drop(self):
        thread = self.new_thread()
        all_events = parse(self.post(f"/threads/{thread}/runs/stream", assistant_id="agent",
                                     input=HELLO, stream_mode="updates", stream_resumable=True))
        run = all_events[0].data["run_id"]
        rest = self.get_stream(f"/threads/{thread}/runs/{run}/stream", all_events[1].id)
        return pairs(all_events[:2]) + rest

    def thread_stream(self):
        thread = self.new_thread()
        for x in (1, 5):
            self.post(f"/threads/{thread}/runs/wait", assistant_id="trivial", input={"x": x})
        process = subprocess.Popen(
            ["curl", "--silent", "--no-buffer", "--max-time", "30", "--header",
             "Last-Event-ID: -", f"{self.url}/threads/{thread}/stream"], stdout=subprocess.PIPE)
        got = b""
        while got.count(b"event: run_done") < 2 or not got.endswith(b"\n\n"):
            more = process.stdout.readline()
            assert more, got
            got += more
        process.kill()
        process.wait()
        process.stdout.close()
        return pairs(parse(got))

    def api_key(self):
        body = {"assistant_id": "trivial", "input": {"x": 1}, "stream_mode": "updates"}
        refused = self.post("/runs/stream", self.locked_url,
                            ["--output", "/dev/null", "--write-out", "%{http_code}"], **body)
        parts = self.post("/runs/stream", self.locked_url, ["--header", f"x-api-key: {KEY}"],
                          **body)
        return int(refused), pairs(parse(parts))


@pytest.mark.parametrize("name", CHECKS)
def test_curl(name, stack, locked):
    CHECKS[name](getattr(Curl(stack.url, locked.url), name)())


def test_all_give_the_same_bytes(stack):
    """What the masks hide is hidden for a reason: curl twice, masked, is equal."""
    curl = Curl(stack.url, None)
    first, second = curl.debug(), curl.debug()
    assert mask(first) == mask(second)
    assert drop(first, "timestamp") != drop(second, "timestamp"), "ids are the run's own"
