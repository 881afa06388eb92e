#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes one golden per message: NAME.txt with the head's fields, the frames
in hex, and the body as JSON. The encoder here is written from
docs/protocol.md alone and shares nothing with common/wire.c, so the two check
each other. Run it after a change of the protocol, and read the difference."""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
RUN = "0199aaaa-1111-7222-8333-444444444444"
THREAD = "0199bbbb-5555-7666-8777-888888888888"
ASSISTANT = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"
NIL = "00000000-0000-0000-0000-000000000000"


def pack(v):
    """The shortest msgpack of a JSON value."""
    if v is None:
        return b"\xc0"
    if v is True or v is False:
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return pack_int(v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, str):
        b = v.encode()
        return sized(len(b), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + b
    if isinstance(v, list):
        head = sized(len(v), 0x90, 15, (None, 0xDC, 0xDD))
        return head + b"".join(pack(x) for x in v)
    head = sized(len(v), 0x80, 15, (None, 0xDE, 0xDF))
    return head + b"".join(pack(k) + pack(x) for k, x in v.items())


def pack_int(v):
    if 0 <= v < 128 or -32 <= v < 0:
        return struct.pack(">b" if v < 0 else ">B", v)
    kinds = (((0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")) if v > 0
             else ((0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q")))
    for tag, code in kinds:
        try:
            return bytes([tag]) + struct.pack(">" + code, v)
        except struct.error:
            continue
    raise ValueError(v)


def sized(n, fix, most, tags):
    if n <= most:
        return bytes([fix | n])
    for tag, code, limit in zip(tags, "BHI", (0xFF, 0xFFFF, 0xFFFFFFFF)):
        if tag is not None and n <= limit:
            return bytes([tag]) + struct.pack(">" + code, n)
    raise ValueError(n)


def head(f):
    return (b"LT" + bytes([1, 0, f["type"], f["flags"]])
            + struct.pack(">HII", f["attempt"], f["epoch"], f["tag"])
            + bytes.fromhex(f["run"].replace("-", ""))
            + bytes.fromhex(f["thread"].replace("-", ""))
            + struct.pack(">QQ", f["seq"], f["ms"]))


def golden(number, name, body=None, raw=None, **fields):
    f = {"type": number, "flags": 0, "attempt": 0, "epoch": 7, "tag": 0,
         "run": NIL, "thread": NIL, "seq": 0, "ms": 0}
    f.update(fields)
    frame = b"" if raw is None else b"".join(pack(e) for e in raw)
    if body is not None:
        frame = pack(body)
    lines = [f"name {name}", "fields " + json.dumps(f),
             "head " + head(f).hex(), ("body " + frame.hex()).rstrip()]
    if body is not None or raw is not None:
        lines.append("json " + json.dumps(raw if body is None else body,
                                          ensure_ascii=False))
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


R = {"run": RUN}
RT = {"run": RUN, "thread": THREAD}
EVENTS = [["metadata", "", {"run_id": RUN, "attempt": 1}],
          ["values", "", {"messages": [], "n": 1.0, "big": 2 ** 63}],
          ["updates", "agent:5f0c|tools:9a", {"tools": None}],
          ["end", "", {"status": "success"}]]

golden(1, "HELLO", {
    "kind": "worker", "id": "worker-1", "pid": 4711, "host": "mill",
    "slots": 64, "graphs": [{"id": "agent"}, {"id": "nested"}],
    "runs": [{"run": RUN, "thread": THREAD, "attempt": 2, "first": 17,
              "last": 40}]}, epoch=0)
golden(2, "WELCOME", {"lease_ms": 5000, "window": 2048})
golden(3, "WHO")
golden(4, "PING", tag=5)
golden(5, "PONG", tag=5)
golden(6, "GOODBYE")
golden(7, "HEARTBEAT")
golden(8, "GRAPHS", {
    "graphs": [{"id": "agent", "workers": 1, "slots": 64, "free": 63}],
    "workers": [{"id": "worker-1", "pid": 4711, "host": "mill",
                 "graphs": ["agent"], "slots": 64, "busy": 1}]})
golden(9, "REFUSED", {"code": "conflict",
                      "text": "Thread is already running a task."},
       tag=6, **R)
golden(10, "RUN_SUBMIT", {
    "graph_id": "agent", "assistant_id": ASSISTANT, "strategy": "enqueue",
    "after_ms": 1500, "stored": True, "temporary": False, "watched": True,
    "created_at": "2026-01-02T03:04:05.678901+00:00",
    "kwargs": {"input": {"text": "Grüße"}, "stream_mode": ["values"]},
    "metadata": {"graph_id": "agent"}, "thread_make": True,
    "thread_config": {"tags": ["t"]}, "owner": "ada", "again": False},
    tag=6, **RT)
golden(11, "RUN_ACCEPTED", {"status": "pending"}, tag=6, **R)
golden(12, "RUN_FORGET", **R)
golden(13, "RUN_WATCH", tag=8, **R)
golden(14, "RUN_STATE", {"status": "pending",
                         "why": "no worker serves graph agent"},
       tag=8, attempt=1, **R)
golden(15, "RUN_ENDED", {"status": "error",
                         "error": {"error": "ValueError",
                                   "message": "no such city"}},
       seq=41, attempt=1, **RT)
golden(16, "RUN_CANCEL", {"action": "interrupt"}, tag=9, **R)
golden(17, "THREAD_DELETE", tag=10, thread=THREAD)
golden(18, "DONE", tag=10, thread=THREAD)
golden(19, "RUN_UNWATCH", **R)
golden(30, "RUN_START", {
    "graph_id": "agent", "assistant_id": ASSISTANT, "stored": True,
    "temporary": False, "kwargs": {"input": None}, "metadata": {},
    "last": False}, attempt=2, seq=18, ms=1767323045678, **RT)
golden(31, "RUN_STARTED", attempt=2, **R)
golden(32, "RUN_DONE", {
    "status": "success", "thread_status": "interrupted",
    "values": {"n": -129, "x": 0.5},
    "interrupts": {"5f0c": [{"value": "ok?", "id": "a1"}]}},
    attempt=2, seq=41, **RT)
golden(33, "RUN_KEPT", attempt=2, **R)
golden(34, "RUN_YIELD", {"why": "drain"}, attempt=2, seq=30, **RT)
golden(35, "RUN_STOP", attempt=1, **R)
golden(36, "RUN_BUSY", {"runs": [RUN]})
golden(40, "EVENTS", raw=EVENTS, attempt=1, tag=4, seq=1, ms=1767323045678,
       **RT)
golden(41, "EVENTS_RECEIVED", attempt=1, seq=4, **R)
golden(42, "EVENTS_DURABLE", attempt=1, seq=4, **R)
golden(43, "EVENTS_FROM", attempt=1, seq=2, **R)
golden(44, "REPLAY_GET", tag=11, seq=2, ms=1048576, **RT)
golden(45, "REPLAY_EVENTS", raw=EVENTS[1:], attempt=1, tag=11, seq=2,
       ms=1767323045678, **RT)
golden(46, "REPLAY_END", {"first": 1, "ended": True, "known": True}, tag=11,
       seq=4, **R)
golden(60, "STORE_CALL", {"op": "items_get",
                          "args": {"space": ["users", "u1"], "key": "k"}},
       tag=12)
golden(61, "STORE_DONE", {"result": {"value": {"a": 1}}}, tag=12)
