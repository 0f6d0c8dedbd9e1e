"""Changes of a routed order: cancel, ship, reject, serve from the queue, move.

As in `router.pipeline`, steps are generators of their blocking work. A decision is
written only if the plan is still the one that was read; otherwise it is read and
decided again, a bounded number of times.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from availability.errors import (
    AvailabilityError,
    PlanChanged,
    ReservationResolved,
    StockConflict,
    StoreUnavailable,
)
from availability.model import LocationId, Request
from availability.reservations import (
    OPEN_STATES,
    Cancel,
    Command,
    PlanRef,
    ReservationRecord,
    ReservationState,
    Ship,
)
from router.amending.cancelling import give_up
from router.amending.checks import require_lines, require_open
from router.amending.rejecting import consequences, relaxations, swap
from router.amending.rejection import Rejection
from router.blocking_work import ChangeWork, Encode, ReadWork, ReplayWork, SolveWork
from router.errors import (
    InvalidOrder,
    NotReroutable,
    RouterError,
    SolverError,
    StockContention,
)
from router.line_units import LineUnits, claims
from router.model import Order, RoutingPlan, RoutingPolicy
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.planner import Evaluating
from router.rerouting.joint_problem import Wishes
from router.rerouting.single_plan import Decided, Plan, move, serve
from router.stored_plans import OwnStock, PlanCodec, PlanInputs

Amending = Generator[SolveWork | ReplayWork | ReadWork | ChangeWork, Any, bytes]
Deciding = Generator[SolveWork | ReplayWork, Any, Command | None]
Decide = Callable[[ReservationRecord, int], Deciding]
"""Decides about a plan as it was read, on the n-th attempt; None: leave it as it is."""


class Amender:
    """Changes plans that hold something, in terms of their order's lines.

    ``max_attempts`` is how often a change is decided when others keep changing the
    plan, or taking the stock, in between.
    """

    def __init__(
        self, router: Router, stored: PlanCodec, *, max_attempts: int = 5
    ) -> None:
        self._router = router
        self._stored = stored
        self._max_attempts = max_attempts

    def cancel_steps(
        self, plan: PlanRef, lines: Mapping[str, int], request: Request, encode: Encode
    ) -> Amending:
        """Give up units of lines; `router.amending.cancelling` says which.

        Raises
        ------
        InvalidOrder
            The order never had such a line.
        UnitsNotOpen
            More units are named than are open.
        AvailabilityError
            Any other refusal of the ledger.
        """

        def decide(record: ReservationRecord) -> Cancel:
            wanted = self._wanted(record, "cancelled")
            require_lines(wanted.order, record, lines, "lines")
            made = self._stored.plan(record.reply)
            given = give_up(wanted.order, record, made, lines)
            body = self._stored.body(record.body, given.order)
            return Cancel(given.units, given.queued, record.revision, body)

        return self._amend(plan, _at_once(decide), request, encode)

    def ship_steps(
        self,
        plan: PlanRef,
        units: Sequence[LineUnits],
        request: Request,
        encode: Encode,
    ) -> Amending:
        """Ship units of lines from locations; raises as `cancel_steps`."""

        def decide(record: ReservationRecord) -> Ship:
            if record.state is ReservationState.HELD:
                raise ReservationResolved(record.plan_id, record.state.value, "shipped")
            wanted = self._wanted(record, "shipped")
            lines = [each.line_id for each in units]
            require_lines(wanted.order, record, lines, "assignments")
            require_open(wanted.order, record, units)
            return Ship(claims(wanted.order, units))

        return self._amend(plan, _at_once(decide), request, encode)

    def reject_steps(
        self,
        plan: PlanRef,
        rejection: Rejection,
        limits: SolveLimits,
        request: Request,
        encode: Encode,
        on_planned: Callable[[RoutingPlan], None] = lambda _: None,
    ) -> Amending:
        """Take from a location what it refuses, and plan the order again without it.

        Everything else that is open or shipped stays where it is. ``on_planned`` is
        called with every plan that is made, stored or not.

        Raises
        ------
        StockContention
            Others took the stock on every attempt.
        SolverError
            A fault of ours.
        InvalidOrder, UnitsNotOpen, AvailabilityError
            As `cancel_steps`.
        """

        def decide(record: ReservationRecord, attempt: int) -> Deciding:
            wanted = self._wanted(record, "rejected")
            names = [each.line_id for each in rejection.lines]
            require_lines(wanted.order, record, names, "lines")
            meant = consequences(wanted.order, record, rejection)
            inputs = wanted._replace(order=meant.replan)
            made = yield from self._replan(record, inputs, meant.own, limits, attempt)
            on_planned(made)
            reply = self._stored.reply(made)
            body = self._stored.body(record.body, meant.order)
            return swap(record, wanted, meant, made, reply=reply, body=body)

        return self._amend(plan, decide, request, encode)

    def serve_steps(
        self,
        plan: PlanRef,
        limits: SolveLimits,
        on_planned: Callable[[RoutingPlan], None] = lambda _: None,
    ) -> Amending:
        """Give an order that waits the stock there is for it now.

        Returns the plan's id, b"" if there is none; raises as `reject_steps`.
        """

        def decide(record: ReservationRecord, attempt: int) -> Deciding:
            plan_again = self._planner(record, limits, attempt)
            found = yield from serve(record, self._stored, plan_again)
            return _swap_to(found, on_planned)

        return self._attempts(plan, decide)

    def move_steps(
        self,
        plan: PlanRef,
        wishes: Wishes,
        closed: frozenset[LocationId],
        limits: SolveLimits,
        on_planned: Callable[[RoutingPlan], None] = lambda _: None,
    ) -> Amending:
        """Move an open plan to where it is better.

        Returns the plan's id, b"" if it stays as it is. See
        `router.rerouting.single_plan.move`; raises as `serve_steps`.
        """

        def decide(record: ReservationRecord, attempt: int) -> Deciding:
            plan_again = self._planner(record, limits, attempt)
            found = yield from move(record, self._stored, wishes, closed, plan_again)
            return _swap_to(found, on_planned)

        return self._attempts(plan, decide)

    def _planner(
        self, record: ReservationRecord, limits: SolveLimits, attempt: int
    ) -> Plan:
        """Return the planner for an open plan's order, on the n-th attempt."""
        wanted = self._wanted(record, "rerouted")

        def plan(order: Order, policy: RoutingPolicy, own: OwnStock) -> Evaluating:
            inputs = wanted._replace(order=order, policy=policy)
            return self._replan(record, inputs, own, limits, attempt)

        return plan

    def _amend(
        self, plan: PlanRef, decide: Decide, request: Request, encode: Encode
    ) -> Amending:
        """Return the first reply to the request, or make it.

        Another server may commit the first try after the reply was looked up: then
        the plan has changed, and the repeat would be refused for its own change. So
        the reply is looked up again.
        """
        reply: bytes | None = yield ReplayWork(request)
        if reply is not None:
            return reply
        try:
            return (yield from self._attempts(plan, decide, request, encode))
        except StoreUnavailable:
            raise
        except (AvailabilityError, RouterError):
            reply = yield ReplayWork(request)
            if reply is None:
                raise
            return reply

    def _attempts(
        self,
        plan: PlanRef,
        decide: Decide,
        request: Request = Request(),
        encode: Encode = lambda record: record.plan_id.encode(),
    ) -> Amending:
        """Read, decide, write; again if others changed the plan in between."""
        met: AvailabilityError | None = None
        for attempt in range(self._max_attempts):
            record: ReservationRecord = yield ReadWork(plan)
            command = yield from decide(record, attempt)
            if command is None:
                return b""
            # By its id: an order may have another latest plan by now.
            found = PlanRef(plan_id=record.plan_id)
            try:
                stored: bytes = yield ChangeWork(found, command, request, encode)
            except (PlanChanged, StockConflict) as error:
                met = error
                continue
            return stored
        if isinstance(met, PlanChanged):
            raise met
        raise StockContention(self._max_attempts)

    def _replan(
        self,
        record: ReservationRecord,
        inputs: PlanInputs,
        own: OwnStock,
        limits: SolveLimits,
        attempt: int,
    ) -> Evaluating:
        seconds = min(limits.wall_seconds, inputs.solve_seconds)
        options = RouteOptions(replace(limits, wall_seconds=seconds))
        rest = (options, record.plan_id, own, attempt)
        broken = None
        for order, policy in relaxations(inputs.order, inputs.policy):
            try:
                return (yield from self._router.replan_steps(order, policy, *rest))
            except InvalidOrder as error:
                broken = error
        raise SolverError("the units that stay break every limit") from broken

    def _wanted(self, record: ReservationRecord, what: str) -> PlanInputs:
        """Return what an open plan was made from."""
        if record.state not in OPEN_STATES:
            raise ReservationResolved(record.plan_id, record.state.value, what)
        if not record.body:
            raise NotReroutable(record.plan_id)
        return self._stored.wanted(record.body)


def _swap_to(
    found: Decided | None, on_planned: Callable[[RoutingPlan], None]
) -> Command | None:
    if found is None:
        return None
    on_planned(found.plan)
    return found.swap


def _at_once(decide: Callable[[ReservationRecord], Command]) -> Decide:
    """Return a decision that needs no search."""

    def deciding(record: ReservationRecord, _: int) -> Deciding:
        yield from ()
        return decide(record)

    return deciding
