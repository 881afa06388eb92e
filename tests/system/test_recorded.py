# SPDX-License-Identifier: Apache-2.0
"""All requests that were recorded with the JavaScript server, sent again: the
same status, the same kind of answer, the same fields and the same events, but
where the specification or Python's library says otherwise (DIFFERENT)."""

import concurrent.futures
import itertools
import json
import re

import pytest

from support import http
from support.proc import ROOT

RECORDED = ROOT.parent / "shared" / "recorded" / "js-server"
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# What differs, number by number: another status, or what it is that differs
# ("events", "fields"; with "?" only at times), and why.
DIFFERENT = [
    ([3, 4, 5, 6, 7], 200, "that server has no such routes"),
    ([2], "fields", "it runs no JavaScript"),
    ([18], "events", "runs without a thread have checkpoints too, in memory"),
    ([51, 53, 58, 59, 61, 65, 76], "events",
     "Python's library says nothing in values at a static interrupt"),
    ([83], "fields", "Python's library says nothing in values at a static interrupt"),
    ([60], "events", "messages of the graph itself have no namespace in Python's library"),
    ([104, 105], 200, "bodies are JSON whatever their Content-Type"),
    ([106, 107, 108, 109, 110, 111, 128, 272, 308, 311], 422, "validation is 422"),
    ([112, 118, 119, 120], 404, "what is not there is 404, joins too"),
    ([124], 405, "a path without that method"),
    ([129], 200, "there are crons"),
    ([131, 133, 134, 135, 136], "events", "ids have another form; what is no id means from the start"),
    ([139, 144, 147, 174, 175], "events?", "a join without a cursor shows what comes next"),
    ([186, 210], 404, "a run that is rolled back is deleted, whenever that is"),
    ([189], 202, "nobody waited"),
    ([195], 409, "a run that has ended cannot be cancelled"),
    ([198, 217], 409, "a busy thread is a conflict"),
    ([236], 200, "the default strategy is enqueue"),
    ([237], 200, "so that by then the thread has no run"),
    ([252], 400, "there is no such node"),
    ([253], "events", "the scripted model counts the answers in the state, not in the process"),
    ([270], 404, "a graph that no worker ever had"),
    ([293, 294, 295], 404, "graphs that do not ship"),
    ([296], 200, "no JSON is asked of a GET"),
    ([297], 204, "deleting is 204"),
    ([314, 315], 501, "the event streaming protocol is not available"),
]
MODES = ("values", "updates", "messages-tuple", "custom", "tasks", "checkpoints", "debug",
         "events", "tools")
NOBODY = "00000000-0000-4000-8000-000000000000"
HELLO = {"messages": [{"type": "human", "content": "foo", "id": "initial-message"}]}
# Streams that the recording client left before their end.
ABORTED = ("130-resumable-post-aborted", "141-resumable-stateless-post",
           "143-nonresumable-post-aborted", "165-disconnect-cancel", "169-disconnect-continue",
           "173-disconnect-cancel-stateless", "175-join-cancel-on-disconnect")
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not here")


class Exchange:
    """One recorded request and its answer."""

    def __init__(self, path):
        self.name = path.stem
        self.number = int(path.name[:3])
        sent, got = path.read_text().split("### RESPONSE", 1)
        head, self.body = sent.split("\n", 1)[1].split("\n\n", 1)
        self.body = self.body.strip()
        lines = head.split("\n")
        self.method, self.path, _ = lines[0].split(" ")
        self.headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.head, _, self.answer = got.split("\n", 1)[1].partition("\n\n")
        self.status = int(self.head.split(" ")[1])
        self.aborted = self.name in ABORTED
        self.streams = "text/event-stream" in self.head
        made = re.search(r"content-location: (?:/threads/[\w-]+)?/runs/([\w-]+)", self.head)
        self.run = made and made[1]
        asked_for = document(self.body)
        modes = asked_for.get("stream_mode", MODES) if isinstance(asked_for, dict) else MODES
        self.modes = [modes] if isinstance(modes, str) else modes or ["values"]
        named = re.match(r"/threads/([\w-]{36})", self.path)
        if named is None and self.path == "/threads" and self.status in (200, 409):
            named = re.search(r'"thread_id":"([\w-]{36})', self.body + self.answer)
        self.thread = named and named[1]
        asked = re.match(r"/threads/[\w-]{36}/runs/([\w-]{36})", self.path)
        self.asked_run = asked and asked[1]


def fields(value):
    """The names of a JSON object, or of those in a list."""
    if isinstance(value, list):
        return fields(value[0]) if value else set()
    return set(value) if isinstance(value, dict) else set()


def document(text):
    """The JSON that an answer is; nothing if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def names_of(text, asked):
    """The names of events; of the same one several times in a row, one. Without
    those of legacy messages, which come by Python's rules and not that server's
    (spec/sse.md, decisions), and those of modes that were not asked for, which
    that server sends beside subgraphs."""
    names = [UUID.sub("*", name) for name in re.findall(r"^event: (.*)$", text, re.M)]
    bases = {"metadata", "error", *("messages" if m == "messages-tuple" else m for m in asked)}
    return [name for name, _ in itertools.groupby(
        n for n in names if n.split("|")[0] in bases and not n.startswith("messages/"))]


class Player:
    """Replays what is about one thread, in its order."""

    def __init__(self, api, exchanges):
        self.api = api
        self.exchanges = exchanges
        self.ids = {}
        self.differences = {}
        self.details = {}

    def play(self):
        self.prepare()
        for exchange in self.exchanges:
            self.send(exchange)
        return self

    def prepare(self):
        """The thread, and the run that the recordings do not show being made."""
        thread = self.exchanges[0].thread
        if thread in (None, NOBODY) or "if_not_exists" in self.exchanges[0].body or \
                self.exchanges[0].path == "/threads":
            return
        self.ids[thread] = self.api.thread()
        made = {e.run for e in self.exchanges}
        for run in {e.asked_run for e in self.exchanges} - made - {None, NOBODY}:
            self.ids[run] = self.long_run(self.ids[thread])

    def long_run(self, thread):
        late = {"after_seconds": 20} if "pending" in self.exchanges[0].name else {}
        return self.api.start(thread, "agent", input={**HELLO, "sleep": {"steps": 6, "ms": 500}},
                              stream_mode=["values", "custom"], **late)["run_id"]

    def ours(self, text):
        return UUID.sub(lambda m: self.ids.get(m[0], m[0]), text)

    def send(self, exchange):
        opened = http.Open(self.api.url, exchange.method, self.ours(exchange.path),
                           self.ours(exchange.body).encode() or None,
                           {k: v for k, v in exchange.headers.items()
                            if k in ("Last-Event-ID", "Prefer", "Origin")})
        with opened:
            while exchange.method != "HEAD" and opened.read_some():
                if exchange.aborted and b"event: custom" in opened.body:
                    break
            self.compare(exchange, opened)
            self.learn(exchange, opened)

    def learn(self, exchange, opened):
        """Which of our ids stand for the recorded ones."""
        where = re.search("/runs/(.*)", opened.headers.get("content-location", ""))
        if exchange.run and where:
            self.ids[exchange.run] = where[1]
        if opened.status == 200 and exchange.status == 200 and not exchange.streams:
            recorded, ours = document(exchange.answer), document(opened.body)
            if isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
                for one, other in zip(recorded, ours):
                    self.pair(one, other)
            self.pair(recorded, ours)

    def pair(self, recorded, ours):
        """The ids of two objects that mean the same; checkpoints are in states."""
        if not isinstance(recorded, dict) or not isinstance(ours, dict):
            return
        for key in ("thread_id", "assistant_id", "run_id", "checkpoint_id"):
            if recorded.get(key) and ours.get(key):
                self.ids.setdefault(recorded[key], ours[key])
        self.pair(recorded.get("checkpoint"), ours.get("checkpoint"))

    def compare(self, exchange, opened):
        difference = None
        if opened.status != exchange.status:
            difference = opened.status
        elif exchange.streams:
            recorded = names_of(exchange.answer, exchange.modes)
            ours = names_of(opened.body.decode(), exchange.modes)
            if recorded != ours and not (exchange.aborted and ours[:1] == recorded[:1]):
                difference = "events"
        elif exchange.status == 200 and exchange.method != "HEAD":
            missing = fields(document(exchange.answer)) - fields(document(opened.body))
            difference = "fields" if missing else None
        if difference is not None:
            self.differences[exchange.number] = difference
            self.details[exchange.number] = f"{exchange.name}: {opened.status} {opened.body[:2000]}"


def test_replayed(api):
    everything = [Exchange(p) for p in sorted(RECORDED.glob("*.http"))]
    assert len(everything) == 315
    expected = {number: what for numbers, what, _ in DIFFERENT for number in numbers}
    groups, about = {}, None
    for exchange in everything:
        about = exchange.thread or about
        groups.setdefault(about, []).append(exchange)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        players = list(pool.map(lambda group: Player(api, group).play(), groups.values()))
    found = {n: what for player in players for n, what in player.differences.items()}
    details = {n: text for player in players for n, text in player.details.items()}
    wrong = [f"{details[n]}: {what}" for n, what in sorted(found.items())
             if what != str(expected.get(n, "")).rstrip("?") and what != expected.get(n)]
    assert wrong == []
    missing = {n for n, what in expected.items() if not str(what).endswith("?")} - set(found)
    assert missing == set(), "they are the same by now"
