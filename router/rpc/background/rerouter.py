"""Re-routing as the server does it: read, decide in a child, apply, tell.

Only what touches the ledger is done here. Changes take their turns in the thread
that writes, among those of checkouts, and leave it to them as long as they had it.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np

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
from availability.model import Clock, IntArray, LocationId, Sku
from availability.reservations import OPEN_STATES, PlanRef, ReservationRecord
from router.amending.amender import Amender
from router.errors import RouterError
from router.optimize.batch.limits import BatchLimits, Progress
from router.optimize.limits import SolveLimits
from router.pipeline import Router
from router.rerouting.dialogue import RerouteProgress, RerouteRequest, RerouteResult
from router.rerouting.move_order import sequence
from router.rerouting.moves import Move
from router.rerouting.summary import Surroundings
from router.rerouting.worker_process import Child
from router.rpc.background.driver import Driver
from router.rpc.transport.errors import Overloaded
from router.stored_plans import PlanCodec

PAGE = 100
"""Plans read at a time: some milliseconds of the interpreter."""
MAX_ROUNDS = 3
"""Times that orders are decided: once, and again where others were faster."""
AGAIN_SHARE = 0.25
"""Of the time for solving, what each further round has."""
MAX_TRIES = 20
"""Times that a change is tried while the store is busy or away."""
MAX_WAIT_SECONDS = 1.0
"""Longest wait between two tries."""
TELL_SECONDS = 0.2
"""Least time between two reports of how far it is."""

T = TypeVar("T")


class Rerouter:
    """Re-routes the orders of one ledger, one run at a time."""

    def __init__(
        self,
        router: Router,
        ledger: Ledger,
        driver: Driver,
        stored: PlanCodec,
        clock: Clock = time.time,
        ray_address: str | None = None,
    ) -> None:
        self._ray_address = ray_address
        self._router = router
        self._ledger = ledger
        self._driver = driver
        self._stored = stored
        self._clock = clock
        self._busy = False

    async def run(
        self, asked: RerouteRequest, stop: asyncio.Event
    ) -> AsyncGenerator[RerouteProgress | RerouteResult, None]:
        """Yield how far it is, then what came of it.

        Once ``stop`` is set, the best so far is applied.

        Raises
        ------
        Overloaded
            It is re-routing already.
        TooManyOrders
            More orders are selected than one run takes.
        StoreUnavailable
            The database could not be read, or not be written for too long; what was
            changed before stays.
        ReroutingEnded
            The process that solves has; what was changed before stays.
        """
        if self._busy:
            raise Overloaded("the server is re-routing already")
        self._busy = True
        run = _RerouteRun(
            self._router,
            self._ledger,
            self._driver,
            self._stored,
            asked,
            stop,
            self._ray_address,
        )
        try:
            before = self._clock() - asked.min_age_seconds
            async with aclosing(run.steps(before)) as steps:
                async for step in steps:
                    yield step
        finally:
            self._busy = False
            await run.close()


class _RerouteRun:
    def __init__(
        self,
        router: Router,
        ledger: Ledger,
        driver: Driver,
        stored: PlanCodec,
        asked: RerouteRequest,
        stop: asyncio.Event,
        ray_address: str | None,
    ) -> None:
        self._ray_address = ray_address
        self._router = router
        self._ledger = ledger
        self._driver = driver
        self._stored = stored
        self._amender = Amender(router, stored)
        self._asked = asked
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, "rerouting")
        self._child: Child | None = None
        self._told: asyncio.Queue[Progress] = asyncio.Queue()
        self._orders = 0
        self._step = RerouteProgress("reading")
        self._applied = 0
        self._conflicts = 0
        self._given_up = 0

    async def steps(
        self, created_before: float
    ) -> AsyncGenerator[RerouteProgress | RerouteResult, None]:
        asked = self._asked
        self._loop = asyncio.get_running_loop()
        yield self._step
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
                yield self._now("reading")
            solve = asyncio.ensure_future(self._aside(lambda: self._solve(child)))
            try:
                async with aclosing(self._progress(solve)) as told:
                    async for step in told:
                        yield step
                moves = await solve
            finally:
                # Where the call has ended nobody asks how this did.
                solve.cancel()
            if asked.validate_only:
                await self._aside(
                    lambda: child.applied([each.plan.plan_id for each in moves])
                )
            else:
                for work in (self._apply_all(child, moves), self._one_by_one(child)):
                    async with aclosing(work) as applied:
                        async for step in applied:
                            yield step
            yield self._now("report")
            summary, saved = await self._aside(child.finish)
        finally:
            stopping.cancel()
        yield RerouteResult(
            summary,
            self._conflicts,
            self._given_up,
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
        # Kept here: nobody may be waiting for it by the time that it is there.
        asked = self._asked
        self._child = Child(
            asked.selection, asked.wishes, self._stored, self._ray_address
        )
        return self._child

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child.close()

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _pass_on(self, child: Child) -> None:
        await self._stop.wait()
        child.stop()

    def _now(self, phase: str, **said: int) -> RerouteProgress:
        self._step = self._step._replace(
            phase=phase,
            orders=self._orders,
            applied=self._applied,
            conflicts=self._conflicts,
            **said,
        )
        return self._step

    def _read_page(self, child: Child, before: float, after: int) -> int | None:
        selection = self._asked.selection
        page = self._ledger.open_plans(selection.states, before, after, PAGE)
        self._orders = child.add(page.records)
        return page.after

    def _around(self) -> Surroundings:
        ledger = self._ledger
        return Surroundings(
            ledger.network(),
            dict(ledger.capacity_left()),
            self._router.feeding(),
            ledger.version(),
        )

    def _solve(self, child: Child) -> list[Move]:
        loop, told = self._loop, self._told

        def tell(step: Progress) -> None:
            loop.call_soon_threadsafe(told.put_nowait, step)

        around = self._around()
        read = functools.partial(self._stock, around)
        limits = BatchLimits(wall_seconds=self._asked.solve_seconds)
        return child.solve(around, read, limits, tell)

    def _again(self, child: Child, plans: Sequence[PlanRef]) -> list[Move]:
        """Decide anew about plans that others changed, or whose units they took."""
        records = self._records(plans)
        if not records:
            return []
        limits = BatchLimits(wall_seconds=AGAIN_SHARE * self._asked.solve_seconds)
        around = self._around()
        read = functools.partial(self._stock, around)
        return child.again(records, around, read, limits)

    def _records(self, plans: Sequence[PlanRef]) -> list[ReservationRecord]:
        """Return those of some plans that are still open, as they are now."""
        records = map(self._ledger.reservation, plans)
        return [each for each in records if each.state in OPEN_STATES]

    def _stock(self, around: Surroundings, skus: Sequence[Sku]) -> IntArray:
        """Return ``(K, N)`` available units, in the columns of a network."""
        grid = self._ledger.grid()
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

    async def _progress(
        self, solve: "asyncio.Future[list[Move]]"
    ) -> AsyncGenerator[RerouteProgress, None]:
        """Yield what the solver tells, not too often, until it is done."""
        last = 0.0
        while not solve.done():
            next_one = asyncio.ensure_future(self._told.get())
            either: set[asyncio.Future[Any]] = {solve, next_one}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not next_one.done():
                    next_one.cancel()
            if next_one.cancelled() or not next_one.done():
                return
            told = next_one.result()
            self._step = self._step._replace(value=told.value, bound=told.bound)
            new_phase = told.phase != self._step.phase
            step = self._now(told.phase)
            if new_phase or time.monotonic() - last >= TELL_SECONDS:
                last = time.monotonic()
                yield step

    async def _apply_all(
        self, child: Child, moves: list[Move]
    ) -> AsyncGenerator[RerouteProgress, None]:
        """Do all moves, and decide anew about those that could not be done."""
        for turn in range(MAX_ROUNDS):
            if not moves:
                return
            tally = _Tally(moves)
            yield self._now("applying", moves=self._applied + len(moves))
            async with aclosing(self._round(tally)) as steps:
                async for step in steps:
                    yield step
            await self._aside(functools.partial(child.applied, tally.done))
            if turn + 1 == MAX_ROUNDS or not tally.left:
                self._given_up = len(tally.left)
                return
            again = functools.partial(self._again, child, tally.left)
            moves = await self._aside(again)

    async def _round(self, tally: "_Tally") -> AsyncGenerator[RerouteProgress, None]:
        groups = sequence(tally.moves, self._available)
        last = time.monotonic()
        while True:
            group = await self._aside(functools.partial(next, groups, None))
            if group is None:
                break
            began = time.monotonic()
            if await self._apply(group):
                tally.done += [each.plan.plan_id for each in group]
                self._applied += len(group)
            else:
                self._conflicts += len(group)
            # Checkouts have the thread that writes for as long as this had it.
            await asyncio.sleep(time.monotonic() - began)
            if time.monotonic() - last >= TELL_SECONDS:
                last = time.monotonic()
                yield self._now("applying")
        yield self._now("applying")

    async def _one_by_one(self, child: Child) -> AsyncGenerator[RerouteProgress, None]:
        """Decide again, each by itself, those that can not be decided together."""
        wishes = self._asked.wishes
        plans: list[PlanRef] = await self._aside(child.alone)
        closed = frozenset(
            each.location_id
            for each in self._ledger.network().locations
            if not each.active
        )
        changed: list[PlanRef] = []
        for plan in plans:
            spent = wishes.max_moves is not None and self._applied >= wishes.max_moves
            if spent or self._stop.is_set():
                break
            steps = self._amender.move_steps(plan, wishes, closed, SolveLimits())
            try:
                moved = await self._driver.run(steps)
            except (AvailabilityError, RouterError) as error:
                if isinstance(error, StoreUnavailable):
                    raise
                # Others were faster, or it has ended: it is as it is.
                self._conflicts += 1
                moved = b""
            if moved:
                self._applied += 1
                changed.append(plan)
                yield self._now("applying")
        if changed:
            await self._aside(lambda: child.seen(self._records(changed)))

    async def _apply(self, group: tuple[Move, ...]) -> bool:
        """Do moves in one transaction; return whether they could be done."""
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
                # If it was done by a try whose end was not heard of, that shows when
                # the plans are read again: nothing is left to change.
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


class _Tally:
    """One round of moves, and which were done."""

    def __init__(self, moves: list[Move]) -> None:
        self.moves = moves
        self.done: list[str] = []

    @property
    def left(self) -> list[PlanRef]:
        """Plans that were not changed: others were faster."""
        done = set(self.done)
        return [each.plan for each in self.moves if each.plan.plan_id not in done]
