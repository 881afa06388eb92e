# SPDX-License-Identifier: Apache-2.0
"""A network that can be cut: TCP between processes, passed on by a thread."""

import asyncio
import threading

from support.proc import free_range


class Proxy:
    """Passes connections to `count` ports in a row from its own to those of
    the target. A cut is "reset" (connections break, new ones are refused) or
    "silent" (nothing comes through, nobody is told) until heal()."""

    def __init__(self, target, count=6):
        self.target, self.count = target, count
        self.base = free_range(count)
        self.way = None
        self._open = asyncio.Event()  # bytes may pass
        self._writers = set()
        self._servers = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen())

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        self._open.set()
        for n in range(self.count):
            def serve(reader, writer, n=n):
                return self._serve(reader, writer, self.target + n)
            self._servers.append(
                await asyncio.start_server(serve, "127.0.0.1", self.base + n))

    async def _serve(self, reader, writer, port):
        self._writers.add(writer)
        there = None
        try:
            await self._open.wait()
            back, there = await asyncio.open_connection("127.0.0.1", port)
            self._writers.add(there)
            await asyncio.gather(self._pass(reader, there), self._pass(back, writer))
        except (OSError, asyncio.CancelledError):  # cancelled: the proxy ends
            pass
        finally:
            for w in (writer, there):
                if w is not None:
                    self._writers.discard(w)
                    w.close()

    async def _pass(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _cut(self, way):
        self._open.clear()
        if way == "reset":
            for server in self._servers:
                server.close()
            self._servers = []
            for writer in list(self._writers):
                writer.transport.abort()

    def cut(self, way):
        assert self.way is None and way in ("reset", "silent")
        self.way = way
        self._do(self._cut(way))

    def heal(self):
        if self.way == "reset":
            self._do(self._listen())
        elif self.way == "silent":
            self._loop.call_soon_threadsafe(self._open.set)
        self.way = None

    async def _end(self):
        for server in self._servers:
            server.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
