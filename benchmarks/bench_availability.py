"""Availability: what every channel may be promised of every SKU.

Compared with `explain` for each cell, and with the physical floor, copying as many
bytes. `REPARTIR_SKUS=1000000` for the full size.
"""

import itertools
import os
import random
import time
import tracemalloc
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from availability.model import (
    IntArray,
    Location,
    LocationId,
    LocationKind,
    Network,
    Sku,
    StockRecord,
)
from availability.offers.bulk.arrays import (
    AllocationArrays,
    OfferArrays,
    Offers,
    QueueArrays,
    StockArrays,
    SupplyArrays,
)
from availability.offers.bulk.compute import Promiser, promise
from availability.offers.bulk.layout import pools, stock_arrays
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
from tests.availability.offers.worlds import flat, plain

SKUS = int(os.environ.get("REPARTIR_SKUS", "20000"))
CHANNELS, LOCATIONS = 20, 50
NOW_SECONDS = 2_000_000_000
DAY_SECONDS = 86_400
SAMPLE, PART = 300, 10_000
SEED = 7


def _locations() -> list[Location]:
    """10 warehouses and 40 stores of 5 chains; 3 closed, 5 tied to some channels."""
    return [
        Location(
            LocationId(f"l{at:02}"),
            at,
            kind=LocationKind.WAREHOUSE if at < 10 else LocationKind.STORE,
            active=at not in (9, 25, 41),
            groups=frozenset({f"chain{at % 5}"}),
            channel_ids=frozenset({f"c{n:02}" for n in range(0, CHANNELS, 2)})
            if at % 11 == 7
            else frozenset(),
        )
        for at in range(LOCATIONS)
    ]


def _rules(at: int) -> tuple[SupplyRule, ...]:
    """None, one, two or three rules, with bounds, shares and conditions."""
    stores = frozenset({LocationKind.STORE})
    warehouses = SupplyRule(1, frozenset({LocationKind.WAREHOUSE}))
    chain = frozenset({f"chain{at % 5}"})
    few = frozenset(LocationId(f"l{n:02}") for n in range(at % 7, LOCATIONS, 3))
    return (
        (),
        (warehouses,),
        (warehouses, SupplyRule(2, stores, min_units=2, share_permille=500)),
        (SupplyRule(1, stores, chain, threshold_units=5, min_locations=2), warehouses),
        (SupplyRule(include_ids=few, max_units=60),),
        (
            SupplyRule(1, stores, chain, min_units=3, threshold_units=9),
            replace(warehouses, rank=2, share_permille=900),
            SupplyRule(3, min_locations=2),
        ),
    )[(0, 0, 0, 1, 2, 3, 3, 4, 4, 5)[at % 10]]


def _book(skus: list[Sku], rng: random.Random) -> SettingsBook:
    """Something about every channel, a third of the SKUs, and 2 % of the cells."""
    channels = {
        f"c{at:02}": Settings(
            share_permille=(1000, 900, 500)[at % 3],
            buffer_units=at % 4,
            availability_threshold_units=at % 6,
            publication_threshold_units=at % 3,
            customer_limit=CustomerLimit(20 + at, DAY_SECONDS) if at % 5 == 0 else None,
        )
        for at in range(CHANNELS)
    }
    backorders = tuple(Backorders)
    shared = [
        Settings(managed=False),
        *(
            Settings(backorders=each, out_of_stock_threshold_units=threshold)
            for each in backorders
            for threshold in (-50, 0, 5)
        ),
        Settings(preorders=(Preorder(9, NOW_SECONDS + DAY_SECONDS, 0, 4),)),
        Settings(preorders=(Preorder(9, NOW_SECONDS - DAY_SECONDS),)),
        *(Settings(min_units=2, max_units=n, multiple_units=2) for n in (0, 8, 12)),
        Settings(low_units=8, floor_units=0),
        Settings(max_units=6),
    ]
    cells = [
        Settings(fixed_units=5),
        Settings(buffer_units=7),
        Settings(backorders=Backorders.NONE),
    ]
    said = {sku: rng.choice(shared) for sku in skus if rng.random() < 1 / 3}
    return SettingsBook(
        Settings(low_units=3, floor_units=1),
        channels,
        said,
        {
            (f"c{rng.randrange(CHANNELS):02}", sku): rng.choice(cells)
            for sku in skus
            if rng.random() < 0.4
        },
    )


@dataclass(frozen=True)
class Drawn:
    """A market and a world of the same drawn numbers; grids are (S, L)."""

    market: Market
    skus: list[Sku]
    world: OfferArrays
    units: IntArray
    counted_seconds: npt.NDArray[np.int32]
    stale_after_seconds: IntArray

    def stock(self, sku: int) -> SkuStock:
        """Return one SKU as `explain` reads it."""
        world = self.world
        channels = [each.channel_id for each in self.market.channels]
        places = [each.location_id for each in self.market.network.locations]
        name, its = self.skus[sku], world.stock
        records = range(its.starts[sku], its.starts[sku + 1])
        queued: dict[str, int] = {}
        for at in np.flatnonzero(world.queue.skus == sku):
            channel = channels[world.queue.channels[at]]
            queued[channel] = queued.get(channel, 0) + int(world.queue.units[at])
        allocations, supplies = world.allocations, world.supplies
        return SkuStock(
            name,
            tuple(
                StockRecord(
                    places[its.locations[at]], name, int(its.available_units[at])
                )
                for at in records
            ),
            frozenset(places[its.locations[at]] for at in records if its.stale[at]),
            queued,
            tuple(
                Allocation(
                    str(at),
                    name,
                    int(allocations.remaining_units[at]),
                    Purpose.RESERVE if allocations.reserves[at] else Purpose.PRESELL,
                    frozenset(itertools.compress(channels, allocations.members[at])),
                    frozenset(itertools.compress(channels, allocations.following[at])),
                    created_number=int(at),
                )
                for at in np.flatnonzero(allocations.skus == sku)
            ),
            tuple(
                FutureSupply(
                    places[supplies.locations[at]],
                    name,
                    int(supplies.units[at]),
                    int(supplies.from_seconds[at]),
                )
                for at in np.flatnonzero(supplies.skus == sku)
            ),
        )


def _draw(count: int) -> Drawn:
    rng = np.random.default_rng(SEED)
    locations = _locations()
    skus = [Sku(f"sku-{at:07}") for at in range(count)]
    market = Market(
        Network.of(locations),
        tuple(Channel(f"c{at:02}", _rules(at)) for at in range(CHANNELS)),
        _book(skus, random.Random(SEED)),
    )
    stock, counted_seconds, stale_after_seconds = _stock(count, rng)
    queued = np.sort(rng.integers(0, count, count // 15))
    queue = QueueArrays(
        rng.integers(0, CHANNELS, len(queued)), queued, rng.integers(1, 6, len(queued))
    )
    supplied = np.sort(rng.integers(0, count, count // 8))
    dates = NOW_SECONDS + rng.integers(-5, 60, len(supplied)) * DAY_SECONDS
    by_date = np.lexsort((dates, supplied))
    supplies = SupplyArrays(
        supplied,
        rng.integers(0, LOCATIONS, len(supplied)),
        rng.integers(1, 30, len(supplied)),
        dates[by_date],
    )
    world = OfferArrays(
        stock,
        pools(market),
        terms(market, skus, NOW_SECONDS),
        _allocations(count, rng),
        queue,
        supplies,
        NOW_SECONDS,
    )
    part = min(PART, count)
    last = stock.starts[part]
    units = np.zeros((part, LOCATIONS), np.int64)
    counted = np.zeros((part, LOCATIONS), np.int32)
    at = np.repeat(np.arange(part), np.diff(stock.starts[: part + 1]))
    units[at, stock.locations[:last]] = stock.available_units[:last]
    counted[at, stock.locations[:last]] = counted_seconds[:last]
    return Drawn(market, skus, world, units, counted, stale_after_seconds)


def _stock(
    count: int, rng: np.random.Generator
) -> tuple[StockArrays, npt.NDArray[np.int32], IntArray]:
    """Draw five records a SKU, none to fourteen, in the order of the locations."""
    counts = np.minimum(rng.poisson(5, count), 14)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    skus = np.repeat(np.arange(count), counts)
    turn = np.arange(len(skus)) - starts[skus]
    # Steps that share no divisor with the number of locations meet each once.
    step = rng.choice([1, 3, 7, 9, 11, 13], count)
    locations = (
        rng.integers(0, LOCATIONS, count)[skus] + turn * step[skus]
    ) % LOCATIONS
    locations = locations[np.lexsort((locations, skus))]
    units = rng.integers(0, 40, len(skus)) * (rng.random(len(skus)) < 0.8)
    units[rng.integers(0, len(skus), len(skus) // 100_000)] = 10**12
    limits = np.where(np.arange(LOCATIONS) % 3 == 0, DAY_SECONDS, 0)
    old = rng.random(len(skus)) < 0.1
    counted_seconds = NOW_SECONDS - np.where(old, 2 * DAY_SECONDS, DAY_SECONDS)
    stale = old & (limits[locations] > 0)
    return (
        StockArrays(starts, locations, units, stale),
        counted_seconds.astype(np.int32),
        limits,
    )


def _allocations(count: int, rng: np.random.Generator) -> AllocationArrays:
    skus = np.sort(rng.integers(0, count, count // 12))
    members = rng.random((len(skus), CHANNELS)) < 0.1
    reserves = (rng.random(len(skus)) < 0.6) | ~members.any(axis=1)
    units = rng.integers(0, 20, len(skus))
    return AllocationArrays(
        skus,
        units,
        reserves,
        units == 0,
        members,
        members & (rng.random(members.shape) < 0.3),
    )


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return _draw(SKUS)


@pytest.fixture(scope="module")
def offers(drawn: Drawn) -> Offers:
    return promise(drawn.world)


def _assert_right(drawn: Drawn, offers: Offers, skus: list[int]) -> float:
    """Compare with `explain`; return the seconds that it takes for one cell."""
    channels = [each.channel_id for each in drawn.market.channels]
    stocks = [drawn.stock(sku) for sku in skus]
    started = time.perf_counter()
    right = [
        [explain(drawn.market, stock, each, NOW_SECONDS) for each in channels]
        for stock in stocks
    ]
    seconds = time.perf_counter() - started
    for sku, row in zip(skus, right, strict=True):
        assert [flat(offers, at, sku) for at in range(CHANNELS)] == list(
            map(plain, row)
        )
    return seconds / (len(skus) * CHANNELS)


def _median(benchmark: BenchmarkFixture) -> float | None:
    return None if benchmark.stats is None else float(benchmark.stats.stats.median)


@pytest.mark.parametrize("threads", sorted({1, os.cpu_count() or 1}))
def test_everything(
    benchmark: BenchmarkFixture, drawn: Drawn, offers: Offers, threads: int
) -> None:
    """All cells, into memory that is in use already; against `explain` and a copy."""
    benchmark.pedantic(
        lambda: Promiser(drawn.world).fill(offers, threads), rounds=5, warmup_rounds=1
    )
    sample = random.Random(SEED).sample(range(SKUS), SAMPLE)
    explain_seconds = _assert_right(drawn, offers, sample) * SKUS * CHANNELS
    copy_seconds = min(_copy(offers) for _ in range(5))
    median = _median(benchmark)
    if median is not None:
        benchmark.extra_info.update(
            explain_seconds=explain_seconds,
            copy_seconds=copy_seconds,
            times_faster_than_explain=round(explain_seconds / median),
            times_a_copy=round(median / copy_seconds, 1),
        )


def _copy(offers: Offers) -> float:
    """Return the seconds that it takes to copy the offers to where others were."""
    there = [np.ones_like(each) for each in offers.columns]
    started = time.perf_counter()
    for to, each in zip(there, offers.columns, strict=True):
        np.copyto(to, each)
    return time.perf_counter() - started


def test_one_record(benchmark: BenchmarkFixture, drawn: Drawn, offers: Offers) -> None:
    """One stock record changes: the bulk form for a block of its SKU, all channels.

    Bar: 100 µs, the fastest. `bench_availability_call` has the whole path of a stream,
    which reads the ledger and computes for its own channel.
    """
    stock = drawn.world.stock
    before = stock.available_units.copy()
    promiser = Promiser(drawn.world)
    rng = random.Random(SEED)
    having = np.flatnonzero(np.diff(stock.starts)).tolist()
    changed = rng.sample(having, 200)
    turn = itertools.cycle(changed)

    def change() -> tuple[tuple[int], dict[str, int]]:
        sku = next(turn)
        stock.available_units[stock.starts[sku]] = rng.randrange(40)
        return (sku,), {}

    benchmark.pedantic(
        lambda sku: promiser.fill_block(offers, sku, sku + 1),
        setup=change,
        rounds=2_000,
        warmup_rounds=20,
    )
    _assert_right(drawn, offers, changed[:20])
    stock.available_units[:] = before


def _first(
    arrays: QueueArrays | AllocationArrays | SupplyArrays, count: int
) -> list[npt.NDArray[Any]]:
    """Return the arrays without what is of later SKUs."""
    its = arrays.skus < count
    return [getattr(arrays, each.name)[its] for each in fields(arrays)]


def test_some_skus_of_one_channel(benchmark: BenchmarkFixture, drawn: Drawn) -> None:
    """What a call for 10,000 SKUs of a channel does, from the ledger's grid on."""
    world, skus, channel = drawn.world, drawn.skus[:PART], 15
    count = len(skus)
    queue = QueueArrays(*_first(world.queue, count))
    allocations = AllocationArrays(*_first(world.allocations, count))
    supplies = SupplyArrays(*_first(world.supplies, count))

    def call() -> Offers:
        stock = stock_arrays(
            drawn.units, drawn.counted_seconds, drawn.stale_after_seconds, NOW_SECONDS
        )
        said = terms(drawn.market, skus, NOW_SECONDS, [channel])
        part = OfferArrays(
            stock, world.pools, said, allocations, queue, supplies, NOW_SECONDS
        )
        return promise(part, [channel])

    found = benchmark(call)
    right = promise(world, [channel])
    for ours, theirs in zip(found.columns, right.columns, strict=True):
        assert np.array_equal(ours[0], theirs[0, :count])


def test_memory(benchmark: BenchmarkFixture, drawn: Drawn) -> None:
    """The most that numpy and Python hold (tracemalloc), beyond the world itself."""

    def peak() -> int:
        tracemalloc.start()
        promise(drawn.world)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    most = benchmark.pedantic(peak, rounds=1)
    bytes_per_cell = most / (SKUS * CHANNELS)
    benchmark.extra_info.update(
        peak_megabytes=round(most / 1e6), bytes_per_cell=round(bytes_per_cell, 1)
    )
    # The offers are 45 bytes a cell; a small world's block is as large as all of it.
    assert bytes_per_cell < 45 + 8e6 / SKUS + 60
