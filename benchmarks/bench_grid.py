"""The stock grid in memory: reading an order's rows, and what a million cells cost.

Compared with what one would do without it, one query of the rows, and with the physical
floor, copying as many bytes.
"""

import sys

import numpy as np
import pytest
from pysqlite3 import dbapi2 as sqlite
from pytest_benchmark.fixture import BenchmarkFixture

from availability.model import Location, LocationId, Network
from availability.stock_grid import StockGrid

LOCATIONS, SKUS, LINES = 400, 2_500, 5
WANTED = [f"sku-{n:05}" for n in range(0, SKUS, SKUS // LINES)]


def _units(sku: int, column: int) -> int:
    return (sku * 31 + column * 17) % 97


def _grid() -> StockGrid:
    places = [Location(LocationId(f"l{n:03}"), n) for n in range(LOCATIONS)]
    grid = StockGrid(Network.of(places))
    for sku in range(SKUS):
        for column in range(LOCATIONS):
            grid.set(f"sku-{sku:05}", column, _units(sku, column))
    return grid


@pytest.fixture(scope="module")
def grid() -> StockGrid:
    return _grid()


def _right() -> list[list[int]]:
    return [
        [_units(int(sku.removeprefix("sku-")), column) for column in range(LOCATIONS)]
        for sku in WANTED
    ]


def test_read(benchmark: BenchmarkFixture, grid: StockGrid) -> None:
    found = benchmark(lambda: grid.read([grid.rows[sku] for sku in WANTED]))
    assert found.tolist() == _right()


def test_copy_of_as_many_bytes(benchmark: BenchmarkFixture) -> None:
    source = np.array(_right())
    assert benchmark(source.copy).tolist() == source.tolist()


def test_query(benchmark: BenchmarkFixture) -> None:
    db = sqlite.connect(":memory:")
    db.execute(
        "CREATE TABLE stock (sku TEXT, place INTEGER, units INTEGER,"
        " PRIMARY KEY (sku, place)) WITHOUT ROWID"
    )
    db.executemany(
        "INSERT INTO stock VALUES (?, ?, ?)",
        (
            (f"sku-{sku:05}", column, _units(sku, column))
            for sku in range(SKUS)
            for column in range(LOCATIONS)
        ),
    )
    marks = ", ".join("?" * len(WANTED))
    query = f"SELECT sku, place, units FROM stock WHERE sku IN ({marks})"  # noqa: S608

    def read() -> list[list[int]]:
        rows = {sku: [0] * LOCATIONS for sku in WANTED}
        for sku, place, units in db.execute(query, WANTED):
            rows[sku][place] = units
        return list(rows.values())

    assert benchmark(read) == _right()


def test_memory_of_a_million_records(
    benchmark: BenchmarkFixture, grid: StockGrid
) -> None:
    """What the cells, the rows' names and the map from name to row take."""
    names = sum(map(sys.getsizeof, grid.rows))
    used = benchmark.pedantic(
        lambda: grid.nbytes + sys.getsizeof(grid.rows) + names, rounds=1
    )
    benchmark.extra_info["bytes_per_record"] = round(used / (SKUS * LOCATIONS), 1)
    # Room for new SKUs is kept by doubling, so up to twice the cells' 8 bytes.
    assert used < 20 * SKUS * LOCATIONS
