"""Re-routing in the server: read, decide in a child process, apply, report.

Only reads and writes of the ledger are done here.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from availability.ledger.protocol import Ledger
from availability.model import Clock, IntArray, Sku
from availability.reservations import OPEN_STATES, PlanRef, ReservationRecord
from router.amending.amender import Amender
from router.optimize.batch.limits import BatchLimits, Progress
from router.pipeline import Router
from router.rerouting.dialogue import RerouteProgress, RerouteRequest, RerouteResult
from router.rerouting.moves import Move
from router.rerouting.summary import Surroundings
from router.rerouting.worker_process import Child
from router.rpc.background.driver import Driver
from router.rpc.background.reroute_apply import (
    REPORT_SECONDS,
    MoveApplier,
    RunProgress,
    Steps,
    in_thread,
)
from router.rpc.transport.errors import Overloaded
from router.stored_plans import PlanCodec

PAGE = 100
"""Plans read at a time: some milliseconds of the interpreter."""
AGAIN_SHARE = 0.25
"""Of the time for solving, the share of each further round."""

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Rerouter:
    """Re-routes the orders of one ledger, one run at a time."""

    router: Router
    ledger: Ledger
    driver: Driver
    stored: PlanCodec
    clock: Clock = time.time
    ray_address: str | None = None
    _busy: bool = field(default=False, init=False)

    async def run(
        self, asked: RerouteRequest, stop: asyncio.Event
    ) -> AsyncGenerator[RerouteProgress | RerouteResult, None]:
        """Yield its progress, then its result.

        Once ``stop`` is set, the best so far is applied.

        Raises
        ------
        Overloaded
            A run is in progress.
        TooManyOrders
            More orders are selected than one run takes.
        StoreUnavailable
            The database could not be read, or not be written for too long; earlier
            changes stay.
        ReroutingEnded
            The process that solves ended; earlier changes stay.
        """
        if self._busy:
            raise Overloaded("re-routing is already running")
        self._busy = True
        run = _RerouteRun(self, asked, stop)
        try:
            before = self.clock() - asked.min_age_seconds
            async with aclosing(run.steps(before)) as steps:
                async for step in steps:
                    yield step
        finally:
            self._busy = False
            await run.close()


class _RerouteRun:
    def __init__(
        self, parts: Rerouter, asked: RerouteRequest, stop: asyncio.Event
    ) -> None:
        self._parts = parts
        self._asked = asked
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, "rerouting")
        self._child: Child | None = None
        self._solver_steps: asyncio.Queue[Progress] = asyncio.Queue()
        self._progress = RunProgress()
        amender = Amender(parts.router, parts.stored)
        self._applier = MoveApplier(
            parts.ledger, parts.driver, amender, self._thread, self._progress
        )

    async def steps(
        self, created_before: float
    ) -> AsyncGenerator[RerouteProgress | RerouteResult, None]:
        asked = self._asked
        self._loop = asyncio.get_running_loop()
        yield self._progress.step
        child = await self._aside(self._start)
        stopping = asyncio.ensure_future(self._pass_on(child))
        try:
            after: int | None = 0
            while after is not None:
                page = functools.partial(self._read_page, child, created_before, after)
                began = time.monotonic()
                after = await self._aside(page)
                # Callers have the interpreter for as long as this had it.
                await asyncio.sleep(time.monotonic() - began)
                yield self._progress.now("reading")
            solve = asyncio.ensure_future(self._aside(lambda: self._solve(child)))
            try:
                async with aclosing(self._solving(solve)) as solving:
                    async for step in solving:
                        yield step
                moves = await solve
            finally:
                # If the call has ended, its result is not needed.
                solve.cancel()
            if asked.validate_only:
                await self._aside(
                    lambda: child.applied([each.plan.plan_id for each in moves])
                )
            else:
                async with aclosing(self._applying(child, moves)) as applying:
                    async for step in applying:
                        yield step
            yield self._progress.now("report")
            summary, saved = await self._aside(child.finish)
        finally:
            stopping.cancel()
        yield RerouteResult(
            summary,
            self._progress.conflicts,
            self._progress.given_up,
            self._stop.is_set(),
            asked.validate_only,
            saved if asked.certificate else b"",
        )

    async def close(self) -> None:
        """End the child, whatever it is doing."""
        child = self._child
        if child is not None:
            # Not in its own thread, which may be waiting for the child.
            await asyncio.get_running_loop().run_in_executor(None, child.end)
        self._thread.submit(self._let_go)
        self._thread.shutdown(wait=False)

    def _start(self) -> Child:
        # Kept here: the call may have ended before it has started.
        asked = self._asked
        self._child = Child(
            asked.selection, asked.wishes, self._parts.stored, self._parts.ray_address
        )
        return self._child

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child.close()

    async def _aside(self, work: Callable[[], T]) -> T:
        return await in_thread(self._thread, work)

    async def _pass_on(self, child: Child) -> None:
        await self._stop.wait()
        child.stop()

    def _read_page(self, child: Child, before: float, after: int) -> int | None:
        selection = self._asked.selection
        page = self._parts.ledger.open_plans(selection.states, before, after, PAGE)
        self._progress.orders = child.add(page.records)
        return page.after

    def _around(self) -> Surroundings:
        ledger = self._parts.ledger
        return Surroundings(
            ledger.network(),
            dict(ledger.capacity_left()),
            self._parts.router.feeding(),
            ledger.version(),
        )

    def _solve(self, child: Child) -> list[Move]:
        loop, steps = self._loop, self._solver_steps

        def report(step: Progress) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, step)

        around = self._around()
        read = functools.partial(self._stock, around)
        limits = BatchLimits(wall_seconds=self._asked.solve_seconds)
        return child.solve(around, read, limits, report)

    def _again(self, child: Child, plans: Sequence[PlanRef]) -> list[Move]:
        """Decide again about plans that others changed, or whose units they took."""
        records = self._records(plans)
        if not records:
            return []
        limits = BatchLimits(wall_seconds=AGAIN_SHARE * self._asked.solve_seconds)
        around = self._around()
        read = functools.partial(self._stock, around)
        return child.again(records, around, read, limits)

    def _records(self, plans: Sequence[PlanRef]) -> list[ReservationRecord]:
        """Return those of some plans that are still open, as they are now."""
        records = map(self._parts.ledger.reservation, plans)
        return [each for each in records if each.state in OPEN_STATES]

    def _stock(self, around: Surroundings, skus: Sequence[Sku]) -> IntArray:
        """Return ``(K, N)`` available units, in the columns of a network."""
        grid = self._parts.ledger.grid()
        units = np.zeros((len(skus), len(around.network.locations)), dtype=np.int64)
        known = [n for n, sku in enumerate(skus) if sku in grid.rows]
        read = grid.read([grid.rows[skus[n]] for n in known])
        if grid.network is around.network:
            units[known] = read
            return units
        # A location came or went a moment ago.
        for column, place in enumerate(grid.network.locations):
            to = around.network.index.get(place.location_id)
            if to is not None:
                units[known, to] = read[:, column]
        return units

    async def _solving(self, solve: "asyncio.Future[list[Move]]") -> Steps:
        """Yield the solver's progress, not too often, until it is done."""
        last = 0.0
        while not solve.done():
            next_one = asyncio.ensure_future(self._solver_steps.get())
            either: set[asyncio.Future[Any]] = {solve, next_one}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not next_one.done():
                    next_one.cancel()
            if next_one.cancelled() or not next_one.done():
                return
            found = next_one.result()
            new_phase = found.phase != self._progress.step.phase
            step = self._progress.now(found.phase, value=found.value, bound=found.bound)
            if new_phase or time.monotonic() - last >= REPORT_SECONDS:
                last = time.monotonic()
                yield step

    async def _applying(self, child: Child, moves: list[Move]) -> Steps:
        """Apply moves, then decide the plans that cannot be decided together."""
        again = functools.partial(self._again, child)
        work = self._applier.apply_all(moves, child.applied, again)
        async with aclosing(work) as steps:
            async for step in steps:
                yield step
        plans: list[PlanRef] = await self._aside(child.alone)
        changed: list[PlanRef] = []
        work = self._applier.one_by_one(plans, self._asked.wishes, self._stop, changed)
        async with aclosing(work) as steps:
            async for step in steps:
                yield step
        if changed:
            await self._aside(lambda: child.seen(self._records(changed)))
