"""Orders that one location ships, and orders of one unit."""

from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.plans.singles import place_singles
from router.optimize.batch.pricing.cover import Cover
from router.optimize.batch.problem import BatchProblem, check
from tests.router.optimize.batch.joint import small


@pytest.mark.parametrize("locations", [5, 64, 70, 130])
def test_the_first_location_with_all_of_it(locations: int) -> None:
    rng = np.random.default_rng(locations)
    problem = small(1, orders=60)
    stock = rng.integers(0, 4, (len(problem.stock), locations))
    allowed = rng.random((2, locations)) < 0.6
    region = rng.integers(0, 2, problem.orders)
    problem = replace(problem, stock=stock, region=region, allowed=allowed)
    orders = rng.permutation(problem.orders)[:40]
    found = Cover(problem, orders).find(stock)
    for order, location in zip(orders.tolist(), found.tolist(), strict=True):
        lines = slice(problem.start[order], problem.start[order + 1])
        there = stock[problem.sku[lines]] >= problem.demand[lines, None]
        whole = np.flatnonzero(there.all(axis=0) & allowed[region[order]])
        assert location == (whole[0] if len(whole) else -1)


@pytest.mark.parametrize("seed", range(5))
def test_single_units_leave_from_the_best_place_with_units_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    orders, skus, locations = 300, 6, 5
    problem = BatchProblem(
        stock=rng.integers(0, 13, (skus, locations)),
        start=np.arange(orders + 1),
        sku=rng.integers(0, skus, orders),
        demand=np.ones(orders, dtype=np.int64),
        rank=np.array([rng.permutation(locations) for _ in range(3)]),
        region=rng.integers(0, 3, orders),
        allowed=rng.random((3, locations)) < 0.8,
    )
    plan = place_singles(problem, np.arange(orders), problem.stock)
    assert check(problem, plan) == []
    assert problem.rank is not None
    assert problem.allowed is not None
    left = problem.stock.copy()
    np.subtract.at(left, (problem.sku[plan.line], plan.location), plan.units)
    at = np.full(orders, -1)
    at[plan.line] = plan.location
    for order in range(orders):
        row = problem.classes[order]
        free = (left[problem.sku[order]] > 0) & problem.allowed[row]
        if at[order] < 0:
            assert not free.any()
        else:
            assert not (free & (problem.rank[row] < problem.rank[row, at[order]])).any()
