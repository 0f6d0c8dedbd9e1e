"""Availability: what a server does to answer BatchGetAvailability of 10,000 SKUs.

From the request's list of SKUs to the bytes of the reply, over the memory of a real
ledger: compared with `explain` for each SKU, and with the floor, which is to copy what
memory has of them.
"""

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    LocationKind,
    Sku,
    StockChange,
)
from availability.offers.explain import explain
from availability.offers.inputs import Markets, stock_of
from availability.offers.service import Offering
from availability.setup.channels import Allocation, Channel, Purpose, SupplyRule
from availability.setup.settings import Backorders, Settings
from availability.setup.setup import SetupChange
from availability.v1 import availability_service_pb2
from router.rpc.background.offer_rows import OfferReader
from router.rpc.codec.offers import ALL_FIELDS
from router.rpc.services.availability import read_chunk

SKUS, CHANNELS, LOCATIONS, RECORDS = 10_000, 20, 50, 5
NOW_SECONDS = 2_000_000_000
CHANNEL = "c02"
SEED, SAMPLE = 7, 500
MAX_BYTES = 100_000


def clock() -> float:
    return NOW_SECONDS


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    """10,000 SKUs at five of 50 locations each; 20 channels with rules and settings."""
    rng = random.Random(SEED)
    with closing(open_ledger("sqlite://", clock)) as ledger:
        ids = [LocationId(f"l{n:02}") for n in range(LOCATIONS)]
        kinds = [
            LocationKind.WAREHOUSE if n < 10 else LocationKind.STORE
            for n in range(LOCATIONS)
        ]
        ledger.put_locations(
            [Location(each, n, kind=kinds[n]) for n, each in enumerate(ids, start=0)]
        )
        skus = [Sku(f"sku-{n:06}") for n in range(SKUS)]
        for start in range(0, SKUS, 2_000):
            ledger.import_stock(
                ImportMode.SET,
                [
                    StockChange(at, sku, rng.randrange(40))
                    for sku in skus[start : start + 2_000]
                    for at in rng.sample(ids, RECORDS)
                ],
            )
        stores = frozenset({LocationKind.STORE})
        rules = (
            SupplyRule(1, frozenset({LocationKind.WAREHOUSE})),
            SupplyRule(2, stores, min_units=2, share_permille=500),
        )
        channels = {f"c{n:02}": Channel(f"c{n:02}", rules) for n in range(CHANNELS)}
        shared = (
            Settings(backorders=Backorders.ALLOW, out_of_stock_threshold_units=-50),
            Settings(max_units=6, multiple_units=2),
            Settings(low_units=8, availability_threshold_units=2),
        )
        ledger.put_setup(
            SetupChange(
                channels,
                {("", sku): shared[n % 3] for n, sku in enumerate(skus) if n % 3 == 0}
                | {(CHANNEL, ""): Settings(buffer_units=1, share_permille=900)},
                {
                    sku: Allocation(sku, sku, 5, Purpose.RESERVE, frozenset({"c00"}))
                    for sku in skus[::50]
                },
            )
        )
        yield ledger


def test_batch(benchmark: BenchmarkFixture, ledger: Ledger) -> None:
    """One channel, 10,000 SKUs, all columns."""
    offering = Offering(ledger, clock)
    reader = OfferReader(offering)
    skus = [f"sku-{n:06}" for n in range(SKUS)]

    reply = benchmark(lambda: read_chunk(reader, CHANNEL, skus, ALL_FIELDS))

    assert len(reply) <= MAX_BYTES
    wire = availability_service_pb2.BatchGetAvailabilityResponse.FromString(reply)
    sample = random.Random(SEED).sample(range(SKUS), SAMPLE)
    explain_seconds = _explained(ledger, wire, sample) / SAMPLE * SKUS
    copy_seconds = min(_copied(ledger, skus) for _ in range(5))
    if benchmark.stats is not None:
        median = float(benchmark.stats.stats.median)
        benchmark.extra_info.update(
            reply_bytes=len(reply),
            times_faster_than_explain=round(explain_seconds / median),
            times_a_copy=round(median / copy_seconds, 1),
        )


def test_one_record_to_streams(benchmark: BenchmarkFixture, ledger: Ledger) -> None:
    """One record changes and every channel is watched: the rows of all 20 streams.

    Each stream reads memory and computes for its own channel, with `explain`; messages
    are not among it.
    """
    reader = OfferReader(Offering(ledger, clock))
    skus = itertools.cycle(Sku(f"sku-{n:06}") for n in range(SKUS))
    channels = list(ledger.setup().channels)

    def streams() -> int:
        sku = next(skus)
        return sum(reader.rows(each, [sku])[0].size for each in channels)

    assert benchmark(streams) == CHANNELS


def _explained(
    ledger: Ledger,
    wire: availability_service_pb2.BatchGetAvailabilityResponse,
    places: list[int],
) -> float:
    """Compare with `explain`; return the seconds that it takes."""
    skus = [Sku(f"sku-{n:06}") for n in places]
    positions = ledger.positions(skus)
    market = Markets().of(positions.network, positions.setup)
    started = time.perf_counter()
    right = [
        explain(
            market.market,
            stock_of(market, positions, sku, NOW_SECONDS),
            CHANNEL,
            NOW_SECONDS,
        ).quantity_units
        for sku in skus
    ]
    seconds = time.perf_counter() - started
    assert [wire.columns.quantity_units[n] for n in places] == right
    return seconds


def _copied(ledger: Ledger, skus: list[str]) -> float:
    """Return the seconds that it takes to copy what memory has of the SKUs."""
    grid = ledger.grid()
    rows = [grid.rows[sku] for sku in skus]
    started = time.perf_counter()
    grid.read(rows)
    grid.read_counted(rows)
    return time.perf_counter() - started
