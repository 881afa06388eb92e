# SPDX-License-Identifier: Apache-2.0
"""The wire's loop: one turn waits for the broker, the graphs or a deadline,
reads what came, acts and sends. It holds the leases of all runs, whatever
their nodes do, and replaces the process of the graphs when one does not follow
its cancel."""

import os
import signal
import socket
import sys
import time

import ormsgpack
import zmq

from . import log, wire
from .child import Child
from .link import Link
from .outbox import Outbox
from .vault import Vault

REPEAT = 1.0         # facts that are not answered are said again
LEAVE = 3.0          # to hear RUN_KEPT before the process ends
RETRY = 0.02         # what the relay did not take
FORGOTTEN = 60.0     # a run that the relay does not know any more
START_SECONDS = 300  # to import the graphs
# To a call that cannot be taken now.
BUSY = ormsgpack.packb({"code": "unavailable", "text": "The worker of the graph is held up."})
CRASHED = 4          # exit status when the graphs' process died


class Job:
    """One attempt from RUN_START to RUN_KEPT."""

    def __init__(self, key, head, outbox):
        self.key, self.outbox = key, outbox
        self.run, self.thread, self.attempt = head.run, head.thread, head.attempt
        self.stop = None       # why it was asked to stop
        self.deadline = None   # by when it should have
        self.ended = False     # the graphs gave it back
        self.body = None       # of its RUN_DONE
        self.why = None        # of its RUN_YIELD
        self.said = 0.0
        self.emitted = 0       # events taken from the graphs
        self.told = 0          # events that they were told may be sent


class Desk:
    def __init__(self, options):
        self.options = options
        self.context = zmq.Context()
        new = lambda port: Link(self.context, options.broker, port, options.frame_bytes)  # noqa: E731
        self.link, self.relay = new(wire.PORT_WORKER), new(wire.PORT_EVENTS)
        self.vault = Vault(new(wire.PORT_VAULT), options.worker_id, self.on_called)
        self.child = Child(options)
        self.graphs = []
        self.jobs = {}         # key -> Job
        self.boxes = {}        # (run, attempt) -> Outbox, until all is durable
        self.unsent = {}       # key -> Outbox with something new
        self.keys = 0
        self.calls = {}        # tag of a `do` -> head of the CALL
        self.epoch = self.relay_epoch = 0
        self.window = options.event_window
        self.lease = 0.0
        self.beat_at = self.hello_at = 0.0
        self.relay_hello_due = False
        self.ready = self.draining = self.terminated = False
        self.drain_at = self.leave_at = None
        self.started = time.monotonic()
        self.poller = self.polled = self.wake = None
        self.events = self.runs_total = self.replaced = 0

    # --- saying -----------------------------------------------------------------
    def say(self, kind, job=None, body=None, **head):
        if job is not None:
            head |= {"run": job.run, "thread": job.thread, "attempt": job.attempt,
                     "seq": job.outbox.last}
        data = wire.EMPTY if body is None else ormsgpack.packb(body)
        everyone = kind == wire.HELLO
        if not self.link.send(wire.Head(kind, epoch=self.epoch, **head), data, everyone):
            log.warn("desk.dropped", message=kind)

    def identity(self):
        return {"kind": "worker", "id": self.options.worker_id, "pid": os.getpid(),
                "host": socket.gethostname()}

    def hello(self):
        if not self.graphs:
            return
        slots = 0 if self.draining or not self.child.ready else self.options.slots
        runs = [self.held(job.outbox) for job in self.jobs.values()]
        self.say(wire.HELLO, body={**self.identity(), "slots": slots, "graphs": self.graphs,
                                   "runs": runs})

    @staticmethod
    def held(box):
        return {"run": wire.id_text(box.run), "thread": wire.id_text(box.thread),
                "attempt": box.attempt, "first": box.durable + 1, "last": box.last}

    def busy(self):
        runs = [wire.id_text(j.run) for j in self.jobs.values() if not j.ended]
        self.say(wire.RUN_BUSY, body={"runs": runs})

    def say_end(self, job):
        job.said = time.monotonic()
        if job.why is not None:
            self.say(wire.RUN_YIELD, job, {"why": job.why})
            return
        head = wire.Head(wire.RUN_DONE, job.attempt, self.epoch, 0, job.run, job.thread,
                         job.outbox.last)
        self.link.send(head, job.body)

    # --- the broker's desk --------------------------------------------------------
    def on_message(self, head, body):
        if head.epoch < self.epoch:
            return
        self.epoch = head.epoch
        handler = self.HANDLERS.get(head.type)
        if handler is not None:
            try:
                handler(self, head, body)
            except wire.Malformed as e:
                log.warn("wire.malformed", type=head.type, error=e)

    def on_who(self, head, body):
        self.hello()

    def on_ping(self, head, body):
        self.say(wire.PONG, tag=head.tag)

    def on_welcome(self, head, body):
        said = wire.unpack_map(body)
        window = said.get("window")
        if isinstance(window, int) and 0 < window < self.window:
            self.window = window
        self.lease = max(0, said.get("lease_ms") or 0) / 1000
        self.beat_at = 0.0
        for job in self.jobs.values():
            if job.ended:
                self.say_end(job)
        if not self.ready:
            self.ready = True
            print(f"ready {self.options.worker_id}", flush=True)
        log.info("broker.joined", epoch=head.epoch)

    def on_refused(self, head, body):
        said = wire.unpack_map(body)
        log.warn("broker.refused", code=said.get("code"), text=said.get("text"))
        if said.get("code") == "conflict" and not self.ready:
            sys.stderr.write(f"leat-worker-python: {said.get('text')}\n")
            self.child.kill()
            sys.exit(1)

    def find(self, head):
        for job in self.jobs.values():
            if job.run == head.run and job.attempt == head.attempt:
                return job
        return None

    def on_start(self, head, body):
        job = self.find(head)
        if job is not None:
            self.say(wire.RUN_STARTED, job)
            return
        if head.seq == 0 or head.attempt == 0:
            raise wire.Malformed("a start without attempt or sequence")
        why = self.cannot_take(wire.unpack_map(body).get("graph_id"))
        if why is not None:
            log.warn("run.refused", run=wire.id_text(head.run), why=why)
            self.say(wire.RUN_YIELD, body={"why": why}, run=head.run, thread=head.thread,
                     attempt=head.attempt, seq=head.seq - 1)
            return
        self.keys += 1
        box = Outbox(head.run, head.thread, head.attempt, head.ms, head.seq, self.window)
        job = Job(self.keys, head, box)
        job.told = self.window
        self.jobs[job.key] = job
        self.boxes[head.run, head.attempt] = box
        self.runs_total += 1
        self.child.say("start", job.key, head.run, head.thread, head.attempt, body)
        self.say(wire.RUN_STARTED, job)

    def cannot_take(self, graph_id):
        if self.draining:
            return "drain"
        if graph_id not in {g["id"] for g in self.graphs}:
            return "no graph"
        running = sum(not job.ended for job in self.jobs.values())
        blocked = self.child.blocked(time.monotonic())
        return "full" if running >= self.options.slots or blocked or not self.child.ready else None

    def stop(self, job, why):
        if job.stop is None or why == "fenced":
            job.stop = why
            self.child.say("stop", job.key, why)
        if job.deadline is None:
            job.deadline = time.monotonic() + self.options.cancel_deadline

    def on_cancel(self, head, body):
        job = self.find(head)
        if job is not None and not job.ended:
            self.stop(job, "cancel")

    def on_stop(self, head, body):
        job = self.find(head)
        if job is None:
            return
        log.warn("run.fenced", run=wire.id_text(job.run), attempt=job.attempt)
        self.boxes.pop((job.run, job.attempt), None)
        if job.ended:
            del self.jobs[job.key]
        else:
            self.stop(job, "fenced")

    def on_kept(self, head, body):
        job = self.find(head)
        if job is not None and job.ended:
            del self.jobs[job.key]

    def on_call(self, head, body):
        if self.child.ready and not self.child.blocked(time.monotonic()):
            self.keys += 1
            self.calls[self.keys] = head
            self.child.say("do", self.keys, head.thread, body)
        else:
            self.say_answer(head, BUSY)

    def say_answer(self, head, body):
        self.link.send(wire.Head(wire.CALL_DONE, 0, self.epoch, head.tag, wire.NIL, head.thread),
                       body)

    HANDLERS = {
        wire.CALL: on_call,
        wire.WHO: on_who, wire.PING: on_ping, wire.WELCOME: on_welcome,
        wire.REFUSED: on_refused, wire.RUN_START: on_start, wire.RUN_CANCEL: on_cancel,
        wire.RUN_STOP: on_stop, wire.RUN_KEPT: on_kept,
    }

    # --- the relay ------------------------------------------------------------------
    def flush(self, box):
        box.retry_at = None
        while (batch := box.to_send()) is not None:
            head = wire.Head(wire.EVENTS, box.attempt, self.relay_epoch, batch.count, box.run,
                             box.thread, batch.seq, box.ms)
            if not self.relay.send(head, batch.body):
                box.retry_at = time.monotonic() + RETRY
                return
            box.sent()

    def relay_hello(self):
        runs = [self.held(box) for box in self.boxes.values()]
        body = ormsgpack.packb({**self.identity(), "runs": runs})
        self.relay.send(wire.Head(wire.HELLO, epoch=self.relay_epoch), body, everyone=True)
        self.relay_hello_due = False

    def rewind(self, boxes):
        for box in boxes:
            if box.rewind():
                box.retry_at = time.monotonic() + RETRY

    def on_relay(self, head):
        if head.epoch < self.relay_epoch:
            return
        self.relay_epoch = head.epoch
        if head.type == wire.WHO:
            self.relay_hello_due = True
            unknown = [b for b in self.boxes.values() if head.run in (wire.NIL, b.run)]
            for box in unknown if head.run != wire.NIL else ():
                box.unknown_since = box.unknown_since or time.monotonic()
                if time.monotonic() - box.unknown_since > FORGOTTEN:
                    self.boxes.pop((box.run, box.attempt), None)
            self.rewind(unknown)
            return
        box = self.boxes.get((head.run, head.attempt))
        if box is None:
            return
        box.unknown_since = None
        if head.type == wire.EVENTS_RECEIVED:
            box.on_received(head.seq)
        elif head.type == wire.EVENTS_DURABLE:
            box.on_durable(head.seq)
        elif head.type == wire.EVENTS_FROM:
            box.rewind(head.seq)
        self.flush(box)
        if box.finished:
            del self.boxes[box.run, box.attempt]

    def give_room(self):
        """Tells the graphs how much further their runs may go."""
        full = sum(b.bytes for b in self.boxes.values()) >= self.options.unconfirmed_bytes
        for job in self.jobs.values():
            box = job.outbox
            if job.ended or full and box.bytes > 0:
                continue
            first = box.next - job.emitted
            may = box.may_emit() - first + 1
            if may - job.told >= self.window // 4:
                job.told = may
                self.child.say("room", job.key, may)

    # --- the graphs -------------------------------------------------------------------
    def on_child(self, message):
        name, *rest = message
        getattr(self, f"from_{name}")(*rest)

    def from_ready(self, graphs):
        self.child.ready = True
        self.graphs = graphs
        self.hello()

    def from_alive(self, n):
        self.child.alive()

    def from_events(self, key, count, body):
        job = self.jobs.get(key)
        if job is None or job.ended:
            return
        job.emitted += count
        self.events += count
        if job.stop != "fenced":
            job.outbox.put(count, body)
            self.unsent[key] = job.outbox

    def flush_unsent(self):
        for box in self.unsent.values():
            self.flush(box)
        self.unsent.clear()

    def end(self, key):
        self.flush_unsent()
        job = self.jobs.get(key)
        if job is None or job.ended:
            return None
        job.ended = True
        job.outbox.closed = True
        if job.stop == "fenced":
            self.forget(job)
            return None
        return job

    def forget(self, job):
        self.boxes.pop((job.run, job.attempt), None)
        self.jobs.pop(job.key, None)

    def from_done(self, key, body):
        job = self.end(key)
        if job is not None:
            job.body = body
            self.say_end(job)
            if job.outbox.finished:
                self.boxes.pop((job.run, job.attempt), None)

    def from_yield(self, key):
        job = self.end(key)
        if job is not None:
            job.why = "drain"
            self.say_end(job)

    def from_gone(self, key):
        job = self.end(key)
        if job is not None:
            self.forget(job)

    def from_call(self, tag, key, op, args):
        job = self.jobs.get(key)
        run, attempt = (job.run, job.attempt) if job else (wire.NIL, 0)
        self.vault.call((self.child, tag), run, attempt, op, args)

    def on_called(self, whose, ok, body):
        child, tag = whose
        if child is self.child:
            child.say("called", tag, ok, body)

    def from_answer(self, tag, body):
        head = self.calls.pop(tag, None)
        if head is not None:
            self.say_answer(head, body)

    def lost_child(self):
        """The graphs' process has died: so do we, and the broker counts it."""
        how = self.child.ended()
        if not self.child.ready and not self.ready:
            log.error("graphs.failed", how=how)
            os._exit(1)
        log.error("graphs.died", how=how, runs=sum(not j.ended for j in self.jobs.values()))
        self.busy()
        os._exit(CRASHED)

    def replace(self, hung):
        """A node did not follow its cancel: its process goes. The run ends as
        cancelled; all others are handed back, and no attempt is counted."""
        log.error("graphs.replaced", run=wire.id_text(hung.run), pid=self.child.pid,
                  why="a node did not follow its cancel")
        self.child.kill()
        self.child = Child(self.options)
        self.vault.drop(lambda whose: whose[0] is self.child)
        self.replaced += 1
        for head in self.calls.values():
            self.say_answer(head, BUSY)
        self.calls.clear()
        self.hello()
        for job in list(self.jobs.values()):
            if job.ended:
                continue
            if job is hung and job.stop == "cancel":
                job.outbox.put(1, wire.event("end", "", ormsgpack.packb({"status": "interrupted"})))
                self.flush(job.outbox)
                job.body = ormsgpack.packb({"status": "interrupted", "thread_status": "idle"})
            else:
                job.why = "replaced"
            if self.end(job.key) is not None:
                self.say_end(job)

    # --- time ----------------------------------------------------------------------------
    def beat_pause(self):
        pause = self.options.heartbeat
        return min(pause, self.lease / 4) if self.lease > 0 else pause

    def on_time(self, now):
        if now >= self.beat_at:
            self.beat_at = now + self.beat_pause()
            if self.ready:
                self.say(wire.HEARTBEAT)
                if self.jobs:
                    self.busy()
        for job in list(self.jobs.values()):
            if job.ended and now - job.said >= REPEAT:
                self.say_end(job)
            elif not job.ended and job.deadline is not None and now >= job.deadline:
                self.replace(job)
        for box in self.boxes.values():
            if box.retry_at is not None and now >= box.retry_at:
                self.flush(box)
        if self.relay_hello_due and now - self.hello_at >= RETRY:
            self.hello_at = now
            self.relay_hello()
        self.child.ping(now)
        self.check_drain(now)

    def check_drain(self, now):
        if self.terminated and not self.draining:
            self.draining = True
            self.drain_at = now + self.options.drain
            self.leave_at = self.drain_at + self.options.cancel_deadline + LEAVE
            log.info("worker.draining", runs=len(self.jobs))
            self.say(wire.GOODBYE)
        if self.draining and now >= self.drain_at:
            for job in self.jobs.values():
                if not job.ended and job.stop is None:
                    self.stop(job, "yield")

    def may_leave(self, now):
        if not self.draining:
            return False
        return not self.jobs and not self.boxes or now >= self.leave_at

    def wait(self, now, queued):
        wait = self.beat_at - now
        if self.jobs or self.boxes or len(self.vault):
            wait = min(wait, 0.1)
        if self.draining or queued or any(b.retry_at for b in self.boxes.values()):
            wait = min(wait, 0.01)
        return max(0, int(wait * 1000))

    # --- the loop ---------------------------------------------------------------------------
    def poll(self, wait):
        """What is readable; the set of who is asked seldom changes."""
        links = (self.link, self.relay, self.vault.link)
        asked = [p for link in links for p in link.pollables()]
        if self.polled != (asked, self.child, self.child.behind):
            self.poller = zmq.Poller()
            for pollable in [*asked, self.wake]:
                self.poller.register(pollable, zmq.POLLIN)
            out = zmq.POLLOUT if self.child.behind else 0
            self.poller.register(self.child, zmq.POLLIN | out)
            self.polled = (asked, self.child, self.child.behind)
        ready = dict(self.poller.poll(wait))
        return ready, [[p in ready for p in link.pollables()] for link in links]

    def turn(self):
        queued = self.link.pump() | self.relay.pump()
        ready, seen = self.poll(self.wait(time.monotonic(), queued))
        if self.wake.fileno() in ready:
            self.wake.recv(64)  # a signal came; it is seen by on_time
        self.read_links(seen)
        if self.child.fileno() in ready:
            self.read_child()
        self.child.pump()
        self.on_time(time.monotonic())

    def read_links(self, seen):
        half = len(self.link.sockets)
        desk, relay, vault = seen
        if any(desk[half:]) and self.link.changes()[0]:
            self.hello()
        if any(desk[:half]):
            for head, body in self.link.receive():
                self.on_message(head, body)
        if any(relay[half:]) and self.relay.changes()[0]:
            self.relay_hello_due = True
            self.rewind(self.boxes.values())
        if any(relay[:half]):
            for head, _ in self.relay.receive():
                self.on_relay(head)
            self.give_room()
        self.vault.turn(any(vault[:half]), any(vault[half:]))

    def read_child(self):
        child = self.child
        messages = child.read()
        if messages is None:
            self.lost_child()
            return
        for message in messages:
            self.on_child(message)
        self.flush_unsent()
        if child.ready is False and time.monotonic() - self.started > START_SECONDS:
            log.error("graphs.slow", seconds=START_SECONDS)

    def run(self):
        self.wake, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_term)
        while not self.may_leave(time.monotonic()):
            self.turn()
        abandoned = [job for job in self.jobs.values() if not job.ended]
        if abandoned:
            log.warn("worker.abandons", runs=len(abandoned))
            self.child.kill()
        else:
            self.child.close()
        self.wake.close()
        for link in (self.link, self.relay, self.vault.link):
            link.close()
        return 0

    def on_term(self, number, frame):
        self.terminated = True
