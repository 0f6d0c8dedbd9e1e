"""The cheapest way to ship large orders at given prices: branching, many at once.

The bound of a node is `router.optimize.batch.pricing.ascent`'s, its plan that of
`router.optimize.batch.pricing.drop`. Where they leave a gap, locations are branched
on as open or closed, best bound first: in each round, the best node of every order
that is still open. The result for an order does not depend on the others.
"""

import heapq
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.ascent import (
    Floats,
    ascend,
    bound,
    improve,
    shift_of,
)
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.drop import Lines, best_of, ship
from router.optimize.batch.pricing.large import CELLS, Large

_CLOSE = 256
"""A gap too small to branch for: what the prices' bits lose."""
_STEPS, _MORE_STEPS = 60, 20
"""Steps of the subgradient method: of the first node, of others."""
_OFTEN = 0.2
"""A location that ships in this share of the steps is tried in a plan."""
_USED = 0.5
"""How much more a location of the best plan is worth branching on."""


class BranchResult(NamedTuple):
    """Of ``M`` orders: proven lower bounds, the best values, and their locations.

    ``bound``, ``value`` ``(M,)``, `NEVER`: it cannot be shipped whole; ``where``
    ``(M, W)`` the locations looked at, -1 for padding, and whether they are ``used``.
    """

    bound: IntArray
    value: IntArray
    where: IntArray
    used: BoolArray


class _Node(NamedTuple):
    """By bound, then by age; what is closed and opened, what next, lines' prices."""

    bound: int
    serial: int
    closed: BoolArray
    opened: BoolArray
    next: int
    price: Floats


class Branching:
    """One search of each order of ``large``."""

    def __init__(self, large: Large) -> None:
        self._large = large
        self._where = large.useful()
        orders, locations = self._where.shape
        self._value = np.full(orders, NEVER, dtype=np.int64)
        self._used = np.zeros((orders, locations), dtype=bool)
        self._grain = np.ones(orders, dtype=np.int64)
        self._least = np.full(orders, NEVER, dtype=np.int64)
        self._heaps: list[list[_Node]] = [[] for _ in range(orders)]
        self._serial = 0
        self._shift = shift_of(large.fixed)

    def run(self, nodes: int) -> BranchResult:
        """Return the answers of searches of at most ``nodes`` nodes each."""
        orders, locations = self._used.shape
        none = np.zeros((orders, locations), dtype=bool)
        now = np.arange(orders)
        self._look(now, none, none, None)
        bounds = np.zeros(orders, dtype=np.int64)
        for left in range(nodes - 1, -1, -2):
            going, parents = [], []
            for order in now.tolist():
                heap = self._heaps[order]
                if heap and left > 1 and not self._near(heap[0].bound, order):
                    going.append(order)
                    parents.append(heapq.heappop(heap))
                else:
                    known = heap[0].bound if heap else NEVER
                    bounds[order] = min(known, self._least[order], self._value[order])
                    heap.clear()
            now = np.array(going, dtype=np.int64)
            if not going:
                break
            closed = np.array([node.closed for node in parents]).repeat(2, axis=0)
            opened = np.array([node.opened for node in parents]).repeat(2, axis=0)
            at = np.array([node.next for node in parents])
            opened[np.arange(0, 2 * len(now), 2), at] = True
            closed[np.arange(1, 2 * len(now), 2), at] = True
            price = np.array([node.price for node in parents]).repeat(2, axis=0)
            self._look(now.repeat(2), closed, opened, price)
        return BranchResult(bounds, self._value, self._where, self._used)

    def _near(self, lower: int, order: int) -> bool:
        gap = max(_CLOSE, int(self._grain[order]) - 1)
        return lower >= int(self._value[order]) - gap

    def _look(
        self,
        orders: IntArray,
        closed: BoolArray,
        opened: BoolArray,
        price: Floats | None,
    ) -> None:
        """Bound nodes, keep better plans, push what is open."""
        rows = max(1, CELLS // max(1, self._used.shape[1])) * 2
        for at in range(0, len(orders), rows):
            few = slice(at, at + rows)
            start = None if price is None else price[few]
            self._chunk(orders[few], closed[few], opened[few], start)

    def _chunk(
        self,
        orders: IntArray,
        closed: BoolArray,
        opened: BoolArray,
        start: Floats | None,
    ) -> None:
        lines = self._large.lines_of(orders, self._where[orders])
        most = lines.demand.shape[1]
        if closed.any():
            shut = closed[:, None, :]
            lines = lines._replace(
                give=np.where(shut, 0, lines.give),
                cost=np.where(shut, NEVER, lines.cost),
            )
        possible = (lines.give.sum(axis=2) >= lines.demand).all(axis=1)
        unpaid = lines._replace(fixed=np.where(opened, 0, lines.fixed))
        given = np.where(opened, lines.fixed, 0).sum(axis=1)
        if start is None:
            self._grain[orders] = self._grains(lines)
            price = ascend(lines, self._shift)
            self._keep(orders, lines, possible, self._tight(lines, price))
            steps = _STEPS
        else:
            price = start[:, :most]
            steps = _MORE_STEPS
        price, often = improve(
            unpaid, opened, price, self._value[orders] - given, self._shift, steps
        )
        lower = bound(unpaid, price.astype(np.int64) << self._shift) + given
        grain = self._grain[orders]
        lower = np.where(possible, -(-lower // grain) * grain, NEVER)
        self._keep(orders, lines, possible, opened | (often > _OFTEN))
        # With all decided, the plan of the node is its best.
        undecided = ~closed & ~opened & (lines.give > 0).any(axis=1)
        score = 1 + np.minimum(often, 1.01 - often) + self._used[orders] * _USED
        after = np.where(undecided, score, 0).argmax(axis=1)
        full = np.zeros((len(orders), self._large.demand.shape[1]), dtype=np.float32)
        full[:, :most] = price
        for at in np.flatnonzero(possible & undecided.any(axis=1)).tolist():
            order, known = int(orders[at]), int(lower[at])
            if self._near(known, order):
                # The bound that counts is the least of those left.
                self._least[order] = min(int(self._least[order]), known)
                continue
            self._serial += 1
            node = _Node(
                known, self._serial, closed[at], opened[at], int(after[at]), full[at]
            )
            heapq.heappush(self._heaps[order], node)

    def _grains(self, lines: Lines) -> IntArray:
        """Return ``(m,)`` what all costs of each order are multiples of."""
        priced = ((lines.cost > 0) & (lines.cost < NEVER)).any(axis=(1, 2))
        whole = np.gcd(np.gcd.reduce(lines.fixed, axis=1), lines.split_cost)
        return np.where(priced, 1, np.maximum(whole, 1))

    def _tight(self, lines: Lines, price: Floats) -> BoolArray:
        """Return ``(m, N)`` where the lines' prices pay nearly all of a shipment."""
        whole = (price.astype(np.int64) << self._shift)[:, :, None]
        paid = (lines.give * np.maximum(0, whole - lines.cost)).sum(axis=1)
        tight: BoolArray = (paid * 64 >= lines.fixed * 63) & (paid > 0)
        return tight

    def _keep(
        self, orders: IntArray, lines: Lines, possible: BoolArray, usable: BoolArray
    ) -> None:
        """Ship from usable locations, and for the rest the cheapest; keep the best."""
        usable = usable & possible[:, None]
        have = np.where(usable[:, None, :], lines.give, 0).sum(axis=2)
        row, line = np.nonzero((have < lines.demand) & possible[:, None])
        usable[row, lines.cost[row, line].argmin(axis=1)] = True
        value, used, _ = best_of(lines, usable)
        bare = possible & (value >= NEVER) & (self._value[orders] >= NEVER)
        if bare.any():
            at = np.flatnonzero(bare)
            every = np.ones((len(at), usable.shape[1]), dtype=bool)
            value[at], used[at], _ = best_of(lines.at(at), every)
        turn = np.lexsort((value, orders))
        _, first = np.unique(orders[turn], return_index=True)
        at = turn[first]
        at = at[value[at] < self._value[orders[at]]]
        self._value[orders[at]] = value[at]
        self._used[orders[at]] = used[at]


def pieces(
    large: Large, orders: IntArray, found: BranchResult
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return order, line (its place), location, units of the best plans found."""
    rows = max(1, CELLS // found.where.shape[1])
    parts = []
    for at in range(0, len(orders), rows):
        few = orders[at : at + rows]
        where = found.where[few]
        units = ship(large.lines_of(few, where), found.used[few]).units
        row, line, at_where = np.nonzero(units)
        columns = (few[row], line, where[row, at_where], units[row, line, at_where])
        parts.append(columns)
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing
    first, second, third, fourth = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return first, second, third, fourth


class Cheapest(NamedTuple):
    """A proven lower bound, and the best pieces found: (line, location, units)."""

    bound: int
    value: int
    pieces: tuple[tuple[int, int, int], ...]


def search(
    demand: IntArray,
    price: IntArray,
    stock: IntArray,
    fixed: IntArray,
    split_cost: int,
    nodes: int,
) -> Cheapest:
    """Return the answer for one order: ``demand`` ``(L,)``, the rest by location."""
    sku = np.arange(len(demand))[None, :]
    large = Large(sku, demand[None, :], price, stock, fixed[None, :], split_cost)
    found = Branching(large).run(nodes)
    bound, value = int(found.bound[0]), int(found.value[0])
    if value >= NEVER:
        return Cheapest(bound, value, ())
    _, *columns = pieces(large, np.zeros(1, dtype=np.int64), found)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Cheapest(bound, value, tuple(rows))
