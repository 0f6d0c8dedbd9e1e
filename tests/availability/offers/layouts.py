"""Arrays of a market made from the values of its SKUs, one by one."""

from collections.abc import Mapping, Sequence

import numpy as np

from availability.offers.bulk.arrays import OfferArrays, StockArrays
from availability.offers.bulk.layout import offer_arrays, pools
from availability.offers.bulk.terms import terms
from availability.offers.market import Market, SkuStock


def lay_out(
    market: Market, stocks: Sequence[SkuStock], now_seconds: int
) -> OfferArrays:
    """Return the arrays for these SKUs, in this order, on all channels.

    Records at locations that the network does not have are left out.
    """
    return offer_arrays(
        market,
        _stock(stocks, market.network.index),
        pools(market),
        terms(market, [stock.sku for stock in stocks], now_seconds),
        list(enumerate(stocks)),
        now_seconds,
    )


def _stock(stocks: Sequence[SkuStock], columns: Mapping[str, int]) -> StockArrays:
    rows = [
        (columns[each.location_id], each.available, each.location_id in stock.stale_ids)
        for stock in stocks
        for each in stock.records
        if each.location_id in columns
    ]
    counts = [
        sum(each.location_id in columns for each in stock.records) for stock in stocks
    ]
    locations, units, stale = np.array(rows, np.int64).reshape(-1, 3).T
    starts = np.zeros(len(stocks) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return StockArrays(starts, locations, units, stale.astype(np.bool_))
