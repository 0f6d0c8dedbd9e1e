"""What streams of availability wait with: the ledger's next change."""

import asyncio
import contextlib
import logging
import time
from typing import Protocol

from availability.ledger.protocol import Ledger
from availability.positions import Mark

INTERVAL_SECONDS = 0.05
"""Time between two looks at the changes, and so between two batches of a stream."""

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

    def wake(self) -> None:
        """Wake all waiting streams; the next change has an event of its own."""
        self._change.set()
        self._change = asyncio.Event()

    async def stop(self) -> None:
        """Stop looking until a stream waits again."""
        # Dropped before it has ended: a stream that starts meanwhile begins another.
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
                self.wake()
            await asyncio.sleep(self._seconds)
