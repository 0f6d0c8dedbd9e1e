"""Runs a route's blocking work without blocking the event loop.

A route is a generator that yields its blocking work as values and takes the results
back: `Driver.do` solves in a few threads, encodes the replies, and reserves in the one
thread that writes.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from availability.errors import AvailabilityError
from availability.ledger.protocol import GROUP_LIMIT, Ledger
from availability.reservations import Reservation
from router.blocking_work import (
    ChangeWork,
    ReadWork,
    ReplayWork,
    Reserved,
    ReserveWork,
    SolveWork,
    Work,
)
from router.optimize.cpsat.lazy import warm
from router.rpc.codec.plan import encode_reply
from router.rpc.transport.errors import Overloaded
from router.rpc.transport.metrics import Metrics

SOLVER_THREADS = 2
"""OR-Tools leaves the interpreter to others while it solves, so threads do."""

LEAST_SOLVE_SECONDS = 0.001
"""Time of a search whose own time was used up while it waited for a thread."""

MAX_WAITING = 4 * GROUP_LIMIT
"""Most writes that wait for the one thread that writes. Callers have time to wait for
four commits; with more the store is overloaded, and refusing a write at once is
better than answering all of them too late."""

T = TypeVar("T")


class Driver:
    """The threads of one server; `close` ends them."""

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics | None = None,
        *,
        solver_threads: int = SOLVER_THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._ledger = ledger
        self._solvers = ThreadPoolExecutor(solver_threads, "solver")
        self._bulk = ThreadPoolExecutor(1, "bulk")
        self._writer = Writer(ledger, metrics or Metrics(), max_waiting)

    def warm(self) -> None:
        """Import the solvers in a thread; the first calls seldom need them."""
        self._solvers.submit(warm)

    def do(self, work: Work) -> Awaitable[object]:
        """Do a piece of a route's work, for `drive`.

        When the caller goes away its route ends where it waits: a solver that
        has begun runs to its limit and a commit to its end, and both results are
        dropped.
        """
        if isinstance(work, ReserveWork):
            return self._writer.reserve(work.draft(encode_reply(work.plan)))
        return self._do_other(work)

    async def _do_other(
        self, work: SolveWork | ReplayWork | ReadWork | ChangeWork
    ) -> object:
        if isinstance(work, ReplayWork):
            if not self._ledger.shared:
                return work.run(self._ledger)  # a few microseconds, here as there
            return await self.bulk(lambda: work.run(self._ledger))
        if isinstance(work, ChangeWork):
            return await self._writer.write(lambda: work.run(self._ledger))
        if isinstance(work, ReadWork):
            return await self.bulk(lambda: work.run(self._ledger))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._solvers, _solve, work, time.monotonic())

    async def write(self, change: Callable[[], T]) -> T:
        """Make a change of the ledger in the thread that writes."""
        return await self._writer.write(change)

    async def bulk(self, work: Callable[[], T]) -> T:
        """Do long work in a thread of its own: orders are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._bulk, work)

    async def close(self) -> None:
        """End the threads, after the current writes."""
        for pool in (self._bulk, self._solvers):
            pool.shutdown(wait=False, cancel_futures=True)
        await self._writer.close()


def _solve(work: SolveWork, queued: float) -> object:
    """Do a search; what it waited for a thread is taken off its time.

    So a rush of hard orders gets worse plans in time instead of good ones too late.
    """
    limits = work.limits
    waited = time.monotonic() - queued
    left = max(LEAST_SOLVE_SECONDS, limits.wall_seconds - waited)
    if left < limits.wall_seconds:
        work = replace(work, limits=replace(limits, wall_seconds=left))
    return work.run()


class Writer:
    """One thread that writes: while a group is being committed the next gathers.

    A commit costs the same for one reservation and for `GROUP_LIMIT`, so more calls
    mean a lower cost each. No reservation waits for others: one that finds the thread
    idle is written at once.
    """

    def __init__(
        self, ledger: Ledger, metrics: Metrics, max_waiting: int = MAX_WAITING
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._max_waiting = max_waiting
        self._thread = ThreadPoolExecutor(1, "writer")
        self._waiting: deque[tuple[Reservation, asyncio.Future[Reserved]]] = deque()
        self._changes = 0
        self._committing = False
        metrics.watch(
            "repartir_writer_waiting",
            "Writes queued for the writer thread, or being written.",
            self._queued,
        )

    def reserve(self, reservation: Reservation) -> "asyncio.Future[Reserved]":
        """Queue a reservation for the next commit.

        Cancelled before its commit begins, it reserves nothing; after that it is
        reserved, and a repeat finds it by its request id.

        Raises
        ------
        Overloaded
            Too many wait.
        """
        self._admit()
        future: asyncio.Future[Reserved] = asyncio.get_running_loop().create_future()
        self._waiting.append((reservation, future))
        if not self._committing:
            self._commit_next()
        return future

    async def write(self, change: Callable[[], T]) -> T:
        """Make another change, between two commits; as `reserve` when cancelled."""
        self._admit()
        loop = asyncio.get_running_loop()
        self._changes += 1
        written = loop.run_in_executor(self._thread, change)
        written.add_done_callback(self._changed)
        return await written

    def _changed(self, _: "asyncio.Future[T]") -> None:
        self._changes -= 1

    def _queued(self) -> int:
        return len(self._waiting) + self._changes

    def _admit(self) -> None:
        """Refuse a write that is one too many; raises Overloaded."""
        if self._queued() < self._max_waiting:
            return
        # Drop those whose callers have gone: many, when a commit takes long.
        self._waiting = deque(each for each in self._waiting if not each[1].done())
        if self._queued() >= self._max_waiting:
            raise Overloaded(f"write queue is full ({self._max_waiting})")

    async def close(self) -> None:
        """End the thread, after all queued writes."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._thread.shutdown)

    def _commit_next(self) -> None:
        group: list[tuple[Reservation, asyncio.Future[Reserved]]] = []
        while self._waiting and len(group) < GROUP_LIMIT:
            entry = self._waiting.popleft()
            # Left out if its caller has gone: less work when there is too much.
            if not entry[1].done():
                group.append(entry)
        self._committing = bool(group)
        if group:
            reservations = [reservation for reservation, _ in group]
            commit = asyncio.get_running_loop().run_in_executor(
                self._thread, self._commit, reservations
            )
            commit.add_done_callback(lambda done: self._settle(group, done))

    def _commit(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        began = time.perf_counter()
        try:
            return self._ledger.reserve_many(reservations)
        finally:
            self._metrics.committed(len(reservations), time.perf_counter() - began)

    def _settle(
        self,
        group: Sequence[tuple[Reservation, asyncio.Future[Reserved]]],
        commit: "asyncio.Future[list[bytes | AvailabilityError]]",
    ) -> None:
        # First, so that the disk is not idle while the replies are sent.
        self._commit_next()
        error = commit.exception()
        outcomes = [error] * len(group) if error is not None else commit.result()
        for (reservation, future), outcome in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                replayed = outcome is not reservation.reply
                future.set_result(Reserved(outcome, replayed))
