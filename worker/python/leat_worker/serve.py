# SPDX-License-Identifier: Apache-2.0
"""The process of the graphs: one asyncio loop that runs them all. It talks to
the wire over its pipe and to nobody else; it ends when the wire does."""

import asyncio
import concurrent.futures
import ctypes
import gc
import json
import signal
import socket
import sys
import threading
import time

from . import call, load, log, pipe, plain, saver, view, wire
from .items import Items
from .run import Job, Run, Stopped

# Events wait so long for others to come with them: longer while they come fast.
GATHER_SECONDS, GATHER_FAST_SECONDS = 0.002, 0.005
PR_SET_PDEATHSIG = 1
NODE_THREADS = 512
GARBAGE_OBJECTS = 10_000


class Client:
    """The pipe's end here: messages out in order, answers to whom they belong."""

    def __init__(self, fd):
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._reader = pipe.Reader()
        self._out = bytearray()
        self._due = self._writing = False
        self._flushed = 0.0
        self._events = {}   # key -> [count, bytes], not yet in _out
        self._tag = 0
        self._calls = {}    # tag -> (key, future)
        self._failed = {}   # key -> the first failure of a call nobody waited for
        self._cast = {}     # key -> tags of such calls
        self._idle = {}     # key -> futures of who waits for none to be left
        self._thread = threading.get_ident()
        self.loop = asyncio.get_running_loop()
        self.handle = None  # takes what is no answer
        self.loop.add_reader(self._socket, self._readable)

    # --- out ------------------------------------------------------------------------
    def say(self, *message):
        self._gather()
        self._out += pipe.pack(*message)
        self.flush()

    def put_event(self, key, event):
        """With what else comes within a moment."""
        gathered = self._events.get(key)
        if gathered is None:
            self._events[key] = gathered = [0, bytearray()]
        gathered[0] += 1
        gathered[1] += event
        if not self._due:
            self._due = True
            fast = self.loop.time() - self._flushed < GATHER_FAST_SECONDS
            self.loop.call_later(GATHER_FAST_SECONDS if fast else GATHER_SECONDS, self.gathered)

    def gathered(self):
        self._flushed = self.loop.time()
        self.flush()

    def _gather(self):
        for key, (count, body) in self._events.items():
            self._out += pipe.pack("events", key, count, bytes(body))
        self._events.clear()

    def flush(self):
        self._due = False
        self._gather()
        while self._out:
            try:
                n = self._socket.send(self._out)
            except (BlockingIOError, InterruptedError):
                if not self._writing:
                    self._writing = True
                    self.loop.add_writer(self._socket, self.flush)
                return
            except OSError:
                leave()
            del self._out[:n]
        if self._writing:
            self._writing = False
            self.loop.remove_writer(self._socket)

    # --- in -------------------------------------------------------------------------
    def _readable(self):
        try:
            data = self._socket.recv(pipe.READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            leave()
        for message in self._reader.feed(data):
            if message[0] == "called":
                self._answer(*message[1:])
            else:
                self.handle(*message)

    def _answer(self, tag, ok, body):
        key, future = self._calls.pop(tag, (None, None))
        if future is None:
            return
        said = plain.unpack(body) if not ok else None
        if ok:
            if not future.done():
                future.set_result(result_of(body))
        else:
            kind = saver.Fenced if said["code"] == "fenced" else saver.Refused
            error = kind(said["code"], said["text"])
            if tag in self._cast.get(key, ()):
                self._failed.setdefault(key, error)
            elif not future.done():
                future.set_exception(error)
        self._cast.get(key, set()).discard(tag)
        self._look(key)

    # --- calls of the store -----------------------------------------------------------
    def call(self, key, op, args):
        """A future of the packed result."""
        self._tag += 1
        future = self.loop.create_future()
        self._calls[self._tag] = (key, future)
        self.say("call", self._tag, key, op, args)
        return future

    def cast(self, bound, args, op="checkpoints_put_view"):
        """A call that nobody waits for; flush tells of its failure."""
        if threading.get_ident() != self._thread:
            self.loop.call_soon_threadsafe(self.cast, bound, args, op)
            return
        self.call(bound.key, op, args)
        self._cast.setdefault(bound.key, set()).add(self._tag)

    def _look(self, key):
        if any(k == key for k, _ in self._calls.values()):
            return
        for future in self._idle.pop(key, ()):
            if not future.done():
                future.set_result(None)

    async def settled(self, key):
        """Every call of this run is answered; raises the first failure of one
        that nobody waited for."""
        if any(k == key for k, _ in self._calls.values()):
            future = self.loop.create_future()
            self._idle.setdefault(key, []).append(future)
            await future
        if key in self._failed:
            raise self._failed[key]

    def forget(self, key):
        self._failed.pop(key, None)
        self._cast.pop(key, None)

    def wait(self, coroutine):
        """Its result, for code that cannot await. From the loop's own thread
        the pipe is read here until the answers have come."""
        if threading.get_ident() != self._thread:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
        try:
            while True:
                future = coroutine.send(None)
                self._socket.setblocking(True)
                try:
                    while not future.done():
                        self.flush()
                        self._readable()
                finally:
                    self._socket.setblocking(False)
        except StopIteration as e:
            return e.value


def result_of(body):
    """The packed `result` of a STORE_DONE."""
    head = b"\x81\xa6result"
    return body[len(head):] if body.startswith(head) else b"\xc0"


def leave():
    """The wire is gone: nobody would hear of what goes on here."""
    import os
    os._exit(0)


class Executor(concurrent.futures.ThreadPoolExecutor):
    """Threads for nodes that do not await; each run knows how many it has."""

    def submit(self, fn, /, *args, **kwargs):
        bound = saver.current.get()
        if bound is None:
            return super().submit(fn, *args, **kwargs)
        bound.threads.enter()
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            bound.threads.leave()
            raise
        future.add_done_callback(lambda _: bound.threads.leave())
        return future


class Host:
    """All runs of this process."""

    def __init__(self, client, given):
        self.client = client
        self.recursion_limit, self.window = given["recursion_limit"], given["window"]
        self.codec = plain.Codec(given["pickle"])
        self.saver = saver.VaultSaver(client, self.codec)
        self.items = Items(client)
        self.jobs = {}
        self.asks = set()   # calls on their way
        self._room = {}     # key -> [events put, events that may be put, waiter]
        view.installed(self.saver, client.cast)
        project = load.Project(given["config"])
        project.enter()
        self.registry = load.Registry(project, self.equip, self.items)
        client.handle = self.on_message

    def equip(self, graph):
        if not hasattr(graph, "copy"):
            return graph
        try:
            return graph.copy(update={"checkpointer": self.saver, "store": self.items})
        except TypeError:  # a graph that is elsewhere has neither
            return graph

    def ready(self):
        graphs = [{"id": id, "mark": self.registry.mark(id)} for id in self.registry.entries]
        self.client.say("ready", graphs)

    # --- messages -------------------------------------------------------------------
    def on_message(self, name, *rest):
        getattr(self, f"on_{name}")(*rest)

    def on_ping(self, n):
        self.client.say("alive", n)

    def on_do(self, tag, thread, body):
        self.asks.add(task := self.client.loop.create_task(self.do(tag, thread, body)))
        task.add_done_callback(self.asks.discard)

    async def do(self, tag, thread, body):
        thread_id = None if thread == wire.NIL else wire.id_text(thread)
        said = await call.answer(self, thread_id, wire.unpack_map(body))
        try:
            packed = plain.pack(said)
        except Exception as e:
            packed = plain.pack({"code": "graph", "text": f"{type(e).__name__}: {e}"})
        self.client.say("answer", tag, packed)

    def on_start(self, key, run, thread, attempt, body):
        job = Job(key, run, thread, attempt, body)
        self.jobs[key] = job
        self._room[key] = [0, self.window, None]
        job.task = self.client.loop.create_task(self.run(job))

    def on_stop(self, key, why):
        job = self.jobs.get(key)
        if job is not None and (job.why is None or why == "fenced"):
            job.why = why
            if job.streaming:
                job.task.cancel()

    def on_room(self, key, count):
        room = self._room.get(key)
        if room is not None:
            room[1] = max(room[1], count)
            if room[2] is not None and not room[2].done():
                room[2].set_result(None)

    # --- runs -------------------------------------------------------------------------
    def put(self, key, event):
        """False: there is no room, and nothing was put."""
        room = self._room[key]
        if room[0] >= room[1]:
            return False
        room[0] += 1
        self.client.put_event(key, event)
        return True

    async def room(self, key):
        room = self._room[key]
        while room[0] >= room[1]:
            room[2] = self.client.loop.create_future()
            await room[2]

    async def flush(self, key):
        await self.client.settled(key)

    async def run(self, job):
        try:
            body = await Run(self, job).execute()
            self.client.say("done", job.key, plain.pack(body))
        except Stopped as e:
            self.client.say("yield" if e.why == "yield" else "gone", job.key)
        except BaseException as e:
            log.error("run.broken", run=job.run_id, error=f"{type(e).__name__}: {e}")
            self.client.say("done", job.key, plain.pack({
                "status": "error", "thread_status": "error",
                "error": {"error": type(e).__name__, "message": str(e)}}))
        finally:
            self.client.forget(job.key)
            self.jobs.pop(job.key, None)
            self._room.pop(job.key, None)


def own_process():
    """It dies with the wire, and Ctrl-C is the wire's affair."""
    with_libc = ctypes.CDLL(None, use_errno=True)
    with_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def keep_what_is_there():
    """The libraries are never garbage: no collection looks at them again, and
    a run has some thousands of objects of its own before one looks at those."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])


async def serve(fd, given):
    client = Client(fd)
    client.loop.set_default_executor(Executor(NODE_THREADS, "node"))
    began = time.monotonic()
    host = Host(client, given)
    keep_what_is_there()
    host.ready()
    log.info("graphs.ready", graphs=len(host.registry.entries),
             seconds=f"{time.monotonic() - began:.2f}")
    await asyncio.Event().wait()


def main():
    fd, given = int(sys.argv[1]), json.loads(sys.argv[2])
    log.setup(given["log_level"], "graphs-python")
    own_process()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    served = loop.create_task(serve(fd, given))
    served.add_done_callback(lambda _: loop.stop())
    while not served.done():
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            pass  # a node's, which its own run tells: the others go on
    try:
        served.result()
    except load.Unusable as e:
        log.error("project.unusable", error=e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
