# SPDX-License-Identifier: Apache-2.0
"""Heads, bodies and numbers of docs/protocol.md, as far as a worker needs them."""

import functools
import struct
import typing
import uuid

import ormsgpack

HELLO, WELCOME, WHO, PING, PONG, GOODBYE, HEARTBEAT, REFUSED = 1, 2, 3, 4, 5, 6, 7, 9
RUN_CANCEL, CALL, CALL_DONE = 16, 20, 21
RUN_START, RUN_STARTED, RUN_DONE, RUN_KEPT = 30, 31, 32, 33
RUN_YIELD, RUN_STOP, RUN_BUSY = 34, 35, 36
EVENTS, EVENTS_RECEIVED, EVENTS_DURABLE, EVENTS_FROM = 40, 41, 42, 43
STORE_CALL, STORE_DONE = 60, 61

# The broker's sockets, added to the port of its base address.
PORT_WORKER, PORT_EVENTS, PORT_VAULT = 1, 2, 5

HEAD = struct.Struct(">2sBBBBHII16s16sQQ")
MAGIC, MAJOR, MINOR = b"LT", 1, 0
NIL = bytes(16)
EMPTY = b""

assert HEAD.size == 64


class Malformed(Exception):
    """Bytes that are no message of this protocol."""


class Head(typing.NamedTuple):
    type: int
    attempt: int = 0
    epoch: int = 0
    tag: int = 0
    run: bytes = NIL
    thread: bytes = NIL
    seq: int = 0
    ms: int = 0

    def pack(self):
        return HEAD.pack(MAGIC, MAJOR, MINOR, self.type, 0, self.attempt, self.epoch,
                         self.tag, self.run, self.thread, self.seq, self.ms)


def unpack_head(data):
    if len(data) != HEAD.size:
        raise Malformed(f"a head of {len(data)} bytes")
    magic, major, _, kind, _, attempt, epoch, tag, run, thread, seq, ms = HEAD.unpack(data)
    if magic != MAGIC or major != MAJOR:
        raise Malformed("not a head of protocol 1")
    return Head(kind, attempt, epoch, tag, run, thread, seq, ms)


def no_ext(tag, data):
    """Tags around an object are taken off; the bin of a typed value too."""
    if 1 <= tag <= 4:
        return unpack(data)
    if tag == 5:
        width = {0xC4: 1, 0xC5: 2, 0xC6: 4}[data[0]]
        return unpack(data[1 + width + int.from_bytes(data[1:1 + width], "big"):])
    raise Malformed(f"extension {tag}")


def unpack(data):
    try:
        return ormsgpack.unpackb(data, ext_hook=no_ext)
    except (ValueError, TypeError, KeyError, IndexError) as e:
        raise Malformed(str(e)) from None


def unpack_map(data):
    body = unpack(data) if data else {}
    if not isinstance(body, dict):
        raise Malformed("a body that is no map")
    return body


@functools.lru_cache(1024)
def event_head(name, ns):
    return b"\x93" + ormsgpack.packb(name) + ormsgpack.packb(ns)


def event(name, ns, payload):
    """One event of an EVENTS body; `payload` is packed already."""
    return event_head(name, ns) + payload


def id_text(raw):
    return str(uuid.UUID(bytes=raw))


def id_bytes(value):
    return uuid.UUID(value).bytes


def endpoint(base, port):
    """tcp://h:7410 and 2 give tcp://h:7412; others get .2 appended."""
    if not base.startswith("tcp://"):
        return f"{base}.{port}"
    host, _, number = base.rpartition(":")
    return f"{host}:{int(number) + port}"
