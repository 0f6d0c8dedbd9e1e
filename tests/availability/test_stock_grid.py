"""The stock grid in memory: units, and when they were counted, side by side."""

import numpy as np
import pytest

from availability.memory_stock import MemoryStock
from availability.model import (
    MAX_SECONDS,
    Location,
    LocationId,
    Network,
    Sku,
    StockRecord,
)
from availability.stock_grid import StockGrid


@pytest.fixture
def grid() -> StockGrid:
    return StockGrid(Network.of(Location(LocationId(each)) for each in "ab"))


def test_nobody_counted_a_new_cell(grid: StockGrid) -> None:
    grid.set("x", 1, 5)

    assert grid.read([0]).tolist() == [[0, 5]]
    assert grid.read_counted([0]).tolist() == [[0, 0]]


def test_a_count_stays_until_another(grid: StockGrid) -> None:
    grid.set("x", 0, 5, 1_700_000_000)
    grid.set("x", 0, 6)
    grid.take("x", 0, 1)
    assert grid.read_counted([0]).tolist() == [[1_700_000_000, 0]]

    grid.set("x", 0, 6, 0)
    assert grid.read_counted([0]).tolist() == [[0, 0]]


def test_counts_are_copies_that_take_half_the_room(grid: StockGrid) -> None:
    grid.set("x", 0, 5, 7)
    found = grid.read_counted([0, 0])
    found[0, 0] = 99

    assert found.dtype == np.int32
    assert grid.read_counted([0]).tolist() == [[7, 0]]
    assert grid.nbytes == 16 * 2 * (8 + 4)


def test_counts_grow_with_the_rows(grid: StockGrid) -> None:
    for n in range(100):
        grid.set(f"s{n}", n % 2, n, 1_000 + n)

    rows = [grid.rows[f"s{n}"] for n in range(100)]
    counted = grid.read_counted(rows)
    assert counted.max(axis=1).tolist() == [1_000 + n for n in range(100)]
    assert counted.min(axis=1).tolist() == [0] * 100


def test_what_is_too_late_is_the_last_second(grid: StockGrid) -> None:
    grid.set("x", 0, 5, MAX_SECONDS + 1)

    assert grid.read_counted([0]).tolist() == [[MAX_SECONDS, 0]]


def test_stock_in_memory_is_known() -> None:
    laval = LocationId("laval")
    stock = MemoryStock(
        [Location(laval), Location(LocationId("else"), 1)],
        [
            StockRecord(laval, Sku("x"), 3, counted_seconds=1_700_000_000),
            StockRecord(laval, Sku("y"), 0),
        ],
    )

    grid = stock.grid()

    rows = [grid.rows["x"], grid.rows["y"]]
    assert grid.read_counted(rows).tolist() == [[0, 1_700_000_000], [0, 1]]
