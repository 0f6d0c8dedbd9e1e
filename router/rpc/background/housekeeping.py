"""Background work of a server: end what is due, stay in step."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from availability.ledger.protocol import SWEEP_LIMIT, Ledger
from router.rpc.background.driver import Driver
from router.rpc.background.follow_ups import FOLLOW_SECONDS

SWEEP_SECONDS = 1.0
"""Time between two sweeps: how much longer than its time a hold may last."""
REFRESH_SECONDS = 0.05
"""Time between two refreshes: stale memory costs a conflict."""
MAX_BACKOFF_SECONDS = 10.0
"""Longest wait while the store fails."""

_NOTHING_ELSE: Mapping[str, Callable[[], Awaitable[None]]] = MappingProxyType({})

_log = logging.getLogger(__name__)


class Housekeeper:
    """Sweeps the ledger and refreshes its memory, off the event loop.

    A sweep is a write like any other and takes its turn in the thread that writes;
    one that found as much as it may end is followed by the next at once. With
    ``refresh_seconds`` None memory is never stale: no other process writes. ``also``
    is more periodic work, by name.
    """

    def __init__(
        self,
        ledger: Ledger,
        driver: Driver,
        *,
        sweep_seconds: float = SWEEP_SECONDS,
        refresh_seconds: float | None = REFRESH_SECONDS,
        also: Mapping[str, Callable[[], Awaitable[None]]] = _NOTHING_ELSE,
        also_seconds: float = FOLLOW_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._driver = driver
        self._sweep_seconds = sweep_seconds
        self._refresh_seconds = refresh_seconds
        # Its own: it only reads, and must be punctual when many writes wait.
        self._thread = ThreadPoolExecutor(1, "refresh")
        self._also = also
        self._also_seconds = also_seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; call it where the event loop runs."""
        rounds = [_keep_on("sweep", self._sweep, self._sweep_seconds)]
        if self._refresh_seconds is not None:
            rounds.append(_keep_on("refresh", self._refresh, self._refresh_seconds))
        rounds += [
            _keep_on(name, work, self._also_seconds)
            for name, work in self._also.items()
        ]
        self._tasks = [asyncio.ensure_future(each) for each in rounds]

    async def stop(self) -> None:
        """End before the driver; work that has begun in a thread is finished there."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _sweep(self) -> None:
        more = True
        while more:
            swept = await self._driver.write(self._ledger.sweep)
            holds = swept.expired_count + swept.extended_count
            withdrawals = swept.withdrawals_started + swept.withdrawals_ended
            more = max(holds, withdrawals) >= SWEEP_LIMIT
            if any(swept):
                _log.info("swept", extra=swept._asdict())

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._ledger.refresh)


async def _keep_on(
    name: str, work: Callable[[], Awaitable[None]], seconds: float
) -> None:
    """Do work every so often, for ever; less often while it fails."""
    wait = seconds
    while True:
        await asyncio.sleep(wait)
        try:
            await work()
        except Exception as error:
            # Any error: the next time may work, and holds must end some day.
            if wait == seconds:
                _log.warning("%s failed", name, extra={"why": str(error)})
            wait = min(2 * wait, max(seconds, MAX_BACKOFF_SECONDS))
        else:
            if wait != seconds:
                _log.warning("%s works again", name)
            wait = seconds
