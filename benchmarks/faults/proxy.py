"""A TCP proxy that breaks its connections, drawn from a seed."""

import asyncio
import collections
import contextlib
import random
import threading
from collections.abc import Iterator

CHUNK = 1_024
KINDS = ("cut", "reset", "half_close", "delay")
MOST_DELAY_SECONDS = 0.3
DELAYED_CHUNKS = 10
"""Chunks that come late, on a connection that delays, before it is cut."""


class Proxy:
    """Forwards ``address`` to ``target``; while ``faulty`` is set, it misbehaves.

    Each connection draws one fault, the direction it strikes in, and the number of
    bytes after which it does, at most ``most_bytes`` and often fewer: an orderly end
    of both directions, a reset, an end of one direction while the other goes on, or
    delays and then an end.
    """

    def __init__(self, target: str, seed: int, most_bytes: int) -> None:
        self.faulty = False
        self.struck: collections.Counter[str] = collections.Counter()
        self.address = ""
        self._target, self._most_bytes = target, most_bytes
        self._rng = random.Random(f"proxy/{seed}")
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        return server

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = self._target.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        fault = self._rng.choice(KINDS) if self.faulty else ""
        faults = (fault, "") if self._rng.random() < 0.5 else ("", fault)
        after = 1 + int(self._most_bytes * self._rng.random() ** 2)
        ends = (writer, back)
        self._open.update(ends)
        await asyncio.gather(
            self._pump(reader, back, faults[0], after, *ends),
            self._pump(there, writer, faults[1], after, *ends),
        )
        self._open.difference_update(ends)
        for end in ends:
            end.close()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        fault: str,
        left: int,
        *ends: asyncio.StreamWriter,
    ) -> None:
        """Copy one direction until its end, or until the fault strikes."""
        late = DELAYED_CHUNKS if fault == "delay" else 0
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if fault and len(data) >= left:
                    if late == 0 or late == DELAYED_CHUNKS:
                        self.struck[fault] += fault != "delay" or late > 0
                    if late == 0:
                        sink.write(data[:left])
                        break
                    late -= 1
                    await asyncio.sleep(self._rng.uniform(0, MOST_DELAY_SECONDS))
                else:
                    left -= len(data)
                sink.write(data)
                await sink.drain()
            if data and fault != "half_close":
                for end in ends:
                    end.transport.abort() if fault == "reset" else end.close()
            else:
                sink.write_eof()

    def reset_open(self) -> None:
        """Reset every connection that is open."""

        def reset() -> None:
            for each in self._open:
                each.transport.abort()

        self._loop.call_soon_threadsafe(reset)

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        for each in self._open:
            each.transport.abort()
        ours = asyncio.current_task()
        await asyncio.wait(
            {asyncio.ensure_future(asyncio.sleep(0))}
            | {each for each in asyncio.all_tasks() if each is not ours}
        )

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Run in a thread of its own."""
        server = self._loop.run_until_complete(self._listen())
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
