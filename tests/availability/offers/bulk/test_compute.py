"""`promise` says for everything at once what `explain` says for each."""

import dataclasses
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from availability.model import (
    Location,
    LocationId,
    LocationKind,
    Network,
    Sku,
    StockRecord,
)
from availability.offers.bulk import terms as bulk_terms
from availability.offers.bulk.arrays import Offers
from availability.offers.bulk.compute import Promiser, promise
from availability.offers.bulk.layout import stock_arrays
from availability.offers.bulk.terms import terms
from availability.offers.explain import explain
from availability.offers.market import Market, SkuStock
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
)
from availability.setup.settings import (
    Backorders,
    CustomerLimit,
    Preorder,
    Settings,
    SettingsBook,
)
from tests.availability.offers.layouts import lay_out
from tests.availability.offers.worlds import NOW_SECONDS, check, flat, plain

PLACES = [LocationId(each) for each in ("l0", "l1", "l2")]
SKUS = [Sku(each) for each in ("s0", "s1", "s2")]
CHANNELS = ["c0", "c1", "c2"]
GROUPS = ["city", "mall"]

few = st.integers(0, 6)
some = st.frozensets(st.sampled_from(CHANNELS), max_size=2)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly nothing: with everything at once a number is seldom left to compare."""
    return st.one_of(st.none(), st.none(), st.none(), values)


rules = st.builds(
    SupplyRule,
    rank=st.integers(1, 2),
    kinds=st.frozensets(st.sampled_from(list(LocationKind)[:2]), max_size=1),
    groups=st.frozensets(st.sampled_from(GROUPS), max_size=1),
    include_ids=st.frozensets(st.sampled_from(PLACES), max_size=2),
    exclude_ids=st.frozensets(st.sampled_from(PLACES), max_size=1),
    min_units=st.integers(0, 3),
    max_units=maybe(st.integers(3, 9)),
    share_permille=st.sampled_from([0, 333, 500, 1000, 1000]),
    threshold_units=st.sampled_from([0, 0, 3]),
    min_locations=st.sampled_from([0, 0, 1, 2]),
)
said = st.builds(
    Settings,
    managed=maybe(st.booleans()),
    backorders=maybe(st.sampled_from(Backorders)),
    out_of_stock_threshold_units=maybe(st.integers(-8, 4)),
    preorders=maybe(
        st.lists(
            st.builds(
                Preorder,
                few,
                st.integers(NOW_SECONDS - 1, NOW_SECONDS + 2),
                st.sampled_from([0, NOW_SECONDS, NOW_SECONDS + 1]),
                few,
            ),
            max_size=2,
        ).map(tuple)
    ),
    availability_threshold_units=maybe(few),
    publication_threshold_units=maybe(few),
    low_units=maybe(few),
    min_units=maybe(st.integers(1, 3)),
    max_units=maybe(few),
    multiple_units=maybe(st.integers(1, 3)),
    customer_limit=maybe(st.builds(CustomerLimit, few, st.just(60))),
    fixed_units=maybe(few),
    share_permille=maybe(st.sampled_from([0, 500, 1000])),
    buffer_units=maybe(few),
    floor_units=maybe(few),
)


def locations() -> st.SearchStrategy[tuple[Location, ...]]:
    return st.tuples(
        *(
            st.builds(
                Location,
                st.just(each),
                kind=st.sampled_from(list(LocationKind)[:2]),
                active=st.sampled_from([True, True, False]),
                groups=st.frozensets(st.sampled_from(GROUPS), max_size=1),
                channel_ids=st.one_of(st.just(frozenset()), some),
                lead_time_minutes=st.sampled_from([0, 0, 0, 0, 1, 90]),
            )
            for each in PLACES
        )
    )


def markets() -> st.SearchStrategy[Market]:
    channels = st.tuples(
        *(
            st.builds(Channel, st.just(each), st.lists(rules, max_size=2).map(tuple))
            for each in CHANNELS
        )
    )
    books = st.builds(
        SettingsBook,
        said,
        st.dictionaries(st.sampled_from(CHANNELS), said, max_size=2),
        st.dictionaries(st.sampled_from(SKUS), said, max_size=2),
        st.dictionaries(
            st.tuples(st.sampled_from(CHANNELS), st.sampled_from(SKUS)),
            said,
            max_size=2,
        ),
    )
    return st.builds(Market, locations().map(Network.of), channels, books)


def stocks(sku: Sku) -> st.SearchStrategy[SkuStock]:
    units = st.one_of(st.integers(0, 12), st.integers(0, 12), st.just(10**12))
    records = st.lists(
        st.builds(StockRecord, st.sampled_from(PLACES), st.just(sku), units, few, few),
        max_size=3,
        unique_by=lambda each: each.location_id,
    )
    allocations = st.lists(
        st.tuples(
            st.sampled_from([0, 2, 4, 9]),
            st.sampled_from(Purpose),
            some,
            some,
            st.sampled_from([0, 0, 2]),
            st.integers(1, 2),
        ),
        max_size=3,
    ).map(
        lambda rows: tuple(
            Allocation(str(at), sku, n, purpose, its, its & follow, used, rank, at)
            for at, (n, purpose, its, follow, used, rank) in enumerate(rows)
        )
    )
    supplies = st.lists(
        st.builds(
            FutureSupply,
            st.sampled_from(PLACES),
            st.just(sku),
            st.integers(1, 9),
            st.integers(NOW_SECONDS, NOW_SECONDS + 3),
        ),
        max_size=3,
    ).map(tuple)
    return st.builds(
        SkuStock,
        st.just(sku),
        records.map(tuple),
        st.one_of(
            st.just(frozenset()), st.frozensets(st.sampled_from(PLACES), max_size=3)
        ),
        st.dictionaries(st.sampled_from(CHANNELS), few, max_size=2),
        allocations,
        supplies,
    )


def as_large_blocks() -> AbstractContextManager[Any]:
    """Have blocks of a few SKUs computed as those of thousands are."""
    return mock.patch.object(bulk_terms, "SMALL_SKUS", 0)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(markets(), st.tuples(*(stocks(each) for each in SKUS)))
def test_promise_is_explain(market: Market, known: tuple[SkuStock, ...]) -> None:
    world = lay_out(market, known, NOW_SECONDS)
    offers = promise(world)
    with as_large_blocks():
        large = promise(world)

    for row, channel_id in enumerate(CHANNELS):
        for column, stock in enumerate(known):
            offer = explain(market, stock, channel_id, NOW_SECONDS)
            check(offer)
            assert flat(offers, row, column) == plain(offer)
            assert flat(large, row, column) == plain(offer)
            for units in range(1, 15):
                passes = offer.refusal(units) is None
                most = offer.max_orderable_units
                assert passes <= (most is None or units <= most)
                assert passes or units != most


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    markets(),
    st.tuples(*(stocks(each) for each in SKUS)),
    st.lists(st.integers(0, len(CHANNELS) - 1), min_size=1, unique=True),
    st.integers(1, 2),
)
def test_some_channels_in_blocks_and_one_by_one(
    market: Market, known: tuple[SkuStock, ...], channels: list[int], block_skus: int
) -> None:
    """Neither what is asked together nor in which portions changes a number."""
    world = lay_out(market, known, NOW_SECONDS)
    whole = promise(world)
    its = dataclasses.replace(world, terms=terms(market, SKUS, NOW_SECONDS, channels))
    part = promise(its, channels)
    blocks, one_by_one = (Offers.empty(len(channels), len(SKUS)) for _ in range(2))
    Promiser(world, channels, block_skus).fill(blocks, threads=1 + block_skus)
    promiser = Promiser(world, channels)
    for sku in range(len(SKUS)):
        promiser.fill_block(one_by_one, sku, sku + 1)

    right = [each[channels].tolist() for each in whole.columns]
    for offers in (part, blocks, one_by_one):
        assert [each.tolist() for each in offers.columns] == right


def test_more_pools_than_bits_in_a_word() -> None:
    """Each channel is fed by a location of its own, and knows only of that."""
    names = [f"c{at:03}" for at in range(150)]
    places = [Location(LocationId(f"l{each}")) for each in names]
    market = Market(
        Network.of(places),
        tuple(
            Channel(name, (SupplyRule(include_ids=frozenset({each.location_id})),))
            for name, each in zip(names, places, strict=True)
        ),
    )
    records = [
        StockRecord(each.location_id, SKUS[0], at)
        for at, each in enumerate(places)
        if at % 3
    ]

    offers = promise(lay_out(market, [SkuStock(SKUS[0], tuple(records))], NOW_SECONDS))

    assert offers.known[:, 0].tolist() == [at % 3 > 0 for at in range(150)]
    assert offers.quantity_units[:, 0].tolist() == [
        at if at % 3 else 0 for at in range(150)
    ]


def test_stock_of_a_grid() -> None:
    """0 is no record; a count is stale when it is older than the location's limit."""
    seconds = [[0, 900, 1], [0, 0, 0], [899, 900, 0]]
    units = [[9, 8, 7], [6, 5, 4], [3, -2, 1]]

    stock = stock_arrays(
        np.array(units),
        np.array(seconds, np.int32),
        np.array([100, 100, 0]),
        NOW_SECONDS,
    )

    assert stock.starts.tolist() == [0, 2, 2, 4]
    assert stock.locations.tolist() == [1, 2, 0, 1]
    assert stock.available_units.tolist() == [8, 7, 3, 0]
    assert stock.stale.tolist() == [False, False, True, False]


def test_terms_of_some_skus_cost_nothing_for_others() -> None:
    """Neither all that is said is looked at, nor one object of settings twice."""
    shared = Settings(low_units=4)

    class Book(dict[Any, Settings]):
        """One that cannot be walked through."""

        def __iter__(self) -> Any:
            raise AssertionError("walked through")

        items = values = keys = __iter__

    skus = [Sku(f"s{at}") for at in range(1_000)]
    cells = {("c1", sku): shared for sku in skus}
    book = SettingsBook(skus=Book.fromkeys(skus, shared), channel_skus=Book(cells))
    market = Market(Network.of([]), tuple(map(Channel, CHANNELS)), book)

    its = terms(market, skus[:2], NOW_SECONDS)

    assert its.low_units.tolist() == [[4, 4]] * 3
    assert terms(market, skus[:2], NOW_SECONDS, [1]).low_units.tolist() == [[4, 4]]


def test_terms_are_of_the_channels_that_are_asked() -> None:
    book = SettingsBook(channels={"c1": Settings(buffer_units=2)})
    market = Market(Network.of([]), tuple(map(Channel, CHANNELS)), book)
    world = lay_out(market, [SkuStock(SKUS[0])], NOW_SECONDS)
    its = terms(market, SKUS[:1], NOW_SECONDS, [2, 1])

    assert its.buffer_units.tolist() == [[0], [2]]
    with pytest.raises(ValueError, match="not in tuple"):
        promise(dataclasses.replace(world, terms=its), [0])


def test_what_is_queued_counts_against_the_cap_that_covers_it() -> None:
    """One cap for all channels, unless it was said for one."""
    its = Settings(preorders=(Preorder(9, NOW_SECONDS + 5, 0, 1),))
    books = [
        SettingsBook(its),
        SettingsBook(channels={"c0": its}),
        SettingsBook(skus={SKUS[0]: its}),
        SettingsBook(skus={SKUS[0]: its}, channel_skus={("c0", SKUS[0]): its}),
    ]
    known = [
        SkuStock(SKUS[0], queued_units={"c0": 2, "c1": 3}),
        SkuStock(SKUS[1], queued_units={"c1": 99}),
    ]
    left_units = []
    for book in books:
        market = Market(Network.of([]), tuple(map(Channel, CHANNELS)), book)
        world = lay_out(market, known, NOW_SECONDS)
        offers, one_by_one = promise(world), Offers.empty(3, 2)
        for sku in range(2):
            Promiser(world).fill_block(one_by_one, sku, sku + 1)
        for row, channel_id in enumerate(CHANNELS):
            for column, stock in enumerate(known):
                right = plain(explain(market, stock, channel_id, NOW_SECONDS))
                assert flat(offers, row, column) == right
                assert flat(one_by_one, row, column) == right
        left_units.append(offers.quantity_units.tolist())

    assert left_units == [
        [[3, 0], [3, 0], [3, 0]],
        [[6, 8], [0, 0], [0, 0]],
        [[3, 0], [3, 0], [3, 0]],
        [[6, 0], [3, 0], [3, 0]],
    ]


def test_no_skus() -> None:
    market = Market(Network.of([]), (Channel("web"),))

    assert promise(lay_out(market, [], NOW_SECONDS)).quantity_units.shape == (1, 0)


def test_no_channels() -> None:
    with pytest.raises(ValueError, match="no channels"):
        promise(lay_out(Market(Network.of([]), ()), [], NOW_SECONDS))


def test_what_is_said_once_has_one_cell() -> None:
    """A million SKUs are not multiplied by terms that are the same for all."""
    book = SettingsBook(
        Settings(low_units=3),
        channels={"c1": Settings(buffer_units=2)},
        skus={SKUS[2]: Settings(max_units=5)},
    )
    market = Market(Network.of([]), tuple(map(Channel, CHANNELS)), book)

    its = terms(market, SKUS, NOW_SECONDS)

    assert its.low_units.tolist() == [[3]]
    assert its.buffer_units.tolist() == [[0], [2], [0]]
    assert its.max_units.tolist() == [[0, 0, 5]]
    assert its.low_units.dtype == np.int64


def test_one_skus_promises_are_not_anothers() -> None:
    """Reserves and receipts are added up along all SKUs: each begins at its own."""
    place = Location(PLACES[0])
    known = [
        SkuStock(
            sku,
            (StockRecord(PLACES[0], sku, on_hand),),
            allocations=(
                Allocation(f"{sku}-other", sku, 4, channel_ids=frozenset({"c1"})),
                Allocation(
                    f"{sku}-own", sku, 9, channel_ids=frozenset({"c0"}), rank=2**31
                ),
            ),
            queued_units={"c2": queued},
            supplies=(
                FutureSupply(PLACES[0], sku, 3, NOW_SECONDS + 1),
                FutureSupply(PLACES[0], sku, 9, NOW_SECONDS + 2),
            ),
        )
        for sku, on_hand, queued in zip(SKUS, (9, 9, 0), (0, 0, 3), strict=True)
    ]
    market = Market(Network.of([place]), tuple(map(Channel, CHANNELS)))

    offers = promise(lay_out(market, known, NOW_SECONDS))

    assert offers.quantity_units[0].tolist() == [5, 5, 0]
    # The reserves leave nothing for the third channel: one unit more is enough, but
    # where 3 are queued the first receipt only serves these.
    dates = [NOW_SECONDS + 1, NOW_SECONDS + 1, NOW_SECONDS + 2]
    assert offers.available_from_seconds[2].tolist() == dates
    for row, channel_id in enumerate(CHANNELS):
        for column, stock in enumerate(known):
            offer = explain(market, stock, channel_id, NOW_SECONDS)
            assert flat(offers, row, column) == plain(offer)
