import numpy as np
import pytest

from benchmarks.batch.generator import Size, draw
from router.optimize.batch.engines.engine import joined
from router.optimize.batch.engines.shards import dealt
from router.optimize.batch.pricing.blocks import steps_of
from router.optimize.batch.pricing.pricing import Patterns, Pricer
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.scarcity.peel import fixed_of

SIZE = Size(400, 12, 150)


def by_order(found: Patterns) -> dict[int, tuple[int, set[tuple[int, int, int]]]]:
    rows = zip(*(c.tolist() for c in found[2:]), strict=True)
    pieces: dict[int, set[tuple[int, int, int]]] = {}
    for pattern, *piece in rows:
        pieces.setdefault(pattern, set()).add((piece[0], piece[1], piece[2]))
    return {
        order: (value, pieces.get(at, set()))
        for at, (order, value) in enumerate(
            zip(found.order.tolist(), found.value.tolist(), strict=True)
        )
    }


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_shards_find_what_one_pricer_finds(shards: int) -> None:
    problem = draw("tight", SIZE, 0)
    orders = np.arange(3, problem.orders)
    rng = np.random.default_rng(shards)
    price = rng.integers(0, 2**19, problem.stock.shape)
    args = (problem.stock, price, fixed_of(problem), 20)
    whole = Pricer(problem, orders).price(*args)
    parts = [
        Pricer(problem, part).price(*args) for part in dealt(problem, orders, shards)
    ]
    found = by_order(joined(parts))
    assert len(parts) == shards
    assert found == by_order(whole)
    assert sorted(found) == orders.tolist()


def test_every_shard_gets_as_much_work() -> None:
    problem = draw("tight", Size(4_000, 12, 1_500), 1)
    start = problem.start
    lines = np.diff(start)
    parts = dealt(problem, np.arange(problem.orders), 3)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(problem.orders))
    large = [int(lines[part][lines[part] > 11].sum()) for part in parts]
    assert max(large) - min(large) <= lines.max()
    steps = [
        sum(
            steps_of(tuple(problem.demand[start[order] : start[order + 1]].tolist()))
            for order in part[lines[part] <= 4].tolist()
        )
        for part in parts
    ]
    assert max(steps) < 2 * min(steps)


def test_kinds_with_few_orders_stay_together() -> None:
    """Each kind costs its steps once more on every shard that has some of it."""
    count = 300
    demand = np.concatenate([np.ones(count), [4, 4, 3] * 6]).astype(np.int64)
    problem = BatchProblem(
        stock=np.full((3, 4), 1_000),
        start=np.concatenate([np.arange(count), count + 3 * np.arange(7)]),
        sku=np.concatenate([np.zeros(count), [0, 1, 2] * 6]).astype(np.int64),
        demand=demand,
    )
    parts = dealt(problem, np.arange(problem.orders), 2)
    rare = [np.count_nonzero(part >= count) for part in parts]
    assert sorted(rare) == [0, 6]


def test_quantities_too_large_for_a_programme() -> None:
    problem = BatchProblem(
        stock=np.full((11, 2), 10**6),
        start=np.array([0, 11, 22]),
        sku=np.tile(np.arange(11), 2),
        demand=np.full(22, 10**5),
    )
    parts = dealt(problem, np.arange(2), 2)
    assert [part.tolist() for part in parts] == [[0], [1]]


def test_fewer_orders_than_shards() -> None:
    problem = draw("tight", SIZE, 0)
    parts = dealt(problem, np.array([5, 2]), 4)
    assert sorted(int(part[0]) for part in parts) == [2, 5]
    assert dealt(problem, np.array([], dtype=np.int64), 4) == []
