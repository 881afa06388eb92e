# SPDX-License-Identifier: Apache-2.0
"""What the wire and the graphs say to each other: messages over one socket
pair, each a msgpack list behind its length. The first element is its name.

From the graphs:
    ready  graphs                     all are imported: list of {"id", ...}
    events key count bytes            of the run with this key
    done   key body                   the run has ended; body of RUN_DONE
    yield  key                        it was stopped to go on elsewhere
    gone   key                        it was stopped because of its fence
    call   tag key op args            a call of the store; key 0: of no run
    answer tag body                   to a `do`: the body of CALL_DONE
    alive  n                          to a `ping`
From the wire:
    start  key run thread attempt body
    stop   key why                    cancel, yield or fenced
    room   key count                  so many events may have been sent
    called tag ok result              to a `call`; not ok: {"code", "text"}
    do     tag thread body            a CALL of a gateway
    ping   n
"""

import struct

import ormsgpack

LENGTH = struct.Struct(">I")
READ_BYTES = 1 << 18


def pack(*message):
    body = ormsgpack.packb(message)
    return LENGTH.pack(len(body)) + body


class Reader:
    """Bytes in, messages out."""

    def __init__(self):
        self._bytes = bytearray()

    def feed(self, data):
        have = self._bytes
        have += data
        at, end = 0, len(have)
        while end - at >= 4:
            n = LENGTH.unpack_from(have, at)[0]
            if end - at - 4 < n:
                break
            yield ormsgpack.unpackb(memoryview(have)[at + 4:at + 4 + n].tobytes())
            at += 4 + n
        del have[:at]
