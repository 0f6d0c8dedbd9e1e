"""Many orders over shared stock, as arrays: what is allowed, what a plan is worth.

This is the specification: `check` and `score` judge every plan straight from the
data, in integers, whichever engine made it. There is no solver here. It is one file,
though long, because it is read as one: what a problem is, is worth and allows.

Indices: ``o`` an order, ``k`` a SKU, ``n`` a location, ``j`` a line of some order.
Each location is its own shipping origin. An order whose lines do not all ship
whole is *incomplete*; the solver lets it wait with nothing shipped but what is
frozen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray

INCOMPLETE, SHIPMENTS = "incomplete_orders", "shipments"
MOVES, PLACES = "moves", "places"
LEVELS = (INCOMPLETE, SHIPMENTS, MOVES, PLACES)
"""Most important first; see `score`."""

UNLIMITED = 2**40
"""A capacity that never binds; sums of it fit an integer."""


class BatchPlan(NamedTuple):
    """Pieces ``(P,)``: ``units`` of line ``line`` leave from ``location``."""

    line: IntArray
    location: IntArray
    units: IntArray

    @classmethod
    def of(cls, pieces: Sequence[tuple[int, int, int]]) -> "BatchPlan":
        """Return a plan of (line, location, units), sorted."""
        rows = np.array(sorted(pieces), dtype=np.int64).reshape(-1, 3)
        return cls(rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy())

    def sorted(self) -> "BatchPlan":
        """Return the same pieces in (line, location) order."""
        order = np.lexsort((self.location, self.line))
        return BatchPlan(self.line[order], self.location[order], self.units[order])


NOTHING = BatchPlan(*(np.zeros(0, dtype=np.int64) for _ in range(3)))


@dataclass(slots=True, kw_only=True, eq=False)
class BatchProblem:
    """Which of ``N`` locations ships what of ``O`` orders over ``K`` SKUs.

    Parameters
    ----------
    stock
        ``(K, N)`` units that may be used, frozen pieces included.
    start
        ``(O + 1,)``; order ``o`` has the lines ``start[o]..start[o + 1] - 1``.
    sku, demand
        ``(J,)`` the SKU of each line, no SKU twice in one order, and its units.
    weight
        ``(O,)`` how bad it is that an order is incomplete: priority and age, as
        positive integers; None: all one.
    rank
        ``(G, N)`` a place's number in each region's list, and ``region`` ``(O,)``
        which of the lists is an order's; None: the locations' own order for all.
    allowed
        ``(G, N)`` whether a location may ship the orders of a region; None: all.
        Where a frozen piece is, its order may ship from; where one in force is, an
        order may not be able to stay.
    capacity_orders, capacity_units
        ``(N,)`` orders and units that may leave; None: no limit.
    shipment_weight, split_line_weight
        What a shipment and a split line count at the level ``shipments``.
    frozen
        Pieces that every plan has; they take stock and capacity like others.
    incumbent, max_moves, move_weight
        The plan in force; the most orders with pieces in it that may get others
        (None: as many as you like); and what each of those counts at the level
        ``shipments``, so that no order moves for less.

    Raises
    ------
    ValueError
        The arrays do not fit together, or a SKU is twice in one order.
    """

    stock: IntArray
    start: IntArray
    sku: IntArray
    demand: IntArray
    weight: IntArray | None = None
    rank: IntArray | None = None
    region: IntArray | None = None
    allowed: BoolArray | None = None
    capacity_orders: IntArray | None = None
    capacity_units: IntArray | None = None
    shipment_weight: int = 1
    split_line_weight: int = 0
    frozen: BatchPlan = NOTHING
    incumbent: BatchPlan = NOTHING
    max_moves: int | None = None
    move_weight: int = 0

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def orders(self) -> int:
        """Number of orders."""
        return len(self.start) - 1

    @property
    def order_of(self) -> IntArray:
        """``(J,)`` the order of each line."""
        return np.repeat(np.arange(self.orders), np.diff(self.start))

    @property
    def weights(self) -> IntArray:
        """``(O,)`` what each incomplete order counts."""
        if self.weight is None:
            return np.ones(self.orders, dtype=np.int64)
        return self.weight

    @property
    def classes(self) -> IntArray:
        """``(O,)`` each order's row in ``rank`` and ``allowed``."""
        if self.region is None:
            return np.zeros(self.orders, dtype=np.int64)
        return self.region

    def rank_of(self, order: int) -> IntArray:
        """Return ``(N,)`` each location's number in an order's list."""
        if self.rank is None:
            return np.arange(self.stock.shape[1])
        row: IntArray = self.rank[0 if self.region is None else self.region[order]]
        return row


def _faults(problem: BatchProblem) -> list[str]:
    skus, locations = problem.stock.shape
    faults = []
    lines = len(problem.sku)
    if len(problem.start) < 1 or problem.start[0] != 0 or problem.start[-1] != lines:
        return ["start does not divide the lines"]
    if (np.diff(problem.start) < 1).any():
        faults.append("an order has no line")
    if len(problem.demand) != lines or (lines and problem.demand.min() < 1):
        faults.append("demand is not at least 1 for each line")
    if lines and not 0 <= problem.sku.min() <= problem.sku.max() < skus:
        faults.append("a line asks for a SKU that is not there")
    if problem.stock.size and problem.stock.min() < 0:
        faults.append("stock is negative")
    if not faults:
        pair = problem.order_of * skus + problem.sku
        if len(np.unique(pair)) < lines:
            faults.append("an order asks for a SKU on two lines")
    if problem.weight is not None and (
        problem.weight.shape != (problem.orders,) or (problem.weight < 1).any()
    ):
        faults.append("weights are not positive, one for each order")
    for capacity in (problem.capacity_orders, problem.capacity_units):
        if capacity is not None and capacity.shape != (locations,):
            faults.append("a capacity is not one for each location")
    if problem.allowed is not None and (
        problem.allowed.ndim != 2
        or problem.allowed.shape[1] != locations
        or (problem.orders and problem.classes.max() >= len(problem.allowed))
    ):
        faults.append("allowed is not a row of locations for each region")
    elif problem.allowed is not None and not faults and len(problem.frozen.line):
        row = problem.classes[problem.order_of[problem.frozen.line]]
        if not problem.allowed[row, problem.frozen.location].all():
            faults.append("a frozen piece is where its order may not ship from")
    if problem.shipment_weight < 1 or problem.split_line_weight < 0:
        faults.append("a shipment must count, and a split line not less than nothing")
    if problem.rank is not None and problem.rank.size and problem.rank.min() < 0:
        faults.append("a rank is negative")
    if problem.move_weight < 0:
        faults.append("a move must not count less than nothing")
    return faults


class BatchScore(NamedTuple):
    """What a plan is worth: less is better, the first value first.

    ``incomplete_orders``: the weights of the orders that do not ship whole.
    ``shipments``: pairs of (order, location) that ship, split lines, and moved
    orders, each times its weight. ``moves``: the moved orders, so that none moves
    without gain. ``places``: the sum of the ranks of all shipments.
    """

    incomplete_orders: int
    shipments: int
    moves: int
    places: int


def complete(problem: BatchProblem, plan: BatchPlan) -> IntArray:
    """Return ``(O,)`` 1 where an order ships whole, else 0."""
    lines = len(problem.sku)
    shipped = np.bincount(plan.line, plan.units, lines).astype(np.int64)
    short = shipped < problem.demand
    late = np.zeros(problem.orders, dtype=np.int64)
    late[problem.order_of[short]] = 1
    return 1 - late


def visits(problem: BatchProblem, plan: BatchPlan) -> tuple[IntArray, IntArray]:
    """Return ``(V,)`` order and location of each shipment, in that order."""
    locations = problem.stock.shape[1]
    pairs = np.unique(problem.order_of[plan.line] * locations + plan.location)
    return pairs // locations, pairs % locations


def score(problem: BatchProblem, plan: BatchPlan) -> BatchScore:
    """Return what a plan is worth, level by level."""
    late = problem.weights[complete(problem, plan) == 0].sum()
    order, location = visits(problem, plan)
    pieces = np.bincount(plan.line, minlength=len(problem.sku))
    split = np.count_nonzero(pieces > 1)
    moves = len(moved(problem, plan))
    worth = problem.shipment_weight * len(order) + problem.split_line_weight * split
    worth += problem.move_weight * moves
    if problem.rank is None:
        places = location.sum()
    elif problem.region is None:
        places = problem.rank[0, location].sum()
    else:
        places = problem.rank[problem.region[order], location].sum()
    return BatchScore(int(late), int(worth), moves, int(places))


def moved(problem: BatchProblem, plan: BatchPlan) -> IntArray:
    """Return the orders with pieces in the incumbent that have others in the plan."""
    if not len(problem.incumbent.line):
        return np.zeros(0, dtype=np.int64)
    old, new = (_rows(each) for each in (problem.incumbent, plan))
    order_of = problem.order_of
    changed = {int(order_of[line]) for line, _, _ in old ^ new}
    had = {int(order_of[line]) for line, _, _ in old}
    return np.array(sorted(changed & had), dtype=np.int64)


def _rows(plan: BatchPlan) -> set[tuple[int, int, int]]:
    columns = (plan.line.tolist(), plan.location.tolist(), plan.units.tolist())
    return set(zip(*columns, strict=True))


def check(problem: BatchProblem, plan: BatchPlan) -> list[str]:
    """Return every breach of the limits; an empty list allows the plan."""
    skus, locations = problem.stock.shape
    lines = len(problem.sku)
    if not len(plan.line) == len(plan.location) == len(plan.units):
        return ["the plan's columns differ in length"]
    if len(plan.line) and not (
        0 <= plan.line.min() <= plan.line.max() < lines
        and 0 <= plan.location.min() <= plan.location.max() < locations
    ):
        return ["a piece is of no line or no location"]
    breaches = []
    if len(plan.units) and plan.units.min() < 1:
        breaches.append("a piece is empty")
    pair = plan.line * locations + plan.location
    if len(np.unique(pair)) < len(pair):
        breaches.append("a piece is repeated")
    if problem.allowed is not None:
        of = problem.order_of[plan.line]
        barred = ~problem.allowed[problem.classes[of], plan.location]
        for at in np.flatnonzero(barred).tolist():
            where = plan.location[at]
            breaches.append(f"location {where} may not ship line {plan.line[at]}")
    shipped = np.zeros(lines, dtype=np.int64)
    np.add.at(shipped, plan.line, plan.units)
    for line in np.flatnonzero(shipped > problem.demand).tolist():
        breaches.append(f"line {line} ships {shipped[line]} of {problem.demand[line]}")
    taken = np.zeros((skus, locations), dtype=np.int64)
    np.add.at(taken, (problem.sku[plan.line], plan.location), plan.units)
    for sku, location in np.argwhere(taken > problem.stock).tolist():
        breaches.append(
            f"location {location} ships {taken[sku, location]} of SKU {sku},"
            f" has {problem.stock[sku, location]}"
        )
    breaches += _capacity_breaches(problem, plan, taken)
    missing = _rows(problem.frozen)
    if missing:
        have = {(line, n): units for line, n, units in _rows(plan)}
        for line, location, units in sorted(missing):
            if have.get((line, location), 0) < units:
                breaches.append(f"frozen {units} of line {line} at {location} missing")
    if problem.max_moves is not None:
        moves = len(moved(problem, plan))
        if moves > problem.max_moves:
            breaches.append(f"{moves} orders moved, {problem.max_moves} allowed")
    return breaches


def _capacity_breaches(
    problem: BatchProblem, plan: BatchPlan, taken: IntArray
) -> list[str]:
    breaches = []
    if problem.capacity_units is not None:
        units = taken.sum(axis=0)
        for location in np.flatnonzero(units > problem.capacity_units).tolist():
            breaches.append(f"location {location} ships {units[location]} units")
    if problem.capacity_orders is not None:
        _, location_of = visits(problem, plan)
        orders = np.bincount(location_of, minlength=problem.stock.shape[1])
        for location in np.flatnonzero(orders > problem.capacity_orders).tolist():
            breaches.append(f"location {location} ships {orders[location]} orders")
    return breaches
