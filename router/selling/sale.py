"""What a channel sells of an order, and what that adds to its plan."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from availability.model import IntArray, LocationId, Sku
from availability.reservations import Guard, Purchase
from availability.stock_grid import StockGrid
from router.model import (
    Order,
    PlanStatus,
    RoutingPlan,
    Unassigned,
    UnassignedReason,
)

NOTHING: Mapping[Any, Any] = MappingProxyType({})


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
