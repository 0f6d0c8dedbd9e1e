"""What of an order a channel sells, and how a plan is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from availability.model import IntArray, LocationId, Sku
from availability.reservations import Guard
from availability.stock_grid import StockGrid
from router.model import (
    Order,
    PlanStatus,
    RoutingPlan,
    Unassigned,
    UnassignedReason,
)

_NOT_SOLD = UnassignedReason.NOT_FOR_SALE


@dataclass(frozen=True, slots=True)
class Sale:
    """What of an order is planned, what waits, and what is not sold.

    ``order`` has the lines to be planned, each with the units that are there for the
    channel. ``waiting`` are promised without a location, ``unsold`` are not promised;
    both by line. ``feeding`` are the locations of the channel's pool, ``limits`` (L,)
    what its rules let through of a SKU. ``whole`` is the order as it was sold: with
    the components of its kits.
    """

    whole: Order
    order: Order
    feeding: frozenset[LocationId]
    waiting: Mapping[str, tuple[int, UnassignedReason]] = field(default_factory=dict)
    unsold: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[Sku, IntArray] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    exempt: frozenset[Sku] = frozenset()

    def limited(self, grid: StockGrid) -> "StockGrid | LimitedGrid":
        """Return the stock as the channel's rules let it through."""
        return LimitedGrid(grid, self.limits) if self.limits else grid

    def add_unplanned(self, plan: RoutingPlan) -> RoutingPlan:
        """Return a plan that names what was not planned, too."""
        if not self.waiting and not self.unsold:
            return plan
        lines = {line.line_id: line for line in self.whole.lines}
        more = [
            Unassigned(line_id, lines[line_id].sku, units, reason)
            for line_id, (units, reason) in self.waiting.items()
        ]
        more += [
            Unassigned(line_id, lines[line_id].sku, units, _NOT_SOLD)
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
