# SPDX-License-Identifier: Apache-2.0
"""A DEALER for each address of the broker, of which the active one answers.
Nothing blocks: what a socket cannot take now waits in a bounded queue."""

import collections

import zmq

from . import log, wire

QUEUE_MESSAGES = 100_000


class Link:
    def __init__(self, context, bases, port, frame_bytes):
        self._context = context
        self._ends = [wire.endpoint(base, port) for base in bases]
        self._frame_bytes = frame_bytes
        self._active = None  # the socket that answered last
        self._queue = collections.deque()
        self.sockets, self._monitors = [], []
        self._open()

    def _open(self):
        for end in self._ends:
            socket = self._context.socket(zmq.DEALER)
            for option, value in (
                    (zmq.LINGER, 0), (zmq.IPV6, 1), (zmq.MAXMSGSIZE, self._frame_bytes),
                    (zmq.HEARTBEAT_IVL, 500), (zmq.HEARTBEAT_TIMEOUT, 1500),
                    (zmq.RECONNECT_IVL, 50), (zmq.RECONNECT_IVL_MAX, 500)):
                socket.setsockopt(option, value)
            self._monitors.append(socket.get_monitor_socket(
                zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED))
            socket.connect(end)
            self.sockets.append(socket)

    def close(self):
        for socket in self.sockets:
            socket.disable_monitor()
            socket.close(0)
        self.sockets, self._monitors, self._active = [], [], None
        self._queue.clear()

    def reopen(self):
        """Forgets what is under way: a new connection."""
        self.close()
        self._open()

    def pollables(self):
        return [*self.sockets, *self._monitors]

    def changes(self):
        """Were connections made, were some lost since the last call?"""
        came = went = False
        for monitor in self._monitors:
            while monitor.poll(0):
                event = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
                came = came or event == zmq.EVENT_HANDSHAKE_SUCCEEDED
                went = went or event == zmq.EVENT_DISCONNECTED
        return came, went

    def receive(self, limit=1000):
        """What has come, as (head, body)."""
        for socket in self.sockets:
            for _ in range(limit):
                if not socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                    break
                frames = socket.recv_multipart(zmq.NOBLOCK)
                try:
                    head = wire.unpack_head(frames[0])
                    body = frames[1] if len(frames) > 1 else wire.EMPTY
                except wire.Malformed as e:
                    log.warn("wire.malformed", error=e)
                    continue
                self._active = socket
                yield head, body

    def send(self, head, body=wire.EMPTY, everyone=False):
        """False: there is no room, and nothing was sent."""
        if everyone or self._active is None:
            sent = [self._try(socket, (head.pack(), body)) for socket in self.sockets]
            return all(sent)
        if not self._queue and self._try(self._active, (head.pack(), body)):
            return True
        if len(self._queue) >= QUEUE_MESSAGES:
            return False
        self._queue.append((head.pack(), body))
        return True

    def _try(self, socket, frames):
        try:
            socket.send_multipart(frames, zmq.NOBLOCK)
            return True
        except zmq.Again:
            return False

    def pump(self):
        """Sends what waits as far as there is room; is some left?"""
        while self._queue and self._active is not None:
            if not self._try(self._active, self._queue[0]):
                break
            self._queue.popleft()
        return bool(self._queue)
