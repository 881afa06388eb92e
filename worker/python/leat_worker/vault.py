# SPDX-License-Identifier: Apache-2.0
"""Calls of the store on their way: kept in order until they are answered and
sent again over a new connection. Calls do no harm when they come twice."""

import collections
import os
import socket
import time

import ormsgpack

from . import wire

SILENCE_SECONDS = 2.0
HELLO_PAUSE = 0.02


class Vault:
    """`answer(call, ok, body)` is called once for each call."""

    def __init__(self, link, worker_id, answer):
        self.link = link
        self._id = f"{worker_id}-saver"
        self._answer = answer
        self._epoch = 0
        self._tag = 0
        self._calls = collections.OrderedDict()  # tag -> (head, body, whose)
        self._heard = time.monotonic()
        self._resend_at = None

    def __len__(self):
        return len(self._calls)

    def call(self, whose, run, attempt, op, args):
        """`args` is packed already."""
        body = b"\x82\xa2op" + ormsgpack.packb(op) + b"\xa4args" + args
        self._tag = self._tag % 0xFFFFFFFF + 1
        if not self._calls:
            self._heard = time.monotonic()
        self._calls[self._tag] = (run, attempt, body, whose)
        self._send(self._tag)

    def _send(self, tag):
        run, attempt, body, _ = self._calls[tag]
        self.link.send(wire.Head(wire.STORE_CALL, attempt, self._epoch, tag, run), body)

    def _send_all(self):
        body = {"kind": "worker", "id": self._id, "pid": os.getpid(), "host": socket.gethostname()}
        self.link.send(wire.Head(wire.HELLO, epoch=self._epoch), ormsgpack.packb(body),
                       everyone=True)
        for tag in list(self._calls):
            self._send(tag)
        self._heard = time.monotonic()
        self._resend_at = None

    def drop(self, keep):
        """Forgets the calls of whom `keep` does not want any more."""
        for tag in [t for t, call in self._calls.items() if not keep(call[3])]:
            del self._calls[tag]

    def turn(self, readable, changed):
        now = time.monotonic()
        if readable:
            for head, body in self.link.receive():
                self._take(head, body)
        lost = changed and self.link.changes()[1]
        if self._calls and (lost or now - self._heard > SILENCE_SECONDS):
            if not lost:
                self.link.reopen()
            self._resend_at = now + (HELLO_PAUSE if lost else 0)
            self._heard = now
        if self._resend_at is not None and now >= self._resend_at:
            self._send_all()
        self.link.pump()

    def _take(self, head, body):
        self._heard = time.monotonic()
        if head.type == wire.WHO:
            if head.epoch != self._epoch:
                self._epoch = head.epoch
                self._send_all()
            return
        if head.type not in (wire.STORE_DONE, wire.REFUSED):
            return
        self._epoch = head.epoch
        call = self._calls.pop(head.tag, None)
        if call is not None:
            self._answer(call[3], head.type == wire.STORE_DONE, body)
