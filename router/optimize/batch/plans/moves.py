"""The plan in force: which orders are moved, and what staying costs.

An order with pieces in it *stays* if it gets exactly those again, else it is
*moved*; see `router.optimize.batch.problem.moved`.
"""

from collections import defaultdict

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.pricing import SCALE, Patterns, costs_of
from router.optimize.batch.problem import BatchPlan, BatchProblem

Pieces = tuple[tuple[int, int, int], ...]
"""What one order ships: (line, location, units)."""


class InForce:
    """The plan in force by order.

    ``has`` ``(O,)`` says which orders have pieces in it, ``pieces`` which. ``whole``
    are the orders that it ships whole with units that are there, from locations that
    may ship them: they can stay. ``barred`` ``(O,)`` says which have pieces where a
    location may not ship them any more.
    """

    def __init__(self, problem: BatchProblem) -> None:
        plan = problem.incumbent.sorted()
        self._problem = problem
        self._plan = plan
        self._locations = problem.stock.shape[1]
        order = problem.order_of[plan.line]
        self._count = np.bincount(order, minlength=problem.orders)
        self.has: BoolArray = self._count > 0
        self._key = plan.line * self._locations + plan.location
        self._units = plan.units
        rows: dict[int, list[tuple[int, int, int]]] = {}
        columns = zip(*(each.tolist() for each in plan), strict=True)
        for at, piece in zip(order.tolist(), columns, strict=True):
            rows.setdefault(at, []).append(piece)
        self.pieces: dict[int, Pieces] = {o: tuple(each) for o, each in rows.items()}
        lines = len(problem.sku)
        shipped = np.bincount(plan.line, plan.units, lines).astype(np.int64)
        can = self.has.copy()
        can[problem.order_of[shipped != problem.demand]] = False
        absent = problem.stock[problem.sku[plan.line], plan.location] < plan.units
        can[order[absent]] = False
        self.barred: BoolArray = np.zeros(problem.orders, dtype=bool)
        if problem.allowed is not None:
            may = problem.allowed[problem.classes[order], plan.location]
            self.barred[order[~may]] = True
        can &= ~self.barred
        self.whole = np.flatnonzero(can)
        keep = can[order]
        self._place = np.full(problem.orders, -1, dtype=np.int64)
        self._place[self.whole] = np.arange(len(self.whole))
        self._pattern = self._place[order[keep]]
        self._line, self._at = plan.line[keep], plan.location[keep]
        self._given = plan.units[keep]
        visit = np.unique(self._pattern * self._locations + self._at)
        self._visit, self._visited = np.divmod(visit, self._locations)
        pieces = np.bincount(self._line, minlength=lines)
        split = self._place[problem.order_of[pieces > 1]]
        self._splits = np.bincount(split, minlength=len(self.whole))

    def of(self, orders: IntArray) -> BatchPlan:
        """Return the pieces in force of some orders."""
        plan = self._plan
        mine = np.isin(self._problem.order_of[plan.line], orders)
        return BatchPlan(*(column[mine] for column in plan))

    def location_of(self, orders: IntArray) -> IntArray:
        """Return ``(m,)`` a location where each order can stay, -1: it can not."""
        at = np.full(len(self._place), -1, dtype=np.int64)
        at[self.whole[self._pattern]] = self._at
        found: IntArray = at[orders]
        return found

    def staying(self) -> Patterns:
        """Return the pieces of `whole`, each with its cost without prices."""
        fixed = np.full(self._locations, self._problem.shipment_weight * SCALE)
        value = self.cost(np.zeros_like(self._problem.stock), fixed)
        columns = (self._pattern, self._line, self._at, self._given)
        return Patterns(self.whole, value, *columns)

    def can_stay(self, order: int) -> bool:
        """Return whether an order is one of `whole`."""
        return bool(self._place[order] >= 0)

    def cost(
        self, price: IntArray, fixed: IntArray, split_cost: int | None = None
    ) -> IntArray:
        """Return what each order of `whole` costs if it stays, in 1 / `SCALE`.

        ``price`` ``(K, N)`` of a unit, ``fixed`` ``(N,)`` of a shipment or one row
        for each region, ``split_cost`` of a split line; None: the problem's.
        """
        problem = self._problem
        if split_cost is None:
            split_cost = problem.split_line_weight * SCALE
        cost = self._splits * split_cost
        unit = price[problem.sku[self._line], self._at]
        np.add.at(cost, self._pattern, unit * self._given)
        if fixed.ndim == 1 or problem.region is None:
            ships = fixed.reshape(-1, self._locations)[0][self._visited]
        else:
            ships = fixed[problem.region[self.whole[self._visit]], self._visited]
        np.add.at(cost, self._visit, ships)
        return cost

    def least(
        self, order: IntArray, value: IntArray, stay: IntArray, move: int
    ) -> IntArray:
        """Return ``(m,)`` the least of staying and moving.

        ``value`` ``(m,)`` is what each ``order`` costs at least with any pieces,
        ``stay`` is the result of `cost`, ``move`` the additional cost of a move.
        """
        least = value + move * self.has[order]
        place = self._place[order]
        can = place >= 0
        least[can] = np.minimum(least[can], stay[place[can]])
        return least

    def kept(self, found: Patterns) -> BoolArray:
        """Return ``(m,)`` which patterns move no order."""
        count = len(found.order)
        same = np.zeros(count, dtype=np.int64)
        key = found.line * self._locations + found.location
        if len(self._key):
            at = np.minimum(np.searchsorted(self._key, key), len(self._key) - 1)
            hit = (self._key[at] == key) & (self._units[at] == found.units)
            np.add.at(same, found.pattern[hit], 1)
        pieces = np.bincount(found.pattern, minlength=count)
        stays = (same == pieces) & (same == self._count[found.order])
        kept: BoolArray = stays | ~self.has[found.order]
        return kept


def pieces_of(
    patterns: Patterns, keep: BoolArray | None = None
) -> list[tuple[int, Pieces]]:
    """Return the (order, pieces) of patterns that have any, or of ``(m,)`` some."""
    rows: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    columns: tuple[IntArray, ...]
    columns = (patterns.pattern, patterns.line, patterns.location, patterns.units)
    if keep is not None:
        mine = keep[patterns.pattern]
        columns = tuple(column[mine] for column in columns)
    for at, line, location, units in zip(*(c.tolist() for c in columns), strict=True):
        rows[at].append((line, location, units))
    orders = patterns.order.tolist()
    return [(orders[at], tuple(sorted(each))) for at, each in rows.items()]


def patterns_of(problem: BatchProblem, plan: dict[int, Pieces]) -> Patterns:
    """Return the pieces of orders as patterns, each with its cost."""
    rows = [(at, *piece) for at, each in enumerate(plan.values()) for piece in each]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    orders = np.array(list(plan), dtype=np.int64)
    found = Patterns(orders, np.zeros_like(orders), *columns)
    return found._replace(value=costs_of(problem, found) * SCALE)
