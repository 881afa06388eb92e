# SPDX-License-Identifier: Apache-2.0
"""The Python worker is held to the same bytes as the native programs."""

import json
import uuid

import pytest
from leat_worker import wire
from support.proc import ROOT

FILES = sorted((ROOT / "tests" / "golden" / "wire").glob("*.txt"))


def rows(path):
    return dict(line.split(" ", 1) for line in path.read_text().splitlines() if " " in line)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_head(path):
    row = rows(path)
    fields, raw = json.loads(row["fields"]), bytes.fromhex(row["head"])
    head = wire.unpack_head(raw)
    assert head.pack() == raw
    assert uuid.UUID(bytes=head.run) == uuid.UUID(fields["run"])
    for name in ("type", "attempt", "epoch", "tag", "seq", "ms"):
        assert getattr(head, name) == fields[name], name


@pytest.mark.parametrize("path", [p for p in FILES if p.stem in (
    "HELLO", "WELCOME", "RUN_START", "RUN_DONE", "RUN_YIELD", "STORE_CALL", "STORE_DONE", "CALL")],
    ids=lambda p: p.stem)
def test_body(path):
    row = rows(path)
    assert isinstance(wire.unpack_map(bytes.fromhex(row["body"])), dict)


def test_what_is_no_message():
    for data in (b"", b"LT", bytes(64), b"XT" + bytes(62)):
        with pytest.raises(wire.Malformed):
            wire.unpack_head(data)
    with pytest.raises(wire.Malformed):
        wire.unpack_map(b"\x93\x01")
