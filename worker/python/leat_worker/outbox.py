# SPDX-License-Identifier: Apache-2.0
"""The events of one attempt: numbered, sent within a window, kept until they
are durable. Knows no sockets."""

import collections


BATCH_EVENTS, BATCH_BYTES = 512, 128 << 10


class Batch:
    __slots__ = ("seq", "count", "body", "lent")

    def __init__(self, seq, count, body):
        self.seq, self.count, self.body = seq, count, body
        self.lent = False  # it was sent once: nothing is added

    @property
    def last(self):
        return self.seq + self.count - 1


class Outbox:
    def __init__(self, run, thread, attempt, ms, first, window):
        self.run, self.thread, self.attempt, self.ms = run, thread, attempt, ms
        self.window = window
        self.next = first        # the sequence that the next event gets
        self.received = self.durable = first - 1
        self.closed = False      # nothing more will be put
        self.unknown_since = None
        self.retry_at = None     # not before this; None: nothing waits
        self.bytes = 0
        self._kept = collections.deque()  # batches not durable, oldest first
        self._unsent = 0         # index in _kept of the first that is to be sent

    @property
    def last(self):
        return self.next - 1

    def put(self, count, body):
        """What waits to be sent for the first time goes together."""
        last = self._kept[-1] if self._kept else None
        if (last is not None and self._unsent < len(self._kept) and not last.lent
                and last.count + count <= BATCH_EVENTS and len(last.body) < BATCH_BYTES):
            last.count += count
            last.body += body
        else:
            self._kept.append(Batch(self.next, count, body))
        self.next += count
        self.bytes += len(body)

    def to_send(self):
        """The next batch within the window, or None. sent() moves on."""
        if self._unsent >= len(self._kept):
            return None
        batch = self._kept[self._unsent]
        fits = batch.last - self.received <= self.window or batch.seq - self.received == 1
        return batch if fits else None

    def sent(self):
        self._kept[self._unsent].lent = True
        self._unsent += 1

    def may_emit(self):
        """Events given since the start that may be put, the window taken."""
        return self.received + self.window

    def on_received(self, seq):
        if self.received < seq < self.next:
            self.received = seq

    def on_durable(self, seq):
        self.on_received(seq)
        if self.durable < seq < self.next:
            self.durable = seq
        while self._kept and self._unsent > 0 and self._kept[0].last <= self.durable:
            self.bytes -= len(self._kept.popleft().body)
            self._unsent -= 1

    def rewind(self, seq=0):
        """Send again from there; is there anything?"""
        self._unsent = 0
        for batch in self._kept:
            if batch.last >= seq:
                break
            self._unsent += 1
        return self._unsent < len(self._kept)

    @property
    def finished(self):
        return self.closed and self.durable + 1 == self.next
