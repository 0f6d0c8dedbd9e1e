"""Plans of large orders from a set of locations, dropping what does not pay.

For many orders at once; arrays are (order, line, location), in integers.
"""

from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.blocks import NEVER

_MISSED = 2**42
"""The cost of a unit that none of the other locations has; no sum overflows."""


class Lines(NamedTuple):
    """What orders want and what they pay.

    ``demand`` ``(m, L)``, 0 for padding; ``cost`` ``(m, L, N)`` of a unit, `NEVER`
    where there is none; ``give`` ``(m, L, N)`` units there; ``fixed`` ``(m, N)``.
    """

    demand: IntArray
    cost: IntArray
    give: IntArray
    fixed: IntArray
    split_cost: int

    def at(self, rows: IntArray) -> "Lines":
        """Return some of the orders."""
        return Lines(
            self.demand[rows],
            self.cost[rows],
            self.give[rows],
            self.fixed[rows],
            self.split_cost,
        )


class Shipped(NamedTuple):
    """``value`` ``(m,)``, `NEVER` or more: impossible; ``units`` ``(m, L, N)``."""

    value: IntArray
    units: IntArray


def ship(lines: Lines, chosen: BoolArray) -> Shipped:
    """Return the cost if only ``chosen`` ``(m, N)`` locations ship.

    Each line leaves from the cheapest of them that has it all, or from the cheapest
    one after the other, whatever is less.
    """
    demand = lines.demand
    cost = np.where(chosen[:, None, :], lines.cost, NEVER)
    at = cost.argmin(axis=2)[:, :, None]
    least = np.take_along_axis(cost, at, axis=2)[:, :, 0]
    have = np.take_along_axis(lines.give, at, axis=2)[:, :, 0]
    units = np.zeros(cost.shape, dtype=np.int64)
    there = np.where(least < NEVER, demand, 0)
    np.put_along_axis(units, at, there[:, :, None], axis=2)
    # What is wanted but nowhere costs more than any plan; padding costs nothing.
    total = np.where(least < NEVER, least, 0) * demand
    total[(least >= NEVER) & (demand > 0)] = NEVER
    row, line = np.nonzero((have < demand) & (least < NEVER))
    if len(row):
        price, wanted = cost[row, line], demand[row, line]
        give = np.where(price < NEVER, lines.give[row, line], 0)
        turn = np.argsort(price, axis=1, kind="stable")
        sorted_give = np.take_along_axis(give, turn, axis=1)
        before = sorted_give.cumsum(axis=1) - sorted_give
        taken = np.clip(wanted[:, None] - before, 0, sorted_give)
        parts = np.zeros_like(give)
        np.put_along_axis(parts, turn, taken, axis=1)
        spread = (parts * np.where(parts > 0, price, 0)).sum(axis=1)
        spread += lines.split_cost
        spread[parts.sum(axis=1) < wanted] = NEVER
        alone = np.where(give >= wanted[:, None], price, NEVER)
        one = alone.argmin(axis=1)
        every = np.arange(len(row))
        there = alone[every, one] < NEVER
        whole = np.where(there, alone[every, one] * np.where(there, wanted, 1), NEVER)
        single = whole <= spread
        parts[single] = 0
        parts[every[single], one[single]] = wanted[single]
        total[row, line] = np.where(single, whole, spread)
        units[row, line] = parts
    value = total.sum(axis=1) + (units.any(axis=1) * lines.fixed).sum(axis=1)
    return Shipped(np.minimum(value, NEVER), units)


def best_of(lines: Lines, usable: BoolArray) -> tuple[IntArray, BoolArray, IntArray]:
    """Ship from usable ``(m, N)`` locations, and drop what does not pay.

    Returns ``(m,)`` values, ``(m, N)`` the locations left and their units.
    """
    orders, locations = usable.shape
    most = max(1, int(usable.sum(axis=1).max(initial=1)))
    columns = np.argsort(~usable, axis=1, kind="stable")[:, :most]
    chosen = np.take_along_axis(usable, columns, axis=1)
    few = Lines(
        lines.demand,
        np.take_along_axis(lines.cost, columns[:, None, :], axis=2),
        np.take_along_axis(lines.give, columns[:, None, :], axis=2),
        np.take_along_axis(lines.fixed, columns, axis=1),
        lines.split_cost,
    )
    value, units = ship(few, chosen)
    load = units.sum(axis=1)
    open_rows = np.arange(orders)
    for _ in range(most):
        rows, without = _without(few.at(open_rows), load[open_rows] > 0)
        open_rows = open_rows[rows]
        if not len(rows):
            break
        other = ship(few.at(open_rows), without)
        fine = (other.value <= value[open_rows]) & (other.value < NEVER)
        open_rows = open_rows[fine]
        value[open_rows] = other.value[fine]
        load[open_rows] = other.units[fine].sum(axis=1)
    units_of = np.zeros((orders, locations), dtype=np.int64)
    np.put_along_axis(units_of, columns, load, axis=1)
    return value, units_of > 0, units_of


def _without(lines: Lines, chosen: BoolArray) -> tuple[IntArray, BoolArray]:
    """Drop the location that is missed least; return the rows where one pays.

    A line that one location ships goes to the next cheapest that has all of it.
    """
    whole = (lines.give >= lines.demand[:, :, None]) & chosen[:, None, :]
    cost = np.where(whole, lines.cost, _MISSED)
    first = cost.argmin(axis=2)[:, :, None]
    least = np.take_along_axis(cost, first, axis=2)
    np.put_along_axis(cost, first, _MISSED, axis=2)
    extra = (cost.min(axis=2)[:, :, None] - least) * lines.demand[:, :, None]
    missed = np.zeros(cost.shape, dtype=np.int64)
    np.put_along_axis(missed, first, extra, axis=2)
    change = np.where(chosen, missed.sum(axis=1) - lines.fixed, _MISSED)
    at = change.argmin(axis=1)
    rows = np.flatnonzero(
        (change[np.arange(len(at)), at] <= 0) & (chosen.sum(axis=1) > 1)
    )
    without = chosen[rows]
    without[np.arange(len(rows)), at[rows]] = False
    return rows, without
