# SPDX-License-Identifier: Apache-2.0
"""The process that runs the graphs, as the wire sees it: started, spoken to,
asked whether it is alive, killed."""

import json
import os
import socket
import subprocess
import sys
import time

from . import pipe

PING_PAUSE = 0.25
# Silence after which its loop counts as held up by a node.
BLOCKED_SECONDS = 1.0
WRITE_MAX = 1 << 20


class Child:
    def __init__(self, options):
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        ours.setblocking(False)
        given = {"config": options.config, "recursion_limit": options.recursion_limit,
                 "window": options.event_window, "pickle": options.pickle,
                 "log_level": options.log_level}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leat_worker.serve", str(theirs.fileno()), json.dumps(given)],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.socket = ours
        self.ready = False
        self._reader = pipe.Reader()
        self._out = bytearray()
        self._pinged = self._heard = time.monotonic()
        self._waits = False  # a ping is not answered

    @property
    def pid(self):
        return self._process.pid

    def fileno(self):
        return self.socket.fileno()

    # --- talk -----------------------------------------------------------------
    def say(self, *message):
        self._out += pipe.pack(*message)
        self.pump()

    @property
    def behind(self):
        return bool(self._out)

    def pump(self):
        while self._out:
            try:
                n = self.socket.send(memoryview(self._out)[:WRITE_MAX])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._out.clear()  # it is gone; its end is seen by read()
                return
            del self._out[:n]

    def read(self):
        """The messages that have come; None: it has ended."""
        try:
            data = self.socket.recv(pipe.READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        if not data:
            return None
        self._heard = time.monotonic()
        return list(self._reader.feed(data))

    # --- life -------------------------------------------------------------------
    def ping(self, now):
        if self.ready and not self._waits and now - self._pinged >= PING_PAUSE:
            self._pinged, self._waits = now, True
            self.say("ping", 0)

    def alive(self):
        self._waits = False

    def blocked(self, now):
        """A node holds the loop up: what starts now would have to wait."""
        return self._waits and now - max(self._pinged, self._heard) > BLOCKED_SECONDS

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.socket.close()

    def ended(self):
        """How the process ended, for people."""
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        return f"signal {-code}" if code < 0 else f"status {code}"

    def close(self):
        """Ends it in order: it sees the end of its pipe."""
        self.socket.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, 9)
            self._process.wait()
