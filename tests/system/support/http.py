# SPDX-License-Identifier: Apache-2.0
"""HTTP as bytes: requests that no client library would send, and event
streams read as they come, with their ids and exact text."""

import http.client
import json
import socket
import time
import urllib.parse

from .sse import Parser


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


def encode(body):
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def request(url, method, path, body=None, headers=None, seconds=30):
    """One request, its whole answer. A str body is sent as it is, other
    values as JSON."""
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=seconds)
    raw = body.encode() if isinstance(body, str) else encode(body)
    headers = dict(headers or {})
    if raw is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, raw, headers)
        got = connection.getresponse()
        return Response(got.status, got.headers, got.read())
    finally:
        connection.close()


class Open:
    """A request whose answer is read piece by piece over a socket of its own.

    `ended` tells how: "clean" (last chunk seen), "cut" (the connection broke
    before), None while it is open.
    """

    def __init__(self, url, method, path, body=None, headers=None, seconds=30):
        at = urllib.parse.urlsplit(url)
        self.deadline = time.monotonic() + seconds
        self.socket = socket.create_connection((at.hostname, at.port), timeout=seconds)
        raw = encode(body)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {at.netloc}"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        if raw is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(raw)}"]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (raw or b""))
        self.body = b""      # de-chunked so far
        self.ended = None
        self._rest = b""     # of the socket, not yet understood
        self._left = None    # of the current chunk; None: a size line comes
        self._read_head()
        self.parser = Parser()

    def _read_head(self):
        while b"\r\n\r\n" not in self._rest:
            if not self._receive():
                raise AssertionError(f"closed within the head: {self._rest!r}")
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            self.headers[name.strip().lower()] = value.strip()
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self._length = int(self.headers.get("content-length", 0))

    def _receive(self):
        self.socket.settimeout(max(0.01, self.deadline - time.monotonic()))
        try:
            more = self.socket.recv(65536)
        except ConnectionError:
            more = b""
        self._rest += more
        return bool(more)

    def _take_chunks(self):
        """Moves what is understood from the rest to the body."""
        got = b""
        while True:
            if self._left is None:
                if b"\r\n" not in self._rest:
                    return got
                line, self._rest = self._rest.split(b"\r\n", 1)
                self._left = int(line.split(b";")[0], 16)
                if self._left == 0:
                    self.ended = "clean"
                    return got
            if len(self._rest) < 2 and self._left == 0:
                return got
            if self._left == 0:
                assert self._rest[:2] == b"\r\n", self._rest[:20]
                self._rest, self._left = self._rest[2:], None
                continue
            piece = self._rest[:self._left]
            if not piece:
                return got
            self._rest = self._rest[len(piece):]
            self._left -= len(piece)
            got += piece

    def read_some(self):
        """More of the body; b"" when it has ended."""
        while self.ended is None:
            got = self._take_chunks() if self.chunked else self._take_plain()
            if got:
                self.body += got
                return got
            if self.ended is None and not self._receive():
                self.ended = "cut"
        return b""

    def _take_plain(self):
        got, self._rest = self._rest, b""
        if len(self.body) + len(got) >= self._length:
            self.ended = "clean"
        return got

    def read(self):
        """The whole body."""
        while self.read_some():
            pass
        return self.body

    def read_until(self, condition):
        """Reads on until condition(body) or the end; returns the body."""
        while not condition(self.body) and self.read_some():
            pass
        return self.body

    def events(self):
        """Events as they come, until the body ends."""
        yield from self.parser.feed(self.body)
        while True:
            more = self.read_some()
            if not more:
                return
            yield from self.parser.feed(more)

    def event(self, name):
        """The next event of that name."""
        for event in self.events_so_far():
            if event.name == name:
                return event
        raise AssertionError(f"no event {name}: the stream ended {self.ended}: {self.body!r}")

    def events_so_far(self):
        """Like events(), but may be called again to go on."""
        while True:
            if self.parser.ready:
                yield self.parser.ready.pop(0)
                continue
            more = self.read_some()
            if not more:
                return
            self.parser.ready += self.parser.feed(more)

    def rest(self):
        """All events not yet taken, to the end of the body."""
        return list(self.events_so_far())

    def json(self):
        return json.loads(self.read())

    def close(self, reset=False):
        if reset:  # what a crashed client looks like
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def stream(url, path, body=None, headers=None, seconds=30):
    """An open event stream: POST when there is a body, else GET."""
    opened = Open(url, "GET" if body is None else "POST", path, body, headers, seconds)
    assert opened.status == 200, (opened.status, opened.read())
    return opened
