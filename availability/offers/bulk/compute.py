"""What every channel may be promised of every SKU: arrays in, arrays out.

The formulas of `explain`, which is their specification, for all channels and a
block of SKUs at once. Nothing here loops over SKUs or records. All sums are of
integers, so that no order of adding can change a number.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from availability.offers.bulk.arrays import OfferArrays, Offers
from availability.offers.bulk.block_stock import BlockStock, record_columns
from availability.offers.bulk.columns import STATUSES, fill
from availability.offers.bulk.receipts import Expected
from availability.offers.bulk.reserves import Owned, QueuedUnits
from availability.offers.bulk.rules import BlockRules
from availability.offers.bulk.supply import PoolTables
from availability.offers.bulk.terms import GivenTerms

__all__ = ["STATUSES", "Promiser", "promise"]

BLOCK_SKUS = 4096
"""Enough that numpy's calls cost little, few enough that a block stays in the cache."""


def promise(arrays: OfferArrays, channels: Sequence[int] | None = None) -> Offers:
    """Return what the channels may be promised of every SKU: a row for each asked.

    ``channels`` are places in the market, each once; None is all. Queues, reserves and
    shared pools come from all channels.

    Raises
    ------
    ValueError
        There are no channels.
    """
    promiser = Promiser(arrays, channels)
    offers = Offers.empty(promiser.channel_count, arrays.stock.sku_count)
    promiser.fill(offers)
    return offers


def _keep_what_is_freed() -> None:
    """Have the C library keep freed memory, which the next step asks for again.

    glibc returns to the system whatever is larger than the largest mapped chunk that
    was freed so far (up to 32 MiB), and the system clears each page again: that takes
    longer than the computation. Elsewhere it does nothing.
    """
    np.empty(3 << 20, np.int64)


class Promiser:
    """Arrays made ready: what all SKUs share is computed once."""

    def __init__(
        self,
        arrays: OfferArrays,
        channels: Sequence[int] | None = None,
        block_skus: int = BLOCK_SKUS,
    ) -> None:
        pools = arrays.pools
        channels = range(len(pools.rules)) if channels is None else channels
        if not channels:
            raise ValueError("there are no channels")
        channels = list(channels)
        self.channel_count = len(channels)
        self._stock = arrays.stock
        self._block_skus = block_skus
        self._columns = record_columns(arrays.stock, len(pools.active))
        self._pools = PoolTables(pools, channels)
        self._queued = QueuedUnits(arrays.queue, pools, channels)
        self._owned = Owned(arrays.allocations, pools, channels)
        self._expected = Expected(arrays.supplies, pools, channels, arrays.now_seconds)
        self._terms = GivenTerms(arrays.terms, channels)

    def fill(self, offers: Offers, threads: int = 1) -> None:
        """Write the offers of all SKUs, blocks of them in several threads at once.

        numpy lets others run while it computes; each block has its own part of the
        offers.
        """
        _keep_what_is_freed()
        count = self._stock.sku_count
        starts = range(0, count, self._block_skus)

        def block(start: int) -> None:
            self.fill_block(offers, start, min(start + self._block_skus, count))

        if threads < 2 or len(starts) < 2:
            for start in starts:
                block(start)
            return
        with ThreadPoolExecutor(threads) as pool:
            # Reads the results, so that an exception in a thread is raised here.
            for _ in pool.map(block, starts):
                pass

    def fill_block(self, offers: Offers, start: int, stop: int) -> None:
        """Write the offers of some SKUs, as ``stock`` has their units now."""
        skus = slice(start, stop)
        pooled = self._pools.pool(BlockStock(self._stock, self._columns, start, stop))
        # 3: what is promised from the pool and has no location yet.
        queued = self._queued.block(start, stop)
        if queued is not None:
            pooled.units[:, queued.places] -= queued.units
        block = BlockRules(
            self._terms.block(skus),
            queued,
            self._owned.block(start, stop),
            self._expected,
            skus,
        )
        fill(offers.of(skus), pooled, block)
