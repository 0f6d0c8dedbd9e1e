"""Streams of availability: the present values, then what changes.

Nothing is queued. A stream remembers its place in the changes and what it sent last;
a slow client gets the newest values when it is ready.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from availability.ledger.protocol import Ledger
from availability.model import Clock
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.pulse import LedgerPulse, Pulse
from router.rpc.background.timers import Timers
from router.rpc.background.watch_stream import PendingRows, StreamBatch, WatchStream
from router.rpc.codec.watch import WatchRequest
from router.rpc.transport.errors import Overloaded

MAX_WATCHED = 10_000_000
"""Most SKUs that all streams together watch: at most 50 bytes of memory each, and
their names."""
EVALUATED_ROWS = 10_000
"""Rows computed in one go; in between, other streams have their turn."""
FEW = 64
"""Up to so many changes are handled on the event loop, more in the thread."""

AGAIN_SECONDS = 1.0
"""Time between two looks at what changes by time alone."""
HEARTBEAT_SECONDS = 15.0
"""Longest silence of a stream."""

T = TypeVar("T")


class Watches:
    """The streams of one server; `drain` ends them, `close` the thread they use."""

    def __init__(
        self,
        reader: OfferReader,
        ledger: Ledger,
        clock: Clock,
        pulse: Pulse | None = None,
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._clock = clock
        self._own_pulse = LedgerPulse(ledger)
        self._pulse: Pulse = pulse or self._own_pulse
        self._timers = Timers(ledger)
        # A thread of their own: an import's thousands of changes may keep it busy for
        # seconds, and calls for a batch must not wait for that.
        self._thread = ThreadPoolExecutor(1, "watch")
        self._draining = False
        self._open = 0
        self.watched = 0
        """SKUs watched by all streams."""

    async def batches(self, wanted: WatchRequest) -> AsyncGenerator[bytes, None]:
        """Yield the messages of one stream, until the server drains.

        Raises
        ------
        ChannelNotFound
            No channel has this id, or not any more.
        Overloaded
            Too many SKUs are watched.
        """
        stream = WatchStream(wanted, self._reader, self._timers)
        self._open += 1
        try:
            async with contextlib.aclosing(self._batches(stream)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.watched -= stream.counted
            self._open -= 1
            if not self._open:
                await self._own_pulse.stop()

    async def _batches(self, stream: WatchStream) -> AsyncGenerator[bytes, None]:
        silent_since = self._pulse.now()
        looked_at = -AGAIN_SECONDS
        first = True
        while not self._draining:
            change = self._pulse.next_change()
            again = self._pulse.now() - looked_at >= AGAIN_SECONDS
            if again:
                looked_at = self._pulse.now()
            todo = await self._todo(stream, first or (again and self._timers.running))
            async for batch in self._evaluated(stream, todo, always=first):
                yield batch
                silent_since = self._pulse.now()
            first = False
            left = silent_since + HEARTBEAT_SECONDS - self._pulse.now()
            if left <= 0:
                yield stream.batch(None, stream.token)
                silent_since = self._pulse.now()
                continue
            if self._timers.running:
                left = min(left, looked_at + AGAIN_SECONDS - self._pulse.now())
            if not self._draining:
                await self._pulse.wait(change, left)

    async def _todo(self, stream: WatchStream, timed: bool) -> PendingRows:
        changes = self._ledger.changes(stream.mark)
        seconds = int(self._clock()) if timed else None
        small = not changes.everything and len(changes.skus) <= FEW
        if small and not timed:
            todo = stream.todo(changes, seconds)
        else:
            todo = await self._in_thread(lambda: stream.todo(changes, seconds))
        self._watch(stream, len(stream.skus) - stream.counted)
        return todo

    async def _evaluated(
        self, stream: WatchStream, todo: PendingRows, always: bool
    ) -> AsyncGenerator[bytes, None]:
        """Yield what changed of some rows; the last message has the new token."""
        held: StreamBatch | None = None
        for start in range(0, len(todo.places), EVALUATED_ROWS):
            places = todo.places[start : start + EVALUATED_ROWS]
            for found in await self._in_thread(partial(stream.evaluated, places)):
                if held is not None:
                    yield stream.batch(held, stream.token)
                held = found
            if self._draining:
                return
        stream.reached(todo)
        if held is not None or always:
            yield stream.batch(held, stream.token)

    def drain(self) -> None:
        """End every stream as soon as it has sent what it is sending."""
        self._draining = True
        self._own_pulse.wake()

    async def close(self) -> None:
        """End the thread, once all streams have ended."""
        await self._own_pulse.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _watch(self, stream: WatchStream, more: int) -> None:
        if self.watched + more > MAX_WATCHED:
            raise Overloaded(f"{MAX_WATCHED} SKUs are watched")
        self.watched += more
        stream.counted += more

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
