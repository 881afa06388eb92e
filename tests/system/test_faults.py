# SPDX-License-Identifier: Apache-2.0
"""Faults from outside: bytes that nobody should send, a disk that is full."""

import os
import random
import re
import socket
import struct
import subprocess
import uuid

import msgpack
import pytest

from support.api import Api
from support.proc import PATIENCE, ROOT
from support.sse import parse
from support.wait import equals, until

pytestmark = pytest.mark.timeout(120)
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}


# -- ZeroMQ, spoken by hand so that every byte can be wrong ---------------------------

GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + \
    b"\0" + b"\0" * 31


def command(name, body):
    payload = bytes([len(name)]) + name + body
    return b"\x04" + bytes([len(payload)]) + payload


def frame(body, more=False):
    if len(body) < 256:
        return bytes([int(more), len(body)]) + body
    return bytes([int(more) | 2]) + struct.pack(">Q", len(body)) + body


def message(*frames):
    return b"".join(frame(f, i + 1 < len(frames)) for i, f in enumerate(frames))


def handshake(port, kind):
    """A connected peer of that socket type; None when the port refuses it."""
    s = socket.create_connection(("127.0.0.1", port), timeout=5)
    prop = b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    s.sendall(GREETING + command(b"READY", prop))
    try:
        got = b""
        while len(got) < 64 + 2:
            more = s.recv(4096)
            if not more:
                return None
            got += more
    except OSError:
        return None
    return s


def nonsense(seed):
    """Messages from nearly right to noise, the same for a seed."""
    rng = random.Random(seed)
    head = bytes(rng.randrange(256) for _ in range(120))
    yield message(b"")
    yield message(b"", b"", b"")
    yield message(b"LEAT")
    yield message(b"LEAT" + head[:40], b"\xc1")
    for size in (1, 7, 31, 63, 64, 100, 120):
        yield message(head[:size])
        yield message(head[:size], b"\x81\xa1a")
        yield message(head[:size], bytes(rng.randrange(256) for _ in range(300)))
    for _ in range(200):
        frames = [bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
                  for _ in range(rng.randrange(1, 6))]
        yield message(*frames)
    yield message(b"x" * 100000)
    yield message(*([b""] * 1000))


@pytest.mark.parametrize("seed", range(3))
def test_malformed_frames_on_every_port(parts, seed):
    """Counted, never acted upon; a run that is going on does not notice."""
    stack = parts(workers=1)
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input={**HELLO, "sleep": {"steps": 100, "ms": 20}},
                    stream_mode=["custom"])
    base = int(stack.broker_base.rsplit(":", 1)[1])
    spoken = 0
    for port in range(base, base + 8):
        for kind in (b"DEALER", b"SUB", b"XSUB", b"ROUTER", b"REQ", b"PUSH"):
            try:
                peer = handshake(port, kind)
            except ConnectionRefusedError:
                break
            if peer is None:
                continue
            spoken += 1
            try:
                for data in nonsense(seed * 100 + port):
                    peer.sendall(data)
                peer.sendall(b"\xff" * 1000)  # not even ZMTP
                peer.close()
            except OSError:
                pass  # cut off by the other side: just as well
        raw_noise(port, seed)
    assert spoken >= 3
    until(lambda: stack.metrics("broker")["leat_wire_malformed_total"] > 0,
          "malformed messages being counted")
    with api.join_stream(run, "-1") as opened:
        events = opened.rest()
    assert [e.data["step"] for e in events[1:]] == list(range(100))
    assert all(p.alive() for p in stack.procs)
    assert stack.faults() == []
    done = api.start(api.thread(), "trivial", input={"x": 1})
    assert api.join(done) == {"x": 2}


def raw_noise(port, seed):
    rng = random.Random(seed)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(bytes(rng.randrange(256) for _ in range(5000)))
    except OSError:
        pass


def table():
    """Types and fields of common/wire.tbl.h: {number: {field: type}}."""
    text = (ROOT / "common" / "wire.tbl.h").read_text()
    numbers = {name: int(n) for n, name in re.findall(r"^WIRE_MSG\((\d+), (\w+),", text, re.M)}
    messages = {n: {} for n in numbers.values()}
    for name, key, kind in re.findall(r'^WIRE_FIELD\((\w+), "(\w+)", WIRE_(\w+)', text, re.M):
        messages[numbers[name]][key] = kind
    return messages


def lie(rng, kind):
    """A value that is of the field's type two times of three."""
    ident = str(uuid.UUID(int=rng.getrandbits(128)))
    right = {
        "STR": rng.choice(["", "x", ident, "liar", "x" * 5000, "\0", "interrupt", "worker"]),
        "INT": rng.choice([0, 1, -1, 2 ** 63 - 1, -2 ** 63, 2 ** 64 - 1, 77]),
        "BOOL": rng.choice([True, False]),
        "OBJ": rng.choice([{}, {"a": {"b": []}}, {"input": None}]),
        "LIST": rng.choice([[], [{}], [1, "x"], [{"id": "liar", "run": ident, "thread": ident,
                                                   "attempt": 1, "first": 5, "last": 1}]]),
        "ANY": rng.choice([None, {}, [], 1, "x"])}
    return right[kind] if rng.random() < 0.66 else rng.choice(list(right.values()))


def lies(seed):
    """Messages whose head is right and whose contents are not to be believed."""
    rng = random.Random(seed)
    for number, fields in table().items():
        for _ in range(12):
            ids = bytes(rng.choice([0, rng.randrange(256)]) for _ in range(32))
            head = b"LT" + bytes([1, rng.choice([0, 0, 9]), number, rng.choice([0, 0, 255])])
            head += struct.pack(">HII", rng.randrange(65536), rng.choice([0, 1, 2 ** 32 - 1]),
                                rng.getrandbits(32))
            head += ids + struct.pack(">QQ", rng.choice([0, 1, 2 ** 64 - 1]),
                                      rng.choice([0, 2 ** 64 - 1]))
            body = {k: lie(rng, kind) for k, kind in fields.items() if rng.random() < 0.9}
            raw = rng.choice([msgpack.packb(body), b"", b"\x93\xa6values\xa0\x80" * 3])
            yield message(head, msgpack.packb(body) if fields else raw)
    yield message(b"LT\x09" + bytes(61), b"")   # another major version
    yield message(b"LT\x01\x00\xfa" + bytes(59), b"")  # a type of the future


def test_peers_that_lie(parts):
    """Every message of the table with wrong contents, on every port, as every
    kind of peer: processes live and the run that is going on does not notice."""
    stack = parts(workers=1)
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input={**HELLO, "sleep": {"steps": 100, "ms": 20}},
                    stream_mode=["custom"])
    base = int(stack.broker_base.rsplit(":", 1)[1])
    for port in range(base, base + 6):
        for kind in (b"DEALER", b"SUB"):
            peer = handshake(port, kind)
            if peer is None:
                continue
            try:
                for data in lies(port * 7 + len(kind)):
                    peer.sendall(data)
                peer.close()
            except OSError:
                pass
    with api.join_stream(run, "-1") as opened:
        events = opened.rest()
    assert [e.data["step"] for e in events[1:]] == list(range(100))
    done = api.start(api.thread(), "trivial", input={"x": 1})
    assert api.join(done) == {"x": 2}
    assert all(p.alive() for p in stack.procs)
    assert stack.faults() == []


# -- a disk that is full ------------------------------------------------------------------

@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB; needs the right to mount."""
    where = tmp_path / "disk"
    where.mkdir()
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", where],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", "--lazy", where], check=True)


@pytest.mark.sqlite
def test_full_disk(parts, small_disk):
    """The run fails with a clear error, the processes live, and when there is
    room again everything goes on."""
    stack = parts(workers=1, store=f"sqlite:{small_disk}/leat.db")
    api = Api(stack.url)
    thread = api.thread()
    assert api.run_stream(thread, "trivial", input={"x": 1})[-1].data == {"x": 2}
    filler = small_disk / "filler"
    fill(filler)
    got = api.request("POST", f"/threads/{thread}/runs/wait", {
        "assistant_id": "agent", "input": {"messages": [{"role": "human", "content":
                                                         "x" * 200000}]}}, seconds=60)
    if got.status == 200:
        error = got.json()["__error__"]
        assert re.search("full|space|disk", error["message"], re.I), error
    else:
        assert got.status == 503, got
        assert re.search("full|space|disk", got.json()["detail"], re.I), got
    assert all(p.alive() for p in stack.procs)
    assert api.state(thread)["values"] == {"x": 2}, "reading goes on"
    filler.unlink()
    run = until(lambda: (g := api.request("POST", "/runs/wait", {
        "assistant_id": "trivial", "input": {"x": 5}})).status == 200 and
        g.json() == {"x": 6}, "a run when there is room again", 30 * PATIENCE)
    assert run
    equals(lambda: api.get(f"/threads/{thread}")["status"] in ("idle", "error"), True, 30)
    events = until(lambda: settled(api, thread), "the thread being usable", 30 * PATIENCE)
    assert events[-1].data["x"] == 8
    assert stack.metrics("broker")["leat_store_errors_total"] > 0


def settled(api, thread):
    got = api.request("POST", f"/threads/{thread}/runs/stream", {
        "assistant_id": "trivial", "input": {"x": 7}})
    return parse(got.body) if got.status == 200 else None


def fill(path):
    """Writes until nothing fits any more."""
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                continue


@pytest.mark.sqlite
def test_disk_fills_up_under_a_running_run(parts, small_disk):
    """Checkpoints no longer fit: the run ends with an error, its stream too."""
    stack = parts(workers=1, store=f"sqlite:{small_disk}/leat.db")
    api = Api(stack.url)
    run = api.start(api.thread(), "agent", input={**HELLO, "sleep": {"steps": 20, "ms": 20}},
                    stream_mode=["custom"])
    reader = api.join_stream(run, "-1")
    reader.event("custom")
    filler = small_disk / "filler"
    fill(filler)
    until(lambda: stack.metrics("broker")["leat_store_errors_total"] > 0,
          "the store saying that it is full", 30 * PATIENCE)
    assert all(p.alive() for p in stack.procs)
    filler.unlink()
    assert api.wait_status(run, seconds=60 * PATIENCE)["status"] in ("error", "success")
    reader.rest()
    assert reader.ended == "clean"
    done = api.start(api.thread(), "trivial", input={"x": 1})
    assert api.join(done) == {"x": 2}
