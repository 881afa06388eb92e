# SPDX-License-Identifier: Apache-2.0
"""Event streams, parsed more strictly than clients do: every line has to be
one that the protocol page allows."""

import json
import re
from typing import Any, NamedTuple


_string = re.compile(r'"(?:[^"\\]|\\.)*"')


class Event(NamedTuple):
    name: str
    data: Any
    id: str | None


class Parser:
    """Bytes in, events out; comments are counted."""

    def __init__(self):
        self.rest = b""
        self.comments = []
        self.ready = []
        self._fields = {}

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        events = (self._line(line.decode()) for line in lines)
        return [e for e in events if e]

    def _line(self, line):
        assert "\r" not in line, line
        if line == "":
            return self._dispatch()
        if line.startswith(":"):
            assert not self._fields, f"a comment within an event: {line!r}"
            self.comments.append(line[1:].strip())
            return None
        name, _, value = line.partition(":")
        assert name in ("event", "data", "id"), f"field {name!r}"
        assert name not in self._fields, f"a second {name!r} line: {line!r}"
        self._fields[name] = value.removeprefix(" ")
        return None

    def _dispatch(self):
        fields, self._fields = self._fields, {}
        assert "event" in fields and fields.get("data"), f"a blank line after {fields}"
        data = fields["data"]
        value = json.loads(data, parse_constant=_no_constant)
        assert not re.search(r"\s", _string.sub("", data)), f"not compact: {data[:200]!r}"
        return Event(fields["event"], value, fields.get("id"))


def _no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def parse(text):
    """All events of a whole body, which has to end with a blank line."""
    data = text if isinstance(text, bytes) else text.encode()
    parser = Parser()
    events = parser.feed(data)
    assert parser.rest == b"" and not parser._fields, f"unfinished: {data[-200:]!r}"
    return events


def id_key(text):
    """An id as it is compared: two numbers."""
    match = re.fullmatch(r"(\d+)-(\d+)", text or "")
    assert match, f"id {text!r}"
    return int(match[1]), int(match[2])


def check_ids(events):
    """Every event has an id and they grow; returns them."""
    keys = [id_key(e.id) for e in events]
    assert all(a < b for a, b in zip(keys, keys[1:])), keys
    return [e.id for e in events]
