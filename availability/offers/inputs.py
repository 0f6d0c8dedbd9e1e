"""What an offer is computed from: the market, stock and promises of some SKUs."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from availability.errors import ChannelNotFound
from availability.model import IntArray, LocationId, Network, Sku, StockRecord
from availability.offers.bulk.arrays import PoolArrays
from availability.offers.bulk.layout import pools
from availability.offers.explain import explain_located
from availability.offers.explain_kit import Part, explain_kit
from availability.offers.market import Market, SkuStock
from availability.offers.offer import Offer
from availability.positions import Counts, Positions, promised_on
from availability.setup.channels import Allocation, FutureSupply
from availability.setup.setup import Kit, Setup

ItemT = TypeVar("ItemT", Allocation, FutureSupply)


NO_COUNTS: Mapping[str, Counts] = {}
"""Of a SKU without promises."""


class MarketIndex:
    """A market as it is set up, with all that is looked up by SKU.

    ``skus_with_promises`` are SKUs with an allocation or an expected receipt;
    ``stale_after_seconds`` is (L,), 0 where a count is trusted for ever.
    """

    def __init__(self, network: Network, setup: Setup) -> None:
        self.network = network
        self.setup = setup
        self.market = Market(network, tuple(setup.channels.values()), setup.book)
        self.allocations = _by_sku(setup.allocations.values())
        self.supplies = _by_sku(setup.supplies.values())
        stale_after = [each.stale_after_seconds for each in network.locations]
        self.stale_after_seconds: IntArray = np.array(stale_after, np.int64)
        self.skus_with_promises = self.allocations.keys() | self.supplies.keys()
        self._rows = {each: n for n, each in enumerate(setup.channels)}

    @functools.cached_property
    def pools(self) -> PoolArrays:
        """What feeds each channel, as arrays."""
        return pools(self.market)

    def is_configured(self, channel_ids: Iterable[str], sku: Sku) -> bool:
        """Tell whether the setup names a SKU, for all channels or one of these."""
        book = self.setup.book
        return (
            sku in self.setup.kits
            or sku in book.skus
            or sku in self.allocations
            or any((each, sku) in book.channel_skus for each in channel_ids)
        )

    def row(self, channel_id: str) -> int:
        """Return the place of a channel in the market.

        Raises
        ------
        ChannelNotFound
            It is not declared.
        """
        row = self._rows.get(channel_id)
        if row is None:
            raise ChannelNotFound(channel_id)
        return row


class Markets:
    """The market of the latest network and setup."""

    def __init__(self) -> None:
        self._known = MarketIndex(Network(()), Setup())

    def of(self, network: Network, setup: Setup) -> MarketIndex:
        """Return the market of these two."""
        known = self._known
        if known.network is not network or known.setup is not setup:
            known = self._known = MarketIndex(network, setup)
        return known


def _by_sku(items: Iterable[ItemT]) -> dict[Sku, list[ItemT]]:
    found: dict[Sku, list[ItemT]] = defaultdict(list)
    for each in items:
        found[each.sku].append(each)
    return dict(found)


def stock_of(
    market: MarketIndex, positions: Positions, sku: Sku, now_seconds: int
) -> SkuStock:
    """Return what is known of one of the SKUs.

    ``on_hand`` of its records is what is available: memory has no more.
    """
    row = positions.skus.index(sku)
    counted = positions.counted_seconds[row]
    units = positions.units[row]
    locations = positions.network.locations
    columns = np.flatnonzero(counted).tolist()
    records = tuple(
        StockRecord(locations[at].location_id, sku, int(units[at])) for at in columns
    )
    seconds = dict(zip(columns, counted[columns].tolist(), strict=True))
    stale = stale_ids(market, seconds, now_seconds)
    stock = SkuStock(sku, records, stale, version=positions.version)
    return with_promises(market, stock, positions.counts.get(sku, NO_COUNTS))


def kit_offer(
    market: MarketIndex,
    positions: Positions,
    channel_id: str,
    sku: Sku,
    now_seconds: int,
) -> Offer:
    """Return what a channel may be promised of a kit; its components are positions."""
    kit = market.setup.kits[sku]
    parts = {}
    for each in kit:
        stock = stock_of(market, positions, each.sku, now_seconds)
        parts[each.sku] = Part(
            *explain_located(market.market, stock, channel_id, now_seconds)
        )
    settings = market.market.book.resolve(channel_id, sku)
    return explain_kit(sku, kit, parts, settings, positions.version)


def stale_ids(
    market: MarketIndex, counted_seconds: Mapping[int, int], now_seconds: int
) -> frozenset[LocationId]:
    """Return the locations, given by column, whose count is not to be trusted."""
    return frozenset(
        market.network.locations[at].location_id
        for at, seconds in counted_seconds.items()
        if 0 < market.stale_after_seconds[at] < now_seconds - seconds
    )


def with_promises(
    market: MarketIndex, stock: SkuStock, counts: Mapping[str, Counts]
) -> SkuStock:
    """Add what is promised of a SKU, and set apart, and expected."""
    sku = stock.sku
    return SkuStock(
        sku,
        stock.records,
        stock.stale_ids,
        {
            channel_id: count.queued
            for channel_id, count in counts.items()
            if count.queued
        },
        tuple(consumed(each, counts) for each in market.allocations.get(sku, ())),
        tuple(market.supplies.get(sku, ())),
        stock.version,
    )


def consumed(each: Allocation, counts: Mapping[str, Counts]) -> Allocation:
    """Return an allocation with what its channels have consumed by now."""
    units = max(0, each.consumed_units + promised_on(counts, each.channel_ids))
    return each if units == each.consumed_units else replace(each, consumed_units=units)


def named_skus(setup: Setup, channel_id: str) -> Iterator[Sku]:
    """Yield the SKUs that the setup names, for all channels or this one.

    SKUs that are sold before they were ever in stock are known from there alone.
    """
    yield from setup.kits
    yield from setup.book.skus
    yield from (sku for at, sku in setup.book.channel_skus if at == channel_id)
    for each in setup.allocations.values():
        if channel_id in each.channel_ids:
            yield each.sku


def with_parts(skus: Sequence[Sku], kits: Mapping[Sku, Kit]) -> Sequence[Sku]:
    """Return SKUs, each once, with the components of the kits among them."""
    wanted = dict.fromkeys(skus)
    count = len(wanted)
    for kit in filter(None, map(kits.get, skus)) if kits else ():
        wanted |= dict.fromkeys(part.sku for part in kit)
    return skus if len(skus) == count == len(wanted) else list(wanted)
