"""The cheapest way to ship one large order at given prices: dual ascent and branching.

Too many lines for `router.optimize.batch.blocks`. With ``c`` the cost of a unit,
``f`` of a shipment and ``a`` the units a location can give a line, any prices ``v``
of the lines' units with ``sum_l a[l, n] max(0, v[l] - c[l, n]) <= f[n]`` at every
location prove that nothing costs less than ``sum_l q[l] v[l]``: weak duality, in
integers. The ascent raises the prices as far as the shipments' costs allow; where
that leaves a gap, locations are branched on as open or closed, best bound first.

References
----------
Erlenkotter, D. (1978). A dual-based procedure for uncapacitated facility location.
Operations Research 26(6): 992-1009.
"""

import heapq
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.blocks import NEVER
from router.optimize.problem import BoolArray

_PASSES = 12
_CLOSE = 64
"""A gap too small to branch for: what the ascent loses by rounding down."""


class Cheapest(NamedTuple):
    """A proven lower bound, and the best pieces found: (line, location, units)."""

    bound: int
    value: int
    pieces: tuple[tuple[int, int, int], ...]


class Branching:
    """One order, in integers; see `blocks.cheapest`.

    ``price`` and ``stock`` are ``(L, N)``, ``demand`` ``(L,)``, ``fixed`` ``(N,)``.
    """

    def __init__(
        self,
        demand: IntArray,
        price: IntArray,
        stock: IntArray,
        fixed: IntArray,
        split_cost: int,
    ) -> None:
        self._useful = np.flatnonzero(stock.any(axis=0))
        self._demand = demand
        self._stock = np.minimum(stock[:, self._useful], demand[:, None])
        self._price = np.where(self._stock > 0, price[:, self._useful], NEVER)
        self._fixed = fixed[self._useful]
        self._split_cost = split_cost
        self._units = demand.tolist()
        self._by_price = np.argsort(self._price, axis=1, kind="stable").tolist()
        self._price_rows = self._price.tolist()
        self._stock_rows = self._stock.tolist()
        self._fixed_list = self._fixed.tolist()
        self._sorted = np.sort(self._price, axis=1)
        self._value = NEVER
        self._pieces: tuple[tuple[int, int, int], ...] = ()

    def run(self, nodes: int) -> Cheapest:
        """Return the answer of a search of at most ``nodes`` nodes."""
        if (self._stock.sum(axis=1) < self._demand).any():
            return Cheapest(NEVER, NEVER, ())
        count = len(self._useful)
        closed, opened = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        start = self._price.min(axis=1)
        heap = [(0, 0, closed, opened, start)]
        serial = 0
        bound = 0
        least = NEVER
        while heap:
            known, _, closed, opened, prices = heapq.heappop(heap)
            bound = known
            if known >= self._value - _CLOSE or nodes <= 0:
                break
            nodes -= 1
            if (np.where(closed, 0, self._stock).sum(axis=1) < self._demand).any():
                continue
            prices, slack = self._ascend(closed, opened, prices)
            lower = int(prices @ self._demand) + int(self._fixed[opened].sum())
            tight = (slack <= 0) & ~closed | opened
            self._try(tight)
            lower = max(lower, known)
            if lower >= self._value - _CLOSE:
                # Near enough: the bound that counts is the least of those left.
                least = min(least, lower)
                continue
            at = self._branch(tight, closed, opened)
            if at is None:
                continue
            serial += 2
            shut, extra = closed.copy(), opened.copy()
            shut[at], extra[at] = True, True
            lowered = np.minimum(
                prices, np.where(self._stock[:, at] > 0, self._price[:, at], NEVER)
            )
            heapq.heappush(heap, (lower, serial, closed, extra, lowered))
            heapq.heappush(heap, (lower, serial + 1, shut, opened, prices))
        else:
            bound = self._value
        if self._value == NEVER:
            self._try(np.ones(count, dtype=bool))
        bound = min(bound, least, self._value)
        pieces = tuple((ln, int(self._useful[n]), u) for ln, n, u in self._pieces)
        return Cheapest(bound, self._value, pieces)

    def _ascend(
        self, closed: BoolArray, opened: BoolArray, prices: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Raise the lines' prices; return them and what each location has left."""
        # A closed location gives nothing: it bounds no price.
        stock = np.where(closed, 0, self._stock)
        fixed = np.where(opened, 0, self._fixed)
        over = np.maximum(0, prices[:, None] - self._price)
        slack = fixed - (stock * over).sum(axis=0)
        prices = prices.copy()
        lines = len(prices)
        # Lines that few can ship are raised first: they contend least.
        turn = np.argsort(np.count_nonzero(stock, axis=1), kind="stable").tolist()
        held = [np.flatnonzero(stock[line]) for line in range(lines)]
        cost = [self._price[line, held[line]] for line in range(lines)]
        give = [stock[line, held[line]] for line in range(lines)]
        for step in range(_PASSES):
            raised = False
            for line in turn:
                at = held[line]
                price = int(prices[line])
                # Whole units of price: the least that every holder can pay.
                limit = int(
                    (np.maximum(price, cost[line]) + slack[at] // give[line]).min()
                )
                if limit <= price:
                    continue
                target = limit
                if step < _PASSES - 1:
                    # To the next location's cost only, so that others rise too.
                    row = self._sorted[line]
                    after = int(np.searchsorted(row, price, side="right"))
                    gentle = int(row[after]) if after < len(row) else limit
                    gentle = max(gentle, price + 1 + int(self._fixed.max()) // lines)
                    target = min(limit, gentle)
                slack[at] -= give[line] * (
                    np.maximum(0, target - cost[line])
                    - np.maximum(0, price - cost[line])
                )
                prices[line] = target
                raised = True
            if not raised:
                break
        return prices, slack

    def _branch(
        self, tight: BoolArray, closed: BoolArray, opened: BoolArray
    ) -> int | None:
        """Return the undecided location that ships most of the best plan, if any."""
        free = ~closed & ~opened
        if not free.any():
            return None
        units = np.zeros(len(free), dtype=np.int64)
        for _, location, shipped in self._pieces:
            units[location] += shipped
        score = np.where(free, 1 + units * 1000 + tight * 500, 0)
        score = score * 64 + np.where(free, self._stock.sum(axis=0), 0)
        return int(score.argmax())

    def _try(self, usable: BoolArray) -> None:
        """Ship from usable locations, drop what does not pay, keep the best plan."""
        chosen = set(np.flatnonzero(usable).tolist())
        found = self._ship(chosen)
        if found is None:
            return
        chosen = {location for _, location, _ in found[1]}
        improved = True
        while improved and len(chosen) > 1:
            improved = False
            # What ships least is tried first.
            load = dict.fromkeys(chosen, 0)
            for _, at, units in found[1]:
                load[at] += units
            for location in sorted(chosen, key=load.__getitem__):
                other = self._ship(chosen - {location})
                if other is not None and other[0] <= found[0]:
                    found = other
                    chosen = {at for _, at, _ in found[1]}
                    improved = True
                    break
        if found[0] < self._value:
            self._value, self._pieces = found[0], tuple(found[1])

    def _ship(self, chosen: set[int]) -> tuple[int, list[tuple[int, int, int]]] | None:
        """Return the cost and pieces when only the chosen locations ship."""
        cost = 0
        pieces = []
        for line, wanted in enumerate(self._units):
            prices, stock = self._price_rows[line], self._stock_rows[line]
            left, spread, whole = wanted, 0, NEVER
            parts: list[tuple[int, int, int]] = []
            for n in self._by_price[line]:
                if n not in chosen or not stock[n]:
                    continue
                if whole == NEVER and stock[n] >= wanted:
                    whole = prices[n] * wanted
                    single = (line, n, wanted)
                if left:
                    units = min(left, stock[n])
                    parts.append((line, n, units))
                    spread += units * prices[n]
                    left -= units
                if not left and (whole < NEVER or len(parts) == 1):
                    break
            if left:
                return None
            if len(parts) > 1 and whole <= spread + self._split_cost:
                parts, spread = [single], whole
            elif len(parts) > 1:
                spread += self._split_cost
            cost += spread
            pieces += parts
        used = {n for _, n, _ in pieces}
        return cost + sum(self._fixed_list[n] for n in used), pieces
