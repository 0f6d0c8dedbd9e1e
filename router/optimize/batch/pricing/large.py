"""Orders too large for `router.optimize.batch.pricing.blocks`, laid out to branch."""

from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.drop import Lines

CELLS = 1 << 11
"""(order, location) pairs that are bounded together."""


class Large(NamedTuple):
    """Orders to ship at given prices, in integers; see `blocks.cheapest`.

    ``sku``, ``demand`` ``(M, L)``, by falling number of lines, -1 and 0 for padding;
    ``price``, ``stock`` ``(K, N)``; ``fixed`` ``(M or 1, N)``; ``allowed``
    ``(M, N)``, None: every location may ship.
    """

    sku: IntArray
    demand: IntArray
    price: IntArray
    stock: IntArray
    fixed: IntArray
    split_cost: int
    allowed: BoolArray | None = None

    def useful(self) -> IntArray:
        """Return ``(M, W)`` the locations that have anything of each order.

        In order; -1: there are no more.
        """
        orders, locations = len(self.demand), self.stock.shape[1]
        some = np.empty((orders, locations), dtype=bool)
        rows = max(1, CELLS // max(1, locations))
        there = self.stock > 0
        for at in range(0, orders, rows):
            few = slice(at, at + rows)
            wanted = self.demand[few] > 0
            some[few] = (there[self.sku[few]] & wanted[:, :, None]).any(axis=1)
        if self.allowed is not None:
            some &= self.allowed
        count = some.sum(axis=1)
        where = np.full((orders, int(count.max(initial=1))), -1, dtype=np.int64)
        row, location = np.nonzero(some)
        where[row, np.arange(len(row)) - (count.cumsum() - count)[row]] = location
        return where

    def lines_of(self, orders: IntArray, where: IntArray) -> Lines:
        """Return all that some orders meet at ``(m, W)`` locations, -1: nothing.

        Without the padding that none of them needs.
        """
        demand = self.demand[orders]
        most = int(np.count_nonzero(demand, axis=1).max(initial=0))
        demand, sku = demand[:, :most], self.sku[orders, :most]
        locations = self.stock.shape[1]
        pair = (sku * locations)[:, :, None] + where[:, None, :]
        # Far out at the end is padding, which wants nothing.
        there = np.take(self.stock, pair, mode="wrap")
        none = where < 0
        give = np.minimum(there, demand[:, :, None])
        give *= ~none[:, None, :]
        cost = np.where(give > 0, np.take(self.price, pair, mode="wrap"), NEVER)
        row = orders if len(self.fixed) > 1 else np.zeros_like(orders)
        fixed = np.where(none, 0, self.fixed[row[:, None], where])
        return Lines(demand, cost, give, fixed, self.split_cost)
