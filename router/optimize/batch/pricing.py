"""The cheapest way to ship each of many orders at given prices of the stock."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.blocks import MOST_STEPS, NEVER, cheapest, steps_of
from router.optimize.batch.branch import Branching
from router.optimize.batch.problem import BatchProblem

SCALE = 2**20
"""Prices are integers: multiples of one shipment's 2^-20."""

EXACT_NODES = 100
"""Nodes of a branching that is to be a proof; beyond, its bound is still one."""


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


class _Group(NamedTuple):
    demand: tuple[int, ...]
    order: IntArray
    line: IntArray


class Pricer:
    """Orders sorted by their quantities once, priced as often as wanted."""

    def __init__(self, problem: BatchProblem, orders: IntArray) -> None:
        self._problem = problem
        self.orders = orders
        start, demand = problem.start.tolist(), problem.demand
        small: dict[tuple[int, ...], list[tuple[int, list[int]]]] = defaultdict(list)
        self._large: list[tuple[int, IntArray]] = []
        for order in orders.tolist():
            lines = list(range(start[order], start[order + 1]))
            units = demand[lines[0] : lines[-1] + 1].tolist()
            by_units = sorted(range(len(lines)), key=units.__getitem__)
            shape = tuple([units[at] for at in by_units])
            if len(lines) < 12 and steps_of(shape) <= MOST_STEPS:
                small[shape].append((order, [lines[at] for at in by_units]))
            else:
                self._large.append((order, np.array(lines)))
        self._groups = [
            _Group(
                shape, np.array([o for o, _ in rows]), np.array([j for _, j in rows])
            )
            for shape, rows in small.items()
        ]

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
            left out.
        """
        split_cost = self._problem.split_line_weight * SCALE
        parts: list[tuple[IntArray, ...]] = []
        again: list[tuple[int, IntArray]] = []
        count = 0
        for group in self._groups:
            skus = self._problem.sku[group.line]
            found = cheapest(
                group.demand, price[skus], stock[skus], fixed[None, :], split_cost
            )
            value = found.value
            keep = found.sound[found.row]
            bad = np.flatnonzero(~found.sound)
            for row in bad.tolist():
                order = int(group.order[row])
                again.append((order, group.line[row]))
            good = np.flatnonzero(found.sound)
            place = np.cumsum(found.sound) - 1 + count
            parts.append(
                (
                    group.order[good],
                    value[good],
                    place[found.row[keep]],
                    group.line[found.row[keep], found.line[keep]],
                    found.location[keep],
                    found.units[keep],
                )
            )
            count += len(good)
        if nodes:
            again += self._large
        large = self._branch(again, stock, price, fixed, max(1, nodes))
        parts.append(large._replace(pattern=large.pattern + count))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Patterns(*(column.astype(np.int64) for column in columns))

    def _branch(
        self,
        orders: list[tuple[int, IntArray]],
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int,
    ) -> Patterns:
        problem = self._problem
        split_cost = problem.split_line_weight * SCALE
        values = []
        pieces: list[tuple[int, int, int, int]] = []
        for at, (_, lines) in enumerate(orders):
            skus = problem.sku[lines]
            search = Branching(
                problem.demand[lines], price[skus], stock[skus], fixed, split_cost
            )
            found = search.run(nodes)
            values.append(found.bound)
            pieces += [(at, int(lines[ln]), n, u) for ln, n, u in found.pieces]
        rows = np.array(pieces, dtype=np.int64).reshape(-1, 4)
        order = np.array([each for each, _ in orders], dtype=np.int64)
        value = np.array(values, dtype=np.int64)
        return Patterns(order, value, *(rows[:, at] for at in range(4)))


def reachable(patterns: Patterns) -> IntArray:
    """Return the orders that can be shipped whole."""
    found: IntArray = patterns.order[patterns.value < NEVER]
    return found
