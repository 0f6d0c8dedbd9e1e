"""Sums over the records of a block of SKUs."""

import numpy as np
import pytest

from availability.offers.bulk.arrays import StockArrays
from availability.offers.bulk.block_stock import BlockStock


@pytest.mark.parametrize("most", [5, 32_767, 32_768, 40_000])
def test_each_sku_has_its_own_sum_however_many_records(most: int) -> None:
    counts = [3, most]
    columns = np.concatenate([np.arange(count) for count in counts])
    starts = np.cumsum([0, *counts])
    units = np.ones(len(columns), np.int64)
    stock = StockArrays(starts, columns, units, np.zeros(len(columns), bool))

    block = BlockStock(stock, columns, 0, len(counts))
    sums = block.in_place(block.reduce(np.add, block.available_units[None, :], 0))

    assert sums.tolist() == [counts]
