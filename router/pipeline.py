"""The flow: from an order to a plan, and to its stock held.

Written once, as a generator: what may block (a search that needs a solver, a
reservation) is yielded as a value, and whoever drives the generator does it where
it blocks nobody. `Router` has the driver that simply does it; the server has one
with threads. `evaluate` and `route` are the same steps, so an explanation cannot
drift from what was done.
"""

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from availability.errors import AvailabilityError, StockConflict
from availability.model import IntArray, Request, Reservation
from availability.stock_view import RoutableStock
from router.build import Built, build
from router.candidates import CandidateFinder
from router.counterfactuals import counterfactuals
from router.errors import StockContention
from router.model import (
    Counterfactuals,
    Order,
    RoutingPlan,
    RoutingPolicy,
    UnassignedReason,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem
from router.optimize.solve import solve, solve_excluding, solve_fast
from router.optimize.walk import solve_walk
from router.plan import Judged, Made, accept, claims, make_plan
from router.policies import DEFAULT, PRESETS
from router.reasons import LEAST_SECONDS, lifted_reasons, plain_reasons
from router.validate import validate

EXPLAIN_SHARE = 0.1
"""Of the time for solving, what explaining has even when none of it is left."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """How one call is to be answered.

    ``limits.wall_seconds`` is for all attempts together, explanations included.
    """

    limits: SolveLimits = SolveLimits()
    counterfactuals: bool = False


class Solved(NamedTuple):
    """A solution and the microseconds that the engine took for it."""

    solution: Solution
    micros: int


class Explanation(NamedTuple):
    """What takes solving to say of a plan."""

    reasons: dict[int, UnassignedReason]
    counterfactuals: Counterfactuals | None


@dataclass(frozen=True, slots=True)
class SolveWork:
    """A search that may take long: send back what `run` returns or raises."""

    problem: SourcingProblem
    limits: SolveLimits
    walk_order: IntArray | None = None

    def run(self) -> Solved | Explanation:
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
        return Solved(solution, _micros_since(started))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainWork(SolveWork):
    """Searches for what would have been, had a limit or the stock been another."""

    judged: Judged
    reasons: dict[int, UnassignedReason]
    counterfactuals: bool

    def run(self) -> Explanation:
        """Do it, in any thread; see `SolveWork.run`."""
        end = time.monotonic() + self.limits.wall_seconds
        reasons, found = self.reasons, None
        if len(reasons) < len(self.judged.short):
            reasons = lifted_reasons(self.judged, reasons, self.limits, solve)
        if self.counterfactuals:
            left = max(LEAST_SECONDS, end - time.monotonic())
            limits = replace(self.limits, wall_seconds=left)
            found = counterfactuals(self.judged, limits, solve_excluding)
        return Explanation(reasons, found)


@dataclass(frozen=True, slots=True)
class ReserveWork:
    """A plan's stock to be held: send back what ``reserve`` returns or raises."""

    reservation: Reservation


Evaluating = Generator[SolveWork, Any, RoutingPlan]
Routing = Generator[SolveWork | ReserveWork, Any, bytes]


class _Attempt(NamedTuple):
    """What differs from one attempt to plan an order to the next."""

    limits: SolveLimits
    end: float
    plan_id: str = ""
    conflicts: int = 0

    def limits_left(self, least_share: float = 0.0) -> SolveLimits:
        """Return the limits with the time that is left, at least a share of all."""
        least = max(LEAST_SECONDS, least_share * self.limits.wall_seconds)
        left = self.end - time.monotonic()
        return replace(self.limits, wall_seconds=max(least, left))


class Router:
    """Plans orders over one stock, and holds what their plans need.

    ``max_attempts`` is how often an order is planned when others keep taking its
    stock in between.
    """

    def __init__(self, stock: RoutableStock, *, max_attempts: int = 5) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts must be positive, got {max_attempts}")
        self._stock = stock
        self._max_attempts = max_attempts
        self._finder = CandidateFinder()

    def evaluate(
        self,
        order: Order,
        policy: RoutingPolicy = PRESETS[DEFAULT],
        options: RouteOptions = RouteOptions(),
    ) -> RoutingPlan:
        """Plan an order and hold nothing.

        Raises
        ------
        InvalidOrder
            The order or the policy breaks rules; every breach is listed.
        SolverError
            A fault of ours.
        """
        return self._drive(self.evaluate_steps(order, policy, options))

    def route(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        encode: Callable[[RoutingPlan], bytes],
    ) -> bytes:
        """Plan an order, hold its stock and return the plan as ``encode`` makes it.

        A repeat of a request gets the first reply, and nothing is done.

        Raises
        ------
        InvalidOrder
            The order or the policy breaks rules; every breach is listed.
        StockContention
            Others took the stock on every attempt.
        SolverError
            A fault of ours.
        AvailabilityError
            Anything but a conflict that the stock has to say of a reservation.
        """
        return self._drive(self.route_steps(order, policy, options, request, encode))

    def evaluate_steps(
        self, order: Order, policy: RoutingPolicy, options: RouteOptions
    ) -> Evaluating:
        """Return `evaluate` as a generator of its blocking work."""
        end = time.monotonic() + options.limits.wall_seconds
        return self._plan(order, policy, options, _Attempt(options.limits, end))

    def route_steps(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        encode: Callable[[RoutingPlan], bytes],
    ) -> Routing:
        """Return `route` as a generator of its blocking work."""
        if request.request_id:
            reply = self._stock.replay(request)
            if reply is not None:
                return reply
        end = time.monotonic() + options.limits.wall_seconds
        plan_id = uuid.uuid4().hex
        for conflicts in range(self._max_attempts):
            attempt = _Attempt(options.limits, end, plan_id, conflicts)
            plan = yield from self._plan(order, policy, options, attempt)
            reservation = Reservation(
                plan_id, order.order_id, claims(order, plan), encode(plan), request
            )
            try:
                stored: bytes = yield ReserveWork(reservation)
            except StockConflict:
                continue
            return stored
        raise StockContention(self._max_attempts)

    def _plan(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        attempt: _Attempt,
    ) -> Evaluating:
        """Read the stock, solve, check and put into words."""
        stock = self._stock
        # One object for both, so that columns and locations cannot differ.
        grid = stock.grid()
        network = grid.network
        validate(order, policy, network, grid)
        capacities = stock.capacity_left()
        candidates = self._finder.find(order, policy, network, capacities)
        built = build(order, policy, candidates, grid, capacities)
        solved = _solve_inline(built)
        if solved is None:
            limits = attempt.limits_left()
            solved = yield SolveWork(built.problem, limits, built.walk_order)
        judged = accept(built, solved.solution)
        short = judged.short
        reasons = plain_reasons(judged) if short else {}
        found: Counterfactuals | None = None
        if options.counterfactuals or len(reasons) < len(short):
            reasons, found = yield ExplainWork(
                problem=built.problem,
                limits=attempt.limits_left(EXPLAIN_SHARE),
                judged=judged,
                reasons=reasons,
                counterfactuals=options.counterfactuals,
            )
        made = Made(solved.micros, attempt.plan_id, attempt.conflicts, found)
        return make_plan(judged, reasons, made)

    def _drive(self, steps: Generator[SolveWork | ReserveWork, Any, T]) -> T:
        """Do all blocking work here and now."""
        try:
            work = next(steps)
            while True:
                try:
                    if isinstance(work, ReserveWork):
                        result: object = self._stock.reserve(work.reservation)
                    else:
                        result = work.run()
                except AvailabilityError as error:
                    work = steps.throw(error)
                else:
                    work = steps.send(result)
        except StopIteration as end:
            done: T = end.value
            return done


def _solve_inline(built: Built) -> Solved | None:
    """Return a solution that costs next to nothing to find, if there is one."""
    if built.walk_order is not None:
        return None
    if not built.candidates.pool.locations:
        return Solved(Solution((), "exact"), 0)
    started = time.perf_counter_ns()
    solution = solve_fast(built.problem)
    return None if solution is None else Solved(solution, _micros_since(started))


def _micros_since(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1_000
