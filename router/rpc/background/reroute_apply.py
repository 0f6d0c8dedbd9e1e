"""Applies the moves of a re-routing run: in rounds, each group in one transaction.

Changes take their turns in the thread that writes, between those of checkouts, and
leave it to them for as long as they had it.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar

from availability.errors import (
    AvailabilityError,
    PlanChanged,
    PlanNotFound,
    ReservationResolved,
    StockConflict,
    StoreUnavailable,
    UnitsNotOpen,
)
from availability.ledger.protocol import Ledger
from availability.model import LocationId, Sku
from availability.reservations import PlanRef
from router.amending.amender import Amender
from router.blocking_work import drive
from router.errors import RouterError
from router.optimize.limits import SolveLimits
from router.rerouting.dialogue import RerouteProgress
from router.rerouting.joint_problem import Wishes
from router.rerouting.move_order import sequence
from router.rerouting.moves import Move
from router.rpc.background.driver import Driver
from router.rpc.transport.errors import Overloaded

MAX_ROUNDS = 3
"""Times that orders are decided: once, and again where others changed them first."""
MAX_TRIES = 20
"""Times that a change is tried while the store is busy or away."""
MAX_WAIT_SECONDS = 1.0
"""Longest wait between two tries."""
REPORT_SECONDS = 0.2
"""Least time between two reports of progress."""

T = TypeVar("T")
Steps = AsyncGenerator[RerouteProgress, None]
DecideAgain = Callable[[Sequence[PlanRef]], list[Move]]
"""Decides again about plans that others changed, or whose units they took."""


async def in_thread(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Do some work in a thread."""
    return await asyncio.get_running_loop().run_in_executor(thread, work)


class RunProgress:
    """How far a run is; each step is the one before with what changed since."""

    def __init__(self) -> None:
        self.orders = 0
        self.applied = 0
        self.conflicts = 0
        self.given_up = 0
        self.step = RerouteProgress("reading")

    def now(self, phase: str, **values: Any) -> RerouteProgress:
        """Return the progress in a phase."""
        self.step = self.step._replace(
            phase=phase,
            orders=self.orders,
            applied=self.applied,
            conflicts=self.conflicts,
            **values,
        )
        return self.step


class MoveApplier:
    """Changes plans in the ledger as a run decided; ``thread`` is the run's own."""

    def __init__(
        self,
        ledger: Ledger,
        driver: Driver,
        amender: Amender,
        thread: ThreadPoolExecutor,
        progress: RunProgress,
    ) -> None:
        self._ledger = ledger
        self._driver = driver
        self._amender = amender
        self._thread = thread
        self._progress = progress

    async def apply_all(
        self,
        moves: list[Move],
        on_applied: Callable[[list[str]], None],
        decide_again: DecideAgain,
    ) -> Steps:
        """Apply all moves, and decide again about those that met a conflict.

        ``on_applied`` is given the ids of the plans that a round changed.
        """
        progress = self._progress
        for turn in range(MAX_ROUNDS):
            if not moves:
                return
            done: list[str] = []
            yield progress.now("applying", moves=progress.applied + len(moves))
            async with aclosing(self._round(moves, done)) as steps:
                async for step in steps:
                    yield step
            await in_thread(self._thread, functools.partial(on_applied, done))
            changed = set(done)
            left = [each.plan for each in moves if each.plan.plan_id not in changed]
            if turn + 1 == MAX_ROUNDS or not left:
                progress.given_up = len(left)
                return
            again = functools.partial(decide_again, left)
            moves = await in_thread(self._thread, again)

    async def _round(self, moves: list[Move], done: list[str]) -> Steps:
        """Apply moves group by group; adds the ids of changed plans to ``done``."""
        groups = sequence(moves, self._available)
        last = time.monotonic()
        while True:
            next_group = functools.partial(next, groups, None)
            group = await in_thread(self._thread, next_group)
            if group is None:
                break
            began = time.monotonic()
            if await self._apply(group):
                done += [each.plan.plan_id for each in group]
                self._progress.applied += len(group)
            else:
                self._progress.conflicts += len(group)
            # Checkouts have the thread that writes for as long as this had it.
            await asyncio.sleep(time.monotonic() - began)
            if time.monotonic() - last >= REPORT_SECONDS:
                last = time.monotonic()
                yield self._progress.now("applying")
        yield self._progress.now("applying")

    async def one_by_one(
        self,
        plans: Sequence[PlanRef],
        wishes: Wishes,
        stop: asyncio.Event,
        changed: list[PlanRef],
    ) -> Steps:
        """Decide plans again, each by itself; adds the changed ones to ``changed``."""
        progress = self._progress
        closed = frozenset(
            each.location_id
            for each in self._ledger.network().locations
            if not each.active
        )
        for plan in plans:
            most = wishes.max_moves
            if stop.is_set() or (most is not None and progress.applied >= most):
                break
            steps = self._amender.move_steps(plan, wishes, closed, SolveLimits())
            try:
                moved = await drive(steps, self._driver.do)
            except StoreUnavailable:
                raise
            except (AvailabilityError, RouterError):
                # Others changed it first, or it has ended: it stays as it is.
                progress.conflicts += 1
                continue
            if moved:
                progress.applied += 1
                changed.append(plan)
                yield progress.now("applying")

    async def _apply(self, group: tuple[Move, ...]) -> bool:
        """Apply moves in one transaction; return whether that was possible."""
        swaps = [(each.plan, each.swap) for each in group]
        wait = 0.01
        for attempt in range(MAX_TRIES):
            try:
                await self._driver.write(lambda: self._ledger.swap_together(swaps))
            except (
                StockConflict,
                PlanChanged,
                PlanNotFound,
                ReservationResolved,
                UnitsNotOpen,
            ):
                # If an earlier try was committed but its reply was lost, the plans
                # show it when they are read again: nothing is left to change.
                return False
            except (Overloaded, StoreUnavailable):
                if attempt + 1 == MAX_TRIES:
                    raise
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_WAIT_SECONDS)
            else:
                return True
        return False

    def _available(self, location_id: LocationId, sku: Sku) -> int:
        grid = self._ledger.grid()
        row, column = grid.rows.get(sku), grid.network.index.get(location_id)
        if row is None or column is None:
            return 0
        return int(grid.read([row])[0, column])
