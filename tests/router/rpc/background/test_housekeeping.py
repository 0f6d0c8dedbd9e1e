"""What is done by itself: how often, in which thread, and when it fails."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from availability.errors import StoreUnavailable
from availability.ledger.protocol import SWEEP_LIMIT, Ledger
from availability.reservations import Swept
from router.rpc.background import housekeeping
from router.rpc.background.driver import Driver
from router.rpc.background.housekeeping import Housekeeper


class FakeLedger:
    """Notes who sweeps and refreshes; ``outcomes`` come first."""

    def __init__(self, *outcomes: Swept | Exception) -> None:
        self.outcomes = list(outcomes)
        self.sweeps: list[float] = []
        self.refreshes: list[float] = []
        self.threads: set[str] = set()

    def sweep(self) -> Swept:
        self.sweeps.append(time.monotonic())
        return self._next() or Swept(0, 0, 0, 0)

    def refresh(self) -> None:
        self.refreshes.append(time.monotonic())
        self._next()

    def _next(self) -> Swept | None:
        self.threads.add(threading.current_thread().name.split("_")[0])
        if not self.outcomes:
            return None
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def keep(
    ledger: FakeLedger,
    until: Callable[[], bool],
    *,
    sweep_seconds: float = 0.005,
    refresh_seconds: float | None = None,
    then: Callable[[Housekeeper], Awaitable[None]] | None = None,
) -> None:
    """Keep house until something is so."""

    async def keeping() -> None:
        driver = Driver(cast(Ledger, ledger))
        keeper = Housekeeper(
            cast(Ledger, ledger),
            driver,
            sweep_seconds=sweep_seconds,
            refresh_seconds=refresh_seconds,
        )
        keeper.start()
        async with asyncio.timeout(10):
            while not until():
                await asyncio.sleep(0.001)
        if then is not None:
            await then(keeper)
        await keeper.stop()
        await driver.close()

    asyncio.run(keeping())


def test_it_sweeps_in_the_thread_that_writes() -> None:
    ledger = FakeLedger()

    keep(ledger, lambda: len(ledger.sweeps) >= 3)

    assert ledger.threads == {"writer"}
    assert ledger.refreshes == []


def test_it_refreshes_in_a_thread_of_its_own() -> None:
    ledger = FakeLedger()

    keep(
        ledger,
        lambda: len(ledger.refreshes) >= 3,
        sweep_seconds=60.0,
        refresh_seconds=0.005,
    )

    assert ledger.threads == {"refresh"}
    assert ledger.sweeps == []


@pytest.mark.parametrize(
    "full",
    [
        Swept(SWEEP_LIMIT, 0, 0, 0),
        Swept(SWEEP_LIMIT - 1, 1, 0, 0),
        Swept(0, 0, 1, SWEEP_LIMIT - 1),
    ],
)
def test_after_a_full_sweep_there_is_no_waiting(full: Swept) -> None:
    ledger = FakeLedger(full, full)

    keep(ledger, lambda: len(ledger.sweeps) >= 3, sweep_seconds=0.2)

    assert ledger.sweeps[2] - ledger.sweeps[0] < 0.2


def test_it_outlives_a_store_that_fails_and_gives_it_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "MAX_BACKOFF_SECONDS", 0.1)
    ledger = FakeLedger(*[StoreUnavailable("gone")] * 3, RuntimeError("a bug of ours"))

    keep(ledger, lambda: len(ledger.sweeps) >= 6, sweep_seconds=0.02)

    waits = [b - a for a, b in zip(ledger.sweeps, ledger.sweeps[1:], strict=False)]
    # 0.04, 0.08, then as long as it gets; after a success as at first.
    assert waits[0] >= 0.04
    assert waits[1] >= 0.08
    assert waits[2] >= 0.1
    assert waits[4] < 0.1
    told = [each.message for each in caplog.records if "sweep" in each.message]
    assert told == ["sweep failed", "sweep works again"]


def test_stopping_ends_it() -> None:
    ledger = FakeLedger()
    counts: list[int] = []

    async def stop_and_wait(keeper: Housekeeper) -> None:
        await keeper.stop()
        counts.append(len(ledger.sweeps) + len(ledger.refreshes))
        await asyncio.sleep(0.05)
        counts.append(len(ledger.sweeps) + len(ledger.refreshes))

    keep(
        ledger,
        lambda: len(ledger.sweeps) > 1,
        refresh_seconds=0.005,
        then=stop_and_wait,
    )

    # What had begun in a thread may still have ended.
    assert counts[1] - counts[0] <= 1
