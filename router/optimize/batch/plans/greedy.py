"""Order by order: each the best for itself on what the orders before it left."""

from collections.abc import Iterable

import numpy as np

from availability.model import IntArray
from router.optimize.batch.pricing.blocks import MOST_STEPS, NEVER, cheapest, steps_of
from router.optimize.batch.pricing.branch import search
from router.optimize.batch.pricing.nodes import GREEDY_NODES
from router.optimize.batch.pricing.pricing import SCALE
from router.optimize.batch.problem import BatchPlan, BatchProblem, visits


class Remaining:
    """Stock and capacities that are left, and the best plan of one order on them."""

    def __init__(self, problem: BatchProblem) -> None:
        self._problem = problem
        self.stock = problem.stock.copy()
        self._units = problem.capacity_units
        self._orders = problem.capacity_orders
        self.left_units = None if self._units is None else self._units.copy()
        self.left_orders = None if self._orders is None else self._orders.copy()
        self._shipment = problem.shipment_weight * SCALE
        self._start = problem.start.tolist()
        self._split_cost = problem.split_line_weight * SCALE
        self.frozen: dict[int, tuple[tuple[int, int, int], ...]] = {}
        order_of = problem.order_of
        for piece in zip(*(each.tolist() for each in problem.frozen), strict=True):
            order = int(order_of[piece[0]])
            self.frozen[order] = (*self.frozen.get(order, ()), piece)
        for pieces in self.frozen.values():
            self.take(pieces)

    def take(self, pieces: Iterable[tuple[int, int, int]], sign: int = 1) -> None:
        """Take an order's pieces (line, location, units), or with -1 give them back."""
        used = set()
        sku = self._problem.sku
        for line, location, units in pieces:
            self.stock[sku[line], location] -= sign * units
            if self.left_units is not None:
                self.left_units[location] -= sign * units
            used.add(location)
        if self.left_orders is not None:
            for location in used:
                self.left_orders[location] -= sign

    def take_all(self, plan: BatchPlan) -> None:
        """Take the pieces of many orders, all of each."""
        problem = self._problem
        np.subtract.at(self.stock, (problem.sku[plan.line], plan.location), plan.units)
        if self.left_units is not None:
            np.subtract.at(self.left_units, plan.location, plan.units)
        if self.left_orders is not None:
            np.subtract.at(self.left_orders, visits(problem, plan)[1], 1)

    def usable(self) -> IntArray:
        """Return the ``(K, N)`` stock that the capacities left let one order have."""
        return self._within(self.stock)

    def _within(self, stock: IntArray) -> IntArray:
        if self.left_orders is not None:
            stock = np.where(self.left_orders > 0, stock, 0)
        if self.left_units is not None:
            stock = np.minimum(stock, np.maximum(self.left_units, 0))
        return stock

    def fits(self, pieces: Iterable[tuple[int, int, int]]) -> bool:
        """Return whether an order's pieces are still there."""
        pieces = list(pieces)
        sku = self._problem.sku
        if any(self.stock[sku[line], n] < units for line, n, units in pieces):
            return False
        if self.left_orders is not None and any(
            self.left_orders[n] < 1 for _, n, _ in pieces
        ):
            return False
        if self.left_units is not None:
            load: dict[int, int] = {}
            for _, n, units in pieces:
                load[n] = load.get(n, 0) + units
            return all(self.left_units[n] >= units for n, units in load.items())
        return True

    def best(
        self, order: int, price: IntArray | None = None, nodes: int = GREEDY_NODES
    ) -> list[tuple[int, int, int]]:
        """Return the pieces of an order that cost least now; none: it must wait.

        The order has nothing yet but what is frozen, which is among the answer.
        ``price`` ``(K, N)`` of a unit of stock in 1 / `SCALE`; without, the fewest
        shipments and then the least sum of ranks. ``nodes`` bounds the branching.
        """
        problem = self._problem
        lines = slice(self._start[order], self._start[order + 1])
        if order in self.frozen:
            return self._completed(order, lines)
        skus, demand = problem.sku[lines], problem.demand[lines]
        stock = self._left_for(order, skus)
        rank = problem.rank_of(order)
        first = lines.start
        if price is None:
            whole = (stock >= demand[:, None]).all(axis=0)
            if whole.any():
                n = int(np.where(whole, rank, 2**40).argmin())
                units = demand.tolist()
                pieces = [(first + at, n, u) for at, u in enumerate(units)]
                if self.fits(pieces):
                    return pieces
            cost = np.zeros_like(stock)
        else:
            cost = price[skus]
        fixed = self._shipment + rank
        shape = tuple(demand.tolist())
        if len(shape) < 8 and steps_of(shape) <= MOST_STEPS // 4:
            here = np.flatnonzero(stock.any(axis=0))
            if not len(here):
                return []
            found = cheapest(
                shape, cost[None][:, :, here], stock[None][:, :, here],
                fixed[None, here], self._split_cost,
            )  # fmt: skip
            if found.sound[0]:
                if found.value[0] >= NEVER:
                    return []
                columns = (found.line + first, here[found.location], found.units)
                pieces = list(zip(*(c.tolist() for c in columns), strict=True))
                return pieces if self.fits(pieces) else []
        one = search(demand, cost, stock, fixed, self._split_cost, nodes)
        pieces = [(first + ln, n, u) for ln, n, u in one.pieces]
        return pieces if self.fits(pieces) else []

    def covered(self, order: int) -> list[tuple[int, int, int]]:
        """Return an order's pieces from the location that ships most of it, then again.

        Most lines whole, then most units, then the least rank; none: it must wait. As
        fast as can be, and with more shipments than `best`. Nothing is frozen.
        """
        problem = self._problem
        lines = slice(self._start[order], self._start[order + 1])
        stock = self._left_for(order, problem.sku[lines])
        here = np.flatnonzero(stock.any(axis=0))
        stock, rank = stock[:, here], problem.rank_of(order)[here]
        left = problem.demand[lines].copy()
        pieces = []
        for _ in range(len(here)):
            reach = np.minimum(stock, left[:, None])
            whole = ((reach == left[:, None]) & (reach > 0)).sum(axis=0)
            best = int(np.lexsort((rank, -reach.sum(axis=0), -whole))[0])
            taken = reach[:, best]
            if not taken.any():
                return []
            for line in np.flatnonzero(taken).tolist():
                pieces.append((lines.start + line, int(here[best]), int(taken[line])))
            left -= taken
            if not left.any():
                return pieces if self.fits(pieces) else []
            stock[:, best] = 0
        return []

    def _left_for(self, order: int, skus: IntArray) -> IntArray:
        """Return ``(L, N)`` what one order may have of some SKUs."""
        return self._within(self.allowed(order, self.stock[skus]))

    def allowed(self, order: int, stock: IntArray) -> IntArray:
        """Return the ``(L, N)`` stock of which an order may be shipped."""
        problem = self._problem
        if problem.allowed is None:
            return stock
        row = 0 if problem.region is None else problem.region[order]
        return np.where(problem.allowed[row], stock, 0)

    def _completed(self, order: int, lines: slice) -> list[tuple[int, int, int]]:
        """Return the frozen pieces and the best for the rest of their order."""
        problem = self._problem
        pieces = {(line, n): units for line, n, units in self.frozen[order]}
        demand = problem.demand[lines].copy()
        there = []
        for (line, n), units in pieces.items():
            demand[line - lines.start] -= units
            there.append(n)
        open_lines = np.flatnonzero(demand > 0)
        if not len(open_lines):
            return list(self.frozen[order])
        skus = problem.sku[lines][open_lines]
        stock = self.allowed(order, self.stock[skus])
        # Where frozen pieces leave from, the shipment is there already.
        fixed = self._shipment + problem.rank_of(order)
        fixed[there] = 0
        if self.left_orders is not None:
            usable = self.left_orders > 0
            usable[there] = True
            stock = np.where(usable, stock, 0)
        if self.left_units is not None:
            stock = np.minimum(stock, np.maximum(self.left_units, 0))
        cost = np.zeros_like(stock)
        one = search(
            demand[open_lines], cost, stock, fixed, self._split_cost, GREEDY_NODES
        )
        for at, n, units in one.pieces:
            line = lines.start + int(open_lines[at])
            pieces[line, n] = pieces.get((line, n), 0) + units
        whole = [(line, n, units) for (line, n), units in pieces.items()]
        if sum(units for _, _, units in whole) < int(problem.demand[lines].sum()):
            return []
        self.take(self.frozen[order], -1)
        fits = self.fits(whole)
        self.take(self.frozen[order])
        return whole if fits else []


def order_by_order(problem: BatchProblem) -> BatchPlan:
    """Return the plan of answering each order alone, the weightiest and first first.

    Frozen pieces stay; the plan in force and the cap on moves are not looked at:
    this is the baseline.
    """
    remaining = Remaining(problem)
    pieces: list[tuple[int, int, int]] = []
    turn = np.argsort(-problem.weights, kind="stable")
    for order in turn.tolist():
        found = remaining.best(order)
        frozen = remaining.frozen.get(order, ())
        if found:
            remaining.take(frozen, -1)
            remaining.take(found)
        pieces += found or frozen
    return BatchPlan.of(pieces)
