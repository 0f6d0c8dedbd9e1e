"""The stock records of a block of SKUs, and how each SKU's are put together."""

import numpy as np

from availability.model import IntArray
from availability.offers.bulk.arrays import StockArrays


class BlockStock:
    """The records of some SKUs, laid out to be added up without a loop over SKUs.

    First one record of every SKU that has any, then a second of those that have
    two, and so on: with the SKUs in order of how many they have, each layer is a
    slice that is added to the front of the sums.
    """

    def __init__(
        self, stock: StockArrays, columns: IntArray, start: int, stop: int
    ) -> None:
        self.sku_count = stop - start
        self._layers: list[tuple[int, slice]] = []
        self._places: IntArray | None = None
        first = stock.starts[start : stop + 1]
        at = slice(*first.tolist()) if self.sku_count == 1 else self._lay(first)
        self.columns = columns[at]
        self.available_units = stock.available_units[at]

    def _lay(self, first: IntArray) -> IntArray:
        """Return the records layer by layer; layers are (SKUs, slice)."""
        counts = np.diff(first)
        # Of 16 bits where they fit, so that it is sorted by counting.
        fits = counts.max(initial=0) <= np.iinfo(np.int16).max
        depths = -counts.astype(np.int16) if fits else -counts
        order = np.argsort(depths, kind="stable")
        self._places = np.empty_like(order)
        self._places[order] = np.arange(len(order))
        starts = first[order]
        having = len(order) - np.cumsum(np.bincount(counts))[:-1]
        ends = np.cumsum(having).tolist()
        self._layers = [
            (count, slice(end - count, end))
            for count, end in zip(having.tolist(), ends, strict=True)
        ]
        found = [starts[:count] + at for at, count in enumerate(having)]
        return np.concatenate(found) if found else starts[:0]

    def reduce(self, ufunc: np.ufunc, values: IntArray, initial: int) -> IntArray:
        """Return (rows, B): each SKU's columns of ``values`` put together.

        The SKUs are in the order that `in_place` puts right.
        """
        if self._places is None:
            one: IntArray = ufunc.reduce(values, axis=1, keepdims=True, initial=initial)
            return one
        found = np.full((len(values), self.sku_count), initial, values.dtype)
        for count, part in self._layers:
            its = found[:, :count]
            ufunc(its, values[:, part], out=its)
        return found

    def in_place(self, values: IntArray) -> IntArray:
        """Return what `reduce` made, each SKU where the block has it."""
        return values if self._places is None else values.take(self._places, axis=1)


def record_columns(stock: StockArrays, location_count: int) -> IntArray:
    """Return the column of each record in the tables: (N,)."""
    return stock.locations + np.where(stock.stale, location_count, 0)
