"""From values to arrays: the `OfferArrays` of a market and its SKUs."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from availability.model import IntArray, Sku
from availability.offers.bulk.arrays import (
    NO_BOUND,
    NOT_GIVEN,
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
from availability.setup.channels import FULL_PERMILLE, Purpose, SupplyRule
from availability.setup.settings import FIELDS, Backorders, Settings

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


TERMS = DEFAULTS | {"preorder_common": 0, "floor_declared": 0}
"""Every term, and what counts where nobody said anything."""


def lay_out(
    market: Market, stocks: Sequence[SkuStock], now_seconds: int
) -> OfferArrays:
    """Return the arrays for these SKUs, in this order, on all channels.

    Records at locations that the network does not have are left out.
    """
    return world(
        market,
        _stock(stocks, market.network.index),
        pools(market),
        terms(market, [stock.sku for stock in stocks], now_seconds),
        list(enumerate(stocks)),
        now_seconds,
    )


def world(
    market: Market,
    stock: StockArrays,
    pool: PoolArrays,
    counts: TermArrays,
    promises: Sequence[tuple[int, SkuStock]],
    now_seconds: int,
) -> OfferArrays:
    """Put a world together from stock, pools and terms, and what was promised.

    ``promises`` are what is queued, set apart and expected of some SKUs, each with
    its place among those of ``stock``, in order; their records are not read.
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


def terms(
    market: Market,
    skus: Sequence[Sku],
    now_seconds: int,
    channels: Sequence[int] | None = None,
) -> TermArrays:
    """Return what counts for these SKUs, each named once, level over level.

    A term that no level sets by SKU has one column, one that none sets by channel
    has one row: most markets say little, and a million SKUs are not multiplied.
    The rows are of ``channels``, places in the market (None: all). Takes a look for
    each SKU, and one for each (channel, SKU) if anything is said about any.
    """
    book = market.book
    places = range(len(market.channels)) if channels is None else channels
    names = [market.channels[at].channel_id for at in places]
    everything = _TermColumns.of([book.everything], now_seconds, common=True)
    by_channel = _TermColumns.of(map(book.channels.get, names), now_seconds)
    its = map(book.skus.get, skus) if book.skus else []
    by_sku = _TermColumns.of(its, now_seconds, common=True)
    cells, rows, columns = _cells(book.channel_skus, names, skus)
    by_cell = _TermColumns.of(cells, now_seconds)
    arrays: dict[str, IntArray] = {}
    for name, default in TERMS.items():
        shape = (
            len(names) if name in by_channel.values or name in by_cell.values else 1,
            len(skus) if name in by_sku.values or name in by_cell.values else 1,
        )
        value = everything.values[name][0] if name in everything.values else default
        array = np.full(shape, value, np.int64)
        if name in by_channel.values:
            values, given = by_channel.of_all(name)
            np.copyto(array, values[:, None], where=given[:, None])
        if name in by_sku.values:
            values, given = by_sku.of_all(name)
            np.copyto(array, values, where=given)
        if name in by_cell.values:
            values, given = by_cell.of_all(name)
            array[rows[given], columns[given]] = values[given]
        arrays[name] = array
    return TermArrays(**arrays, channels=None if channels is None else tuple(channels))


def _cells(
    said: Mapping[tuple[str, Sku], Settings], names: Sequence[str], skus: Sequence[Sku]
) -> tuple[list[Settings], IntArray, IntArray]:
    """Return what is said about a SKU on a channel, with the row and the column."""
    settings: list[Settings] = []
    places: list[int] = []
    # Looking all up is faster than walking, for as many.
    if 2 * len(said) < len(names) * len(skus):
        rows = {name: at * len(skus) for at, name in enumerate(names)}
        columns = {sku: at for at, sku in enumerate(skus)} if said else {}
        for (name, sku), each in said.items():
            if name in rows and sku in columns:
                settings.append(each)
                places.append(rows[name] + columns[sku])
    else:
        found = map(said.get, product(names, skus))
        for place, cell in enumerate(found):
            if cell is not None:
                settings.append(cell)
                places.append(place)
    at_rows, at_columns = np.divmod(np.array(places, np.int64), max(1, len(skus)))
    return settings, at_rows, at_columns


class _TermColumns:
    """What is said at many places, each distinct object of settings looked at once.

    ``values`` has, by term, the value in each of the objects, and ``given`` whether
    it has one; ``objects`` is which object each place has.
    """

    def __init__(self, objects: IntArray) -> None:
        self.objects = objects
        self.values: dict[str, IntArray] = {}
        self.given: dict[str, npt.NDArray[np.bool_]] = {}

    @classmethod
    def of(
        cls,
        places: Iterable[Settings | None],
        now_seconds: int,
        *,
        common: bool = False,
    ) -> "_TermColumns":
        """Look at what is said at each place, None is nothing.

        ``common`` is whether it is said for all channels together.
        """
        settings = list(places)
        ids = np.fromiter(map(id, settings), np.int64, len(settings))
        _, first, objects = np.unique(ids, return_index=True, return_inverse=True)
        said = cls(objects)
        for at, place in enumerate(first.tolist()):
            its = settings[place]
            values = {} if its is None else _encode(its, now_seconds, common)
            for name, value in values.items():
                if name not in said.values:
                    said.values[name] = np.zeros(len(first), np.int64)
                    said.given[name] = np.zeros(len(first), np.bool_)
                said.values[name][at] = value
                said.given[name][at] = True
        return said

    def of_all(self, name: str) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """Return, for each place, the value of a term and whether it has one."""
        return self.values[name][self.objects], self.given[name][self.objects]


_SAID_AS_IT_IS = tuple(
    name for name in DEFAULTS if name in FIELDS and name != "backorders"
)
_values_of = attrgetter(*_SAID_AS_IT_IS)


def _encode(settings: Settings, now_seconds: int, common: bool) -> dict[str, int]:
    """Return the terms that are given at one level."""
    values = {
        name: int(value)
        for name, value in zip(_SAID_AS_IT_IS, _values_of(settings), strict=True)
        if value is not None
    }
    if settings.backorders is not None:
        values["backorders"] = _BACKORDERS.index(settings.backorders)
    if settings.floor_units is not None:
        values["floor_declared"] = 1
    if settings.customer_limit is not None:
        values["customer_units"] = settings.customer_limit.max_units
    if settings.preorders is not None:
        open_now = [each for each in settings.preorders if each.open_at(now_seconds)]
        values["preorder_common"] = int(common)
        values["preorder_units"] = open_now[0].left_units if open_now else NOT_GIVEN
        values["release_seconds"] = (
            open_now[0].release_seconds if open_now else NOT_GIVEN
        )
    return values
