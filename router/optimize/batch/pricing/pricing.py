"""The cheapest way to ship each of many orders at given prices of the stock."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.blocks import MOST_STEPS, NEVER, cheapest, steps_of
from router.optimize.batch.pricing.branch import Branching, pieces
from router.optimize.batch.pricing.cover import Cover
from router.optimize.batch.pricing.large import Large
from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.problem import BatchProblem

SCALE = 2**20
"""Prices are integers: multiples of one shipment's 2^-20."""

_MOST_LINES = 11
_STEPS = 3_000
"""Steps that are worth while for quantities that few orders have: several units.

Independent of how many have them here, so that a bound does not depend on which
orders are priced together.
"""
_FEW_LINES = 3
"""Orders of no more are not looked at twice: they are seldom large."""
_CELLS = 1 << 18
"""(order, location) pairs priced together."""


class Patterns(NamedTuple):
    """Of some orders: lower bounds of the least cost, and plans near it.

    ``order`` and ``value`` are ``(m,)``. ``pattern`` ``(P,)`` is the position among
    the orders of each piece (``line`` of the problem, ``location``, ``units``); an
    order without pieces got no plan that the stock allows.
    """

    order: IntArray
    value: IntArray
    pattern: IntArray
    line: IntArray
    location: IntArray
    units: IntArray


class _SameDemand(NamedTuple):
    """Orders with the same quantities: ``order`` ``(m,)``, ``line`` ``(m, L)``.

    Large ones are only alike in their number of lines, and have no ``demand``.
    """

    demand: tuple[int, ...]
    order: IntArray
    line: IntArray


class Pricer:
    """Orders sorted by their quantities once, priced as often as wanted."""

    def __init__(self, problem: BatchProblem, orders: IntArray) -> None:
        self._problem = problem
        self.orders = orders
        self._cover = Cover(problem, orders)
        self._small: list[_SameDemand] = []
        self._large: list[_SameDemand] = []
        for group in _by_demand(problem, orders):
            (self._small if group.demand else self._large).append(group)

    def price(
        self,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int = EXACT_NODES,
    ) -> Patterns:
        """Return each order's least cost and a pattern.

        Parameters
        ----------
        stock, price
            ``(K, N)`` units at hand and the price of one, in 1 / `SCALE`.
        fixed
            ``(N,)`` cost of a shipment, in 1 / `SCALE`.
        nodes
            Most nodes of the branching of each large order; 0: large orders are
            left out unless one shipment is all they cost.
        """
        problem = self._problem
        free = np.full(problem.orders, -1, dtype=np.int64)
        if len(fixed) and fixed.min() == fixed.max():
            # Nothing costs less than one shipment of units without a price.
            usable = np.where(price > 0, 0, stock) if price.any() else stock
            free[self.orders] = self._cover.find(usable)
        parts = [self._free(free, fixed)]
        again = []
        rows = max(1, _CELLS // max(1, stock.shape[1]))
        for group in self._small:
            costly = np.flatnonzero(free[group.order] < 0)
            for at in range(0, len(costly), rows):
                few = costly[at : at + rows]
                chunk = _SameDemand(group.demand, group.order[few], group.line[few])
                found, sound = self._enumerate(chunk, stock, price, fixed)
                parts.append(found)
                if not sound.all():
                    again.append((chunk.order[~sound], chunk.line[~sound]))
        if nodes:
            for group in self._large:
                costly = np.flatnonzero(free[group.order] < 0)
                again.append((group.order[costly], group.line[costly]))
        if any(len(order) for order, _ in again):
            parts.append(self._branch(again, stock, price, fixed, max(1, nodes)))
        counts = [len(part.order) for part in parts]
        first = np.cumsum([0, *counts[:-1]])
        parts = [
            part._replace(pattern=part.pattern + at)
            for part, at in zip(parts, first.tolist(), strict=True)
        ]
        return Patterns(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _free(self, free: IntArray, fixed: IntArray) -> Patterns:
        """Return the orders that one location ships for nothing but a shipment."""
        problem = self._problem
        order = self.orders[free[self.orders] >= 0]
        counts = np.diff(problem.start)[order]
        pattern = np.repeat(np.arange(len(order)), counts)
        first = counts.cumsum() - counts
        line = np.repeat(problem.start[order] - first, counts) + np.arange(len(pattern))
        value = fixed[free[order]]
        where = free[order][pattern]
        return Patterns(order, value, pattern, line, where, problem.demand[line])

    def _enumerate(
        self, group: _SameDemand, stock: IntArray, price: IntArray, fixed: IntArray
    ) -> tuple[Patterns, BoolArray]:
        """Return patterns where they are sound, and ``(m,)`` where that is."""
        problem = self._problem
        skus = problem.sku[group.line]
        units = stock[skus]
        if problem.allowed is not None:
            units *= problem.allowed[problem.classes[group.order]][:, None, :]
        split_cost = problem.split_line_weight * SCALE
        found = cheapest(group.demand, price[skus], units, fixed[None, :], split_cost)
        good = found.sound
        keep = good[found.row]
        place = np.cumsum(good) - 1
        patterns = Patterns(
            group.order[good],
            found.value[good],
            place[found.row[keep]],
            group.line[found.row[keep], found.line[keep]],
            found.location[keep],
            found.units[keep],
        )
        return patterns, good

    def _branch(
        self,
        parts: list[tuple[IntArray, IntArray]],
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int,
    ) -> Patterns:
        """Return patterns of large orders, those with most lines first."""
        problem = self._problem
        parts = sorted(parts, key=lambda part: -part[1].shape[1])
        order = np.concatenate([each for each, _ in parts])
        most = parts[0][1].shape[1]
        line = np.full((len(order), most), -1, dtype=np.int64)
        at = 0
        for each, lines in parts:
            line[at : at + len(each), : lines.shape[1]] = lines
            at += len(each)
        real = line >= 0
        allowed = problem.allowed
        large = Large(
            np.where(real, problem.sku[line], -1),
            np.where(real, problem.demand[line], 0),
            price,
            stock,
            fixed[None, :],
            problem.split_line_weight * SCALE,
            None if allowed is None else allowed[problem.classes[order]],
        )
        found = Branching(large).run(nodes)
        some = np.flatnonzero(found.value < NEVER)
        pattern, place, location, units = pieces(large, some, found)
        return Patterns(
            order, found.bound, pattern, line[pattern, place], location, units
        )


def branched(problem: BatchProblem, orders: IntArray) -> IntArray:
    """Return those of the orders whose patterns are looked for by branching."""
    large = [each.order for each in _by_demand(problem, orders) if not each.demand]
    return np.concatenate([orders[:0], *large])


def large_of(problem: BatchProblem) -> IntArray:
    """Return orders whose costs are only bounded: nearly all of those there are."""
    several = np.flatnonzero(np.diff(problem.start) > _FEW_LINES)
    return np.sort(branched(problem, several))


def _by_demand(problem: BatchProblem, orders: IntArray) -> Iterator[_SameDemand]:
    """Yield the orders by their quantities, and large ones without."""
    counts = np.diff(problem.start)[orders]
    for count in np.unique(counts).tolist():
        of = orders[counts == count]
        lines = problem.start[of][:, None] + np.arange(count)
        if count > _MOST_LINES:
            yield _SameDemand((), of, lines)
            continue
        units = problem.demand[lines]
        turn = np.argsort(units, axis=1, kind="stable")
        lines = np.take_along_axis(lines, turn, axis=1)
        units = np.take_along_axis(units, turn, axis=1)
        shapes, shape_of = _distinct(units)
        by_shape = np.argsort(shape_of, kind="stable")
        ends = np.bincount(shape_of, minlength=len(shapes)).cumsum()[:-1]
        for shape, at in zip(shapes.tolist(), np.split(by_shape, ends), strict=True):
            most = MOST_STEPS if shape[-1] == 1 else _STEPS
            small = steps_of(tuple(shape)) <= most
            yield _SameDemand(tuple(shape) if small else (), of[at], lines[at])


def costs_of(problem: BatchProblem, found: Patterns) -> IntArray:
    """Return ``(m,)`` each pattern's worth at the level ``shipments``."""
    locations, count = problem.stock.shape[1], len(found.order)
    visit = np.unique(found.pattern * locations + found.location) // locations
    worth = np.bincount(visit, minlength=count) * problem.shipment_weight
    if problem.split_line_weight:
        lines = len(problem.sku)
        key, pieces = np.unique(found.pattern * lines + found.line, return_counts=True)
        worth += problem.split_line_weight * np.bincount(
            key[pieces > 1] // lines, minlength=count
        )
    return worth.astype(np.int64)


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct rows, and which of them each row is."""
    base, columns = int(rows.max(initial=0)) + 1, rows.shape[1]
    if base**columns >= 2**62:
        found, which = np.unique(rows, axis=0, return_inverse=True)
        return found, which
    # As numbers they sort much faster.
    key = rows @ base ** np.arange(columns)[::-1]
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return rows[first], which
