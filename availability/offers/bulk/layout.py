"""From values to arrays: the `OfferArrays` of a market and its SKUs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from availability.model import IntArray
from availability.offers.bulk.arrays import (
    NO_BOUND,
    AllocationArrays,
    OfferArrays,
    PoolArrays,
    QueueArrays,
    RuleArrays,
    StockArrays,
    SupplyArrays,
    TermArrays,
)
from availability.offers.market import Market, SkuStock
from availability.setup.channels import Purpose, SupplyRule


def offer_arrays(
    market: Market,
    stock: StockArrays,
    pool: PoolArrays,
    counts: TermArrays,
    promises: Sequence[tuple[int, SkuStock]],
    now_seconds: int,
) -> OfferArrays:
    """Put arrays together from stock, pools, terms and promises.

    ``promises`` have the queues, allocations and receipts of some SKUs, each with its
    place among those of ``stock``, in order; their records are not read.
    """
    channels = {each.channel_id: at for at, each in enumerate(market.channels)}
    queue = [
        (channels[channel_id], sku, units)
        for sku, each in promises
        for channel_id, units in each.queued_units.items()
        if channel_id in channels
    ]
    columns = market.network.index
    supplies = sorted(
        (
            sku,
            each.available_from_seconds,
            columns[each.location_id],
            each.quantity_units,
        )
        for sku, known in promises
        for each in known.supplies
        if each.location_id in columns
    )
    sku, from_seconds, location, units = _columns(supplies, 4)
    return OfferArrays(
        stock,
        pool,
        counts,
        _allocations(promises, channels),
        QueueArrays(*_columns(queue, 3)),
        SupplyArrays(sku, location, units, from_seconds),
        now_seconds,
    )


def _columns(rows: Sequence[tuple[int, ...]], count: int) -> IntArray:
    """Return (count, len(rows)): the rows turned on their side."""
    return np.array(rows, np.int64).reshape(-1, count).T


def stock_arrays(
    units: IntArray,
    counted_seconds: npt.NDArray[np.int32],
    stale_after_seconds: IntArray,
    now_seconds: int,
) -> StockArrays:
    """Return the stock records of a grid, in the order of its rows.

    Parameters
    ----------
    units
        (S, L) available units; below 0 counts as 0.
    counted_seconds
        (S, L) when each was counted, in seconds since the epoch; 0: no record.
    stale_after_seconds
        (L,) the age beyond which a record is stale; 0: never.
    now_seconds
        The instant from which ages are counted.
    """
    cells = np.flatnonzero(counted_seconds != 0)
    skus, locations = np.divmod(cells, max(1, units.shape[1]))
    starts = np.searchsorted(skus, np.arange(len(units) + 1))
    limits = stale_after_seconds[locations]
    ages = now_seconds - counted_seconds.ravel()[cells].astype(np.int64)
    return StockArrays(
        starts,
        locations,
        np.maximum(units.ravel()[cells], 0),
        (limits > 0) & (ages > limits),
    )


def pools(market: Market) -> PoolArrays:
    """Return what feeds each channel: it changes only when the market does."""
    locations = market.network.locations
    rules = []
    for channel in market.channels:
        owner = np.full(len(locations), -1, np.int64)
        for location_id, rule in market.pools[channel.channel_id].items():
            owner[market.network.index[location_id]] = rule
        rules.append(RuleArrays(owner, *_columns(_numbers(channel.ranked_rules), 5)))
    feeds = np.array([each.owner >= 0 for each in rules], np.bool_)
    feeds = feeds.reshape(len(rules), len(locations))
    sharing = np.any(feeds[:, None, :] & feeds[None, :, :], axis=2)
    sharing = sharing | np.eye(len(rules), dtype=np.bool_)
    active = np.array([each.active for each in locations], np.bool_)
    minutes = np.array([each.lead_time_minutes for each in locations], np.int64)
    return PoolArrays(active, tuple(rules), sharing, np.maximum(minutes, 0))


def _numbers(rules: Iterable[SupplyRule]) -> list[tuple[int, ...]]:
    return [
        (
            each.min_units,
            NO_BOUND if each.max_units is None else each.max_units,
            each.share_permille,
            each.threshold_units,
            each.min_locations,
        )
        for each in rules
    ]


def _allocations(
    promises: Sequence[tuple[int, SkuStock]], channels: Mapping[str, int]
) -> AllocationArrays:
    found = [
        (sku, each)
        for sku, stock in promises
        for each in sorted(stock.allocations, key=lambda it: it.precedence)
        # Nothing is held back for channels that were removed.
        if not each.channel_ids or not each.channel_ids.isdisjoint(channels)
    ]
    members = np.zeros((len(found), len(channels)), np.bool_)
    following = np.zeros_like(members)
    for row, (_, each) in enumerate(found):
        members[row, [channels[it] for it in each.channel_ids if it in channels]] = True
        following[row, [channels[it] for it in each.following if it in channels]] = True
    rows = [
        (sku, each.remaining_units, each.purpose is Purpose.RESERVE, each.stops)
        for sku, each in found
    ]
    skus, remaining_units, reserves, stops = _columns(rows, 4)
    return AllocationArrays(
        skus,
        remaining_units,
        reserves.astype(np.bool_),
        stops.astype(np.bool_),
        members,
        following,
    )
