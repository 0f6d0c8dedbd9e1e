"""From what a ledger has in memory to what `explain` and `promise` read.

A market is worked out once for each network and setup; both are the same objects
until they change.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from availability.arrays import UNLIMITED, BoolArray, Offers, PoolArrays
from availability.channels import Allocation, FutureSupply
from availability.errors import ChannelNotFound
from availability.explain import explain, explain_located
from availability.kit_offer import Part, explain_kit
from availability.lay_out import pools, stock_arrays, terms, world
from availability.market import Market, SkuStock
from availability.model import (
    Clock,
    IntArray,
    LocationId,
    Network,
    Sku,
    StockGrid,
    StockRecord,
)
from availability.offer import Offer
from availability.positions import Counts, Positions, promised_on
from availability.promise import STATUSES, promise
from availability.setup import Kit, Setup

FEW = 8
"""Up to so many offers are computed one by one."""
MAX_LOCATIONS = 10_000
"""Most records of one SKU that are explained."""

ItemT = TypeVar("ItemT", Allocation, FutureSupply)

_NO_COUNTS: Mapping[str, Counts] = {}


class SetMarket:
    """A market as it is set up, with all that is looked up by SKU.

    ``spoken_of`` are SKUs with an allocation or an expected receipt;
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
        self.spoken_of = self.allocations.keys() | self.supplies.keys()
        self._rows = {each: n for n, each in enumerate(setup.channels)}

    @functools.cached_property
    def pools(self) -> PoolArrays:
        """What feeds each channel, as arrays."""
        return pools(self.market)

    def names(self, channel_ids: Iterable[str], sku: Sku) -> bool:
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
    """The market of the network and the setup that were last seen."""

    def __init__(self) -> None:
        self._known = SetMarket(Network(()), Setup())

    def of(self, network: Network, setup: Setup) -> SetMarket:
        """Return the market of these two."""
        known = self._known
        if known.network is not network or known.setup is not setup:
            known = self._known = SetMarket(network, setup)
        return known


def _by_sku(items: Iterable[ItemT]) -> dict[Sku, list[ItemT]]:
    found: dict[Sku, list[ItemT]] = defaultdict(list)
    for each in items:
        found[each.sku].append(each)
    return dict(found)


def stock_of(
    market: SetMarket, positions: Positions, sku: Sku, now_seconds: int
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
    return with_promises(market, stock, positions.counts.get(sku, _NO_COUNTS))


def kit_offer(
    market: SetMarket,
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
    market: SetMarket, counted_seconds: Mapping[int, int], now_seconds: int
) -> frozenset[LocationId]:
    """Return the locations, given by column, whose count is not to be trusted."""
    return frozenset(
        market.network.locations[at].location_id
        for at, seconds in counted_seconds.items()
        if 0 < market.stale_after_seconds[at] < now_seconds - seconds
    )


def with_promises(
    market: SetMarket, stock: SkuStock, counts: Mapping[str, Counts]
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


class Answer(NamedTuple):
    """What channels may be promised of some SKUs: rows and columns as asked.

    ``known_skus`` (S,) tells which of the SKUs have a record anywhere, or are named in
    the setup.
    """

    offers: Offers
    known_skus: BoolArray
    version: int


class Explanation(NamedTuple):
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


class Shelf(Protocol):
    """What is read of a ledger."""

    def setup(self) -> Setup:
        """Return what is said about selling."""
        ...

    def grid(self) -> StockGrid:
        """Return the available units in memory."""
        ...

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs, all of one moment."""
        ...

    def stock(self, skus: Sequence[Sku], *, limit: int) -> Page:
        """Return records by SKU."""
        ...


class Offering:
    """What channels may be promised, over the memory of a ledger. Thread-safe."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
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
        setup = self._shelf.setup()
        wanted = _with_parts(skus, setup.kits)
        positions = self._shelf.positions(wanted)
        if positions.setup is not setup:
            return self.offers(channel_ids, skus)  # it changed in between
        market = self._markets.of(positions.network, setup)
        rows = [market.row(each) for each in channel_ids]
        offers = _offers(market, positions, rows, now_seconds)
        counted = positions.counted_seconds
        if wanted is not skus:
            place = {sku: n for n, sku in enumerate(wanted)}
            columns = [place[sku] for sku in skus]
            offers = Offers._make(each[:, columns] for each in offers)
            counted = counted[columns]
        known = (counted != 0).any(axis=1)
        for column in np.flatnonzero(~known).tolist():
            known[column] = market.names(channel_ids, skus[column])
        for column, sku in enumerate(skus if setup.kits else ()):
            if sku in setup.kits:
                for row, channel_id in enumerate(channel_ids):
                    each = kit_offer(market, positions, channel_id, sku, now_seconds)
                    _set(offers, (row, column), each)
        return Answer(offers, known, positions.version)

    def explain(self, channel_id: str, sku: Sku) -> Explanation:
        """Return what a channel may be promised of a SKU, and why.

        Raises
        ------
        ChannelNotFound
            The channel is not declared.
        """
        now_seconds = int(self._clock())
        kit = self._shelf.setup().kits.get(sku, ())
        skus = list(dict.fromkeys([sku, *(part.sku for part in kit)]))
        positions = self._shelf.positions(skus)
        market = self._markets.of(positions.network, positions.setup)
        market.row(channel_id)
        if sku in market.setup.kits:
            offer = kit_offer(market, positions, channel_id, sku, now_seconds)
            return Explanation(offer, (), frozenset())
        page = self._shelf.stock([sku], limit=MAX_LOCATIONS)
        columns = market.network.index
        records = tuple(each for each in page.records if each.counted_seconds)
        seconds = {columns[each.location_id]: each.counted_seconds for each in records}
        stale = stale_ids(market, seconds, now_seconds)
        counts = positions.counts.get(sku, _NO_COUNTS)
        stock = SkuStock(sku, records, stale, version=page.version)
        stock = with_promises(market, stock, counts)
        offer = explain(market.market, stock, channel_id, now_seconds)
        pool = market.market.pools[channel_id]
        fed = tuple(each for each in records if each.location_id in pool)
        return Explanation(offer, fed, stale)

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


def named_skus(setup: Setup, channel_id: str) -> Iterator[Sku]:
    """Yield the SKUs that something is said about, for all channels or this one.

    What is sold before it was ever in stock is known from there alone.
    """
    yield from setup.kits
    yield from setup.book.skus
    yield from (sku for at, sku in setup.book.channel_skus if at == channel_id)
    for each in setup.allocations.values():
        if channel_id in each.channel_ids:
            yield each.sku


def _with_parts(skus: Sequence[Sku], kits: Mapping[Sku, Kit]) -> Sequence[Sku]:
    """Return SKUs, each once, with the components of the kits among them."""
    wanted = dict.fromkeys(skus)
    for kit in filter(None, map(kits.get, skus)) if kits else ():
        wanted |= dict.fromkeys(part.sku for part in kit)
    return skus if len(wanted) == len(skus) else list(wanted)


def _offers(
    market: SetMarket, positions: Positions, rows: Sequence[int], now_seconds: int
) -> Offers:
    if len(rows) * len(positions.skus) <= FEW:
        return _one_by_one(market, positions, rows, now_seconds)
    stock = stock_arrays(
        positions.units,
        positions.counted_seconds,
        market.stale_after_seconds,
        now_seconds,
    )
    counts, spoken_of = positions.counts, market.spoken_of
    marked = spoken_of.intersection(positions.skus) | counts.keys()
    promises = [
        (n, with_promises(market, SkuStock(sku), counts.get(sku, _NO_COUNTS)))
        for n, sku in enumerate(positions.skus if marked else ())
        if sku in marked
    ]
    of_skus = terms(market.market, positions.skus, now_seconds, rows)
    all_of_it = world(
        market.market, stock, market.pools, of_skus, promises, now_seconds
    )
    return promise(all_of_it, rows)


def _one_by_one(
    market: SetMarket, positions: Positions, rows: Sequence[int], now_seconds: int
) -> Offers:
    """Return the same, sooner for a few: arrays take their time to be laid out."""
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
    offers.counted[at] = each.net_units is not None
    offers.net_units[at] = each.net_units or 0
    offers.max_orderable_units[at] = number(each.max_orderable_units)
    offers.single_location_units[at] = number(each.single_location_units)
    offers.available_from_seconds[at] = number(each.available_from_seconds)
    offers.backorder_notice[at] = each.backorder_notice
