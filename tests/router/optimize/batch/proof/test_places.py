from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.limits import never
from router.optimize.batch.plans.flow import ranks, transport
from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.pricing.pricing import SCALE
from router.optimize.batch.problem import BatchProblem, check, score
from router.optimize.batch.repair.ties import settle
from router.optimize.batch.solve import solve_batch
from tests.router.optimize.batch.joint import in_force, small
from tests.router.optimize.batch.test_solve import QUICK, judge


def regions(problem: BatchProblem, seed: int) -> BatchProblem:
    """Return a problem with three regions that see the locations each its own way."""
    rng = np.random.default_rng(seed)
    locations = problem.stock.shape[1]
    rank = np.array([rng.permutation(locations) for _ in range(3)])
    return replace(problem, rank=rank, region=rng.integers(0, 3, problem.orders))


def ones(seed: int, orders: int = 40) -> BatchProblem:
    """Return orders of one unit each, and stock that is not where they want it."""
    rng = np.random.default_rng(seed)
    sku = rng.integers(0, 4, orders)
    stock = np.zeros((4, 5), dtype=np.int64)
    for k, wanted in enumerate(np.bincount(sku, minlength=4).tolist()):
        at = rng.choice(5, wanted + 3, p=[0.4, 0.3, 0.1, 0.1, 0.1])
        stock[k] = np.bincount(at, minlength=5)
    unit = np.ones(orders, dtype=np.int64)
    return regions(
        BatchProblem(stock=stock, start=np.arange(orders + 1), sku=sku, demand=unit),
        seed,
    )


@pytest.mark.parametrize("seed", range(8))
def test_orders_of_one_unit_are_placed_exactly_and_it_is_proven(seed: int) -> None:
    problem = ones(seed)
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)
    places = solution.levels[3]
    assert places.value == places.bound > 0
    assert places.provenance == "proven"


@pytest.mark.parametrize("seed", range(8))
def test_prices_keep_every_order_where_it_is(seed: int) -> None:
    problem = ones(seed)
    orders = np.arange(problem.orders)
    found = transport(problem, orders, problem.stock)
    rank, region = ranks(problem)
    cost = rank[region] + found.price[problem.sku]
    cost = np.where(problem.stock[problem.sku] > 0, cost, 99)
    assert (cost[orders, found.location] == cost.min(axis=1)).all()
    used = np.zeros_like(problem.stock)
    np.add.at(used, (problem.sku, found.location), 1)
    assert (used <= problem.stock).all()
    assert not found.price[used < problem.stock].any()


def test_too_little_for_all() -> None:
    problem = ones(0)
    with pytest.raises(ValueError, match="not enough"):
        transport(problem, np.arange(problem.orders), problem.stock // 2)


@pytest.mark.parametrize("seed", range(10))
def test_places_fall_and_nothing_else_rises(seed: int) -> None:
    problem = regions(small(seed, orders=60, tight=1.3), seed)
    incumbent = Incumbent(problem)
    # Prices far below a shipment's lead the orders past the nearest location.
    rng = np.random.default_rng(seed)
    price = rng.integers(0, SCALE // 100, problem.stock.shape)
    for order in range(problem.orders):
        assert incumbent.place(order, price)
    before = score(problem, incumbent.as_plan())
    settle(problem, incumbent, never)
    plan = incumbent.as_plan()
    after = score(problem, plan)
    assert check(problem, plan) == []
    assert after.incomplete_orders == 0
    assert after.shipments <= before.shipments
    assert after.places < before.places


@pytest.mark.parametrize("seed", range(8))
def test_the_best_places_are_within_their_limits(seed: int) -> None:
    problem = regions(small(seed, orders=20, tight=1.4), seed)
    if seed % 2:
        plan = in_force(problem, seed, 0.3)
        problem = replace(problem, incumbent=plan, shipment_weight=3, move_weight=1)
    if seed % 3 == 1:
        capacity = np.full(problem.stock.shape[1], 9)
        problem = replace(problem, capacity_orders=capacity, split_line_weight=1)
    if seed % 4 == 2:
        problem = replace(problem, stock=problem.stock * 2 // 3)
    judge(problem, solve_batch(problem, QUICK))


def test_who_stays_does_not_move_for_a_nearer_place() -> None:
    problem = ones(1)
    plan = order_by_order(problem)
    far = replace(problem, incumbent=plan, rank=4 - ranks(problem)[0])
    solution = solve_batch(far, QUICK)
    assert solution.levels[2].value == 0
    assert score(far, solution.plan).places == score(far, plan).places
    judge(far, solution)
    # That nobody may move is part of the proof.
    assert solution.levels[3].provenance == "proven"
