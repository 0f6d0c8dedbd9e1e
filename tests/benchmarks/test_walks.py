from collections.abc import Callable

import numpy as np
import pytest

from availability.model import IntArray
from benchmarks.batch import walks
from benchmarks.batch.generator import SIZES, draw
from router.optimize.batch.problem import BatchPlan, BatchProblem, check, complete
from router.optimize.problem import SourcingProblem
from router.optimize.walk import greedy, solve_walk
from router.policies import DEFAULT, PRESETS

WALKS = (
    walks.priority,
    walks.nearest,
    walks.highest_stock,
    walks.coverage,
    walks.whole_first,
    walks.reranked,
)


def problem(
    stock: list[list[int]], orders: list[dict[int, int]], rank: list[int] | None = None
) -> BatchProblem:
    lines = [(sku, units) for order in orders for sku, units in order.items()]
    return BatchProblem(
        stock=np.array(stock),
        start=np.cumsum([0, *map(len, orders)]),
        sku=np.array([sku for sku, _ in lines]),
        demand=np.array([units for _, units in lines]),
        rank=None if rank is None else np.array([rank]),
    )


# One order of 3, 2 and 2 units; the list is location 2, 0, 1, 3.
HAND = problem(
    [[3, 1, 2, 9], [1, 2, 0, 0], [1, 9, 1, 0]], [{0: 3, 1: 2, 2: 2}], [1, 2, 0, 3]
)


@pytest.mark.parametrize(
    ("walk", "pieces"),
    [
        pytest.param(
            walks.priority,
            [(0, 0, 3), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1)],
            id="in_the_locations_own_order_lines_split_as_they_come",
        ),
        pytest.param(
            walks.nearest,
            [(0, 2, 2), (0, 0, 1), (1, 0, 1), (1, 1, 1), (2, 2, 1), (2, 0, 1)],
            id="in_the_orders_list",
        ),
        pytest.param(
            walks.highest_stock,
            [(0, 3, 3), (1, 1, 2), (2, 1, 2)],
            id="each_line_where_most_is",
        ),
        pytest.param(
            walks.coverage,
            # Lines whole: 1 at location 0, 2 at 1, none at 2, 1 at 3.
            [(0, 1, 1), (0, 0, 2), (1, 1, 2), (2, 1, 2)],
            id="most_lines_whole_first_even_if_it_splits_another",
        ),
        pytest.param(
            walks.whole_first,
            [(0, 2, 2), (0, 0, 1), (1, 0, 1), (1, 1, 1), (2, 2, 1), (2, 0, 1)],
            id="nothing_has_it_all_so_it_walks",
        ),
        pytest.param(
            walks.reranked,
            # After location 1, two units are left of line 0: 2 is first in the list.
            [(0, 1, 1), (0, 2, 2), (1, 1, 2), (2, 1, 2)],
            id="asks_again_what_is_left",
        ),
    ],
)
def test_walks_by_hand(
    walk: Callable[[BatchProblem], BatchPlan], pieces: list[tuple[int, int, int]]
) -> None:
    plan = walk(HAND)
    rows = zip(*(column.tolist() for column in plan), strict=True)
    assert list(rows) == sorted(pieces)


def test_one_that_has_all_is_preferred_to_a_nearer_one() -> None:
    two = problem([[1, 1, 1], [0, 1, 1]], [{0: 1, 1: 1}], [0, 2, 1])
    assert walks.whole_first(two).location.tolist() == [2, 2]
    assert walks.nearest(two).location.tolist() == [0, 2]


def test_an_order_leaves_what_it_does_not_take_to_the_next() -> None:
    two = problem([[2, 5]], [{0: 2}, {0: 3}])
    assert walks.priority(two).location.tolist() == [0, 1]


@pytest.mark.parametrize("walk", WALKS)
def test_an_order_that_cannot_ship_whole_waits(
    walk: Callable[[BatchProblem], BatchPlan],
) -> None:
    short = problem([[1, 0], [0, 2]], [{0: 2, 1: 1}, {1: 2}])
    plan = walk(short)
    assert plan.line.tolist() == [2]
    assert complete(short, plan).tolist() == [0, 1]


@pytest.mark.parametrize("walk", WALKS)
def test_every_plan_is_allowed_and_whole(
    walk: Callable[[BatchProblem], BatchPlan],
) -> None:
    drawn = draw("tight", SIZES["1k"], 0)
    plan = walk(drawn)
    assert check(drawn, plan) == []
    assert complete(drawn, plan).all()


def test_limits_that_are_not_known_are_refused() -> None:
    limited = problem([[1]], [{0: 1}])
    limited.capacity_units = np.array([1])
    with pytest.raises(ValueError, match="neither capacities"):
        walks.priority(limited)


@pytest.mark.parametrize("seed", range(50))
def test_they_are_the_walks_of_single_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines, locations = int(rng.integers(1, 5)), int(rng.integers(1, 6))
    demand = rng.integers(1, 4, lines)
    stock = rng.integers(0, 4, (lines, locations))
    stock[:, -1] += np.maximum(0, demand - stock.sum(axis=1))
    rank = rng.permutation(locations)
    batch = BatchProblem(
        stock=stock,
        start=np.array([0, lines]),
        sku=np.arange(lines),
        demand=demand,
        rank=rank[None],
    )
    by_rank = rank.argsort()
    single = SourcingProblem(
        available=stock[:, by_rank],
        demand=tuple(demand.tolist()),
        bom=tuple(((line, 1),) for line in range(lines)),
        objectives=PRESETS[DEFAULT].objectives,
    )
    walked = solve_walk(single, np.arange(locations)).pieces
    for plan, pieces in ((walks.nearest, walked), (walks.reranked, greedy(single))):
        found = [(line, int(by_rank[at]), units) for at, line, units in pieces]
        assert _rows(plan(batch)) == sorted(found)


def _rows(plan: BatchPlan) -> list[tuple[int, int, int]]:
    columns: tuple[IntArray, ...] = plan
    return list(zip(*(each.tolist() for each in columns), strict=True))
