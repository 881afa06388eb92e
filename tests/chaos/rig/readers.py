# SPDX-License-Identifier: Apache-2.0
"""Clients as they are: each follows one run, goes on where it was cut, at
whichever gateway answers, and remembers every byte it was shown."""

import json
import threading
import time
from typing import NamedTuple

from support import http
from support.sse import id_key

# All that a run records when it is asked for all.
ALL_MODES = ("values", "updates", "messages-tuple", "custom", "checkpoints")


class Block(NamedTuple):
    """One event: its lines as they came, without comments."""
    raw: bytes
    id: str
    name: str
    at: float  # monotonic, when it was read

    @property
    def data(self):
        for line in self.raw.split(b"\n"):
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        return None


def block_of(text, at):
    lines = [line for line in text.split(b"\n") if line and not line.startswith(b":")]
    if not lines:
        return None
    fields = dict(line.split(b": ", 1) for line in lines)
    return Block(b"\n".join(lines), fields[b"id"].decode(), fields[b"event"].decode(), at)


class Blocks:
    """Bytes of an event stream in, whole events out."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        now = time.monotonic()
        return [b for b in (block_of(text, now) for text in whole) if b]


class Reader(threading.Thread):
    """`hops`: leaves of itself after so many events, and comes back."""

    def __init__(self, urls, run, modes=ALL_MODES, cursor="-1", hops=0):
        super().__init__(daemon=True)
        self.urls = list(urls)  # the first is asked first
        self.run_ids, self.modes, self.cursor, self.hops = run, modes, cursor, hops
        self.blocks = []
        self.cuts = 0
        self.done = False     # the stream ended as it should
        self.failure = None
        self.deadline = time.monotonic() + 90
        self._pause = threading.Event()
        self.start()

    def describe(self):
        how = f"from {self.cursor}" + (f", hopping every {self.hops}" if self.hops else "")
        return f"reader of {self.run_ids['run_id']} {how}, modes {','.join(self.modes)}"

    def where(self):
        return f"/threads/{self.run_ids['thread_id']}/runs/{self.run_ids['run_id']}/stream"

    @property
    def last(self):
        return self.blocks[-1].id if self.blocks else self.cursor

    def run(self):
        try:
            while not self.done and time.monotonic() < self.deadline:
                self._follow()
        except Exception as error:  # told by the checker
            self.failure = repr(error)

    def _open(self):
        path = self.where() + "?" + "&".join(f"stream_mode={m}" for m in self.modes)
        left = max(1, self.deadline - time.monotonic())
        return http.Open(self.urls[0], "GET", path, None, {"Last-Event-ID": self.last}, left)

    def _follow(self):
        try:
            opened = self._open()
        except (OSError, AssertionError):  # nobody there, or gone before it answered
            self._elsewhere()
            return
        try:
            if opened.status == 200:
                self._read(opened)
            elif opened.status != 503:
                raise AssertionError(f"{opened.status} {opened.read()[:300]!r}")
        finally:
            opened.close()
        if not self.done:
            self._elsewhere()

    def _elsewhere(self):
        self.cuts += 1
        self.urls.append(self.urls.pop(0))
        self._pause.wait(0.05)

    def _read(self, opened):
        blocks, seen = Blocks(), 0
        while data := opened.read_some():
            found = blocks.feed(data)
            self.blocks += found
            seen += len(found)
            if self.hops and seen >= self.hops:
                return
        self.done = opened.ended == "clean"


class Poster(Reader):
    """Makes a run by a streamed POST, and follows it as SDKs do: by the
    Location that came with the head."""

    def __init__(self, urls, path, body, key=None):
        self.path, self.body, self.key = path, body, key
        self.known = threading.Event()
        super().__init__(urls, {"run_id": None, "thread_id": None},
                         tuple(body["stream_mode"]), cursor="-1")

    def describe(self):
        return f"poster of {self.run_ids['run_id']} on {self.path}"

    def _open(self):
        if self.known.is_set():
            return super()._open()
        headers = {"Idempotency-Key": self.key} if self.key else {}
        opened = http.Open(self.urls[0], "POST", self.path, self.body, headers,
                           max(1, self.deadline - time.monotonic()))
        if opened.status == 200:
            self._location = opened.headers["location"].split("?")[0]
            words = self._location.strip("/").split("/")
            thread = words[1] if words[0] == "threads" else None
            self.run_ids.update(run_id=words[-2], thread_id=thread)
            self.known.set()
        return opened

    def where(self):
        return self._location


def check_growing(blocks, who):
    keys = [id_key(b.id) for b in blocks]
    assert all(a < b for a, b in zip(keys, keys[1:])), f"{who}: ids do not grow: {keys}"
    return keys
