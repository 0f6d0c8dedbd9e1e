"""An open plan, as far as deciding it again together with others goes.

What is decided again is what was promised: units open at locations and units that
wait in a queue. What a plan left unassigned was never promised, and stays so.
"""

from collections import defaultdict
from dataclasses import replace
from typing import NamedTuple

from availability.model import LocationId, Sku
from availability.reservations import ReservationRecord, ReservationState
from router.line_units import At, Counts, HeldUnits, as_units, claims, held_units
from router.model import (
    Frozen,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    SplitRung,
    Term,
    Unassigned,
)
from router.stored_plans import OwnStock, PlanCodec, PlanInputs

JOINT_TERMS = frozenset(
    {
        Term.UNASSIGNED_UNITS,
        Term.INCOMPLETE_ORDERS,
        Term.SPLIT_LINES,
        Term.SHIPMENTS,
        Term.PRIMARY,
    }
)
"""What may come before shipments in a policy whose orders are decided together."""


MOST_UNITS = 10_000
"""Units of a line beyond which its order is decided by itself: prices are whole
numbers, and a fraction of one for each of a million units would be lost."""


class Pending(NamedTuple):
    """An open plan, its inputs and the units it holds.

    ``picked`` are units open at locations that may not move.
    """

    record: ReservationRecord
    wanted: PlanInputs
    held: HeldUnits
    picked: Counts

    @property
    def order(self) -> Order:
        """The order as it is wanted now."""
        return self.wanted.order


class Selection(NamedTuple):
    """Which open plans are meant: all that is set must hold, empty means all.

    ``location_ids``: some of its open units are at one of these. ``order_ids`` names
    orders one by one.
    """

    states: tuple[ReservationState, ...] = (ReservationState.PLACED,)
    channel_ids: frozenset[str] = frozenset()
    location_ids: frozenset[str] = frozenset()
    order_ids: frozenset[str] = frozenset()
    queued_only: bool = False

    def takes(self, pending: Pending) -> bool:
        """Return whether a plan is meant; its state and age are the ledger's to say."""
        if self.channel_ids and pending.order.channel_id not in self.channel_ids:
            return False
        if self.order_ids and pending.record.order_id not in self.order_ids:
            return False
        if self.queued_only and not pending.held.queued:
            return False
        if not self.location_ids:
            return True
        return any(at in self.location_ids for _, at in pending.held.open)


def read_pending(record: ReservationRecord, stored: PlanCodec) -> Pending | None:
    """Return a plan as it can be decided again, None if no unit is promised.

    One whose order was not stored with it (by an older version) can not either.
    """
    if not record.body:
        return None
    wanted = stored.wanted(record.body)
    held = held_units(wanted.order, record)
    if not held.open and not held.queued:
        return None
    return Pending(record, wanted, held, _picked(wanted.order, held))


def _picked(order: Order, held: HeldUnits) -> Counts:
    picked: dict[At, int] = {}
    for each in order.frozen:
        at = (each.line_id, LocationId(each.location_id))
        units = min(each.quantity, held.open.get(at, 0))
        if units:
            picked[at] = units
    return picked


def as_promised(pending: Pending, frozen: Counts) -> Order:
    """Return the order for the units still promised, some of them frozen.

    What was shipped already is among it.
    """
    held = pending.held
    units: dict[str, int] = defaultdict(int)
    for (line_id, _), count in held.placed.items():
        units[line_id] += count
    for line_id, count in held.queued.items():
        units[line_id] += count
    lines = tuple(
        line._replace(quantity=units[line.line_id])
        for line in pending.order.lines
        if units[line.line_id]
    )
    picked = tuple(Frozen(*at, count) for at, count in sorted(frozen.items()))
    there = {line.line_id for line in lines}
    rejected = frozenset(each for each in pending.order.rejected if each[0] in there)
    return pending.order._replace(lines=lines, frozen=picked, rejected=rejected)


def own_stock(order: Order, units: Counts) -> OwnStock:
    """Return units of lines as the order's own stock, on top of what is available."""
    own: dict[tuple[LocationId, Sku], int] = defaultdict(int)
    for claim in claims(order, as_units(units)):
        own[claim.location_id, claim.sku] += claim.quantity
    return OwnStock(own)


def with_unassigned(
    plan: RoutingPlan, pending: Pending, stored: PlanCodec
) -> RoutingPlan:
    """Return a plan with the reasons of its unassigned units, as they were before.

    Apart from units that still wait these are units that were never promised: no
    location was sought for them again.
    """
    missing: dict[str, int] = defaultdict(int, pending.held.unassigned)
    found = {each.line_id: each.reason for each in plan.unassigned}
    for each in plan.unassigned:
        missing[each.line_id] += each.quantity
    if not missing:
        return plan
    for each in stored.plan(pending.record.reply).unassigned:
        found[each.line_id] = each.reason
    unassigned = tuple(
        Unassigned(line.line_id, line.sku, missing[line.line_id], found[line.line_id])
        for line in pending.order.lines
        if missing.get(line.line_id) and line.line_id in found
    )
    status = PlanStatus.PARTIAL if plan.assignments else PlanStatus.NONE
    return replace(plan, status=status, unassigned=unassigned)


def why_alone(pending: Pending, policy: RoutingPolicy) -> str:
    """Return why an order can not be decided together with others, empty if it can.

    The joint problem knows lines of one SKU, shipments and split lines, and which
    locations may ship an order; policies with more are decided order by order.
    """
    order = pending.order
    if policy.walk is not None:
        return "walk"
    if not _counts_shipments(policy):
        return "objectives"
    if (
        policy.split_rung is not SplitRung.QUANTITY_SPLIT
        or policy.max_shipments
        or policy.min_split_value_micros
    ):
        return "split_limits"
    if policy.routing_floor_units:
        return "routing_floor"
    if order.rejected:
        return "refusals"
    if any(line.quantity > MOST_UNITS for line in order.lines):
        return "quantities"
    if any(line.components for line in order.lines):
        return "kits"
    if any(
        line.ship_together or (line.indivisible and line.quantity > 1)
        for line in order.lines
    ):
        return "ship_together"
    return ""


def _counts_shipments(policy: RoutingPolicy) -> bool:
    """Return whether nothing else comes before the number of shipments."""
    for each in policy.objectives:
        if each.term is Term.SHIPMENTS:
            return True
        if each.term not in JOINT_TERMS or each.tolerant:
            return False
    return False
