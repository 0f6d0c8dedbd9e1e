"""Offers over the memory of a ledger, by `explain` or in bulk.

A market is built once for each network and setup; both are the same objects until
they change.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from availability.errors import ChannelNotFound, StockConflict
from availability.model import BoolArray, Clock, LocationId, Sku, StockRecord
from availability.offers.bulk.arrays import UNLIMITED, Offers
from availability.offers.bulk.compute import STATUSES, promise
from availability.offers.bulk.layout import offer_arrays, stock_arrays
from availability.offers.bulk.terms import terms
from availability.offers.explain import explain
from availability.offers.inputs import (
    NO_COUNTS,
    MarketIndex,
    Markets,
    kit_offer,
    named_skus,
    stale_ids,
    stock_of,
    with_parts,
    with_promises,
)
from availability.offers.market import SkuStock
from availability.offers.offer import Offer
from availability.positions import Positions
from availability.setup.setup import Setup
from availability.stock_grid import StockGrid

FEW = 8
"""Up to so many offers are computed one by one."""
MAX_READS = 100
"""Most attempts to read stock and setup of one moment."""
MAX_LOCATIONS = 10_000
"""Most records of one SKU that are explained."""


class Answer(NamedTuple):
    """What channels may be promised of some SKUs: rows and columns as asked.

    ``known_skus`` (S,): which of the SKUs have a record anywhere, or are named in
    the setup.
    """

    offers: Offers
    known_skus: BoolArray
    version: int


class OfferExplanation(NamedTuple):
    """An offer with its steps, and the records that the pool has of the SKU.

    ``stale_ids`` are the locations whose record counts as if it were missing. A kit
    has no records of its own.
    """

    offer: Offer
    records: tuple[StockRecord, ...]
    stale_ids: frozenset[LocationId]


class Page(Protocol):
    """Some stock records, of one version of the ledger."""

    @property
    def records(self) -> tuple[StockRecord, ...]:
        """The records."""
        ...

    @property
    def version(self) -> int:
        """The ledger's version when they were read."""
        ...


class PromisedStock(Protocol):
    """The part of a ledger that offers read."""

    def setup(self) -> Setup:
        """Return the setup of channels."""
        ...

    def grid(self) -> StockGrid:
        """Return the available units in memory."""
        ...

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return the stock and counts of some SKUs at one moment."""
        ...

    def stock(self, skus: Sequence[Sku], *, limit: int) -> Page:
        """Return records by SKU."""
        ...


class Offering:
    """What channels may be promised, over the memory of a ledger. Thread-safe."""

    def __init__(self, shelf: PromisedStock, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock
        self._markets = Markets()

    def offers(self, channel_ids: Sequence[str], skus: Sequence[Sku]) -> Answer:
        """Return what each channel may be promised of each SKU, kits among them.

        Raises
        ------
        ChannelNotFound
            One of the channels is not declared.
        """
        now_seconds = int(self._clock())
        positions = self._positions(skus)
        wanted, setup = positions.skus, positions.setup
        market = self._markets.of(positions.network, setup)
        rows = [market.row(each) for each in channel_ids]
        offers = _offers(market, positions, rows, now_seconds)
        counted = positions.counted_seconds
        if list(wanted) != list(skus):
            place = {sku: n for n, sku in enumerate(wanted)}
            columns = [place[sku] for sku in skus]
            offers = Offers._make(each[:, columns] for each in offers)
            counted = counted[columns]
        known = (counted != 0).any(axis=1)
        for column in np.flatnonzero(~known).tolist():
            known[column] = market.is_configured(channel_ids, skus[column])
        for column, sku in enumerate(skus if setup.kits else ()):
            if sku in setup.kits:
                for row, channel_id in enumerate(channel_ids):
                    each = kit_offer(market, positions, channel_id, sku, now_seconds)
                    _set(offers, (row, column), each)
        return Answer(offers, known, positions.version)

    def _positions(self, skus: Sequence[Sku]) -> Positions:
        """Return the positions of SKUs, and of the components of the kits among them.

        Raises
        ------
        StockConflict
            The setup changed between any two reads.
        """
        setup = self._shelf.setup()
        for _ in range(MAX_READS):
            positions = self._shelf.positions(with_parts(skus, setup.kits))
            if positions.setup is setup:
                return positions
            setup = positions.setup  # other kits may be among the SKUs now
        raise StockConflict(f"the setup changed during each of {MAX_READS} reads")

    def explain(self, channel_id: str, sku: Sku) -> OfferExplanation:
        """Return what a channel may be promised of a SKU, and why.

        Raises
        ------
        ChannelNotFound
            The channel is not declared.
        """
        now_seconds = int(self._clock())
        positions = self._positions([sku])
        market = self._markets.of(positions.network, positions.setup)
        market.row(channel_id)
        if sku in market.setup.kits:
            offer = kit_offer(market, positions, channel_id, sku, now_seconds)
            return OfferExplanation(offer, (), frozenset())
        page = self._shelf.stock([sku], limit=MAX_LOCATIONS)
        columns = market.network.index
        records = tuple(each for each in page.records if each.counted_seconds)
        seconds = {columns[each.location_id]: each.counted_seconds for each in records}
        stale = stale_ids(market, seconds, now_seconds)
        counts = positions.counts.get(sku, NO_COUNTS)
        stock = SkuStock(sku, records, stale, version=page.version)
        stock = with_promises(market, stock, counts)
        offer = explain(market.market, stock, channel_id, now_seconds)
        pool = market.market.pools[channel_id]
        fed = tuple(each for each in records if each.location_id in pool)
        return OfferExplanation(offer, fed, stale)

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs that have a record, or that the setup names.

        Raises
        ------
        ChannelNotFound
            The channel is not declared.
        """
        setup = self._shelf.setup()
        if channel_id not in setup.channels:
            raise ChannelNotFound(channel_id)
        found = dict.fromkeys(map(Sku, list(self._shelf.grid().rows)))
        return list(found | dict.fromkeys(named_skus(setup, channel_id)))


def _offers(
    market: MarketIndex, positions: Positions, rows: Sequence[int], now_seconds: int
) -> Offers:
    if len(rows) * len(positions.skus) <= FEW:
        return _one_by_one(market, positions, rows, now_seconds)
    stock = stock_arrays(
        positions.units,
        positions.counted_seconds,
        market.stale_after_seconds,
        now_seconds,
    )
    counts, skus_with_promises = positions.counts, market.skus_with_promises
    marked = skus_with_promises.intersection(positions.skus) | counts.keys()
    promises = [
        (n, with_promises(market, SkuStock(sku), counts.get(sku, NO_COUNTS)))
        for n, sku in enumerate(positions.skus if marked else ())
        if sku in marked
    ]
    of_skus = terms(market.market, positions.skus, now_seconds, rows)
    arrays = offer_arrays(
        market.market, stock, market.pools, of_skus, promises, now_seconds
    )
    return promise(arrays, rows)


def _one_by_one(
    market: MarketIndex, positions: Positions, rows: Sequence[int], now_seconds: int
) -> Offers:
    """Return the same, faster for a few: arrays take time to lay out."""
    offers = Offers.empty(len(rows), len(positions.skus))
    for column, sku in enumerate(positions.skus):
        stock = stock_of(market, positions, sku, now_seconds)
        for row, place in enumerate(rows):
            channel_id = market.market.channels[place].channel_id
            each = explain(market.market, stock, channel_id, now_seconds)
            _set(offers, (row, column), each)
    return offers


def _set(offers: Offers, at: tuple[int, int], each: Offer) -> None:
    """Put one offer into its place among many."""

    def number(units: int | None) -> int:
        return UNLIMITED if units is None else units

    offers.quantity_units[at] = number(each.quantity_units)
    offers.status[at] = STATUSES.index(each.status)
    offers.published[at] = each.published
    offers.known[at] = each.known
    offers.fixed[at] = each.fixed
    offers.declared[at] = each.declared
    offers.counted[at] = each.net_units is not None
    offers.net_units[at] = each.net_units or 0
    offers.max_orderable_units[at] = number(each.max_orderable_units)
    offers.single_location_units[at] = number(each.single_location_units)
    offers.available_from_seconds[at] = number(each.available_from_seconds)
    offers.backorder_notice[at] = each.backorder_notice
