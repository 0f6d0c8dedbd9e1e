"""Steps 3 and 4: queues and allocations, for the SKUs that have any.

``Q`` and ``M`` are SKUs with a queue and with allocations, ``C`` the asked channels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import (
    NO_BOUND,
    AllocationArrays,
    PoolArrays,
    QueueArrays,
)


class QueuedUnits:
    """What is queued of each SKU that has any, (C, Q) or (1, Q).

    ``units`` are those on channels that share a pool, ``own_units`` those on the
    channel itself, ``all_units`` those on all.
    """

    def __init__(
        self, queue: QueueArrays, pools: PoolArrays, channels: Sequence[int]
    ) -> None:
        order = np.argsort(queue.skus, kind="stable")
        skus = queue.skus[order]
        shares = pools.sharing[channels][:, queue.channels[order]]
        first = _firsts(skus)
        self.skus = skus[first]
        units = queue.units[order]
        mine = queue.channels[order] == np.array(channels)[:, None]
        self.units = _sums(shares * units, first)
        self.own_units = _sums(mine * units, first)
        self.all_units = _sums(units[None, :], first)

    def block(self, start: int, stop: int) -> "BlockQueue | None":
        """Return it for the SKUs of a block that have any, None if none has."""
        first, last = self.skus.searchsorted([start, stop]).tolist()
        if first == last:
            return None
        return BlockQueue(
            self.skus[first:last] - start,
            self.units[:, first:last],
            self.own_units[:, first:last],
            self.all_units[:, first:last],
        )


class BlockQueue(NamedTuple):
    """`QueuedUnits` of the SKUs at these places in a block."""

    places: IntArray
    units: IntArray
    own_units: IntArray
    all_units: IntArray


class Own(NamedTuple):
    """The allocation that governs the channel, and what others hold: (C, B).

    ``remaining_units`` is NO_BOUND where no allocation does.
    """

    exists: BoolArray
    follows: BoolArray
    stops: BoolArray
    remaining_units: IntArray
    held_units: IntArray

    def cap(self, units: IntArray) -> IntArray:
        """Return the units, at most the remaining units of the allocation."""
        return np.minimum(units, self.remaining_units)


class Owned:
    """`Own` for every SKU with allocations, whichever channel they are of: (C, M)."""

    def __init__(
        self, allocations: AllocationArrays, pools: PoolArrays, channels: Sequence[int]
    ) -> None:
        remaining_units = allocations.remaining_units
        first = _firsts(allocations.skus)
        self.skus = allocations.skus[first]
        count = len(allocations.skus)
        last = np.append(first[1:], count)
        members = allocations.members[:, channels].T
        # Held back from channels that share a pool with a member; a buffer from all.
        buffers = ~allocations.members.any(axis=1)
        # As floats, because numpy multiplies matrices of nothing else quickly.
        sharing = pools.sharing[channels].astype(np.float32)
        near = sharing @ allocations.members.T.astype(np.float32)
        holds = allocations.reserves & ~members & ((near > 0) | buffers)
        held = np.zeros((len(channels), count + 1), np.int64)
        np.cumsum(np.where(holds, remaining_units, 0), axis=1, out=held[:, 1:])

        # The first in precedence governs the channel.
        own = np.where(members, np.arange(count), count)
        if count:
            own = np.minimum.reduceat(own, first, axis=1)
        exists = own < count
        own = np.minimum(own, count - 1)
        rows = np.arange(len(channels))[:, None]
        asked = np.array(channels)[:, None]
        # A pre-sell waits for every reserve, a reserve for those before it.
        ranked = exists & allocations.reserves[own]
        until = np.where(ranked, own, last)
        self._own = Own(
            exists,
            exists & allocations.following[own, asked],
            exists & allocations.stops[own],
            np.where(exists, remaining_units[own], NO_BOUND),
            held[rows, until] - held[:, first],
        )

    def block(self, start: int, stop: int) -> Own | None:
        """Return it for all SKUs of a block, None if none of them has any."""
        first, last = self.skus.searchsorted([start, stop]).tolist()
        if first == last:
            return None
        if last - first == stop - start:
            return Own._make(each[:, first:last] for each in self._own)
        places = self.skus[first:last] - start
        shape = len(self._own.exists), stop - start
        spread = Own(
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.bool_),
            np.full(shape, NO_BOUND),
            np.zeros(shape, np.int64),
        )
        for to, each in zip(spread, self._own, strict=True):
            to[:, places] = each[:, first:last]
        return spread


def _sums(units: IntArray, first: IntArray) -> IntArray:
    """Return the sums of each SKU's columns."""
    if not len(first):
        return units
    sums: IntArray = np.add.reduceat(units, first, axis=1)
    return sums


def _firsts(skus: IntArray) -> IntArray:
    """Return where each SKU begins, of sorted ones."""
    return np.flatnonzero(np.diff(skus, prepend=-1))
