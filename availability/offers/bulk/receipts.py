"""When expected receipts cover what a channel waits for."""

from collections.abc import Sequence

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import (
    NO_BOUND,
    NOT_GIVEN,
    PoolArrays,
    SupplyArrays,
)


class Expected:
    """Receipts, and when those that feed a channel cover what it waits for.

    ``now_seconds`` is the instant that the dates of all offers are counted from.
    """

    def __init__(
        self,
        supplies: SupplyArrays,
        pools: PoolArrays,
        channels: Sequence[int],
        now_seconds: int,
    ) -> None:
        self.now_seconds = now_seconds
        later = supplies.from_seconds > now_seconds
        self._skus = supplies.skus[later]
        self._locations = supplies.locations[later]
        self._units = supplies.units[later]
        self._from_seconds = supplies.from_seconds[later]
        its = [pools.active & (pools.rules[at].owner >= 0) for at in channels]
        self._feeds = np.array(its).astype(np.int64)

    def fill(
        self, skus: slice, net_units: IntArray, wanted: BoolArray, seconds: IntArray
    ) -> None:
        """Write when the queue and one unit more are covered, where it is wanted.

        ``net_units`` is not above 0 there. What does not feed the channel counts
        for nothing, so the first date that is enough is the earliest.
        """
        first, last = self._skus.searchsorted([skus.start, skus.stop]).tolist()
        if first == last:
            return
        columns = self._skus[first:last] - skus.start
        some = first + np.flatnonzero(wanted[:, columns].any(axis=0))
        if not len(some):
            return
        columns = self._skus[some] - skus.start
        units = self._feeds.take(self._locations[some], axis=1) * self._units[some]
        new = np.diff(columns, prepend=-1) > 0
        firsts = np.flatnonzero(new)
        total = units.cumsum(axis=1)
        before = (total - units).take(firsts, axis=1)
        by_then = total - before.take(np.cumsum(new) - 1, axis=1)
        by_then += net_units.take(columns, axis=1)
        enough = (by_then > 0) & wanted.take(columns, axis=1)
        dates = np.where(enough, self._from_seconds[some], NO_BOUND)
        earliest = np.minimum.reduceat(dates, firsts, axis=1)
        earliest[earliest == NO_BOUND] = NOT_GIVEN
        seconds[:, columns[firsts]] = earliest
