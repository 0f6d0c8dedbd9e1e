"""Streams of availability: the present values, then what changes.

Nothing is queued for anybody. A stream remembers which changes it has seen and what
it sent last; whoever reads slowly is sent the newest values when he is ready.
"""

import asyncio
import bisect
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from availability.ledger.protocol import Ledger
from availability.model import Clock, IntArray, Sku
from availability.positions import Changes, Mark
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.timers import EVERYTHING, Timers
from router.rpc.codec.offers import (
    MAX_ORDERABLE,
    NET,
    SINGLE_LOCATION,
    Fields,
    Rows,
    encode_reached,
    encode_watched,
)
from router.rpc.codec.watch import WatchRequest, _encode_token
from router.rpc.transport.errors import Overloaded

MAX_WATCHED = 10_000_000
"""Most SKUs that all streams together watch: at most 50 bytes of memory each, and
their names."""
BATCH_ROWS = 5_000
"""Most rows of a message: with the longest SKUs it is still below 4 MiB."""
EVALUATED_ROWS = 10_000
"""Rows worked out in one go; between two of them other streams have their turn."""
FEW = 64
"""So many changes are looked through where they are met; for more a thread is asked."""

INTERVAL_SECONDS = 0.05
"""Time between two looks at the changes, and so between two batches of a stream."""
AGAIN_SECONDS = 1.0
"""Time between two looks at what changes by time alone."""
HEARTBEAT_SECONDS = 15.0
"""Longest silence of a stream."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Pulse(Protocol):
    """What a stream waits with."""

    def now(self) -> float:
        """Return seconds that only grow."""
        ...

    def next_change(self) -> asyncio.Event:
        """Return what is set with the next change of the ledger's memory."""
        ...

    async def wait(self, change: asyncio.Event, seconds: float) -> None:
        """Return at a change, or when so many seconds are over."""
        ...


class LedgerPulse:
    """Looks at the ledger's changes for all streams, while there are any."""

    def __init__(self, ledger: Ledger, seconds: float = INTERVAL_SECONDS) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._change = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def next_change(self) -> asyncio.Event:
        """Return what is set with the next change."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._look())
        return self._change

    async def wait(self, change: asyncio.Event, seconds: float) -> None:
        """Return at a change, or when so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await change.wait()

    def tell(self) -> None:
        """Wake all who wait; the next change has an event of its own."""
        self._change.set()
        self._change = asyncio.Event()

    async def stop(self) -> None:
        """Look no more, until somebody waits again."""
        # Forgotten before it has ended: who comes meanwhile begins another.
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _look(self) -> None:
        mark: Mark | None = None
        while True:
            try:
                changes = self._ledger.changes(mark)
            except Exception as error:
                _log.warning("changes cannot be read", extra={"why": str(error)})
                changes = None
            if changes is not None and changes.mark != mark:
                mark = changes.mark
                self.tell()
            await asyncio.sleep(self._seconds)


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
        # Their own: an import's thousands of changes may keep it busy for seconds,
        # and who asks for a batch is not to wait for that.
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
        stream = _Stream(wanted, self._reader, self._timers)
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

    async def _batches(self, stream: "_Stream") -> AsyncGenerator[bytes, None]:
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

    async def _todo(self, stream: "_Stream", timed: bool) -> "_Todo":
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
        self, stream: "_Stream", todo: "_Todo", always: bool
    ) -> AsyncGenerator[bytes, None]:
        """Yield what changed of some rows; the last message has the new token."""
        held: _Rows | None = None
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
        self._own_pulse.tell()

    async def close(self) -> None:
        """End what is left, when there are no streams any more."""
        await self._own_pulse.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _watch(self, stream: "_Stream", more: int) -> None:
        if self.watched + more > MAX_WATCHED:
            raise Overloaded(f"{MAX_WATCHED} SKUs are watched")
        self.watched += more
        stream.counted += more

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class _Todo(NamedTuple):
    """Rows to work out, and how far the stream has come with them."""

    places: IntArray
    mark: Mark
    seen_seconds: int


class _Rows(NamedTuple):
    """Rows to send."""

    body: bytes
    version: int


class _Stream:
    """One stream: what it watches, what it sent, and how far it has come."""

    def __init__(
        self, wanted: WatchRequest, reader: OfferReader, timers: Timers
    ) -> None:
        self.mark = wanted.mark
        self.skus: list[Sku] = list(wanted.skus)
        """In order, so that a SKU is found without a second copy of their names."""
        self.counted = 0
        """How many of them count as watched."""
        self.token = ""
        self._wanted = wanted
        self._all = not wanted.skus
        self._reader = reader
        self._timers = timers
        self._seen_seconds = wanted.seen_seconds
        self._version = 0
        self._sent = _columns(_nothing(len(self.skus)), wanted.fields)

    def todo(self, changes: Changes, seconds: int | None) -> _Todo:
        """Return which rows may have changed.

        Until ``seconds`` by time alone; None: that is not looked at.
        """
        names: frozenset[Sku] | None = changes.skus
        if changes.everything:
            names = EVERYTHING
        elif seconds is not None:
            due = self._timers.due(self._seen_seconds, seconds)
            names = EVERYTHING if due is EVERYTHING else changes.skus | due
        seen = self._seen_seconds if seconds is None else seconds
        if names is EVERYTHING:
            self._learn()
            places = np.arange(len(self.skus))
        else:
            places = self._places(self._timers.with_kits(names))
        return _Todo(places, changes.mark, seen)

    def _places(self, names: set[Sku]) -> IntArray:
        if self._all and any(self._place(each) is None for each in names):
            self._learn()
        found = [at for each in names if (at := self._place(each)) is not None]
        return np.array(sorted(found), np.int64)

    def _place(self, sku: Sku) -> int | None:
        at = bisect.bisect_left(self.skus, sku)
        return at if at < len(self.skus) and self.skus[at] == sku else None

    def _learn(self) -> None:
        """Watch what came to the channel, too; what left it is told to be gone."""
        if not self._all:
            return
        before = self.skus
        merged = sorted({*before, *self._reader.skus(self._wanted.channel_id)})
        if len(merged) == len(before):
            return
        places = {sku: at for at, sku in enumerate(merged)}
        kept = np.array([places[sku] for sku in before], np.int64)
        sent = _columns(_nothing(len(merged)), self._wanted.fields)
        for old, new in zip(self._sent, sent, strict=True):
            new[kept] = old
        self.skus, self._sent = merged, sent

    def evaluated(self, places: IntArray) -> list[_Rows]:
        """Work out rows and return those that are others than what was sent."""
        names = [self.skus[at] for at in places.tolist()]
        rows, self._version = self._reader.rows(self._wanted.channel_id, names)
        columns = _columns(rows, self._wanted.fields)
        differs = np.zeros(len(places), np.bool_)
        for sent, new in zip(self._sent, columns, strict=True):
            differs |= sent[places] != new
        changed = np.flatnonzero(differs)
        for sent, new in zip(self._sent, columns, strict=True):
            sent[places[changed]] = new[changed]
        found = []
        for start in range(0, len(changed), BATCH_ROWS):
            some = changed[start : start + BATCH_ROWS]
            skus = [names[at] for at in some.tolist()]
            body = encode_watched(skus, rows.take(some), self._wanted.fields)
            found.append(_Rows(body, self._version))
        return found

    def reached(self, todo: _Todo) -> None:
        """Remember that all of it was worked out, and is sent but for the last."""
        self.mark, self._seen_seconds = todo.mark, todo.seen_seconds
        self.token = _encode_token(todo.mark, todo.seen_seconds, self._wanted.digest)

    def batch(self, found: _Rows | None, token: str) -> bytes:
        """Return a message, without rows if there are none."""
        if found is None:
            return encode_reached(token, self._version)
        return found.body + encode_reached(token, found.version)


def _nothing(size: int) -> Rows:
    """Return rows that are like none that were worked out: they have no status."""
    none = np.zeros(size, np.int64)
    few = np.zeros(size, np.int8)
    return Rows(none, few, few, none, none, none, none)


def _columns(rows: Rows, fields: Fields) -> list[npt.NDArray[np.integer]]:
    """Return copies of the columns that are sent: what is not, need not be kept."""
    found: list[npt.NDArray[np.integer]] = [
        rows.quantity_units,
        rows.statuses,
        rows.sent_flags(fields),
        rows.from_seconds,
    ]
    if MAX_ORDERABLE in fields:
        found.append(rows.max_orderable_units)
    if SINGLE_LOCATION in fields:
        found.append(rows.single_location_units)
    if NET in fields:
        found.append(rows.net_units)
    return [each.copy() for each in found]
