"""Repair: a bad plan gets better, whatever limits it, and is a plan all the time."""

from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.context import BatchContext
from router.optimize.batch.engines.engine import LOCAL
from router.optimize.batch.limits import BatchLimits, Progress, Watch, never
from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import pieces_of
from router.optimize.batch.pricing.pricing import SCALE, Pricer
from router.optimize.batch.problem import BatchProblem, check, moved, score
from router.optimize.batch.repair.repair import Repair
from router.optimize.batch.scarcity.peel import Peeled, fixed_of
from tests.router.optimize.batch.joint import small

NONE = np.zeros(0, dtype=np.int64)


def wide(seed: int) -> BatchProblem:
    """Return orders of 12 to 20 lines: their patterns are looked for by branching."""
    rng = np.random.default_rng(seed)
    orders, skus, locations = 24, 40, 10
    counts = rng.integers(12, 21, orders)
    sku = np.concatenate([rng.choice(skus, n, replace=False) for n in counts])
    demand = rng.choice([1, 2], len(sku), p=[0.9, 0.1])
    wanted = np.bincount(sku, demand, skus).astype(np.int64)
    at = [rng.choice(locations, 2 * n) for n in wanted.tolist()]
    stock = np.array([np.bincount(each, minlength=locations) for each in at])
    start = np.concatenate([[0], counts.cumsum()])
    return BatchProblem(stock=stock, start=start, sku=sku, demand=demand)


def bad(problem: BatchProblem, seed: int) -> Incumbent:
    """Return orders with plans at senseless prices, and what each would have alone."""
    incumbent = Incumbent(problem)
    rng = np.random.default_rng(seed)
    for order in range(problem.orders):
        stay = incumbent.in_force.pieces.get(order)
        if problem.max_moves is not None and stay:
            incumbent.put(order, stay)
            continue
        price = rng.integers(0, SCALE, problem.stock.shape)
        incumbent.place(order, price)
    none = np.zeros_like(problem.stock)
    every = Pricer(problem, np.arange(problem.orders))
    for each in pieces_of(every.price(problem.stock, none, fixed_of(problem))):
        incumbent.learn(*each)
    return incumbent


def repaired(incumbent: Incumbent, neighbourhoods: int) -> list[Progress]:
    """Repair a plan; return what was told."""
    problem, told = incumbent.problem, list[Progress]()
    scarce = np.ones(problem.stock.shape, dtype=bool)
    peeled = Peeled(NONE, NONE, NONE, np.arange(problem.orders), scarce)
    limits = BatchLimits(neighbourhoods=neighbourhoods, size=8)
    watch = Watch(limits, told.append, never)
    price = np.full(problem.stock.shape, SCALE // 8)
    context = BatchContext(problem, limits, watch, LOCAL)
    Repair(context, incumbent, peeled, price, 0).run(0)
    return told


@pytest.mark.parametrize("neighbourhoods", [0, 20], ids=["alone", "together"])
@pytest.mark.parametrize("seed", range(3))
def test_large_orders_end_with_fewer_shipments(seed: int, neighbourhoods: int) -> None:
    problem = wide(seed)
    incumbent = bad(problem, seed)
    before = score(problem, incumbent.as_plan()).shipments
    told = repaired(incumbent, neighbourhoods)
    plan = incumbent.as_plan()
    assert check(problem, plan) == []
    assert score(problem, plan).shipments == told[-1].value
    values = [step.value for step in told if step.value is not None]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] == before


@pytest.mark.parametrize("seed", range(4))
def test_repair_keeps_to_capacities_and_to_the_plan_in_force(seed: int) -> None:
    problem = small(seed, orders=80, tight=2.0)
    plan = order_by_order(problem)
    load = score(problem, plan).shipments
    problem = replace(
        problem,
        incumbent=plan,
        move_weight=1,
        capacity_orders=np.full(5, load // 4),
        capacity_units=np.full(5, int(problem.demand.sum()) // 3),
    )
    incumbent = bad(replace(problem, incumbent=problem.frozen), seed)
    incumbent = again(problem, incumbent)
    before = score(problem, incumbent.as_plan())
    repaired(incumbent, 20)
    after = score(problem, incumbent.as_plan())
    assert check(problem, incumbent.as_plan()) == []
    assert after.shipments < before.shipments


def again(problem: BatchProblem, other: Incumbent) -> Incumbent:
    """Return the same plan and patterns for a problem with more to look at."""
    incumbent = Incumbent(problem)
    for order, pieces in other.plan.items():
        incumbent.put(order, pieces)
    for order, known in other.known.items():
        for pieces in known:
            incumbent.learn(order, pieces)
    return incumbent


@pytest.mark.parametrize("seed", range(4))
def test_nobody_moves_beyond_the_cap(seed: int) -> None:
    problem = small(seed, orders=80, tight=2.0)
    worse = bad(problem, seed).as_plan()
    problem = replace(problem, incumbent=worse, max_moves=3)
    incumbent = bad(problem, seed)
    repaired(incumbent, 20)
    plan = incumbent.as_plan()
    assert check(problem, plan) == []
    assert 0 < len(moved(problem, plan)) <= 3
    assert score(problem, plan).shipments < score(problem, worse).shipments
