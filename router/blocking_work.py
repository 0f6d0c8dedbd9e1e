"""The work of a route that may block: searches, and reads and writes of the ledger.

The steps of a route are generators that yield these values. `drive` has each of them
done where it blocks no other call, and sends back the result or throws the error.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

from availability.model import IntArray, Request
from availability.reservations import Command, PlanRef, Reservation, ReservationRecord
from router.model import Counterfactuals, RoutingPlan, UnassignedReason
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem
from router.optimize.solve import solve, solve_excluding
from router.optimize.walk import solve_walk
from router.planning.assemble import CheckedSolution
from router.planning.counterfactuals import counterfactuals
from router.planning.unassigned_reasons import LEAST_SECONDS, lifted_reasons

Encode = Callable[[ReservationRecord], bytes]
"""Makes the reply to a change of what a plan holds."""
Draft = Callable[[bytes], Reservation]
"""Makes a plan's reservation once its reply is known."""

T = TypeVar("T")
WorkT = TypeVar("WorkT")


class Solved(NamedTuple):
    """A solution and the microseconds that the engine took for it."""

    solution: Solution
    micros: int


class PlanExplanation(NamedTuple):
    """What takes solving to say of a plan."""

    reasons: dict[int, UnassignedReason]
    counterfactuals: Counterfactuals | None


@dataclass(frozen=True, slots=True)
class SolveWork:
    """A search that may take long: send back what `run` returns or raises."""

    problem: SourcingProblem
    limits: SolveLimits
    walk_order: IntArray | None = None

    def run(self) -> Solved | PlanExplanation:
        """Do it, in any thread.

        Raises
        ------
        SolverError
            A solver refused a model: a fault of ours.
        """
        started = time.perf_counter_ns()
        if self.walk_order is None:
            solution = solve(self.problem, self.limits)
        else:
            solution = solve_walk(self.problem, self.walk_order)
        return Solved(solution, (time.perf_counter_ns() - started) // 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainWork(SolveWork):
    """Searches for what would have been, had a limit or the stock been another."""

    judged: CheckedSolution
    reasons: dict[int, UnassignedReason]
    counterfactuals: bool

    def run(self) -> PlanExplanation:
        """Do it, in any thread; see `SolveWork.run`."""
        end = time.monotonic() + self.limits.wall_seconds
        reasons, found = self.reasons, None
        if len(reasons) < len(self.judged.short):
            reasons = lifted_reasons(self.judged, reasons, self.limits, solve)
        if self.counterfactuals:
            left = max(LEAST_SECONDS, end - time.monotonic())
            limits = replace(self.limits, wall_seconds=left)
            found = counterfactuals(self.judged, limits, solve_excluding)
        return PlanExplanation(reasons, found)


class Reserved(NamedTuple):
    """The reply that is stored with a plan: an earlier one if it is ``replayed``."""

    reply: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class ReserveWork:
    """A plan whose stock is to be promised: send back a `Reserved`, or throw.

    Encode the plan, give the bytes to ``draft`` and reserve what it returns. The
    ledger answers with these very bytes, or with those of an earlier reservation.
    """

    plan: RoutingPlan
    draft: Draft


class Replies(Protocol):
    """What knows the first reply to every request: every ledger does."""

    def replay(self, request: Request) -> bytes | None:
        """Return the reply to a request that was made before, or None."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayWork:
    """The first reply to a request to be looked for: send back what `run` returns."""

    request: Request

    def run(self, replies: Replies) -> bytes | None:
        """Do it, in any thread.

        Raises
        ------
        RequestReused
            The request's id came before with another body.
        StoreUnavailable
            The database could not be read.
        """
        return replies.replay(self.request) if self.request.request_id else None


class Reservations(Protocol):
    """What reads and changes what plans hold: every ledger does."""

    def reservation(self, plan: PlanRef) -> ReservationRecord:
        """Return a plan and what became of what it holds."""
        ...

    def change(
        self, plan: PlanRef, command: Command, request: Request, encode: Encode
    ) -> bytes:
        """Do what a command says, in one transaction."""
        ...


@dataclass(frozen=True, slots=True)
class ReadWork:
    """A plan to be read with what became of it: send back what `run` returns."""

    plan: PlanRef

    def run(self, reservations: Reservations) -> ReservationRecord:
        """Do it, in any thread.

        Raises
        ------
        PlanNotFound
            There is no such plan.
        StoreUnavailable
            The database could not be read.
        """
        return reservations.reservation(self.plan)


@dataclass(frozen=True, slots=True)
class ChangeWork:
    """A change of what a plan holds: send back what `run` returns or raises."""

    plan: PlanRef
    command: Command
    request: Request
    encode: Encode

    def run(self, reservations: Reservations) -> bytes:
        """Do it, in the thread that writes; it raises what ``change`` does."""
        return reservations.change(self.plan, self.command, self.request, self.encode)


Work = SolveWork | ReserveWork | ReplayWork | ReadWork | ChangeWork


async def drive(
    steps: Generator[WorkT, object, T], do: Callable[[WorkT], Awaitable[object]]
) -> T:
    """Run steps to their end and return their result.

    ``do`` does a piece of their work and returns its result or raises its error.
    When the caller goes away the steps are closed where they wait.
    """
    try:
        work = next(steps)
        while True:
            try:
                result = await do(work)
            except Exception as error:
                work = steps.throw(error)
            else:
                work = steps.send(result)
    except StopIteration as end:
        done: T = end.value
        return done
    finally:
        steps.close()


def at_once(coroutine: Coroutine[object, None, T]) -> T:
    """Return the result of a coroutine that waits for nothing.

    Raises
    ------
    RuntimeError
        It waited.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        done: T = end.value
        return done
    coroutine.close()
    raise RuntimeError("the coroutine waits for an event loop")
