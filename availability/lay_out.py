"""From values to arrays: the `World` of a market and of what is known of its SKUs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from availability.arrays import (
    NO_BOUND,
    NOT_GIVEN,
    AllocationArrays,
    PoolArrays,
    QueueArrays,
    RuleArrays,
    StockArrays,
    SupplyArrays,
    Terms,
    World,
)
from availability.channels import FULL_PERMILLE, Purpose, SupplyRule
from availability.market import Market, SkuStock
from availability.model import IntArray, Sku
from availability.settings import Backorders, Settings

_BACKORDERS = tuple(Backorders)

DEFAULTS = {
    "managed": 1,
    "backorders": 0,
    "out_of_stock_threshold_units": 0,
    "preorder_units": NOT_GIVEN,
    "release_seconds": NOT_GIVEN,
    "availability_threshold_units": 0,
    "publication_threshold_units": 0,
    "low_units": 0,
    "min_units": 1,
    "max_units": 0,
    "multiple_units": 1,
    "customer_units": NOT_GIVEN,
    "fixed_units": NOT_GIVEN,
    "share_permille": FULL_PERMILLE,
    "buffer_units": 0,
    "floor_units": 0,
}
"""What counts where nobody said anything: the defaults of `Effective`."""


def lay_out(market: Market, stocks: Sequence[SkuStock], now_seconds: int) -> World:
    """Return the arrays for these SKUs, in this order, on all channels.

    Records at locations that the network does not have are left out.
    """
    channels = {each.channel_id: at for at, each in enumerate(market.channels)}
    queue = [
        (channels[channel_id], sku, units)
        for sku, stock in enumerate(stocks)
        for channel_id, units in stock.queued_units.items()
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
        for sku, stock in enumerate(stocks)
        for each in stock.supplies
        if each.location_id in columns
    )
    sku, from_seconds, location, units = _columns(supplies, 4)
    return World(
        _stock(stocks, columns),
        _pools(market),
        terms(market, [stock.sku for stock in stocks], now_seconds),
        _allocations(stocks, channels),
        QueueArrays(*_columns(queue, 3)),
        SupplyArrays(sku, location, units, from_seconds),
        now_seconds,
    )


def _columns(rows: Sequence[tuple[int, ...]], count: int) -> IntArray:
    """Return (count, len(rows)): the rows turned on their side."""
    return np.array(rows, np.int64).reshape(-1, count).T


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
    locations, units, stale = _columns(rows, 3)
    starts = np.zeros(len(stocks) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return StockArrays(starts, locations, units, stale.astype(np.bool_))


def _pools(market: Market) -> PoolArrays:
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
    return PoolArrays(active, tuple(rules), sharing)


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
    stocks: Sequence[SkuStock], channels: Mapping[str, int]
) -> AllocationArrays:
    found = [
        (sku, each)
        for sku, stock in enumerate(stocks)
        for each in sorted(stock.allocations, key=lambda it: it.precedence)
        # Of channels that are gone, nothing is held back for.
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


def terms(market: Market, skus: Sequence[Sku], now_seconds: int) -> Terms:
    """Return what counts for these SKUs on all channels, level over level.

    A term that no level sets by SKU has one column, one that none sets by channel
    has one row: most markets say little, and a million SKUs are not multiplied.
    """
    book = market.book
    channel_at = {each.channel_id: at for at, each in enumerate(market.channels)}
    sku_at = {sku: at for at, sku in enumerate(skus)}
    shape = len(channel_at), len(sku_at)
    # From the widest level to the most specific: (row, column, values).
    said: list[tuple[int | None, int | None, dict[str, int]]] = [
        (None, None, _encode(book.everything, now_seconds))
    ]
    for channel_id, settings in book.channels.items():
        if channel_id in channel_at:
            said.append((channel_at[channel_id], None, _encode(settings, now_seconds)))
    for sku, settings in book.skus.items():
        if sku in sku_at:
            said.append((None, sku_at[sku], _encode(settings, now_seconds)))
    for (channel_id, sku), settings in book.channel_skus.items():
        if channel_id in channel_at and sku in sku_at:
            cell = channel_at[channel_id], sku_at[sku]
            said.append((*cell, _encode(settings, now_seconds)))
    by_channel = {name for row, _, values in said if row is not None for name in values}
    by_sku = {name for _, at, values in said if at is not None for name in values}
    arrays: dict[str, IntArray] = {
        name: np.full(
            (
                shape[0] if name in by_channel else 1,
                shape[1] if name in by_sku else 1,
            ),
            default,
            np.int64,
        )
        for name, default in DEFAULTS.items()
    }
    for row, column, values in said:
        for name, value in values.items():
            rows = slice(None) if row is None else row
            arrays[name][rows, slice(None) if column is None else column] = value
    return Terms(**arrays)


def _encode(settings: Settings, now_seconds: int) -> dict[str, int]:
    """Return the terms that are given at one level."""
    values: dict[str, int] = {}
    for name in DEFAULTS:
        value = getattr(settings, name, None)
        if isinstance(value, Backorders):
            values[name] = _BACKORDERS.index(value)
        elif value is not None:
            values[name] = int(value)
    if settings.customer_limit is not None:
        values["customer_units"] = settings.customer_limit.max_units
    if settings.preorders is not None:
        open_now = [each for each in settings.preorders if each.open_at(now_seconds)]
        values["preorder_units"] = open_now[0].left_units if open_now else NOT_GIVEN
        values["release_seconds"] = (
            open_now[0].release_seconds if open_now else NOT_GIVEN
        )
    return values
