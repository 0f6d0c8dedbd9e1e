"""Which location has all that an order wants, for many orders at once.

What an order wants is a set of (SKU, units); of each such pair one bit a location
says whether the units are there, and an order's bits are the conjunction of its
lines'. No array of (order, line, location) is made.
"""

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchProblem

_WORD = 64
_ROWS = 1 << 14
"""Pairs looked at together."""


class Cover:
    """Orders whose lines are laid out once and looked at as often as wanted."""

    def __init__(self, problem: BatchProblem, orders: IntArray) -> None:
        self._problem = problem
        self._orders = orders
        counts = np.diff(problem.start)[orders]
        self._first = counts.cumsum() - counts
        lines = np.repeat(problem.start[orders] - self._first, counts)
        lines += np.arange(len(lines))
        most = int(problem.demand.max(initial=0)) + 1
        pairs, self._pair = np.unique(
            problem.sku[lines] * most + problem.demand[lines], return_inverse=True
        )
        self._sku, self._units = pairs // most, pairs % most

    def find(self, stock: IntArray) -> IntArray:
        """Return ``(m,)`` the first location with all of an order, or -1.

        ``stock`` is ``(K, N)``.
        """
        if not len(self._orders):
            return np.zeros(0, dtype=np.int64)
        locations = stock.shape[1]
        words = -(-locations // _WORD)
        bits = np.zeros((len(self._sku), words), dtype=np.uint64)
        for at in range(0, len(bits), _ROWS):
            few = slice(at, at + _ROWS)
            there = stock[self._sku[few]] >= self._units[few, None]
            bits[few] = _packed(there, words)
        found = np.full(len(self._orders), -1, dtype=np.int64)
        allowed = self._problem.allowed
        for word in range(words - 1, -1, -1):
            whole = np.bitwise_and.reduceat(bits[self._pair, word], self._first)
            if allowed is not None:
                may = _packed(allowed, words)[:, word]
                whole &= may[self._problem.classes[self._orders]]
            some = whole > 0
            lowest = whole[some] & (~whole[some] + np.uint64(1))
            # A power of two is exact as a float.
            found[some] = word * _WORD + np.log2(lowest.astype(np.float64)).astype(int)
        return found


def _packed(there: np.ndarray, words: int) -> np.ndarray:
    packed = np.packbits(there, axis=1, bitorder="little")
    padded = np.zeros((len(there), words * 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8")
