"""The flow: from an order to a plan, and to its stock promised.

Written once, as a generator: what may block (a search that needs a solver, a
reservation) is yielded as a value of `router.blocking_work`, and the driver of the
generator runs it where it blocks no other call. `Router` has the driver that simply
does it; the server has one with threads. `evaluate` and `route` are the same steps,
so an explanation cannot drift from what was done.
"""

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from availability.errors import AvailabilityError, StockConflict
from availability.model import Clock, LocationId, Request
from availability.reservations import Reservation
from availability.stock_view import RoutableStock
from router.blocking_work import (
    ExplainWork,
    ReplayWork,
    ReserveWork,
    Solved,
    SolveWork,
    micros_since,
)
from router.errors import RouterError, StockContention
from router.line_units import claims, queue_of
from router.model import (
    WAITING,
    Counterfactuals,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution
from router.optimize.solve import solve_fast
from router.planning.assemble import PlanMeta, accept, make_plan
from router.planning.build import AvailableUnits, Built, build
from router.planning.candidates import CandidateFinder
from router.planning.unassigned_reasons import LEAST_SECONDS, plain_reasons
from router.policies import DEFAULT, PRESETS
from router.selling.sale import Sale
from router.selling.seller import Seller
from router.stored_plans import OwnStock, PlanCodec
from router.validation.sense import validate_sense, validate_shape

EXPLAIN_SHARE = 0.1
"""Of the time for solving, what explaining has even when none of it is left."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """How one call is to be answered.

    ``limits.wall_seconds`` is for all attempts together, explanations included.
    ``hold_seconds`` None places the order at once; otherwise its units are held for
    a cart. With ``queue_unassigned`` what nobody ships is promised all the same.
    """

    limits: SolveLimits = SolveLimits()
    counterfactuals: bool = False
    hold_seconds: int | None = None
    queue_unassigned: bool = False


Evaluating = Generator[SolveWork | ReplayWork, Any, RoutingPlan]
Routing = Generator[SolveWork | ReplayWork | ReserveWork, Any, bytes]


class _Attempt(NamedTuple):
    """What differs from one attempt to plan an order to the next."""

    limits: SolveLimits
    end: float
    plan_id: str = ""
    conflicts: int = 0
    own: OwnStock | None = None
    request: Request = Request()
    sale: Sale | None = None

    def limits_left(self, least_share: float = 0.0) -> SolveLimits:
        """Return the limits with the time that is left, at least a share of all."""
        least = max(LEAST_SECONDS, least_share * self.limits.wall_seconds)
        left = self.end - time.monotonic()
        return replace(self.limits, wall_seconds=max(least, left))


class _Answered(Exception):
    """The request was answered before."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply


class Router:
    """Plans orders over one stock, and holds what their plans need.

    ``max_attempts`` is how often an order is planned when others keep taking its
    stock in between. ``stored`` writes an order whose kits were taken apart as its
    plan keeps it. ``clock`` opens and closes pre-orders.
    """

    def __init__(
        self,
        stock: RoutableStock,
        *,
        max_attempts: int = 5,
        stored: PlanCodec | None = None,
        clock: Clock = time.time,
    ) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts must be positive, got {max_attempts}")
        self._stock = stock
        self._max_attempts = max_attempts
        self._stored = stored
        self._finder = CandidateFinder()
        self._seller = Seller(stock, clock)

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
        body: bytes = b"",
    ) -> bytes:
        """Plan an order, promise its stock and return what ``encode`` makes of it.

        A repeat of a request gets the first reply, and nothing is done. ``body`` is
        stored with the plan, for those who plan the order anew.

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
        return self._drive(
            self.route_steps(order, policy, options, request, encode, body)
        )

    def feeding(self) -> dict[str, frozenset[LocationId]]:
        """Return the locations that feed each channel that is declared."""
        return self._seller.feeding()

    def evaluate_steps(
        self, order: Order, policy: RoutingPolicy, options: RouteOptions
    ) -> Evaluating:
        """Return `evaluate` as a generator of its blocking work."""
        end = time.monotonic() + options.limits.wall_seconds
        validate_shape(order, policy)
        sale = self._seller.sale(order, policy)
        attempt = _Attempt(options.limits, end, sale=sale)
        return (yield from self._plan(order, policy, options, attempt))

    def route_steps(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        encode: Callable[[RoutingPlan], bytes],
        body: bytes = b"",
    ) -> Routing:
        """Return `route` as a generator of its blocking work.

        Whether the request was answered before is found by whoever reserves. It
        costs a look of its own only where that comes too late: before a search, and
        when the order, which was right then, is not any more.
        """
        try:
            return (
                yield from self._reserve(order, policy, options, request, encode, body)
            )
        except _Answered as before:
            return before.reply
        except RouterError:
            reply: bytes | None = yield ReplayWork(request)
            if reply is None:
                raise
            return reply

    def _reserve(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        encode: Callable[[RoutingPlan], bytes],
        body: bytes,
    ) -> Routing:
        """Plan and reserve, again when others took the stock in between."""
        end = time.monotonic() + options.limits.wall_seconds
        validate_shape(order, policy)
        plan_id = uuid.uuid4().hex
        for conflicts in range(self._max_attempts):
            sale = self._seller.sale(order, policy)
            attempt = _Attempt(
                options.limits, end, plan_id, conflicts, request=request, sale=sale
            )
            plan = yield from self._plan(order, policy, options, attempt)
            whole, made_from = order, body
            if sale is not None and sale.whole is not order:
                whole = sale.whole
                if self._stored is not None:
                    made_from = self._stored.body(body, whole)
            waits = options.queue_unassigned
            reservation = Reservation(
                plan_id,
                order.order_id,
                claims(whole, plan.assignments),
                encode(plan),
                request,
                options.hold_seconds,
                queue_of(whole, _waiting(plan, everything=waits)),
                made_from,
                channel_id=self._seller.counting_channel(order),
                customer_id=order.customer_id,
                # What was sold elsewhere is a fact, however far it goes.
                guards=() if sale is None or waits else sale.guards,
                purchases=self._seller.purchases(whole),
            )
            try:
                stored: bytes = yield ReserveWork(reservation)
            except StockConflict:
                continue
            return stored
        raise StockContention(self._max_attempts)

    def replan_steps(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        plan_id: str,
        own: OwnStock,
        conflicts: int = 0,
    ) -> Evaluating:
        """Plan an order that holds something already, and hold nothing more.

        What it holds is frozen in the order, and ``own`` says that these units are
        not to be looked for in the stock. The order was judged when it first came.
        """
        end = time.monotonic() + options.limits.wall_seconds
        sale = self._seller.replanned(order)
        attempt = _Attempt(options.limits, end, plan_id, conflicts, own, sale=sale)
        return self._plan(order, policy, options, attempt)

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
        sale, feeding = attempt.sale, None
        if attempt.own is None:
            exempt = () if sale is None else sale.exempt
            whole = order if sale is None else sale.whole
            validate_sense(whole, policy, network, grid, exempt)
        shown: AvailableUnits = grid
        if sale is not None:
            order, feeding, shown = sale.order, sale.feeding, sale.limited(grid)
            if not order.lines:
                return sale.add_unplanned(
                    _nothing(order, policy, grid.version, attempt)
                )
        capacities = stock.capacity_left()
        candidates = self._finder.find(order, policy, network, capacities, feeding)
        built = build(order, policy, candidates, shown, capacities, attempt.own)
        solved = _solve_inline(built)
        if solved is None:
            if attempt.request.request_id and not attempt.conflicts:
                reply = yield ReplayWork(attempt.request)
                if reply is not None:
                    raise _Answered(reply)
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
        made = PlanMeta(solved.micros, attempt.plan_id, attempt.conflicts, found)
        plan = make_plan(judged, reasons, made)
        return plan if sale is None else sale.add_unplanned(plan)

    def _drive(
        self, steps: Generator[SolveWork | ReplayWork | ReserveWork, Any, T]
    ) -> T:
        """Do all blocking work here and now."""
        try:
            work = next(steps)
            while True:
                try:
                    if isinstance(work, ReserveWork):
                        result: object = self._stock.reserve(work.reservation)
                    elif isinstance(work, ReplayWork):
                        result = work.run(self._stock)
                    else:
                        result = work.run()
                except AvailabilityError as error:
                    work = steps.throw(error)
                else:
                    work = steps.send(result)
        except StopIteration as end:
            done: T = end.value
            return done


def _waiting(plan: RoutingPlan, *, everything: bool) -> dict[str, int]:
    """Return the units of lines that are promised without a location."""
    units: dict[str, int] = {}
    for each in plan.unassigned:
        if everything or each.reason in WAITING:
            units[each.line_id] = units.get(each.line_id, 0) + each.quantity
    return units


def _nothing(
    order: Order, policy: RoutingPolicy, version: int, attempt: _Attempt
) -> RoutingPlan:
    """Return the plan of an order of which nothing is to be shipped now."""
    return RoutingPlan(
        order.order_id,
        PlanStatus.NONE,
        (),
        (),
        (),
        (),
        {},
        version,
        "exact",
        0,
        policy.name,
        attempt.plan_id,
        attempt.conflicts,
    )


def _solve_inline(built: Built) -> Solved | None:
    """Return a solution that costs next to nothing to find, if there is one."""
    if built.walk_order is not None:
        return None
    if not built.candidates.pool.locations:
        return Solved(Solution((), "exact"), 0)
    started = time.perf_counter_ns()
    solution = solve_fast(built.problem)
    return None if solution is None else Solved(solution, micros_since(started))
