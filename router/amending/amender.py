"""The flow after the flow: from what a plan holds, to another plan or to less of it.

As in `router.pipeline`, steps are generators of their blocking work. What is
decided from a reading of the plan is written only if the plan is still what was
read; otherwise it is read again, a bounded number of times.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from availability.errors import (
    AvailabilityError,
    PlanChanged,
    ReservationResolved,
    StockConflict,
    StoreUnavailable,
    UnitsNotOpen,
    Violation,
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
from router.line_units import LineUnits, claims, held_units
from router.model import Order, RoutingPlan, RoutingPolicy
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.planner import Evaluating
from router.rerouting.joint_problem import Wishes
from router.rerouting.single_plan import Decided, Plan, move, serve
from router.stored_plans import OwnStock, PlanCodec, PlanInputs

Amending = Generator[SolveWork | ReplayWork | ReadWork | ChangeWork, Any, bytes]
Deciding = Generator[SolveWork | ReplayWork, Any, Command]
Decide = Callable[[ReservationRecord, int], Deciding]
"""What is to be done about a plan as it was read, on the n-th attempt."""


class Amender:
    """Changes plans that hold something, in terms of their order's lines.

    ``max_attempts`` is how often a change is worked out anew when others keep
    changing the plan, or taking the stock, in between.
    """

    def __init__(
        self,
        router: Router,
        stored: PlanCodec,
        *,
        max_attempts: int = 5,
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
            Anything else the ledger has to say of a change.
        """

        def decide(record: ReservationRecord) -> Cancel:
            wanted = self._wanted(record, "cancelled")
            _require_lines(wanted.order, record, lines, "lines")
            made = self._stored.plan(record.reply)
            given = give_up(wanted.order, record, made, lines)
            body = self._stored.body(record.body, given.order)
            return Cancel(given.units, given.queued, record.revision, body)

        return self._amend(plan, _at_once(decide), request, encode)

    def ship_steps(
        self,
        plan: PlanRef,
        units: tuple[LineUnits, ...],
        request: Request,
        encode: Encode,
    ) -> Amending:
        """Ship units of lines from locations; raises as `cancel_steps`."""

        def decide(record: ReservationRecord) -> Ship:
            if record.state is ReservationState.HELD:
                raise ReservationResolved(record.plan_id, record.state.value, "shipped")
            wanted = self._wanted(record, "shipped")
            names = [each.line_id for each in units]
            _require_lines(wanted.order, record, names, "assignments")
            _require_open(wanted.order, record, units)
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
        """Take from a location what it refuses, and plan the order anew without it.

        Everything else that is open or shipped stays where it is. ``on_planned``
        hears of every plan that is made, stored or not.

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
            _require_lines(wanted.order, record, names, "lines")
            meant = consequences(wanted.order, record, rejection)
            anew = wanted._replace(order=meant.anew)
            made = yield from self._anew(record, anew, meant.own, limits, attempt)
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
        """Give a plan that waits what there is for it by now.

        Returns the plan's id, b"" if nothing is there for it.

        Raises
        ------
        StockContention
            Others took the stock on every attempt.
        AvailabilityError
            Anything else the ledger has to say of a change.
        """

        def decide(record: ReservationRecord, attempt: int) -> Deciding:
            again = self._again(record, limits, attempt)
            return _told((yield from serve(record, self._stored, again)), on_planned)

        return self._if_any(plan, decide)

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
            again = self._again(record, limits, attempt)
            found = yield from move(record, self._stored, wishes, closed, again)
            return _told(found, on_planned)

        return self._if_any(plan, decide)

    def _if_any(self, plan: PlanRef, decide: Decide) -> Amending:
        try:
            return (yield from self._attempts(plan, decide, Request(), _name))
        except _NothingToDo:
            return b""

    def _again(
        self, record: ReservationRecord, limits: SolveLimits, attempt: int
    ) -> Plan:
        """Return what plans the order of a plan that is open, on the n-th attempt."""
        wanted = self._wanted(record, "routed anew")

        def again(order: Order, policy: RoutingPolicy, own: OwnStock) -> Evaluating:
            anew = wanted._replace(order=order, policy=policy)
            return self._anew(record, anew, own, limits, attempt)

        return again

    def _amend(
        self,
        plan: PlanRef,
        decide: Decide,
        request: Request,
        encode: Encode,
    ) -> Amending:
        """Return the first reply, or make it.

        The first try may be committed, by another server, after the reply was
        looked for: then the plan is not what it was, and the repeat would be
        refused for what it did itself. So it is looked for again.
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
        request: Request,
        encode: Encode,
    ) -> Amending:
        """Read, decide, write; and again if others came in between."""
        met: AvailabilityError | None = None
        for attempt in range(self._max_attempts):
            record: ReservationRecord = yield ReadWork(plan)
            command = yield from decide(record, attempt)
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

    def _anew(
        self,
        record: ReservationRecord,
        wanted: PlanInputs,
        own: OwnStock,
        limits: SolveLimits,
        attempt: int,
    ) -> Evaluating:
        seconds = min(limits.wall_seconds, wanted.solve_seconds)
        options = RouteOptions(replace(limits, wall_seconds=seconds))
        rest = (options, record.plan_id, own, attempt)
        broken = None
        for order, policy in relaxations(wanted.order, wanted.policy):
            try:
                return (yield from self._router.replan_steps(order, policy, *rest))
            except InvalidOrder as error:
                broken = error
        raise SolverError("what stays breaks its limits") from broken

    def _wanted(self, record: ReservationRecord, what: str) -> PlanInputs:
        """Return what an open plan was made from."""
        if record.state not in OPEN_STATES:
            raise ReservationResolved(record.plan_id, record.state.value, what)
        if not record.body:
            raise NotReroutable(record.plan_id)
        return self._stored.wanted(record.body)


def _name(record: ReservationRecord) -> bytes:
    return record.plan_id.encode()


class _NothingToDo(Exception):
    """A plan is to stay as it is."""


def _told(found: Decided | None, on_planned: Callable[[RoutingPlan], None]) -> Command:
    if found is None:
        raise _NothingToDo
    on_planned(found.plan)
    return found.swap


def _at_once(decide: Callable[[ReservationRecord], Command]) -> Decide:
    """Return a decision that needs no search."""

    def deciding(record: ReservationRecord, _: int) -> Deciding:
        yield from ()
        return decide(record)

    return deciding


def _require_lines(
    order: Order, record: ReservationRecord, line_ids: Iterable[str], path: str
) -> None:
    """Refuse lines that the order never had.

    One that was cancelled whole is known all the same, by what it held.
    """
    known = {line.line_id for line in order.lines}
    known.update(each.line_id for each in record.holdings)
    unknown = [
        Violation(f"{path}[{n}].line_id", "UNKNOWN_LINE", f"no line {each[:128]!r}")
        for n, each in enumerate(line_ids)
        if each not in known
    ]
    if unknown:
        raise InvalidOrder(unknown)


def _require_open(
    order: Order, record: ReservationRecord, units: Iterable[LineUnits]
) -> None:
    """Refuse more than is open, in units of lines: the ledger would say components."""
    opened = held_units(order, record).open
    skus = {line.line_id: line.sku for line in order.lines}
    breaches = []
    for line_id, location_id, asked in units:
        left = opened.get((line_id, location_id), 0)
        if asked > left:
            sku = skus.get(line_id, "")
            breaches.append((location_id, sku, line_id, asked, left))
    if breaches:
        raise UnitsNotOpen(record.plan_id, breaches)
