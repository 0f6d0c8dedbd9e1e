"""The flow: from an order to a plan, and to its stock promised.

Written once, as a generator: work that may block (a search that needs a solver, a
reservation) is yielded as a value of `router.blocking_work`, and `drive` has it done
where it blocks no other call. `Router` does it at once; the server does it in threads.
`evaluate` and `route` are the same steps, so an explanation cannot drift from what
was done.
"""

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from availability.errors import StockConflict
from availability.model import Clock, LocationId, Request
from availability.reservations import Queued, Reservation
from availability.stock_view import RoutableStock
from router.blocking_work import (
    ReplayWork,
    Reserved,
    ReserveWork,
    SolveWork,
    at_once,
    drive,
)
from router.errors import RouterError, StockContention
from router.line_units import claims, queue_of
from router.model import (
    WAITING,
    Order,
    RoutingPlan,
    RoutingPolicy,
)
from router.optimize.limits import SolveLimits
from router.planner import AnsweredBeforeError, Attempt, Evaluating, Planner
from router.policies import DEFAULT, PRESETS
from router.selling.seller import Seller
from router.stored_plans import OwnStock, PlanCodec
from router.validation.shape import validate_shape

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """How one call is to be answered.

    ``limits.wall_seconds`` is for all attempts together, explanations included.
    ``hold_seconds`` None places the order at once; otherwise its units are held for
    a cart. With ``queue_unassigned`` units that no location ships are promised too,
    and wait.
    """

    limits: SolveLimits = SolveLimits()
    counterfactuals: bool = False
    hold_seconds: int | None = None
    queue_unassigned: bool = False


class Routed(NamedTuple):
    """The reply to an order, and the plan it is of: None if it is an earlier reply."""

    reply: bytes
    plan: RoutingPlan | None


Routing = Generator[SolveWork | ReplayWork | ReserveWork, Any, Routed]


def plan_id_bytes(plan: RoutingPlan) -> bytes:
    """Return the reply that is stored where a caller encodes none."""
    return plan.plan_id.encode()


class Router:
    """Plans orders over one stock, and holds what their plans need.

    ``max_attempts`` is how often an order is planned when others keep taking its
    stock in between. ``stored`` writes the body of an order whose kits were replaced
    by their components. ``clock`` opens and closes pre-orders.
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
        self._planner = Planner()
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
        return self._do_all(self.evaluate_steps(order, policy, options))

    def route(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request = Request(),
        encode: Callable[[RoutingPlan], bytes] = plan_id_bytes,
        body: bytes = b"",
    ) -> Routed:
        """Plan an order, promise its stock and store what ``encode`` makes of the plan.

        A repeat of a request gets the first reply, and nothing is done. ``body`` is
        stored with the plan, to plan the order again later.

        Raises
        ------
        InvalidOrder
            The order or the policy breaks rules; every breach is listed.
        StockContention
            Others took the stock on every attempt.
        SolverError
            A fault of ours.
        AvailabilityError
            Any refusal of the reservation but a conflict.
        """
        steps = self.route_steps(order, policy, options, request, body)
        return self._do_all(steps, encode)

    def feeding(self) -> dict[str, frozenset[LocationId]]:
        """Return the locations that feed each channel that is declared."""
        return self._seller.feeding()

    def evaluate_steps(
        self, order: Order, policy: RoutingPolicy, options: RouteOptions
    ) -> Evaluating:
        """Return `evaluate` as a generator of its blocking work."""
        attempt = _first_attempt(options)
        validate_shape(order, policy)
        sale, view = self._seller.sale(order, policy)
        return (yield from self._planner.steps(sale, policy, view, attempt))

    def route_steps(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        body: bytes = b"",
    ) -> Routing:
        """Return `route` as a generator of its blocking work.

        The reservation finds an earlier reply to the request. It is looked up
        separately only where that would be too late: before a search, and when the
        order, which was valid then, is not any more.
        """
        try:
            return (yield from self._reserve(order, policy, options, request, body))
        except AnsweredBeforeError as before:
            return Routed(before.reply, None)
        except RouterError:
            reply: bytes | None = yield ReplayWork(request)
            if reply is None:
                raise
            return Routed(reply, None)

    def _reserve(
        self,
        order: Order,
        policy: RoutingPolicy,
        options: RouteOptions,
        request: Request,
        body: bytes,
    ) -> Routing:
        """Plan and reserve, again when others took the stock in between."""
        plan_id = uuid.uuid4().hex
        first = _first_attempt(options, plan_id, request=request)
        validate_shape(order, policy)
        waits = options.queue_unassigned
        for conflicts in range(self._max_attempts):
            sale, view = self._seller.sale(order, policy)
            attempt = first._replace(conflicts=conflicts) if conflicts else first
            plan = yield from self._planner.steps(sale, policy, view, attempt)
            whole, made_from = sale.whole, body
            if whole is not order and self._stored is not None:
                made_from = self._stored.body(body, whole)
            draft = partial(
                Reservation,
                plan_id,
                order.order_id,
                claims(whole, plan.assignments),
                request=request,
                hold_seconds=options.hold_seconds,
                queued=_queue(whole, plan, everything=waits) if plan.unassigned else (),
                body=made_from,
                channel_id=sale.channel_id,
                customer_id=order.customer_id,
                # What was sold elsewhere is a fact, however far it goes.
                guards=() if waits else sale.guards,
                purchases=sale.purchases,
            )
            try:
                done: Reserved = yield ReserveWork(plan, draft)
            except StockConflict:
                continue
            return Routed(done.reply, None if done.replayed else plan)
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
        attempt = _first_attempt(options, plan_id, conflicts=conflicts, own=own)
        view = self._stock.routing_view()
        sale = self._seller.sold(order, view)
        return self._planner.steps(sale, policy, view, attempt)

    def _do_all(
        self,
        steps: Generator[SolveWork | ReplayWork | ReserveWork, Any, T],
        encode: Callable[[RoutingPlan], bytes] = plan_id_bytes,
    ) -> T:
        """Do all blocking work here and now."""

        async def do(work: SolveWork | ReplayWork | ReserveWork) -> object:
            if isinstance(work, ReserveWork):
                reservation = work.draft(encode(work.plan))
                reply = self._stock.reserve(reservation)
                return Reserved(reply, reply is not reservation.reply)
            if isinstance(work, ReplayWork):
                return work.run(self._stock)
            return work.run()

        return at_once(drive(steps, do))


def _queue(order: Order, plan: RoutingPlan, *, everything: bool) -> tuple[Queued, ...]:
    """Return the units that are promised without a location."""
    units: dict[str, int] = {}
    for each in plan.unassigned:
        if everything or each.reason in WAITING:
            units[each.line_id] = units.get(each.line_id, 0) + each.quantity
    return queue_of(order, units)


def _first_attempt(options: RouteOptions, plan_id: str = "", **fields: Any) -> Attempt:
    limits = options.limits
    end = time.monotonic() + limits.wall_seconds
    return Attempt(limits, end, options.counterfactuals, plan_id, **fields)
