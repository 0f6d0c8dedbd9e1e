"""What a channel sells of an order, and what that adds to its plan."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from availability.model import IntArray, LocationId, Sku
from availability.reservations import Guard, Purchase
from availability.stock_grid import StockGrid
from router.model import (
    Incomplete,
    Order,
    OrderLine,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    Unassigned,
    UnassignedReason,
)
from router.selling.channel_view import SkuAvailability

NOTHING: Mapping[Any, Any] = MappingProxyType({})

Parts = Mapping[str, tuple[tuple[Sku, int], ...]]
"""The SKUs of each line, each with its units in one unit of the line."""


class Sale(NamedTuple):
    """What of an order is planned, what waits, and what is not sold.

    ``whole`` is the order as it was sold: with the components of its kits. ``planned``
    has the lines to be planned, each with the units that are in stock for the
    channel. ``waiting`` are promised without a location, ``unsold`` are not promised;
    both by line. ``feeding`` are the locations of the channel's pool (None: all),
    ``limits`` (L,) what its rules let through of a SKU. SKUs that are ``exempt`` can be
    sold without a record. All of it counts on ``channel_id``, empty for none, as far
    as the ``guards`` allow; ``purchases`` count against the customer.
    """

    whole: Order
    planned: Order
    channel_id: str
    feeding: frozenset[LocationId] | None = None
    waiting: Mapping[str, tuple[int, UnassignedReason]] = NOTHING
    unsold: Mapping[str, int] = NOTHING
    limits: Mapping[Sku, IntArray] = NOTHING
    guards: tuple[Guard, ...] = ()
    exempt: frozenset[Sku] = frozenset()
    purchases: tuple[Purchase, ...] = ()

    def add_unplanned(self, plan: RoutingPlan) -> RoutingPlan:
        """Return a plan that also lists the units that were not planned."""
        lines = {line.line_id: line for line in self.whole.lines}
        more = [
            Unassigned(line_id, lines[line_id].sku, units, reason)
            for line_id, (units, reason) in self.waiting.items()
        ]
        more += [
            Unassigned(
                line_id, lines[line_id].sku, units, UnassignedReason.NOT_FOR_SALE
            )
            for line_id, units in self.unsold.items()
        ]
        place = {line.line_id: n for n, line in enumerate(self.whole.lines)}
        unassigned = sorted(
            (*plan.unassigned, *more), key=lambda each: place[each.line_id]
        )
        status = PlanStatus.PARTIAL if plan.assignments else PlanStatus.NONE
        return replace(plan, unassigned=tuple(unassigned), status=status)


def divide(
    whole: Sale,
    parts: Parts,
    policy: RoutingPolicy,
    shelves: Mapping[Sku, SkuAvailability],
    kits: Mapping[str, int | None],
) -> Sale:
    """Serve line after line with what may be sold and what is in stock of it."""
    order = whole.whole
    sold, now = _served(order, parts, shelves, kits)
    unsold = {
        line.line_id: line.quantity - sold[line.line_id]
        for line in order.lines
        if line.quantity > sold[line.line_id]
    }
    if unsold and policy.incomplete is Incomplete.REJECT_ORDER:
        unsold = {line.line_id: line.quantity for line in order.lines}
        sold = now = dict.fromkeys(unsold, 0)
    elif unsold and policy.incomplete is Incomplete.DROP_LINE:
        for line in order.lines:
            if line.line_id in unsold:
                unsold[line.line_id] = line.quantity
                sold[line.line_id] = now[line.line_id] = 0
    _keep_together(order.lines, sold, now)
    reasons = {line_id: _reason(its, shelves) for line_id, its in parts.items()}
    of_sold = (sku for each, its in parts.items() if sold[each] for sku, _ in its)
    taken = dict.fromkeys(sku for sku in of_sold if sku in shelves)
    planned = tuple(
        line._replace(quantity=now[line.line_id])
        for line in order.lines
        if now[line.line_id]
    )
    return whole._replace(
        planned=order._replace(lines=planned),
        waiting={
            line_id: (units - now[line_id], reasons[line_id])
            for line_id, units in sold.items()
            if units > now[line_id]
        },
        unsold=unsold,
        limits={sku: shelf.limit for sku, shelf in shelves.items()},
        # A guard may be passed already (a cap that was lowered below what waits): it
        # must not refuse an order that takes nothing of its SKU.
        guards=tuple(g for sku in taken for g in shelves[sku].guards),
        exempt=frozenset(sku for sku, shelf in shelves.items() if shelf.known),
    )


def _served(
    order: Order,
    parts: Parts,
    shelves: Mapping[Sku, SkuAvailability],
    kits: Mapping[str, int | None],
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the units of each line that may be sold, and those that are there.

    ``kits`` says, by line, how many there may be of a kit, whatever it is made of.
    """
    may_sell = {sku: shelf.may_sell for sku, shelf in shelves.items()}
    kits_left = {
        line.sku: kits[line.line_id] for line in order.lines if line.line_id in kits
    }
    there = {sku: shelf.there for sku, shelf in shelves.items()}
    sold: dict[str, int] = {}
    now: dict[str, int] = {}
    for line in order.lines:
        units = ready = line.quantity
        most = kits_left[line.sku] if line.line_id in kits else None
        if most is not None:
            units = min(units, most)
        for sku, per_unit in parts[line.line_id]:
            if sku in shelves:
                limit = may_sell[sku]
                units = units if limit is None else min(units, limit // per_unit)
                ready = min(ready, there[sku] // per_unit)
        ready = min(ready, units)
        for sku, per_unit in parts[line.line_id]:
            if sku in shelves:
                limit = may_sell[sku]
                may_sell[sku] = None if limit is None else limit - units * per_unit
                there[sku] -= ready * per_unit
        if most is not None:
            kits_left[line.sku] = most - units
        sold[line.line_id], now[line.line_id] = units, ready
    return sold, now


def _keep_together(
    lines: Iterable[OrderLine], sold: Mapping[str, int], now: dict[str, int]
) -> None:
    """Let wait what ships whole and is not all there; ``now`` is changed."""
    lines = tuple(lines)
    short = {line.line_id for line in lines if now[line.line_id] < sold[line.line_id]}
    groups = {line.ship_together for line in lines if line.line_id in short} - {""}
    for line in lines:
        if line.ship_together in groups or (line.indivisible and line.line_id in short):
            now[line.line_id] = 0


def _reason(
    its: tuple[tuple[Sku, int], ...], shelves: Mapping[Sku, SkuAvailability]
) -> UnassignedReason:
    reasons = [shelves[sku].reason for sku, _ in its if sku in shelves]
    if UnassignedReason.PREORDERED in reasons:
        return UnassignedReason.PREORDERED
    return UnassignedReason.BACKORDERED


class LimitedGrid:
    """A grid seen through the rules of a channel: what `build` reads of a grid."""

    def __init__(self, grid: StockGrid, limits: Mapping[Sku, IntArray]) -> None:
        self.rows = grid.rows
        self.version = grid.version
        self.network = grid.network
        self._read = grid.read
        self._limits = {
            grid.rows[sku]: limit for sku, limit in limits.items() if sku in grid.rows
        }

    def read(self, rows: list[int]) -> IntArray:
        """Copy the rows of some SKUs, each no more than its limit."""
        units = self._read(rows)
        for n, row in enumerate(rows):
            limit = self._limits.get(row)
            if limit is not None:
                np.minimum(units[n], limit, out=units[n])
        return units
