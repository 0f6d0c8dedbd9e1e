from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.problem import (
    BatchPlan,
    BatchProblem,
    BatchScore,
    check,
    moved,
    score,
)

TWO = BatchProblem(
    stock=np.array([[1, 1], [2, 0]]),
    start=np.array([0, 2, 3]),
    sku=np.array([0, 1, 0]),
    demand=np.array([1, 2, 1]),
    weight=np.array([1, 5]),
)
GOOD = BatchPlan.of([(0, 0, 1), (1, 0, 2), (2, 1, 1)])


def test_a_good_plan() -> None:
    assert check(TWO, GOOD) == []
    assert score(TWO, GOOD) == BatchScore(0, 2, 0, 1)


def test_an_incomplete_order_counts_its_weight() -> None:
    assert score(TWO, BatchPlan.of([(0, 0, 1), (1, 0, 2)])).incomplete_orders == 5
    assert score(TWO, BatchPlan.of([(0, 0, 1), (2, 1, 1)])).incomplete_orders == 1


def test_a_split_line_counts() -> None:
    problem = BatchProblem(
        stock=np.array([[1, 1]]),
        start=np.array([0, 1]),
        sku=np.array([0]),
        demand=np.array([2]),
        split_line_weight=3,
        shipment_weight=10,
    )
    assert score(problem, BatchPlan.of([(0, 0, 1), (0, 1, 1)])).shipments == 23


def test_ranks_are_the_regions() -> None:
    problem = replace(TWO, rank=np.array([[0, 1], [7, 3]]), region=np.array([0, 1]))
    assert score(problem, GOOD).places == 3


@pytest.mark.parametrize(
    ("pieces", "word"),
    [
        ([(0, 0, 1), (2, 0, 1)], "location 0 ships 2 of SKU 0"),
        ([(0, 0, 1), (0, 1, 1)], "line 0 ships 2 of 1"),
        ([(0, 0, 1), (0, 0, 1)], "repeated"),
        ([(0, 0, 0)], "empty"),
        ([(9, 0, 1)], "no line"),
    ],
)
def test_breaches(pieces: list[tuple[int, int, int]], word: str) -> None:
    assert any(word in breach for breach in check(TWO, BatchPlan.of(pieces)))


def test_capacities() -> None:
    units = replace(TWO, capacity_units=np.array([2, 9]))
    assert check(units, GOOD) == ["location 0 ships 3 units"]
    orders = replace(TWO, capacity_orders=np.array([1, 0]))
    assert check(orders, GOOD) == ["location 1 ships 1 orders"]


def test_a_location_that_may_not_ship() -> None:
    allowed = np.array([[True, True], [True, False]])
    problem = replace(TWO, region=np.array([0, 1]), allowed=allowed)
    assert check(problem, GOOD) == ["location 1 may not ship line 2"]
    with pytest.raises(ValueError, match="allowed"):
        replace(TWO, region=np.array([0, 2]), allowed=allowed)


def test_a_missing_frozen_piece() -> None:
    problem = replace(TWO, frozen=BatchPlan.of([(2, 0, 1)]))
    assert "frozen 1 of line 2 at 0 missing" in check(problem, GOOD)


def test_moves() -> None:
    problem = replace(TWO, incumbent=BatchPlan.of([(0, 1, 1), (1, 0, 2)]), max_moves=0)
    # The other order had nothing: it does not move.
    assert moved(problem, GOOD).tolist() == [0]
    assert check(problem, GOOD) == ["1 orders moved, 0 allowed"]


def test_what_does_not_fit_together() -> None:
    with pytest.raises(ValueError, match="on two lines"):
        replace(TWO, sku=np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="weights"):
        replace(TWO, weight=np.array([0, 1]))
    with pytest.raises(ValueError, match="start"):
        replace(TWO, start=np.array([0, 2]))
